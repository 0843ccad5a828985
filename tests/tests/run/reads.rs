//! The bytes that a recorded program reads from files are in the dump, whatever becomes of the file.

use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use coredump_tests::{Outcome, Tool, fixture, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{memory, read};

/// A program that does `before`, reads its file in pieces of 10,000 bytes, does `after`, and dies with what it read in
/// a local.
fn program(before: &str, after: &str) -> String {
    let functions = [
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
        ("path_unlink_file", "i32 i32 i32"),
        ("fd_close", "i32"),
        ("fd_pread", "i32 i32 i32 i64 i32"),
        ("fd_read", "i32 i32 i32 i32"),
        ("fd_renumber", "i32 i32"),
        ("fd_seek", "i32 i64 i32 i32"),
        ("fd_write", "i32 i32 i32 i32"),
    ];
    let import = |(name, parameters): (&str, &str)| {
        format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {parameters}) (result i32)))")
    };
    let imports = functions.map(import).join("\n");
    format!(
        r#"(module {imports}
        (memory (export "memory") 4)
        (global $sum (mut i64) (i64.const 0))
        (data (i32.const 8) "file.bin")
        (data (i32.const 200) "ready\n")
        (func $no_errno (param $errno i32) (if (local.get $errno) (then (unreachable))))
        ;; The file's descriptor. Rights: 0x6 to read and seek, 0x44 to write and seek; flags: 8 truncates.
        (func $open (param $flags i32) (param $rights i64) (result i32)
            (call $no_errno (call $path_open (i32.const 3) (i32.const 1) (i32.const 8) (i32.const 8)
                (local.get $flags) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 100)))
            (i32.load (i32.const 100)))
        ;; A list of one buffer at 104; the number of bytes goes to 112.
        (func $buffer (param $address i32) (param $len i32)
            (i32.store (i32.const 104) (local.get $address)) (i32.store (i32.const 108) (local.get $len)))
        (func $add (global.set $sum
            (i64.add (i64.mul (global.get $sum) (i64.const 31)) (i64.load (i32.const 65536)))))
        (func $read_all (param $fd i32)
            (loop $more
                (call $buffer (i32.const 65536) (i32.const 10000))
                (call $no_errno (call $fd_read (local.get $fd) (i32.const 104) (i32.const 1) (i32.const 112)))
                (call $add)
                (br_if $more (i32.load (i32.const 112)))))
        (func $read_at (param $fd i32) (param $offset i64)
            (call $buffer (i32.const 80000) (i32.const 5000))
            (call $no_errno
                (call $fd_pread (local.get $fd) (i32.const 104) (i32.const 1) (local.get $offset) (i32.const 112))))
        (func $write (param $fd i32)
            (call $buffer (i32.const 8) (i32.const 8))
            (call $no_errno (call $fd_write (local.get $fd) (i32.const 104) (i32.const 1) (i32.const 112))))
        (func $wait
            (call $buffer (i32.const 200) (i32.const 6))
            (call $no_errno (call $fd_write (i32.const 1) (i32.const 104) (i32.const 1) (i32.const 112)))
            (call $buffer (i32.const 300) (i32.const 1))
            (call $no_errno (call $fd_read (i32.const 0) (i32.const 104) (i32.const 1) (i32.const 112))))
        (func $die (param $sum i64) (unreachable))
        (func (export "_start") (local $fd i32)
            {before}
            (local.set $fd (call $open (i32.const 0) (i64.const 0x6)))
            (call $read_all (local.get $fd))
            (call $read_at (local.get $fd) (i64.const 12345))
            {after}
            (call $die (global.get $sum))))"#
    )
}

/// The bytes of the file: no two parts of it are alike.
fn contents() -> Vec<u8> {
    (0..40_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// A folder with a program and its file.
fn folder(before: &str, after: &str) -> TempDir {
    let folder = scratch();
    std::fs::write(folder.path().join("app.wat"), program(before, after)).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/file.bin"), contents()).unwrap();
    folder
}

fn tool(folder: &Path, options: &[&str]) -> Tool {
    let tool = Tool::new("coredump-run").args(["-o", "app.coredump", "--dir", "data::/"]).args(options);
    tool.arg("app.wat").in_folder(folder)
}

fn run(before: &str, after: &str, options: &[&str]) -> (TempDir, PathBuf, Outcome) {
    let folder = folder(before, after);
    let outcome = tool(folder.path(), options).stdin("x").run().expect(134);
    let dump = folder.path().join("app.coredump");
    (folder, dump, outcome)
}

/// The state of the program without its path: each runs in a folder of its own.
fn state(dump: &Path) -> Value {
    let mut state = super::replay::state(dump);
    state["modules"] = Value::Null;
    state
}

/// Ways in which a program may treat the file that it reads.
const WAYS: [(&str, &str, &str); 8] = [
    ("leaves it alone", "", ""),
    ("deletes it", "", "(call $no_errno (call $path_unlink_file (i32.const 3) (i32.const 8) (i32.const 8)))"),
    ("overwrites its beginning", "", "(call $write (call $open (i32.const 0) (i64.const 0x44)))"),
    ("truncates it", "", "(call $write (call $open (i32.const 8) (i64.const 0x44)))"),
    (
        "overwrites what it opened before",
        "(local.set $fd (call $open (i32.const 0) (i64.const 0x44))) (call $no_errno (call $fd_seek (local.get $fd) (i64.const 0) (i32.const 0) (i32.const 120)))",
        "(call $write (i32.sub (local.get $fd) (i32.const 1)))",
    ),
    (
        "overwrites and reads it again",
        "",
        "(call $write (call $open (i32.const 0) (i64.const 0x44))) (call $read_at (local.get $fd) (i64.const 0)) (call $add)",
    ),
    (
        "opens it twice",
        "(call $read_all (call $open (i32.const 0) (i64.const 0x6)))",
        "(call $no_errno (call $fd_close (local.get $fd))) (call $read_all (call $open (i32.const 0) (i64.const 0x6)))",
    ),
    (
        "moves its descriptor",
        "",
        "(drop (call $open (i32.const 0) (i64.const 0x6))) (call $no_errno (call $fd_renumber (local.get $fd) (i32.add (local.get $fd) (i32.const 1)))) (call $read_at (i32.add (local.get $fd) (i32.const 1)) (i64.const 777))",
    ),
];

#[test]
fn what_was_read_from_a_file_is_replayed_whatever_the_program_does_to_it() {
    for (way, before, after) in WAYS {
        let (_kept, live, _) = run(before, after, &["--live"]);
        for options in [&[][..], &["--no-recording"]] {
            let (folder, replayed, outcome) = run(before, after, options);
            assert_eq!(state(&replayed), state(&live), "{way}, {options:?}: {outcome:?}");
            assert_eq!(
                read(&replayed)["process"]["replay"]["verified"],
                json!(true),
                "{way}, {options:?}: {outcome:?}"
            );
            if !options.is_empty() {
                continue;
            }
            // Without the file, its folder, and everything else.
            let elsewhere = scratch();
            let again = Tool::new("coredump-run").args(["-o", "again.coredump", "--replay"]).arg(&replayed);
            std::fs::remove_dir_all(folder.path().join("data")).unwrap();
            again.arg(folder.path().join("app.wat")).in_folder(elsewhere.path()).run().expect(134);
            assert_eq!(state(&elsewhere.path().join("again.coredump")), state(&live), "{way}");
        }
    }
}

#[test]
fn a_recording_refers_to_what_was_read_until_the_dump_is_written() {
    let (_folder, dump, _) = run("", "", &[]);
    let contents = contents();
    assert_eq!(memory(&dump, 0, 80_000, 5000), contents[12_345..17_345]);
    // The limit is that of the recording while the program runs, and of the one in the dump: here what was read fits in
    // neither.
    let (_folder, dump, outcome) = run("", "", &["--record-limit", "20k"]);
    let document = read(&dump);
    assert_eq!(document["process"]["replay"]["verified"], json!(true), "{outcome:?}");
    assert!(outcome.stderr.contains("will hold no recording"), "{outcome:?}");
    let sections = document["sections"].as_array().unwrap();
    assert!(sections.iter().all(|section| section["name"] != "coredump.recording"));
    // Before the program changes the file, it must be copied.
    let (_folder, dump, outcome) = run("", WAYS[3].2, &["--record-limit", "20k"]);
    assert_eq!(read(&dump)["process"]["detail"], "none");
    assert!(outcome.stderr.contains("--record-limit"), "{outcome:?}");
}

/// A program that reads its standard input as well, which is the same file, from its byte 1000 on.
#[test]
fn standard_input_that_is_a_file_is_referred_to_as_well() {
    let run = |after: &str, options: &[&str]| {
        let folder = folder("(call $read_all (i32.const 0))", after);
        let mut input = std::fs::File::open(folder.path().join("data/file.bin")).unwrap();
        input.seek(std::io::SeekFrom::Start(1000)).unwrap();
        let mut command = tool(folder.path(), options).into_command();
        let output = command.current_dir(folder.path()).stdin(input).output().unwrap();
        assert_eq!(output.status.code(), Some(134), "{output:?}");
        let dump = folder.path().join("app.coredump");
        (folder, dump, String::from_utf8(output.stderr).unwrap())
    };
    for after in ["", WAYS[3].2] {
        let (_kept, live, _) = run(after, &["--live"]);
        for options in [&[][..], &["--no-recording"]] {
            let (folder, dump, words) = run(after, options);
            assert_eq!(state(&dump), state(&live), "{options:?}: {words}");
            assert_eq!(read(&dump)["process"]["replay"]["verified"], json!(true), "{options:?}: {words}");
            if options.is_empty() {
                std::fs::remove_dir_all(folder.path().join("data")).unwrap();
                let again = Tool::new("coredump-run").args(["-o", "again.coredump", "--replay"]).arg(&dump);
                again.in_folder(folder.path()).run().expect(134);
                assert_eq!(state(&folder.path().join("again.coredump")), state(&live));
            }
        }
    }
    // The bytes that were read fit in no recording.
    let (_kept, dump, words) = run("", &["--record-limit", "20k"]);
    assert_eq!(read(&dump)["process"]["replay"]["verified"], json!(true), "{words}");
    assert!(words.contains("will hold no recording"), "{words}");
}

/// Runs a program whose file `change` changes after it was read.
fn changed_by(change: impl FnOnce(&Path), options: &[&str]) -> (TempDir, String) {
    let folder = folder("", "(call $wait)");
    let mut command = tool(folder.path(), options).into_command();
    command.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    change(&folder.path().join("data/file.bin"));
    drop(child.stdin.take());
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(134));
    (folder, words)
}

#[test]
fn a_file_that_somebody_else_changed_leaves_the_first_dump_and_is_named() {
    let shorter = |file: &Path| std::fs::File::options().write(true).open(file).unwrap().set_len(100_000).unwrap();
    let other = |file: &Path| {
        let mut bytes = contents();
        bytes[123_456] ^= 1;
        std::fs::write(file, bytes).unwrap();
    };
    for options in [&[][..], &["--no-recording"]] {
        for change in [&shorter as &dyn Fn(&Path), &other] {
            let (folder, words) = changed_by(change, options);
            assert!(words.contains("file.bin: it has changed since the program read it"), "{words}");
            assert_eq!(read(&folder.path().join("app.coredump"))["process"]["detail"], "none");
        }
        // Bytes that were not read may change, and so may the file's times, its name, and the target of its name.
        let longer = |file: &Path| std::fs::write(file, [contents(), vec![1; 1000]].concat()).unwrap();
        let replaced = |file: &Path| {
            std::fs::rename(file, file.with_extension("old")).unwrap();
            std::fs::write(file, "other").unwrap();
        };
        for change in [&longer as &dyn Fn(&Path), &replaced] {
            let (folder, words) = changed_by(change, options);
            let replay = &read(&folder.path().join("app.coredump"))["process"]["replay"];
            assert_eq!(replay["verified"], json!(true), "{words}");
        }
    }
}

/// A program that reads a file which is longer than what a dump holds itself.
fn large() -> TempDir {
    let folder = folder("", "");
    let file = std::fs::File::options().write(true).open(folder.path().join("data/file.bin")).unwrap();
    file.set_len(65 << 20).unwrap();
    folder
}

/// Names of the files in a folder that end so.
fn names(folder: &Path, end: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).collect()
}

#[test]
fn a_large_recording_is_a_file_beside_the_dump() {
    let folder = large();
    let run = |pattern: &str, options: &[&str]| {
        let tool = Tool::new("coredump-run").args(["-o", pattern, "--dir", "data::/"]).args(options).arg("app.wat");
        tool.in_folder(folder.path()).run().expect(134)
    };
    run("app.coredump", &[]);
    let recordings = names(folder.path(), ".recording");
    let [recording] = &recordings[..] else { panic!("{recordings:?}") };
    let dump = read(&folder.path().join("app.coredump"));
    assert_eq!(dump["process"]["replay"]["file"], json!(recording));
    assert!(std::fs::metadata(folder.path().join("app.coredump")).unwrap().len() < 1 << 20);
    // Both are needed, in one folder.
    let elsewhere = scratch();
    let moved = |name: &str| std::fs::copy(folder.path().join(name), elsewhere.path().join(name)).unwrap();
    moved("app.coredump");
    let again_with = |options: &[&str]| {
        let tool = Tool::new("coredump-run").args(options).args(["-o", "again.coredump", "--replay", "app.coredump"]);
        tool.arg(folder.path().join("app.wat")).in_folder(elsewhere.path()).run()
    };
    let again = || again_with(&[]);
    let missing = again().expect(125);
    assert!(missing.stderr.contains(recording) && missing.stderr.contains("in the same folder"), "{missing:?}");
    moved(recording);
    let refused = again_with(&["--untrusted"]).expect(64);
    assert!(refused.stderr.contains("the recording is in a file that the dump names"), "{refused:?}");
    again().expect(134);
    assert_eq!(state(&elsewhere.path().join("again.coredump")), state(&folder.path().join("app.coredump")));
    // A recording that was altered or cut off is refused, with the offset in it.
    let path = elsewhere.path().join(recording);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(3 << 20) + 5] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let altered = again().expect(125);
    assert!(altered.stderr.contains(recording) && altered.stderr.contains("offset 0x300000"), "{altered:?}");
    std::fs::write(&path, &bytes[..1 << 20]).unwrap();
    assert!(again().expect(125).stderr.contains("cut off"));
    // It goes when its dump goes.
    for _ in 0..3 {
        run("%e.%t.dump", &["--keep", "1"]);
    }
    assert_eq!(names(folder.path(), ".dump").len(), 1);
    let dump = read(&folder.path().join(&names(folder.path(), ".dump")[0]));
    let mut expected = vec![recording.clone(), dump["process"]["replay"]["file"].as_str().unwrap().to_owned()];
    let mut left = names(folder.path(), ".recording");
    expected.sort();
    left.sort();
    assert_eq!(left, expected);
}

/// The same of a component, whose reads are lists that its streams return.
#[test]
fn what_a_component_read_from_a_file_is_referred_to_as_well() {
    let folder = scratch();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/file.bin"), contents()).unwrap();
    let run = |dump: &str, options: &[&str]| {
        let tool = Tool::new("coredump-run").args(["-o", dump, "--dir", "data::/"]).args(options);
        let tool = tool.arg(fixture("modules/component-reads.wasm")).arg("file.bin").in_folder(folder.path());
        (folder.path().join(dump), tool.run().expect(134))
    };
    let (live, _) = run("live.coredump", &["--live"]);
    let expected = super::replay::state(&live);
    // 160 kB are read; what the recording takes of its own fits in the limit, and what it refers to does not.
    for (name, options) in [("whole", &[][..]), ("none", &["--no-recording"]), ("short", &["--record-limit", "40k"])] {
        let (dump, outcome) = run(name, options);
        assert_eq!(super::replay::state(&dump), expected, "{name}: {outcome:?}");
        assert_eq!(read(&dump)["process"]["replay"]["verified"], json!(true), "{name}: {outcome:?}");
    }
    // In the dump are the bytes themselves: it is run again without the file.
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let again = Tool::new("coredump-run").args(["-o", "again", "--replay", "whole"]).in_folder(folder.path());
    again.run().expect(134);
    assert_eq!(super::replay::state(&folder.path().join("again")), expected);
}

/// The same of its standard input, from byte 1000 of a file on.
#[test]
fn what_a_component_read_from_a_file_on_its_standard_input_is_referred_to_as_well() {
    let folder = scratch();
    let file = folder.path().join("file.bin");
    std::fs::write(&file, contents()).unwrap();
    let run = |dump: &str, options: &[&str]| {
        let mut input = std::fs::File::open(&file).unwrap();
        input.seek(std::io::SeekFrom::Start(1000)).unwrap();
        let tool = Tool::new("coredump-run").args(["-o", dump]).args(options);
        let mut command = tool.arg(fixture("modules/component-reads.wasm")).arg("-").into_command();
        let output = command.current_dir(folder.path()).stdin(input).output().unwrap();
        assert_eq!(output.status.code(), Some(134), "{output:?}");
        folder.path().join(dump)
    };
    let expected = super::replay::state(&run("live.coredump", &["--live"]));
    for (name, options) in [("whole", &[][..]), ("none", &["--no-recording"]), ("short", &["--record-limit", "40k"])] {
        let dump = run(name, options);
        assert_eq!(super::replay::state(&dump), expected, "{name}");
        assert_eq!(read(&dump)["process"]["replay"]["verified"], json!(true), "{name}");
    }
    std::fs::remove_file(&file).unwrap();
    let again = Tool::new("coredump-run").args(["-o", "again", "--replay", "whole"]).in_folder(folder.path());
    again.run().expect(134);
    assert_eq!(super::replay::state(&folder.path().join("again")), expected);
}
