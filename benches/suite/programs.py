"""The programs that are measured: ours, built here, and the peers, found on PATH."""
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("coredump-run", "coredump-bt", "coredump-json", "coredump-dump", "coredump-serve")

# name: (environment variable, arguments for the version, how to get it)
PEERS = {
    "wasmtime": ("WASMTIME", ["--version"], "cargo install wasmtime-cli --version 48.0.8 --locked"),
    "wasm-tools": ("WASM_TOOLS", ["--version"], "cargo install wasm-tools --locked"),
    "componentize-py": ("COMPONENTIZE_PY", ["--version"], "pip install componentize-py==0.25.1"),
    "wasmgdb": ("WASMGDB", ["--version"], "cargo install wasmgdb"),
    "wasm-coredump-rewriter": ("WASM_COREDUMP_REWRITER", ["--version"], "cargo install wasm-coredump-rewriter"),
    "llvm-symbolizer": ("LLVM_SYMBOLIZER", ["--version"], "apt-get install llvm"),
    "gdb": ("GDB", ["--version"], "apt-get install gdb"),
    "lldb": ("LLDB", ["--version"], "apt-get install lldb"),
    "lldb-dap": ("LLDB_DAP", ["--version"], "apt-get install lldb-22, LLDB_DAP=lldb-dap-22"),
    "minidump-stackwalk": ("MINIDUMP_STACKWALK", ["--version"], "cargo install minidump-stackwalk"),
    "dump_syms": ("DUMP_SYMS", ["--version"], "cargo install dump_syms"),
    "cp": ("CP", ["--version"], "coreutils"),
    "grep": ("GREP", ["--version"], "apt-get install grep"),
    "rg": ("RG", ["--version"], "apt-get install ripgrep"),
    "strings": ("STRINGS", ["--version"], "apt-get install binutils"),
    "true": ("TRUE", ["--version"], "coreutils"),
    "valgrind": ("VALGRIND", ["--version"], "apt-get install valgrind"),
}


class Missing(Exception):
    """A program that is not on this machine."""

    def __init__(self, name):
        super().__init__(f"{name} is not installed ({PEERS[name][2]})")


def peer(name):
    """The path of a peer; raises Missing."""
    path = shutil.which(os.environ.get(PEERS[name][0], name))
    if not path:
        raise Missing(name)
    return path


def ours(name):
    """The path of one of our release binaries. `COREDUMP_BIN_DIR` names a folder with other ones."""
    folder = os.environ.get("COREDUMP_BIN_DIR")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(Path(folder) / name if folder else target / "release" / name)


def build(names):
    """Builds the release binaries `names`, unless they come from elsewhere."""
    if names and not os.environ.get("COREDUMP_BIN_DIR"):
        packages = [part for name in sorted(names) for part in ("-p", name)]
        subprocess.run(["cargo", "build", "--release", "--quiet", *packages], cwd=ROOT, check=True)


def version(name):
    """What a program says its version is, in one line."""
    if name in OURS:
        path, arguments = ours(name), ["--version"]
    else:
        path, arguments = peer(name), PEERS[name][1]
    if not arguments:
        return "unknown"
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    # LLVM's tools begin with their project's name.
    line = next((line for line in lines if re.search(r"\d+\.\d+", line)), lines[0] if lines else "unknown")
    return " ".join(line.split())[:80]
