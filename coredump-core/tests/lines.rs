//! Compares the lines of every frame of every dump in the fixtures with those that wasm-tools and LLVM found.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use coredump_core::internals::backtrace::{Location, resolve};
use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::mapped::Bytes;
use coredump_core::internals::read::read;
use coredump_core::module;

/// Function and `file:line:column` of each source frame at a module offset, innermost first.
type Expected = HashMap<u64, Vec<(String, String)>>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn expected_lines(text: &str) -> Expected {
    let mut lines = Expected::new();
    let mut offset = 0;
    for line in text.lines() {
        let frame = match line.split_once(": ").filter(|_| line.starts_with("0x")) {
            Some((address, frame)) => {
                offset = u64::from_str_radix(&address[2..], 16).unwrap();
                frame
            }
            None => line.trim_start(),
        };
        let (function, place) = frame.rsplit_once(' ').unwrap_or(("", frame));
        lines.entry(offset).or_default().push((function.to_owned(), place.to_owned()));
    }
    lines
}

fn place(location: &Option<Location>) -> String {
    location.as_ref().map_or_else(String::new, |location| {
        let column = location.column.map_or_else(String::new, |column| format!(":{column}"));
        format!("{}:{}{column}", location.file, location.line)
    })
}

/// The same place: the tools keep `.` folders and column 0, and leave out a source map's root.
fn same_place(ours: &Option<Location>, theirs: &str) -> bool {
    let theirs = theirs.replace("/./", "/");
    place(ours).strip_prefix("./as-trap/").unwrap_or(&place(ours)) == theirs.strip_suffix(":0").unwrap_or(&theirs)
}

/// The names of one function in the two tools: clang gives `main` another linkage name, wasm-tools prints that.
fn same_function(ours: Option<&str>, theirs: &str) -> bool {
    match (ours, theirs) {
        (_, "<unnamed>" | "<unknown>" | "") => true,
        (Some("main"), "__main_argc_argv" | "__main_void" | "__original_main") => true,
        (ours, theirs) => ours == Some(theirs),
    }
}

#[test]
fn every_frame_of_every_fixture_has_the_lines_other_tools_find() {
    let mut files: Vec<_> =
        std::fs::read_dir(fixtures().join("expected")).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let (mut dumps, mut frames, mut wrong) = (0, 0, Vec::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "lines")) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let path = fixtures().join(format!("dumps/{name}.wasmtime.coredump"));
        // Without debug info there is no line to compare.
        let Ok(bytes) = Bytes::open(&path) else { continue };
        if matches!(name, "sum-names" | "sum-stripped") {
            continue;
        }
        let expected = expected_lines(&std::fs::read_to_string(file).unwrap());
        let dump = read(&bytes).unwrap();
        let store = BinaryStore::new();
        let program = name.strip_suffix("-20").unwrap_or(name);
        let wasm = fixtures().join(format!("modules/{program}.wasm"));
        let options = Options { named: vec![(None, wasm.clone())], dump_path: Some(path), ..Options::default() };
        let binaries = Binaries::locate(&store, &dump, &options);
        dumps += 1;
        let mut seen = 0;
        for frame in resolve(&dump, &binaries).iter().flat_map(|thread| &thread.frames) {
            let Some(offset) = frame.module_offset else { continue };
            // The other tools count the offsets of a component from the beginning of the file.
            let binary = binaries.binary(frame.module.unwrap()).unwrap();
            let file = std::fs::read(&wasm).unwrap();
            let base =
                module::nested(&file).unwrap()[binary.nested().unwrap_or(0)].as_ptr() as u64 - file.as_ptr() as u64;
            let Some(lines) = expected.get(&(offset + base)) else { continue };
            seen += 1;
            let own = (frame.function.as_deref(), &frame.location);
            let inlined = frame.inlines.iter().map(|inline| (inline.function.as_deref(), &inline.location));
            let ours: Vec<_> = inlined.chain([own]).collect();
            let agree = ours.len() == lines.len()
                && ours
                    .iter()
                    .zip(lines)
                    .all(|(ours, theirs)| same_function(ours.0, &theirs.0) && same_place(ours.1, &theirs.1));
            if !agree {
                let ours: Vec<_> =
                    ours.iter().map(|(name, at)| format!("{} {}", name.unwrap_or("?"), place(at))).collect();
                wrong.push(format!("{name} {:#x}: {ours:?}, expected {lines:?}", offset + base));
            }
        }
        if seen == 0 {
            wrong.push(format!("{name}: no frame was found in the expected lines: {:?}", binaries.warnings));
        }
        frames += seen;
    }
    assert!(wrong.is_empty(), "{} of {frames} frames in {dumps} dumps:\n{}", wrong.len(), wrong.join("\n"));
    assert!(dumps > 40 && frames > 200, "{frames} frames in {dumps} dumps");
}
