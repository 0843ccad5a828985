#!/bin/bash
# What gdb makes of C++'s pointers to bases, where C++ moves them. gdb 13.1 (Debian 13.1-3), g++ 12.2.0 (Debian 12.2.0-14).
#
# One would guess that gdb, which adjusts `(Derived *)base` rightly, evaluates the rest as C++ does:
#   1. `base == derived`, two pointers to one object of which one is its second base: C++ converts and says true;
#   2. `dynamic_cast<void *>(base)` and `dynamic_cast<Derived *>(base)`: the address of the object;
#   3. `object->id`, where one base hides the member `id` of a virtual base that another base leads to as well: C++ takes the one that
#      hides ([class.member.lookup]; the program below compiles and prints 72).
# Seen:
#   1. false: the addresses are compared as they are;
#   2. the address of the *vtable* of the object, printed as a pointer to the object (`(Horse *) 0x… <vtable for Horse+16>`);
#   3. "Request for member 'id' is ambiguous in type 'Terminal'".
set -euo pipefail

command -v gdb > /dev/null && command -v g++ > /dev/null || apt-get install -y --no-install-recommends gdb=13.1-3 g++ > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > casts.cpp <<'CPP'
#include <cstdio>
struct Animal { int legs = 4; virtual ~Animal() {} };
struct Named { const char *name = "Bess"; virtual ~Named() {} };
struct Horse : Animal, Named { int speed = 44; };
struct Device { int id = 71; virtual ~Device() {} };
struct Input : virtual Device {};
struct Output : virtual Device { int id = 72; };
struct Terminal : Input, Output {};
void stop(Horse *horse, Named *named, Terminal *terminal) {
    std::printf("equal=%d id=%d same=%d\n", named == horse, terminal->id, dynamic_cast<void *>(named) == (void *)horse);
}
int main() { Horse horse; Terminal terminal; stop(&horse, &horse, &terminal); }
CPP
g++ -g -O0 casts.cpp -o casts
[ "$(./casts)" = "equal=1 id=72 same=1" ]
gdb -nx -batch -ex 'break stop' -ex run -ex 'print ((Horse *)named)->speed' -ex 'print named == horse' \
    -ex 'print dynamic_cast<void *>(named) == (void *)horse' -ex 'print dynamic_cast<Horse *>(named)' -ex 'print terminal->id' ./casts > out 2>&1 || true
cat out
grep -q '^\$1 = 44$' out
grep -q '^\$2 = false$' out
grep -q '^\$3 = false$' out
grep -q '^\$4 = (Horse \*) 0x[0-9a-f]* <vtable for Horse+16>$' out
grep -q "Request for member 'id' is ambiguous in type 'Terminal'" out
echo 'seen as described'
