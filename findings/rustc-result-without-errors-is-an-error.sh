#!/bin/bash
# What a debugger shows of a Rust enumeration of whose variants only one can exist, such as what u64::try_from of a u32 returns, a `Result<u64, Infallible>`. rustc 1.96.0 (Debian rustc-web 1.96.0+dfsg1-1~deb12u2), gdb 13.1
# (Debian gdb 13.1-3), x86-64; LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2).
#
# One would guess `Ok(5)`: there is no other value, and gdb finds the right variant of every other enumeration, be it kept in a tag or in values that the rest does not use.
# Seen: `Err(…Infallible)`, for each `Ok` of such a type, and `Some(…)` for an Option that can only be None. As nothing must be told apart, rustc describes a variant part without a discriminant; it lists
# the impossible variants in it all the same, and like all the others they have no value. DWARF's word for a variant without a value is "the default one", so each of them is, and gdb takes the last:
# a Result that cannot be Ok is right. LLDB shows all, as members beside each other. Which one exists only the types tell: a variant with a member whose own
# type has a variant part without variants does not. So "it failed" is the one thing that such a line does not say.
set -euo pipefail

[ -x /usr/bin/rustc ] && command -v gdb > /dev/null || apt-get install -y --no-install-recommends rustc-web gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2
cat > widen.rs <<'RS'
use std::convert::Infallible;
#[inline(never)]
fn stop(all: &dyn std::fmt::Debug) {
    println!("{all:?}");
    std::process::abort();
}
fn main() {
    let widened: Result<u64, Infallible> = u64::try_from(5u32);
    let nothing: Option<Infallible> = None;
    let refused: Result<Infallible, u8> = Err(7);
    let fallible: Result<u8, std::num::TryFromIntError> = u8::try_from(5u32);
    stop(&(widened, nothing, refused, fallible));
}
RS
/usr/bin/rustc -g -C debuginfo=2 --edition 2021 widen.rs -o widen
{ (./widen || true) 2> /dev/null; } | sed 's/^/program: /' > seen
for name in widened nothing refused fallible; do
    echo "gdb: $(gdb -nx -q -batch -ex run -ex 'frame function widen::main' -ex "print $name" widen 2> /dev/null | sed -n 's/^\$1 = //p' | sed -E "s/[a-z_0-9]+:://g; s/^/$name = /")"
done >> seen
{ venv/bin/lldb --no-lldbinit --batch -o 'breakpoint set -n stop' -o run -o up -o 'frame variable -D 6 widened' widen 2>&1 || true; } | sed -n '/^(core::result::Result.*widened/,/^}/p' | sed -E 's/ @ 0x[0-9a-f]+//; s/([A-Za-z_0-9]+::)+//g; s/^/LLDB: /' >> seen
cat seen
diff seen - <<'EXPECTED'
program: (Ok(5), None, Err(7), Ok(5))
gdb: widened = Result<u64, Infallible>::Err(Infallible)
gdb: nothing = Option<Infallible>::Some(Infallible)
gdb: refused = Result<Infallible, u8>::Err(7)
gdb: fallible = Result<u8, TryFromIntError>::Ok(5)
LLDB: (Result<u64, Infallible>) widened = {
LLDB:   $variants$ = {
LLDB:     $variant$ = {
LLDB:       value = (__0 = 5)
LLDB:     }
LLDB:     $variant$ = {
LLDB:       value = {
LLDB:         __0 = ($variants$ = Infallible$Inner)
LLDB:       }
LLDB:     }
LLDB:   }
LLDB: }
EXPECTED
echo 'seen as described'
