//! Reads any bytes as the values of a component's call, for all forms of types in WASI: decoded values are encoded to
//! the same bytes again, showing them ends, and neither takes memory out of proportion to the bytes.
#![no_main]
#![allow(dead_code, unused_imports, missing_docs)]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;

#[path = "../../coredump-run/src/values/compound.rs"]
mod compound;
#[path = "../../coredump-run/src/values/encoding.rs"]
mod encoding;

use compound::{flags, kebab, records, variants};
use encoding::{Input, Value, Values};

#[derive(Debug)]
struct Time {
    seconds: u64,
    nanoseconds: u32,
}

#[derive(Debug)]
struct Stat {
    type_: Sort,
    links: u64,
    written: Option<Time>,
    data: Vec<u8>,
}

#[derive(Debug)]
enum Sort {
    Unknown,
    RegularFile,
    Socket,
}

#[derive(Debug)]
enum Address {
    Four((u8, u8, u8, u8)),
    Six((u16, u16, u16, u16, u16, u16, u16, u16)),
    Named(String),
    None,
}

/// As the binding generator makes flags of WIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open(u8);

impl Open {
    const CREATE: Open = Open(1);
    const EXCLUSIVE: Open = Open(2);
    const TRUNCATE: Open = Open(4);

    fn empty() -> Open {
        Open(0)
    }

    fn contains(self, other: Open) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Open {
    type Output = Open;

    fn bitor(self, other: Open) -> Open {
        Open(self.0 | other.0)
    }
}

records! {
    Time { seconds: u64, nanoseconds: u32 }
    Stat { type_: Sort, links: u64, written: Option<Time>, data: Vec<u8> }
}

variants! {
    Sort { Unknown, RegularFile, Socket }
    Address { Four((u8, u8, u8, u8)), Six((u16, u16, u16, u16, u16, u16, u16, u16)), Named(String), None }
}

flags! {
    Open { CREATE, EXCLUSIVE, TRUNCATE }
}

/// Reads the bytes as values of these types, and shows them.
fn try_as<T: Values + Debug>(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let read = T::read(&mut input);
    let whole = read.is_some() && input.is_over();
    if let Some(value) = read {
        let mut written = Vec::new();
        value.write(&mut written);
        // Numbers may have been written with leading zeros; from then on the bytes are the same.
        assert!(written.len() <= bytes.len(), "{value:?} takes more bytes than it was read from");
        let mut input = Input::new(&written);
        let again = T::read(&mut input).expect("what was written is read");
        assert!(input.is_over(), "{value:?} is read in part");
        assert_eq!(format!("{again:?}"), format!("{value:?}"));
        let mut same = Vec::new();
        again.write(&mut same);
        assert_eq!(same, written);
    }
    let texts = T::texts(bytes);
    let size: usize = texts.iter().map(String::len).sum();
    // The longest word for a byte is that of a case or of the fields of a record.
    assert!(size <= 256 + 96 * bytes.len(), "{size} bytes of text for {} bytes", bytes.len());
    if whole {
        assert!(!texts.iter().any(|text| text.ends_with('…')), "{texts:?}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 8 {
        0 => try_as::<(u64, bool, String)>(bytes),
        1 => try_as::<(Vec<(String, String)>,)>(bytes),
        2 => try_as::<(Result<Stat, Sort>,)>(bytes),
        3 => try_as::<(Vec<Address>, Open)>(bytes),
        4 => try_as::<(Vec<Option<Result<(u8, String), u32>>>,)>(bytes),
        5 => try_as::<(Result<(Vec<u8>, bool), Sort>, Option<Address>)>(bytes),
        6 => try_as::<(Vec<Vec<Vec<u16>>>,)>(bytes),
        _ => try_as::<(u16, u32, u8, Option<Time>, Vec<Time>, Sort, (u8, u8), String)>(bytes),
    }
});
