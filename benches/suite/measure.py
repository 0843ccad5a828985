"""Runs a command and says how long it took and how much memory it needed at most."""
import os
import shutil
import signal
import statistics
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
    stopped: bool  # it ran into the time limit


def once(command, stdin=None, stdout=os.devnull, stderr=os.devnull, env=None, cwd=None, limit=120.0):
    """Runs `command` (a list) once, output into files. posix_spawn costs least, so that start-up times are the program's.

    After `limit` seconds it is killed, with the processes that it started.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, str(stdin or os.devnull), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(stdout), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, str(stderr), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    program = shutil.which(str(command[0])) or str(command[0])
    argv = [str(part) for part in command]
    environment = dict(os.environ, **QUIET, **(env or {}))
    here, stopped = os.getcwd(), False
    if cwd:
        os.chdir(cwd)
    try:
        start = time.perf_counter()
        pid = os.posix_spawn(program, argv, environment, file_actions=actions, setpgroup=0)
    finally:
        os.chdir(here)

    def stop(*_):
        nonlocal stopped
        stopped = True
        os.killpg(pid, signal.SIGKILL)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        _, status, usage = os.wait4(pid, 0)
    except KeyboardInterrupt:
        stop()
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    wall = time.perf_counter() - start
    return Run(wall, usage.ru_utime + usage.ru_stime, time.time_ns(), os.waitstatus_to_exitcode(status), stopped)


def weighed(command, weight, **options):
    """Runs `command` once; with its largest resident set in KiB, mapped files included: `None` without GNU time.

    Not from `wait4`: a child's figure starts from that of the Python process it was spawned by. `weight` is a file for GNU time.
    """
    if not GNU_TIME:
        return once(command, **options), None
    weight.unlink(missing_ok=True)
    done = once([GNU_TIME, "-q", "-f", "%M", "-o", weight, *command], **options)
    told = weight.read_text().split() if weight.exists() else []
    return done, int(told[-1]) if told and told[-1].isdigit() else None


def median(values):
    return statistics.median(values)
