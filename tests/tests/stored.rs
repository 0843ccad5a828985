//! Compressed dumps, symbol stores, symbol maps, and sources that lie elsewhere.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coredump_tests::{Tool, fixture, scratch, wasmtime_dump};

fn module(name: &str) -> PathBuf {
    fixture(&format!("modules/{name}.wasm"))
}

/// Returns these bytes as a program of the system compresses them.
fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// The programs that are here: Debian has gzip, and zstd where somebody installed it.
fn packers() -> Vec<(&'static str, &'static str)> {
    let known = [("gzip", "gz"), ("zstd", "zst")];
    known.into_iter().filter(|(program, _)| Command::new(program).arg("--version").output().is_ok()).collect()
}

#[test]
fn a_compressed_dump_is_read_as_it_is() {
    let folder = scratch();
    let dump = std::fs::read(wasmtime_dump("sum-O0")).unwrap();
    for (program, extension) in packers() {
        let packed = packed(program, &dump);
        let file = folder.path().join(format!("sum.coredump.{extension}"));
        std::fs::write(&file, &packed).unwrap();
        for tool in ["coredump-bt", "coredump-json", "coredump-dump"] {
            let run = |tool: Tool| tool.arg("-m").arg(module("sum-O0")).run().expect(0).text().to_owned();
            let plain = run(Tool::new(tool).stdin(dump.clone()));
            assert_eq!(run(Tool::new(tool).stdin(packed.clone())), plain, "{tool}, {program}, standard input");
            let from_file = run(Tool::new(tool).arg(&file));
            assert!(from_file.contains("divide") || tool == "coredump-dump", "{from_file}");
            let refused = Tool::new(tool).args(["--max-size", "1k"]).arg(&file).run().expect(2);
            assert!(refused.stderr.contains("unpacks to more than 1024 bytes"), "{}", refused.stderr);
        }
        // A memory is copied out of what was unpacked, not out of the file.
        let raw = |tool: Tool| tool.args(["--image", "0", "-o", "-"]).run();
        let plain = raw(Tool::new("coredump-dump").arg(wasmtime_dump("sum-O0")));
        assert_eq!(raw(Tool::new("coredump-dump").arg(&file)).stdout, plain.stdout, "{program}");
    }
    let documents = Tool::new("coredump-json").arg("--ndjson").arg(folder.path()).run();
    assert_eq!(documents.text().lines().count(), packers().len(), "dumps in a folder");
}

#[test]
fn damage_in_a_compressed_dump_costs_what_comes_after_it() {
    let dump = std::fs::read(wasmtime_dump("rust-vars-O0")).unwrap();
    for (program, _) in packers() {
        let packed = packed(program, &dump);
        for end in [0, 3, 10, packed.len() / 2, packed.len() - 1] {
            let outcome = Tool::new("coredump-bt").stdin(&packed[..end]).run();
            assert!(matches!(outcome.code(), 0..=2), "{program}, {end}: {outcome:?}");
        }
    }
    let gzip = packed("gzip", &dump);
    let half = Tool::new("coredump-bt").stdin(&gzip[..gzip.len() - 20]).run().expect(1);
    assert!(half.text().contains("core dump of"), "{}", half.text());
}

#[test]
fn a_store_is_found_by_build_id_and_by_frames() {
    let folder = scratch();
    let store = folder.path().join("symbols");
    let put = |files: &[&Path], options: &[&str]| {
        Tool::new("coredump-bt").arg("--store").arg(&store).args(options).args(files).run()
    };
    put(&[&module("sum-buildid"), &fixture("modules/sum-buildid.debug.wasm")], &[]).expect(0);
    let id = "224633294aa1e0e88029e363ea47113450bfcb42";
    let (first, rest) = id.split_at(2);
    for extension in ["wasm", "debug"] {
        assert!(store.join(first).join(format!("{rest}.{extension}")).exists(), "{extension}");
    }
    let stripped = std::fs::read(store.join(first).join(format!("{rest}.wasm"))).unwrap();
    assert!(memchr_find(&stripped, b".debug_info").is_none());
    let backtrace = Tool::new("coredump-bt").args(["--no-recorded-paths", "--symbols-path"]).arg(&store);
    let backtrace = backtrace.stdin(std::fs::read(wasmtime_dump("sum-buildid")).unwrap()).run().expect(0);
    assert!(backtrace.text().contains("src/c/sum.c:25:29"), "{} {}", backtrace.text(), backtrace.stderr);

    // A module without an id gets one, if asked for, and runs as before.
    let app = folder.path().join("app.wasm");
    std::fs::copy(module("sum-O0"), &app).unwrap();
    // In another store: the same source with another linker gives code that this trace fits as well, and then none is
    // taken.
    let store = folder.path().join("others");
    let put = |files: &[&Path], options: &[&str]| {
        Tool::new("coredump-bt").arg("--store").arg(&store).args(options).args(files).run()
    };
    let refused = put(&[&app], &[]).expect(2);
    assert!(refused.stderr.contains("has no build id"), "{}", refused.stderr);
    put(&[&app], &["--add-build-id"]).expect(0);
    let trace = std::fs::read_to_string(fixture("traces/node-24.txt")).unwrap();
    let resolved =
        Tool::new("coredump-bt").args(["--trace", "--symbols-path"]).arg(&store).stdin(trace).run().expect(0);
    assert!(resolved.text().contains("=> divide at src/c/sum.c:25:29"), "{}", resolved.text());
    let again = put(&[&app], &[]).expect(0);
    assert_eq!(again.text().lines().count(), 1, "the module that runs stays as it is: {}", again.text());
}

fn memchr_find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[test]
fn a_symbol_map_beside_a_module_names_its_functions() {
    let folder = scratch();
    let app = folder.path().join("app.wasm");
    std::fs::copy(module("sum-stripped"), &app).unwrap();
    // As `wasm-opt --symbolmap` writes it of sum-names, whose code is the same; the middle is left out here.
    let count = 67;
    let known = [
        (7, "_start"),
        (8, "main"),
        (10, "sum"),
        (11, "share"),
        (12, "divide\\28int\\2c\\20int\\29"),
        (66, "_start.command_export"),
    ];
    let name = |index: usize| {
        known.iter().find(|(known, _)| *known == index).map_or(format!("f{index}"), |(_, name)| (*name).to_owned())
    };
    let map: String = (0..count).map(|index| format!("{index}:{}\n", name(index))).collect();
    for file in ["app.js.symbols", "app.wasm.symbols"] {
        let path = folder.path().join(file);
        std::fs::write(&path, &map).unwrap();
        let outcome = Tool::new("coredump-bt").arg("-m").arg(&app).arg(wasmtime_dump("sum-stripped")).run().expect(0);
        assert!(outcome.text().contains("signature: divide | share | sum | main"), "{}", outcome.text());
        assert!(outcome.text().contains("#0 0x07c2 divide(int, int)"), "{}", outcome.text());
        assert!(outcome.stderr.contains(file), "{}", outcome.stderr);
        std::fs::remove_file(path).unwrap();
    }
    std::fs::write(folder.path().join("app.symbols"), "0:a\n1:b\n").unwrap();
    let outcome = Tool::new("coredump-bt").arg("-m").arg(&app).arg(wasmtime_dump("sum-stripped")).run().expect(0);
    assert!(outcome.text().contains("func[12]"), "another build's: {}", outcome.text());
    assert!(outcome.stderr.contains("app.symbols not used"), "{}", outcome.stderr);
}

#[test]
fn paths_of_sources_are_mapped_where_they_are_printed_and_opened() {
    let folder = scratch();
    let sources = folder.path().join("here");
    std::fs::create_dir_all(sources.join("c")).unwrap();
    std::fs::copy(fixture("sources/c/sum.c"), sources.join("c/sum.c")).unwrap();
    let map = format!("src={}", sources.display());
    let file = format!("{}/c/sum.c", sources.display());
    let tool =
        |name: &str| Tool::new(name).args(["--path-map", &map, "-m"]).arg(module("sum-O0")).in_folder(folder.path());
    let backtrace = tool("coredump-bt").arg("--source").arg(wasmtime_dump("sum-O0")).run().expect(0);
    assert!(
        backtrace.text().contains(&format!("divide (dividend=600, divisor=0) at {file}:25:29")),
        "{}",
        backtrace.text()
    );
    assert!(backtrace.text().contains(">   25 "), "the line itself: {}", backtrace.text());
    let document = tool("coredump-json").arg(wasmtime_dump("sum-O0")).run().expect(0).json();
    assert_eq!(document["place"]["file"], file.as_str());
    assert_eq!(document["threads"][0]["frames"][0]["file"], file.as_str());
    let trace = tool("coredump-bt").args(["--trace", "--brief"]).arg(fixture("traces/node-24.txt")).run().expect(0);
    assert!(
        trace.text().contains(&format!("in divide at {file}:25:29 [divide | share | sum | main]")),
        "{}",
        trace.text()
    );
    let wrong = Tool::new("coredump-bt").args(["--path-map", "nothing"]).stdin("").run().expect(64);
    assert!(wrong.stderr.contains("is not FROM=TO"), "{}", wrong.stderr);
}
