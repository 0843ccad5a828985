//! Reads events. The bytes are not trusted: lengths are checked against what is there, and every error has its offset.

use wasmparser::{BinaryReader, BinaryReaderError};

use super::{CHUNK, Event, Failure, Outcome, Passage, Read, RecordedCall, Refusal, Start, VERSION, Write};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_JSON;

/// A recording as it stands in a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording<'a> {
    /// The start of the program.
    pub start: Start,
    /// The log.
    pub log: &'a [u8],
    /// Offset of the log's first byte in the file.
    pub offset: u64,
}

impl<'a> Recording<'a> {
    /// Reads the contents of the section, which begin at `offset` of the file, and checks the log against its digests.
    /// A log that is in a file of its own ([`Start::file`]) is empty here: see [`Recording::with_log`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Truncated`] and [`ErrorKind::Malformed`] for a section that was cut off or altered,
    /// [`ErrorKind::TooLarge`] for another version.
    pub fn read(section: &'a [u8], offset: u64) -> Result<Recording<'a>> {
        let mut reader = BinaryReader::new(section, offset as usize);
        let len = reader.read_var_u32().map_err(failed)? as usize;
        let at = reader.original_position() as u64;
        if len > MAX_JSON {
            return Err(Error::new(ErrorKind::TooLarge, "the head of the recording is too long").at(at));
        }
        let json = reader.read_bytes(len).map_err(failed)?;
        let start: Start = serde_json::from_slice(json)
            .map_err(|error| Error::malformed(at, format!("the head of the recording cannot be read: {error}")))?;
        if start.version != VERSION {
            let message = format!("a recording of version {}; this program reads version {VERSION}", start.version);
            return Err(Error::new(ErrorKind::TooLarge, message).at(at));
        }
        let offset = reader.original_position() as u64;
        let log = &section[section.len() - reader.bytes_remaining()..];
        let recording = Recording { start, log, offset };
        if recording.start.file.is_none() {
            recording.check()?;
        }
        Ok(recording)
    }

    /// The recording with a log from a file of its own, after checking it against the digests.
    ///
    /// # Errors
    ///
    /// As [`Recording::read`]; offsets are in that file.
    pub fn with_log(self, log: &'a [u8]) -> Result<Recording<'a>> {
        let recording = Recording { start: self.start, log, offset: 0 };
        recording.check()?;
        Ok(recording)
    }

    /// Compares the log with its digests.
    fn check(&self) -> Result<()> {
        let chunks = self.log.chunks(CHUNK);
        if chunks.len() != self.start.digests.len() {
            let message = format!(
                "the recording is cut off: it has {} parts of 1 MiB, and should have {}",
                chunks.len(),
                self.start.digests.len()
            );
            return Err(Error::truncated(self.offset + self.log.len() as u64, message));
        }
        for (index, (chunk, digest)) in chunks.zip(&self.start.digests).enumerate() {
            if blake3::hash(chunk).to_hex().as_str() != digest {
                let message = "the recording was cut off or altered here, or in the MiB from here on";
                return Err(Error::malformed(self.offset + (index * CHUNK) as u64, message));
            }
        }
        Ok(())
    }

    /// The digests of a log.
    pub fn digests(log: &[u8]) -> Vec<String> {
        log.chunks(CHUNK).map(|chunk| blake3::hash(chunk).to_hex().to_string()).collect()
    }

    /// Its events.
    pub fn events(&self) -> EventReader<'a> {
        EventReader::new(self.log, self.offset)
    }
}

/// Reads the events of a log one after the other.
#[derive(Clone, Debug)]
pub struct EventReader<'a> {
    log: &'a [u8],
    at: usize,
    offset: u64,
}

impl<'a> EventReader<'a> {
    /// A reader of `log`, whose first byte stands at `offset` of a file.
    pub fn new(log: &'a [u8], offset: u64) -> EventReader<'a> {
        EventReader { log, at: 0, offset }
    }

    /// Offset in the file of the next event.
    pub fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Returns the number of bytes of the log that were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Returns true if no event is left.
    pub fn is_empty(&self) -> bool {
        self.at == self.log.len()
    }

    /// The next event; `None` at the end. After an error, the same error again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Truncated`] where the log ends inside an event, [`ErrorKind::Malformed`] for what is no event.
    pub fn next_event(&mut self) -> Result<Option<Event<'a>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut reader = BinaryReader::new(&self.log[self.at..], self.offset() as usize);
        let event = event(&mut reader)?;
        self.at = self.log.len() - reader.bytes_remaining();
        Ok(Some(event))
    }

    /// The next event, without moving on.
    ///
    /// # Errors
    ///
    /// As [`Reader::next_event`].
    pub fn peek(&self) -> Result<Option<Event<'a>>> {
        self.clone().next_event()
    }
}

fn event<'a>(reader: &mut BinaryReader<'a>) -> Result<Event<'a>> {
    let at = reader.original_position() as u64;
    let tag = reader.read_u8().map_err(failed)?;
    if tag == 4 {
        let current = reader.read_var_u64().map_err(failed)?;
        let desired = reader.read_var_u64().map_err(failed)?;
        let allowed = reader.read_var_u32().map_err(failed)?;
        return Ok(Event::GrowthRefused(Refusal { current, desired, allowed }));
    }
    if !(1..=7).contains(&tag) {
        return Err(Error::malformed(at, format!("{tag} is the tag of no event of a recording")));
    }
    let function = reader.read_var_u32().map_err(failed)?;
    let arguments = reader.read_u32().map_err(failed)?;
    let passage = if tag >= 6 { Some(passage(reader)?) } else { None };
    let (outcome, read) = match (tag, passage) {
        (5, _) => (Outcome::Values(bytes(reader)?), None),
        (7, Some(passage)) => {
            let bytes = bytes(reader)?;
            let at = reader.original_position() as u64;
            let to = reader.read_var_u64().map_err(failed)?;
            if to > bytes.len() as u64 {
                return Err(Error::malformed(at, format!("results of {} bytes have no position {to}", bytes.len())));
            }
            (Outcome::Values(bytes), Some(Read { passage, to }))
        }
        (6, Some(passage)) => {
            let at = reader.original_position() as u64;
            let to = reader.read_var_u64().map_err(failed)?;
            if to.checked_add(passage.len).is_none() {
                return Err(leaves(at, to, passage.len));
            }
            (Outcome::Returned(0), Some(Read { passage, to }))
        }
        (2, _) => (Outcome::Returned(reader.read_var_u64().map_err(failed)?), None),
        (3, _) => (Outcome::Failed(failure(reader)?), None),
        _ => (Outcome::Returned(0), None),
    };
    let writes = if matches!(outcome, Outcome::Values(_)) { Vec::new() } else { writes(reader)? };
    Ok(Event::Call(RecordedCall { function, arguments, outcome, writes, read }))
}

fn passage(reader: &mut BinaryReader<'_>) -> Result<Passage> {
    let file = reader.read_var_u32().map_err(failed)?;
    let at = reader.original_position() as u64;
    let offset = reader.read_var_u64().map_err(failed)?;
    let len = reader.read_var_u64().map_err(failed)?;
    let digest = reader.read_u64().map_err(failed)?;
    if offset.checked_add(len).is_none() {
        return Err(Error::malformed(at, format!("{len} bytes at {offset:#x} are in no file")));
    }
    Ok(Passage { file, offset, len, digest })
}

fn leaves(at: u64, address: u64, len: u64) -> Error {
    Error::malformed(at, format!("a write of {len} bytes at {address:#x} leaves the address space"))
}

fn failure(reader: &mut BinaryReader<'_>) -> Result<Failure> {
    let at = reader.original_position() as u64;
    Ok(match reader.read_u8().map_err(failed)? {
        0 => Failure::Exit(reader.read_var_u32().map_err(failed)? as i32),
        1 => {
            let len = reader.read_var_u32().map_err(failed)?;
            let at = reader.original_position() as u64;
            let bytes = reader.read_bytes(len as usize).map_err(failed)?;
            let text = std::str::from_utf8(bytes)
                .map_err(|error| Error::malformed(at + error.valid_up_to() as u64, "a message that is not UTF-8"))?;
            Failure::Message(text.to_owned())
        }
        2 => Failure::Interrupted(Some(reader.read_var_u32().map_err(failed)?).filter(|&signal| signal != 0)),
        kind => return Err(Error::malformed(at, format!("{kind} is no kind of failure"))),
    })
}

fn writes<'a>(reader: &mut BinaryReader<'a>) -> Result<Vec<Write<'a>>> {
    let at = reader.original_position() as u64;
    let count = reader.read_var_u64().map_err(failed)?;
    // Each takes two bytes at least.
    if count > reader.bytes_remaining() as u64 / 2 {
        return Err(Error::truncated(at, format!("{count} writes do not fit in what is left of the recording")));
    }
    let mut writes = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let address = reader.read_var_u64().map_err(failed)?;
        let at = reader.original_position() as u64;
        let bytes = bytes(reader)?;
        if address.checked_add(bytes.len() as u64).is_none() {
            return Err(leaves(at, address, bytes.len() as u64));
        }
        writes.push(Write { address, bytes });
    }
    Ok(writes)
}

/// Reads a length and as many bytes.
fn bytes<'a>(reader: &mut BinaryReader<'a>) -> Result<&'a [u8]> {
    let at = reader.original_position() as u64;
    let len = reader.read_var_u64().map_err(failed)?;
    let Some(len) = usize::try_from(len).ok().filter(|&len| len <= reader.bytes_remaining()) else {
        return Err(Error::truncated(at, format!("{len} bytes are cut off")));
    };
    reader.read_bytes(len).map_err(failed)
}

fn failed(error: BinaryReaderError) -> Error {
    let offset = error.offset() as u64;
    match error.message().starts_with("unexpected end") {
        true => Error::truncated(offset, "the recording is cut off"),
        false => Error::malformed(offset, format!("the recording: {}", error.message())),
    }
}
