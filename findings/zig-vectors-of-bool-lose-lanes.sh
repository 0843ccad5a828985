#!/bin/bash
# What debuggers show of a vector of bool (`@Vector(4, bool)`, what a comparison of vectors gives) in a Zig program. zig 0.17.1 (PyPI ziglang 0.17.1), x86-64, and wasm32 whose debug information is the same; gdb 13.1 (Debian gdb 13.1-3), LLDB 23.1.0 (PyPI
# lldb-for-pwndbg 23.1.0.post2).
#
# One would guess the four values, or an error: the debug information describes an array of four bool, as it does of `[4]bool`, which is right.
# Seen: the description is that of an array of bytes, one for each lane, and in memory is one *bit* for each: 0b1001 is one byte. So the first lane is the whole byte (gdb prints 9, LLDB true), and the others are
# read from what lies behind it: { true, false, false, true } is {9, 14, true, false} to gdb and (true, true, true, false) to LLDB, where 14 is the next variable. The described type is larger than the variable.
# The integer that the first byte is says what the mask is: bit i is lane i.
set -euo pipefail

command -v gdb > /dev/null && command -v llvm-dwarfdump-19 > /dev/null || apt-get install -y --no-install-recommends gdb llvm-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export ZIG_GLOBAL_CACHE_DIR=$folder/zig ZIG_LOCAL_CACHE_DIR=$folder/zig
python3 -m venv venv
venv/bin/pip -q install ziglang==0.17.1 lldb-for-pwndbg==23.1.0.post2
cat > mask.zig <<'ZIG'
const std = @import("std");
pub fn main() void {
    var around: [64]u8 = @splat(0);
    var one_mask: @Vector(4, bool) = .{ true, false, false, true };
    var two_mask: @Vector(4, bool) = .{ false, true, true, true };
    var an_array: [4]bool = .{ true, false, false, true };
    std.mem.doNotOptimizeAway(.{ &around, &one_mask, &two_mask, &an_array });
    std.debug.print("program: {any} {any} {any}\n", .{ one_mask, two_mask, an_array });
    @trap();
}
ZIG
venv/bin/python-zig build-exe -ODebug -fllvm mask.zig 2> /dev/null
cat > guest.zig <<'ZIG'
export fn run() void {
    var one_mask: @Vector(4, bool) = .{ true, false, false, true };
    _ = &one_mask;
    @trap();
}
ZIG
venv/bin/python-zig build-obj -ODebug -fllvm -target wasm32-freestanding guest.zig
{
    { (./mask || true) 2>&1; } | grep '^program'
    for file in mask guest.o; do
        echo "DWARF of $file: one_mask is $(llvm-dwarfdump-19 --name=one_mask "$file" | sed -nE 's/.*DW_AT_type.*"(.*)".*/\1/p')"
    done
    for name in one_mask two_mask an_array; do
        echo "gdb: $name = $(gdb -nx -q -batch -ex run -ex 'frame function mask.main' -ex "print $name" mask 2> /dev/null | sed -n 's/^\$1 = //p')"
        echo "LLDB: $({ venv/bin/lldb --no-lldbinit --batch -o run -k "frame variable $name" mask 2>&1 || true; } | sed -nE "s/^\((bool.*)\) ($name = .*)/\2/p")"
    done
} | tee seen
diff seen - <<'EXPECTED'
program: { true, false, false, true } { false, true, true, true } { true, false, false, true }
DWARF of mask: one_mask is bool[4]
DWARF of guest.o: one_mask is bool[4]
gdb: one_mask = {9, 14, true, false}
LLDB: one_mask = (true, true, true, false)
gdb: two_mask = {14, true, false, false}
LLDB: two_mask = (true, true, false, false)
gdb: an_array = {true, false, false, true}
LLDB: an_array = ([0] = true, [1] = false, [2] = false, [3] = true)
EXPECTED
echo 'seen as described'
