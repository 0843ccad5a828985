//! `coredump-dump` end to end: what it reads, finds and compares is what xxd, cmp, grep and strings see in the
//! extracted memory, and what the guests printed before they died.

use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, dump_builder as build, fixture, scratch, wasmtime_dump};

/// The guest in C whose statics are known from `sources/c/vars.c` and from what it printed.
const GUEST: &str = "vars-O0";

fn dump(args: &[&str]) -> Outcome {
    Tool::new("coredump-dump").args(args).arg("-m").arg(module(GUEST)).arg(wasmtime_dump(GUEST)).run()
}

fn module(name: &str) -> PathBuf {
    fixture(&format!("modules/{name}.wasm"))
}

/// The whole memory, extracted to a file.
fn image(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join("memory.bin");
    Tool::new("coredump-dump").args(["--image", "-o"]).arg(&path).arg(wasmtime_dump(name)).run().expect(0);
    path
}

/// Another program's output on a file; `None`, loudly, where the program is not installed.
fn peer(program: &str, args: &[&str], file: &Path) -> Option<Vec<u8>> {
    match std::process::Command::new(program).args(args).arg(file).output() {
        Ok(output) => Some(output.stdout),
        Err(error) => {
            coredump_tests::skip(&format!("{program}: {error}"));
            None
        }
    }
}

/// The lines of a listing as fields.
fn fields(outcome: &Outcome) -> Vec<Vec<&str>> {
    outcome.text().lines().map(|line| line.split('\t').collect()).collect()
}

/// Returns the value that the guest printed as `scope name = value`.
fn printed(name: &str) -> String {
    let text = std::fs::read_to_string(fixture(&format!("expected/{GUEST}.txt"))).unwrap();
    let prefix = format!("main ::{name} = ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap();
    line.to_owned()
}

#[test]
fn a_hex_dump_is_that_of_xxd() {
    let folder = scratch();
    let image = image(folder.path(), GUEST);
    for (range, skip, len) in [("0x400+256", 1024, 256), ("1030..0x555", 1030, 0x555 - 1030), ("0x11f00+7", 0x11f00, 7)]
    {
        let args = ["-g1", "-s", &skip.to_string(), "-l", &len.to_string()];
        let Some(expected) = peer("xxd", &args, &image) else { return };
        let ours = dump(&["--hex", "--no-squeeze", "--range", range]).expect(0);
        assert_eq!(ours.text(), String::from_utf8(expected).unwrap(), "{range}");
    }
}

#[test]
fn raw_bytes_are_those_of_the_image() {
    let folder = scratch();
    let image = std::fs::read(image(folder.path(), GUEST)).unwrap();
    assert_eq!(image.len(), 131072, "exactly the memory's size");
    let raw = dump(&["--raw", "--range", "0x400+100", "--range", "0x11000..0x12000"]).expect(0);
    assert_eq!(raw.stdout, [&image[0x400..0x464], &image[0x11000..0x12000]].concat());
    // A pipe gets raw bytes without being asked, and a whole image that is complete.
    assert_eq!(dump(&["--range", "0x400+100"]).expect(0).stdout, image[0x400..0x464]);
    assert_eq!(dump(&["--image"]).expect(0).stdout, image);
    let from_pipe =
        Tool::new("coredump-dump").args(["--image", "-"]).stdin(std::fs::read(wasmtime_dump(GUEST)).unwrap());
    assert_eq!(from_pipe.run().expect(0).stdout, image);
}

#[test]
fn an_image_of_all_of_a_64_bit_address_space_is_refused() {
    let folder = scratch();
    let pages = [vec![1, 4], build::leb(1 << 48)].concat();
    let dump = build::module(&[build::core("app"), build::section(5, &pages)]);
    let outcome = Tool::new("coredump-dump").args(["--image", "-o"]).arg(folder.path().join("image")).stdin(dump).run();
    assert!(outcome.stderr.contains("is larger than any file"), "{}", outcome.stderr);
    assert_eq!(outcome.code(), 2);
}

#[test]
fn an_image_is_sparse() {
    use std::os::unix::fs::MetadataExt;
    let folder = scratch();
    let metadata = std::fs::metadata(image(folder.path(), "trap")).unwrap();
    assert_eq!(metadata.len(), 17 << 16);
    assert!(metadata.blocks() * 512 < 256 * 1024, "{} blocks", metadata.blocks());
}

#[test]
fn large_segments_are_where_they_belong_in_an_image() {
    let noise: Vec<u8> = (0u32..3 << 20).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    // At 64, at 2 MiB and at 5 MiB: the first two are copied from file to file, the last is short.
    let segments = [(64, &noise[..1_100_000]), (2 << 20, &noise[1_100_000..3 << 20]), (5 << 20, &noise[7..107])];
    let at = segments.map(|(address, bytes)| (address as u32, bytes));
    let dump = build::module(&[build::core("x"), build::memory(96, None), build::data(&at)]);
    let folder = scratch();
    let path = folder.path().join("large.coredump");
    std::fs::write(&path, dump).unwrap();

    let mut expected = vec![0; 96 << 16];
    for (address, bytes) in segments {
        expected[address..address + bytes.len()].copy_from_slice(bytes);
    }
    let image = folder.path().join("memory.bin");
    Tool::new("coredump-dump").args(["--image", "-o"]).arg(&image).arg(&path).run().expect(0);
    assert!(std::fs::read(&image).unwrap() == expected);
    Tool::new("coredump-dump").args(["--image", "--fill", "0xaa", "-o"]).arg(&image).arg(&path).run().expect(0);
    let filled = std::fs::read(&image).unwrap();
    assert_eq!((filled[63], filled[64], filled.len()), (0xaa, expected[64], expected.len()));
    let second = 2 << 20..(2 << 20) + segments[1].1.len();
    assert!(filled[second.clone()] == expected[second.clone()] && filled[second.end] == 0xaa);

    // Standard output: from the start of a file with holes; appended to one, like any other output.
    let to = |options: &mut std::fs::OpenOptions| {
        let file = options.create(true).open(folder.path().join("redirected")).unwrap();
        let mut image = Tool::new("coredump-dump").args(["--image", "--fill", "0"]).arg(&path).into_command();
        let status = image.stdout(file).status().unwrap();
        (status.success(), std::fs::read(folder.path().join("redirected")).unwrap())
    };
    assert!(to(std::fs::OpenOptions::new().write(true)) == (true, expected.clone()));
    std::fs::remove_file(folder.path().join("redirected")).unwrap();
    assert!(to(std::fs::OpenOptions::new().append(true)) == (true, expected));
}

/// A dump of one page with `abc` at 16 that says nothing about the rest.
fn with_holes(folder: &Path) -> PathBuf {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.extend(b"\x00\x08\x04core\x00\x01x");
    bytes.extend(b"\x05\x03\x01\x00\x01");
    bytes.extend(b"\x0b\x09\x01\x00\x41\x10\x0b\x03abc");
    bytes.extend(b"\x00\x11\x09corestack\x00\x04main\x00");
    let path = folder.join("holes.coredump");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn what_is_not_captured_is_never_shown_as_zero() {
    let folder = scratch();
    let file = with_holes(folder.path());
    let run = |args: &[&str]| Tool::new("coredump-dump").args(args).arg(&file).run();
    assert_eq!(run(&["--raw", "--range", "16+3"]).expect(0).stdout, b"abc");
    let failed = run(&["--raw", "--range", "14+8"]).expect(2);
    assert!(failed.stderr.contains("the byte at 0xe"), "{}", failed.stderr);
    assert!(failed.stderr.contains("--fill"), "{}", failed.stderr);
    assert!(failed.stdout.is_empty());
    assert_eq!(run(&["--raw", "--range", "14+8", "--fill", "0xee"]).expect(0).stdout, b"\xee\xeeabc\xee\xee\xee");
    let hex = run(&["--hex", "--range", "8+16"]).expect(0);
    assert!(hex.text().starts_with("00000008: -- -- -- -- -- -- -- -- 61 62 63 -- -- -- -- --"), "{}", hex.text());
    assert!(run(&["--hex"]).expect(0).text().contains("not captured: 65504 bytes"));
    assert_eq!(
        run(&["--range", "16", "--format", "4u8"]).expect(1).text(),
        "0x00000010\t97\n0x00000011\t98\n0x00000012\t99\n0x00000013\tnot captured\n"
    );
    assert_eq!(run(&["--find", "0x00", "--count"]).expect(1).text(), "0\n");
    assert_eq!(run(&["--image"]).expect(2).code(), 2);
    let outcome = run(&[]).expect(0);
    let listed = fields(&outcome);
    let memory = listed.iter().find(|line| line[0] == "memory").unwrap();
    assert_eq!(memory[2..6], ["65536", "3", "0", "65533"]);
    assert!(listed.iter().any(|line| line.starts_with(&[
        "range",
        "0",
        "0x00000013",
        "0x00010000",
        "65517",
        "not captured"
    ])));
}

#[test]
fn hits_are_those_of_grep() {
    let folder = scratch();
    let image = image(folder.path(), GUEST);
    for text in ["global", "corner", "%", "tree->key"] {
        let Some(expected) = peer("grep", &["-obUaF", "--", text], &image) else { return };
        let expected = String::from_utf8(expected).unwrap();
        let expected: Vec<u64> =
            expected.lines().map(|line| line.split(':').next().unwrap().parse().unwrap()).collect();
        assert!(!expected.is_empty(), "{text} is there");
        let outcome = dump(&["--find", text]).expect(0);
        assert_eq!(addresses(&outcome), expected, "{text}");
        let outcome = dump(&["--regex", &text.replace('%', "[%]")]).expect(0);
        assert_eq!(addresses(&outcome), expected, "{text} as an expression");
        assert_eq!(dump(&["--find", text, "--count"]).expect(0).text(), format!("{}\n", expected.len()));
    }
    assert_eq!(dump(&["--find", "no such text", "--count"]).expect(1).text(), "0\n");
    assert_eq!(dump(&["--find", "global", "--limit", "2"]).expect(0).text().lines().count(), 2);
}

fn addresses(outcome: &Outcome) -> Vec<u64> {
    fields(outcome).iter().map(|line| u64::from_str_radix(&line[1][2..], 16).unwrap()).collect()
}

#[test]
fn ascii_texts_are_those_of_strings() {
    let folder = scratch();
    let image = image(folder.path(), GUEST);
    let Some(expected) = peer("strings", &["-a", "-n", "6", "-t", "d"], &image) else { return };
    let expected = String::from_utf8(expected).unwrap();
    let expected: Vec<(u64, &str)> = expected
        .lines()
        .map(|line| line.trim_start().split_once(' ').map(|(at, text)| (at.parse().unwrap(), text)).unwrap())
        .collect();
    let outcome = dump(&["--strings", "6"]).expect(0);
    let ours: Vec<(u64, String)> =
        addresses(&outcome).into_iter().zip(fields(&outcome).iter().map(|line| line[4].replace("\\t", "\t"))).collect();
    for (at, text) in &expected {
        // Ours knows UTF-8, so a text may begin or go on where ASCII ends.
        let found =
            ours.iter().any(|(start, whole)| start <= at && at - start <= whole.len() as u64 && whole.contains(text));
        assert!(found, "{text:?} at {at:#x}");
    }
    let ascii = ours.iter().filter(|(_, text)| text.is_ascii() && !text.starts_with("u\""));
    for (at, text) in ascii {
        assert!(expected.contains(&(*at, text.as_str())), "{text:?} at {at:#x}");
    }
}

#[test]
fn statics_have_the_values_that_the_guest_printed() {
    let counter = printed("global_counter");
    let read = dump(&["--range", "&global_counter", "--format", "i32"]).expect(0);
    assert_eq!(fields(&read)[0][1], counter);
    assert_eq!(dump(&["--print", "global_counter"]).expect(0).text(), format!("global_counter = {counter}\n"));
    let words = dump(&["--range", "global_words", "--format", "u32"]).expect(0);
    let words: Vec<_> = fields(&words).into_iter().map(|line| line[1]).map(str::to_owned).collect();
    assert_eq!(words, ["1", "4294967295", "3", "2147483648"], "the source's, of which two are printed");
    assert_eq!(printed("global_words[1]"), words[1]);
    let text = dump(&["--range", "global_text", "--format", "c-string"]).expect(0);
    assert_eq!(fields(&text)[0][1], printed("global_text"));
    let found = dump(&["--find-value", &format!("i32={counter}")]).expect(0);
    assert!(fields(&found).iter().any(|line| line[3] == "global_counter" && line[2] == ".data"), "{}", found.text());
}

#[test]
fn pointers_into_an_object_are_found() {
    let address = addresses(&dump(&["--find-value", "ptr=&root"]).expect(0));
    let outcome = dump(&["--refs", "root"]).expect(0);
    let all = addresses(&outcome);
    assert!(!address.is_empty() && address.iter().all(|at| all.contains(at)));
    assert!(fields(&outcome).iter().all(|line| line[4].contains("root")), "{}", outcome.text());
}

#[test]
fn an_address_is_told_what_it_belongs_to() {
    let outcome = dump(&["--whatis", "&global_words+4"]).expect(0);
    let text = outcome.text();
    assert!(text.contains("region\tdata .data"), "{text}");
    assert!(text.contains("symbol\tglobal_words (of 16 bytes"), "{text}");
    assert!(text.contains("0x4 bytes into it"), "{text}");
    assert!(text.contains("contents\tff ff ff ff 03 00 00 00"), "{text}");
    let stack = dump(&["--whatis", "$sp+4"]).expect(0);
    assert!(stack.text().contains("region\tstack"), "{}", stack.text());
}

#[test]
fn what_changed_since_the_start_is_listed_and_nothing_else() {
    let outcome = dump(&["--diff"]).expect(0);
    let lines = fields(&outcome);
    let of = |symbol: &str| lines.iter().filter(|line| line[4].starts_with(symbol)).count();
    // The source assigns to file_static, never to global_words.
    assert_eq!((of("file_static"), of("global_words"), of("global_text")), (1, 0, 0), "{}", outcome.text());
    assert!(lines.iter().all(|line| line[5] != line[6]), "old and new bytes differ");
    let same =
        Tool::new("coredump-dump").arg("--diff").args([wasmtime_dump(GUEST), wasmtime_dump(GUEST)]).run().expect(0);
    assert_eq!(same.text(), "");
}

#[test]
fn two_dumps_are_compared_byte_by_byte() {
    let folder = scratch();
    let mut bytes = std::fs::read(wasmtime_dump(GUEST)).unwrap();
    let at = bytes.windows(11).position(|window| window == b"global text").unwrap();
    bytes[at] = b'G';
    let changed = folder.path().join("changed.coredump");
    std::fs::write(&changed, bytes).unwrap();
    let tool = Tool::new("coredump-dump").arg("--diff").arg("-m").arg(module(GUEST));
    let outcome = tool.arg(wasmtime_dump(GUEST)).arg(&changed).run().expect(0);
    let lines = fields(&outcome);
    assert_eq!(lines.len(), 1, "{}", outcome.text());
    assert_eq!(lines[0][2..], ["1", ".data", "global_text", "67", "47"]);
}

#[test]
fn names_without_a_binary_say_what_to_do() {
    let folder = scratch();
    let alone = folder.path().join("alone.coredump");
    std::fs::copy(wasmtime_dump(GUEST), &alone).unwrap();
    let run = |args: &[&str]| Tool::new("coredump-dump").args(args).arg(&alone).in_folder(folder.path()).run();
    let failed = run(&["--range", "global_counter", "--hex"]).expect(2);
    assert!(failed.stderr.contains("global_counter") && failed.stderr.contains("-m FILE"), "{}", failed.stderr);
    // A wrong binary is no binary.
    let wrong = module("sum-O0");
    let failed = run(&["--range", "global_counter", "--hex", "-m", wrong.to_str().unwrap()]).expect(2);
    assert!(failed.stderr.contains("does not belong") || failed.stderr.contains("no binary fits"), "{}", failed.stderr);
}

#[test]
fn bad_usage_and_bad_input_are_told_in_one_line() {
    assert_eq!(dump(&["--range", "0x200..0x100"]).expect(64).stderr.lines().count(), 1);
    let outside = dump(&["--range", "0x1fff0+64"]).expect(2);
    assert!(outside.stderr.contains("ends at 0x20000"), "{}", outside.stderr);
    dump(&["--find", "0xabc"]).expect(64);
    dump(&["--hex", "--globals"]).expect(64);
    dump(&["--format", "i31", "--range", "0"]).expect(64);
    dump(&["--memory", "7"]).expect(0);
    let none = dump(&["--memory", "7", "--hex"]).expect(2);
    assert!(none.stderr.contains("there is no memory 7"), "{}", none.stderr);
    Tool::new("coredump-dump").arg(module(GUEST)).run().expect(2);
    Tool::new("coredump-dump").arg("/").run().expect(2);
    Tool::new("coredump-dump").stdin("").run().expect(2);
}

#[test]
fn a_dump_cut_anywhere_is_listed_or_refused() {
    let bytes = std::fs::read(wasmtime_dump("wat-multi-memory")).unwrap();
    for end in 0..bytes.len() {
        let outcome = Tool::new("coredump-dump").stdin(&bytes[..end]).run();
        assert!([0, 1, 2].contains(&outcome.code()), "{end}: {outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{end}: {outcome:?}");
    }
}

#[test]
fn a_picture_shows_every_part_and_is_valid_xml() {
    let folder = scratch();
    let svg = folder.path().join("map.svg");
    dump(&["--map", "-o", svg.to_str().unwrap()]).expect(0);
    let text = std::fs::read_to_string(&svg).unwrap();
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    for part in [".rodata", ".data", "stack", "heap"] {
        assert!(text.contains(part), "{part}");
    }
    let drawn = dump(&["--map"]).expect(0);
    assert!(drawn.text().contains("Memory 0: 128 KiB") && drawn.text().contains(".rodata"), "{}", drawn.text());
    assert!(!drawn.text().contains('\x1b'), "no colours in a pipe");
}

#[test]
fn the_listing_tells_why_also_where_the_producer_did_not() {
    let outcome = dump(&[]).expect(0);
    let fact = |name: &str| {
        let facts = fields(&outcome);
        facts.into_iter().find(|line| line[0] == "process" && line[1] == name).map(|line| line[2].to_owned())
    };
    assert_eq!(fact("reason").as_deref(), Some("integer-divide-by-zero"));
    assert_eq!(fact("told by").as_deref(), Some("inferred"));
    assert!(fact("message").is_some_and(|message| message.starts_with("i32.div_s by zero")), "{outcome:?}");
}

#[test]
fn tiny_and_huge_floats_keep_to_their_column() {
    let folder = scratch();
    let module = folder.path().join("floats.wat");
    let text = r#"(module (memory 1) (data (i32.const 8) "\01\00\00\00\00\00\00\00\ff\ff\ff\ff\ff\ff\ef\7f") (func (export "_start") unreachable))"#;
    std::fs::write(&module, text).unwrap();
    let dump = folder.path().join("floats.coredump");
    Tool::new("coredump-run").args(["--quiet", "-o"]).arg(&dump).arg(&module).run().expect(134);
    let outcome = Tool::new("coredump-dump").args(["--range", "8", "--format", "2f64"]).arg(&dump).run().expect(0);
    assert_eq!(outcome.text(), "0x00000008\t5e-324\n0x00000010\t1.7976931348623157e308\n");
}

#[test]
fn one_wrong_expression_keeps_no_other_back_and_is_told_where_it_would_be_right() {
    let counter = printed("global_counter");
    let outcome = dump(&["--print", "only_here", "--print", "global_counter"]).expect(1);
    assert_eq!(outcome.text(), format!("global_counter = {counter}\n"));
    assert!(outcome.stderr.contains("only_here: no variable `only_here` is in scope here"), "{}", outcome.stderr);
    // vars.c: `only_here` belongs to `scopes`, which called the youngest frame's `divide`.
    assert!(outcome.stderr.contains("hint: frame 1 sees it: --frame 1\n"), "{}", outcome.stderr);
    let outcome = dump(&["--print", "(", "--print", "nowhere"]).expect(2);
    assert!(outcome.stdout.is_empty() && !outcome.stderr.contains("hint:"), "{}", outcome.stderr);
    let told: Vec<_> = outcome.stderr.lines().filter(|line| line.starts_with("coredump-dump: ")).collect();
    assert_eq!(told.len(), 2, "{}", outcome.stderr);
}

#[test]
fn a_mistaken_option_of_where_binaries_are_is_told() {
    let named = |option: &str, value: &Path| {
        let tool = Tool::new("coredump-dump").arg("--globals").arg(option).arg(value).arg(wasmtime_dump(GUEST));
        tool.args(["-m"]).arg(module(GUEST)).run()
    };
    let outcome = named("--symbols-path", Path::new("missing/folder")).expect(0);
    assert!(outcome.stderr.contains("warning: --symbols-path missing/folder: no such folder\n"), "{}", outcome.stderr);
    // As of coredump-bt: a binary that was named and not used leaves the work half done.
    let outcome = named("-m", &module("ab")).expect(1);
    assert!(outcome.stderr.contains("ab.wasm"), "{}", outcome.stderr);
}

/// `-q` leaves out what is said of binaries, and changes nothing else.
#[test]
fn quiet_leaves_out_notes_about_binaries() {
    let said = |options: &[&str]| {
        let module = format!("other={}", fixture("modules/vars-O0.wasm").display());
        let tool = Tool::new("coredump-dump").args(options).args(["--whatis", "1024", "-m", &module]);
        tool.arg(wasmtime_dump("sum-O0")).run().expect(1)
    };
    let (loud, quiet) = (said(&[]), said(&["-q"]));
    assert!(loud.stderr.contains("no module of this dump needs it"), "{loud:?}");
    assert_eq!((quiet.stderr.as_str(), quiet.stdout), ("", loud.stdout));
}
