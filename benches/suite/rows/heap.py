"""What the heap of a dump holds: 20 million blocks in 3 GiB."""
from .. import build, programs
from ..row import Contender, available, row

BLOCKS = 20_000_000


def dump():
    return build.our_dump(build.guest("blocks"), "blocks-20m", "--fast", arguments=(str(BLOCKS),))


def used(stdout, _stderr):
    """Used blocks, by the line of the heap."""
    line = next(line for line in stdout.splitlines() if line.startswith(b"heap\t"))
    return int(line.split(b"\t")[4])


def lost(stdout, _stderr):
    return sum(int(line.split(b"\t")[3]) for line in stdout.splitlines() if line.startswith(b"leaks\t"))


def contenders(option, facts, status=(0,), note=""):
    module, heap = build.guest("blocks"), dump()

    def ours():
        return Contender(f"coredump-dump {option}", [programs.ours("coredump-dump"), option, "-m", module, heap], facts, "ours", status=status, note=note)

    def strings():
        # No other program knows these allocators: what one look at all bytes of the same dump costs.
        return Contender("coredump-dump --strings 20", [programs.ours("coredump-dump"), "--strings", "20", heap], None, "limit",
                         note="all bytes of the same dump, looked at once")

    return available([ours, strings])


@row("heap", "what a heap of 20 million blocks holds, by size and type", ("coredump-dump",), rounds=3)
def heap():
    return contenders("--heap", used)


@row("leaks", "which of 20 million blocks leaked", ("coredump-dump",), rounds=3)
def leaks():
    # The dump is made without locals, as most are: leaks are possible ones.
    return contenders("--leaks", lost, status=(1,), note="without the locals, which the dump does not hold")
