#!/bin/bash
# What clang's DWARF says of a variable that is assigned to just before a loop of which optimisation leaves nothing. clang 14.0.6 and 19.1.7 (Debian
# clang-14 1:14.0.6-12, clang-19 1:19.1.7-3~deb12u1), -O1, -O2 and -Os, for x86-64 and wasm32; gdb 13.1 (Debian 13.1-3).
#
# One would guess that `left = left - 6`, of a constant, is told as any assignment without code is: LLVM keeps the new value as an expression (2 - 6). So it
# does, and gdb prints -4 at the division by zero that follows.
# Seen: an empty loop between the two takes the assignment along. Not only is the value lost: as the other one is the only one left, it is said to hold in all
# of the function. DW_AT_const_value is 2, and gdb prints 2 where the program printed -4. gcc 12.2.0 (Debian
# gcc-12 12.2.0-14+deb12u1) does not know it there either, and says so.
set -euo pipefail

for program in clang-14 clang-19 gcc-12 gdb llvm-dwarfdump-19; do
    command -v $program > /dev/null || apt-get install -y --no-install-recommends clang-14 clang-19 gcc-12 gdb llvm-19 libc6-dev > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > left.c <<'C'
#ifdef SHOW
int printf(const char *, ...);
#endif
volatile int zero, one = 1, sink;
__attribute__((noinline, noreturn)) static void die(int x) { sink = x; __builtin_trap(); }
__attribute__((noinline)) static int f(int a)
{
    int left = 2;
    if (a == 7) die(1);
    left = left - 6;
#ifdef LOOP
    for (int i = 0; i < 2; i++) {
    }
#endif
#ifdef SHOW
    printf("the program prints %d\n", left);
#endif
    return 9 / zero;
}
int main(void) { return f(one * 37); }
C
gcc-12 -DSHOW -DLOOP left.c -o shown
{ stdbuf -o0 ./shown || true; } 2> /dev/null > printed
for loop in "" -DLOOP; do
    for compiler in gcc-12 clang-14 clang-19; do
        for level in O1 O2 Os; do
            $compiler $loop -g -$level left.c -o program
            value=$(gdb -nx -q -batch -ex run -ex 'print left' program 2> /dev/null | sed -n 's/^\$1 = //p')
            of=
            if [ $compiler != gcc-12 ]; then
                $compiler --target=wasm32 $loop -g -$level -ffreestanding -c left.c -o left.o
                of=", wasm32: $(llvm-dwarfdump-19 --name=left left.o | sed -n 's/.*DW_AT_const_value\t(\(.*\))/a constant, \1/p; s/.*DW_AT_location.*/a list/p')"
            fi
            echo "$compiler -$level${loop:+, with the loop}: $value$of"
        done
    done
done | cat printed - | tee seen
diff seen - << 'EXPECTED'
the program prints -4
gcc-12 -O1: -4
gcc-12 -O2: -4
gcc-12 -Os: -4
clang-14 -O1: -4, wasm32: a list
clang-14 -O2: -4, wasm32: a list
clang-14 -Os: -4, wasm32: a list
clang-19 -O1: -4, wasm32: a list
clang-19 -O2: -4, wasm32: a list
clang-19 -Os: -4, wasm32: a list
gcc-12 -O1, with the loop: <optimized out>
gcc-12 -O2, with the loop: <optimized out>
gcc-12 -Os, with the loop: <optimized out>
clang-14 -O1, with the loop: 2, wasm32: a constant, 2
clang-14 -O2, with the loop: 2, wasm32: a constant, 2
clang-14 -Os, with the loop: 2, wasm32: a constant, 2
clang-19 -O1, with the loop: 2, wasm32: a constant, 2
clang-19 -O2, with the loop: 2, wasm32: a constant, 2
clang-19 -Os, with the loop: 2, wasm32: a constant, 2
EXPECTED
