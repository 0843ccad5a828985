#!/bin/bash
# Whether the debug information of a C++ program describes all members of its objects. clang 19.1.7 (Debian clang-19 1:19.1.7-3~deb12u1) and 14.0.6 (clang-14
# 1:14.0.6-12), for wasm32 and x86-64; g++ 12.2.0 (Debian g++ 4:12.2.0-3) and gdb 13.1 (Debian gdb 13.1-3) beside them.
#
# One would guess so, if all of the program is compiled with -g: a type that one unit only declares is described in the unit that defines it, and here all
# classes are defined in the one unit that there is.
# Seen: a base class with virtual functions is declared only, if the object is initialised at compile time. clang describes such a class where its vtable is written, which
# is where a constructor of it is compiled; an object that is a constant needs the vtable of its own class and no constructor, so no unit has
# the vtable of the base. `id` of the base, which is in memory at a known place, stands nowhere in the program's debug information, at every level of -O. gdb prints the base as
# "<No data fields>", as if it had none, and says of `fixed.id` that there is no such member. g++ describes it, and so does clang with -fstandalone-debug, or
# if any function makes a Derived at run time. A tool should say of a base that is declared only that its members are unknown.
set -euo pipefail

for tool in clang-14 clang-19 g++ gdb llvm-dwarfdump-19; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-14 clang-19 g++ gdb llvm-19 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > fixed.cc <<'C'
struct Base { virtual ~Base() {} int id = 11; };
struct Derived : Base { int own = 33; };
Derived fixed;
int main(int argc, char **) { return fixed.own + fixed.id + argc; }
C
sed 's/^Derived fixed;/Derived *make() { return new Derived; }\n&/' fixed.cc > made.cc
described() { # OBJECT: whether it describes the base's member
    if llvm-dwarfdump-19 --name=id "$1" | grep -q DW_TAG_member; then echo 'Base has id'; else echo 'Base is only declared'; fi
}
{
    for compile in 'clang-14 --target=wasm32' 'clang-19 --target=wasm32' 'clang-19 --target=wasm32 -O2' clang-19 'clang-19 -fstandalone-debug' g++; do
        for source in fixed made; do
            $compile -std=c++17 -g -c $source.cc -o $source.o
            echo "$compile $source.cc: $(described $source.o)"
        done
    done
    for compile in clang-19 g++; do
        $compile -std=c++17 -g fixed.cc -o fixed -lstdc++
        echo "$compile, in gdb: $(gdb -nx -batch -ex 'print fixed' -ex 'print fixed.id' fixed 2>&1 | sed 's/^\$[0-9]* = //; s/_vptr[^,]*<[^,]*>, //' | paste -sd ';')"
    done
} | tee seen
diff seen - <<'EXPECTED'
clang-14 --target=wasm32 fixed.cc: Base is only declared
clang-14 --target=wasm32 made.cc: Base has id
clang-19 --target=wasm32 fixed.cc: Base is only declared
clang-19 --target=wasm32 made.cc: Base has id
clang-19 --target=wasm32 -O2 fixed.cc: Base is only declared
clang-19 --target=wasm32 -O2 made.cc: Base has id
clang-19 fixed.cc: Base is only declared
clang-19 made.cc: Base has id
clang-19 -fstandalone-debug fixed.cc: Base has id
clang-19 -fstandalone-debug made.cc: Base has id
g++ fixed.cc: Base has id
g++ made.cc: Base has id
clang-19, in gdb: {<Base> = {<No data fields>}, own = 33};There is no member or method named id.
g++, in gdb: {<Base> = {id = 11}, own = 33};11
EXPECTED
echo 'seen as described'
