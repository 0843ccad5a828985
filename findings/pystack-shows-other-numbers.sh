#!/bin/bash
# The values of a Python program's variables that pystack reads out of its core dump. pystack 1.7.2 (PyPI); Python
# 3.11.2 (Debian python3.11 3.11.2-6+deb12u9) runs the program, gdb 13.1 (Debian 13.1-3) makes the core dump; py-spy
# 0.4.3 (PyPI), which reads the living process, beside it.
#
# One would guess: the values as `repr` has them, shortened where they are long, and "<str at 0x...>" or "UNRESOLVED"
# where a kind of object is not read, as it is with a string that has a euro sign.
# Seen: values that are others.
#   A string with a letter that is in Latin-1, but not in ASCII, is as many bytes 0: `grün` is "" on a terminal, where
#   nobody can tell it from an empty string. (CPython keeps such a string behind a longer header than an ASCII one.)
#   An integer of 2 ** 90 and more has its upper bits 64 places too low: 2 ** 90 + 1 is 67108865, which is 2 ** 26 + 1,
#   and -(2 ** 100) is -68719476736. Most such numbers are said to be too large, but flags, powers of two and addresses
#   of networks (IPv6), which have mostly zeros, are not.
#   A float has six digits: the time 1764600000.125 is 1.7646e+09, which is anywhere in two days, and 1234567.89 is
#   1.23457e+06; 3.0 is 3, as an int is.
# py-spy has strings and times right; integers from 2 ** 60 on are "+bigint" there, also if they are negative.
set -euo pipefail

command -v gdb > /dev/null && [ -x /usr/bin/python3.11 ] ||
    apt-get install -y --no-install-recommends gdb python3.11 > /dev/null
folder=$(mktemp -d)
program=
trap '[ -z "$program" ] || kill "$program" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install pystack==1.7.2 py-spy==0.4.3
cat > values.py <<'PYTHON'
import time

def work():
    ascii, latin, euro = "green", "gr\u00fcn", "5 \u20ac"
    medium, large, flag = 2 ** 63 - 1, 2 ** 64 + 1, 2 ** 90 + 1
    negative, network = -(2 ** 100), 0x2001_0000_0000_0000_0000_0000_0000_0000
    when, price, three = 1764600000.125, 1234567.89, 3.0
    print("ready", flush=True)
    time.sleep(100)

work()
PYTHON
/usr/bin/python3.11 values.py > values.log &
program=$!
for _ in $(seq 100); do grep -q ready values.log && break; sleep 0.1; done
export LC_ALL=C
variables() { sed -nE 's/^ {8,12}([a-z]+): (.*)/  \1: \2/p' | sed -E 's/ at 0x[0-9a-f]+//; s/\x00/\\0/g' | sort; }
venv/bin/py-spy dump --locals --pid "$program" > py-spy.log
gdb -nx -q -batch -p "$program" -ex 'generate-core-file values.core' > gdb.log 2>&1
venv/bin/pystack core values.core /usr/bin/python3.11 --locals > pystack.log 2> errors.log
{ echo pystack; variables < pystack.log; echo py-spy; variables < py-spy.log; } | tee seen
diff seen - <<'EXPECTED'
pystack
  ascii: "green"
  euro: <str>
  flag: 67108865
  large: <UNRESOLVED BIG INT>
  latin: "\0\0\0\0"
  medium: 9223372036854775807
  negative: -68719476736
  network: 2306124484190404608
  price: 1.23457e+06
  three: 3
  when: 1.7646e+09
py-spy
  ascii: "green"
  euro: "5 €"
  flag: +bigint
  large: +bigint
  latin: "grün"
  medium: +bigint
  negative: +bigint
  network: +bigint
  price: 1234567.89
  three: 3
  when: 1764600000.125
EXPECTED
echo 'seen as described'
