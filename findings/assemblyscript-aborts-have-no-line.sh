#!/bin/bash
# Which line the source map of AssemblyScript has for the place where a program gave up. assemblyscript 0.28.20, source-map 0.7.6 (npm); the Node that there is runs the modules.
#
# One would guess: the line of what failed, be it a trap of the engine or a check of the program, since the compiler writes the map for nothing else, and knows the line: it hands it to `abort`.
# Seen: a trap has its line. The call of `abort` has none, whoever makes it: it is mapped to nothing, between instructions that have lines, and only its arguments tell where. Built with
# `--use abort=`, as modules are that run where nobody offers that import (contracts, plug-ins), the arguments are gone: then the `unreachable` of a `throw` is mapped (and of what the library
# checks, at the library's line), and that of `assert` and of `!` at null is not. Nothing is left of where these were but the function, at any level of optimisation.
# Do not take the line that is mapped before such a place: it belongs to the condition or to an earlier statement.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit assemblyscript@0.28.20 source-map@0.7.6 > /dev/null
cat > program.ts <<'TS'
class Node { constructor(public id: i32, public next: Node | null) {} }
function divide(a: i32, b: i32): i32 {
  return a / b;
}
function element(list: Int32Array, index: i32): i32 {
  return list[index];
}
function checked(index: i32): i32 {
  assert(index < 2, "too large");
  return index;
}
function thrown(index: i32): i32 {
  if (index > 2) throw new Error("too large");
  return index;
}
function field(node: Node | null): i32 {
  return node!.id;
}
export function run(what: i32): i32 {
  if (what == 0) return divide(100, what);
  if (what == 1) return element(new Int32Array(3), 7);
  if (what == 2) return checked(what);
  if (what == 3) return thrown(what);
  return field(new Node(what, null).next);
}
TS
cat > places.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { SourceMapConsumer } = require("source-map");
(async () => {
  const map = await new SourceMapConsumer(JSON.parse(readFileSync("program.wasm.map")));
  const module = new WebAssembly.Module(readFileSync("program.wasm"));
  for (const [kind, what] of ["divide", "element", "assert", "throw", "null"].entries()) {
    let arguments = "";
    const abort = (_message, _file, line, column) => { arguments = ` (abort: ${line}:${column})`; throw new Error("aborted"); };
    try { new WebAssembly.Instance(module, { env: { abort } }).exports.run(kind); } catch ({ message, stack }) {
      const [, offset] = /wasm-function\[\d+\]:0x([0-9a-f]+)/.exec(stack);
      const { source, line } = map.originalPositionFor({ line: 1, column: parseInt(offset, 16) });
      console.log(`  ${what}: ${message}, ${source ? `${source.replace(/.*\//, "")}:${line}` : "no line"}${arguments}`);
    }
  }
})();
JS
for options in '' '-O3' '--use abort=' '--use abort= -O3'; do
    node_modules/.bin/asc program.ts --sourceMap $options -o program.wasm
    echo "asc $options"
    node places.cjs
done | tee seen
diff seen - <<'EXPECTED'
asc 
  divide: divide by zero, program.ts:3
  element: aborted, no line (abort: 736:64)
  assert: aborted, no line (abort: 9:3)
  throw: aborted, no line (abort: 13:18)
  null: aborted, no line (abort: 17:10)
asc -O3
  divide: divide by zero, program.ts:3
  element: aborted, no line (abort: 736:64)
  assert: aborted, no line (abort: 9:3)
  throw: aborted, no line (abort: 13:18)
  null: aborted, no line (abort: 17:10)
asc --use abort=
  divide: divide by zero, program.ts:3
  element: unreachable, typedarray.ts:736
  assert: unreachable, no line
  throw: unreachable, program.ts:13
  null: unreachable, no line
asc --use abort= -O3
  divide: divide by zero, program.ts:3
  element: unreachable, typedarray.ts:736
  assert: unreachable, no line
  throw: unreachable, program.ts:13
  null: unreachable, no line
EXPECTED
echo 'seen as described'
