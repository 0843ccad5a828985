"""The variables of a frame. No other tool does this for WebAssembly: native debuggers on the same program are the nearest."""
import re

from .. import build, programs
from ..row import Contender, available, row


def numbers(name):
    """The elements of an array of the youngest frame, as each debugger writes them: `name: int[2] = {1, 2}`,
    `name = {1, 2}`, `(int[2]) name = ([0] = 1, [1] = 2)`."""
    def of(stdout, _stderr):
        # The last one: before that, a debugger shows the source line.
        shown = re.findall(rf"\b{name}\b[^={{(\n]*= ?([{{(].*)", stdout.decode(errors="replace"))
        return f"{name} {re.findall(r'-?[0-9]+', re.sub(r'.[0-9]+. = ', '', shown[-1]))}" if shown else f"no {name}"
    return of


@row("locals-100m", "variables of the crash frame, 100 MB", ("coredump-bt",))
def hundred():
    module = build.large_module("100m")
    dump = build.wasmtime_dump(module, module.stem)

    def ours():
        return Contender("coredump-bt --locals --frame 0", [programs.ours("coredump-bt"), "--locals", "--frame", "0", "-m", module, dump],
                         numbers("buffer"), "ours")

    def gdb(label, note, *options):
        native = build.large_native("100m")
        command = [programs.peer("gdb"), "-nx", "-batch", *options, "-ex", "up 2", "-ex", "info args", "-ex", "info locals",
                   native, build.native_core(native)]
        return Contender(label, command, numbers("buffer"), note=note)

    def lldb(label, note, *options):
        native = build.large_native("100m")
        command = [programs.peer("lldb"), "--no-lldbinit", "-b", *options, "-o", "up 2", "-o", "frame variable",
                   "-c", build.native_core(native), native]
        return Contender(label, command, numbers("buffer"), note=note)

    def indexed(debugger, name, options):
        """Both can keep an index of the debug info from one start to the next; neither does so unless it is told to."""
        folder = build.once(build.OUT / f"{name}-index", lambda folder: build.run(debugger("", "", *options(folder)).command))
        return debugger(f"{name} (native build), index kept", f"{NATIVE}; an earlier start made the index", *options(folder))

    return available([
        ours,
        lambda: gdb("gdb (native build)", NATIVE),
        lambda: indexed(gdb, "gdb", lambda folder: ["-iex", f"set index-cache directory {folder}", "-iex", "set index-cache enabled on"]),
        lambda: lldb("lldb (native build)", NATIVE),
        lambda: indexed(lldb, "lldb", lambda folder: ["-O", "settings set symbols.enable-lldb-index-cache true",
                                                      "-O", f"settings set symbols.lldb-index-cache-path {folder}"]),
    ])


NATIVE = "the same program for x86-64, from a core file"
