//! Sends any bytes from LLDB while a small dump is served: the answers are packets, each with its checksum.
#![no_main]
#![allow(dead_code, missing_docs)]

use std::io::BufReader;
use std::sync::LazyLock;

use coredump_core::{Draft, Options, Store};
use libfuzzer_sys::fuzz_target;

#[path = "../../coredump-serve/src/gdb/mod.rs"]
mod gdb;
#[path = "../../coredump-serve/src/words.rs"]
mod words;

/// A dump of several memories, or one with debug info.
static SPACES: LazyLock<[gdb::Space; 2]> = LazyLock::new(|| {
    ["wat-multi-memory", "sum-O0"].map(|name| {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
        let draft = Draft::open(format!("{fixtures}/dumps/{name}.wasmtime.coredump")).expect("the fixture is a dump");
        let options = Options::default().symbol_path(format!("{fixtures}/modules"));
        gdb::Space::new(draft.find_binaries(&Store::new(), &options), None).expect("all threads can be served")
    })
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    // Whole streams, or lines that are made into packets.
    let input: Vec<u8> = if choice & 2 == 0 {
        rest.to_vec()
    } else {
        let packet = |line: &[u8]| {
            let sum = line.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            [b"$", line, format!("#{sum:02x}").as_bytes()].concat()
        };
        rest.split(|&byte| byte == b'\n').flat_map(packet).collect()
    };
    let mut output = Vec::new();
    let _ = gdb::Session::new(&SPACES[usize::from(choice & 1)]).serve(BufReader::new(&input[..]), &mut output);
    let mut rest = &output[..];
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'$' {
            assert!(matches!(first, b'+' | b'-'), "between packets there are acknowledgements");
            continue;
        }
        let end = rest.iter().position(|&byte| byte == b'#').expect("a packet ends");
        let sum = rest[..end].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(&rest[end + 1..end + 3], format!("{sum:02x}").as_bytes());
        rest = &rest[end + 3..];
    }
});
