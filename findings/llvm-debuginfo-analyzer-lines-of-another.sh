#!/bin/bash
# In which lines a variable has a value, according to llvm-debuginfo-analyzer, whose view is meant for just that: to compare what two compilers or two levels of optimisation keep. LLVM, clang and lld 19 and 22 of Debian (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22,
# llvm-22 1:22.1.8), for wasm32 and, beside it, x86-64.
#
# One would guess: in lines of the variable's own function, as for x86-64 and for an object file of WebAssembly; the tool knows the format ("WASM" stands in its first line), and functions, their lines and their ranges are right.
# Seen, in a linked module: the ranges of functions and the rows of the line table are moved to where the code is in the *file*; the entries of location lists are left as DWARF has them, from the start of the code section, and are then looked up among the others. So each range of a variable is
# said to begin and end so many bytes earlier as the code is into the file (here some 0x60, in real modules kilobytes): those of the first functions before all code (the first line of the first function), those of later ones in other functions: `back` of `refund`, of line 19, has its
# value from line 3 on, in `discount`. Gaps between the function's start and the first entry ("missing") begin after their end. Nothing is said of it, --warning=all included. What has one place for all of its function is right.
# So run it on the *object files*, or add the code section's offset to what it prints of locations.
set -euo pipefail
for version in 19 22; do
    command -v clang-$version wasm-ld-$version llvm-debuginfo-analyzer-$version > /dev/null ||
        apt-get install -y --no-install-recommends clang-$version lld-$version llvm-$version > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > shop.c <<'C'
extern int price(int);
int discount(int total) {
  int percent = price(1);
  int off = total * percent / 100;
  return off + price(off);
}
int tax(int total) {
  int rate = price(2);
  int extra = total * rate;
  return extra + price(rate);
}
int invoice(int total) {
  int low = price(3);
  int sum = total - low;
  return sum * price(sum) + low;
}
int refund(int total) {
  int back = price(4);
  int fee = total / back;
  return fee * price(fee) + back;
}
C
cat > table.py <<'PY'
import re, sys

# Each variable of a function with the lines of its location lists, where the tool prints them.
function = variable = None
for line in sys.stdin:
    if found := re.search(r"\{Function\}.* '(\w+)' -> ", line):
        function = found[1]
        variable = None
    elif found := re.search(r"\{Range\} Lines (\S+)", line):
        if function and not variable and function != "price":
            print(f"    {function}, lines {found[1].replace(':', ' to ')}")
    elif found := re.search(r"\{(Variable|Parameter)\} '(\w*)'", line):
        variable = found[2]
    elif found := re.search(r"\{Location\} Lines (\d+):(\d+|-)", line):
        place = found[1]
    elif "{Entry}" in line and "missing" not in line and variable in ("percent", "rate", "extra", "low", "sum", "back", "fee") and place:
        print(f"      {variable}: from line {place}")
        place = None
PY
for version in 19 22; do
    clang-$version --target=wasm32 -O1 -g -c shop.c -o wasm.o
    wasm-ld-$version --no-entry --export=refund --export=invoice --export=tax --export=discount --allow-undefined wasm.o -o linked.wasm
    clang-$version --target=x86_64-linux-gnu -O1 -g -c shop.c -o native.o
    for file in native.o wasm.o linked.wasm; do
        echo "  LLVM $version, $file"
        llvm-debuginfo-analyzer-$version --attribute=range,location --print=symbols,scopes,lines $file | python3 table.py
    done
    echo "  warnings: $(llvm-debuginfo-analyzer-$version --warning=all --print=warnings linked.wasm | grep -vcE "^$|Logical View:|\{File\} 'linked.wasm'|\{CompileUnit\} 'shop.c'")"
done | tee seen
diff seen - <<'EXPECTED' || { echo 'the behaviour has changed'; exit 1; }
  LLVM 19, native.o
    discount, lines 2 to 5
      percent: from line 4
    tax, lines 7 to 10
      rate: from line 9
      extra: from line 10
    invoice, lines 12 to 15
      low: from line 14
      sum: from line 15
    refund, lines 17 to 20
      back: from line 19
      fee: from line 20
  LLVM 19, wasm.o
    discount, lines 2 to 5
      percent: from line 4
    tax, lines 7 to 10
      rate: from line 9
      rate: from line 10
      extra: from line 10
    invoice, lines 12 to 15
      low: from line 14
      low: from line 15
      sum: from line 15
    refund, lines 17 to 20
      back: from line 19
      fee: from line 20
      fee: from line 20
  LLVM 19, linked.wasm
    discount, lines 2 to 5
      percent: from line 2
    tax, lines 7 to 10
      rate: from line 2
      rate: from line 2
      extra: from line 2
    invoice, lines 12 to 15
      low: from line 2
      low: from line 2
      sum: from line 2
    refund, lines 17 to 20
      back: from line 3
      fee: from line 4
  warnings: 0
  LLVM 22, native.o
    discount, lines 2 to 5
      percent: from line 4
    tax, lines 7 to 10
      rate: from line 9
      extra: from line 10
    invoice, lines 12 to 15
      low: from line 14
      sum: from line 15
    refund, lines 17 to 20
      back: from line 19
      fee: from line 20
  LLVM 22, wasm.o
    discount, lines 2 to 5
      percent: from line 4
    tax, lines 7 to 10
      rate: from line 9
      rate: from line 10
      extra: from line 10
    invoice, lines 12 to 15
      low: from line 14
      low: from line 15
      sum: from line 15
    refund, lines 17 to 20
      back: from line 19
      fee: from line 20
      fee: from line 20
  LLVM 22, linked.wasm
    discount, lines 2 to 5
      percent: from line 2
    tax, lines 7 to 10
      rate: from line 2
      rate: from line 2
      extra: from line 2
    invoice, lines 12 to 15
      low: from line 2
      low: from line 2
      sum: from line 2
    refund, lines 17 to 20
      back: from line 3
      fee: from line 4
  warnings: 0
EXPECTED
echo 'seen as described'
