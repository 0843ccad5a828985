#!/bin/bash
# Which variant gdb shows of a Rust enumeration with fields whose discriminants are given, some of them below zero (`#[repr(i32)] enum { Failed(u32) = -5, … }`). rustc 1.96.0 (Debian rustc-web 1.96.0+dfsg1-1~deb12u2); gdb 13.1 (Debian gdb 13.1-3) and 18.1
# (PyPI gdb-for-pwndbg 18.1.0.post1), x86-64. The debug information for wasm32 has the same numbers.
#
# One would guess: the one that it is; or that a variant is unknown, if the debugger cannot read its number.
# Seen with 13: `Queued(2)`, whose discriminant is 251, is shown as `Failed(2)`. LLVM writes -5 with the fewest bytes that hold it, a DW_AT_discr_value of one byte, 0xfb (DW_FORM_data1), and 251 as 0x00fb in two bytes (DW_FORM_data2). Which of the two a byte
# 0xfb means is said only by the type of the discriminant: it has a sign, so the byte's sign counts as well. gdb 13 takes both for 251, and shows the one that is declared first. What is -5 has no variant for it: "Could not find active
# enum variant". The same with -300 and 65236, and with discriminants of 64 bits. Enumerations without a sign (`repr(u8)`, 0xfb alone) and those without fields are right. gdb 18 is right in all.
# So a reader of DWARF must extend a discriminant's value by sign from the size of its *form* where the type has a sign, before it compares.
set -euo pipefail

[ -x /usr/bin/rustc ] && command -v gdb > /dev/null || apt-get install -y --no-install-recommends rustc-web gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1
cat > states.rs <<'RS'
#![allow(dead_code)]
#[repr(i32)]
#[derive(Debug)]
enum State { Failed(u32) = -5, Queued(u32) = 251, Lost(u32) = -300, Sent(u32) = 65236, Done(u32) = 7 }
#[repr(i64)]
#[derive(Debug)]
enum Wide { Failed(u32) = -1, Open(u32) = 255 }
#[repr(u8)]
#[derive(Debug)]
enum Byte { Failed(u32) = 251, Done(u32) = 7 }
#[derive(Debug)]
enum Plain { Failed = -5, Queued = 251 }
#[inline(never)]
fn stop(all: &dyn std::fmt::Debug) {
    println!("{all:?}");
    std::process::abort();
}
fn main() {
    let (a, b, c, d, e) = (State::Failed(1), State::Queued(2), State::Lost(3), State::Sent(4), State::Done(5));
    let (f, g, h, i, j) = (Wide::Failed(6), Wide::Open(7), Byte::Failed(8), Plain::Failed, Plain::Queued);
    stop(&(a, b, c, d, e, f, g, h, i, j));
}
RS
/usr/bin/rustc -g --edition 2021 states.rs -o states
{ printf '%s\n' 'set style enabled off' run 'frame function states::main' && printf 'print %s\n' a b c d e f g h i j; } > commands
{
    { (./states || true) 2> /dev/null; } | sed 's/^/program: /'
    for debugger in gdb venv/bin/gdb; do
        echo "$("$debugger" --version | sed -nE '1s/.* ([0-9]+\.[0-9]+)[^ ]*$/gdb \1/p')"
        "$debugger" -nx -q -batch -x commands states 2>&1 | sed -nE 's/^\$[0-9]+ = //; s/^<error reading variable: (.*)>$/\1/; /^states::|variant/{s/states:://; s/^/  /p}' || true
    done
} | tee seen
diff seen - << 'EXPECTED'
program: (Failed(1), Queued(2), Lost(3), Sent(4), Done(5), Failed(6), Open(7), Failed(8), Failed, Queued)
gdb 13.1
  Could not find active enum variant
  State::Failed(2)
  Could not find active enum variant
  State::Lost(4)
  State::Done(5)
  Could not find active enum variant
  Wide::Failed(7)
  Byte::Failed(8)
  Plain::Failed
  Plain::Queued
gdb 18.1
  State::Failed(1)
  State::Queued(2)
  State::Lost(3)
  State::Sent(4)
  State::Done(5)
  Wide::Failed(6)
  Wide::Open(7)
  Byte::Failed(8)
  Plain::Failed
  Plain::Queued
EXPECTED
echo 'seen as described'
