#!/bin/bash
# Types and functions made of templates, in a C++ program that clang compiled with -gsimple-template-names. gdb 13.1
# (Debian 13.1-3), 18.1 (PyPI gdb-for-pwndbg 18.1.0.post1), LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2); clang
# 19.1.7 (Debian clang-19 1:19.1.7-3~deb12u1) makes the program.
#
# One would guess: the newer gdb does at least what the older one does. The option, which makes DWARF smaller, has it
# say `square`, and leaves `<short>` to be put together from the parameters that are listed below it. LLDB does so, and
# gdb 13, which knows `square<short>` and `largest<int>` as if they were written out.
# Seen: gdb 18 lists `square<short>` in `info types`, and says in the next line that there is no such symbol. It looks
# the name up as it stands in its index, which has it without the parameters, so that
#   `break largest<int>` is "not defined" (`break largest` stops in all of them), `whatis` and `sizeof` fail;
#   `set print object on` fails for each class of this kind: gdb finds the table of virtual functions, and its type not
#   ("RTTI symbol not found"), so that the object is shown as its base, without `side`.
# A variable of such a type is shown well. And `whatis square<short>` answers as long as the source file in which it is
# used is the current one, by a frame or by `list make`: in the next frame the symbol is gone again, and it looks like a
# matter of luck. `-readnow` reads all files first, which is what helps; `maintenance expand-symtabs` does not.
set -euo pipefail

command -v clang++-19 > /dev/null && command -v gdb > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 gdb libstdc++-12-dev > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1 lldb-for-pwndbg==23.1.0.post2
cat > shapes.hpp <<'CPP'
struct shape { virtual ~shape() {} virtual int area() = 0; };
template <typename T> struct square : shape {
    T side;
    square(T length) : side(length) {}
    int area() override { return side * side; }
};
CPP
cat > shapes.cpp <<'CPP'
#include "shapes.hpp"
template <typename T> T largest(T a, T b) { return a > b ? a : b; }
int biggest(int a, int b) { return largest<int>(a, b); }
shape *make() { return new square<short>(5); }
CPP
cat > main.cpp <<'CPP'
#include "shapes.hpp"
shape *make();
int main() { shape *any = make(); __builtin_trap(); return any->area(); }
CPP
clang++-19 -g -O0 main.cpp shapes.cpp -o full
clang++-19 -g -O0 -gsimple-template-names main.cpp shapes.cpp -o simple
commands=(-ex 'set breakpoint pending off')
for command in 'break largest<int>' 'info types square' 'whatis square<short>'; do
    commands+=(-ex "echo >> $command\\n" -ex "$command")
done
commands+=(-ex 'echo >> list make; whatis square<short>\n' -ex 'list make' -ex 'whatis square<short>')
commands+=(-ex delete -ex run -ex 'set print object on' -ex 'echo >> print *any\n' -ex 'print *any')
commands+=(-ex 'echo >> whatis square<short>\n' -ex 'whatis square<short>')
old() { gdb -nx -q -batch "$@"; }
new() { venv/bin/gdb -nx -q -batch -iex 'set debuginfod enabled off' "$@"; }
show() { # the name, the program, the command and its parameters
    echo "$1"
    local program=$2
    shift 2
    { "$@" "${commands[@]}" "$program" 2>&1 || true; } |
        sed -nE '/^(>>|No|Fun|type)/p; s/^(Breakpoint 1).*/\1/p; /square<short>;$/p; s/^warning: (RTTI.*)/\1/p
            s/.*(_vptr)[^}]*\}?(.*)\}$/\1\2/p' | uniq | sed 's/^/  /'
}
{
    show 'gdb 13, full names' full old
    show 'gdb 13, simple names' simple old
    show 'gdb 18, full names' full new
    show 'gdb 18, simple names' simple new
    show 'gdb 18, simple names, -readnow' simple new -readnow
    echo 'LLDB 23, simple names'
    venv/bin/lldb --no-lldbinit --batch -o 'target create simple' -o 'breakpoint set --name largest<int>' -o run \
        -k 'frame variable *any' -k kill -k quit 2>&1 |
        sed -nE 's/^(Breakpoint 1): where.*/  \1/p; s/^\(square.*any = /  &/p'
} | tee seen
diff seen - <<'EXPECTED'
gdb 13, full names
  >> break largest<int>
  Breakpoint 1
  >> info types square
  2:	square<short>;
  >> whatis square<short>
  type = square<short>
  >> list make; whatis square<short>
  type = square<short>
  >> print *any
  _vptr, side = 5
  >> whatis square<short>
  type = square<short>
gdb 13, simple names
  >> break largest<int>
  Breakpoint 1
  >> info types square
  2:	square<short>;
  >> whatis square<short>
  type = square<short>
  >> list make; whatis square<short>
  type = square<short>
  >> print *any
  _vptr, side = 5
  >> whatis square<short>
  type = square<short>
gdb 18, full names
  >> break largest<int>
  Breakpoint 1
  >> info types square
  2:	square<short>;
  >> whatis square<short>
  type = square<short>
  >> list make; whatis square<short>
  type = square<short>
  >> print *any
  _vptr, side = 5
  >> whatis square<short>
  type = square<short>
gdb 18, simple names
  >> break largest<int>
  Function "largest<int>" not defined.
  >> info types square
  2:	square<short>;
  >> whatis square<short>
  No symbol "square<short>" in current context.
  >> list make; whatis square<short>
  type = square<short>
  >> print *any
  RTTI symbol not found for class 'square<short>'
  _vptr
  >> whatis square<short>
  No symbol "square<short>" in current context.
gdb 18, simple names, -readnow
  >> break largest<int>
  Breakpoint 1
  >> info types square
  2:	square<short>;
  >> whatis square<short>
  type = square<short>
  >> list make; whatis square<short>
  type = square<short>
  >> print *any
  _vptr, side = 5
  >> whatis square<short>
  type = square<short>
LLDB 23, simple names
  Breakpoint 1
  (square<short>) *any = (side = 5)
EXPECTED
echo 'seen as described'
