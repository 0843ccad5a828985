#!/bin/bash
# What debuggers show of a short std::string with a constant text in optimised code. clang 19 and libc++ 19 of Debian (clang-19, libc++-19-dev 1:19.1.7-3~deb12u1; libc++-19-dev-wasm32 for wasm32), -O1 and -O2; LLDB 23.1.0 (PyPI
# lldb-for-pwndbg 23.1.0.post2), gdb 13.1 (Debian gdb 13.1-3). The native program has the layout of strings that libc++ has for WebAssembly and Apple's arm64 (_LIBCPP_ABI_ALTERNATE_STRING_LAYOUT: the length is in the last byte).
#
# One would guess "hello", or "optimised out". LLVM keeps the string in parts: eight bytes of text, a gap, and one byte with the length, each a constant.
# Seen: LLDB shows `s = ""`, like an empty string and without a word; gdb shows `__size_ = 0` beside the letters. The length was written as part of a word of 8 (wasm32: 4) bytes, and its description was cut from that one without being shifted: the piece of *one* byte has the constant
# 0x500000000000000 (0x5000000), whose low byte, which is what DWARF takes, is 0. The five is there, in the wrong byte. So a string that is empty in a debugger, in code that was optimised, may be none. A constant with more bits than its piece
# is a sign of it. With the other layout (length first, as zig's libc++ for WebAssembly has it), all is right.
set -euo pipefail

command -v clang++-19 > /dev/null && command -v llvm-dwarfdump-19 > /dev/null && command -v gdb > /dev/null && [ -e /usr/lib/llvm-19/include/c++/v1/string ] && [ -e /usr/lib/llvm-19/include/wasm32-wasi/c++/v1/string ] && [ -e /usr/include/wasm32-wasi/stdio.h ] ||
    apt-get install -y --no-install-recommends clang-19 llvm-19 libc++-19-dev libc++abi-19-dev libc++-19-dev-wasm32 wasi-libc gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2
cat > greet.cpp <<'CPP'
#include <string>
#ifdef SHOW
#include <cstdio>
#endif
volatile int sink;
__attribute__((noinline)) static int greet(int n) {
    std::string s = "hello";
#ifdef SHOW
    std::printf("program: %s, length %d\n", s.c_str(), (int)s.size());
#endif
    sink = n;
    if (n == 1) __builtin_trap();
    return (int)s.size();
}
int main(int count, char **) { return greet(count); }
CPP
length() { # FILE: the constant that the last piece of the string has
    llvm-dwarfdump-19 --name=s "$1" | grep -oE 'DW_OP_constu 0x[0-9a-f]+, DW_OP_stack_value, DW_OP_piece 0x1\)' | head -1 | tr -d ')'
}
clang++-19 -stdlib=libc++ -D_LIBCPP_ABI_ALTERNATE_STRING_LAYOUT -DSHOW -O2 greet.cpp -o shown
{
    ./shown 2 || true
    for level in 1 2; do
        clang++-19 -stdlib=libc++ -D_LIBCPP_ABI_ALTERNATE_STRING_LAYOUT -g -O$level greet.cpp -o greet
        clang++-19 --target=wasm32-wasi -isystem /usr/lib/llvm-19/include/wasm32-wasi/c++/v1 -isystem /usr/include/wasm32-wasi -fno-exceptions -g -O$level -c greet.cpp -o greet.o
        echo "-O$level: $(length greet); wasm32: $(length greet.o)"
        echo "-O$level, LLDB: $(venv/bin/lldb --no-lldbinit --batch -o run -k 'frame variable s' greet 2>&1 | grep '^(std::string) s')"
        echo "-O$level, gdb: $(gdb -nx -q -batch -ex run -ex 'output s.__r_.__value_.__s.__data_' -ex 'echo \n' -ex 'print s.__r_.__value_.__s.__size_' greet 2> /dev/null | tail -2 | paste -sd ' ' | sed "s/ \$1 = /, size /; s/ <repeats.*>//")"
    done
} | tee seen
diff seen - <<'EXPECTED'
program: hello, length 5
-O1: DW_OP_constu 0x500000000000000, DW_OP_stack_value, DW_OP_piece 0x1; wasm32: DW_OP_constu 0x5000000, DW_OP_stack_value, DW_OP_piece 0x1
-O1, LLDB: (std::string) s = ""
-O1, gdb: {104 'h', 101 'e', 108 'l', 108 'l', 111 'o', 0 '\000', 0 '\000', 0 '\000', <optimized out>}, size 0 '\000'
-O2: DW_OP_constu 0x500000000000000, DW_OP_stack_value, DW_OP_piece 0x1; wasm32: DW_OP_constu 0x5000000, DW_OP_stack_value, DW_OP_piece 0x1
-O2, LLDB: (std::string) s = ""
-O2, gdb: {104 'h', 101 'e', 108 'l', 108 'l', 111 'o', 0 '\000', 0 '\000', 0 '\000', <optimized out>}, size 0 '\000'
EXPECTED
echo 'seen as described'
