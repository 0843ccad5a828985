"""Start-up on a dump of 4 KB, and the size of the programs."""
import json
import os

from .. import build, locations, programs, wasmgdb
from ..row import Contender, available, row

FIXTURES = build.BENCHES.parent / "tests/fixtures"
SMALL, MODULE = FIXTURES / "dumps/sum-O0.wasmtime.coredump", FIXTURES / "modules/sum-O0.wasm"


@row("start", "start and answer on a small dump", ("coredump-bt", "coredump-json", "coredump-dump"))
def start():
    def ours(name, *options, **more):
        return lambda: Contender(name, [programs.ours(name), *options, SMALL], role="ours", **more)

    return available([
        ours("coredump-bt", "-m", MODULE, facts=locations.from_stdout),
        ours("coredump-json", "-m", MODULE, facts=places),
        ours("coredump-dump"),
        lambda: Contender("wasm-tools dump", [programs.peer("wasm-tools"), "dump", SMALL], note="the parse alone: no symbols"),
        lambda: wasmgdb.backtrace(MODULE, SMALL),
        lambda: Contender("true", [programs.peer("true")], role="limit"),
    ])


def places(stdout, _stderr):
    """The places of all frames, inlined ones too."""
    found = [place for frame in json.loads(stdout)["threads"][0]["frames"] for place in [*frame["inlines"], frame] if place["file"]]
    return [f"{os.path.basename(place['file'])}:{place['line']}:{place['column']}" for place in found]


def sizes():
    """Bytes of each program."""
    programs_here = {name: programs.ours(name) for name in programs.OURS}
    for name in ("wasmtime", "wasm-tools", "wasmgdb"):
        try:
            programs_here[name] = programs.peer(name)
        except programs.Missing:
            continue
    return {name: os.path.getsize(os.path.realpath(path)) for name, path in programs_here.items() if os.path.exists(path)}
