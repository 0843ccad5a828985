"""JSON of one dump and of many."""
import json
import os
import shutil

from .. import build, programs
from ..row import Contender, available, row

MANY = 10000


def documents(text):
    """JSON documents, one after the other."""
    decoder, text, at = json.JSONDecoder(), text.decode(), 0
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        yield document
        while at < len(text) and text[at].isspace():
            at += 1


def chains(frames_of):
    """How many documents there are of each chain of calls: function, file and line from the crash to `main`, inlined ones too.
    What called `main` is another thing on another system."""
    def of(stdout, _stderr):
        found = {}
        for document in documents(stdout):
            calls = []
            for frame in frames_of(document):
                calls += [f"{call['function']} {os.path.basename(call['file'] or '?')}:{call['line']}" for call in [*(frame["inlines"] or []), frame]]
                if frame["function"] == "main":
                    break
            chain = " < ".join(calls)
            found[chain] = found.get(chain, 0) + 1
        return [f"{count} of {chain}" for chain, count in sorted(found.items())]
    return of


wasm_chains = chains(lambda document: document["threads"][0]["frames"])
native_chains = chains(lambda document: document["crashing_thread"]["frames"])


def ours(label, *arguments):
    return Contender(label, [programs.ours("coredump-json"), "--ndjson", *arguments], wasm_chains, "ours")


def one_by_one(label, listing, program, *arguments, **more):
    """A process for each file of a list."""
    return Contender(label, ["xargs", "-P1", "-n1", program, *arguments], stdin=listing, **more)


def stackwalk():
    """minidump-stackwalk on the same program, built for this machine, and the minidump."""
    # Both are asked for before minutes are spent on building.
    walker, _ = programs.peer("minidump-stackwalk"), programs.peer("dump_syms")
    program = build.large_native("5m")
    return [walker, "--json", "--symbols-path", build.breakpad_symbols(program)], build.minidump(program)


@row("json-one", "JSON of one dump, module of 5 MB", ("coredump-json",))
def one():
    module = build.large_module("5m")
    dump = build.wasmtime_dump(module, module.stem)

    def dump_only():
        return Contender("wasm-tools dump", [programs.peer("wasm-tools"), "dump", dump], note="the parse alone: no symbols")

    def native():
        command, minidump = stackwalk()
        return Contender("minidump-stackwalk (native build)", [*command, minidump], native_chains, note=NATIVE)

    return available([lambda: ours("coredump-json", "-m", module, dump), dump_only, native])


NATIVE = "a minidump of the same program for x86-64, symbols prepared beforehand"


def many_dumps(module):
    """10,000 files, copies of dumps of the same program that was given other arguments."""
    def fill(folder):
        folder.mkdir()
        kinds = [build.wasmtime_dump(module, f"{module.stem}-{kind}", arguments=["x"] * kind) for kind in range(8)]
        for index in range(MANY):
            shutil.copyfile(kinds[index % len(kinds)], folder / f"{index:05}.coredump")
    return build.once(build.OUT / "many", fill)


def listed(name, paths):
    listing = build.OUT / name
    listing.write_text("".join(f"{path}\n" for path in paths))
    return listing


@row("json-many", "JSON of 10,000 dumps of a 5 MB module", ("coredump-json",), rounds=3)
def many():
    module = build.large_module("5m")
    listing = listed("many.list", sorted(many_dumps(module).iterdir()))

    def all_at_once(label, *options):
        return lambda: ours(label, *options, "-m", module, "--files-from", listing)

    def ours_one_by_one():
        return one_by_one("coredump-json, one by one", listing, programs.ours("coredump-json"), "--ndjson", "-m", module, facts=wasm_chains,
                          role="ours", note="a process a dump")

    def dump_only():
        return one_by_one("wasm-tools dump, one by one", listing, programs.peer("wasm-tools"), "dump", note="the parse alone: no symbols; a process a dump")

    def native():
        command, minidump = stackwalk()
        return one_by_one("minidump-stackwalk, one by one", listed("many.native.list", [minidump] * MANY), *command, facts=native_chains,
                          limit=600.0, note=f"{NATIVE}, 10,000 times; a process a dump")

    processors = str(os.cpu_count())
    return available([all_at_once("coredump-json", "-j", "1"), all_at_once(f"coredump-json -j{processors}", "-j", processors),
                      ours_one_by_one, dump_only, native])
