#!/bin/bash
# Which frames a Python program finds in the error of a guest that wasmtime runs for it. wasmtime 50.0.1 (PyPI wasmtime 50.0.1).
#
# One would guess that `Trap.frames` has the guest's frames whenever the guest was cut off: by a trap, by a Trap that a host function raises, or by an exception of a host function, which has them as its cause, its notes or
# in its traceback; and that a place that is not known is None, as a name that is not known is.
# Seen: by a trap only.
#   A Trap that a host function raises arrives without frames (`frames` is [], `trap_code` None), so that a handler which logs `error.frames` logs an error of nowhere;
#   any other exception arrives as itself, and its traceback goes from the host function straight to the call of the export. The guest's frames are to be had in both cases, as *text* only, in the `__context__` that
#   Python keeps of an error that it thinks was handled: a WasmtimeError whose message is the backtrace;
#   of a stack that overflowed the youngest frame has the offsets 18446744073709551615, in the module and in the function: a good number, which a lookup in a symbol file takes and answers with the last function, or fails.
# So a crash reporter asks `error.__context__` for the frames, and leaves out offsets that are larger than the module.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime==50.0.1
cat > frames.py <<'PY'
import re
import wasmtime

store = wasmtime.Store()
module = wasmtime.Module(store.engine, """(module $app
  (import "host" "read" (func $read (param i32) (result i32)))
  (func $leaf (param $how i32) (result i32) (call $read (local.get $how)))
  (func $run (export "run") (param $how i32) (result i32) (i32.add (call $leaf (local.get $how)) (i32.const 1)))
  (func $divide (export "divide") (param $how i32) (result i32) (i32.div_s (i32.const 1) (local.get $how)))
  (func $deep (export "deep") (param $how i32) (result i32) (i32.add (call $deep (local.get $how)) (i32.const 1))))""")

def read(how):
    if how == 1:
        raise wasmtime.Trap("no such file")
    raise FileNotFoundError("no such file")

type_of_read = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
exports = wasmtime.Instance(store, module, [wasmtime.Func(store, type_of_read, read)]).exports(store)
for name, how in ("divide", 0), ("deep", 0), ("run", 1), ("run", 2):
    print(f"{name}({how})")
    try:
        exports[name](store, how)
    except Exception as error:
        frames = getattr(error, "frames", None)
        print(f"  {type(error).__name__}, trap_code {getattr(error, 'trap_code', 'missing')}")
        print("  frames:", "missing" if frames is None else [(frame.func_name, frame.module_offset) for frame in frames[:2]])
        traced, functions = error.__traceback__, set()
        while traced:
            functions.add(traced.tb_frame.f_code.co_name)
            traced = traced.tb_next
        print("  the guest's functions in the traceback:", sorted(functions & {"leaf", "run", "divide", "deep"}) or "none")
        context = str(error.__context__)
        print("  cause:", error.__cause__, "- context:", re.findall(r"app!\S+", context) or "none")
PY
venv/bin/python frames.py | tee seen
diff seen - <<'EXPECTED'
divide(0)
  Trap, trap_code TrapCode.INTEGER_DIVISION_BY_ZERO
  frames: [('divide', 89)]
  the guest's functions in the traceback: none
  cause: None - context: none
deep(0)
  Trap, trap_code TrapCode.STACK_OVERFLOW
  frames: [('deep', 18446744073709551615), ('deep', 95)]
  the guest's functions in the traceback: none
  cause: None - context: none
run(1)
  Trap, trap_code None
  frames: []
  the guest's functions in the traceback: none
  cause: None - context: ['app!leaf', 'app!run']
run(2)
  FileNotFoundError, trap_code missing
  frames: missing
  the guest's functions in the traceback: none
  cause: None - context: ['app!leaf', 'app!run']
EXPECTED
echo 'seen as described'
