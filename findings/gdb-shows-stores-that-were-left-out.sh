#!/bin/bash
# What gdb shows of an array of structures in optimised code. gdb 13.1 (Debian 12), g++-12's gcc 12.2.0, clang 14.0.6, clang 19.1.7 (Debian
# clang-19 1:19.1.7-3~deb12u1), x86-64.
#
# One would guess that what the compiler did not keep is `<optimized out>`, as gdb says of variables that are nowhere.
# Seen: `items[i].tag` is set to i + 7 in a loop and never read, `.price` is read by a computed index. At -O2 all three compilers leave out
# the stores of `tag`, and their debug information says without a list of addresses that all of `items` is in the frame: gdb shows
# `tag = 0`, which is what was in that memory before, where the program assigned 7, 8, 9. clang's assignment tracking (LLVM 17 and later), made for
# stores that were left out, does not change that. Both clangs leave out more than gcc: of a `char grid[2][3][4]`, with
# `grid[argc][1][1]` read, the first row is `{0, 0, 0, 0}` for 1, 2, 3, 4.
set -euo pipefail

command -v clang-19 > /dev/null && command -v clang-14 > /dev/null && command -v gcc-12 > /dev/null && command -v gdb > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 clang-14 gcc-12 libc6-dev gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > items.c <<'C'
struct item { int price, tag; };
volatile int one = 1, seen;
__attribute__((noinline)) int stop(int by) { return seen / (by - 30); }
__attribute__((noinline)) int use(int argc) {
    char grid[2][3][4];
    struct item items[3];
    for (int i = 0; i < 2; i++) for (int j = 0; j < 3; j++) for (int k = 0; k < 4; k++) grid[i][j][k] = (char)(i * 16 + j * 4 + k + 1);
    for (int i = 0; i < 3; i++) { items[i].price = one * 15 * (i + 1); items[i].tag = i + 7; }
    return stop(items[argc].price) + grid[argc][1][1];
}
int main(void) { return use(one) + 1; }
C
for compiler in gcc-12 clang-14 clang-19; do
    for level in O0 O2; do
        "$compiler" -g -$level -w items.c -o program
        gdb -nx -q -batch -ex run -ex up -ex 'print items' -ex 'print/d grid[0][0]' program 2> /dev/null |
            sed -n "s/^\\\$[0-9]* = /$compiler -$level: /p"
    done
done | tee seen
diff seen - <<'EXPECTED'
gcc-12 -O0: {{price = 15, tag = 7}, {price = 30, tag = 8}, {price = 45, tag = 9}}
gcc-12 -O0: {1, 2, 3, 4}
gcc-12 -O2: {{price = 15, tag = 0}, {price = 30, tag = 0}, {price = 45, tag = 0}}
gcc-12 -O2: {1, 2, 3, 4}
clang-14 -O0: {{price = 15, tag = 7}, {price = 30, tag = 8}, {price = 45, tag = 9}}
clang-14 -O0: {1, 2, 3, 4}
clang-14 -O2: {{price = 15, tag = 0}, {price = 30, tag = 0}, {price = 45, tag = 0}}
clang-14 -O2: {0, 0, 0, 0}
clang-19 -O0: {{price = 15, tag = 7}, {price = 30, tag = 8}, {price = 45, tag = 9}}
clang-19 -O0: {1, 2, 3, 4}
clang-19 -O2: {{price = 15, tag = 0}, {price = 30, tag = 0}, {price = 45, tag = 0}}
clang-19 -O2: {0, 0, 0, 0}
EXPECTED
