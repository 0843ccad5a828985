"""A row of the table: one piece of work, and the programs that do it."""
import os
from dataclasses import dataclass, field
from typing import Callable

from . import build, measure, programs


@dataclass
class Contender:
    """One program doing the row's work."""
    label: str
    command: list
    # What its output says, so that two programs can be compared; None: the row has nothing to compare for this one.
    facts: Callable | None = None
    role: str = "peer"  # "ours", "peer", "limit" (a bound, not a rival)
    env: dict = field(default_factory=dict)
    stdin: object = None
    cwd: object = None
    status: tuple = (0,)  # exit codes that mean that the work was done
    seconds: Callable | None = None  # from the finished Run and stderr, where not the whole process counts
    result: object = None  # the file it writes, removed before each run
    note: str = ""


@dataclass
class Row:
    """A piece of work. `prepare` makes the inputs and returns the contenders, ours first."""
    name: str
    title: str
    prepare: Callable
    tools: tuple = ()  # our binaries that must be built
    rounds: int = 7


ROWS = {}


def row(name, title, tools=(), rounds=7):
    """Registers the function below it as a row."""
    def register(prepare):
        ROWS[name] = Row(name, title, prepare, tools, rounds)
        return prepare
    return register


def available(makers):
    """Calls each maker of a contender; those whose program is missing become notes."""
    contenders, notes = [], []
    for make in makers:
        try:
            made = make()
            contenders.extend(made if isinstance(made, list) else [made])
        except (programs.Missing, build.Unable) as problem:
            notes.append(str(problem))
    return contenders, notes


def outputs(contender):
    """Runs a contender once and returns its facts."""
    folder = build.OUT / "check"
    folder.mkdir(parents=True, exist_ok=True)
    stdout, stderr = folder / "stdout", folder / "stderr"
    finished = go(contender, stdout, stderr)
    text, words = stdout.read_bytes() if stdout.stat().st_size < 1 << 28 else b"", stderr.read_bytes()
    if finished.status not in contender.status:
        raise RuntimeError(f"failed with exit code {finished.status}: {words.decode(errors='replace')[-300:]}")
    return contender.facts(text, words) if contender.facts else None


def go(contender, stdout=os.devnull, stderr=os.devnull):
    if contender.result and os.path.exists(contender.result):
        os.unlink(contender.result)
    return measure.once(contender.command, stdin=contender.stdin, stdout=stdout, stderr=stderr, env=contender.env, cwd=contender.cwd)


def check(contenders):
    """Runs everyone once; returns for each label a word of difference from ours, or None."""
    differences, first = {}, None
    for contender in contenders:
        try:
            facts = outputs(contender)
        except RuntimeError as problem:
            differences[contender.label] = str(problem)
            continue
        if facts is None:
            continue
        if first is None:
            first = facts
        elif facts != first:
            differences[contender.label] = difference(first, facts)
    return differences


def difference(ours, theirs):
    """The first thing two sets of facts differ in."""
    if isinstance(ours, list) and isinstance(theirs, list):
        for index, (a, b) in enumerate(zip(ours, theirs)):
            if a != b:
                return f"other result at {index + 1} of {len(ours)}: {b} instead of {a}"
        return f"{len(theirs)} results instead of {len(ours)}"
    return f"{str(theirs)[:60]} instead of {str(ours)[:60]}"


@dataclass
class Times:
    """What the runs of one contender took, in seconds: of the clock, and of the processors."""
    wall: list = field(default_factory=list)
    cpu: list = field(default_factory=list)


def times(contenders, rounds):
    """Times of each contender, run in turn (A B C, A B C, …). Short ones are run more often, up to a second each."""
    stdout, stderr = build.OUT / "check" / "stdout", build.OUT / "check" / "stderr"
    taken = {contender.label: Times() for contender in contenders}
    turn, longest = 0, 0.0
    while turn < rounds or (turn < 200 and longest * turn < 1.0):
        for contender in contenders:
            finished = go(contender, stdout, stderr)
            seconds = contender.seconds(finished, stderr.read_bytes()) if contender.seconds else finished.wall
            taken[contender.label].wall.append(seconds)
            taken[contender.label].cpu.append(finished.cpu)
            longest = max(longest, finished.wall)
        turn += 1
    return taken
