#!/bin/bash
# What clang's DWARF for WebAssembly says of a variable during a call, if the next statement changes it. clang 14.0.6 and 19.1.7 (Debian clang-14
# 1:14.0.6-12, clang-19 1:19.1.7-3~deb12u1), -O2; V8 of Node.js 20.20.2 reads the locals.
#
#     if (!at->next) show(mask);
#     total += act(at);
#     mask = mask * 3 + 1;
#
# One would guess that a debugger which stops in `act` and reads `mask` of the caller, as the DWARF says at the call's address, prints what was shown just
# before, or "optimized out".
# Seen: it prints what the next statement assigns. LLVM moves the call down to the addition that takes its result from the operand stack
# (WebAssemblyRegStackify), past the multiplication; what is said of the new value stays with the multiplication. Of a list of three, `mask` is 5, 16 and 49 in the
# calls, and 49 is shown before the last; the DWARF says 16, 49 and 148.
set -euo pipefail

for program in clang-14 clang-19 wasm-ld-19 llvm-dwarfdump-19 llvm-objdump-19 node; do
    command -v $program > /dev/null || apt-get install -y --no-install-recommends clang-14 clang-19 lld-19 llvm-19 nodejs > /dev/null
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > calls.c <<'C'
struct entry { struct entry *next; };
__attribute__((import_name("show"))) void show(unsigned value);
__attribute__((import_name("act"))) long act(struct entry *at);
static struct entry last, middle = { &last }, first = { &middle };
__attribute__((export_name("list"))) struct entry *list(void) { return &first; }
__attribute__((export_name("run"))) long run(unsigned mask, struct entry *at)
{
    long total = 0;
    for (; at; at = at->next) {
        if (!at->next) show(mask);
        total += act(at);
        mask = mask * 3 + 1;
    }
    return total;
}
C
cat > stop.mjs <<'JS'
// The main thread runs the module and stops in each call; a worker reads the caller's locals through the inspector.
import { Worker, isMainThread, workerData, parentPort } from 'node:worker_threads'
import { Session } from 'node:inspector'
import { readFileSync } from 'node:fs'
if (isMainThread) {
    const [file, local] = process.argv.slice(2)
    const worker = new Worker(new URL(import.meta.url), { workerData: Number(local) })
    await new Promise(ready => worker.once('message', ready))
    const act = at => { debugger; return at & 1 }
    const show = mask => console.log(`shown before the last call: ${mask}`)
    const { instance } = await WebAssembly.instantiate(readFileSync(file), { env: { act, show } })
    instance.exports.run(5, instance.exports.list())
    worker.postMessage('end')
} else {
    const session = new Session()
    session.connectToMainThread()
    const seen = []
    const post = (method, parameters) => new Promise((done, fail) => session.post(method, parameters, (error, answer) => error ? fail(error) : done(answer)))
    session.on('Debugger.paused', async ({ params }) => {
        const scope = params.callFrames[1].scopeChain.find(scope => scope.type === 'local')
        const { result } = await post('Runtime.getProperties', { objectId: scope.object.objectId })
        const value = result[workerData].value
        seen.push(value.value ?? (await post('Runtime.getProperties', { objectId: value.objectId })).result.find(part => part.name === 'value').value.value)
        await post('Debugger.resume')
    })
    parentPort.on('message', () => { console.log(`described in the calls: ${seen.join(' ')}`); process.exit() })
    await post('Debugger.enable')
    parentPort.postMessage('ready')
}
JS
for version in 14 19; do
    clang-$version --target=wasm32 -g -O2 -ffreestanding -c calls.c -o calls.o
    wasm-ld-19 --no-entry calls.o -o calls.wasm
    # The call's address as DWARF counts, from the first byte of the code section's contents.
    call=$(llvm-objdump-19 -d calls.wasm | awk '/<run>:/ { inside = 1 } inside && $0 ~ /\tcall\t1$/ { sub(":", "", $1); print $1; exit }')
    llvm-dwarfdump-19 --name=mask --show-children calls.wasm > mask.txt
    local=$(python3 - "$call" << 'PYTHON'
import re, sys
call = int(sys.argv[1], 16)
data = open("calls.wasm", "rb").read()
def leb(at):
    value = shift = 0
    while True:
        byte = data[at]; at += 1
        value |= (byte & 127) << shift; shift += 7
        if byte < 128: return value, at
at = 8
while data[at] != 10:
    size, body = leb(at + 1); at = body + size
code = leb(at + 1)[1]
for begin, end, what in re.findall(r"\[0x([0-9a-f]+), 0x([0-9a-f]+)\): ([^\n]*)", open("mask.txt").read()):
    # llvm-objdump counts from the beginning of the file.
    if int(begin, 16) <= call - code < int(end, 16):
        print(int(re.match(r"DW_OP_WASM_location 0x0 0x([0-9a-f]+), DW_OP_stack_value", what).group(1), 16))
PYTHON
)
    echo "clang $version: mask is in local $local at the call"
    timeout 60 node stop.mjs calls.wasm "$local" | sort -r
done | tee seen
cat > expected <<'TEXT'
clang 14: mask is in local 0 at the call
shown before the last call: 49
described in the calls: 16 49 148
clang 19: mask is in local 0 at the call
shown before the last call: 49
described in the calls: 16 49 148
TEXT
diff expected seen && echo "as it was seen"
