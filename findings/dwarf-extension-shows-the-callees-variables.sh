#!/bin/bash
# Which variables the debugger of Chrome and VS Code shows in the caller of an inlined function. @vscode/dwarf-debugging 0.0.2 (npm; Chrome's extension "C/C++ DevTools Support"
# for VS Code's debugger: LLVM and LLDB as WebAssembly), run by the Node that there is (20.20.2); clang 19 and lld 19 of Debian (clang-19,
# lld-19 1:19.1.7) make the module, without optimisation.
#
# One would guess: the caller's. The interface has an index of the inlined frame in each place, the source line and the list of variables by that index are the caller's, and
# so should the values be that are asked for with the same place.
# Seen: a name is looked up in the innermost inlined function whatever the index says. The list for `outer` has `value`, `doubled` and `rest`. `value` is said
# to be 0, which is that of `inner`, where `outer` has 7; `doubled` is 50 instead of 14, and `rest`, which `inner` has not, is an "undeclared identifier". One that
# knows the bug by the error alone takes the two others for true. Before the call, where nothing is inlined, all three are right. So in such a frame believe no value
# whose name the inlined function has, too.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @vscode/dwarf-debugging@0.0.2 > /dev/null
cat > inlined.c <<'C'
static inline __attribute__((always_inline)) int inner(int value) {
    int doubled = value * 2 + 50;
    return 100 / value + doubled;
}
__attribute__((noinline)) void note(int value) { } // a call, for which the stack pointer is written
int outer(int value, int divisor) {
    note(value);
    int doubled = value * 2, rest = 100 % divisor;
    if (value == 9) __builtin_trap(); // before the call
    return inner(value - 7) + doubled + rest;
}
C
clang-19 --target=wasm32 -g -O0 -c inlined.c -o inlined.o
wasm-ld-19 --no-entry --export=outer --export=__stack_pointer inlined.o -o inlined.wasm
cat > show.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { spawn } = require("@vscode/dwarf-debugging");
const bytes = readFileSync("inlined.wasm"), file = "inlined.wasm";
function code() { // where the contents of the code section begin: what the extension counts from
  for (let at = 8; ;) {
    const id = bytes[at++];
    let size = 0, shift = 0;
    do { size |= (bytes[at] & 127) << shift; shift += 7; } while (bytes[at++] & 128);
    if (id === 10) return at;
    at += size;
  }
}
(async () => {
  for (const argument of [9, 7]) {
    const { outer, memory, __stack_pointer: stack } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
    let offset;
    try { outer(argument, 8); } catch ({ message, stack }) { offset = parseInt(/:0x([0-9a-f]+)\)/.exec(stack)[1], 16) - code(); console.log(`outer(${argument}, 8): ${message}`); }
    const { rpc, dispose } = spawn({
      getWasmLinearMemory: (at, length) => memory.buffer.slice(at, at + length),
      getWasmLocal: () => ({ type: "i32", value: stack.value }), // the only local that is asked for is the frame, which is still on the stack
      getWasmGlobal: () => ({ type: "i32", value: stack.value }),
      getWasmOp: () => ({ type: "i32", value: 0 }),
    });
    await rpc.sendMessage("hello", [], false);
    await rpc.sendMessage("addRawModule", file, "", { url: "file:///inlined.wasm", code: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) });
    const { frames } = await rpc.sendMessage("getFunctionInfo", { rawModuleId: file, codeOffset: offset });
    for (const [inlineFrameIndex, { name }] of frames.entries()) {
      const place = { rawModuleId: file, codeOffset: offset, inlineFrameIndex };
      const [{ lineNumber }] = await rpc.sendMessage("rawLocationToSourceLocation", place);
      const shown = [];
      for (const variable of await rpc.sendMessage("listVariablesInScope", place)) {
        const value = await rpc.sendMessage("evaluate", variable.name, place, 0).catch((error) => ({ description: /undeclared identifier/.exec(error) ?? error }));
        shown.push(`${variable.name}: ${value.description}`);
      }
      console.log(`  ${name}, line ${lineNumber + 1}: ${shown.sort().join(", ")}`);
    }
  }
  process.exit();
})();
JS
node show.cjs | tee seen
diff seen - <<'EXPECTED'
outer(9, 8): unreachable
  outer, line 9: divisor: 8, doubled: 18, rest: 4, value: 9
outer(7, 8): divide by zero
  inner, line 3: doubled: 50, value: 0
  outer, line 10: divisor: undeclared identifier, doubled: 50, rest: undeclared identifier, value: 0
EXPECTED
echo 'seen as described'
