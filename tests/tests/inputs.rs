//! Inputs that are not what they seem: pipes, devices, files of procfs, links, files that change while they are read.
//! None of them ends a tool, holds it up, or keeps it from the inputs that follow.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use coredump_tests::dump_builder::{self as build, frame};
use coredump_tests::{Outcome, Tool, fixture, scratch, wasmtime_dump};

const READERS: [&str; 3] = ["coredump-bt", "coredump-json", "coredump-dump"];

/// Address space that a tool needs at most, in kilobytes.
const ROOM: u32 = 2_000_000;

fn fifo(path: &Path) {
    Tool::other("mkfifo").arg(path).run().expect(0);
}

fn lines(outcome: &Outcome) -> Vec<serde_json::Value> {
    outcome.text().lines().map(|line| serde_json::from_str(line).expect("a line is a document")).collect()
}

/// The kernel's log says that it is regular and empty, and a reader waits for what it logs next.
#[cfg(target_os = "linux")]
#[test]
fn a_source_map_that_is_a_file_of_procfs_is_empty() {
    for url in ["/proc/kmsg", "/proc/self/pagemap", "/proc/kcore", "/dev/zero"] {
        let folder = scratch();
        let wasm = folder.path().join("sum-stripped.wasm");
        let mut module = std::fs::read(fixture("modules/sum-stripped.wasm")).unwrap();
        module.extend(build::custom("sourceMappingURL", &build::name(url)));
        std::fs::write(&wasm, module).unwrap();
        let link = folder.path().join("sum-stripped.wasm.map");
        symlink(url, &link).unwrap();
        for options in [&[][..], &["--untrusted"]] {
            let outcome = Tool::bounded("coredump-bt", ROOM)
                .arg(wasmtime_dump("sum-stripped"))
                .arg("-m")
                .arg(&wasm)
                .args(options)
                .run();
            let outcome = outcome.expect(0);
            assert!(outcome.text().contains("#0 "), "{url}: {}", outcome.text());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_binary_beside_the_dump_that_is_a_link_to_procfs_is_passed_over() {
    for (name, target) in [("sum-O0.wasm", "/proc/self/pagemap"), ("other.wasm", "/proc/kcore"), ("pipe.wasm", "fifo")]
    {
        let folder = scratch();
        let dump = folder.path().join("sum-O0.coredump");
        std::fs::copy(wasmtime_dump("sum-O0"), &dump).unwrap();
        fifo(&folder.path().join("fifo"));
        symlink(target, folder.path().join(name)).unwrap();
        for tool in READERS {
            for options in [&[][..], &["--untrusted"]] {
                let outcome = Tool::bounded(tool, ROOM).args(options).arg(&dump).in_folder(folder.path()).run();
                assert!(matches!(outcome.code(), 0 | 1), "{tool} {target}: {outcome:?}");
            }
        }
    }
}

#[test]
fn an_untrusted_dump_finds_no_binary_through_a_link_out_of_its_folder() {
    let folder = scratch();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let dump = inner.join("sum-O0.coredump");
    std::fs::copy(wasmtime_dump("sum-O0"), &dump).unwrap();
    std::fs::copy(fixture("modules/sum-O0.wasm"), folder.path().join("outside.wasm")).unwrap();
    symlink("../outside.wasm", inner.join("sum-O0.wasm")).unwrap();
    let show = |options: &[&str]| Tool::new("coredump-bt").args(options).arg(&dump).in_folder(folder.path()).run();
    assert!(show(&[]).expect(0).text().contains("src/c/sum.c:25:29"));
    assert!(!show(&["--untrusted"]).expect(1).text().contains(".c:"));
    let named = show(&["--untrusted", "--symbols-path", folder.path().to_str().unwrap()]);
    assert!(named.expect(0).text().contains("src/c/sum.c:25:29"), "a folder that the user names is searched");
}

#[test]
fn a_pipe_among_many_dumps_that_nobody_writes_to_holds_nothing_up() {
    let folder = scratch();
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    let good = wasmtime_dump("ab");
    let json = Tool::new("coredump-json").arg("--ndjson").arg(&good).arg(&pipe).arg(&good).run().expect(1);
    let found = lines(&json);
    assert_eq!((found[0]["version"].as_i64(), found[2]["version"].as_i64()), (Some(1), Some(1)));
    assert_eq!(found[1]["error"]["kind"], "io");
    assert!(found[1]["error"]["message"].as_str().unwrap().contains("no process writes to this pipe"));
    let walked = Tool::new("coredump-json").arg("--ndjson").arg(folder.path()).run().expect(1);
    assert!(walked.stderr.contains("no dump found"), "in a folder a pipe is no dump: {walked:?}");
    let brief = Tool::new("coredump-bt").arg("--brief").arg(&good).arg(&pipe).arg(&good).run().expect(1);
    assert_eq!(brief.text().lines().count(), 2, "{brief:?}");
}

#[test]
fn a_pipe_among_many_dumps_that_somebody_writes_to_is_read() {
    let dump = wasmtime_dump("ab");
    let script = format!(
        "exec {} --ndjson {dump} <(sleep 0.2; cat {dump}) {dump}",
        coredump_tests::binary("coredump-json").display(),
        dump = dump.display()
    );
    let outcome = Tool::other("bash").args(["-c", &script]).run().expect(0);
    assert_eq!(lines(&outcome).len(), 3);
}

/// A sparse file costs whoever makes it nothing.
#[test]
fn large_modules_beside_a_dump_are_not_hashed() {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let identity = format!("[{{\"digest\": \"{}\"}}]", "0f".repeat(32));
    let modules = [build::coremodules(&["app"]), build::custom("coredump.modules", identity.as_bytes())].concat();
    let stack = build::standard_stack(&[frame(0, 1, &[])]);
    std::fs::write(&dump, build::module(&[build::core("app"), modules, build::coreinstances(&[(0, &[], &[])]), stack]))
        .unwrap();
    for number in 0..40 {
        let mut module = std::fs::File::create(folder.path().join(format!("{number}.wasm"))).unwrap();
        module.write_all(b"\0asm\x01\0\0\0").unwrap();
        // A custom section of nearly 4 GiB.
        module.write_all(&[&[0], &build::leb(0xfff0_0000)[..], &[1, b'x']].concat()).unwrap();
        module.set_len(8 + 6 + 0xfff0_0000).unwrap();
    }
    for tool in READERS {
        let outcome = Tool::new(tool).arg(&dump).in_folder(folder.path()).run();
        assert!(matches!(outcome.code(), 0 | 1), "{tool}: {outcome:?}");
    }
}

/// The tool maps the first dump and waits for the second, a pipe; meanwhile the first is cut.
#[test]
fn a_dump_that_shrinks_while_it_is_read_is_an_error_and_the_next_is_read() {
    let folder = scratch();
    let large = folder.path().join("large.coredump");
    let contents = vec![7u8; 8 << 20];
    let stack = build::standard_stack(&[frame(0, 1, &[])]);
    let dump = build::module(&[build::core("app"), build::memory(256, None), build::data(&[(0, &contents)]), stack]);
    std::fs::write(&large, &dump).unwrap();
    let output = folder.path().join("fifo");
    fifo(&output);
    let good = wasmtime_dump("ab");
    // Its output blocks when the pipe is full, in the middle of the first document.
    let script = format!(
        "{} --ndjson --memory base64 {} {} > {} & exec 3< {}; head -c 100000 <&3 > /dev/null; truncate -s 100000 {}; cat <&3; wait $!; echo \"exit $?\"",
        coredump_tests::binary("coredump-json").display(),
        large.display(),
        good.display(),
        output.display(),
        output.display(),
        large.display(),
    );
    let outcome = Tool::other("bash").args(["-c", &script]).run().expect(0);
    let text = String::from_utf8_lossy(&outcome.stdout);
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    assert_eq!(last[0], "exit 1", "{:.300}", last.join("\n"));
    assert!(last[1].starts_with("{\"version\":1"), "the next dump is read: {:.300}", last[1]);
    let error: serde_json::Value = serde_json::from_str(last[2]).expect("the error has a line of its own");
    assert_eq!(error["error"]["message"], "a file became shorter while it was read");
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_like_a_full_disk() {
    let folder = scratch();
    for (tool, options) in [
        ("coredump-json", &["--memory", "base64"][..]),
        ("coredump-dump", &["--image"]),
        ("coredump-dump", &["--raw", "--fill", "1"]),
        ("coredump-bt", &["--locals"]),
    ] {
        let script = format!("ulimit -f 1; exec {} \"$@\"", coredump_tests::binary(tool).display());
        let out = folder.path().join("out");
        let tool = Tool::other("sh").args(["-c", &script, "sh"]).args(options).arg("-o").arg(&out);
        let outcome = tool
            .arg(fixture("dumps/rust-vars-O0.wasmtime.coredump"))
            .arg("-m")
            .arg(fixture("modules/rust-vars-O0.wasm"))
            .run();
        let outcome = outcome.expect(2);
        assert!(outcome.stderr.contains("File too large"), "{options:?}: {}", outcome.stderr);
        assert!(!out.exists(), "{options:?}: nothing is left");
    }
}
