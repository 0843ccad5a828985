"""The machine a table was measured on."""
import os
import platform
from pathlib import Path


def describe():
    """Processor, cores, memory, kernel; what cannot be read is left out."""
    about = {"cores": os.cpu_count(), "kernel": f"{platform.system()} {platform.release()} {platform.machine()}"}
    try:
        models = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        about["processor"] = models[0]
    except (OSError, IndexError):
        pass
    try:
        kib = int(Path("/proc/meminfo").read_text().split()[1])
        about["memory"] = f"{kib / (1 << 20):.0f} GiB"
    except (OSError, ValueError):
        pass
    return about
