#!/bin/bash
# With what clang fills variables that the program did not initialise (-ftrivial-auto-var-init=pattern), and what becomes of a pointer so filled. clang 19.1.7 and lld 19 of
# Debian (clang-19, lld-19 1:19.1.7-3~deb12u1), clang 14.0.6 (clang-14 1:14.0.6-12); the Node that there is runs the modules.
#
# One would guess: 0xAA in every byte, as on x86-64, which one knows at a glance in a dump (-1431655766), and which as a pointer leads to nowhere, so that its first use traps.
# Seen: for wasm32 all bits are set. An `int` that was never assigned is -1, as any function returns that failed; `unsigned` is UINT_MAX, and `short` and `char` are -1 as
# well. And a pointer is 0xffffffff: what is at a constant distance of it traps (the engine adds that without wrapping), but `pointer[i]` is computed by the program, modulo 2^32:
# the element i is at i - 1. Such an access does not trap, it reads and writes the program's statics or stack. wasm64 has 0xAA. So on wasm32 that nothing trapped
# is no proof that a pointer was initialised, and -1 in a variable none that somebody assigned it.
set -euo pipefail

for tool in clang-14 clang-19 wasm-ld-19; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-14 clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > unset.c <<'C'
const volatile char text[] = "static data";
struct pair { int first, second; };
int number(void) { int unset; volatile int *q = &unset; return *q; }
int first(void) { struct pair *unset; return unset->first; }
int second(void) { struct pair *unset; return unset->second; }
int element(int index) { char *unset; return ((volatile char *)unset)[index]; }
int begin(void) { return (int)(long)text; }
#ifndef __wasm__
#include <stdio.h>
int main(void) { dprintf(1, "  number %d\n", number()); return second(); }
#endif
C
cat > run.cjs <<'JS'
const { number, first, second, element, begin } = new WebAssembly.Instance(new WebAssembly.Module(require("node:fs").readFileSync(process.argv[2]))).exports;
console.log(`  number ${number()}`);
const tried = (what, access) => { try { console.log(`  ${what}: ${access()}`); } catch ({ message }) { console.log(`  ${what}: ${message}`); } };
tried("pointer->first", first);
tried("pointer->second", second);
tried("pointer[i]", () => String.fromCharCode(...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((index) => element(begin() + index))));
JS
options='-w -O0 -ftrivial-auto-var-init=pattern'
{
    echo x86-64
    clang-19 $options unset.c -o unset && { ./unset || echo "  pointer->second: ended with $?"; } 2> /dev/null
    for clang in clang-14 clang-19; do
        echo "wasm32, $clang"
        $clang --target=wasm32 $options -c unset.c -o unset.o
        wasm-ld-19 --no-entry --export={number,first,second,element,begin} unset.o -o unset.wasm
        node run.cjs unset.wasm
    done
} | tee seen
diff seen - <<'EXPECTED'
x86-64
  number -1431655766
  pointer->second: ended with 139
wasm32, clang-14
  number -1
  pointer->first: memory access out of bounds
  pointer->second: memory access out of bounds
  pointer[i]: static data
wasm32, clang-19
  number -1
  pointer->first: memory access out of bounds
  pointer->second: memory access out of bounds
  pointer[i]: static data
EXPECTED
echo 'seen as described'
