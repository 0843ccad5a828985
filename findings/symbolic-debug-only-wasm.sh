#!/bin/bash
# Addresses of a debug file that `llvm-objcopy --only-keep-debug` made, as Sentry's library reads it. symbolic 13.9.0 (PyPI symbolic
# 13.9.0); clang 19, lld 19 and LLVM 19 of Debian (clang-19, lld-19, llvm-19 1:19.1.7) make module and debug file.
#
# One would guess that the debug file answers as the module that it was split from, as with ELF, where both have the same sections.
# Seen: symbolic takes addresses that count from the start of the *module*, and learns from the code section where that is. objcopy
# keeps the `.debug_*` sections alone: no code section, not even an empty one, so the same DWARF answers at addresses that are lower by the
# code section's place. Nothing is said; an address of a trace gets the line of *another function*. objcopy drops the
# section `build_id` too, so that symbolic has no id at all for the debug file, which could have told that it is another's.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null && command -v llvm-objcopy-19 > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install symbolic==13.9.0
cat > steps.c <<'C'
#define STEP __attribute__((noinline)) static
STEP int first(int number) { if (number > 3) __builtin_trap(); return number * 3; }
STEP int second(int number) { if (number > 5) return first(number - 9) * 5; return first(number) ^ 77; }
STEP int third(int number) { if (number > 7) return second(number - 1) * 7; return second(number) ^ 99; }
__attribute__((export_name("run"))) int run(int number) { return third(number) + 7; }
C
clang-19 --target=wasm32 -g -O1 -c steps.c -o steps.o
wasm-ld-19 --no-entry --build-id=sha1 steps.o -o steps.wasm
llvm-objcopy-19 --only-keep-debug steps.wasm steps.debug

venv/bin/python - <<'PY'
import symbolic.debuginfo
def code_section(data):
    at = 8
    while at < len(data):
        kind, size, shift, at = data[at], 0, 0, at + 1
        while True:
            byte = data[at]; at += 1
            size |= (byte & 127) << shift; shift += 7
            if byte < 128:
                break
        if kind == 10:
            return at
        at += size
start = code_section(open("steps.wasm", "rb").read())
assert start is not None and code_section(open("steps.debug", "rb").read()) is None
def table(path):
    module = symbolic.debuginfo.Archive.open(path).get_object(arch="wasm32")
    cache = module.make_symcache()
    places = {at: [(place.symbol, place.line) for place in cache.lookup(at)] for at in range(0x300)}
    return module, {at: found for at, found in places.items() if found}
(module, of_module), (debug, of_debug) = table("steps.wasm"), table("steps.debug")
wrong = [at for at in of_module if at in of_debug and of_module[at][0][0] != of_debug[at][0][0]]
print(f"code at {start:#x}; module: {module.code_id}, debug file: {debug.code_id} {debug.debug_id}")
print(f"of {len(of_module)} addresses {len(wrong)} get another function; {wrong[0]:#x} is in {of_module[wrong[0]]}, and {of_debug[wrong[0]]} by the debug file")
assert module.code_id and not debug.code_id and set(str(debug.debug_id)) == {"0", "-"}
assert len(wrong) > 20
both = [at for at in of_module if at - start in of_debug]
assert len(both) > 40 and all(of_module[at] == of_debug[at - start] for at in both)
PY
echo 'seen as described'
