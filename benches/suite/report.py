"""The table, for the terminal and for docs/performance.md."""
BEGIN, END = "<!-- table: written by benches/run --publish -->", "<!-- end of table -->"


def seconds(value):
    """A duration in the unit that needs the fewest digits."""
    if value is None:
        return ""
    for unit, scale in (("s", 1), ("ms", 1e3)):
        if value * scale >= 1:
            break
    scaled = value * scale
    return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f} {unit}"


def size(kib):
    if kib is None:
        return ""
    return f"{kib / 1024:.0f} MiB" if kib >= 10240 else f"{kib / 1024:.1f} MiB"


def ratio(result, reference, key):
    """How many times as long as ours it takes."""
    if not reference or not reference.get(key) or key not in result:
        return ""
    return f"{result[key] / reference[key]:.2f}"


def verdict(result):
    """What a reader must know of a result before its figures."""
    if "difference" in result:
        return f"not the same work: {result['difference']}" if "median" in result else result["difference"]
    return "a bound, not a rival" if result["role"] == "limit" else ""


def lines(rows):
    """Cells: row, program, median, ratio to our first, the same of processor time, peak memory, remark."""
    for row in rows.values():
        reference = next((result for result in row["results"] if result["role"] == "ours" and "median" in result), None)
        title = row["title"]
        for result in row["results"]:
            remark = "; ".join(filter(None, [verdict(result), "one run" if result.get("once") else "", result["note"]]))
            timed = [cell for key in ("median", "cpu") for cell in (seconds(result.get(key)), ratio(result, reference, key))]
            yield [title, result["label"], *timed, size(result.get("peak_kib")), remark]
            title = ""
        for note in row["notes"]:
            yield [title, *[""] * 6, note]
            title = ""


HEAD = ["work", "program", "median", "× ours", "CPU", "× ours", "peak memory", "remarks"]


def table(rows):
    """Aligned columns, without the first."""
    cells = [line[1:] for line in lines(rows)]
    widths = [max(len(line[i]) for line in [HEAD[1:], *cells]) for i in range(6)]
    shown = []
    for line in [HEAD[1:], *cells]:
        columns = [line[0].ljust(widths[0])] + [line[i].rjust(widths[i]) for i in range(1, 6)] + [" ".join(line[6].split())[:150]]
        shown.append(("  " + "  ".join(columns)).rstrip())
    return "\n".join(shown)


def markdown(results):
    out = ["| " + " | ".join(HEAD) + " |", "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    for line in lines(results["rows"]):
        out.append("| " + " | ".join(" ".join(cell.replace("|", "/").split())[:240] for cell in line) + " |")
    machine = results["machine"]
    out += ["", "Machine: " + ", ".join(f"{machine[key]}{' cores' if key == 'cores' else ''}" for key in ("processor", "cores", "memory", "kernel") if key in machine) + "."]
    dates = sorted({row["date"] for row in results["rows"].values() if "date" in row})
    out.append(f"Measured: {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}." if dates else "")
    out += ["", "| program | version | size |", "| --- | --- | ---: |"]
    for name, version in results["versions"].items():
        bytes_ = results["sizes"].get(name)
        out.append(f"| {name} | {version or 'not there: its rows are left out'} | {size(bytes_ / 1024) if bytes_ else ''} |")
    return "\n".join(out)


def publish(results, document):
    """Replaces the table in the document."""
    text = document.read_text()
    head, rest = text.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    document.write_text(f"{head}{BEGIN}\n{markdown(results)}\n{END}{tail}")
