"""What recording costs a component, whose calls are recorded at its own boundary; and how fast a large one starts that ran before."""
from .. import build, programs
from ..row import Contender, available, row
from .guest import said
from .replay import CALLS, READ_FILE, noise


def contenders(module, *arguments, options=(), ours=()):
    def mode(label, *mode_options):
        return Contender(label, [programs.ours("coredump-run"), *mode_options, *ours, *options, module, *arguments], said, "ours")

    def wasmtime():
        return Contender("wasmtime run", [programs.peer("wasmtime"), "run", *options, module, *arguments], said)

    return available([lambda: mode("coredump-run"), lambda: mode("coredump-run --fast", "--fast"), wasmtime])


@row("component-speed", "component that sorts", ("coredump-run",), rounds=5)
def speed():
    return contenders(build.component("sort"))


@row("component-call", "component that calls its host a million times", ("coredump-run",), rounds=7)
def call():
    return contenders(build.component("asks"), "call", str(CALLS))


@row("component-read", "component that reads 1 GiB", ("coredump-run",), rounds=5)
def read():
    # A recording of it is larger than what it reads.
    return contenders(build.component("asks"), "read", READ_FILE, options=["--dir", f"{noise()}::/"], ours=["--record-limit", "2g"])


@row("component-start", "start of a component of 18 MB that ran before", ("coredump-run",), rounds=7)
def start():
    return contenders(build.python_component(), options=["--invoke", "hello()"])
