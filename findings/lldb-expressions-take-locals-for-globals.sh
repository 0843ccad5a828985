#!/bin/bash
# A global variable in an expression in LLDB, asked for with `::`, where a local variable or a parameter has the same
# name. LLDB 22.1.8 (Debian lldb-22 1:22.1.8-1~deb12u1) and 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), gdb 13.1 (Debian
# 13.1-3); clang 19.1.7 (Debian clang-19 1:19.1.7-3~deb12u1) makes the program, x86-64.
#
# One would guess: the global. That is what `::` says in C++, the expression is compiled by clang itself, and the
# program in the same line computes `total + ::total`, which is 59.
# Seen: `::total` is the local variable, 9, and the sum is 18. LLDB writes the local variables into the code that it
# compiles, in a place where clang finds them as if they were global; of the two it keeps one. A condition of a
# breakpoint is such an expression: `::total == 50` is never true, and `::total == 9` is. A name in a namespace is right
# (`shop::total`), and so is `frame variable ::total`, which compiles nothing. The short `p` is the one in 22, and the
# other one in 23, so that a command that was right is wrong in the newer LLDB. So ask by `frame variable ::total` or
# `target variable total`, and do not use such a name in a condition. gdb is right.
set -euo pipefail

for program in clang++-19 gdb lldb-22; do
    command -v $program > /dev/null || apt-get install -y --no-install-recommends clang-19 gdb lldb-22 > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2
cat > total.cpp <<'CPP'
int total = 50;
namespace shop { int total = 60; }
__attribute__((noinline)) int add(int total) {
    return total + ::total + shop::total;
}
int main() { return add(9) == 119 ? add(8) : 1; }
CPP
clang++-19 -g -O0 total.cpp -o total
questions=('total' '::total' 'total + ::total' 'shop::total')
{
    echo 'gdb 13'
    commands=()
    for question in "${questions[@]}"; do commands+=(-ex "print $question"); done
    gdb -nx -q -batch -ex 'break add' -ex run "${commands[@]}" total 2>&1 |
        sed -nE 's/^\$[0-9]+ = //p' | paste -sd ' ' | sed 's/^/  print: /'
    for debugger in lldb-22 venv/bin/lldb; do
        [ $debugger = lldb-22 ] && echo 'LLDB 22' || echo 'LLDB 23'
        for command in 'frame variable' expression p; do
            commands=()
            for question in "${questions[@]}"; do
                [[ "$command $question" = frame*+* ]] || commands+=(-o "$command $question")
            done
            { $debugger --no-lldbinit --batch -o 'breakpoint set --name add' -o run "${commands[@]}" \
                -o kill total 2>&1 || true; } |
                sed -nE 's/^\(int\) (.* = )?([0-9]+)$/\2/p' | paste -sd ' ' | sed "s/^/  $command: /"
        done
        for condition in '::total == 50' '::total == 9'; do
            { $debugger --no-lldbinit --batch -o "breakpoint set --name add --condition '$condition'" \
                -o run -o continue -o continue total 2>&1 || true; } > session
            echo "  stops if $condition: $(grep -c 'stop reason = breakpoint' session)"
        done
    done
} | tee seen
diff seen - <<'EXPECTED'
gdb 13
  print: 9 50 59 60
LLDB 22
  frame variable: 9 50 60
  expression: 9 9 18 60
  p: 9 50 18 60
  stops if ::total == 50: 0
  stops if ::total == 9: 1
LLDB 23
  frame variable: 9 50 60
  expression: 9 9 18 60
  p: 9 9 18 60
  stops if ::total == 50: 0
  stops if ::total == 9: 1
EXPECTED
echo 'seen as described'
