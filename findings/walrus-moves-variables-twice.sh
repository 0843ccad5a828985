#!/bin/bash
# What becomes of debug information in walrus, the library with which wasm-bindgen and others rewrite modules, where it is told to keep it (wasm-bindgen's --keep-debug). walrus as in
# @napi-rs/wasm-tools 1.1.0 (npm); clang 19, lld 19 and LLVM 19 of Debian (clang-19, lld-19, llvm-19 1:19.1.7) make the module, with DWARF 4, and show the result.
#
# One would guess that it is right or left out: walrus converts the line table, the functions' ranges and the variables, and changes nothing in the program itself.
# Seen: it sorts functions by their size and shortens numbers, so all code moves, and
#   where a variable is found at which instruction (location lists) is moved twice: once by the conversion, and once more by as much. What is left lies outside of
#   the variable's own function, or ends before it begins: `r` of `mid`, a function of 0x34..0x45, is said to be there at 0x72..0x73, and `total` of `run` from 0x3c to
#   0x6. In functions that moved by a few bytes only, the list is for other instructions of the same function, and a debugger reads a local that has another value there;
#   all addresses are too high by the length of the number of functions, which stands first in the section: a body begins at 0x2, and its DWARF at 0x3.
# A variable whose place has no list is right. So a tool that sees "walrus" in the section `producers` should believe no location list.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-dwarfdump-19; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @napi-rs/wasm-tools@1.1.0 > /dev/null
cat > program.c <<'C'
static inline int inner(int a) { int b = a * 2; return 100 / b; }
__attribute__((noinline)) int mid(int a) {
    int r = inner(a);
    return r + a + 4;
}
int run(int n) {
    int total = 0;
    for (int i = n; i >= 0; i--)
        total += mid(i);
    return total;
}
C
clang-19 --target=wasm32 -gdwarf-4 -O2 -c program.c -o program.o
wasm-ld-19 --no-entry --export=run program.o -o before.wasm
cat > rewrite.cjs <<'JS'
const { readFileSync, writeFileSync } = require("node:fs");
const { ModuleConfig } = require("@napi-rs/wasm-tools");
const rewritten = new ModuleConfig().generateDwarf(true).generateNameSection(true).parse(readFileSync("before.wasm"));
writeFileSync("after.wasm", rewritten.emitWasm(true));
JS
node rewrite.cjs
bodies() { # MODULE: where each body begins and ends, in the contents of the code section
    python3 - "$1" <<'PY'
import sys
data, at = open(sys.argv[1], "rb").read(), 8
def number():
    global at
    value = shift = 0
    while True:
        byte = data[at]; at += 1
        value |= (byte & 127) << shift; shift += 7
        if byte < 128: return value
while True:
    kind = data[at]; at += 1; size = number()
    if kind == 10: break
    at += size
start, found = at, []
for _ in range(number()):
    size = number(); found.append(f"{at - start:#x}..{at - start + size:#x}"); at += size
print("  bodies:", *found)
PY
}
for module in before after; do
    echo "$module"
    bodies $module.wasm
    llvm-dwarfdump-19 $module.wasm | awk '
        function value(text) { sub(/.*\(/, "", text); sub(/\).*/, "", text); gsub(/"/, "", text); return text }
        /DW_TAG_/ { tag = $2; ranges = low = "" }
        /DW_AT_low_pc/ { low = value($0) }
        /DW_AT_high_pc/ { high = value($0) }
        /^ +\[0x/ { range = $0; sub(/^ +/, "", range); sub(/\):.*/, ")", range); gsub(/0x0+/, "0x", range); ranges = ranges " " range }
        /DW_AT_name/ && tag == "DW_TAG_subprogram" && low != "" { gsub(/0x0+/, "0x", low); gsub(/0x0+/, "0x", high); print "  " value($0) ": " low ".." high; low = "" }
        /DW_AT_name/ && ranges != "" { print "    " value($0) ":" ranges; ranges = "" }'
done | tee seen
diff seen - <<'EXPECTED'
before
  bodies: 0x2..0x13 0x14..0x48
  mid: 0x2..0x13
    r: [0xe, 0xf)
  run: 0x14..0x48
    n: [0x14, 0x28)
    total: [0x1b, 0x28) [0x37, 0x43)
    i: [0x1b, 0x2a) [0x3c, 0x3e) [0x3e, 0x48)
after
  bodies: 0x2..0x32 0x33..0x44
  mid: 0x34..0x45
    r: [0x72, 0x73)
  run: 0x3..0x33
    n: [0x3, 0x6)
    total: [0x3c, 0x6) [0x15, 0x21)
    i: [0x3c, 0x8) [0x1a, 0x1c) [0x1c, 0x22)
EXPECTED
echo 'seen as described'
