"""Makes what the rows work on: generated modules, native twins, dumps. All of it lands in `benches/out` and is kept there."""
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import programs

BENCHES = Path(__file__).resolve().parents[1]
OUT = Path(os.environ.get("BENCH_OUT", BENCHES / "out"))
GUESTS = BENCHES / "guests"

# Units of the generated program: about 0.35 MB of linked module each.
UNITS = {"1m": 3, "5m": 14, "20m": 57, "100m": 290}


class Unable(Exception):
    """Something a row needs cannot be made here."""


def say(text):
    print(f"  making {text}", flush=True)


def run(command, **options):
    """Runs a build step; its words are shown only when it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode:
        raise Unable(f"{' '.join(map(str, command[:3]))}… failed: {done.stdout.decode(errors='replace')[-600:]}")


def once(path, make, *arguments):
    """`path`, made by `make(unfinished, …)` if it is not there. An interrupted build leaves nothing that looks done."""
    path = Path(path)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        say(path.relative_to(OUT))
        unfinished = path.with_name("unfinished." + path.name)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.unlink(missing_ok=True)
        make(unfinished, *arguments)
        unfinished.rename(path)
    return path


def wasm_compiler():
    """The compiler for wasm32-wasi with its arguments: `WASM_CC`, Debian's clang with wasi-libc, or zig."""
    if "WASM_CC" in os.environ:
        return os.environ["WASM_CC"].split()
    if shutil.which("clang") and Path("/usr/lib/wasm32-wasi/libc.a").exists():
        return ["clang", "--target=wasm32-wasi"]
    if shutil.which("zig"):
        return ["zig", "cc", "-target", "wasm32-wasi", "-fno-sanitize=undefined"]
    raise Unable("no compiler for WebAssembly (apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32, or zig)")


def native_compiler():
    compiler = os.environ.get("CC") or shutil.which("clang") or shutil.which("cc")
    if not compiler:
        raise Unable("no C compiler")
    return [compiler]


def large_source(size):
    def generate(folder):
        run([GUESTS / "generate", UNITS[size], folder])
    return once(OUT / "source" / size, generate)


def compile_units(sources, objects, compiler):
    """Compiles every unit of a folder, as many at once as there are processors."""
    objects.mkdir(parents=True, exist_ok=True)

    def unit(source):
        target = objects / (source.stem + ".o")
        if not target.exists():
            partial = target.with_suffix(".part")
            run([*compiler, "-O1", "-g", "-gdwarf-5", "-c", source.name, "-o", partial], cwd=source.parent)
            partial.rename(target)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(unit, sorted(sources.glob("*.c"))))


def large_module(size):
    """The generated program of about `size` as a module with DWARF 5, optimised (-O1)."""
    def link(target):
        say(f"{size}: {UNITS[size]} units of C, this takes a while")
        objects = compile_units(large_source(size), OUT / "objects" / size, wasm_compiler())
        run([*wasm_compiler(), *objects, "-o", target])
        shutil.rmtree(OUT / "objects" / size)
    return once(OUT / f"large-{size}.wasm", link)


def large_native(size):
    """The same program for this machine."""
    def link(target):
        objects = compile_units(large_source(size), OUT / "objects" / f"{size}-native", native_compiler())
        run([*native_compiler(), *objects, "-o", target])
        shutil.rmtree(OUT / "objects" / f"{size}-native")
    return once(OUT / f"large-{size}.native", link)


def native_core(program):
    """A core file of a native program that dies, taken by gdb."""
    def take(target):
        run([programs.peer("gdb"), "-nx", "-batch", "-ex", "run", "-ex", f"generate-core-file {target}", program])
        if not target.exists():
            raise Unable("gdb took no core file")
    return once(Path(f"{program}.core"), take)


def minidump(program):
    """A minidump of a native program that dies, as a crash reporter takes it: by the crate `minidump-writer`."""
    def take(target):
        folder = OUT / "native-minidump"
        run(["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", BENCHES / "native/Cargo.toml", "--target-dir", folder])
        run([folder / "release/native-minidump", target, program])
    return once(Path(f"{program}.dmp"), take)


def breakpad_symbols(program):
    """The symbols of a native program, inlined functions too, in the folders that minidump-stackwalk looks in."""
    def write(folder):
        run([programs.peer("dump_syms"), "--inlines", "--store", folder, program])
    return once(Path(f"{program}.symbols"), write)


def dumps():
    """The folder that dumps are written to: `BENCH_DUMPS`, for a file system in memory, where no disk holds up whoever comes next."""
    folder = Path(os.environ.get("BENCH_DUMPS", OUT / "dumps"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def guest(name, *flags):
    """A small guest from `guests/NAME.c`."""
    def compile_it(target):
        run([*wasm_compiler(), "-g", "-O2", *flags, "-c", GUESTS / f"{name}.c", "-o", f"{target}.o"])
        run([*wasm_compiler(), f"{target}.o", "-o", target])
        os.unlink(f"{target}.o")
    return once(OUT / f"{name}.wasm", compile_it)


def fetched(name, version):
    """The sources of a crate, through cargo."""
    def vendor(target):
        (target / "src").mkdir(parents=True)
        (target / "src/lib.rs").write_text("")
        (target / "Cargo.toml").write_text('[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
                                           f'[dependencies]\n{name} = "={version}"\n')
        run(["cargo", "vendor", "-q", "vendor"], cwd=target)
    return once(OUT / "source" / name, vendor) / "vendor" / name


def component(name):
    """A small guest as a component: a module of WASI 0.1, with wasmtime's adapter."""
    def adapt(target):
        crate = fetched("wasi-preview1-component-adapter-provider", "48.0.8")
        adapter = crate / "artefacts/wasi_snapshot_preview1.command.wasm"
        run([programs.peer("wasm-tools"), "component", "new", guest(name), "--adapt", f"wasi_snapshot_preview1={adapter}", "-o", target])
    return once(OUT / f"{name}.component.wasm", adapt)


def python_component():
    """A component of 18 MB: CPython, and a function that does next to nothing."""
    def componentize(target):
        folder = OUT / "source" / "python"
        (folder / "wit").mkdir(parents=True, exist_ok=True)
        (folder / "wit/world.wit").write_text("package bench:python;\nworld bench { export hello: func() -> string; }\n")
        (folder / "app.py").write_text("class WitWorld:\n    def hello(self):\n        return 'hello'\n")
        run([programs.peer("componentize-py"), "-d", "wit", "-w", "bench", "componentize", "app", "-o", target], cwd=folder)
    return once(OUT / "python.component.wasm", componentize)


def wasmtime_dump(module, name, *options, arguments=()):
    """A dump by wasmtime, frames and memory only."""
    def take(target):
        subprocess.run([programs.peer("wasmtime"), "run", "-D", f"coredump={target}", *options, str(module), *arguments],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if not target.exists():
            raise Unable(f"wasmtime left no dump of {module.name}")
    return once(OUT / f"{name}.coredump", take)


def our_dump(module, name, *options, arguments=()):
    """A dump by coredump-run."""
    def take(target):
        programs.build(["coredump-run"])
        subprocess.run([programs.ours("coredump-run"), "--quiet", "-o", str(target), *options, str(module), *arguments],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if not target.exists():
            raise Unable(f"coredump-run left no dump of {module.name}")
    return once(OUT / f"{name}.coredump", take)


def sqlite():
    """SQLite's amalgamation, from the crate that bundles it, in a guest that dies in the middle of a query."""
    def make(target):
        amalgamation = fetched("libsqlite3-sys", "0.30.1") / "sqlite3"
        if not shutil.which("zig"):
            raise Unable("SQLite needs zig (pip install ziglang, and a program `zig` that runs `python3 -m ziglang`)")
        run(["zig", "cc", "-target", "wasm32-wasi", "-fno-sanitize=undefined", "-g", "-gdwarf-5", "-O2", "-DSQLITE_THREADSAFE=0",
             "-DSQLITE_OMIT_LOAD_EXTENSION", f"-I{amalgamation}", GUESTS / "sqlite.c", amalgamation / "sqlite3.c", "-o", target])
    return once(OUT / "sqlite.wasm", make)


def leb(number):
    """LEB128 of five bytes, as tools write sizes that they fill in later."""
    return bytes((number >> shift & 127) | (128 if shift < 28 else 0) for shift in range(0, 35, 7))


def plain_dump(megabytes):
    """A dump of nothing but one memory, all captured: noise, in every 64th MiB text, a needle at the end."""
    def write(target):
        size, mebi = megabytes << 20, 1 << 20
        line = b"the quick brown fox jumps over the lazy dog\n"
        text = (line * (mebi // len(line) + 1))[:mebi - 1] + b"\n"
        with open(target, "wb") as file:
            file.write(b"\0asm\1\0\0\0" + b"\0\7\4core\0\0")
            file.write(b"\5\7\1\0" + leb(size >> 16))
            file.write(b"\x0b" + leb(size + 10) + b"\1\0\x41\0\x0b" + leb(size))
            for block in range(megabytes):
                data = text if block % 64 == 63 else os.urandom(mebi)
                if block == megabytes - 2:
                    data = data[:-64] + b"\0needle in a haystack\0".ljust(64, b"\0")
                file.write(data)
    return once(OUT / f"memory-{megabytes}.coredump", write)
