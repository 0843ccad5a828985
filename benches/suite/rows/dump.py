"""From the trap to the finished file. The guest tells the time just before it traps; the end of the process is the other end."""
import re

from .. import build, programs, wasm
from ..row import Contender, available, row


def since_trap(finished, words):
    """Seconds from the guest's last words to the end of the process."""
    told = re.search(rb"trap at (\d+)", words)
    if not told:
        raise RuntimeError("the guest did not get to its trap")
    return (finished.ended - int(told[1])) / 1e9


def written(file):
    """Facts: how many pages the guest wrote, and how many pages of the dump's memory hold anything."""
    def of(_stdout, words):
        told = re.search(rb"(\d+) pages, trap", words)
        return f"{told[1].decode() if told else 'no'} pages written, {wasm.used_pages(file)} pages in the dump"
    return of


def register(name, title, megabytes, percent):
    @row(name, title, ("coredump-run",), rounds=3)
    def dump():
        module = build.guest("fill")
        folder = build.dumps()
        arguments = [module, str(megabytes), str(percent)]

        def mode(label, *options):
            file = folder / f"{name}.{options[0].strip('-') if options else 'replayed'}"
            return Contender(label, [programs.ours("coredump-run"), *options, "-o", file, *arguments], written(file), "ours", status=(134,),
                             seconds=since_trap, result=file)

        def wasmtime():
            file = folder / f"{name}.wasmtime"
            return Contender("wasmtime run -D coredump", [programs.peer("wasmtime"), "run", "-D", f"coredump={file}", *arguments], written(file),
                             status=(134,), seconds=since_trap, result=file)

        def copy():
            file = folder / f"{name}.copy"
            return Contender("cp of the dump", [programs.peer("cp"), folder / f"{name}.fast", file], role="limit", result=file)

        return available([lambda: mode("coredump-run --fast", "--fast"), lambda: mode("coredump-run"), lambda: mode("coredump-run --live", "--live"), wasmtime, copy])


register("dump-64m", "trap to dump, 64 MiB written", 64, 100)
register("dump-1g", "trap to dump, 1 GiB written", 1024, 100)
register("dump-3g", "trap to dump, 3 GiB written", 3000, 100)
register("dump-sparse", "trap to dump, 1 % of 3 GiB written", 3000, 1)
