#!/bin/bash
# What debug information makes of a program in C that keeps references to objects of the host in a table (`static __externref_t table[0]`, the only place where C can keep one between two calls). clang, lld and LLVM 19 and 22 of Debian
# (clang-19, lld-19, llvm-19 1:19.1.7; clang-22, lld-22, llvm-22 1:22.1.8); wabt 1.0.32 of Debian (wabt 1.0.32-1) lists the tables.
#
# One would guess that -g adds sections and changes nothing else. A table has no address in memory, so its variable has no place in DWARF.
# Seen: it gets an address, that of a label which stands in whichever section was written last before it, and the order of two statements decides which that is.
#   If the file's code mentions the table before any static variable, it is a section of code. The address is the end of the last function, which a debugger takes for a place in *memory*;
#   if it mentions a static variable first, it is that variable's section, the relocation is one for data, of a symbol that is a table, and nothing can be linked: "invalid data relocation: table", code included. LLVM's readers refuse
#   the object file, too. So it is in DWARF 4 and 5, with and without optimisation, with split debug information and with LTO; without -g it links.
# What helps: line tables only (-g1), or `__attribute__((nodebug))` on the table, with which all the rest is described.
set -euo pipefail

for tool in clang-19 wasm-ld-19 llvm-dwarfdump-19 clang-22 wasm-ld-22 llvm-dwarfdump-22 wasm-objdump; do command -v $tool > /dev/null; done || apt-get install -y --no-install-recommends clang-19 lld-19 llvm-19 clang-22 lld-22 llvm-22 wabt > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > table.c <<'C'
NODEBUG static __externref_t table[0];
static int kept = 3;
__attribute__((export_name("keep"))) int keep(int slot, __externref_t handle)
{
#ifdef TABLE_FIRST
    __builtin_wasm_table_set(table, slot, handle);
    kept += 1;
#else
    kept += 1;
    __builtin_wasm_table_set(table, slot, handle);
#endif
    return kept;
}
C
for version in 19 22; do
    for order in TABLE_FIRST VARIABLE_FIRST; do
        for options in -O0 '-O0 -g1' '-O0 -g -gdwarf-4' '-O0 -g -gdwarf-5' '-O2 -g' '-O2 -g -gsplit-dwarf' '-O2 -g -flto'; do
            for attribute in '' '__attribute__((nodebug))'; do
                [ -z "$attribute" ] || [ "$options" = '-O0 -g -gdwarf-4' ] || continue
                clang-$version --target=wasm32 -mreference-types -D$order "-DNODEBUG=$attribute" $options -c table.c -o table.o
                rm -f table.wasm
                said=$(wasm-ld-$version --no-entry table.o -o table.wasm 2>&1 || true)
                if [ -e table.wasm ]; then
                    wasm-objdump -x -j Table table.wasm | grep -q externref
                    said='links, '$(llvm-dwarfdump-$version --debug-info table.wasm | awk '
                        function value(text) { sub(/.*\(/, "", text); sub(/\).*/, "", text); return text }
                        /DW_TAG_/ { tag = $2; name = "" } /DW_AT_name/ { name = value($0) } /DW_AT_high_pc/ && tag == "DW_TAG_subprogram" { end = value($0) }
                        /DW_AT_location/ && name ~ /table/ { table = value($0) } /DW_AT_location/ && name ~ /kept/ { kept = value($0) }
                        END { print "table " (table ? table : "nowhere") ", kept " (kept ? kept : "nowhere") (end ? ", keep ends at " end : "") }')
                fi
                echo "clang $version $order $options${attribute:+, nodebug}: ${said##*error: }"
            done
        done
    done
done | sed -E 's/(table|lto\.tmp|table\.wasm\.lto)(\.o)?: invalid/object file: invalid/; s/DW_OP_addrx 0x[01]/by an index/g; s/DW_OP_addr 0x/at 0x/g; s/ends at 0x0*/ends at 0x/' | tee seen
diff seen - << 'EXPECTED'
clang 19 TABLE_FIRST -O0: links, table nowhere, kept nowhere
clang 19 TABLE_FIRST -O0 -g1: links, table nowhere, kept nowhere
clang 19 TABLE_FIRST -O0 -g -gdwarf-4: links, table at 0x7a, kept at 0x400, keep ends at 0x7a
clang 19 TABLE_FIRST -O0 -g -gdwarf-4, nodebug: links, table nowhere, kept at 0x400, keep ends at 0x7a
clang 19 TABLE_FIRST -O0 -g -gdwarf-5: links, table by an index, kept by an index, keep ends at 0x7a
clang 19 TABLE_FIRST -O2 -g: links, table at 0x27, kept at 0x400, keep ends at 0x27
clang 19 TABLE_FIRST -O2 -g -gsplit-dwarf: links, table nowhere, kept nowhere
clang 19 TABLE_FIRST -O2 -g -flto: links, table at 0x27, kept at 0x400, keep ends at 0x27
clang 19 VARIABLE_FIRST -O0: links, table nowhere, kept nowhere
clang 19 VARIABLE_FIRST -O0 -g1: links, table nowhere, kept nowhere
clang 19 VARIABLE_FIRST -O0 -g -gdwarf-4: object file: invalid data relocation: table
clang 19 VARIABLE_FIRST -O0 -g -gdwarf-4, nodebug: links, table nowhere, kept at 0x400, keep ends at 0x76
clang 19 VARIABLE_FIRST -O0 -g -gdwarf-5: object file: invalid data relocation: table
clang 19 VARIABLE_FIRST -O2 -g: object file: invalid data relocation: table
clang 19 VARIABLE_FIRST -O2 -g -gsplit-dwarf: object file: invalid data relocation: table
clang 19 VARIABLE_FIRST -O2 -g -flto: object file: invalid data relocation: table
clang 22 TABLE_FIRST -O0: links, table nowhere, kept nowhere
clang 22 TABLE_FIRST -O0 -g1: links, table nowhere, kept nowhere
clang 22 TABLE_FIRST -O0 -g -gdwarf-4: links, table at 0x4e, kept at 0x10000, keep ends at 0x4e
clang 22 TABLE_FIRST -O0 -g -gdwarf-4, nodebug: links, table nowhere, kept at 0x10000, keep ends at 0x4e
clang 22 TABLE_FIRST -O0 -g -gdwarf-5: links, table by an index, kept by an index, keep ends at 0x4e
clang 22 TABLE_FIRST -O2 -g: links, table at 0x27, kept at 0x10000, keep ends at 0x27
clang 22 TABLE_FIRST -O2 -g -gsplit-dwarf: links, table nowhere, kept nowhere
clang 22 TABLE_FIRST -O2 -g -flto: links, table at 0x27, kept at 0x10000, keep ends at 0x27
clang 22 VARIABLE_FIRST -O0: links, table nowhere, kept nowhere
clang 22 VARIABLE_FIRST -O0 -g1: links, table nowhere, kept nowhere
clang 22 VARIABLE_FIRST -O0 -g -gdwarf-4: object file: invalid data relocation: table
clang 22 VARIABLE_FIRST -O0 -g -gdwarf-4, nodebug: links, table nowhere, kept at 0x10000, keep ends at 0x4e
clang 22 VARIABLE_FIRST -O0 -g -gdwarf-5: object file: invalid data relocation: table
clang 22 VARIABLE_FIRST -O2 -g: object file: invalid data relocation: table
clang 22 VARIABLE_FIRST -O2 -g -gsplit-dwarf: object file: invalid data relocation: table
clang 22 VARIABLE_FIRST -O2 -g -flto: object file: invalid data relocation: table
EXPECTED
echo 'seen as described'
