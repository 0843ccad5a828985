"""compare.py PRINTED DOCUMENT SOURCE: compares what the program printed of its tasks with what a document has of them."""
import json
import re
import sys
from pathlib import Path

printed, document, source = map(Path, sys.argv[1:])


def chain(task):
    """All that a task awaits, the outermost first."""
    for one in task["awaits"]:
        yield one
        yield from chain(one)


tasks = {}
for task in json.loads(document.read_text())["tasks"]:
    if task.get("executor") == "tokio":
        assert task["id"] not in tasks, f"task {task['id']} is listed twice"
        tasks[task["id"]] = list(chain(task))
lines = [re.findall(r'(?:[^\s"]|"[^"]*")+', line) for line in printed.read_text().splitlines()]
values = 0
for name, number, *wanted in lines:
    found = tasks[int(number)]
    assert f"::{name}" in found[0]["function"], (name, found[0]["function"])
    shown = [f"{one['name']}={one['value']}" for future in found for one in future["variables"] if one["status"] == "ok"]
    left = iter(shown)
    assert all(word in left for word in wanted), f"{name}: the program printed {wanted}, shown are {shown}"
    values += len(wanted)
assert len(lines) >= 24, lines
# A function that a macro makes waits at the program's line.
marked = next(nth for nth, text in enumerate(source.read_text().splitlines(), 1) if "numbers waits" in text)
stream = next(future for found in tasks.values() for future in found if "::numbers::" in future["function"] and future["state"] == "suspended")
assert stream["line"] == marked and stream["note"] is None, stream
print(f"{len(lines)} tasks and {values} values are those of the program")
