"""What recording costs a guest that asks its host for much, and what a replay costs once the guest is dead."""
import os
import re
import subprocess
import time

from .. import build, programs
from ..row import Contender, available, row
from .dump import since_trap
from .guest import said

READ = 1 << 30
READ_FILE = "noise"
CALLS = 1_000_000


def asked(*arguments, folder=None):
    module = build.guest("asks")
    options = ["--dir", f"{folder}::/"] if folder else []

    def mode(label, *mode_options):
        return Contender(label, [programs.ours("coredump-run"), *mode_options, *options, module, *arguments], said, "ours")

    def wasmtime():
        return Contender("wasmtime run", [programs.peer("wasmtime"), "run", *options, module, *arguments], said)

    return available([lambda: mode("coredump-run"), lambda: mode("coredump-run --fast", "--fast"), lambda: mode("coredump-run --live", "--live"), wasmtime])


def noise():
    """A folder with a file of 1 GiB, which does not compress to nothing."""
    def write(folder):
        folder.mkdir()
        with open("/dev/urandom", "rb") as source, open(folder / READ_FILE, "wb") as file:
            piece = source.read(1 << 20)
            for number in range(READ >> 20):
                file.write(number.to_bytes(8, "little") + piece[8:])
        # As most files that are read: what was just written is recorded with a digest.
        os.sync()
        time.sleep(61)
    return build.once(build.OUT / "noise", write)


@row("host-read", "guest that reads 1 GiB", ("coredump-run",), rounds=5)
def host_read():
    # Its recording is a little larger than what it reads.
    contenders, notes = asked("read", READ_FILE, folder=noise())
    for contender in contenders:
        if contender.label == "coredump-run":
            contender.command[1:1] = ["--record-limit", "2g"]
    return contenders, notes


@row("host-call", "guest that calls its host a million times", ("coredump-run",), rounds=7)
def host_call():
    return asked("call", str(CALLS))


@row("replay", "to a dump with all locals: a guest that sorts, and dies", ("coredump-run",), rounds=5)
def replay():
    module, folder = build.guest("dies"), build.dumps()

    def replayed():
        file = folder / "replay.replayed"
        return Contender("coredump-run, from the trap on", [programs.ours("coredump-run"), "-o", file, module], died, "ours", status=(134,),
                         seconds=since_trap, result=file, note="the run before took as long as with --fast")

    def live():
        file = folder / "replay.live"
        return Contender("coredump-run --live, the whole run", [programs.ours("coredump-run"), "--live", "-o", file, module], died, "ours",
                         status=(134,), result=file)

    return available([replayed, live])


def died(_stdout, words):
    """Facts: where it died."""
    found = re.findall(rb"^ +#\d+ (.*)$", words, re.MULTILINE)
    return [line.decode() for line in found]


@row("last-write", "who wrote this: a guest that sorts, and dies", ("coredump-run",), rounds=5)
def last_write():
    module = build.guest("dies")

    def dump(target):
        programs.build(["coredump-run"])
        subprocess.run([programs.ours("coredump-run"), "--quiet", "-o", str(target), str(module)], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        if not target.exists():
            raise build.Unable(f"coredump-run left no dump of {module.name}")
    file = build.once(build.OUT / "dies.coredump", dump)

    def again(label, *options, status=0):
        return Contender(label, [programs.ours("coredump-run"), "--replay", file, *options], role="ours", status=(status,))

    return available([lambda: again("coredump-run --replay", status=134),
                      lambda: again("coredump-run --replay --last-write", "--last-write", "dies_of")])
