#!/bin/bash
# A structure in C that one header describes in several source files, each time with another type in it. LLDB 22.1.8
# (Debian lldb-22 1:22.1.8-1~deb12u1) and 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), gdb 13.1 (Debian 13.1-3); clang
# 19.1.7 and gcc 12.2.0 (Debian clang-19 1:19.1.7-3~deb12u1, gcc-12 12.2.0-14+deb12u1) make the program, x86-64.
#
# One would guess: each with its own members. It is how lists and tables for several types are written in C (`#define
# TYPE float`, `#include "list.h"`), it is valid, for a `struct` belongs to its file, and the debug information
# describes each of them for itself.
# Seen: LLDB takes two structures for one if they have the name, the header, the line in it and the size in common, and
# keeps the one that it has read first. After a variable of the first file was shown, the float 1.5 of the other one is
# 1069547520 and the long 4294967303 is 7; after one of the other file the number 42 is 5.88545355E-44, and 42 with what
# lies behind it, if a long came first. So the value depends on what was looked at before, in the same dump, at the same
# place, and it is the same in an expression. Nothing tells that there are two. The debugger of Chrome and VS Code for
# WebAssembly (@vscode/dwarf-debugging 0.0.2, npm, run by the Node that there is), which is built upon LLDB, does the
# same. gdb is right. In C++, with the structures in anonymous namespaces, LLDB is right, too; and so it is in C if the
# sizes are different, which makes it look like a fault of one list. In a new session, look at the variable in question
# first.
set -euo pipefail

for program in clang-19 wasm-ld-19 gcc-12 gdb lldb-22; do
    command -v $program > /dev/null || apt-get install -y --no-install-recommends \
        clang-19 lld-19 gcc-12 gdb lldb-22 libc6-dev > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2
echo '{}' > package.json
npm install --silent --no-fund --no-audit @vscode/dwarf-debugging@0.0.2 > /dev/null
cat > list.h <<'C'
struct cell { TYPE value; struct cell *next; };
struct cell LIST = { START, 0 };
C
printf '#define TYPE int\n#define LIST numbers\n#define START 42\n#include "list.h"\n' > numbers.c
printf '#define TYPE float\n#define LIST prices\n#define START 1.5f\n#include "list.h"\n' > prices.c
printf '#define TYPE long\n#define LIST ids\n#define START 4294967303\n#include "list.h"\n' > ids.c
printf '#define TYPE long double\n#define LIST rates\n#define START 2.5L\n#include "list.h"\n' > rates.c
echo 'int main(void) { __builtin_trap(); }' > main.c
echo 'int run(int n) { return 1 / n; }' > run.c
for name in run numbers prices; do clang-19 --target=wasm32 -g -O0 -c $name.c -o $name.o; done
wasm-ld-19 --no-entry --no-gc-sections --export=run run.o numbers.o prices.o -o lists.wasm
show() { # the debugger, and the variables in the order in which they are looked at
    local debugger=$1 name commands=()
    shift
    if [ "$debugger" = gdb ]; then
        for name; do commands+=(-ex "print $name.value"); done
        gdb -nx -q -batch -ex run "${commands[@]}" lists 2>&1 | sed -nE 's/^\$[0-9]+ = //p'
    else
        for name; do commands+=(-k "expression -- $name.value"); done
        $debugger --no-lldbinit --batch -o run "${commands[@]}" -k kill -k quit lists 2>&1 |
            sed -nE 's/^\((int|float|long|long double)\) (\$[0-9]+ = )?/(\1) /p'
    fi | paste -sd, | sed "s/^/    $*: /; s/,/, /g"
}
cat > show.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { spawn } = require("@vscode/dwarf-debugging");
const bytes = readFileSync("lists.wasm"), file = "lists.wasm";
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
  await rpc.sendMessage("addRawModule", file, "", { url: "file:///lists.wasm", code: contents });
  const place = { rawModuleId: file, codeOffset, inlineFrameIndex: 0 };
  const values = [];
  for (const name of process.argv.slice(2)) {
    values.push((await rpc.sendMessage("evaluate", `${name}.value`, place, 0)).description);
  }
  console.log(`    ${process.argv.slice(2).join(" ")}: ${values.join(", ")}`);
  process.exit();
})();
JS
for compiler in clang-19 gcc-12; do
    $compiler -g -O0 main.c numbers.c prices.c ids.c rates.c -o lists
    echo "$compiler"
    for debugger in gdb lldb-22 venv/bin/lldb; do
        "$debugger" --version |
            sed -nE '1s/^GNU gdb .* ([0-9]+)\.[0-9].*/  gdb \1/p; s/.*lldb version ([0-9]+)\..*/  LLDB \1/p'
        show $debugger numbers prices ids rates
        show $debugger prices ids numbers rates
        show $debugger ids numbers prices rates
    done
done > natively
{
    cat natively
    echo 'clang-19 for wasm32, Chrome'
    node show.cjs numbers prices
    node show.cjs prices numbers
} | tee seen
diff seen - <<'EXPECTED'
clang-19
  gdb 13
    numbers prices ids rates: 42, 1.5, 4294967303, 2.5
    prices ids numbers rates: 1.5, 4294967303, 42, 2.5
    ids numbers prices rates: 4294967303, 42, 1.5, 2.5
  LLDB 22
    numbers prices ids rates: (int) 42, (int) 1069547520, (int) 7, (long double) 2.5
    prices ids numbers rates: (float) 1.5, (float) 9.80908925E-45, (float) 5.88545355E-44, (long double) 2.5
    ids numbers prices rates: (long) 4294967303, (long) 42, (long) 1069547520, (long double) 2.5
  LLDB 23
    numbers prices ids rates: (int) 42, (int) 1069547520, (int) 7, (long double) 2.5
    prices ids numbers rates: (float) 1.5, (float) 9.80908925E-45, (float) 5.88545355E-44, (long double) 2.5
    ids numbers prices rates: (long) 4294967303, (long) 42, (long) 1069547520, (long double) 2.5
gcc-12
  gdb 13
    numbers prices ids rates: 42, 1.5, 4294967303, 2.5
    prices ids numbers rates: 1.5, 4294967303, 42, 2.5
    ids numbers prices rates: 4294967303, 42, 1.5, 2.5
  LLDB 22
    numbers prices ids rates: (int) 42, (int) 1069547520, (int) 7, (long double) 2.5
    prices ids numbers rates: (float) 1.5, (float) 9.80908925E-45, (float) 5.88545355E-44, (long double) 2.5
    ids numbers prices rates: (long) 4294967303, (long) 42, (long) 1069547520, (long double) 2.5
  LLDB 23
    numbers prices ids rates: (int) 42, (int) 1069547520, (int) 7, (long double) 2.5
    prices ids numbers rates: (float) 1.5, (float) 9.80908925E-45, (float) 5.88545355E-44, (long double) 2.5
    ids numbers prices rates: (long) 4294967303, (long) 42, (long) 1069547520, (long double) 2.5
clang-19 for wasm32, Chrome
    numbers prices: 42, 1069547520
    prices numbers: 1.5, 5.88545355E-44
EXPECTED
echo 'seen as described'
