"""How fast a guest runs while it is watched."""
import subprocess

from .. import build, programs
from ..row import Contender, available, row

MODES = {"recursion": "calls (fib)", "nbody": "floating point (n-body)", "sort": "memory (quicksort)", "hash": "integers (SHA-256)"}


# Its default, and the rows have run once before they are timed.
CACHE = "compiled code comes from its cache; ours compiles at each start"


def said(stdout, _stderr):
    return stdout.decode().strip()


def rewritten(module):
    """The module as wasm-coredump-rewriter instruments it."""
    program = programs.peer("wasm-coredump-rewriter")

    def rewrite(target):
        with open(module, "rb") as source, open(target, "wb") as result:
            done = subprocess.run([program], stdin=source, stdout=result, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise build.Unable(f"wasm-coredump-rewriter failed on {module.name}: {done.stderr.decode(errors='replace')[-200:]}")
    return build.once(build.OUT / f"{module.stem}.rewritten.wasm", rewrite)


def contenders(name):
    module = build.guest(name)

    def mode(label, *options):
        return Contender(label, [programs.ours("coredump-run"), *options, module], said, "ours")

    def wasmtime():
        return Contender("wasmtime run", [programs.peer("wasmtime"), "run", module], said, note=CACHE)

    def compiling():
        return Contender("wasmtime run, without its cache", [programs.peer("wasmtime"), "run", "-C", "cache=n", module], said,
                         note="compiles at each start, as coredump-run does")

    def rewriter():
        return Contender("wasm-coredump-rewriter, wasmtime", [programs.peer("wasmtime"), "run", rewritten(module)], said,
                         note="would dump at `unreachable` only, without arguments and operand stacks")

    return available([lambda: mode("coredump-run --fast", "--fast"), lambda: mode("coredump-run"), lambda: mode("coredump-run --live", "--live"), wasmtime, compiling, rewriter])


def register(name, title):
    @row(f"guest-{name}", f"guest speed: {title}", ("coredump-run",), rounds=5)
    def guest():
        return contenders(name)


for name, title in MODES.items():
    register(name, title)
