#!/bin/bash
# The value that a function returned, as `finish` prints it. LLDB 22.1.8 (Debian lldb-22 1:22.1.8-1~deb12u1) and 23.1.0
# (PyPI lldb-for-pwndbg 23.1.0.post2), gdb 13.1 (Debian 13.1-3) and 18.1 (PyPI gdb-for-pwndbg 18.1.0.post1); clang
# 19.1.7 and gcc 12.2.0 (Debian clang-19 1:19.1.7-3~deb12u1, g++-12 12.2.0-14+deb12u1) make the program, x86-64, -O0.
#
# One would guess: the value, or that it cannot be determined, where a debugger does not know in which registers the ABI
# puts a type. A structure of two numbers is right in both, and of some types (`__int128` in LLDB) no value is shown.
# Seen: values that are others. LLDB reads a structure from registers if all its members are plain numbers; if one of
# them is an array, a base class, a union, a bit-field or a `long double`, or is not aligned, it is 0 or what was at
# some address: { 7, 8, 9 } is { 0, 0, 0 }, a derived { 8, 9 } is { 0, 9 }, of which one half is right, and bit-fields
# are anything. gdb has these right, and others not: a vector of four int { 1, 2, 3, 4 } is two halves of an address, 4
# and 0, and an `__int128` of 5 << 70 is 0. A value that `finish` prints was read from registers that nobody checks
# against the program. Where it matters, assign it to a variable.
set -euo pipefail

for program in clang++-19 g++-12 gdb lldb-22; do
    command -v $program > /dev/null || apt-get install -y --no-install-recommends \
        clang-19 g++-12 gdb lldb-22 > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1 lldb-for-pwndbg==23.1.0.post2
cat > returns.cpp <<'CPP'
struct pair { int a; double d; };
struct numbers { int v[3]; };
struct base { int a; };
struct derived : base { int f; };
struct flags { unsigned low : 3; int high : 5; long rest : 40; };
struct either { union { float f; int i; }; long l; };
struct __attribute__((packed)) packed { char c; long l; };
struct exact { long double l; };
typedef int vector __attribute__((vector_size(16)));
#define RETURNS(name, type, ...) __attribute__((noinline)) type name() { return __VA_ARGS__; }
RETURNS(a_pair, pair, {3, 4.5})
RETURNS(an_array, numbers, {{7, 8, 9}})
RETURNS(inherited, derived, {{8}, 9})
RETURNS(bit_fields, flags, {5, -3, -7})
RETURNS(a_union, either, {{1.5f}, 4})
RETURNS(unaligned, packed, {'p', 5})
RETURNS(long_double, exact, {1.25L})
RETURNS(a_vector, vector, vector{1, 2, 3, 4})
RETURNS(wide, __int128, (__int128)5 << 70)
int main() {
    a_pair(), an_array(), inherited(), bit_fields(), a_union(), unaligned(), long_double(), a_vector(), wide();
}
CPP
declare -A right=([a_pair]='3 4.5' [an_array]='7 8 9' [inherited]='8 9' [bit_fields]='5 -3 -7'
    [a_union]='1.5 1069547520 4' [unaligned]='5' [long_double]='1.25' [a_vector]='1 2 3 4'
    [wide]='5902958103587056517120')
answer() { # the function; its input is what the debugger says: whether its numbers end with the right ones
    local text numbers
    text=$(tr '\n' ' ')
    numbers=$(sed -E 's/^[^=]*= //; s/\[[0-9]+\]//g; s/[^0-9.-]+/ /g' <<< "$text" | xargs)
    if [ -z "$text" ]; then
        echo none
    else
        [[ " $numbers" = *" ${right[$1]}" ]] && echo right || echo other
    fi
}
in_gdb() { # the debugger, the function
    "$1" -nx -q -batch -iex 'set debuginfod enabled off' -ex "break $2" -ex run -ex finish returns 2>&1 |
        sed -n 's/^Value returned is//p' | answer "$2"
}
in_lldb() {
    "$1" --no-lldbinit --batch -o "breakpoint set --name $2" -o run -o finish returns 2>&1 |
        sed -n '/^Return value/,/frame #0/p' | grep -v 'frame #' | answer "$2"
}
for compiler in clang++-19 g++-12; do
    $compiler -std=gnu++20 -g -O0 returns.cpp -o returns
    echo "$compiler: gdb 13, gdb 18, LLDB 22, LLDB 23"
    for name in a_pair an_array inherited bit_fields a_union unaligned long_double a_vector wide; do
        echo "  $name: $(in_gdb gdb $name) $(in_gdb venv/bin/gdb $name) $(in_lldb lldb-22 $name)" \
            "$(in_lldb venv/bin/lldb $name)"
    done
done | tee seen
diff seen - <<'EXPECTED'
clang++-19: gdb 13, gdb 18, LLDB 22, LLDB 23
  a_pair: right right right right
  an_array: right right other other
  inherited: right right other other
  bit_fields: right right other other
  a_union: right right other other
  unaligned: right right other other
  long_double: right right other other
  a_vector: other other right right
  wide: other other none none
g++-12: gdb 13, gdb 18, LLDB 22, LLDB 23
  a_pair: right right right right
  an_array: right right other other
  inherited: right right other other
  bit_fields: right right other other
  a_union: right right other other
  unaligned: right right other other
  long_double: right right other other
  a_vector: other other right right
  wide: other other none none
EXPECTED
echo 'seen as described'
