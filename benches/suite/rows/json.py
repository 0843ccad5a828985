"""JSON of one dump and of many."""
import json
import os
import shutil

from .. import build, programs
from ..row import Contender, available, row

MANY = 10000


def documents(stdout, _stderr):
    """How many documents there are, and that they all are JSON with a named youngest frame."""
    lines = [json.loads(line) for line in stdout.splitlines()]
    return sum(bool(line["threads"][0]["frames"][0]["function"]) for line in lines)


@row("json-one", "JSON of one dump, module of 5 MB", ("coredump-json",))
def one():
    module = build.large_module("5m")
    dump = build.wasmtime_dump(module, module.stem)

    def ours():
        return Contender("coredump-json --ndjson", [programs.ours("coredump-json"), "--ndjson", "-m", module, dump], documents, "ours")

    def dump_only():
        return Contender("wasm-tools dump", [programs.peer("wasm-tools"), "dump", dump], note="the parse alone: no symbols")

    return available([ours, dump_only])


def many_dumps(module):
    """10,000 files, copies of dumps of the same program that was given other arguments."""
    def fill(folder):
        folder.mkdir()
        kinds = [build.wasmtime_dump(module, f"{module.stem}-{kind}", arguments=["x"] * kind) for kind in range(8)]
        for index in range(MANY):
            shutil.copyfile(kinds[index % len(kinds)], folder / f"{index:05}.coredump")
    return build.once(build.OUT / "many", fill)


@row("json-many", "JSON of 10,000 dumps of a 5 MB module", ("coredump-json",), rounds=3)
def many():
    module = build.large_module("5m")
    folder = many_dumps(module)
    listing = build.OUT / "many.list"
    listing.write_text("".join(f"{path}\n" for path in sorted(folder.iterdir())))

    def ours(label, *options):
        return Contender(label, [programs.ours("coredump-json"), "--ndjson", *options, "-m", module, "--files-from", listing], documents, "ours")

    def dump_only():
        command = ["xargs", "-P1", "-n1", programs.peer("wasm-tools"), "dump"]
        return Contender("wasm-tools dump, one by one", command, stdin=listing, note="the parse alone: no symbols; a process a dump")

    def stackwalk():
        program = programs.peer("minidump-stackwalk")
        minidump, symbols = build.OUT / "native.dmp", build.OUT / "symbols"
        if not minidump.exists():
            raise build.Unable("minidump-stackwalk: put a minidump of a native program at benches/out/native.dmp and its symbols into "
                               "benches/out/symbols")
        command = ["sh", "-c", f"i=0; while [ $i -lt {MANY} ]; do {program} --json --symbols-path {symbols} {minidump}; i=$((i + 1)); done"]
        return Contender("minidump-stackwalk, one by one", command, note="native minidumps; a process a dump")

    processors = str(os.cpu_count())
    return available([lambda: ours("coredump-json --ndjson", "-j", "1"), lambda: ours(f"coredump-json --ndjson -j{processors}", "-j", processors),
                      dump_only, stackwalk])
