#!/bin/bash
# A core dump that is opened with the program of a later build. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2) and
# 22.1.8 (Debian lldb-22 1:22.1.8-1~deb12u1), gdb 13.1 (Debian 13.1-3) and 18.1 (PyPI gdb-for-pwndbg 18.1.0.post1),
# which also makes the dump; gcc 12.2.0 (Debian gcc-12 12.2.0-14+deb12u1) makes the programs.
#
# One would guess: LLDB is the strict one. It finds modules by their UUID, which is the build id here; the dump holds
# the first page of the program, with the id; so a program with another id is refused, or there is a warning.
# Seen: `target create shop --core core` takes the program that it is given and says nothing. The stack is one that
# never was: `work` calls itself, and `main` is not in it. The variables are each other's: `served` was 42 and is 1,
# which is the value of `failed`; `retries`, which that program did not have, is 42. Without the name of the program
# (`target create --core core`), LLDB compares the id with that in the dump, and takes nothing from the other program.
# So open dumps that way, and say where the program is by `settings set target.exec-search-paths`: the right one is
# found and the other one is not. gdb 18 says "doesn't match build-id from core-file" and knows nothing of the frames;
# gdb 13 knows nothing, and does not say why.
set -euo pipefail

command -v gcc-12 > /dev/null && command -v gdb > /dev/null && command -v lldb-22 > /dev/null ||
    apt-get install -y --no-install-recommends gcc-12 gdb lldb-22 libc6-dev > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1 lldb-for-pwndbg==23.1.0.post2
cat > first.c <<'C'
int served = 5, failed = 7;
__attribute__((noinline)) void fail(int id) { served = id; failed = 1; __builtin_trap(); }
__attribute__((noinline)) int work(int id) { int twice = id * 2; fail(twice); return twice; }
int main(void) { return work(21); }
C
cat > second.c <<'C'
int retries = 3, served = 5, failed = 7;
__attribute__((noinline)) int half(int id) { return id / 2; }
__attribute__((noinline)) void fail(int id) { served = id; failed = 1; __builtin_trap(); }
__attribute__((noinline)) int work(int id) { int twice = id * 2; fail(half(twice)); return twice; }
int main(void) { return work(21 + retries); }
C
compile() { gcc-12 -g -O0 -Wl,--build-id "$1.c" -o shop; }
new() { venv/bin/gdb -nx -q -batch -iex 'set debuginfod enabled off' "$@" 2>&1 || true; }
old() { gdb -nx -q -batch "$@" 2>&1 || true; }
compile first
new -ex run -ex 'generate-core-file core' -ex kill shop > session.log
gdbs() {
    local debugger
    for debugger in old new; do
        $debugger --version | sed -nE '1s/.* ([0-9]+)\..*/gdb \1/p'
        $debugger -ex 'backtrace 3' -ex 'print served' shop core |
            sed -nE "s/^warning: .*(doesn't match.*core-file).*/  \1/p
                s/^#[0-9] .* in ([a-z?]+) .*/  \1/p; s/^#[0-9] +([a-z]+) \(.*/  \1/p
                s/^\\$.* = /  served = /p; s/^(Cannot).*/  \1/p" | uniq
    done
}
lldbs() {
    local debugger
    for debugger in lldb-22 venv/bin/lldb; do
        "$debugger" --version | sed -nE 's/.*version ([0-9]+)\..*/LLDB \1/p'
        { "$debugger" --no-lldbinit --batch -o "$1" -o 'thread backtrace --count 3' \
            -o 'target variable served failed' -o 'target variable retries' 2>&1 || true; } |
            sed -nE 's/^ .* frame #[0-9]: 0x[0-9a-f]+ (shop`([a-z]*).*)?/  \2/; s/^  $/  no function/
                /^  [a-z ]+$/p; s/^\(int\) (.*)/  \1/p
                s/^(warning.*)/  \1/p; s/^error: .*variable (.*)/  no variable \1/p'
    done
}
{
    echo '== the program that died'
    gdbs
    lldbs 'target create shop --core core'
    compile second
    echo '== the next build'
    gdbs
    lldbs 'target create shop --core core'
    echo '== the next build, not named'
    lldbs 'target create --core core'
} | tee seen
diff seen - <<'EXPECTED'
== the program that died
gdb 13
  fail
  work
  main
  served = 42
gdb 18
  fail
  work
  main
  served = 42
LLDB 22
  fail
  work
  main
  served = 42
  failed = 1
  no variable 'retries'
LLDB 23
  fail
  work
  main
  served = 42
  failed = 1
  no variable 'retries'
== the next build
gdb 13
  ??
  Cannot
gdb 18
  doesn't match build-id from core-file
  ??
  Cannot
LLDB 22
  fail
  work
  work
  served = 1
  failed = 0
  retries = 42
LLDB 23
  fail
  work
  work
  served = 1
  failed = 0
  retries = 42
== the next build, not named
LLDB 22
  no function
  no function
  no function
  no variable 'served'
LLDB 23
  no function
  no function
  no function
  no variable 'served'
EXPECTED
echo 'seen as described'
