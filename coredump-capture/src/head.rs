//! Reads the start of a dump, which says to which program it belongs and when it was written.

use std::io::Read;

use coredump_core::compressed;
use coredump_core::extension;
use coredump_core::model::Process;
use wasmparser::BinaryReader;

/// The number of bytes at the start of a dump that are read, both packed and unpacked.
const HEAD: u64 = 256 * 1024;

/// The start of a dump.
#[derive(Debug, Default)]
pub struct Head {
    /// The program, from the `core` section, with which our dumps begin.
    pub executable: Option<String>,
    /// The time at which it was written, from the section `coredump.process`.
    pub time: Option<String>,
    /// The file in the same folder that holds its recording, also from that section.
    pub recording: Option<String>,
}

impl Head {
    /// Reads the start of a file, which may be compressed; `None` if it is no dump.
    pub fn read(file: impl Read) -> Option<Head> {
        let mut bytes = Vec::new();
        // Bytes that were unpacked before a cut or damage are used.
        let _ = compressed::reader(file.take(HEAD)).ok()?.take(HEAD).read_to_end(&mut bytes);
        let mut rest = BinaryReader::new(bytes.strip_prefix(b"\0asm\x01\0\0\0")?, 0);
        let mut head = Head::default();
        // A section that is cut off ends the search.
        while let Ok((id, contents)) = rest.read_u8().and_then(|id| Ok((id, rest.read_reader()?))) {
            match (id == 0).then(|| custom(contents)).flatten() {
                Some(("core", mut contents)) => {
                    let zero = contents.read_u8().ok()?;
                    head.executable = Some(contents.read_string().ok().filter(|_| zero == 0)?.to_owned());
                }
                Some((extension::PROCESS, mut contents)) => {
                    let json = contents.read_bytes(contents.bytes_remaining()).ok()?;
                    let process = serde_json::from_slice::<Process>(json).unwrap_or_default();
                    (head.time, head.recording) = (process.time, process.replay.and_then(|replay| replay.file));
                    break;
                }
                _ => {}
            }
        }
        head.executable.is_some().then_some(head)
    }
}

/// A custom section's name, and what follows it.
fn custom(mut contents: BinaryReader<'_>) -> Option<(&str, BinaryReader<'_>)> {
    Some((contents.read_string().ok()?, contents))
}
