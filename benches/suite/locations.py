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


FRAME = re.compile(r"#(\d+) +\S")
FOLDED = re.compile(r"#\d+ to #\d+: the same (\d+) frames?, (\d+) times more$")


def frames(text):
    """The lines of each frame of coredump-bt's text: a frame with inlined ones has several. What was folded is told in full."""
    found, last = [], None
    for line in text.splitlines():
        if folded := FOLDED.match(line):
            found += found[-int(folded[1]):] * int(folded[2])
            last = None
        elif frame := FRAME.match(line):
            if frame[1] == last:
                found[-1].append(line)
            else:
                found.append([line])
            last = frame[1]
    return found


def unfolded(stdout, _stderr):
    return [place for frame in frames(stdout.decode(errors="replace")) for place in locations("\n".join(frame))]


def innermost(stdout, _stderr):
    """`file:line` of each frame as a tool says it that knows no inlined functions and no columns: where its instruction is."""
    return [place.rsplit(":", 1)[0] for frame in frames(stdout.decode(errors="replace")) for place in locations(frame[0])]


def backtrace_offsets(words):
    """Module offsets of the frames in wasmtime's own words."""
    return [int(offset, 16) for offset in re.findall(r"^\s+\d+:\s+0x([0-9a-f]+) - ", words, re.MULTILINE)]
