"""Start-up on a dump of 4 KB, and the size of the programs."""
import os

from .. import build, programs
from ..row import Contender, available, row

FIXTURES = build.BENCHES.parent / "tests/fixtures"
SMALL, MODULE = FIXTURES / "dumps/sum-O0.wasmtime.coredump", FIXTURES / "modules/sum-O0.wasm"


@row("start", "start and answer on a small dump", ("coredump-bt", "coredump-json", "coredump-dump"))
def start():
    ours = [("coredump-bt", ["-m", MODULE]), ("coredump-json", ["-m", MODULE]), ("coredump-dump", [])]
    makers = [lambda name=name, more=more: Contender(name, [programs.ours(name), *more, SMALL], role="ours") for name, more in ours]
    makers.append(lambda: Contender("wasm-tools dump", [programs.peer("wasm-tools"), "dump", SMALL]))
    makers.append(lambda: Contender("wasmgdb bt", [programs.peer("wasmgdb"), MODULE, SMALL, "bt"]))
    makers.append(lambda: Contender("true", [programs.peer("true")], role="limit"))
    return available(makers)


def sizes():
    """Bytes of each program."""
    programs_here = {name: programs.ours(name) for name in programs.OURS}
    for name in ("wasmtime", "wasm-tools", "wasmgdb"):
        try:
            programs_here[name] = programs.peer(name)
        except programs.Missing:
            continue
    return {name: os.path.getsize(os.path.realpath(path)) for name, path in programs_here.items() if os.path.exists(path)}
