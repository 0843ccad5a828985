"""What backtraces say, reduced to what can be compared: `file:line:column` of every frame, inlined ones too, youngest first."""
import re
from pathlib import PurePosixPath

LOCATION = re.compile(r"(\S+):(\d+):(\d+)\)?$")


def locations(text, skip=None):
    """The locations at the ends of lines."""
    found = []
    for line in text.splitlines():
        match = LOCATION.search(line.rstrip())
        if match and match[2] != "0" and not (skip and skip in line):
            found.append(f"{PurePosixPath(match[1]).name}:{match[2]}:{match[3]}")
    return found


def from_stdout(stdout, _stderr):
    return locations(stdout.decode(errors="replace"))


def from_stderr(_stdout, stderr):
    return locations(stderr.decode(errors="replace"))


def backtrace_offsets(words):
    """Module offsets of the frames in wasmtime's own words."""
    return [int(offset, 16) for offset in re.findall(r"^\s+\d+:\s+0x([0-9a-f]+) - ", words, re.MULTILINE)]


def code_start(module):
    """File offset of the contents of the code section, from which DWARF counts in WebAssembly."""
    data, at = module.read_bytes(), 8

    def leb(at):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value, at

    while at < len(data):
        kind = data[at]
        size, at = leb(at + 1)
        if kind == 10:
            return at
        at += size
    raise ValueError("no code section")
