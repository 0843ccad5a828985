#!/bin/bash
# What becomes of debug information and of stacks when a program is split in two for loading (`wasm-split -g`), or started ahead (`wasm-ctor-eval -g`). Binaryen 108 of Debian (binaryen 108-1), whose `wasm-opt -g` and `wasm-metadce -g` are beside them; clang and lld 14 and LLVM 19
# of Debian (clang-14, lld-14 1:14.0.6-12; llvm-19 1:19.1.7); the Node that there is runs the modules.
#
# One would guess: as with wasm-opt -g of the same version, which writes the DWARF anew for the code that it moved; or that it is left out, as it is not there in any form in the second of the two modules. And that a stack has each function once.
# Seen: all sections are there, written anew, and say nothing: the line table has no row, and each function begins and ends at address 0. What asks whether a module has debug information is told yes, and finds no line for any address, as of code that has none; what is cut off
# and stored as symbols is worth nothing, in the first module as in the one that was started ahead. wasm-metadce, another tool of the same kind, has all lines of what it kept.
# The first module has a function by the name of each exported one that went to the second: a jump through a table. Called from outside, it stands in a stack below the real one and has its name, `tax` below `tax`, which reads as a recursion and is none; called from inside there is one.
# Which file a frame is of only the number in `wasm://wasm/…` tells: the second has no name of its own, whatever the first has (--emit-module-names writes one).
# So split, or evaluate, first a build without DWARF, keep the names (-g), and take lines from elsewhere.
set -euo pipefail
for tool in clang-14 wasm-ld-14 llvm-dwarfdump-19 wasm-split; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-14 lld-14 llvm-19 binaryen > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > shop.c <<'C'
int rates[4];
void start(void) {
  for (int i = 0; i < 4; i++)
    rates[i] = i * 3;
}
int tax(int total, int which) {
  int rate = rates[which & 3];
  return total / rate;
}
int invoice(int total, int which) {
  return total + tax(total, which);
}
C
clang-14 --target=wasm32 -O0 -g -fdebug-compilation-dir=. -c shop.c -o shop.o
wasm-ld-14 --no-entry --export=start --export=tax --export=invoice shop.o -o shop.wasm
wasm-opt -g shop.wasm -o opt.wasm 2> log
echo '[{"name":"root","reaches":["tax"],"root":true},{"name":"tax","export":"tax"}]' > graph.json
wasm-metadce -g -f graph.json shop.wasm -o metadce.wasm > log 2>&1
wasm-ctor-eval -g --ctors=start shop.wasm -o eval.wasm > log
wasm-split -all -g --export-prefix=% --keep-funcs=start,invoice shop.wasm -o1 split1.wasm -o2 split2.wasm
cat > run.cjs <<'JS'
const { readFileSync } = require("node:fs");
const load = (name, imports) => new WebAssembly.Instance(new WebAssembly.Module(readFileSync(name)), imports).exports;
const primary = load("split1.wasm", { placeholder: new Proxy({}, { get: () => () => {} }) });
load("split2.wasm", { primary });
for (const name of ["invoice", "tax"]) try { primary[name](100, 0); } catch ({ message, stack }) {
  const frames = [...stack.matchAll(/at (\w+) \(wasm:\/\/wasm\/(\w+)/g)];
  const files = [...new Set(frames.map(([, , file]) => file))];
  console.log(`${name}, ${message}: ${frames.map(([, name, file]) => `${name} (file ${files.indexOf(file) + 1})`).join(", ")}`);
}
JS
{
    for module in shop opt metadce eval split1 split2; do
        sections=$(llvm-readobj-19 --sections $module.wasm | grep -c 'Name: \.debug_' || true)
        rows=$(llvm-dwarfdump-19 --debug-line $module.wasm | grep -c '^0x0.*is_stmt' || true)
        starts=$(llvm-dwarfdump-19 --debug-info $module.wasm | grep -A1 DW_TAG_subprogram | sed -n 's/.*DW_AT_low_pc.*(\(.*\))/\1/p' | sort -u | grep -vc '^0x00000000$' || true)
        echo "$module: $sections sections of DWARF, $( ((rows > 3)) && echo lines || echo "no lines"), $starts functions with an address"
    done
    node run.cjs
} | tee seen
diff seen - <<'EXPECTED' || { echo 'the behaviour has changed'; exit 1; }
shop: 5 sections of DWARF, lines, 3 functions with an address
opt: 5 sections of DWARF, lines, 3 functions with an address
metadce: 5 sections of DWARF, lines, 1 functions with an address
eval: 5 sections of DWARF, no lines, 0 functions with an address
split1: 5 sections of DWARF, no lines, 0 functions with an address
split2: 0 sections of DWARF, no lines, 0 functions with an address
invoice, divide by zero: tax (file 1), invoice (file 2)
tax, divide by zero: tax (file 1), tax (file 2)
EXPECTED
echo 'seen as described'
