#!/bin/bash
# What gdb shows of an array of Rust enumerations with fields, such as a list of results. rustc 1.96.0 (Debian rustc-web 1.96.0+dfsg1-1~deb12u2); gdb 13.1 (Debian gdb 13.1-3) and 18.1 (PyPI gdb-for-pwndbg 18.1.0.post1), x86-64.
#
# One would guess that an element is shown in the array as it is alone: `print list` and `print list[1]` say the same of it.
# Seen with 13: alone it is right. In the array the variant is right, too, but its fields are read as those of the enumeration's *first* variant, at their places and with their types: `Pair(1, 20)` is shown as `Pair(20, 0)`, `Short(7)`
# as `Short(0)`, `Err(2)` as `Err(0)`. Nothing tells; elements of the first variant (Ok of a Result) are right. It is so in the arrays inside of structures, too. gdb 18 is right.
# Print the elements one by one before a value is believed.
set -euo pipefail

[ -x /usr/bin/rustc ] && command -v gdb > /dev/null || apt-get install -y --no-install-recommends rustc-web gdb > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install gdb-for-pwndbg==18.1.0.post1
cat > plans.rs <<'RS'
#![allow(dead_code)]
#[derive(Debug)]
enum Step { Range(u32, u32), Pair(u8, u32), Short(u8), Nothing }
#[derive(Debug)]
struct Plan { number: u8, steps: [Step; 2] }
static LIST: [Step; 4] = [Step::Range(3, 4), Step::Pair(1, 20), Step::Short(7), Step::Nothing];
static RESULTS: [Result<u32, u8>; 3] = [Ok(5), Err(2), Ok(6)];
static PLAN: Plan = Plan { number: 9, steps: [Step::Pair(2, 30), Step::Range(5, 6)] };
#[inline(never)]
fn stop(list: &[Step; 4], results: &[Result<u32, u8>; 3], plan: &Plan) {
    println!("{list:?} {results:?} {plan:?}");
    std::process::abort();
}
fn main() {
    let (list, results, plan) = (&LIST, &RESULTS, &PLAN);
    stop(list, results, plan);
}
RS
/usr/bin/rustc -g --edition 2021 plans.rs -o plans
printf '%s\n' 'set style enabled off' run 'frame function plans::main' 'print *list' 'print (*list)[0]' 'print (*list)[1]' 'print (*list)[2]' 'print *results' 'print (*results)[1]' 'print *plan' 'print (*plan).steps[0]' > commands
{
    { (./plans || true) 2> /dev/null; } | sed 's/^/program: /'
    for debugger in gdb venv/bin/gdb; do
        "$debugger" --version | sed -nE '1s/.* ([0-9]+\.[0-9]+)[^ ]*$/gdb \1/p'
        "$debugger" -nx -q -batch -x commands plans 2>&1 | sed -nE 's/^\$[0-9]+ = /  /p' | sed -E 's/(plans|core::result)::([A-Z])/\2/g; s/<u32, u8>//g' || true
    done
} | tee seen
diff seen - << 'EXPECTED'
program: [Range(3, 4), Pair(1, 20), Short(7), Nothing] [Ok(5), Err(2), Ok(6)] Plan { number: 9, steps: [Pair(2, 30), Range(5, 6)] }
gdb 13.1
  [Step::Range(3, 4), Step::Pair(20, 0), Step::Short(0), Step::Nothing]
  Step::Range(3, 4)
  Step::Pair(1, 20)
  Step::Short(7)
  [Result::Ok(5), Result::Err(0), Result::Ok(6)]
  Result::Err(2)
  Plan {number: 9, steps: [Step::Pair(30, 0), Step::Range(5, 6)]}
  Step::Pair(2, 30)
gdb 18.1
  [Step::Range(3, 4), Step::Pair(1, 20), Step::Short(7), Step::Nothing]
  Step::Range(3, 4)
  Step::Pair(1, 20)
  Step::Short(7)
  [Result::Ok(5), Result::Err(2), Result::Ok(6)]
  Result::Err(2)
  Plan {number: 9, steps: [Step::Pair(2, 30), Step::Range(5, 6)]}
  Step::Pair(2, 30)
EXPECTED
echo 'seen as described'
