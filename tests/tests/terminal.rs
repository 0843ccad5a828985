//! The tools behave differently if a person reads along: they print help instead of waiting for a dump to be typed, use
//! colours and columns, and write no raw bytes. `script` of util-linux lends its terminal.

use std::path::Path;

use coredump_tests::{Outcome, Tool, binary, fixture, scratch, wasmtime_dump};

/// Runs a tool on a terminal; `None`, loudly, where `script` is not installed.
fn on_terminal(tool: &str, args: &[&str], environment: &[(&str, &str)]) -> Option<Outcome> {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        coredump_tests::skip("script is not on PATH");
        return None;
    }
    let quoted = args.iter().map(|arg| format!(" '{arg}'")).collect::<String>();
    let command = format!("stty cols 80 rows 24; '{}'{quoted}", binary(tool).display());
    let script = Tool::other("script").args(["-q", "-e", "-c"]).arg(command).arg("/dev/null");
    let script = script.env("TERM", "xterm").env("SHELL", "/bin/sh");
    Some(environment.iter().fold(script, |script, (key, value)| script.env(key, value)).run())
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn without_a_file_the_help_is_shown() {
    for tool in ["coredump-run", "coredump-bt", "coredump-json", "coredump-dump"] {
        let Some(outcome) = on_terminal(tool, &[], &[]) else { return };
        let outcome = outcome.expect(0);
        assert!(outcome.text().contains(&format!("Usage: {tool} [options]")), "{}", outcome.text());
    }
}

#[test]
fn colours_are_for_terminals_unless_they_are_not_wanted() {
    let dump = wasmtime_dump("sum-O0");
    for tool in ["coredump-bt", "coredump-json", "coredump-dump"] {
        let Some(outcome) = on_terminal(tool, &[path(&dump)], &[]) else { return };
        assert!(outcome.text().contains('\x1b'), "{tool}: {}", outcome.text());
        for (args, environment) in [(&["--color=never"][..], &[][..]), (&[], &[("NO_COLOR", "1")])] {
            let args: Vec<_> = args.iter().copied().chain([path(&dump)]).collect();
            let outcome = on_terminal(tool, &args, environment).expect("script is there");
            assert!(!outcome.text().contains('\x1b'), "{tool} {args:?} {environment:?}: {}", outcome.text());
        }
        // A pipe gets them on demand only, and its tab-separated lines never.
        let hex = if tool == "coredump-dump" { &["--hex", "--range=0x400+16"][..] } else { &[] };
        let piped = |args: &[&str]| Tool::new(tool).args(args).args(hex).arg(&dump).run().text().contains('\x1b');
        assert!(!piped(&["--color=auto"]) && piped(&["--color=always"]), "{tool}");
        assert!(piped(&["--color=always", "-o", "-"]), "{tool}: `-o -` is standard output");
    }
}

#[test]
fn the_report_of_a_crash_has_colours_there_too() {
    let module = fixture("modules/sum-O0.wasm");
    let report = |args: &[&str], environment: &[(&str, &str)]| {
        let folder = scratch();
        let dump = folder.path().join("app.coredump");
        let args: Vec<_> = ["-o", path(&dump)].iter().chain(args).copied().chain([path(&module)]).collect();
        on_terminal("coredump-run", &args, environment).map(|outcome| outcome.expect(134).text().to_owned())
    };
    let Some(colored) = report(&[], &[]) else { return };
    assert!(colored.contains("\x1b[33mdivide\x1b[0m at \x1b[32msrc/c/sum.c\x1b[0m:25:29"), "{colored}");
    for (args, environment) in [(&["--color=never"][..], &[][..]), (&[], &[("NO_COLOR", "1")])] {
        let plain = report(args, environment).expect("script is there");
        assert!(plain.contains("divide at src/c/sum.c:25:29"), "{plain}");
    }
}

#[test]
fn a_long_replay_says_how_far_it_is() {
    let folder = scratch();
    let program = folder.path().join("app.wat");
    let text = "(module (memory (export \"memory\") 1)
        (func (export \"_start\") (local $n i64)
            (loop $more
                (local.set $n (i64.add (local.get $n) (i64.const 1)))
                (br_if $more (i64.lt_u (local.get $n) (i64.const 1000000000))))
            unreachable))";
    std::fs::write(&program, text).unwrap();
    let dump = folder.path().join("app.coredump");
    let args = ["-o", path(&dump), path(&program)];
    let Some(outcome) = on_terminal("coredump-run", &args, &[]) else { return };
    let text = outcome.expect(134).text().to_owned();
    assert!(text.contains("\rthe program runs again: 0 of 0 calls of the host, "), "{text}");
    // The line is gone before anything else is said.
    let (_, behind) = text.rsplit_once("calls of the host").unwrap();
    assert!(behind.contains("\r\x1b[Kcoredump-run: "), "{behind:?}");
    let Some(quiet) = on_terminal("coredump-run", &["-q", args[0], args[1], args[2]], &[]) else { return };
    assert!(!quiet.text().contains("runs again"), "{}", quiet.text());
}

#[test]
fn raw_bytes_do_not_go_there() {
    let dump = wasmtime_dump("sum-O0");
    let module = fixture("modules/wat-unreachable.wasm");
    let folder = scratch();
    let document = folder.path().join("app.json");
    let json = Tool::new("coredump-json").args(["--memory", "base64"]).arg(&dump).arg("-o").arg(&document).run();
    assert!(json.code() < 2);
    let cases = [
        ("coredump-dump", vec!["--image", path(&dump)]),
        ("coredump-dump", vec!["--raw", "--range", "0+64", path(&dump)]),
        ("coredump-json", vec!["--encode", path(&document)]),
        ("coredump-run", vec!["-o", "-", path(&module)]),
    ];
    for (tool, args) in cases {
        let Some(outcome) = on_terminal(tool, &args, &[]) else { return };
        assert!(outcome.code() >= 2, "{tool} {args:?}: {outcome:?}");
        assert!(outcome.text().contains("terminal"), "{tool} {args:?}: {}", outcome.text());
        assert!(!outcome.stdout.contains(&0), "{tool} {args:?}");
    }
}

#[test]
fn a_listing_has_columns_there_and_leaves_out_those_that_are_empty() {
    let dump = wasmtime_dump("sum-O0");
    let module = fixture("modules/sum-O0.wasm");
    let args = ["--color=never", "-m", path(&module), path(&dump)];
    let Some(outcome) = on_terminal("coredump-dump", &args, &[]) else { return };
    let text = outcome.text().replace("\r\n", "\n");
    assert!(text.contains("\nMemories\n"), "{text}");
    let heading = text.lines().skip_while(|line| *line != "Modules").nth(1).expect("the columns of modules");
    // wasmtime records no hash and embeds nothing.
    assert!(heading.contains("binary") && !heading.contains("sha256") && !heading.contains("embedded"), "{heading}");
}
