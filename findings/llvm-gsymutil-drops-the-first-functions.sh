#!/bin/bash
# Which functions of a module are in the symbol file that llvm-gsymutil makes of it. LLVM, clang and lld 19 and 22 of Debian (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22, llvm-22 1:22.1.8).
#
# One would guess all that DWARF describes, as for ELF and Mach-O, or an error: the file format is not known.
# Seen: those at the beginning of the code are missing, and the exit status is 0. DWARF counts addresses from the start of the code section, and the tool takes a function for one that the
# linker dropped if its address is not in an executable section, whose addresses it has as offsets in the file: all that begins before the code section's own offset (0x42 here, more with each
# import and type; in real modules some kilobytes) is left out, "Address range starts outside executable section occurred 2 time(s)". A lookup of such an address says that it is not
# in the file, as of code without debug information. What follows is found by the addresses of DWARF, and right. Symbols of the name section
# are not read ("Loaded 0 functions from symbol table"). Do not look modules up by such a file.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-gsymutil-19 clang-22 wasm-ld-22 llvm-gsymutil-22; do command -v $tool > /dev/null; done ||
    apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 clang-22 lld-22 llvm-22 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > four.c <<'C'
int alpha(int n) { return n * 3 + 1; }
int beta(int n) { return alpha(n) / (n - 4); }
int gamma(int n) { return beta(n) + n; }
__attribute__((export_name("run"))) int run(int n) { return gamma(n) + 1; }
C
for version in 19 22; do
    clang-$version --target=wasm32 -fno-builtin -g -O0 -c four.c -o four.o
    wasm-ld-$version --no-entry four.o -o four.wasm
    status=0
    llvm-gsymutil-$version --convert four.wasm -o four.gsym > said 2>&1 || status=$?
    echo "LLVM $version: exit status $status; $(grep -E '^Loaded' said | paste -sd' ')"
    for name in alpha beta gamma run; do
        begin=$(llvm-dwarfdump-$version --name=$name four.wasm | sed -nE 's/.*DW_AT_low_pc.*\((0x[0-9a-f]*)\).*/\1/p')
        echo "  $name at its address in DWARF + 12: $(llvm-gsymutil-$version --address="$(printf 0x%x $((begin + 12)))" four.gsym | sed -nE 's/.*: error: address [^ ]+ (.*)/\1/p; s/.*: (.*) @ .*\/(four\.c:[0-9]+).*/\1, \2/p')"
    done
done | tee seen
diff seen - <<'EXPECTED'
LLVM 19: exit status 0; Loaded 2 functions from DWARF. Loaded 0 functions from symbol table.
  alpha at its address in DWARF + 12: is not in GSYM
  beta at its address in DWARF + 12: is not in GSYM
  gamma at its address in DWARF + 12: gamma + 12, four.c:3
  run at its address in DWARF + 12: run + 12, four.c:4
LLVM 22: exit status 0; Loaded 2 functions from DWARF. Loaded 0 functions from symbol table.
  alpha at its address in DWARF + 12: is not in GSYM
  beta at its address in DWARF + 12: is not in GSYM
  gamma at its address in DWARF + 12: gamma + 12, four.c:3
  run at its address in DWARF + 12: run + 12, four.c:4
EXPECTED
echo 'seen as described'
