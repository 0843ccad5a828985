//! `--replay`: a dump's program runs again anywhere, and says who wrote what.

use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, fixture, scratch};
use tempfile::TempDir;

use super::{Run, frames, memory, read};

/// A dump of the fixture `written`, whose first argument says which bug it shows, in a folder of its own.
fn crash(bug: &str) -> (TempDir, PathBuf) {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let tool = Tool::new("coredump-run").arg("-o").arg(&dump).arg(fixture("modules/written.wasm")).arg(bug);
    tool.in_folder(folder.path()).run().expect(134);
    (folder, dump)
}

fn wat(text: &str, stdin: &str) -> (TempDir, PathBuf) {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    std::fs::write(folder.path().join("app.wat"), text).unwrap();
    let tool = Tool::new("coredump-run").args(["-o", "app.coredump", "app.wat"]);
    tool.in_folder(folder.path()).stdin(stdin.to_owned()).run().expect(134);
    (folder, dump)
}

fn replay(dump: &Path, options: &[&str]) -> Outcome {
    Tool::new("coredump-run").arg("--replay").arg(dump).args(options).run()
}

/// The line of the source that a comment marks, as `file:line`.
fn guilty(bug: &str) -> String {
    let source = std::fs::read_to_string(fixture("sources/c/written.c")).unwrap();
    let mark = format!("guilty line of \"{bug}\"");
    let line = source.lines().position(|line| line.contains(&mark)).unwrap() + 1;
    format!("written.c:{line}:")
}

#[test]
fn a_dump_runs_again_to_the_same_crash_in_another_folder() {
    let (folder, dump) = crash("freed");
    // The module is in the dump's record; without it, it must be named.
    let elsewhere = scratch();
    let moved = elsewhere.path().join("moved.coredump");
    std::fs::rename(&dump, &moved).unwrap();
    drop(folder);
    let again = elsewhere.path().join("again.coredump");
    let outcome = replay(&moved, &["-o", again.to_str().unwrap()]).expect(134);
    assert!(outcome.stderr.contains("it ended as in the dump"), "{}", outcome.stderr);
    let (first, second) = (read(&moved), read(&again));
    for key in ["threads", "memories", "globals", "tables", "signature", "reason"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    assert_eq!(second["process"]["replay"]["verified"], true);
}

#[test]
fn without_a_recording_that_is_said() {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let program = fixture("modules/written.wasm");
    Tool::new("coredump-run").args(["--no-recording", "-o"]).arg(&dump).arg(program).arg("freed").run().expect(134);
    let outcome = replay(&dump, &[]);
    assert!(outcome.stderr.contains("holds no recording"), "{outcome:?}");
    assert_ne!(outcome.status.code(), Some(134));
}

#[test]
fn a_recording_that_was_altered_is_refused_with_its_offset() {
    let (_folder, dump) = crash("freed");
    let mut bytes = std::fs::read(&dump).unwrap();
    // The recording is the last section.
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&dump, &bytes).unwrap();
    let outcome = replay(&dump, &[]);
    assert!(outcome.stderr.contains("altered") && outcome.stderr.contains("(offset 0x"), "{outcome:?}");
    bytes.truncate(last - 3);
    std::fs::write(&dump, &bytes).unwrap();
    let outcome = replay(&dump, &[]);
    assert!(outcome.stderr.contains("(offset 0x"), "{outcome:?}");
}

/// The last write is found through a stale pointer, beyond an array, and over a variable on the stack.
#[test]
fn the_last_write_names_the_guilty_line() {
    for (bug, bytes, options, function) in [
        ("freed", "account->balance", &[][..], "#0 note"),
        ("overrun", "table.limit", &[][..], "#0 overrun"),
        ("stack", "target", &[][..], "#1 clear"),
    ] {
        let (_folder, dump) = crash(bug);
        let outcome = replay(&dump, &[&["--last-write", bytes], options].concat()).expect(0);
        let text = outcome.text().to_owned();
        let line = text.lines().find(|line| line.trim_start().starts_with(function)).unwrap_or_default();
        assert!(line.contains(&guilty(bug)), "{bug}: {text}");
        // By its address it is the same, but for what the bytes mean.
        let address = text.split(['(', ')']).nth(1).unwrap().to_owned();
        let again = replay(&dump, &["--last-write", &address]).expect(0);
        let bytes = |text: &str| {
            let bytes = |line: &str| line.split(" = ").next().unwrap().to_owned();
            text.lines().skip(1).map(bytes).collect::<Vec<_>>()
        };
        assert_eq!(bytes(again.text()), bytes(&text));
        assert!(!again.text().contains(" = ") && text.contains(" = "), "{text}");
    }
}

#[test]
fn a_dump_of_that_moment_has_everything() {
    let (folder, dump) = crash("freed");
    let moment = folder.path().join("moment.coredump");
    let options = ["--last-write", "account->balance", "-o", moment.to_str().unwrap()];
    let text = replay(&dump, &options).expect(0).text().to_owned();
    assert!(text.contains("after:  00 ff ff ff = 0xffffff00"), "{text}");
    let document = read(&moment);
    assert_eq!(document["reason"]["kind"], "watchpoint");
    assert_eq!(frames(&document)[0]["function"], "note");
    let address = text.split(['(', '+']).nth(1).unwrap();
    let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
    assert_eq!(memory(&moment, 0, address, 4), [0, 0xff, 0xff, 0xff]);
    let variables = Tool::new("coredump-bt").args(["--locals", "--frame", "0"]).arg(&moment).run();
    assert!(variables.text().contains("words: unsigned int *"), "{variables:?}");
}

/// Every instruction that writes: its function is named after it, and the last byte of its bytes is read by nobody
/// else.
#[test]
fn every_instruction_that_writes_is_found() {
    for (writes, before, after) in [
        ("(i32.store offset=4 (i32.const 96) (i32.const 7))", "00 00 00 00", "07 00 00 00"),
        ("(i32.store8 offset=5 (i32.const 96) (i32.const 7))", "00 00 00 00", "00 07 00 00"),
        ("(i64.store (i32.const 97) (i64.const -1))", "00 00 00 00", "ff ff ff ff"),
        ("(i64.store16 (i32.const 103) (i64.const -1))", "00 00 00 00", "00 00 00 ff"),
        ("(f32.store (i32.const 100) (f32.const 1))", "00 00 00 00", "00 00 80 3f"),
        ("(f64.store (i32.const 96) (f64.const 1))", "00 00 00 00", "00 00 f0 3f"),
        ("(v128.store (i32.const 90) (i32x4.splat (i32.const -1)))", "00 00 00 00", "ff ff ff ff"),
        ("(v128.store8_lane 3 (i32.const 102) (i32x4.splat (i32.const -1)))", "00 00 00 00", "00 00 ff 00"),
        ("(memory.fill (i32.const 50) (i32.const 9) (i32.const 52))", "00 00 00 00", "09 09 00 00"),
        ("(memory.copy (i32.const 101) (i32.const 200) (i32.const 2))", "00 00 00 00", "00 61 62 00"),
        ("(memory.init $abc (i32.const 99) (i32.const 0) (i32.const 3))", "00 00 00 00", "62 63 00 00"),
        ("(i32.atomic.store8 offset=3 (i32.const 99) (i32.const 7))", "00 00 00 00", "00 00 07 00"),
        ("(drop (i64.atomic.rmw.sub (i32.const 96) (i64.const 1)))", "00 00 00 00", "ff ff ff ff"),
        ("(drop (i32.atomic.rmw16.xchg_u (i32.const 102) (i32.const -1)))", "00 00 00 00", "00 00 ff ff"),
        ("(drop (i32.atomic.rmw.cmpxchg (i32.const 100) (i32.const 0) (i32.const 9)))", "00 00 00 00", "09 00 00 00"),
    ] {
        let text = format!(
            "(module (memory (export \"memory\") 1)
                (data (i32.const 200) \"ab\") (data $abc \"abc\")
                (func $near (i32.store (i32.const 96) (i32.const -1)) (i32.store (i32.const 104) (i32.const -1)))
                (func $clear (i32.store (i32.const 96) (i32.const 0)) (i32.store (i32.const 104) (i32.const 0)))
                (func $writes (local $unused i64) {writes})
                (func $same (i32.store (i32.const 100) (i32.load (i32.const 100))))
                (func (export \"_start\") (call $near) (call $clear) (call $writes) (call $same) (call $near) unreachable))"
        );
        let (_folder, dump) = wat(&text, "");
        let outcome = replay(&dump, &["--last-write", "0x64+4"]).expect(0);
        let text = outcome.text();
        assert!(text.contains("#0 writes\n") && text.contains("#1 _start\n"), "{writes}: {text}");
        assert!(text.contains(&format!("before: {before}\nafter:  {after}\n")), "{writes}: {text}");
    }
}

const READS: &str = "(module
    (import \"wasi_snapshot_preview1\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export \"memory\") 1)
    (data (i32.const 0) \"\\64\\00\\00\\00\\08\\00\\00\\00\")
    (func $ask (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16))))
    (func (export \"_start\") (i32.store (i32.const 100) (i32.const 1)) (call $ask) unreachable))";

#[test]
fn a_write_of_the_host_is_told_with_its_call() {
    let (_folder, dump) = wat(READS, "hello");
    let text = replay(&dump, &["--last-write", "100+4"]).expect(0).text().to_owned();
    assert!(text.contains("by wasi_snapshot_preview1::fd_read of the host, call 1"), "{text}");
    assert!(text.contains("#0 ask\n  #1 _start\n"), "{text}");
    assert!(text.contains("before: 01 00 00 00\nafter:  68 65 6c 6c\n"), "{text}");
    let all = replay(&dump, &["--writes", "100+4"]).expect(0).text().to_owned();
    let lines: Vec<_> = all.lines().collect();
    assert_eq!(lines[0], "0x64+4: 2 changes");
    assert!(lines[1].contains("00 00 00 00 -> 01 00 00 00  _start at "), "{all}");
    assert!(
        lines[2].contains("01 00 00 00 -> 68 65 6c 6c  wasi_snapshot_preview1::fd_read of the host, call 1"),
        "{all}"
    );
}

#[test]
fn what_nobody_wrote_is_no_guess() {
    let (_folder, dump) = wat(READS, "hello");
    let outcome = replay(&dump, &["--last-write", "0x200+4"]).expect(1);
    assert!(outcome.text().contains("nothing changed 0x200+4"), "{outcome:?}");
    assert!(replay(&dump, &["--last-write", "0x10000+4"]).stderr.contains("outside of the memory"));
    assert!(replay(&dump, &["--last-write", "100+0"]).stderr.contains("can be watched"));
}

#[test]
fn all_writes_are_listed_with_their_lines() {
    let (_folder, dump) = crash("overrun");
    let text = replay(&dump, &["--writes", "table.limit"]).expect(0).text().to_owned();
    let guilty = guilty("overrun");
    let line = guilty.trim_end_matches(':');
    assert_eq!(text.lines().filter(|change| change.contains(line)).count(), 4, "{text}");
    assert!(text.lines().nth(1).unwrap().contains("written.c:39"), "{text}");
}

/// An expression's value before and after, as its type has it.
#[test]
fn values_are_spelled_out_as_their_types_have_them() {
    let (_folder, dump) = crash("overrun");
    let text = replay(&dump, &["--last-write", "table"]).expect(0).text().to_owned();
    let values: Vec<_> = text.lines().filter_map(|line| line.split_once(" = ")).collect();
    assert!(values[1].1.contains("name = ") && values[1].1.contains("limit = 0xffffffff"), "{text}");
    assert!(values[0].0.starts_with("before: ") && values[0].1.contains("limit = 0xffffff"), "{text}");
}

#[test]
fn writes_to_another_memory_are_found() {
    let text = "(module (memory (export \"memory\") 1) (memory $other 1)
        (func $both (i32.store $other (i32.const 16) (i32.const 7)) (i32.store (i32.const 16) (i32.const 8)))
        (func (export \"_start\") (call $both) unreachable))";
    let (_folder, dump) = wat(text, "");
    let text = replay(&dump, &["--last-write", "1:16+4"]).expect(0).text().to_owned();
    assert!(text.starts_with("1:0x10+4 was last changed here:\n  #0 both\n  #1 _start\n"), "{text}");
    assert!(text.ends_with("before: 00 00 00 00\nafter:  07 00 00 00\n"), "{text}");
    let text = replay(&dump, &["--last-write", "0:16+4"]).expect(0).text().to_owned();
    assert!(text.ends_with("after:  08 00 00 00\n"), "{text}");
    assert!(replay(&dump, &["--last-write", "2:16+4"]).stderr.contains("the program has no memory 2"));
}

/// Ends that rewritten code comes to at another place: the last write before them is found all the same.
#[test]
fn the_last_write_before_a_stack_overflow_and_the_end_of_fuel() {
    let overflow = "(module (memory (export \"memory\") 1) (global $depth (mut i32) (i32.const 0))
        (func $deep (param i32) (result i32)
            (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
            (if (i32.and (global.get $depth) (i32.const 1))
                (then (i32.store (i32.const 16) (global.get $depth))))
            (i32.add (call $deep (local.get 0)) (local.get 0)))
        (func (export \"_start\") (drop (call $deep (i32.const 1)))))";
    let fuel = "(module (memory (export \"memory\") 1)
        (func $count (local $n i32)
            (loop $more
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 10)))
                    (then (i32.store (i32.const 16) (local.get $n))))
                (br $more)))
        (func (export \"_start\") (call $count)))";
    for (text, options, function) in [(overflow, &[][..], "deep"), (fuel, &["--fuel", "100000"][..], "count")] {
        let run = Run::wat(options, text).expect(134);
        let last = memory(&run.dump, 0, 16, 4);
        let found = replay(&run.dump, &["--last-write", "16+4"]).expect(0).text().to_owned();
        let youngest: Vec<_> = found.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(youngest, ["#0", function], "{found}");
        let last: Vec<_> = last.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(found.ends_with(&format!("after:  {}\n", last.join(" "))), "{found}");
        assert_ne!(last[0], "00");
        let all = replay(&run.dump, &["--writes", "16+4"]).expect(0).text().to_owned();
        assert!(all.lines().last().unwrap().contains(&format!("-> {}  {function}", last.join(" "))), "{all}");
    }
}

/// The line of a source that holds a text, as `file:line`.
fn line_of(source: &str, text: &str) -> String {
    let lines = std::fs::read_to_string(fixture(source)).unwrap();
    let line = lines.lines().position(|line| line.contains(text)).unwrap() + 1;
    format!("{}:{line}", Path::new(source).file_name().unwrap().to_str().unwrap())
}

/// In a component its own code writes, that of the adapter, and the host, which brings results into the memory.
#[test]
fn the_last_write_to_the_memory_of_a_component_is_found() {
    let (folder, source) = (scratch(), "sources/component/curious.c");
    super::replay::curious(folder.path(), &[]).expect(134);
    let dump = folder.path().join("app.coredump");
    let program = fixture("modules/component-curious.wasm");
    let asked = |options: &[&str]| {
        let tool = Tool::new("coredump-run").arg("--replay").arg(&dump).args(options).arg(&program);
        tool.in_folder(folder.path()).run()
    };
    let last = asked(&["--last-write", "answers.missing"]).expect(0);
    let text = last.text();
    assert!(text.contains(&line_of(source, "a->missing = errno")), "{text}");
    assert!(text.contains("before: 00 00 00 00 = 0\nafter:  2c 00 00 00 = 44"), "{text}");
    // The third one: a folder has itself, the one above it, and its file.
    let last = asked(&["--last-write", "answers.entries", "-o", "then.coredump"]).expect(0);
    assert!(last.text().contains(&line_of(source, "a->entries++")), "{last:?}");
    assert!(last.text().contains("= 2\nafter:  03 00 00 00 = 3"), "{last:?}");
    let then = read(&folder.path().join("then.coredump"));
    assert_eq!(then["reason"]["kind"], "watchpoint");
    assert_eq!(frames(&then)[0]["function"], "ask");
    let writes = asked(&["--writes", "answers.entries"]).expect(0);
    assert_eq!(writes.text().matches(&line_of(source, "a->entries++")).count(), 3, "{writes:?}");
    assert!(writes.text().contains("3 changes"), "{writes:?}");
    // The host writes the bytes that are read from a file.
    let last = asked(&["--last-write", "answers.text", "-o", "read.coredump"]).expect(0);
    assert!(last.text().contains(" of the host, call "), "{last:?}");
    assert!(last.text().contains(&line_of(source, "read(fd, a->text")), "{last:?}");
    assert_eq!(memory_text(&folder.path().join("read.coredump"), "answers.text"), "answers.text = \"0123456789abcde\"");
}

fn memory_text(dump: &Path, expression: &str) -> String {
    let frame = Tool::new("coredump-dump").args(["--print", expression, "--frame", "3"]).arg(dump).run().expect(0);
    frame.text().trim().to_owned()
}

#[test]
fn a_name_of_another_frame_says_of_which() {
    let (_folder, dump) = crash("stack");
    // `clobbered` dies, and `main` has been given the count.
    let unknown = replay(&dump, &["--last-write", "argc"]).expect(125);
    assert!(unknown.stderr.contains("hint: frame 1, in main, knows it: --frame 1\n"), "{unknown:?}");
    let known = replay(&dump, &["--last-write", "argc", "--frame", "1"]).expect(0);
    assert!(known.stdout.starts_with(b"argc (0x"), "{known:?}");
    let nobody = replay(&dump, &["--last-write", "nothing"]).expect(125);
    assert!(!nobody.stderr.contains("--frame"), "{nobody:?}");
}

/// The user who runs a program of somebody else's dump again bounds what it may take.
#[test]
fn time_and_memory_of_a_program_that_runs_again_are_bounded() {
    let text = r#"(module (memory 1)
        (func (export "_start") (local $left i64)
            (drop (memory.grow (i32.const 63)))
            (local.set $left (i64.const 2_000_000_000))
            (loop $again
                (local.set $left (i64.sub (local.get $left) (i64.const 1)))
                (br_if $again (i64.ne (local.get $left) (i64.const 0))))
            unreachable))"#;
    let (_folder, dump) = wat(&text.replace("2_000_000_000", "10"), "");
    replay(&dump, &["--max-memory", "4m"]).expect(134);
    let outcome = replay(&dump, &["--max-memory", "1m"]).expect(125);
    assert!(outcome.stderr.contains("memory"), "{outcome:?}");
    let (_folder, dump) = wat(text, "");
    let outcome = replay(&dump, &["--timeout", "100ms"]).expect(124);
    assert!(outcome.stderr.contains("ended by --timeout, before the program was where it ended"), "{outcome:?}");
}

/// A dump of somebody else's opens no file that it names: neither the program nor the recording.
#[test]
fn a_dump_that_is_not_trusted_leads_to_no_file() {
    let (_folder, dump) = crash("freed");
    let outcome = replay(&dump, &["--untrusted"]).expect(125);
    assert!(outcome.stderr.contains("the program that was recorded is not found"), "{outcome:?}");
    let program = fixture("modules/written.wasm");
    replay(&dump, &["--untrusted", program.to_str().unwrap()]).expect(134);
    // The module that the dump holds itself is not elsewhere.
    let folder = scratch();
    let whole = folder.path().join("app.coredump");
    let tool = Tool::new("coredump-run").args(["--embed-modules", "-o"]).arg(&whole).arg(&program).arg("freed");
    tool.run().expect(134);
    replay(&whole, &["--untrusted"]).expect(134);
}
