//! A run that is cut short, and a folder that changes meanwhile: one dump is left, or none, and nothing beside it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use coredump_tests::{Tool, binary, fixture, scratch, skip_everywhere};

use super::read;
use super::signals::{send, until};

/// The names of the entries of a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Starts a program of this text, whose dump goes to `dumps/app.coredump` or, with a pattern, to a name like that.
fn start(folder: &Path, text: &str, options: &[&str]) -> Child {
    fs::create_dir(folder.join("dumps")).unwrap();
    fs::write(folder.join("app.wat"), text).unwrap();
    let mut run = Tool::new("coredump-run").args(options).arg("app.wat").into_command();
    run.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The files that a process has open and that have no name.
fn unnamed(process: u32) -> Vec<PathBuf> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let targets = open.filter_map(|file| fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().ends_with(" (deleted)")).collect()
}

/// A program that reads a file of 65 MiB, and dies with 256 MiB of memory.
const READER: &str = "(module
    (import \"wasi_snapshot_preview1\" \"path_open\"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import \"wasi_snapshot_preview1\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export \"memory\") 4096)
    (data (i32.const 8) \"file.bin\")
    (func (export \"_start\")
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 0) (i64.const 2)
            (i64.const 0) (i32.const 0) (i32.const 100)))
        (i32.store (i32.const 104) (i32.const 65536)) (i32.store (i32.const 108) (i32.const 0x100000))
        (loop $more
            (drop (call $read (i32.load (i32.const 100)) (i32.const 104) (i32.const 1) (i32.const 112)))
            (br_if $more (i32.load (i32.const 112))))
        (memory.fill (i32.const 65536) (i32.const 7) (i32.const 0xfff0000))
        unreachable))";

/// The recording is a file of its own here. It is whole before its dump is, but gets its name together with it.
#[test]
fn a_recording_without_its_dump_is_not_left() {
    let folder = scratch();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::File::create(folder.path().join("data/file.bin")).unwrap().set_len(65 << 20).unwrap();
    for _ in 0..20 {
        let options = ["-o", "dumps/%e.coredump", "--dir", "data::/"];
        let mut child = start(folder.path(), READER, &options);
        let dumps = folder.path().join("dumps");
        // The first dump has its name already. The recording and the second dump have none yet.
        let both = || {
            dumps.join("app.coredump").exists()
                && unnamed(child.id()).iter().filter(|file| file.starts_with(&dumps)).count() == 2
        };
        let ended = || !Path::new(&format!("/proc/{}/exe", child.id())).exists();
        until("second dump", || both() || ended());
        send("INT", &child);
        let code = child.wait().unwrap().code();
        let left = names(&dumps);
        let second = read(&dumps.join("app.coredump"))["process"]["detail"] == "replayed";
        assert_eq!(left.len(), if second { 2 } else { 1 }, "{left:?}");
        fs::remove_dir_all(&dumps).unwrap();
        if !second {
            assert_eq!(code, Some(134));
            return;
        }
    }
    panic!("no signal came in time");
}

/// Makes a file that is as old as that of a program which was killed two days ago.
fn old(path: &Path) {
    let days = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    fs::File::create(path).unwrap().set_modified(days).unwrap();
}

/// Dumps are removed by hand, and the files of their recordings forgotten.
#[test]
fn keep_removes_recordings_that_no_dump_names() {
    let folder = scratch();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::File::create(folder.path().join("data/file.bin")).unwrap().set_len(65 << 20).unwrap();
    let options = ["-q", "-o", "dumps/%e.%t.coredump", "--dir", "data::/"];
    let text = READER.replace("0xfff0000", "0");
    assert_eq!(start(folder.path(), &text, &options).wait().unwrap().code(), Some(134));
    let dumps = folder.path().join("dumps");
    // A dump that somebody keeps under another name still needs its recording.
    let (recordings, dump): (Vec<_>, Vec<_>) = names(&dumps).into_iter().partition(|name| name.ends_with(".recording"));
    let ([recording], [dump]) = (&recordings[..], &dump[..]) else { panic!("{recordings:?}, {dump:?}") };
    fs::rename(dumps.join(dump), dumps.join("kept")).unwrap();
    let days = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    fs::File::options().write(true).open(dumps.join(recording)).unwrap().set_modified(days).unwrap();

    let stay = ["other.7.8.recording", "app.7.recording", "app.7.8.9.recording", "app.x.8.recording"];
    let go = ["app.7.8.recording", "app.4000000000.1796128181230565191.recording"];
    stay.iter().chain(&go).for_each(|name| old(&dumps.join(name)));
    fs::write(dumps.join("app.7.9.recording"), "somebody may be about to need it").unwrap();
    symlink("kept", dumps.join("app.7.10.recording")).unwrap();
    let keep = || {
        let tool = Tool::new("coredump-run").args(["-q", "-o", "dumps/%e.new", "--keep", "1"]);
        tool.arg(folder.path().join("app.wasm")).in_folder(folder.path()).run().expect(134);
    };
    fs::copy(fixture("modules/wat-div.wasm"), folder.path().join("app.wasm")).unwrap();
    keep();
    let mut expected: Vec<&str> = stay.to_vec();
    expected.extend(["app.7.9.recording", "app.7.10.recording", "app.new", "kept", recording]);
    expected.sort_unstable();
    assert_eq!(names(&dumps), expected);

    // A dump whose beginning is damaged may be the one that names the recording.
    old(&dumps.join(go[0]));
    let cut = fs::read(dumps.join("kept")).unwrap();
    let process = cut.windows(16).position(|bytes| bytes == b"coredump.process").unwrap();
    fs::write(dumps.join("cut"), &cut[..process]).unwrap();
    keep();
    assert!(dumps.join(go[0]).exists());
}

/// The program is asked to end while it runs; it crashes before the run that replays it is where it was.
#[test]
fn a_program_that_crashes_while_it_is_being_stopped_leaves_one_dump() {
    // Floating-point work that takes much longer when it is instrumented.
    let work = "(local $n i32) (local.set $n (i32.const 300000000))
        (loop $more
            (f64.store (i32.const 0) (f64.add (f64.load (i32.const 0)) (f64.convert_i32_u (local.get $n))))
            (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))";
    let soon = "(local.set $n (i32.const 100000000))
        (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))";
    let text = format!(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 1)
            (data (i32.const 100) \"ready\\n\")
            (func (export \"_start\") {work}
                (i32.store (i32.const 8) (i32.const 100)) (i32.store (i32.const 12) (i32.const 6))
                (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 200)))
                {soon} unreachable))"
    );
    for options in [&["-o", "dumps/%e.coredump"][..], &["-o", "dumps/app.coredump"]] {
        let folder = scratch();
        let mut child = start(folder.path(), &text, options);
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        send("TERM", &child);
        let output = child.wait_with_output().unwrap();
        let dumps = folder.path().join("dumps");
        assert_eq!(names(&dumps), ["app.coredump"], "{output:?}");
        let kind = read(&dumps.join("app.coredump"))["reason"]["kind"].clone();
        let code = if kind == "signal" { 143 } else { 134 };
        assert_eq!(output.status.code(), Some(code), "{kind}: {output:?}");
    }
}

/// The folder of the first dump is moved while the program runs again, and a link has its name then.
#[test]
fn the_second_dump_is_where_the_first_one_is() {
    let text = "(module (memory (export \"memory\") 1)
        (func (export \"_start\") (local $n i64)
            (loop $more
                (local.set $n (i64.add (local.get $n) (i64.const 1)))
                (br_if $more (i64.lt_u (local.get $n) (i64.const 500000000))))
            unreachable))";
    for name in ["app.coredump", "%e.coredump"] {
        let folder = scratch();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("elsewhere")).unwrap();
        let child = start(folder.path(), text, &["-o", &format!("dumps/{name}")]);
        until("first dump", || path("dumps/app.coredump").exists());
        fs::rename(path("dumps"), path("moved")).unwrap();
        symlink("elsewhere", path("dumps")).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(134), "{output:?}");
        assert_eq!((names(&path("elsewhere")), names(&path("moved"))), (vec![], vec!["app.coredump".to_owned()]));
        assert_eq!(read(&path("moved/app.coredump"))["process"]["detail"], "replayed");
    }
}

/// On file systems that make every file have a name, as NFS does. Here it is the want of `/proc` that keeps a file from
/// being named later.
#[test]
fn a_signal_removes_a_file_that_needs_a_name() {
    let folder = scratch();
    let text = "(module (memory (export \"memory\") 8192)
        (func (export \"_start\") (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x20000000)) unreachable))";
    let mut run = start(folder.path(), text, &["-q", "--fast", "-o", "large"]);
    assert_eq!(run.wait().unwrap().code(), Some(134));
    let tool = |name: &str| binary(name).display().to_string();
    let commands = [
        format!("{} --image -o dumps/image large", tool("coredump-dump")),
        format!("{} -q --fast -o dumps/%e.coredump app.wat", tool("coredump-run")),
    ];
    for command in commands {
        for signal in ["INT", "HUP", "TERM"] {
            let script = format!("mount -t tmpfs none /proc && exec env --default-signal=HUP,INT {command}");
            let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
            let mut start = Command::new(unshare[0]);
            let start = start.args(&unshare[1..]).args(["sh", "-c", &script]).current_dir(folder.path());
            let mut child = start.stderr(Stdio::null()).spawn().unwrap();
            let dumps = folder.path().join("dumps");
            let mut status = None;
            until("file", || {
                status = child.try_wait().unwrap();
                status.is_some() || !names(&dumps).is_empty()
            });
            if status.is_some_and(|status| status.code() != Some(0)) && names(&dumps).is_empty() {
                return skip_everywhere("no namespace for a test without /proc");
            }
            send(signal, &child);
            let status = child.wait().unwrap();
            let number = [("INT", 2), ("HUP", 1), ("TERM", 15)].into_iter().find(|(name, _)| *name == signal);
            match names(&dumps).pop() {
                None => assert_eq!(status.signal(), number.map(|(_, number)| number), "{command}"),
                // It was whole before the signal came.
                Some(name) => assert!(!name.ends_with(".unfinished"), "{command}, {signal}: {name}"),
            }
            names(&dumps).iter().for_each(|name| fs::remove_file(dumps.join(name)).unwrap());
        }
    }
}
