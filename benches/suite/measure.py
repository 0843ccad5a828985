"""Runs a command and says how long it took and how much memory it needed at most."""
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass

# A Rust program that fails would otherwise add its own backtrace to its words, and the time that takes.
QUIET = {"RUST_BACKTRACE": "0"}
GNU_TIME = shutil.which("time", path="/usr/bin:/bin")


@dataclass
class Run:
    """One finished process. Times in seconds; `ended` is the wall clock in nanoseconds since 1970."""
    wall: float
    cpu: float
    ended: int
    status: int


def once(command, stdin=None, stdout=os.devnull, stderr=os.devnull, env=None, cwd=None):
    """Runs `command` (a list) once, output into files. posix_spawn costs least, so that start-up times are the program's."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, str(stdin or os.devnull), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(stdout), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, str(stderr), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    program = shutil.which(str(command[0])) or str(command[0])
    argv = [str(part) for part in command]
    environment = dict(os.environ, **QUIET, **(env or {}))
    here = os.getcwd()
    if cwd:
        os.chdir(cwd)
    try:
        start = time.perf_counter()
        pid = os.posix_spawn(program, argv, environment, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
        ended = time.time_ns()
    finally:
        os.chdir(here)
    return Run(wall, usage.ru_utime + usage.ru_stime, ended, os.waitstatus_to_exitcode(status))


def peak(command, stdin=None, stdout=os.devnull, env=None, cwd=None):
    """The command's largest resident set in KiB, mapped files included; `None` without GNU time.

    Not from `wait4`: a child's figure starts from that of the Python process it was spawned by.
    """
    if not GNU_TIME:
        return None
    with open(stdin or os.devnull, "rb") as source, open(stdout, "wb") as target:
        done = subprocess.run([GNU_TIME, "-q", "-f", "%M", *map(str, command)], stdin=source, stdout=target,
                              stderr=subprocess.PIPE, env=dict(os.environ, **QUIET, **(env or {})), cwd=cwd, check=False)
    last = done.stderr.split(b"\n")[-2:-1]
    return int(last[0]) if last and last[0].isdigit() else None


def median(values):
    return statistics.median(values)
