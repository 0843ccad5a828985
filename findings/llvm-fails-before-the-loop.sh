#!/bin/bash
# The turn of a loop in which an optimised program dies. clang 14.0.6 and 19.1.7 (Debian clang-14 1:14.0.6-12, clang-19 1:19.1.7-3~deb12u1), gcc 12.2.0
# (Debian gcc-12 12.2.0-14+deb12u1), -O0 to -Os, x86-64; gdb 13.1 (Debian 13.1-3).
#
# One would guess that a program which leaves the bounds of an array in the third turn of a loop dies in the third turn: two were added up by then, and a
# debugger shows that sum, or that it was optimised out.
# Seen: clang's -O1, -O2 and -Os die before two turns are over. Nothing outside can tell that they ran, so LLVM asks first if any turn will fail
# (`IndVarSimplify.cpp`, `predicateLoopExits`). It is as if the loop had just begun, on a line in its middle, and the debug information has the
# variables as they were before it: gdb prints 0 for the sum of 12, and for the number of good samples, 2. gcc runs the turns.
set -euo pipefail

for program in clang-14 clang-19 gcc-12 gdb; do
    command -v $program > /dev/null || apt-get install -y --no-install-recommends clang-14 clang-19 gcc-12 gdb libc6-dev > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > average.c <<'C'
struct sample { unsigned at, ok; int value; };
volatile int one = 1;
struct sample samples[8] = { { 10, 1, 5 }, { 20, 1, 7 } };
__attribute__((noinline)) static int average(const struct sample *samples, unsigned count, unsigned from, unsigned to)
{
    int sum = 0;
    unsigned last = 0, good = 0;
    for (unsigned i = from; i < to; i++) {
        if (i >= count)
            __builtin_trap();
        if (samples[i].ok) {
            sum += samples[i].value;
            good++;
        }
        last = samples[i].at;
    }
    return sum / (int)good + (int)last;
}
int main(void) { return average(samples + one - 1, one + 1, one - 1, one + 3); }
C
for compiler in gcc-12 clang-14 clang-19; do
    for level in O0 O1 O2 Os; do
        $compiler -g -$level -fno-omit-frame-pointer average.c -o program
        values=$(gdb -nx -q -batch -ex run -ex 'print sum' -ex 'print good' -ex 'print last' program 2> /dev/null | sed -n 's/^\$[123] = //p' | paste -sd, | sed 's/,/, /g')
        echo "$compiler -$level: $values"
    done
done | tee seen
diff seen - <<'EXPECTED'
gcc-12 -O0: 12, 2, 20
gcc-12 -O1: <optimized out>, <optimized out>, <optimized out>
gcc-12 -O2: <optimized out>, <optimized out>, <optimized out>
gcc-12 -Os: 12, 2, 20
clang-14 -O0: 12, 2, 20
clang-14 -O1: 0, 0, <optimized out>
clang-14 -O2: 0, 0, <optimized out>
clang-14 -Os: 0, 0, <optimized out>
clang-19 -O0: 12, 2, 20
clang-19 -O1: 0, 0, <optimized out>
clang-19 -O2: 0, 0, 0
clang-19 -Os: 0, 0, 0
EXPECTED
