#!/bin/bash
# Where a trap was, according to an error of SpiderMonkey (the engine of Firefox, GNOME's gjs and StarlingMonkey), if the module was compiled from bytes. SpiderMonkey 102 of Debian (libmozjs-102-dev 102.15.1, its shell
# js102); wabt of Debian (wabt 1.0.32-1) makes the module.
#
# One would guess that `fileName`, `lineNumber` and `columnNumber`, which only this engine gives an error, are those of the stack's youngest frame, or of the youngest in JavaScript, as for an error that any other builtin
# throws; or that they say line 1 and the offset as the column, as V8's protocol does.
# Seen: the file is "http://localhost/app.js line 2 > WebAssembly.Module", which is the *script* that compiled the module, with the line at which it did; the line is the offset in the module (45 for 0x2d, in a script of five
# lines), and the column is always 1. The engine's own report of an uncaught trap prints these three as "file:line:column", and so does every handler that shows them. Two plug-ins that one line of a loader
# compiles have the same file and the same frames, whichever of them trapped. So take the line for the offset, and cut the file at " line ", or it is another file with each edit of the loader.
set -euo pipefail

for tool in js102 wat2wasm; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends libmozjs-102-dev wabt > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for value in 7 8; do
    echo "(module
      (func \$first (param i32) (result i32) (i32.const $value))
      (func (param i32) (result i32) (i32.div_s (i32.const $value) (local.get 0)))
      (func \$run (export \"run\") (param i32) (result i32) (call 1 (local.get 0))))" > plug$value.wat
    wat2wasm --debug-names plug$value.wat -o plug$value.wasm
done
cat > app.js <<'JS'
const load = (name) =>
  new WebAssembly.Instance(new WebAssembly.Module(os.file.readFile(name, "binary"))).exports.run;
const plugs = [load("plug7.wasm"), load("plug8.wasm")];
for (const run of plugs) try { run(0); } catch ({ stack, fileName, lineNumber, columnNumber }) { print(`${stack}fileName ${fileName}, lineNumber ${lineNumber}, columnNumber ${columnNumber}`); }
plugs[0](0);
JS
js102 -e 'evaluate(os.file.readFile("app.js"), { fileName: "http://localhost/app.js" })' 2>&1 | grep -v '^@\?-e:' | tee seen || true
diff seen - <<'EXPECTED'
@http://localhost/app.js line 2 > WebAssembly.Module:wasm-function[1]:0x2d
run@http://localhost/app.js line 2 > WebAssembly.Module:wasm-function[2]:0x33
@http://localhost/app.js:4:35
fileName http://localhost/app.js line 2 > WebAssembly.Module, lineNumber 45, columnNumber 1
@http://localhost/app.js line 2 > WebAssembly.Module:wasm-function[1]:0x2d
run@http://localhost/app.js line 2 > WebAssembly.Module:wasm-function[2]:0x33
@http://localhost/app.js:4:35
fileName http://localhost/app.js line 2 > WebAssembly.Module, lineNumber 45, columnNumber 1
http://localhost/app.js line 2 > WebAssembly.Module:45:1 RuntimeError: integer divide by zero
Stack:
  @http://localhost/app.js line 2 > WebAssembly.Module:wasm-function[1]:0x2d
  run@http://localhost/app.js line 2 > WebAssembly.Module:wasm-function[2]:0x33
  @http://localhost/app.js:5:9
  @-e:1:9
EXPECTED
echo 'seen as described'
