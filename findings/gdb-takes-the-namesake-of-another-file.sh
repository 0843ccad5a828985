#!/bin/bash
# The class of the object that a pointer to its base leads to, where two source files have a class of that name, each in
# an anonymous namespace. gdb 13.1 (Debian 13.1-3) and 18.1 (PyPI gdb-for-pwndbg 18.1.0.post1), LLDB 23.1.0 (PyPI
# lldb-for-pwndbg 23.1.0.post2); clang 19.1.7 (Debian clang-19 1:19.1.7-3~deb12u1) makes the program, x86-64.
#
# One would guess: that of its own file. Such names (`job`, `impl`, `state`) are used in many files of one program,
# which is what an anonymous namespace is for; the pointer to the table of virtual functions leads to one of the two
# tables, and the functions in it to the file. Or, where a debugger cannot tell, the base.
# Seen: gdb (`set print object on`, which front ends switch on) goes from the table to its symbol, from that to the name
# "(anonymous namespace)::job", and takes the first class that has it. For the object of the other file it shows members
# that this has not, made of the bytes that are there: a `length` that is half of a pointer, or a `name` at address
# 0x16. All has good names and types, and nothing is said. gdb 13 takes the file that it has read already: after `list
# make_writer` or a breakpoint in that file the same command has another answer, in the same stop. gdb 18 takes the
# first in the order of linking, whatever is read, but as it reads with several threads, this is not certain: of 72 runs
# of one command on one program 4 had the other answer (with `maintenance set worker-threads 0`, as here, none). LLDB
# shows the base, so that members are missing, but none is wrong. To see which class it is, ask for the file of a
# virtual function: `info symbol` and `info line` of the first word of the table.
set -euo pipefail

command -v clang++-19 > /dev/null && command -v gdb > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 gdb libstdc++-12-dev > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1 lldb-for-pwndbg==23.1.0.post2
cat > task.hpp <<'CPP'
struct task { virtual int run() = 0; int number = 1; };
task *make_reader();
task *make_writer();
CPP
cat > reader.cpp <<'CPP'
#include "task.hpp"
namespace { struct job : task { int offset = 11, length = 22; int run() override { return offset; } }; }
task *make_reader() { return new job; }
CPP
cat > writer.cpp <<'CPP'
#include "task.hpp"
namespace { struct job : task { const char *name = "log"; long rate = 9; int run() override { return rate; } }; }
task *make_writer() { return new job; }
CPP
cat > main.cpp <<'CPP'
#include "task.hpp"
task *reader = make_reader(), *writer = make_writer();
int main() { __builtin_trap(); return reader->run() + writer->run(); }
CPP
clang++-19 -g -O0 main.cpp reader.cpp writer.cpp -o tasks
clang++-19 -g -O0 main.cpp writer.cpp reader.cpp -o other
new() {
    venv/bin/gdb -nx -q -batch -iex 'set debuginfod enabled off' -iex 'maintenance set worker-threads 0' "$@" 2>&1
}
old() { gdb -nx -q -batch "$@" 2>&1; }
show() { # how it is called, the debugger, the program, commands: members of the two objects
    local debugger=$2 program=$3
    echo "$1"
    shift 3
    # Half of a pointer, and its address, are other numbers in each run.
    $debugger -ex 'set print object on' -ex run "$@" -ex 'print *reader' -ex 'print *writer' $program |
        sed -nE 's/^\$1.*number = 1\}, /  reader: /p; s/^\$2.*number = 1\}, /  writer: /p' |
        sed -E 's/\}$//; s/0x[0-9a-f]{6,} "log"/"log"/; s/[0-9]{6,}/half a pointer/'
}
{
    show 'gdb 13' old tasks
    show 'gdb 13, after list make_writer' old tasks -ex 'list make_writer'
    show 'gdb 18' new tasks
    show 'gdb 18, after list make_writer' new tasks -ex 'list make_writer'
    show 'gdb 18, linked in another order' new other
    echo LLDB 23
    venv/bin/lldb --no-lldbinit --batch -o run -k 'target variable --dynamic-type run-target *reader *writer' -k kill \
        -k quit tasks 2>&1 | sed -nE 's/^\((.*)\) \*(reader|writer) = /  \2: \1 /p'
} | tee seen
diff seen - <<'EXPECTED'
gdb 13
  reader: offset = 11, length = 22
  writer: offset = 0, length = half a pointer
gdb 13, after list make_writer
  reader: name = 0x16 <error: Cannot access memory at address 0x16>, rate = 49
  writer: name = "log", rate = 9
gdb 18
  reader: offset = 11, length = 22
  writer: offset = 0, length = half a pointer
gdb 18, after list make_writer
  reader: offset = 11, length = 22
  writer: offset = 0, length = half a pointer
gdb 18, linked in another order
  reader: name = 0x16 <error: Cannot access memory at address 0x16>, rate = 49
  writer: name = "log", rate = 9
LLDB 23
  reader: task (number = 1)
  writer: task (number = 1)
EXPECTED
echo 'seen as described'
