#!/bin/bash
# A member of an object, by its name, in a lambda that has captured `this`, if a global variable has that name, too. gdb
# 13.1 (Debian 13.1-3) and 18.1 (PyPI gdb-for-pwndbg 18.1.0.post1), LLDB 22.1.8 (Debian lldb-22 1:22.1.8-1~deb12u1) and
# 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), @vscode/dwarf-debugging 0.0.2 (npm; the debugger of Chrome and VS Code for
# WebAssembly), run by the Node that there is; clang 19.1.7 (Debian clang-19, lld-19 1:19.1.7-3~deb12u1) and g++ 12.2.0
# (Debian g++-12 12.2.0-14+deb12u1) make the programs, without optimisation.
#
# One would guess: the value that the program has at that place. In a member function `limit` is `this->limit` before it
# is `::limit`, in all debuggers; in a lambda they find it as well, or say that there is no such symbol.
# Seen: of clang's lambda the global, whose value is 200 where the program computes with 7. To DWARF it is a class of
# its own, whose `this` is the lambda, and which has a member that is called `this`; a debugger that does not look into
# that one goes on to the globals. So do both gdbs and Chrome's debugger, in `[this]` and in `[&]`. LLDB has two
# answers: `frame variable limit` is 200, `expression limit` is 7, and the short `p limit` is the one in 22, and the
# other one in 23. g++ describes each captured variable in the lambda itself, and gdb is right there; LLDB has its two
# answers the other way round, 7 and 200. If no global has the name, gdb says that there is no such symbol. So for clang
# ask for `this->this->limit` in gdb, and for an expression in LLDB.
set -euo pipefail

for program in clang++-19 wasm-ld-19 g++-12 gdb lldb-22; do
    command -v $program > /dev/null || apt-get install -y --no-install-recommends \
        clang-19 lld-19 g++-12 gdb lldb-22 > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1 lldb-for-pwndbg==23.1.0.post2
echo '{}' > package.json
npm install --silent --no-fund --no-audit @vscode/dwarf-debugging@0.0.2 > /dev/null
cat > shop.cpp <<'CPP'
int limit = 200;
struct shop {
    int limit = 7;
    int check(int step) {
        auto ask = [CAPTURE](int n) { return limit / n; };
        return ask(step);
    }
};
extern "C" int run(int n) { shop s; return s.check(n); }
CPP
echo 'extern "C" int run(int); int main() { return run(0); }' > main.cpp
cat > show.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { spawn } = require("@vscode/dwarf-debugging");
const bytes = readFileSync("shop.wasm"), file = "shop.wasm";
function code() { // the start of the code section, from which the extension counts
  for (let at = 8; ;) {
    const id = bytes[at++];
    let size = 0, shift = 0;
    do { size |= (bytes[at] & 127) << shift; shift += 7; } while (bytes[at++] & 128);
    if (id === 10) return at;
    at += size;
  }
}
(async () => {
  const { run, memory } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  let codeOffset;
  try { run(0); } catch ({ stack }) { codeOffset = parseInt(/:0x([0-9a-f]+)\)/.exec(stack)[1], 16) - code(); }
  const none = () => {};
  const getWasmLinearMemory = (at, length) => memory.buffer.slice(at, at + length);
  const { rpc } = spawn({ getWasmLinearMemory, getWasmLocal: none, getWasmGlobal: none, getWasmOp: none });
  const contents = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  await rpc.sendMessage("hello", [], false);
  await rpc.sendMessage("addRawModule", file, "", { url: "file:///shop.wasm", code: contents });
  const place = { rawModuleId: file, codeOffset, inlineFrameIndex: 0 };
  const { description } = await rpc.sendMessage("evaluate", "limit", place, 0);
  console.log(`  Chrome: limit ${description}`);
  process.exit();
})();
JS
new() { venv/bin/gdb -iex 'set debuginfod enabled off' "$@"; }
old() { gdb "$@"; }
show() { # the compiler, the capture: answers at the division by zero, in the lambda
    $1 -std=c++17 -g -O0 "-DCAPTURE=$2" shop.cpp main.cpp -o shop
    echo "$1, [$2]"
    local debugger command name
    for debugger in old new; do
        [ $debugger = old ] && name='gdb 13' || name='gdb 18'
        for command in 'print limit' 'print this->this->limit'; do
            { $debugger -nx -q -batch -ex run -ex "$command" shop 2>&1 || true; } |
                sed -nE "s/^[$][0-9]+ = /  $name, $command: /p"
        done
    done
    for debugger in lldb-22 venv/bin/lldb; do
        [ $debugger = lldb-22 ] && name='LLDB 22' || name='LLDB 23'
        for command in 'frame variable limit' 'expression limit' 'p limit'; do
            { $debugger --no-lldbinit --batch -o run -k "$command" -k kill -k quit shop 2>&1 || true; } |
                sed -nE "s/^\(int\) (.* = )?([0-9]+)$/  $name, $command: \2/p"
        done
    done
}
{
    for capture in this '&'; do
        show clang++-19 "$capture"
        clang++-19 --target=wasm32 -std=c++17 -g -O0 "-DCAPTURE=$capture" -c shop.cpp -o shop.o
        wasm-ld-19 --no-entry --no-gc-sections --export=run shop.o -o shop.wasm
        node show.cjs
        show g++-12 "$capture"
    done
} | tee seen
diff seen - <<'EXPECTED'
clang++-19, [this]
  gdb 13, print limit: 200
  gdb 13, print this->this->limit: 7
  gdb 18, print limit: 200
  gdb 18, print this->this->limit: 7
  LLDB 22, frame variable limit: 200
  LLDB 22, expression limit: 7
  LLDB 22, p limit: 200
  LLDB 23, frame variable limit: 200
  LLDB 23, expression limit: 7
  LLDB 23, p limit: 7
  Chrome: limit 200
g++-12, [this]
  gdb 13, print limit: 7
  gdb 18, print limit: 7
  LLDB 22, frame variable limit: 7
  LLDB 22, expression limit: 200
  LLDB 22, p limit: 7
  LLDB 23, frame variable limit: 7
  LLDB 23, expression limit: 200
  LLDB 23, p limit: 7
clang++-19, [&]
  gdb 13, print limit: 200
  gdb 13, print this->this->limit: 7
  gdb 18, print limit: 200
  gdb 18, print this->this->limit: 7
  LLDB 22, frame variable limit: 200
  LLDB 22, expression limit: 7
  LLDB 22, p limit: 200
  LLDB 23, frame variable limit: 200
  LLDB 23, expression limit: 7
  LLDB 23, p limit: 7
  Chrome: limit 200
g++-12, [&]
  gdb 13, print limit: 7
  gdb 18, print limit: 7
  LLDB 22, frame variable limit: 7
  LLDB 22, expression limit: 200
  LLDB 22, p limit: 7
  LLDB 23, frame variable limit: 7
  LLDB 23, expression limit: 200
  LLDB 23, p limit: 7
EXPECTED
echo 'seen as described'
