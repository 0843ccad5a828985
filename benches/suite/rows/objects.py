"""The objects of a garbage-collected program: two million of them, captured and read."""
import re

from .. import build, programs
from ..row import Contender, available, row
from .dump import since_trap

# What `guests/objects.wat` makes: a million structs, as many texts, one array.
OBJECTS = 2_000_001


def found(_stdout, words):
    """Facts: how many objects the guest made."""
    told = re.search(rb"(\d+) objects, trap", words)
    return int(told[1]) if told else 0


@row("objects-dump", "trap to dump, 2 million objects", ("coredump-run",), rounds=3)
def captured():
    def mode(label, *options):
        file = build.dumps() / "objects.new"
        command = [programs.ours("coredump-run"), *options, "-o", file, build.GUESTS / "objects.wat"]
        return Contender(label, command, found, "ours", status=(134,), seconds=since_trap, result=file)

    return available([lambda: mode("coredump-run --live", "--live")])


def counted(stdout, _words):
    """Facts: objects of all types in a histogram."""
    lines = [line.split(b"\t") for line in stdout.splitlines()]
    return sum(int(line[3]) for line in lines if line[0] == b"object-type")


@row("objects-heap", "histogram of 2 million objects with retained sizes", ("coredump-run", "coredump-dump"), rounds=5)
def histogram():
    file = build.our_dump(build.GUESTS / "objects.wat", "objects", "--live")
    return available([lambda: Contender("coredump-dump --heap", [programs.ours("coredump-dump"), "--heap", file], counted, "ours")])
