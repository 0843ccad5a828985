#!/bin/bash
# Which source llvm-objdump -S and -l print beside the instructions of a linked WebAssembly module. LLVM 14, 19 and 22 of Debian (llvm-14 1:14.0.6-12, llvm-19 1:19.1.7-3~deb12u1, llvm-22 1:22.1.8); clang 19 and
# lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module.
#
# One would guess: the line of each instruction, as of an ELF file, and as of an object file of WebAssembly; newer versions are no worse than older ones; and if a tool cannot place the lines, it prints none.
# Seen: 14 is right. 19 and 22 print addresses of a linked module from the start of the file, and look them up, as they are, in DWARF, which counts from the start of the code section. So the line beside an
# instruction is that of the one which stands so many bytes further on in the program (0x42 here; kilobytes in a real module, with its types and imports): `part - total` of `fourth` beside the division in `first`. At
# the end of the code nothing is printed, and a program whose code is shorter than what precedes it has no lines at all, as if it had no debug information. The names of the functions are right, which
# makes the lines believable. So read the disassembly of the *object file*, or look each instruction up by its address less the start of the code section.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-objdump-14 llvm-objdump-19 llvm-objdump-22; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 llvm-14 llvm-19 llvm-22 > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > parts.c <<'C'
volatile int total = 5;
__attribute__((noinline)) int first(int n) {
    return n / total;
}
__attribute__((noinline)) int second(int n) {
    int part = first(n);
    return part + total;
}
__attribute__((noinline)) int third(int n) {
    int part = second(n);
    return part * total;
}
__attribute__((noinline)) int fourth(int n) {
    int part = third(n);
    return part - total;
}
__attribute__((export_name("run"))) int run(int n) {
    return fourth(n) ^ total;
}
C
clang-19 --target=wasm32 -g -O1 -c parts.c -o parts.o
wasm-ld-19 --no-entry parts.o -o parts.wasm
beside() { # VERSION FILE: the source line that is printed last before each operator, with the function that it is in
    llvm-objdump-$1 -d -S $2 | sed -nE 's/^[0-9a-f]+ <(.*)>:$/function \1/p; s/^; +(return .*)$/source \1/p; s/.*i32\.(div_s|add|mul|sub|xor) *$/operator \1/p' |
        awk '$1 == "function" { name = $2 } $1 == "source" { $1 = ""; source = substr($0, 2) } $1 == "operator" { print "  " name " " $2 ": " (source == "" ? "nothing" : source); source = "" }'
}
for version in 14 19 22; do
    for file in parts.o parts.wasm; do
        echo "llvm-objdump-$version -S $file"
        beside $version $file
    done
done | tee seen
diff seen - <<'EXPECTED'
llvm-objdump-14 -S parts.o
  first div_s: return n / total;
  second add: return part + total;
  third mul: return part * total;
  fourth sub: return part - total;
  run xor: return fourth(n) ^ total;
llvm-objdump-14 -S parts.wasm
  first div_s: return n / total;
  second add: return part + total;
  third mul: return part * total;
  fourth sub: return part - total;
  run xor: return fourth(n) ^ total;
llvm-objdump-19 -S parts.o
  first div_s: return n / total;
  second add: return part + total;
  third mul: return part * total;
  fourth sub: return part - total;
  run xor: return fourth(n) ^ total;
llvm-objdump-19 -S parts.wasm
  first div_s: return part - total;
  second add: return fourth(n) ^ total;
  third mul: nothing
  fourth sub: nothing
  run xor: nothing
llvm-objdump-22 -S parts.o
  first div_s: return n / total;
  second add: return part + total;
  third mul: return part * total;
  fourth sub: return part - total;
  run xor: return fourth(n) ^ total;
llvm-objdump-22 -S parts.wasm
  first div_s: return part - total;
  second add: return fourth(n) ^ total;
  third mul: nothing
  fourth sub: nothing
  run xor: nothing
EXPECTED
echo 'seen as described'
