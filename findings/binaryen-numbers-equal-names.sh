#!/bin/bash
# What `wasm-opt` makes of functions that have the same name, such as `static` functions of several files. Binaryen 132 (npm binaryen 132.0.0) and 108 of Debian (binaryen
# 108-1); wabt 1.0.32 of Debian (wabt 1.0.32-1) reads the names; clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the modules.
#
# One would guess that they keep it: the name section may have a name twice, the linker writes it so, engines print it so, and -g is there to keep names.
# Seen: the second and all later ones are renamed. 132 appends the function's *index in the input*: `helper_3`, which is `helper_5` in the next build, when a function was added in another file
# that never runs. 108 counts, `helper.1`, by the order of linking. Nothing tells such a name from one that a person chose. A stack trace of such a build has functions
# that stand in no source, and a crash that is grouped by the names of its frames is a new one with each build, though nothing in its code has changed. A tool
# that groups should leave a number at the end of a name out where the same module has the name without it.
set -euo pipefail

for tool in clang-19 wasm-ld-19 wasm-objdump; do command -v $tool > /dev/null; done && [ -x /usr/bin/wasm-opt ] ||
    apt-get install -y --no-install-recommends clang-19 lld-19 wabt binaryen > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit binaryen@132.0.0 > /dev/null
unit() { # FILE FUNCTION OPERATOR: a file with a static function of the name that all have
    echo "static __attribute__((noinline)) int helper(int n) { return 100 $3 n; } int $2(int n) { return helper(n) + 1; }" > $1.c
    clang-19 --target=wasm32 -O1 -g -c $1.c -o $1.o
}
unit one read /
unit two write %
unit other spare ^
names() { wasm-objdump -x "$1" | sed -nE 's/^ - func\[[0-9]+\] sig.*<(.*)>$/\1/p' | paste -sd ' '; }
for units in 'one.o two.o' 'other.o one.o two.o' 'two.o one.o'; do
    echo "$units"
    wasm-ld-19 --no-entry --export-dynamic --export=read --export=write --export-if-defined=spare $units -o linked.wasm
    echo "  linked: $(names linked.wasm)"
    for wasm_opt in node_modules/.bin/wasm-opt /usr/bin/wasm-opt; do
        $wasm_opt -g -O1 linked.wasm -o optimised.wasm 2> /dev/null
        echo "  $($wasm_opt --version | cut -d' ' -f3): $(names optimised.wasm)"
    done
done | tee seen
diff seen - <<'EXPECTED'
one.o two.o
  linked: read helper write helper
  132: read helper write helper_3
  108: read helper write helper.1
other.o one.o two.o
  linked: spare helper read helper write helper
  132: spare helper read helper_3 write helper_5
  108: spare helper read helper.1 write helper.2
two.o one.o
  linked: write helper read helper
  132: write helper read helper_3
  108: write helper read helper.1
EXPECTED
echo 'seen as described'
