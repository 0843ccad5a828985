"""The variables of a frame. No other tool does this for WebAssembly: native debuggers on the same program are the nearest."""
import re

from .. import build, programs
from ..row import Contender, available, row


def has(name):
    """Whether a variable of the youngest frame is among the output."""
    return lambda stdout, _stderr: f"shows {name}" if re.search(rf"\b{name}\b.* =|\b{name} = |\b{name}=".encode(), stdout) else f"no {name}"


@row("locals-100m", "variables of the crash frame, 100 MB", ("coredump-bt",))
def hundred():
    module = build.large_module("100m")
    dump = build.wasmtime_dump(module, module.stem)

    def ours():
        return Contender("coredump-bt --locals --frame 0", [programs.ours("coredump-bt"), "--locals", "--frame", "0", "-m", module, dump],
                         has("buffer"), "ours")

    def gdb():
        native = build.large_native("100m")
        command = [programs.peer("gdb"), "-nx", "-batch", "-ex", "frame function hop_11", "-ex", "info args", "-ex", "info locals",
                   native, build.native_core(native)]
        return Contender("gdb (native build)", command, has("buffer"), note="the same program for x86-64, from a core file")

    def lldb():
        native = build.large_native("100m")
        command = [programs.peer("lldb"), "--no-lldbinit", "-b", "-o", "up 2", "-o", "frame variable", "-c", build.native_core(native), native]
        return Contender("lldb (native build)", command, has("buffer"), note="the same program for x86-64, from a core file")

    return available([ours, gdb, lldb])
