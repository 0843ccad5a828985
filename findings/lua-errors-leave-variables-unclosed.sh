#!/bin/bash
# Whether a Lua program, run inside of WebAssembly, closes what it had open when it dies of an error. wasmoon 1.16.0 (npm; Lua 5.4), run by the Node that there is.
#
# One would guess: always. Lua 5.4 has to-be-closed variables (`local file <close> = …`) for just that, its `finally`: they are closed when they go out of scope, by an error as well, whether that is Lua's own or an exception of a host function, which Lua sees as an error;
# and the two ways to run a text, `doString` and `doStringSync`, differ only in that the one may wait.
# Seen: an error that no `pcall` of Lua catches closes nothing if the text is run by `doString`: the host gets the error with its traceback, the interpreter goes on, and the lock, file or counter stays as it was, also after a collection of garbage and for all texts to come.
# Run by `doStringSync`, in a function that the host calls, or below a `pcall`, the same text closes all. `doString` runs it as a coroutine, and Lua leaves the stack of a coroutine that failed as it is, for a debugger, until somebody closes it; nobody does. A coroutine of Lua's own that fails
# below coroutine.resume stays open by the manual, too, below coroutine.wrap it does not.
# So in the memory after such an error the dead thread has its frames and all that they hold; it is none that runs. Have the text call `pcall`, or use doStringSync where nothing waits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts wasmoon@1.16.0 > /dev/null
cat > run.cjs <<'JS'
const { LuaFactory } = require("wasmoon");
(async () => {
  const guard = "local guard <close> = setmetatable({}, { __close = function() closed = true end })";
  const texts = {
    "no error": `${guard}`,
    "an error of Lua": `${guard} error("no such key")`,
    "an error of an operation": `${guard} local none none.field = 1`,
    "an exception of a host function": `${guard} fail()`,
    "the same below pcall": `pcall(function() ${guard} fail() end)`,
    "below coroutine.resume": `coroutine.resume(coroutine.create(function() ${guard} fail() end))`,
    "below coroutine.wrap": `pcall(coroutine.wrap(function() ${guard} fail() end))`,
  };
  const ways = {
    doString: (lua, text) => lua.doString(text),
    doStringSync: (lua, text) => lua.doStringSync(text),
    "a function that is called": (lua, text) => lua.doStringSync(`return function() ${text} end`)(),
  };
  for (const [way, run] of Object.entries(ways)) {
    console.log(way);
    for (const [what, text] of Object.entries(texts)) {
      const lua = await new LuaFactory().createEngine();
      lua.global.set("fail", () => { throw new TypeError("no such file"); });
      let end = "ends";
      try { await run(lua, text); } catch { end = "throws"; }
      const closed = lua.doStringSync("collectgarbage() collectgarbage() return closed == true");
      console.log(`  ${what}: ${end}, ${closed ? "closed" : "open"}`);
    }
  }
})();
JS
node run.cjs | tee seen
diff seen - <<'EXPECTED' || { echo 'the behaviour has changed'; exit 1; }
doString
  no error: ends, closed
  an error of Lua: throws, open
  an error of an operation: throws, open
  an exception of a host function: throws, open
  the same below pcall: ends, closed
  below coroutine.resume: ends, open
  below coroutine.wrap: ends, closed
doStringSync
  no error: ends, closed
  an error of Lua: throws, closed
  an error of an operation: throws, closed
  an exception of a host function: throws, closed
  the same below pcall: ends, closed
  below coroutine.resume: ends, open
  below coroutine.wrap: ends, closed
a function that is called
  no error: ends, closed
  an error of Lua: throws, closed
  an error of an operation: throws, closed
  an exception of a host function: throws, closed
  the same below pcall: ends, closed
  below coroutine.resume: ends, open
  below coroutine.wrap: ends, closed
EXPECTED
echo 'seen as described'
