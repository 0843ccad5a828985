"""The command line: which rows, how often, where the results go."""
import argparse
import datetime
import json
import shutil
import subprocess
import sys

from . import build, chart, measure, programs, report
from . import rows as _rows  # noqa: F401  (registers the rows)
from .machine import describe
from .row import ROWS, Times, check, times
from .rows.start import sizes

RESULTS = build.OUT / "results.json"
DOCS = build.BENCHES.parent / "docs"


def main(arguments):
    parser = argparse.ArgumentParser(prog="benches/run", description="Measures the tools against their peers, in turn, on the same work.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows (default: all); a prefix selects all that begin so")
    parser.add_argument("--list", action="store_true", help="the rows")
    parser.add_argument("--rounds", type=int, help="runs of each program (default: by row, more for short ones)")
    parser.add_argument("--publish", action="store_true", help="write the table into docs/performance.md, with its JSON and chart")
    options = parser.parse_args(arguments)
    if options.list:
        for row in ROWS.values():
            print(f"{row.name:16} {row.title}")
        return 0
    chosen = [row for row in ROWS.values() if not options.rows or any(row.name.startswith(prefix) for prefix in options.rows)]
    if not chosen:
        parser.error("no such row; --list shows them")
    build.OUT.mkdir(parents=True, exist_ok=True)
    try:
        programs.build({tool for row in chosen for tool in row.tools})
    except subprocess.CalledProcessError as problem:
        print(f"benches/run: {problem}", file=sys.stderr)
        return 2
    results = load()
    good = True
    for row in chosen:
        print(f"{row.name}: {row.title}", flush=True)
        measured = measure_row(row, options.rounds)
        good &= measured.get("ours", False)
        results["rows"][row.name] = measured
        print(report.table({row.name: measured}), flush=True)
        results |= about()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    # The order of the table is that of the rows, whatever was run last.
    results["rows"] = {name: results["rows"][name] for name in ROWS if name in results["rows"]}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    (build.OUT / "results.svg").write_text(chart.draw(results))
    print(f"written: {RESULTS}, {build.OUT / 'results.svg'}")
    if options.publish:
        shutil.copyfile(RESULTS, DOCS / "performance.json")
        shutil.copyfile(build.OUT / "results.svg", DOCS / "performance.svg")
        report.publish(results, DOCS / "performance.md")
    return 0 if good else 1


def load():
    """The results so far: rows that are not run again stay."""
    try:
        return json.loads(RESULTS.read_text())
    except (OSError, ValueError):
        return {"rows": {}}


def about():
    versions = {}
    for name in (*programs.OURS, *programs.PEERS):
        try:
            versions[name] = programs.version(name)
        except (programs.Missing, OSError):
            versions[name] = None
    return {"machine": describe(), "versions": versions, "sizes": sizes()}


def measure_row(row, rounds):
    """Checks, times and weighs all contenders of a row."""
    try:
        contenders, notes = row.prepare()
    except (build.Unable, programs.Missing) as problem:
        print(f"  skipped: {problem}")
        return {"title": row.title, "results": [], "notes": [f"skipped: {problem}"]}
    checked = check(contenders)
    repeated = [contender for contender in contenders if checked[contender.label].done and not checked[contender.label].slow]
    taken = times(repeated, rounds or row.rounds)
    results = []
    for contender in contenders:
        result = {"label": contender.label, "role": contender.role, "note": contender.note}
        one = checked[contender.label]
        if one.difference:
            result["difference"] = one.difference
        if one.done:
            times_of = taken.get(contender.label) or Times([one.seconds], [one.run.cpu])
            seconds = times_of.wall
            result |= {"median": measure.median(seconds), "fastest": min(seconds), "slowest": max(seconds), "rounds": len(seconds)}
            if one.slow:
                result["once"] = True
            # Where only a part of the run is timed, the processors' time is of the whole and says nothing of it.
            if not contender.seconds:
                result["cpu"] = measure.median(times_of.cpu)
            if contender.result and contender.result.exists():
                result["file"] = contender.result.stat().st_size
            result["peak_kib"] = one.peak_kib
        results.append(result)
    clean(contenders)
    ours = [result for result in results if result["role"] == "ours"]
    return {"title": row.title, "date": datetime.date.today().isoformat(), "results": results, "notes": notes,
            "ours": bool(ours) and all("median" in result and "difference" not in result for result in ours)}


def clean(contenders):
    for contender in contenders:
        if contender.result:
            contender.result.unlink(missing_ok=True)
