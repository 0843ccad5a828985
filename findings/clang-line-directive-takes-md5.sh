#!/bin/bash
# What DWARF 5 holds of source files where one of them is generated or preprocessed. clang 19.1.7 (Debian clang-19 1:19.1.7-3~deb12u1) and 14.0.6
# (clang-14 1:14.0.6-12), for wasm32.
#
# One would guess that each file has its own MD5, but for the file that a `#line` directive names (of bison, flex, Cython), which the
# compiler never saw; and that with `-gembed-source` that file has no text, and the others have theirs.
# Seen:
#   one `#line` takes the MD5 from *all* files of the unit: one.c and h.h have it alone, and not beside grammar.y;
#   with -gembed-source grammar.y has a text: that of the C file in which the directive stands. Line 4 of "grammar.y" is then line 4 of
#   the generated file, shown as if it had been verified;
#   compiled from preprocessed text (-save-temps, ccache, distcc), one.c and h.h both have the whole preprocessed text, whose lines are
#   not theirs, and no MD5.
# So an embedded text is to be believed only if no earlier file of the unit has the same, and if it begins with no line marker.
set -euo pipefail

command -v clang-19 > /dev/null && command -v clang-14 > /dev/null && command -v llvm-dwarfdump-14 > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 clang-14 llvm-14 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo 'static inline int helper(int divisor) { return 6 / divisor; }' > h.h
printf '#include "h.h"\nint run(int value) { return helper(value) + 1; }\n' > one.c
{ cat one.c; printf '#line 4 "grammar.y"\nint rule(int value) { return 5 / value; }\n'; } > two.c

files() { # OBJECT SOURCES…: what the line table holds of each file
    llvm-dwarfdump-14 --debug-line "$1" | python3 -c '
import ast, re, sys
entries = re.split(r"file_names\[ *\d+\]:", sys.stdin.read())[1:]
seen = {}
for entry in entries:
    name = re.search(r"name: \"(.*?)\"", entry)[1]
    md5 = "an MD5" if "md5_checksum" in entry else "no MD5"
    text = re.search(r"source: (\".*\")", entry)
    whose = ""
    if text:
        text = ast.literal_eval(text[1])
        owners = [file for file in ("one.c", "two.c", "h.h") if open(file).read() == text]
        whose = ", the text of " + (owners[0] if owners else "the preprocessor: " + text.splitlines()[0])
    seen.setdefault(name, f"  {name}: {md5}{whose}")
print("\n".join(seen.values()))'
}

for clang in clang-14 clang-19; do
    for option in '' -gembed-source; do
        for name in one two; do
            echo "$clang $name.c $option"
            $clang --target=wasm32 -gdwarf-5 -O0 $option -c $name.c -o $name.o
            files $name.o
        done
    done
    echo "$clang one.i -gembed-source"
    $clang --target=wasm32 -E one.c -o one.i
    $clang --target=wasm32 -gdwarf-5 -O0 -gembed-source -c one.i -o one.o
    files one.o
done | tee seen
diff seen - <<'EXPECTED'
clang-14 one.c 
  one.c: an MD5
  h.h: an MD5
clang-14 two.c 
  two.c: no MD5
  h.h: no MD5
  grammar.y: no MD5
clang-14 one.c -gembed-source
  one.c: an MD5, the text of one.c
  h.h: an MD5, the text of h.h
clang-14 two.c -gembed-source
  two.c: no MD5, the text of two.c
  h.h: no MD5, the text of h.h
  grammar.y: no MD5, the text of two.c
clang-14 one.i -gembed-source
  one.c: no MD5, the text of the preprocessor: # 1 "one.c"
  h.h: no MD5, the text of the preprocessor: # 1 "one.c"
clang-19 one.c 
  one.c: an MD5
  h.h: an MD5
clang-19 two.c 
  two.c: no MD5
  h.h: no MD5
  grammar.y: no MD5
clang-19 one.c -gembed-source
  one.c: an MD5, the text of one.c
  h.h: an MD5, the text of h.h
clang-19 two.c -gembed-source
  two.c: no MD5, the text of two.c
  h.h: no MD5, the text of h.h
  grammar.y: no MD5, the text of two.c
clang-19 one.i -gembed-source
  one.c: no MD5, the text of the preprocessor: # 1 "one.c"
  h.h: no MD5, the text of the preprocessor: # 1 "one.c"
EXPECTED
echo 'seen as described'
