"""What an editor waits for: the first frames of a dump, and the last ones of a deep stack."""
import json
import sys

from .. import build, programs
from ..row import Contender, available, row
from .backtrace import DEEP

CLIENT = build.BENCHES / "suite/adapter.py"


def client(label, frames, request, adapter, **more):
    command = [sys.executable, CLIENT, frames, json.dumps(request), *map(str, adapter)]
    return Contender(label, command, seconds=lambda _run, words: float(words.split()[-1]), **more)


def ours(frames, module, dump):
    request = {"coreFile": str(dump), "program": str(module)}
    return client("coredump-serve --dap", frames, request, [programs.ours("coredump-serve"), "--dap"], role="ours")


@row("editor-100m", "editor: `initialize` to the first 20 frames, module of 100 MB", ("coredump-serve",))
def first():
    module = build.large_module("100m")
    dump = build.wasmtime_dump(module, module.stem)

    def lldb():
        native = build.large_native("100m")
        request = {"coreFile": str(build.native_core(native)), "program": str(native)}
        return client("lldb-dap, native core", "20", request, [programs.peer("lldb-dap")],
                      note="the same program for this machine, its core file by gdb")

    return available([lambda: ours("20", module, dump), lldb])


@row("editor-deep", "editor: the last 20 of 100,000 frames, asked for first", ("coredump-serve",))
def last():
    module = build.guest("deep")
    dump = build.wasmtime_dump(module, "deep", "-D", "max-backtrace=200000", *DEEP, arguments=["100000"])
    return available([lambda: ours("last:20", module, dump)])
