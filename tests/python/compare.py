"""compare.py FOLDER: compares what values.py printed there with what the tools show of its dumps."""
import json
import re
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])

# Values that no memory tells in the program's own words: what is written instead.
OTHERWISE = {
    "ctr": r"Counter\(\{'a': 2, 'b': 1, 'c': 1\}\)",
    "fr": r"<Fraction _denominator=3 _numerator=1>",
    "fl": r"<Flag\.A\|B: 3>",
    "mv": r"<memoryview object at 0x[0-9a-f]+>",
    "part": r"<partial object at 0x[0-9a-f]+>",
}


def document(name, *options):
    command = ["coredump-json", "--depth", "30", "--elements", "1000", *options, folder / name]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout)


def interpreted(found):
    thread = found["threads"][0]
    frames = [inner for frame in thread["frames"] for inner in frame.get("interpreted") or []]
    return frames + (thread.get("interpreted") or [])


def values():
    frame = next(one for one in interpreted(document("values.coredump", "--locals")) if one["function"] == "values")
    ours = {one["name"]: one["value"] for one in frame["variables"]}
    printed = re.findall(r"^(\w+) = (.*)$", (folder / "values.out").read_text(), re.MULTILINE)
    assert len(printed) > 110, printed
    wrong = []
    for name, value in printed:
        same = re.fullmatch(OTHERWISE[name], ours[name]) if name in OTHERWISE else ours.get(name) == value
        if not same:
            wrong.append(f"{name}: the program printed {value}, shown is {ours.get(name)}")
    assert not wrong, "\n".join(wrong)
    return len(printed)


def generators():
    """Where each of the three generators of `values` waits."""
    source = Path(__file__).with_name("values.py").read_text().splitlines()
    line = {text: number for number, text in enumerate(map(str.strip, source), 1)}
    text = subprocess.run(["coredump-bt", "-q", "--async", "--locals", folder / "values.coredump"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    waits = line["got = yield total"]
    assert f"    numbers at /0/app.py:{waits}" in text, text
    delegates = line["yield from numbers(n)"]
    at = text.index(f"    delegating at /0/app.py:{delegates}")
    assert f"    numbers at /0/app.py:{waits}" in text[at:at + 300], text[at:]
    assert "note: str = 'step 0'" in text, text


def chain():
    """The exception as memory has it: without the traceback that Python printed."""
    told = document("raise.coredump", "--memory", "base64")
    if any("python3.12" in module["name"] for module in told["modules"]):
        return  # only its traceback is known
    told["reason"] |= {"guest_stderr": None, "panic": None}
    (folder / "silent.json").write_text(json.dumps(told))
    subprocess.run(["coredump-json", "--encode", "-o", folder / "silent.coredump", folder / "silent.json"], check=True)
    panic = document("silent.coredump")["reason"]["panic"]
    assert panic["message"] == "Custom: (7, 'at the end')", panic
    behind = [(one["relation"], one["message"]) for one in panic["chain"]]
    assert behind == [("context", "ValueError: while handling"), ("cause", "KeyError: 'missing'")], panic


count = values()
generators()
chain()
print(f"{count} values, generators and exceptions are those of the program")
