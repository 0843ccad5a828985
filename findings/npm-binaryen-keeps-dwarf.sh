#!/bin/bash
# What `wasm-opt -g` makes of DWARF: Binaryen 108 of Debian (binaryen 108-1) and 132 of npm (binaryen 132.0.0); clang 14 of Debian
# (clang, lld 1:14.0) makes the module.
#
# One would guess that the newer version updates DWARF with the code that it rewrites, as the older one does: both write the debug
# sections again with -g, and neither says a word.
# Seen: Debian's 108 rewrites `.debug_line` for the new code; npm's 132 writes the very bytes that it read, beside code in
# which functions and instructions are elsewhere. Whoever looks up an address gets a line of other code.
set -euo pipefail

command -v clang > /dev/null && command -v wasm-ld > /dev/null && command -v node > /dev/null || apt-get install -y --no-install-recommends clang lld nodejs npm > /dev/null
command -v /usr/bin/wasm-opt > /dev/null || apt-get install -y --no-install-recommends binaryen > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit binaryen@132 > /dev/null
cat > sum.c <<'C'
static int twice(int number) { int both = number + number; return both; }
__attribute__((export_name("sum"))) int sum(int count) {
    int total = 0;
    for (int i = 0; i < count; i++)
        total += twice(i);
    return total;
}
C
clang --target=wasm32 -g -O0 -nostdlib -Wl,--no-entry sum.c -o sum.wasm
/usr/bin/wasm-opt -g -O2 sum.wasm -o debian.wasm
node_modules/.bin/wasm-opt -g -O2 sum.wasm -o npm.wasm

python3 - <<'PY'
def sections(path):
    data, at, found = open(path, "rb").read(), 8, {}
    def leb(at):
        value = shift = 0
        while True:
            byte = data[at]; at += 1
            value |= (byte & 127) << shift; shift += 7
            if byte < 128:
                return value, at
    while at < len(data):
        kind = data[at]
        size, body = leb(at + 1)
        at = body + size
        if kind == 0:
            length, text = leb(body)
            found[data[text:text + length].decode()] = data[text + length:at]
        elif kind == 10:
            found["code"] = data[body:at]
    return found
before = sections("sum.wasm")
seen = {}
for name in ("debian", "npm"):
    after = sections(name + ".wasm")
    seen[name] = tuple("same" if before[part] == after[part] else "other" for part in ("code", ".debug_line", ".debug_info"))
    print(f"{name}: code {seen[name][0]}, .debug_line {seen[name][1]}, .debug_info {seen[name][2]}")
assert seen == {"debian": ("other", "other", "other"), "npm": ("other", "same", "same")}, seen
PY
/usr/bin/wasm-opt --version
node_modules/.bin/wasm-opt --version
