#!/bin/bash
# Negative bytes and negative enumerators in the debugger of Chrome and VS Code. @vscode/dwarf-debugging 0.0.2 (npm;
# Chrome's extension "C/C++ DevTools Support" for VS Code's debugger), run by the Node that there is; clang 19 and lld
# 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, without optimisation.
#
# One would guess: an int8_t of -20 is -20, or the character '\xec', as LLDB (from which the extension takes its values)
# and gdb have it; an enumerator is shown by its name, whatever its number is.
# Seen: the sign is dropped, and the rest is printed as a character: -20 (a temperature, an offset, an error code in a
# byte) is '\x14', which is 20, and -1 is '\x01'. So it is from -1 to -31. From -32 on down it is a letter of a far
# script (-61 is U+FFC3, of half-width Hangul), so that "é" in a `char` array is two of these, where a pointer to the
# same text shows it well. -128 and all bytes without a sign are right.
# An enumerator has its name, but for one below zero, and for one from 128 on of an enumeration that is a byte:
# `Level::High = 65` is High, `Level::Low = -5` is '\x05', `Kind::Big = 200` is '\xc8', and `Step::Back = -9` of an int
# is -9.
# Expressions compute with the right numbers: `celsius + 0` is -20, `level == Level::Low` is true. So add 0 to a byte
# that is looked at.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @vscode/dwarf-debugging@0.0.2 > /dev/null
cat > bytes.cc <<'C'
enum class Level : signed char { Low = -5, High = 65 };
enum class Kind : unsigned char { One = 1, Big = 200 };
enum class Step { Forth = 3, Back = -9 };
signed char celsius = -20, failed = -1, offset = -61, lowest = -128, positive = 65;
unsigned char raw = 236;
char text[3] = "\xc3\xa9";
const char *pointer = text;
Level low = Level::Low, high = Level::High;
Kind one = Kind::One, big = Kind::Big;
Step forth = Step::Forth, back = Step::Back;
extern "C" int run(int n) { return 1 / n; }
C
clang-19 --target=wasm32 -std=c++20 -g -O0 -c bytes.cc -o bytes.o
wasm-ld-19 --no-entry --no-gc-sections --export=run bytes.o -o bytes.wasm
cat > show.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { spawn } = require("@vscode/dwarf-debugging");
const bytes = readFileSync("bytes.wasm"), file = "bytes.wasm";
function code() { // the start of the code section, from which the extension counts
  for (let at = 8; ;) {
    const id = bytes[at++];
    let size = 0, shift = 0;
    do { size |= (bytes[at] & 127) << shift; shift += 7; } while (bytes[at++] & 128);
    if (id === 10) return at;
    at += size;
  }
}
(async () => {
  const { run, memory } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  let codeOffset;
  try { run(0); } catch ({ stack }) { codeOffset = parseInt(/:0x([0-9a-f]+)\)/.exec(stack)[1], 16) - code(); }
  const none = () => {};
  const getWasmLinearMemory = (at, length) => memory.buffer.slice(at, at + length);
  const { rpc } = spawn({ getWasmLinearMemory, getWasmLocal: none, getWasmGlobal: none, getWasmOp: none });
  const contents = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  await rpc.sendMessage("hello", [], false);
  await rpc.sendMessage("addRawModule", file, "", { url: "file:///bytes.wasm", code: contents });
  const place = { rawModuleId: file, codeOffset, inlineFrameIndex: 0 };
  for (const name of ["celsius", "celsius + 0", "failed", "offset", "lowest", "positive", "raw", "text[0]", "pointer",
    "low", "low == Level::Low", "high", "one", "big", "forth", "back"]) {
    const { description } = await rpc.sendMessage("evaluate", name, place, 0);
    const plain = description.replace(/[^ -~é]/g, (letter) => `U+${letter.codePointAt().toString(16).toUpperCase()}`);
    console.log(`${name}: ${plain}`);
  }
  process.exit();
})();
JS
node show.cjs | tee seen
diff seen - <<'EXPECTED'
celsius: '\x14'
celsius + 0: -20
failed: '\x01'
offset: 'U+FFC3'
lowest: '\x80'
positive: 'A'
raw: '\xec'
text[0]: 'U+FFC3'
pointer: é
low: '\x05'
low == Level::Low: true
high: High
one: One
big: '\xc8'
forth: Forth
back: -9
EXPECTED
echo 'seen as described'
