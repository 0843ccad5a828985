#!/bin/bash
# Variables that nothing reads, in code that clang optimised: gdb shows wrong values of negative numbers. clang 19.1.7 (Debian clang-19
# 1:19.1.7-3~deb12u1), gdb 13.1 (Debian gdb 13.1-3), x86-64.
#
# One would guess that a debugger shows at -O2 what it shows at -O0, or "<optimized out>": for n = -40, `n % 7` is -5, `n / 7` is -5,
# `n >> 1` is -20, `n < 0` is 1. Seen at -O2: 6, 613566750, 2147483628 and 0, without a word of doubt. clang keeps such variables as
# expressions over n ("salvaging"), but n is 32 bits of a register of 64 and is made a number without a sign first (DW_OP_and with
# 0xffffffff); what follows are operations of 64 bits, and of numbers without signs in the case of DW_OP_mod. The same at -gdwarf-5.
# For a target whose addresses have 32 bits (wasm32) it is `long long wide = n;` that is wrong by the rules of DWARF, since it is
# written as shifts by 32 bits.
set -euo pipefail

command -v clang-19 > /dev/null && command -v gdb > /dev/null || apt-get install -y --no-install-recommends clang-19 gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > unread.c <<'C'
volatile int one = 1, zero;
__attribute__((noinline)) int keep(int n) { return n + one; }
__attribute__((noinline)) int unread(int n) {
    int rest = n % 7, share = n / 7, half = n >> 1, below = n < 0;
    int back = keep(n);
    return back / zero + n;
}
int main(void) { return unread(one * -40); }
C
shown() { # LEVEL VERSION
    clang-19 -g -gdwarf-$2 -$1 -w unread.c -o unread-$1-$2
    gdb -q -nx -batch -ex run -ex 'printf "%d %d %d %d\n", rest, share, half, below' ./unread-$1-$2 2> /dev/null | tail -1
}
{
    for version in 4 5; do for level in O0 O2; do echo "DWARF $version -$level: $(shown $level $version)"; done; done
    clang-19 --target=wasm32 -g -gdwarf-4 -O2 -c -w -x c - -o wide.o <<< 'int keep(int); int f(int n) { long long wide = n; return keep(n) / n; }'
    echo "wasm32: $(llvm-dwarfdump-19 --name=wide wide.o | grep -o 'DW_OP_constu 0x20, DW_OP_shl' | head -1) in addresses of $(llvm-dwarfdump-19 --debug-info wide.o | grep -o 'addr_size = 0x0.' | head -1 | tail -c 2) bytes"
} > seen
cat seen
diff seen - <<'SEEN'
DWARF 4 -O0: -5 -5 -20 1
DWARF 4 -O2: 6 613566750 2147483628 0
DWARF 5 -O0: -5 -5 -20 1
DWARF 5 -O2: 6 613566750 2147483628 0
wasm32: DW_OP_constu 0x20, DW_OP_shl in addresses of 4 bytes
SEEN
