#!/bin/bash
# The class of the object that a pointer to its base leads to, where the class is made of a template. LLDB 22.1.8
# (Debian lldb-22 1:22.1.8-1~deb12u1) and 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), gdb 13.1 (Debian 13.1-3) and 18.1
# (PyPI gdb-for-pwndbg 18.1.0.post1); clang 19.1.7 and g++ 12.2.0 (Debian clang-19 1:19.1.7-3~deb12u1, g++-12
# 12.2.0-14+deb12u1) make the program, x86-64, -O0.
#
# One would guess: as with any class. The pointer to the table of virtual functions tells which it is, and LLDB shows
# `order` as what it is, with all members, and `handler<order>` as well.
# Seen: LLDB looks for a class by the text that the symbol of the table has when it is made readable, among the names in
# DWARF, and the two are not written alike: `handler<order*>` and `handler<order *>`, `char const*` and `const char *`,
# `list<list<int>>` and `list<list<int> >`, `4u` and `4U`, `(char)97` and `'a'`; in g++'s DWARF also `unsigned long` and
# `long unsigned int`. So a parameter that is a pointer, const, an array, another template, or a number without a sign
# costs the object its class: it is shown as its base, without its own members, and nothing says that there are any. As
# std::string is such a template, `handler<std::string>` is never found. Parameters that are plain classes, int, bool or
# double are no problem, which is what one tries first. gdb, which brings both into one spelling, finds nearly all: 13
# fails for `letter<'a'>`, both for `buffer<4>` of g++, and both say "RTTI symbol not found". So "the base" in LLDB does
# not say that the object is one: look at the symbol, `image lookup --address` of the first word.
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
cat > classes.cpp <<'CPP'
#include <string>
struct base { virtual ~base() {} };
template <typename T> struct handler : base { int mine = 7; };
template <int n> struct counter : base { int mine = 7; };
template <unsigned n> struct buffer : base { int mine = 7; };
template <char c> struct letter : base { int mine = 7; };
struct order {};
base *of_class = new handler<order>, *of_int = new handler<int>, *of_double = new handler<double>;
base *of_int_number = new counter<4>, *of_short = new handler<short>, *of_long = new handler<unsigned long>;
base *of_pointer = new handler<order *>, *of_const = new handler<const order>, *of_text = new handler<const char *>;
base *of_array = new handler<int[3]>, *of_template = new handler<handler<int>>, *of_string = new handler<std::string>;
base *of_unsigned_number = new buffer<4>, *of_letter = new letter<'a'>;
int main() { __builtin_trap(); }
CPP
names=$(grep -oE '\*of_[a-z_]+' classes.cpp | tr -d '*')
new() { venv/bin/gdb -iex 'set debuginfod enabled off' "$@"; }
old() { gdb "$@"; }
show() { # the debugger; its input has a line "name|class" for each variable
    awk -F'|' -v who="$1" '$2 !~ /handler|counter|buffer|letter/ { list = list " " $1 } END { print "  " who ":" list }'
}
for compiler in clang++-19 g++-12; do
    echo "$compiler: shown as the base"
    $compiler -std=c++17 -g -O0 classes.cpp -o classes
    commands=()
    for name in $names; do commands+=(-k "target variable --dynamic-type run-target $name"); done
    for debugger in lldb-22 venv/bin/lldb; do
        $debugger --no-lldbinit --batch -o run "${commands[@]}" -k kill -k quit classes > session 2>&1
        sed -nE 's/^\((.*)\) (::)?(of_[a-z_]+) = 0x.*/\3|\1/p' session |
            show "$($debugger --version | sed -nE 's/.*version ([0-9]+)\..*/LLDB \1/p')"
    done
    commands=(-ex run -ex 'set print object on')
    for name in $names; do commands+=(-ex "echo $name|" -ex "whatis $name"); done
    for debugger in old new; do
        $debugger -nx -q -batch "${commands[@]}" classes > session 2> errors
        grep '^of_' session | show "$($debugger --version | sed -nE '1s/.* ([0-9]+)\..*/gdb \1/p')"
    done
done | tee seen
diff seen - <<'EXPECTED'
clang++-19: shown as the base
  LLDB 22: of_pointer of_const of_text of_array of_template of_string of_unsigned_number of_letter
  LLDB 23: of_pointer of_const of_text of_array of_template of_string of_unsigned_number of_letter
  gdb 13: of_letter
  gdb 18:
g++-12: shown as the base
  LLDB 22: of_short of_long of_pointer of_const of_text of_array of_template of_string of_unsigned_number of_letter
  LLDB 23: of_short of_long of_pointer of_const of_text of_array of_template of_string of_unsigned_number of_letter
  gdb 13: of_unsigned_number of_letter
  gdb 18: of_unsigned_number
EXPECTED
echo 'seen as described'
