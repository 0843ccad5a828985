#!/bin/bash
# What the debugger of Chrome and VS Code shows of an object of C++ that is opened in its tree of variables. @vscode/dwarf-debugging 0.0.2 (npm; Chrome's extension "C/C++ DevTools
# Support" for VS Code's debugger), run by the Node that there is (20.20.2); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module.
#
# One would guess: the values that an expression has in its console, `flags.low`, which LLDB evaluates. Both come from the same extension and the same DWARF.
# Seen: the tree knows of a member its offset in bytes and its type, and reads that. Two kinds of members are not at such a place:
#   a bit field is shown as all the 32 bits that it lies in: of low = 5, middle = 17, high = -3 the tree has 4294966669, 4294966669 and
#   218103805, of which one byte lies behind the object;
#   a member of a virtual base is read at the object's own beginning: of `base = 44` the tree has the address of the vtable.
# An expression has 5, 17, -3 and 44. So what looks like an overwritten flag word in the tree may be none: ask for the member by its name.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @vscode/dwarf-debugging@0.0.2 > /dev/null
cat > members.cc <<'C'
struct Flags { unsigned low : 3, middle : 5; int high : 24; };
struct Base { int base = 44; };
struct Derived : virtual Base { int own = 55; };
Flags flags = {5, 17, -3};
Derived derived;
extern "C" int run(int n) { return n / (flags.high + derived.own - 52); }
C
clang-19 --target=wasm32 -std=c++17 -fno-exceptions -g -O0 -c members.cc -o members.o
wasm-ld-19 --no-entry --no-gc-sections --export=run --export=__wasm_call_ctors --allow-undefined members.o -o members.wasm
cat > show.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { spawn } = require("@vscode/dwarf-debugging");
const bytes = readFileSync("members.wasm"), file = "members.wasm";
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
  const module = new WebAssembly.Module(bytes);
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
  const { run, memory, __wasm_call_ctors } = new WebAssembly.Instance(module, imports).exports;
  __wasm_call_ctors?.();
  let offset;
  try { run(1); } catch ({ message, stack }) { offset = parseInt(/:0x([0-9a-f]+)\)/.exec(stack)[1], 16) - code(); console.log(`run(1): ${message}`); }
  const { rpc } = spawn({ getWasmLinearMemory: (at, length) => memory.buffer.slice(at, at + length), getWasmLocal: () => {}, getWasmGlobal: () => {}, getWasmOp: () => {} });
  await rpc.sendMessage("hello", [], false);
  await rpc.sendMessage("addRawModule", file, "", { url: "file:///members.wasm", code: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) });
  const place = { rawModuleId: file, codeOffset: offset, inlineFrameIndex: 0 };
  for (const name of ["flags", "derived"]) {
    const { objectId } = await rpc.sendMessage("evaluate", name, place, 0);
    for (const member of await rpc.sendMessage("getProperties", objectId)) {
      const expression = await rpc.sendMessage("evaluate", `${name}.${member.name}`, place, 0);
      console.log(`${name}.${member.name}: tree ${member.value.description}, expression ${expression.description}`);
    }
  }
  process.exit();
})();
JS
node show.cjs | tee seen
diff seen - <<'EXPECTED'
run(1): divide by zero
flags.low: tree 4294966669, expression 5
flags.middle: tree 4294966669, expression 17
flags.high: tree 218103805, expression -3
derived.base: tree 1036, expression 44
derived.own: tree 55, expression 55
EXPECTED
echo 'seen as described'
