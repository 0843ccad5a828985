#!/bin/bash
# What Sentry's library answers for code that has no source, by a source map of a module. symbolic 13.9.0 (PyPI symbolic 13.9.0); Binaryen 132 (npm binaryen 132.0.0) makes the module and its map; @jridgewell/trace-mapping 0.3.31 and source-map 0.7.6 (npm) beside it; the Node that there is runs the module.
#
# One would guess: None, as for code before the first mapping; `lookup` is declared to return a mapping or None. Binaryen ends the code of a function by a mapping without a source, so that functions that follow without debug
# information (allocators, what the linker made) have none.
# Seen: `SourceMapView.lookup` returns a place. Its `src` is None, and its line, column and number of the source are 4294967295: a test whether there is an answer passes, and a frame is shown at line 4294967296. The view's own list of mappings has them too.
# `SourceMapCache`, of the same package and made of the same map, says None. So ask for `src` before the line is used.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 source-map@0.7.6 @jridgewell/trace-mapping@0.3.31 > /dev/null
python3 -m venv venv
venv/bin/pip -q install symbolic==13.9.0
cat > lines.wat <<'WAT'
(module
  (func $before (export "before") (param i32) (result i32)
    (i32.div_s (i32.const 7) (local.get 0)))
  (func $with (export "with") (param i32) (result i32)
    ;;@ with.c:11:8
    (i32.div_s (i32.const 7) (local.get 0)))
  (func $between (export "between") (param i32) (result i32)
    (i32.div_s (i32.const 7) (local.get 0)))
  (func $again (export "again") (param i32) (result i32)
    ;;@ again.c:33:8
    (i32.div_s (i32.const 7) (local.get 0)))
  (func $after (export "after") (param i32) (result i32)
    (i32.div_s (i32.const 7) (local.get 0))))
WAT
node_modules/.bin/wasm-as -g lines.wat -o lines.wasm -sm lines.map
cat > look.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { SourceMapConsumer } = require("source-map");
const { TraceMap, originalPositionFor } = require("@jridgewell/trace-mapping");
(async () => {
  const map = JSON.parse(readFileSync("lines.map"));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("lines.wasm")));
  const consumer = await new SourceMapConsumer(map);
  const place = (source, line) => (source ? `${source}:${line}` : "no line");
  for (const name of ["before", "with", "between", "again", "after"]) {
    let offset;
    try { exports[name](0); } catch ({ stack }) { offset = parseInt(/:0x([0-9a-f]+)/.exec(stack)[1], 16); }
    const [one, two] = [consumer.originalPositionFor({ line: 1, column: offset }), originalPositionFor(new TraceMap(map), { line: 1, column: offset })];
    console.log(name, offset, `source-map ${place(one.source, one.line)}; trace-mapping ${place(two.source, two.line)}`);
  }
  consumer.destroy();
})();
JS
node look.cjs > offsets
cat > look.py <<'PY'
from symbolic.sourcemap import SourceMapView
from symbolic.sourcemapcache import SourceMapCache

mapping, module = open("lines.map", "rb").read(), open("lines.wasm", "rb").read()
view, cache = SourceMapView.from_json_bytes(mapping), SourceMapCache.from_bytes(module, mapping)
for row in open("offsets"):
    name, offset, others = row.rstrip().split(" ", 2)
    of_view, of_cache = view.lookup(0, int(offset)), cache.lookup(1, int(offset) + 1, 0)
    print(f"{name}: {others}; symbolic's view {of_view and f'{of_view.src}:{of_view.src_line + 1}'}, its cache {of_cache and f'{of_cache.src}:{of_cache.line}'}")
print("symbolic's list of mappings:", ", ".join(f"{mapped.src}:{mapped.src_line + 1}" for mapped in view))
PY
venv/bin/python look.py | tee seen
diff seen - <<'EXPECTED'
before: source-map no line; trace-mapping no line; symbolic's view None, its cache None
with: source-map with.c:11; trace-mapping with.c:11; symbolic's view with.c:11, its cache with.c:11
between: source-map no line; trace-mapping no line; symbolic's view None:4294967296, its cache None
again: source-map again.c:33; trace-mapping again.c:33; symbolic's view again.c:33, its cache again.c:33
after: source-map no line; trace-mapping no line; symbolic's view None:4294967296, its cache None
symbolic's list of mappings: with.c:11, None:4294967296, again.c:33, None:4294967296
EXPECTED
echo 'seen as described'
