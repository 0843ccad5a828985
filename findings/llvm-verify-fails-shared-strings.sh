#!/bin/bash
# What `llvm-dwarfdump --verify` says of the DWARF 5 of a module that wasm-ld linked. clang, lld and LLVM 19 and 22 of Debian (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22, llvm-22 1:22.1.8).
#
# One would guess "No errors." of the same vendor's compiler and linker, of a program of two functions, without optimisation.
# Seen: "invalid string offset … is neither zero nor immediately following a null character" for each name that is the end of another name, and exit status 1. wasm-ld keeps such a string
# only as the tail of the longer one (`count` within `discount`), as linkers may; the verifier takes an offset into the middle of a string for an error. All names are read right. Linked with
# -O0, which keeps every string, the same objects pass, as does DWARF 4, whose offsets it does not check. So the verifier's verdict on a module says nothing before those lines are left out,
# and a build that gates on it fails with the next variable that is well named.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-dwarfdump-19 clang-22 wasm-ld-22 llvm-dwarfdump-22; do command -v $tool > /dev/null; done ||
    apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 clang-22 lld-22 llvm-22 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > price.c <<'C'
static int discount(int price) { return price / 10; }
__attribute__((export_name("total"))) int total(int count) { return count * (7 - discount(7)); }
C
for version in 19 22; do
    for options in -gdwarf-4 -gdwarf-5; do
        clang-$version --target=wasm32 -fno-builtin $options -O0 -c price.c -o price.o
        for link in '' -O0; do
            wasm-ld-$version --no-entry $link price.o -o price.wasm
            status=0
            llvm-dwarfdump-$version --verify price.wasm > said 2>&1 || status=$?
            echo "clang $version $options, wasm-ld $link: exit status $status, $(grep -c 'invalid string offset' said || true) strings, $(grep -c 'error:' said || true) errors," \
                "names $(llvm-dwarfdump-$version price.wasm | sed -nE 's/.*DW_AT_name.*"([a-z]+)".*/\1/p' | grep -v int | tr '\n' ' ')"
        done
    done
done | tee seen
diff seen - <<'EXPECTED'
clang 19 -gdwarf-4, wasm-ld : exit status 0, 0 strings, 0 errors, names total count discount price 
clang 19 -gdwarf-4, wasm-ld -O0: exit status 0, 0 strings, 0 errors, names total count discount price 
clang 19 -gdwarf-5, wasm-ld : exit status 1, 2 strings, 3 errors, names total count discount price 
clang 19 -gdwarf-5, wasm-ld -O0: exit status 0, 0 strings, 0 errors, names total count discount price 
clang 22 -gdwarf-4, wasm-ld : exit status 0, 0 strings, 0 errors, names total count discount price 
clang 22 -gdwarf-4, wasm-ld -O0: exit status 0, 0 strings, 0 errors, names total count discount price 
clang 22 -gdwarf-5, wasm-ld : exit status 1, 2 strings, 3 errors, names total count discount price 
clang 22 -gdwarf-5, wasm-ld -O0: exit status 0, 0 strings, 0 errors, names total count discount price 
EXPECTED
echo 'seen as described'
