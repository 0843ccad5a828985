"""From a line of `coredump-json --ndjson` to a row of the table `crashes`, and from a report's rows to its text."""

import json

COLUMNS = ["path", "signature", "kind", "source", "time", "version", "host", "error"]


def row(line):
    document = json.loads(line)
    if "error" in document:
        error = document["error"]
        return (error["path"], None, None, None, None, None, None, error["kind"])
    module = (document.get("modules") or [{}])[0]
    reason = document.get("reason") or {}
    process = document.get("process") or {}
    dump = document["dump"]
    return (
        # A log may hold many traces.
        f"{dump['path']}:{dump['line']}" if dump.get("line") else dump.get("path"),
        document.get("signature"),
        reason.get("kind"),
        reason.get("source"),
        process.get("time") or dump.get("modified"),
        module.get("build_id") or module.get("sha256") or process.get("executable"),
        process.get("host"),
        None,
    )


def render(rows, unreadable):
    lines = ["count  first seen            last seen             versions  crash"]
    for count, signature, kind, first, last, versions, representative in rows:
        lines.append(f"{count:5}  {first or '-':20}  {last or '-':20}  {versions:8}  {kind or 'unknown'}: {signature or '?'}")
        lines.append(f"       for example {representative}")
    lines.append(f"{unreadable} could not be read")
    return "\n".join(lines) + "\n"
