#!/bin/bash
# Where a variable that holds a reference to an object of the host (`__externref_t`) is, according to clang's DWARF. clang, lld and LLVM 19 and 22 of Debian (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22,
# llvm-22 1:22.1.8); wabt 1.0.32 of Debian (wabt 1.0.32-1) prints the code.
#
# One would guess: in a local of the function, at every level of optimisation, since a reference can be nowhere else: memory holds numbers. At -O0 DWARF is right at least, at -O2 it may be missing.
# Seen: the other way round. At -O2 it is a local, with a list of where that holds. At -O0, which is what one debugs, each has an address in the frame in memory, a byte of its own at the end of the
# frame (of no alignment that a variable has), which no instruction reads or writes: the code keeps the reference in a local all the time, and DWARF does not say in which. The type is a
# structure that is declared and never described. So a debugger that reads what is there shows a byte that is left from an earlier call; the place of a variable of this
# type is right only if it is a local.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-dwarfdump-19 clang-22 wasm-ld-22 llvm-dwarfdump-22 wasm-objdump; do command -v $tool > /dev/null; done ||
    apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 clang-22 lld-22 llvm-22 wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > keep.c <<'C'
void use(__externref_t, int *);
__attribute__((export_name("run"))) int run(__externref_t object, int n) {
    __externref_t copy = object;
    int here = n;
    use(copy, &here);
    use(object, &here);
    return here;
}
C
for version in 19 22; do
    for level in -O0 -O2; do
        clang-$version --target=wasm32 -mreference-types -g $level -c keep.c -o keep.o
        wasm-ld-$version --no-entry --allow-undefined keep.o -o keep.wasm
        echo "clang $version $level"
        llvm-dwarfdump-$version keep.wasm | awk '/DW_AT_location/ { place = $0 } /\[0x/ && !/DW_TAG/ { place = $0 } /DW_AT_name/ { if (place && $2 ~ /object|copy|here/) { match(place, /DW_OP_[^,)]*/); print "  " $2, substr(place, RSTART, RLENGTH) } place = "" }' | tr -d '()"'
        stores=$(wasm-objdump -d keep.wasm | sed -nE 's/.*\| +(i32\.store[0-9]*) [0-9]+ ([0-9]+)$/\2/p' | sort -n | tr '\n' ' ')
        echo "  offsets that the code stores at: $stores"
    done
done | tee seen
diff seen - <<'EXPECTED'
clang 19 -O0
  object DW_OP_fbreg +18
  copy DW_OP_fbreg +19
  here DW_OP_fbreg +8
  offsets that the code stores at: 8 12 
clang 19 -O2
  object DW_OP_WASM_location 0x0 0x0
  here DW_OP_fbreg +12
  copy DW_OP_WASM_location 0x0 0x0
  offsets that the code stores at: 12 
clang 22 -O0
  object DW_OP_fbreg +18
  copy DW_OP_fbreg +19
  here DW_OP_fbreg +8
  offsets that the code stores at: 8 12 
clang 22 -O2
  object DW_OP_WASM_location 0x0 0x0
  here DW_OP_fbreg +12
  copy DW_OP_WASM_location 0x0 0x0
  offsets that the code stores at: 12 
EXPECTED
echo 'seen as described'
