//! Tests patterns, programs and the names of other files in the folder: a name that was made from a pattern is
//! recognised, also by another process. The bytes after them are the beginning of a dump.
#![no_main]
#![allow(dead_code, missing_docs)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use libfuzzer_sys::fuzz_target;

#[path = "../../coredump-capture/src/head.rs"]
mod head;
#[path = "../../coredump-capture/src/pattern.rs"]
mod pattern;

use pattern::{Pattern, Values, numbered, program_name};

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(5, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (text, program, numbers, other, dump) = (line(), line(), line(), line(), line());
    let _ = head::Head::read(dump);

    let digits = |number: &[u8]| {
        let digits: String = number.iter().filter(|byte| byte.is_ascii_digit()).map(|&byte| byte as char).collect();
        digits.get(..digits.len().min(10)).filter(|digits| !digits.is_empty()).unwrap_or("7").to_owned()
    };
    let (first, second) = numbers.split_at(numbers.len() / 2);
    let values = |process: &[u8], time: &[u8]| Values {
        program: program_name(&String::from_utf8_lossy(program)),
        process: digits(process),
        time: digits(time),
        host: "host".to_owned(),
    };
    let (one, another) = (values(first, second), values(second, first));
    let pattern = Pattern::new(OsString::from_vec(text.to_vec()));
    let _ = pattern.can_have_made(OsStr::from_bytes(other), &one);
    let path = pattern.path(&one);
    // A name with a slash at its end, or of a folder, is none that a file gets.
    let Some(name) = path.file_name().filter(|name| path.as_os_str().as_bytes().ends_with(name.as_bytes())) else {
        return;
    };
    // A name that is nothing but `.zst` has no extension.
    let extended = name.as_bytes()[1..].contains(&b'.');
    for number in [0, 1, 1000, u128::from(u64::MAX)] {
        let name = numbered(name, number);
        assert!(pattern.can_have_made(&name, &one), "{name:?} is a name of the pattern");
        assert!(pattern.can_have_made(&name, &another), "{name:?} is one in every process");
        if pattern.compression().is_some() && extended {
            assert!(
                name.as_bytes().ends_with(b".zst") || name.as_bytes().ends_with(b".gz"),
                "{name:?} keeps its extension"
            );
        }
    }
});
