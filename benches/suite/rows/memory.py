"""Reading memory out of a dump of 3 GiB."""
import hashlib

from .. import build, programs
from ..row import Contender, available, row


MEGABYTES = 3000


def large_dump():
    return build.plain_dump(MEGABYTES)


def image():
    """The memory alone as a file, for `cp`. Cut out here, not by the tool that is measured."""
    def extract(target):
        dump = large_dump()
        with open(dump, "rb") as source, open(target, "wb") as result:
            source.seek(dump.stat().st_size - (MEGABYTES << 20))
            while block := source.read(1 << 20):
                result.write(block)
    return build.once(build.OUT / f"memory-{MEGABYTES}.image", extract)


def digest(path):
    def of(_stdout, _stderr):
        sums = hashlib.blake2b()
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                sums.update(block)
        return sums.hexdigest()[:16]
    return of


def count(stdout, _stderr):
    return int(stdout.split()[0])


@row("extract", "extract 3 GiB of memory", ("coredump-dump",), rounds=3)
def extract():
    dump, target, copied = large_dump(), build.OUT / "dumps/extracted", build.OUT / "dumps/copied"
    target.parent.mkdir(exist_ok=True)

    def ours():
        return Contender("coredump-dump --image", [programs.ours("coredump-dump"), "--image", "-o", target, dump], digest(target), "ours", result=target)

    def copy():
        return Contender("cp of the image", [programs.peer("cp"), "--sparse=never", "--reflink=never", image(), copied], digest(copied), "limit", result=copied)

    def copy_dump():
        whole = build.OUT / "dumps/whole"
        return Contender("cp of the dump", [programs.peer("cp"), "--sparse=never", "--reflink=never", dump, whole], None, "limit", result=whole)

    # Three, not two: the pages that one frees are cold for the next and warm for the one behind it.
    return available([ours, copy, copy_dump])


def search(title, options, pattern):
    # All search the dump itself: how fast a file can be read depends on how it was written, too.
    dump = large_dump()

    def ours():
        return Contender(title, [programs.ours("coredump-dump"), *options, dump], count, "ours")

    def grep():
        # Lines mean nothing in a memory: grep counts lines with a hit, the pattern must occur at most once in each.
        return Contender(f"grep -c -F {pattern}", [programs.peer("grep"), "-c", "-a", "-F", pattern, dump], count, env={"LC_ALL": "C"})

    def ripgrep():
        return Contender(f"rg -c -F {pattern}", [programs.peer("rg"), "--no-config", "--mmap", "-c", "-a", "-F", pattern, dump], count)

    return available([ours, grep, ripgrep])


@row("find", "search 3 GiB for a text that occurs once", ("coredump-dump",), rounds=5)
def find():
    return search("coredump-dump --find --count", ["--find", "needle in a haystack", "--count"], "needle in a haystack")


@row("strings", "texts of at least 20 characters in 3 GiB", ("coredump-dump",), rounds=3)
def texts():
    dump = large_dump()

    def found(stdout, _stderr):
        return sum(line.rstrip(b'" ').endswith(b"jumps over the lazy dog") for line in stdout.splitlines())

    def ours():
        return Contender("coredump-dump --strings 20", [programs.ours("coredump-dump"), "--strings", "20", dump], found, "ours",
                         note="UTF-8 and UTF-16, with address, region and symbol")

    def strings():
        return Contender("strings -n 20", [programs.peer("strings"), "-n", "20", dump], found, note="ASCII only")

    def ripgrep():
        command = [programs.peer("rg"), "--no-config", "--mmap", "-a", "-o", r"(?-u)[\x20-\x7e\t]{20,}", dump]
        return Contender("rg -o of such texts", command, found, note="ASCII only")

    return available([ours, strings, ripgrep])
