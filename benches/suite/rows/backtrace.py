"""A backtrace with inlined frames: modules of 1 to 100 MB, and 100,000 frames."""
import shutil
import subprocess

from .. import build, locations, programs, wasm, wasmgdb
from ..row import Contender, available, row

DETAILS = {"WASMTIME_BACKTRACE_DETAILS": "1"}


def precompiled(module):
    """wasmtime's own compiled form, so that its time is that of run and backtrace, not of compiling."""
    def compile_it(target):
        build.run([programs.peer("wasmtime"), "compile", module, "-o", target], env={**build.os.environ, **DETAILS})
    return build.once(build.OUT / f"{module.stem}.cwasm", compile_it)


def wasmtime_words(module):
    """What wasmtime prints when the guest dies: where the frames are."""
    command = [programs.peer("wasmtime"), "run", "--allow-precompiled", str(precompiled(module))]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**build.os.environ, **DETAILS}).stderr


def contenders(module, dump):
    def ours():
        return Contender("coredump-bt", [programs.ours("coredump-bt"), "-m", module, dump], locations.from_stdout, "ours")

    def own():
        own_dump = build.our_dump(module, f"{module.stem}.own", "--fast")
        return Contender("coredump-bt, its own dump", [programs.ours("coredump-bt"), own_dump], locations.from_stdout, "ours",
                         note="of coredump-run; the module is where it was and unchanged")

    def moved():
        own_dump = build.our_dump(module, f"{module.stem}.own", "--fast")
        copied = build.once(build.OUT / "moved" / module.name, lambda target: shutil.copyfile(module, target))
        return Contender("coredump-bt, module copied", [programs.ours("coredump-bt"), "-m", copied, own_dump],
                         locations.from_stdout, "ours", note="the same dump; the copy is told by its digest, which is recorded")

    def wasm_tools():
        offsets = [hex(offset) for offset in locations.backtrace_offsets(wasmtime_words(module))]
        return Contender("wasm-tools addr2line", [programs.peer("wasm-tools"), "addr2line", module, *offsets], locations.from_stdout,
                         note="is given the module offsets; reads no dump")

    def symbolizer():
        start = wasm.code_start(module)
        offsets = [hex(offset - start) for offset in locations.backtrace_offsets(wasmtime_words(module))]
        return Contender("llvm-symbolizer", [programs.peer("llvm-symbolizer"), f"--obj={module}", "--inlines", *offsets], locations.from_stdout,
                         note="is given the addresses; reads no dump")

    def wasmtime():
        return Contender("wasmtime run (precompiled)", [programs.peer("wasmtime"), "run", "--allow-precompiled", precompiled(module)],
                         locations.from_stderr, env=DETAILS, status=(134,), note="runs the guest again, compiled beforehand; reads no dump")

    return available([ours, own, moved, wasm_tools, symbolizer, wasmtime, lambda: wasmgdb.backtrace(module, dump)])


def large(size):
    module = build.large_module(size)
    return contenders(module, build.wasmtime_dump(module, module.stem))


@row("bt-1m", "backtrace, module of 1 MB with DWARF 5", ("coredump-bt", "coredump-run"))
def one():
    return large("1m")


@row("bt-sqlite", "backtrace, SQLite (built by zig cc)", ("coredump-bt", "coredump-run"))
def sqlite():
    module = build.sqlite()
    return contenders(module, build.wasmtime_dump(module, module.stem))


@row("bt-20m", "backtrace, module of 20 MB with DWARF 5", ("coredump-bt", "coredump-run"))
def twenty():
    return large("20m")


@row("bt-100m", "backtrace, module of 100 MB with DWARF 5", ("coredump-bt", "coredump-run"))
def hundred():
    return large("100m")


DEEP = ["-W", "max-wasm-stack=100000000", "-W", "async-stack-size=200000000"]


@row("bt-deep", "backtrace of 100,000 frames", ("coredump-bt",))
def deep():
    module = build.guest("deep")
    dump = build.wasmtime_dump(module, "deep", "-D", "max-backtrace=200000", *DEEP, arguments=["100000"])

    def ours():
        return Contender("coredump-bt (folded)", [programs.ours("coredump-bt"), "-m", module, dump], locations.unfolded, "ours")

    def unfolded():
        return Contender("coredump-bt --no-fold", [programs.ours("coredump-bt"), "--no-fold", "-m", module, dump], locations.from_stdout, "ours")

    def wasmtime():
        command = [programs.peer("wasmtime"), "run", "-D", "max-backtrace=200000", *DEEP, "--allow-precompiled", precompiled(module), "100000"]
        return Contender("wasmtime run (precompiled)", command, locations.from_stderr, env=DETAILS, status=(134,),
                         note="runs the guest again, compiled beforehand; reads no dump")

    return available([unfolded, ours, wasmtime, lambda: wasmgdb.backtrace(module, dump)])
