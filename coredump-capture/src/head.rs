//! What the start of a dump says: whose it is, and when it was written.

use std::io::Read;

use coredump_core::compressed;
use coredump_core::extension;
use coredump_core::model::Process;

/// Bytes at the start of a dump that are looked at, packed and unpacked.
const HEAD: u64 = 256 * 1024;

/// The start of a dump.
#[derive(Debug, Default)]
pub struct Head {
    /// The program, from the `core` section, which our dumps begin with.
    pub executable: Option<String>,
    /// When it was written, from `coredump.process`.
    pub time: Option<String>,
}

impl Head {
    /// Reads the start of a file, which may be compressed; `None` if it is no dump.
    pub fn read(file: impl Read) -> Option<Head> {
        let mut bytes = Vec::new();
        // What is cut there, or damaged, gives what comes before that.
        let _ = compressed::reader(file.take(HEAD)).ok()?.take(HEAD).read_to_end(&mut bytes);
        let mut rest = bytes.strip_prefix(b"\0asm\x01\0\0\0")?;
        let mut head = Head::default();
        while let Some((contents, behind)) = section(rest) {
            match contents {
                Some((b"core", contents)) => {
                    let (len, name) = leb(contents.strip_prefix(b"\0")?)?;
                    head.executable = std::str::from_utf8(name.get(..len)?).ok().map(str::to_owned);
                }
                Some((name, contents)) if name == extension::PROCESS.as_bytes() => {
                    head.time = serde_json::from_slice::<Process>(contents).ok().and_then(|process| process.time);
                    break;
                }
                _ => {}
            }
            rest = behind;
        }
        head.executable.is_some().then_some(head)
    }
}

/// A custom section's name and contents.
type Custom<'b> = Option<(&'b [u8], &'b [u8])>;

/// The first section, if it is there as a whole, and what follows.
fn section(bytes: &[u8]) -> Option<(Custom<'_>, &[u8])> {
    let (id, bytes) = bytes.split_first()?;
    let (len, bytes) = leb(bytes)?;
    let (contents, rest) = bytes.split_at_checked(len)?;
    if *id != 0 {
        return Some((None, rest));
    }
    let (len, contents) = leb(contents)?;
    Some((contents.split_at_checked(len), rest))
}

/// An unsigned LEB128 of at most five bytes, and what follows.
fn leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}
