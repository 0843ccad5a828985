#!/bin/bash
# How LLDB's plugin for WebAssembly asks for a local of another thread than the first. LLDB 22.1.8 (Debian, lldb-22 from its security archive); clang 14 and
# lld 14 of Debian make the module.
#
# One would guess that a request for a local names its thread, or that LLDB chooses the thread before (`Hg`), as it says which thread's
# call stack it wants (`qWasmCallStack:2`) and which one's program counter (`p0;thread:0002;`).
# Seen: the packet is `qWasmLocal:FRAME;INDEX` and nothing else, no `Hg` is ever sent, and requests about both threads are mixed: a list of
# all stacks asks for a local of thread 2 right after the stack of thread 2, and then for one of thread 1. A debugger's stub cannot know
# whose local is meant: one that answers with the first thread's has LLDB print them as the second's. Here two threads stand in the
# same function with values 11 and 22; LLDB prints 11 twice.
set -euo pipefail

command -v clang-14 > /dev/null && command -v wasm-ld-14 > /dev/null || apt-get install -y --no-install-recommends clang-14 lld-14 > /dev/null
command -v lldb-22 > /dev/null || apt-get install -y --no-install-recommends lldb-22 > /dev/null
folder=$(mktemp -d)
stub=
trap '[ -z "$stub" ] || kill "$stub" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
cat > hold.c <<'C'
__attribute__((export_name("hold"))) int hold(int value) { __builtin_trap(); return value; }
C
clang-14 --target=wasm32 -ffreestanding -g -O0 -c hold.c -o hold.o
wasm-ld-14 --no-entry hold.o -o hold.wasm

cat > stub.py <<'PYTHON'
"""A process of two threads that stand at the same instruction; locals are those of the first thread."""
import socket
import struct
import sys

module = open("hold.wasm", "rb").read()


def uleb(at):
    value = shift = 0
    while True:
        byte = module[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


# The code section: the number of bodies, then each with its size. `hold` is the last; it ends with `unreachable` and more.
at = 8
while module[at] != 10:
    size, start = uleb(at + 1)
    at = start + size
_, at = uleb(at + 1)
count, at = uleb(at)
for _ in range(count):
    size, start = uleb(at)
    at = start + size
trap = module.index(b"\x00\x0b", start, at) if b"\x00\x0b" in module[start:at] else module.index(b"\x00", start + 8, at)
PC = 0x4000000000000000 + trap
# Each thread's frame in memory; `value` is 12 bytes into it.
FRAMES = {1: 0x1000, 2: 0x2000}
memory = bytearray(0x10000)
for thread, value in ((1, 11), (2, 22)):
    for offset in range(0, 16, 4):
        struct.pack_into("<i", memory, FRAMES[thread] + offset, value)

pc = struct.pack("<Q", PC).hex()
stop = {thread: f"T{'05' if thread == 1 else '00'}thread:{thread};00:{pc};" for thread in FRAMES}
library = f'<library-list><library name="{sys.argv[2]}"><section address="0x4000000000000000"/></library></library-list>'
host = f"triple:{b'wasm32-unknown-unknown-wasm'.hex()};endian:little;ptrsize:4;"


def read(address, length):
    if address >> 62 == 1:
        offset = address & 0xFFFFFFFF
        return module[offset:offset + length]
    return bytes(memory[address & 0xFFFFFFFF:(address & 0xFFFFFFFF) + length])


def answer(packet):
    name = packet.split(":")[0].split(",")[0]
    if packet == "QStartNoAckMode":
        return "OK"
    if name == "qSupported":
        return "PacketSize=10000;QStartNoAckMode+;QThreadSuffixSupported+;qXfer:libraries:read+"
    if name == "QThreadSuffixSupported":
        return "OK"
    if name == "qHostInfo":
        return host
    if name == "qProcessInfo":
        return "pid:1;" + host
    if name == "qfThreadInfo":
        return "m1,2"
    if name == "qsThreadInfo":
        return "l"
    if name == "qC":
        return "QC1"
    if packet == "?":
        return stop[1]
    if packet.startswith("qThreadStopInfo"):
        return stop[int(packet[15:], 16)]
    if packet == "qRegisterInfo0":
        return "name:pc;alt-name:pc;bitsize:64;offset:0;encoding:uint;format:hex;set:General Purpose Registers;ehframe:16;dwarf:16;generic:pc;"
    if packet.startswith("qRegisterInfo"):
        return "E45"
    if name == "qWasmCallStack":
        return pc
    if name == "qWasmLocal":
        return struct.pack("<i", FRAMES[1]).hex()
    if name.startswith("qXfer") and ":libraries:" in packet:
        offset, length = (int(part, 16) for part in packet.rsplit(":", 1)[1].split(","))
        return "l" + library[offset:offset + length]
    if packet[0] == "p":
        return pc
    if packet[0] == "m":
        address, length = (int(part, 16) for part in packet[1:].split(","))
        return read(address, length).hex()
    if packet[0] in "HD":
        return "OK"
    return ""


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
client = server.accept()[0].makefile("rwb")
acknowledged = True
while byte := client.read(1):
    if byte != b"$":
        continue
    data = b""
    while (byte := client.read(1)) != b"#":
        data += byte
    client.read(2)
    reply = answer(data.decode()).encode()
    client.write((b"+" if acknowledged else b"") + b"$" + reply + b"#%02x" % (sum(reply) % 256))
    client.flush()
    acknowledged = acknowledged and data != b"QStartNoAckMode"
PYTHON

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 stub.py "$port" "$PWD/hold.wasm" &
stub=$!
sleep 1
cat > commands <<EOF
process connect --plugin wasm connect://127.0.0.1:$port
log enable -f packets gdb-remote packets
thread select 1
frame variable value
thread select 2
frame variable value
EOF
timeout 120 lldb-22 --no-lldbinit --batch -o 'command source -e false -c false commands' > session 2>&1 || true
{
    grep -aoE '^\(int\) value = [0-9]+' session
    echo "requests for locals: $(grep -aoE 'send packet: \$qWasmLocal:[^#]*' packets | sed 's/.*\$//' | sort | uniq -c | tr -s ' ')"
    echo "choices of a thread: $(grep -ac 'send packet: \$Hg' packets || true)"
} > seen
cat seen
diff seen - <<'EXPECTED'
(int) value = 11
(int) value = 11
requests for locals:  2 qWasmLocal:0;3
choices of a thread: 0
EXPECTED
echo 'seen as described'
