#!/bin/bash
# Where a thread-local variable is, according to clang's DWARF for WebAssembly, in a program that is linked without threads: `thread_local` of C++ and Rust, `errno` of any libc. clang 19 and 22
# with lld of Debian (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22, llvm-22 1:22.1.8), clang 14 (clang-14, lld-14 1:14.0.6-12); wabt 1.0.32 of Debian (wabt 1.0.32-1) lists the globals.
#
# One would guess: it has an address like any other static variable, for without threads there is one copy, and the code reads it by a constant address; or else the operation that DWARF
# has for it, DW_OP_form_tls_address, with an offset in the block of its thread.
# Seen: 19 and 22 write neither. The place is "global n plus address" (DW_OP_WASM_location 3, the global's number in four bytes). With threads n is __tls_base and the address an
# offset from it. Without threads the address is the whole address, and n is 4294967295: the linker dropped __tls_base, as no code needs it, and what it writes for a dropped global is that number. A
# reader that asks for this global finds none, or reads another one's value if it takes the number for a signed one or the last. When the same object is linked with --export-all, the
# global is there (and 0). A reader that finds no such global may take it for 0 here, and must not where memory is shared. 14 writes the operation of GNU (DW_OP_GNU_push_tls_address) with
# the whole address as its offset, so whoever adds a base to that goes wrong if there is one.
set -euo pipefail

for tool in clang-14 wasm-ld-14 llvm-dwarfdump-14 clang-19 wasm-ld-19 llvm-dwarfdump-19 clang-22 wasm-ld-22 llvm-dwarfdump-22 wasm-objdump; do command -v $tool > /dev/null; done ||
    apt-get install -y --no-install-recommends clang-14 lld-14 llvm-14 clang-19 lld-19 llvm-19 clang-22 lld-22 llvm-22 wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > counters.c <<'C'
__thread int of_thread = 7;
int of_all = 3;
__attribute__((export_name("run"))) int run(int n) { of_thread += n; of_all += of_thread; return of_all; }
C
look() { # VERSION LINKED: where the two variables are, by DWARF, and which globals there are
    llvm-dwarfdump-"$1" counters.wasm | awk '/DW_TAG_/ { name = "" } /DW_AT_name/ { name = $2 } /DW_AT_location.*addr/ { sub(/^.*DW_AT_location\t/, ""); gsub(/[("]|\)$/, "", name); print "    " name " " $0 }' | tr -d '")'
    echo "    globals: $(wasm-objdump -x counters.wasm | sed -n 's/^ - global\[\([0-9]*\)\] i32.*<\(__[a-z_]*\)>.*init \(.*\)/\1 \2 \3,/p' | grep -E 'stack_pointer|tls_base' | tr '\n' ' ')"
}
for version in 14 19 22; do
    echo "clang $version"
    clang-$version --target=wasm32 -g -O1 -c counters.c -o counters.o
    echo '  linked'
    wasm-ld-$version --no-entry counters.o -o counters.wasm
    look $version
    [ $version != 14 ] || continue
    echo '  linked with --export-all'
    wasm-ld-$version --no-entry --export-all counters.o -o counters.wasm
    look $version
    echo '  with threads'
    clang-$version --target=wasm32 -pthread -g -O1 -c counters.c -o counters.o
    wasm-ld-$version --no-entry --shared-memory --max-memory=1048576 counters.o -o counters.wasm
    look $version
done | sed -E 's/0x(400|404|408|10000|10004|10008)\b/ADDRESS/; s/(stack_pointer) i32=[0-9]+/\1/' | tee seen
diff seen - <<'EXPECTED'
clang 14
  linked
    of_thread (DW_OP_const4u ADDRESS, DW_OP_GNU_push_tls_address
    of_all (DW_OP_addr ADDRESS
    globals: 0 __stack_pointer, 
clang 19
  linked
    of_thread (DW_OP_WASM_location 0x3 0xffffffff, DW_OP_addr ADDRESS, DW_OP_plus
    of_all (DW_OP_addr ADDRESS
    globals: 0 __stack_pointer, 
  linked with --export-all
    of_thread (DW_OP_WASM_location 0x3 0x1, DW_OP_addr ADDRESS, DW_OP_plus
    of_all (DW_OP_addr ADDRESS
    globals: 0 __stack_pointer, 1 __tls_base i32=0, 
  with threads
    of_thread (DW_OP_WASM_location 0x3 0x1, DW_OP_addr 0x0, DW_OP_plus
    of_all (DW_OP_addr ADDRESS
    globals: 0 __stack_pointer, 1 __tls_base i32=0, 
clang 22
  linked
    of_thread (DW_OP_WASM_location 0x3 0xffffffff, DW_OP_addr ADDRESS, DW_OP_plus
    of_all (DW_OP_addr ADDRESS
    globals: 0 __stack_pointer, 
  linked with --export-all
    of_thread (DW_OP_WASM_location 0x3 0x1, DW_OP_addr ADDRESS, DW_OP_plus
    of_all (DW_OP_addr ADDRESS
    globals: 0 __stack_pointer, 1 __tls_base i32=0, 
  with threads
    of_thread (DW_OP_WASM_location 0x3 0x1, DW_OP_addr 0x0, DW_OP_plus
    of_all (DW_OP_addr ADDRESS
    globals: 0 __stack_pointer, 1 __tls_base i32=0, 
EXPECTED
echo 'seen as described'
