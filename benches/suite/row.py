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
    # What our first contender's output says in this one's terms, where it says less than ours; None: ours has the same facts.
    reference: Callable | None = None
    limit: float = 120.0  # seconds after which it is stopped
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


@dataclass
class Checked:
    """The first run of a contender: whether it did its work at all, and the same as ours."""
    difference: str | None = None
    done: bool = False
    run: object = None
    seconds: float = 0.0
    peak_kib: int | None = None

    @property
    def slow(self):
        """It is not run again: this run is what it took."""
        return self.done and self.run.wall > SLOW


# Seconds. Who takes longer does not take the others' minutes.
SLOW = 30.0


def files():
    folder = build.OUT / "check"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "stdout", folder / "stderr"


def go(contender, run=measure.once, **options):
    if contender.result and os.path.exists(contender.result):
        os.unlink(contender.result)
    stdout, stderr = files()
    return run(contender.command, stdin=contender.stdin, stdout=stdout, stderr=stderr, env=contender.env, cwd=contender.cwd,
               limit=contender.limit, **options)


def check(contenders):
    """Runs everyone once and compares what they found: those who failed, or found something else than ours, are told apart."""
    checked, first = {}, None
    for contender in contenders:
        stdout, stderr = files()
        run, peak = go(contender, measure.weighed, weight=stdout.with_name("weight"))
        text, words = stdout.read_bytes() if stdout.stat().st_size < 1 << 28 else b"", stderr.read_bytes()
        one = checked[contender.label] = Checked(run=run, peak_kib=peak)
        if run.stopped:
            one.difference = f"longer than {contender.limit:.0f} s"
            continue
        if run.status not in contender.status:
            one.difference = f"failed with exit code {run.status}: {words.decode(errors='replace')[-300:]}"
            continue
        try:
            one.seconds = contender.seconds(run, words) if contender.seconds else run.wall
            facts = contender.facts(text, words) if contender.facts else None
        except (RuntimeError, ValueError, LookupError, TypeError) as problem:
            one.difference = f"failed: its output is not what is expected: {problem}"
            continue
        one.done = True
        if facts is None:
            continue
        if not facts:
            one.difference = "nothing found"
            continue
        if first is None and contender.role == "ours":
            first = facts, text, words
        if first is None:
            one.difference = "nothing of ours to compare with"
            continue
        expected = contender.reference(*first[1:]) if contender.reference else first[0]
        if facts != expected:
            one.difference = difference(expected, facts)
    return checked


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
    _, stderr = files()
    taken = {contender.label: Times() for contender in contenders}
    turn, longest = 0, 0.0
    while turn < rounds or (turn < 200 and longest * turn < 1.0):
        for contender in contenders:
            finished = go(contender)
            seconds = contender.seconds(finished, stderr.read_bytes()) if contender.seconds else finished.wall
            taken[contender.label].wall.append(seconds)
            taken[contender.label].cpu.append(finished.cpu)
            longest = max(longest, finished.wall)
        turn += 1
    return taken
