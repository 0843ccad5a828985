#!/bin/bash
# What LLDB shows of a member that the compiler did not keep, while it kept the rest of the structure. LLDB 22.1.0 and 23.1.0 (PyPI lldb-for-pwndbg
# 22.1.0.post3 and 23.1.0.post2); gdb 13.1 and clang 19 of Debian (clang-19 1:19.1.7, gdb 13.1) on x86-64, -O2.
#
# One would guess: "optimised out", as LLDB says of a whole variable that is nowhere. In DWARF such a member is a piece without a
# location (DW_OP_piece alone, DWARF 5, 2.6.1.2: "the value of that piece is unavailable").
# Seen: both versions print `b = 0`, like any other value and without a word, where the program had 8: it had stored three times that,
# and `stored[1] = 24` stands two lines below. gdb prints no number. So a zero in a structure that optimised code keeps in parts may be no value
# at all, and scripts that read it (SBValue.GetValueAsSigned) get 0 without an error.
set -euo pipefail

command -v clang-19 > /dev/null && command -v gdb > /dev/null || apt-get install -y --no-install-recommends clang-19 gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 22.1.0.post3 23.1.0.post2; do
    python3 -m venv "lldb-$version"
    "lldb-$version/bin/pip" -q install "lldb-for-pwndbg==$version"
done
cat > pair.c <<'C'
struct pair { long a, b; };
/* Uses `both.b` first, then all registers for something else, then `both.a`, and stops. */
__attribute__((noinline)) static long weigh(long id, volatile long *at) {
    struct pair both = {id * 7, at[-1] + id};
    *at = both.b * 3;
    __asm__ volatile("" ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
    long kept = both.a + 1;
    if (kept != 5) __asm__ volatile("ud2");
    return kept;
}
int main(int argc, char **argv) {
    volatile long stored[2] = {5, 6};
    return (int)weigh(argc + 2, stored + 1);
}
C
clang-19 -g -O2 pair.c -o pair

for version in 22.1.0.post3 23.1.0.post2; do
    echo "LLDB $version"
    "lldb-$version/bin/lldb" --no-lldbinit --batch -o run -k 'frame variable both' -k up -k 'frame variable stored' pair 2>&1 |
        grep -E '^\((pair|volatile long\[2\])\) ' | tee -a shown
done
echo gdb
gdb -q -batch -nx -ex run -ex 'print both' -ex up -ex 'print stored' pair 2>&1 | grep -E '^\$[12] = ' | tee -a shown
diff shown - <<'EXPECTED'
(pair) both = (a = 21, b = 0)
(volatile long[2]) stored = ([0] = 5, [1] = 24)
(pair) both = (a = 21, b = 0)
(volatile long[2]) stored = ([0] = 5, [1] = 24)
$1 = {a = 21, b = <synthetic pointer>}
$2 = {5, 24}
EXPECTED
