"""wasmgdb as it wants to be called: commands on standard input, code offsets that count from the start of the code section."""
import re
from pathlib import PurePosixPath

from . import build, locations, programs, wasm
from .row import Contender

FRAME = re.compile(r"(?:wasmgdb> )?#\d+\t\d+ as .* at (\S+):(\d+)$")
# It takes the offsets in wasmtime's dumps, which count from the start of the function as those of its own rewriter do, for
# offsets from the start of the code section, and then says the right functions with wrong lines.
NOTE = "given code offsets as it reads them (its lines are wrong with wasmtime's); no inlined frames, no columns"


def from_section(module, dump):
    """The dump with the code offsets that wasmgdb understands."""
    def write(target):
        data, bodies = dump.read_bytes(), wasm.bodies(module)
        out = bytearray(data[:8])
        for number, begin, contents, end in wasm.sections(data):
            title, at = wasm.name(data, contents) if number == 0 else (b"", contents)
            if title == b"corestack":
                stack = data[contents:at] + moved(data[at:end], bodies)
                out += b"\0" + wasm.encoded(len(stack)) + stack
            else:
                out += data[begin:end]
        target.write_bytes(out)
    return build.once(build.OUT / f"{dump.stem}.section.coredump", write)


def moved(stack, bodies):
    """A stack of frames without values, each with its code offset counted from the section instead of from the function."""
    _, at = wasm.name(stack, 1)
    count, at = wasm.leb(stack, at)
    out = bytearray(stack[:at])
    for _ in range(count):
        instance, at = wasm.leb(stack, at + 1)
        function, at = wasm.leb(stack, at)
        offset, at = wasm.leb(stack, at)
        if stack[at:at + 2] != b"\0\0":
            raise build.Unable("wasmgdb: a dump with values in its frames")
        at += 2
        out += b"\0" + wasm.encoded(instance) + wasm.encoded(function) + wasm.encoded(bodies[function] + offset) + b"\0\0"
    return bytes(out)


def places(stdout, _stderr):
    """`file:line` of each frame that has one, youngest first."""
    found = [FRAME.match(line) for line in stdout.decode(errors="replace").splitlines()]
    return [f"{PurePosixPath(match[1]).name}:{match[2]}" for match in found if match and match[2] != "0"]


def backtrace(module, dump):
    program = programs.peer("wasmgdb")
    commands = build.OUT / "wasmgdb.commands"
    commands.write_text("bt\n")
    return Contender("wasmgdb bt", [program, module, from_section(module, dump)], places, stdin=commands, reference=locations.innermost,
                     note=NOTE)
