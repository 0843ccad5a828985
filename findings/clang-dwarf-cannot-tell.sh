#!/bin/bash
# What clang's DWARF does not hold of a C++ program. clang 19.1.7 (Debian clang-19 1:19.1.7-3~deb12u1), for x86-64 and wasm32 alike;
# g++ 12.2.0 (Debian g++ 4:12.2.0-3) beside it.
#
# One would guess that a debugger can show each variable by its type, and find a virtual function by DW_AT_vtable_elem_location:
#   1. the slot in the vtable of a virtual destructor that is declared after two virtual functions is 2;
#   2. `_Complex int` and `_Complex unsigned` are two types, of which one is signed;
#   3. `_BitInt(17)` and `_BitInt(30)` are two types of 17 and 30 bits;
#   4. a vector of 8 `bool` is an array of 8 of something.
# Seen: 1. 0, the slot of another function, though the vtable has it in 2 (g++ writes no slot for it); 2. one entry for both, named
# "complex", with the encoding 0x80 (DW_ATE_lo_user), which says nothing of a sign; 3. one entry for both, "_BitInt" of 4 bytes,
# without DW_AT_bit_size, so nobody knows which bits count; 4. an array of one `char`, and so is a vector of 5.
set -euo pipefail

command -v clang++-19 > /dev/null && command -v llvm-dwarfdump-19 > /dev/null && command -v g++ > /dev/null || apt-get install -y --no-install-recommends clang-19 llvm-19 g++ > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > slot.cpp <<'CPP'
extern "C" int puts(const char *);
struct Base { virtual int first(); virtual int second(); virtual ~Base(); virtual int third(); };
int Base::first() { return 1; }
int Base::second() { return 2; }
int Base::third() { return 3; }
Base::~Base() {}
extern "C" void destructor(Base *) __asm__("_ZN4BaseD1Ev");
int main() {
    Base base;
    Base *volatile pointer = &base;
    puts((*(void (***)(Base *))pointer)[2] == destructor ? "the destructor is in slot 2" : "it is elsewhere");
}
CPP
cat > types.cpp <<'CPP'
_Complex int sign; _Complex unsigned no_sign;
_BitInt(17) seventeen; _BitInt(30) thirty;
typedef bool Eight __attribute__((ext_vector_type(8))); typedef bool Five __attribute__((ext_vector_type(5)));
Eight eight; Five five;
CPP

slot() { # FILE: the slot of ~Base in DWARF
    llvm-dwarfdump-19 "$1" | sed -n '/DW_AT_name.*"~Base"/,/^$/s/.*DW_AT_vtable_elem_location.*DW_OP_constu 0x\([0-9a-f]*\).*/\1/p'
}
type() { # FILE VARIABLE…: how many entries the variables' types are, and what the first is
    local file=$1 variable; shift
    for variable; do llvm-dwarfdump-19 --name="$variable" --show-children "$file" | sed -n 's/.*DW_AT_type.*(\(0x[0-9a-f]*\) .*/\1/p' | head -1; done > types
    echo "$(sort -u types | wc -l) entry for $(wc -l < types): $(llvm-dwarfdump-19 --debug-info="$(head -1 types)" --show-children "$file" | grep -oE 'DW_TAG_[a-z_]*|DW_AT_(bit_size|byte_size|count|name)[^(]*\([^)]*\)|DW_AT_encoding[^(]*\(.*\)' | tr -s '\t ' ' ' | paste -sd ' ')"
}
array() { # FILE TYPEDEF: the type that it names
    llvm-dwarfdump-19 --debug-info "$1" | grep -B1 "DW_AT_name.*\"$2\"" | sed -n 's/.*DW_AT_type.*"\(.*\)".*/\1/p'
}
for target in x86_64-linux-gnu wasm32-wasi; do
    clang++-19 --target=$target -g -O0 -c slot.cpp -o slot-$target.o
    clang++-19 --target=$target -g -O0 -c types.cpp -o types-$target.o
done
clang++-19 slot.cpp -o slot-clang
g++ -g -O0 -c slot.cpp -o slot-gcc.o
g++ slot-gcc.o -o slot-gcc
{
    for target in x86_64-linux-gnu wasm32-wasi; do
        echo "$target: ~Base in slot $(slot slot-$target.o)"
        type types-$target.o sign no_sign
        type types-$target.o seventeen thirty
        echo "vector of 8: $(array types-$target.o Eight), of 5: $(array types-$target.o Five)"
    done
    echo "the vtable: $(./slot-clang)"
    echo "the vtable of g++: $(./slot-gcc), in DWARF: '$(slot slot-gcc.o)'"
} | tee seen
diff seen - <<'EXPECTED'
x86_64-linux-gnu: ~Base in slot 0
1 entry for 2: DW_TAG_base_type DW_AT_name ("complex") DW_AT_encoding (0x80) DW_AT_byte_size (0x08)
1 entry for 2: DW_TAG_base_type DW_AT_name ("_BitInt") DW_AT_encoding (DW_ATE_signed) DW_AT_byte_size (0x04)
vector of 8: char[1], of 5: char[1]
wasm32-wasi: ~Base in slot 0
1 entry for 2: DW_TAG_base_type DW_AT_name ("complex") DW_AT_encoding (0x80) DW_AT_byte_size (0x08)
1 entry for 2: DW_TAG_base_type DW_AT_name ("_BitInt") DW_AT_encoding (DW_ATE_signed) DW_AT_byte_size (0x04)
vector of 8: char[1], of 5: char[1]
the vtable: the destructor is in slot 2
the vtable of g++: the destructor is in slot 2, in DWARF: ''
EXPECTED
