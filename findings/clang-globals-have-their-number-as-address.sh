#!/bin/bash
# Where a variable is that C keeps in a global of WebAssembly (`__attribute__((address_space(1)))`), according to clang's DWARF. clang, lld and LLVM 19 and 22 of Debian
# (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22, llvm-22 1:22.1.8); wabt 1.0.32 of Debian (wabt 1.0.32-1) lists the globals.
#
# One would guess: in global n. DWARF for WebAssembly has an operation for that (DW_OP_WASM_location), which clang uses for other globals, or the variable has no place.
# Seen: it has an address in memory (DW_OP_addr), and the address is the global's number: 1, 2. Nothing tells it from an address, so a debugger shows the bytes that are at 1 and 2 of the memory as the variable's value. It is so at
# each level of optimisation, with DWARF 4 and, through .debug_addr, 5.
# So a static variable at an address below all data, where no data can be, is a global with that number if the name section has its name there.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-dwarfdump-19 clang-22 wasm-ld-22 llvm-dwarfdump-22 wasm-objdump; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 clang-22 lld-22 llvm-22 wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > count.c <<'C'
__attribute__((address_space(1))) int counter;
__attribute__((address_space(1))) long long wide;
volatile int in_memory;
__attribute__((noinline)) void stop(void)
{
    in_memory = counter * 10 + (int)wide;
}
__attribute__((export_name("run"))) int run(int n)
{
    counter += n;
    wide += n + 2;
    stop();
    return in_memory;
}
C
for version in 19 22; do
    for options in '-O0 -gdwarf-4' '-O1 -gdwarf-4' '-O1 -gdwarf-5'; do
        clang-$version --target=wasm32 $options -c count.c -o count.o
        wasm-ld-$version --no-entry count.o -o count.wasm
        echo "clang $version $options:" $(llvm-dwarfdump-$version --debug-info --debug-addr count.wasm | awk '
            function value(text) { sub(/.*\(/, "", text); sub(/\).*/, "", text); gsub(/"/, "", text); return text }
            /DW_TAG_/ { name = "" } /DW_AT_name/ { name = value($0) } /DW_AT_location/ && name ~ /^(counter|wide)$/ { print name, value($0) ";" } /^0x0000000[12]$/ { print "in .debug_addr", $0 }')
        echo "  globals:" $(wasm-objdump -x -j Global count.wasm | sed -nE 's/^ - global\[([0-9]+)\] (i32|i64) .*<([a-z_]+)>.*/\1 \3;/p')
    done
done | tee seen
diff seen - << 'EXPECTED'
clang 19 -O0 -gdwarf-4: counter DW_OP_addr 0x1; wide DW_OP_addr 0x2;
  globals: 0 __stack_pointer; 1 counter; 2 wide;
clang 19 -O1 -gdwarf-4: counter DW_OP_addr 0x1; wide DW_OP_addr 0x2;
  globals: 0 __stack_pointer; 1 counter; 2 wide;
clang 19 -O1 -gdwarf-5: counter DW_OP_addrx 0x0; wide DW_OP_addrx 0x1; in .debug_addr 0x00000001 in .debug_addr 0x00000002 in .debug_addr 0x00000002
  globals: 0 __stack_pointer; 1 counter; 2 wide;
clang 22 -O0 -gdwarf-4: counter DW_OP_addr 0x1; wide DW_OP_addr 0x2;
  globals: 0 __stack_pointer; 1 counter; 2 wide;
clang 22 -O1 -gdwarf-4: counter DW_OP_addr 0x1; wide DW_OP_addr 0x2;
  globals: 0 __stack_pointer; 1 counter; 2 wide;
clang 22 -O1 -gdwarf-5: counter DW_OP_addrx 0x0; wide DW_OP_addrx 0x1; in .debug_addr 0x00000001 in .debug_addr 0x00000002 in .debug_addr 0x00000002
  globals: 0 __stack_pointer; 1 counter; 2 wide;
EXPECTED
echo 'seen as described'
