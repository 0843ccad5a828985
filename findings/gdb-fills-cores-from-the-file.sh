#!/bin/bash
# The values of static variables whose memory a core dump does not hold. gdb 13.1 (Debian 13.1-3) and 18.1 (PyPI
# gdb-for-pwndbg 18.1.0.post1), LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2); gcc 12.2.0 (Debian gcc-12
# 12.2.0-14+deb12u1) makes the program, gdb 18.1 the core dumps, as the kernel makes them.
#
# One would guess "Cannot access memory", as gdb says of the heap and of the stack that a dump does not hold, and as
# LLDB says of all. A debugger may take code and constants from the program's file, since nobody changes these.
# Seen: gdb takes variables from the file as well, with the value from before `main`, and says nothing. The list of
# mapped files in the dump (NT_FILE) says that the page of `.data` came from the file, and gdb does not ask if it could
# be written. So it is
#   with an array that the program keeps out of dumps (madvise with MADV_DONTDUMP, for what is large or secret), in a
#   dump that is whole otherwise, stack and other variables: the array is as it was built;
#   with all variables, where /proc/self/coredump_filter keeps private memory out, as one sets it for small dumps:
#   the counter is 5 for 8, `current` points to it again, and this looks like a program that died early.
# The variables of `.bss`, for which the file has no bytes, are worse off if they lie in the last page of `.data`: they
# are what the file has behind it. `total` is 1698965536, which is " (De", of the compiler's name in `.comment`.
# In a pointer or a link of a list these are addresses that never were. LLDB fails for each of them, so compare with it,
# or look the address up in the dump's own segments (`maintenance info sections`, `readelf -l`).
set -euo pipefail

command -v gcc-12 > /dev/null && command -v gdb > /dev/null ||
    apt-get install -y --no-install-recommends gcc-12 gdb libc6-dev > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1 lldb-for-pwndbg==23.1.0.post2
cat > shop.c <<'C'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
__attribute__((aligned(4096))) int prices[1024] = { 1, 2, 3 };
int served = 5;
int total;
int *current = &served;
int main(int count, char **arguments)
{
    served = 8;
    total = 33;
    prices[0] = 12;
    current = prices;
    if (count > 1)
        madvise(prices, sizeof prices, MADV_DONTDUMP);
    __builtin_trap();
}
C
gcc-12 -g -O0 shop.c -o shop
new() { venv/bin/gdb -nx -q -batch -iex 'set debuginfod enabled off' "$@"; }
make_core() { # the name, the filter, the program's argument
    cat > filter.py <<PYTHON
import gdb
with open(f"/proc/{gdb.selected_inferior().pid}/coredump_filter", "w") as file:
    file.write("$2")
PYTHON
    new -ex "starti $3" -x filter.py -ex continue -ex "generate-core-file $1" -ex kill shop > session.log 2>&1
}
show() { # the core dump
    local debugger
    for debugger in gdb new; do
        echo "  $($debugger -nx --version | sed -nE '1s,.* ([0-9]+\.[0-9]+).*,gdb \1,p')"
        $debugger -nx -q -batch -ex 'print prices[0]' -ex 'print served' -ex 'print total' \
            -ex 'print current == prices' shop "$1" 2>&1 | grep -E '^(\$[0-9]|Cannot)' |
            sed -E 's/^\$[0-9] = /    /; s/^Cannot.*/    cannot access/'
    done
    echo '  LLDB'
    venv/bin/lldb --no-lldbinit --batch -o "target create shop --core $1" \
        -o 'target variable prices[0] served total' 2>&1 |
        grep -E '^\(int\)' | sed -E 's/^[^=]* = /    /; s/<read memory.*/cannot access/'
}
make_core whole 0x33 ''
make_core without-prices 0x33 prices
make_core small 0x10 ''
for core in whole without-prices small; do
    echo "$core"
    show $core
done | tee seen
diff seen - <<'EXPECTED'
whole
  gdb 13.1
    12
    8
    33
    1
  gdb 18.1
    12
    8
    33
    1
  LLDB
    12
    8
    33
without-prices
  gdb 13.1
    1
    8
    33
    1
  gdb 18.1
    1
    8
    33
    1
  LLDB
    cannot access
    8
    33
small
  gdb 13.1
    1
    5
    1698965536
    0
  gdb 18.1
    1
    5
    1698965536
    0
  LLDB
    cannot access
    cannot access
    cannot access
EXPECTED
echo 'seen as described'
