#!/bin/bash
# The function's name that llvm-symbolizer prints for an address in a linked WebAssembly module. llvm-symbolizer and llvm-addr2line 19.1.7
# (Debian llvm-19 1:19.1.7-3~deb12u1); clang-19 and lld-19 of the same version make the module.
#
# One would guess that name and line that are printed for one address are of one function.
# Seen: the line is that of the address as DWARF counts it, from the start of the code section's contents. The name is that of
# the symbol nearest before the same number, but symbols of a linked module count from the start of the *file*. So the name
# is of an earlier function, as far before as the code section is into the file: `alpha` with the line of `beta`. An offset of
# the file does not help: its name is right and its line is of a later function. `--functions=short`, which
# takes the name from DWARF, has both right, and so has an object file, whose symbols count as DWARF does. Version 14
# (Debian llvm-14 1:14.0.6-12) prints DWARF's name in every case.
set -euo pipefail

command -v llvm-symbolizer-19 > /dev/null && command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends llvm-19 clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > four.c <<'C'
int alpha(int a) { int b = a * 3, c = b - a, d = c * b; return a + b + c + d; }
int beta(int a) { int b = alpha(a), c = b - a, d = c * b; return a + b + c + d; }
int gamma(int a) { int b = beta(a), c = b - a, d = c * b; return a + b + c + d; }
__attribute__((export_name("run"))) int run(int a) { return gamma(a) + 1; }
C
clang-19 --target=wasm32 -fno-builtin -g -O0 -c four.c -o four.o
wasm-ld-19 --no-entry four.o -o four.wasm

start_in_dwarf() { # FILE FUNCTION
    llvm-dwarfdump-19 --name="$2" "$1" | sed -n 's/.*DW_AT_low_pc.*(\(0x[0-9a-f]*\)).*/\1/p'
}
start_in_file() { # FUNCTION
    echo "0x$(llvm-nm-19 four.wasm | awk -v name="$1" '$3 == name { print $1 }')"
}
look() { # FILE ADDRESS OPTIONS…: name and line
    local file=$1 address=$2; shift 2
    llvm-symbolizer-19 "$@" --obj="$file" "$address" | sed -E 's/.*\/four\.c:([0-9]+).*/line \1/' | paste -sd ' ' | sed 's/ *$//'
}
within=$(printf 0x%x $(($(start_in_dwarf four.wasm beta) + 8)))
{
    echo "an address of beta, linked: $(look four.wasm $within)"
    echo "the same, --functions=short: $(look four.wasm $within --functions=short)"
    echo "the same, llvm-addr2line: $(llvm-addr2line-19 -f -e four.wasm $within | sed -E 's/.*\/four\.c:/line /' | paste -sd ' ')"
    echo "an offset of beta in the file: $(look four.wasm $(printf 0x%x $(($(start_in_file gamma) - 4))))"
    echo "in the object file: $(look four.o $(printf 0x%x $(($(start_in_dwarf four.o beta) + 8))))"
} | tee seen
diff seen - <<'EXPECTED'
an address of beta, linked: alpha line 2
the same, --functions=short: beta line 2
the same, llvm-addr2line: alpha line 2
an offset of beta in the file: beta line 3
in the object file: beta line 2
EXPECTED
