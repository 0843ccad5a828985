#!/bin/bash
# Whether split debug information (-gsplit-dwarf: the variables and types are in a .dwo file that is never linked) says where a static variable is, for WebAssembly. clang, lld and LLVM 19 and 22 of Debian
# (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22, llvm-22 1:22.1.8); wabt 1.0.32 of Debian (wabt 1.0.32-1) lists the globals.
#
# One would guess that it does: a .dwo file has no relocations by design, all that the linker decides is behind an index into the module's .debug_addr.
# Seen: addresses are behind such an index; the numbers of globals are not. Position-independent code (-fPIC) and thread-local variables are "global n plus address", and in the .dwo file n is
# 1 for both, whatever numbers they have in the module, or in the object file that the same call of the compiler wrote. The static variable `total` is said to be counted from
# __tls_base here, which is another value in each thread. Without -gsplit-dwarf both are right. llvm-dwp packs such files without a word. A reader that
# finds a global in a .dwo file has to know which one is meant by other means, or to call the place unknown.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-dwarfdump-19 llvm-dwp-19 clang-22 wasm-ld-22 llvm-dwarfdump-22 llvm-dwp-22 wasm-objdump; do command -v $tool > /dev/null; done ||
    apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 clang-22 lld-22 llvm-22 wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > totals.c <<'C'
int total = 3;
__thread int of_thread = 7;
__attribute__((export_name("run"))) int run(int n) { of_thread += n; total += of_thread; return total; }
C
global_in() { # FILE VERSION: each variable and the global from which its address is counted
    llvm-dwarfdump-"$2" "$1" | awk '/DW_TAG_/ { name = "" } /DW_AT_name/ { name = $2; gsub(/[()"]/, "", name) } name && /DW_AT_location.*DW_OP_WASM_location 0x3 / { sub(/^.*DW_OP_WASM_location 0x3 0x/, ""); sub(/,.*/, ""); print name, $0 }' |
        while read -r variable number; do
            global=$(wasm-objdump -x totals.wasm | sed -n "s/^ - global\[$((16#$number))\] i32.*<\(.*\)>.*/\1/p")
            echo "    $variable: global $((16#$number)), $global"
        done
}
for version in 19 22; do
    echo "clang $version"
    for split in '' -gsplit-dwarf; do
        clang-$version --target=wasm32 -fPIC -ftls-model=local-exec -pthread -g -gdwarf-5 $split -O1 -c totals.c -o totals.o
        wasm-ld-$version --no-entry --shared-memory --max-memory=1048576 totals.o -o totals.wasm
        if [ "$split" ]; then
            llvm-dwp-$version totals.dwo -o totals.dwp
            echo "  the object file has $(wasm-objdump -x totals.o | sed -n 's/^ - global\[\([0-9]*\)\].*<- env\.\(.*\)/\1 \2,/p' | tr '\n' ' ')"
            echo '  in the .dwo file' && global_in totals.dwo $version
            echo '  in the .dwp file' && global_in totals.dwp $version
        else
            echo '  in the module' && global_in totals.wasm $version
        fi
    done
done | tee seen
diff seen - <<'EXPECTED'
clang 19
  in the module
    total: global 2, GOT.data.internal.__memory_base
    of_thread: global 1, __tls_base
  the object file has 0 __tls_base, 1 __memory_base, 
  in the .dwo file
    total: global 1, __tls_base
    of_thread: global 1, __tls_base
  in the .dwp file
    total: global 1, __tls_base
    of_thread: global 1, __tls_base
clang 22
  in the module
    total: global 2, GOT.data.internal.__memory_base
    of_thread: global 1, __tls_base
  the object file has 0 __tls_base, 1 __memory_base, 
  in the .dwo file
    total: global 1, __tls_base
    of_thread: global 1, __tls_base
  in the .dwp file
    total: global 1, __tls_base
    of_thread: global 1, __tls_base
EXPECTED
echo 'seen as described'
