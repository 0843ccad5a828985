#!/bin/bash
# Which ids Sentry's library sees in a module whose build id the linker wrote. symbolic 13.9.0 (PyPI symbolic 13.9.0);
# clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the module.
#
# One would guess: the code id is the build id in hexadecimal, as of an ELF file, and the debug id is made of it. With
# `--build-id=uuid` the debug id is that UUID.
# Seen: the byte with the length of the identifier counts as its first one, in both.
#   --build-id=0x… (16 bytes): code id `10` and the 16 bytes; the debug id has `10` in front and lacks the last byte;
#   --build-id=uuid: the debug id of every such module begins with 10, and is not its UUID;
#   --build-id=0x… (8 bytes, as of a commit): a code id of 9 bytes, and the debug id is all zeros, the same for every module.
# So an id that another tool reads from the section finds nothing at Sentry.
set -euo pipefail

command -v clang-19 > /dev/null && command -v wasm-ld-19 > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install symbolic==13.9.0
echo '__attribute__((export_name("run"))) int run(int number) { return number + 7; }' > run.c
clang-19 --target=wasm32 -g -O1 -c run.c -o run.o
wasm-ld-19 --no-entry --build-id=0x00112233445566778899aabbccddeeff run.o -o fixed.wasm
wasm-ld-19 --no-entry --build-id=uuid run.o -o uuid.wasm
wasm-ld-19 --no-entry --build-id=0x0123456789abcdef run.o -o short.wasm

venv/bin/python - <<'PY'
import symbolic.debuginfo
def identifier(path): # the vec(byte) that is the last section's contents, by the name before it
    data = open(path, "rb").read()
    at = data.rindex(b"\x08build_id") + 9
    assert len(data) == at + 1 + data[at], "the section is last and has its length in front"
    return data[at + 1:]
for name, size in (("fixed", 16), ("uuid", 16), ("short", 8)):
    expected = identifier(name + ".wasm")
    module = symbolic.debuginfo.Archive.open(name + ".wasm").get_object(arch="wasm32")
    print(f"{name}: identifier {expected.hex()}, code id {module.code_id}, debug id {module.debug_id}")
    assert len(expected) == size
    assert str(module.code_id) == f"{size:02x}" + expected.hex()
    digits = str(module.debug_id).replace("-", "")
    assert digits == ("10" + expected.hex()[:-2] if size == 16 else "0" * 32), digits
PY
echo 'seen as described'
