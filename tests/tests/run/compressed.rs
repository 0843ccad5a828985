//! Dumps that are compressed while they are written: `-o '%e.%p.coredump.zst'`, or `.gz`.

use std::fs;
use std::path::{Path, PathBuf};

use coredump_tests::dump_builder as build;
use coredump_tests::{Outcome, Tool, fixture, scratch};
use serde_json::{Value, json};

fn crash(folder: &Path, options: &[&str]) -> Outcome {
    let program = fixture("modules/sum-O0.wasm");
    Tool::new("coredump-run").args(options).arg(program).in_folder(folder).run().expect(134)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn read(dump: &Path) -> Value {
    Tool::new("coredump-json").arg(dump).run().expect(0).json()
}

/// Removes the parts in which two runs of a program differ.
fn without_process(mut document: Value) -> Value {
    for field in ["process", "dump", "sections", "host_calls"] {
        document.as_object_mut().unwrap().remove(field);
    }
    document
}

#[test]
fn a_dump_is_compressed_as_its_name_says_and_holds_the_same() {
    let folder = scratch();
    crash(folder.path(), &["-o", "plain.coredump"]);
    let plain = without_process(read(&folder.path().join("plain.coredump")));
    assert_eq!(plain["signature"], "divide | share | sum | main");
    for (extension, magic) in [("zst", &b"\x28\xb5\x2f\xfd"[..]), ("gz", b"\x1f\x8b\x08")] {
        for mode in [&[][..], &["--live"], &["--fast"]] {
            let name = format!("sum.{}.coredump.{extension}", mode.len());
            let pattern = name.replace("sum", "%e").replace("-O0", "");
            let folder = scratch();
            let told = crash(folder.path(), &[&["-o", &pattern], mode].concat()).stderr;
            let name = name.replace("sum", "sum-O0");
            assert!(told.contains(&format!("core dumped: {name}\n")), "{told}");
            assert_eq!(
                names(folder.path()),
                std::slice::from_ref(&name),
                "the first dump and the replayed one have one name"
            );
            let dump = folder.path().join(name);
            assert!(fs::read(&dump).unwrap().starts_with(magic));
            let document = read(&dump);
            assert_eq!(document["dump"]["incomplete"], Value::Null);
            if mode.is_empty() {
                assert_eq!(document["process"]["detail"], "replayed");
                assert_eq!(without_process(document), plain, "{extension}");
            }
        }
    }
}

#[test]
fn the_systems_own_programs_unpack_it() {
    let folder = scratch();
    for (program, extension) in [("gzip", "gz"), ("zstd", "zst")] {
        if std::process::Command::new(program).arg("--version").output().is_err() {
            continue;
        }
        let name = format!("app.coredump.{extension}");
        crash(folder.path(), &["-o", &name]);
        let unpacked = Tool::other(program).args(["-dc", &name]).in_folder(folder.path()).run().expect(0).stdout;
        wasmparser::validate(&unpacked).expect("the dump is a valid module");
    }
}

#[test]
fn a_pipe_with_such_a_name_gets_it_compressed() {
    let folder = scratch();
    let pipe = folder.path().join("app.coredump.zst");
    Tool::other("mkfifo").arg(&pipe).run().expect(0);
    let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
    crash(folder.path(), &["-o", "app.coredump.zst"]);
    let packed = reader.join().unwrap();
    assert!(packed.starts_with(b"\x28\xb5\x2f\xfd"));
    let told = Tool::new("coredump-bt").arg("-m").arg(fixture("modules/sum-O0.wasm")).stdin(packed).run().expect(0);
    assert!(told.text().contains("divide at src/c/sum.c:25:29") || told.text().contains("sum.c:25"), "{told:?}");
}

#[test]
fn keep_counts_compressed_dumps_of_its_pattern_and_no_others() {
    let folder = scratch();
    crash(folder.path(), &["-o", "%e.%p.coredump"]);
    let plain = names(folder.path());
    for _ in 0..4 {
        crash(folder.path(), &["-o", "%e.%p.coredump.zst", "--keep", "2"]);
    }
    let left = names(folder.path());
    assert_eq!(left.iter().filter(|name| name.ends_with(".zst")).count(), 2, "{left:?}");
    assert!(plain.iter().all(|name| left.contains(name)), "dumps of another pattern stay: {left:?}");
    // The same name again gets a number, which is known again.
    let folder = scratch();
    for _ in 0..3 {
        crash(folder.path(), &["-o", "%e.coredump.gz", "--keep", "2"]);
    }
    let left = names(folder.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|name| name.starts_with("sum-O0.") && name.ends_with(".coredump.gz")), "{left:?}");
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let folder = scratch();
    let program = fixture("modules/sum-O0.wasm");
    for name in ["app.coredump.zst", "%e.coredump.gz"] {
        let run = Tool::new("coredump-run").args(["-o", name]).arg(&program).into_command();
        let mut words = vec![run.get_program().to_owned()];
        words.extend(run.get_args().map(ToOwned::to_owned));
        let shell = Tool::other("sh").args(["-c", "ulimit -f 1; exec \"$@\"", "sh"]).args(words);
        let told = shell.in_folder(folder.path()).run().expect(134).stderr;
        assert!(told.contains("cannot write: File too large"), "{told}");
        assert!(files(folder.path()).is_empty());
    }
}

#[test]
fn a_clock_that_was_set_back_costs_no_dump() {
    let program = fixture("modules/wat-div.wasm");
    let path = program.to_str().unwrap();
    let folder = scratch();
    // Dumps of before the clock was set back: by it, they are still to be written.
    for (name, time) in [("wat-div.1.coredump", "2199-01-01T00:00:00Z"), ("wat-div.2.coredump", "2001-01-01T00:00:00Z")]
    {
        let process = json!({"time": time}).to_string();
        let dump = build::module(&[build::core(path), build::custom("coredump.process", process.as_bytes())]);
        fs::write(folder.path().join(name), dump).unwrap();
        Tool::other("touch").args(["-d", time, name]).in_folder(folder.path()).run().expect(0);
    }
    let run = |keep: &str| {
        let tool = Tool::new("coredump-run").args(["-o", "%e.%p.coredump", "--keep", keep]).arg(&program);
        tool.in_folder(folder.path()).run().expect(134).stderr
    };
    let told = run("3");
    assert!(told.contains("core dumped: wat-div."), "{told}");
    assert_eq!(files(folder.path()).len(), 3, "three may stay: {:?}", names(folder.path()));
    let told = run("1");
    let newest = told.lines().find_map(|line| line.split_once("core dumped: ")).expect("it is dumped").1.to_owned();
    assert_eq!(names(folder.path()), [newest], "the new dump is the one that stays");
}

/// Writes a million bytes that nothing makes smaller, and dies.
const NOISE: &str = "(module (memory (export \"memory\") 16)
    (func (export \"_start\") (local $n i32) (local $x i64)
        (local.set $x (i64.const 88172645463325252))
        (loop $more
            (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
            (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
            (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
            (i64.store (local.get $n) (local.get $x))
            (local.set $n (i32.add (local.get $n) (i32.const 8)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 1000000))))
        unreachable))";

#[test]
fn a_compressed_dump_that_is_cut_off_keeps_its_whole_blocks() {
    for end in ["zst", "gz"] {
        let folder = scratch();
        std::fs::write(folder.path().join("app.wat"), NOISE).unwrap();
        let name = format!("app.coredump.{end}");
        let run = Tool::new("coredump-run").args(["--fast", "-q", "-o", &name, "app.wat"]);
        run.in_folder(folder.path()).run().expect(134);
        let whole = std::fs::read(folder.path().join(&name)).unwrap();
        // A block of Zstandard is 128 KiB at most; one that is cut off is lost.
        let cut = whole.len() / 2;
        let outcome = Tool::new("coredump-json").stdin(whole[..cut].to_vec()).run().expect(1);
        let document = outcome.json();
        assert_eq!(document["threads"][0]["frames"].as_array().unwrap().len(), 1, "{name}");
        let captured = document["memories"][0]["captured_bytes"].as_u64().unwrap();
        assert!((cut as u64 - (128 << 10)..=cut as u64).contains(&captured), "{name}: {captured} of {cut} bytes");
        assert!(document["dump"]["incomplete"]["offset"].is_string(), "{name}");
        for length in [0, 1, 4, 6, 9, 40] {
            let outcome = Tool::new("coredump-json").stdin(whole[..length].to_vec()).run();
            assert!(matches!(outcome.code(), 1 | 2), "{name}, {length} bytes: {outcome:?}");
        }
    }
}
