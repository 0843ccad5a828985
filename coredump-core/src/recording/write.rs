//! Writes events.

use super::{Failure, Outcome, Passage, Read, Refusal, SECTION, Start, Write};

/// The output for events. It takes them in pieces, so that long runs of guest memory need no copy.
pub trait Pieces {
    /// Takes the next piece.
    fn piece(&mut self, bytes: &[u8]);
}

impl Pieces for Vec<u8> {
    fn piece(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes a call that returned a value to a core module, as most events are.
#[inline]
pub fn returned(function: u32, arguments: u32, bits: u64, writes: &[Write<'_>], output: &mut impl Pieces) {
    // Room for all that has a bounded size, and for short writes, so that most calls cost one piece.
    let mut head = EventBuffer::default();
    head.begin(if bits == 0 { 1 } else { 2 }, function, arguments);
    if bits != 0 {
        head.leb(bits);
    }
    head.writes(writes, output);
}

/// Writes an answered call; the parameters are the fields of [`super::Call`]. A call that returned to a component has
/// no writes.
pub fn call(function: u32, arguments: u32, outcome: &Outcome<'_>, writes: &[Write<'_>], output: &mut impl Pieces) {
    let mut head = EventBuffer::default();
    match outcome {
        Outcome::Returned(bits) => return returned(function, arguments, *bits, writes, output),
        Outcome::Values(bytes) => {
            head.begin(5, function, arguments);
            head.leb(bytes.len() as u64);
            output.piece(head.take());
            return output.piece(bytes);
        }
        Outcome::Failed(failure) => {
            head.begin(3, function, arguments);
            match failure {
                Failure::Exit(code) => {
                    head.byte(0);
                    head.leb(u64::from(*code as u32));
                }
                Failure::Message(message) => {
                    head.byte(1);
                    let message = &message.as_bytes()[..message.len().min(u32::MAX as usize)];
                    head.leb(message.len() as u64);
                    output.piece(head.take());
                    output.piece(message);
                }
                Failure::Interrupted(signal) => {
                    head.byte(2);
                    head.leb(u64::from(signal.unwrap_or(0)));
                }
            }
        }
    }
    head.writes(writes, output);
}

/// Writes a call that returned 0 and read from a file. `writes` are the other writes of the call.
pub fn reading(function: u32, arguments: u32, read: &Read, writes: &[Write<'_>], output: &mut impl Pieces) {
    let mut head = EventBuffer::default();
    head.begin(6, function, arguments);
    head.passage(&read.passage);
    head.leb(read.to);
    head.writes(writes, output);
}

/// Writes a call of a component that read from a file. `values` are its encoded results without the bytes that were
/// read.
pub fn values_read(function: u32, arguments: u32, read: &Read, values: &[u8], output: &mut impl Pieces) {
    let mut head = EventBuffer::default();
    head.begin(7, function, arguments);
    head.passage(&read.passage);
    head.leb(values.len() as u64);
    output.piece(head.take());
    output.piece(values);
    head.leb(read.to);
    output.piece(head.take());
}

/// Writes the event that a memory was not allowed to grow.
pub fn growth_refused(refusal: &Refusal, output: &mut impl Pieces) {
    let mut head = EventBuffer::default();
    head.byte(4);
    head.leb(refusal.current);
    head.leb(refusal.desired);
    head.leb(u64::from(refusal.allowed));
    output.piece(head.take());
}

/// The part of the section's contents before the log.
///
/// # Panics
///
/// Never: the fields of [`Start`] are all that JSON can hold.
pub fn section_head(start: &Start) -> Vec<u8> {
    let json = serde_json::to_vec(start).unwrap_or_else(|error| panic!("cannot write {SECTION}: {error}"));
    let mut head = EventBuffer::default();
    head.leb(json.len() as u64);
    let mut bytes = head.take().to_vec();
    bytes.extend(json);
    bytes
}

/// A buffer for the parts of an event that have a bounded size.
struct EventBuffer {
    bytes: [u8; ROOM],
    len: usize,
}

/// Size of the buffer in bytes: an event has less, apart from parts of any length.
const ROOM: usize = 128;

/// Bytes of a number, at most.
const LEB: usize = 10;

/// The length in bytes of a short write, which is copied: most calls write a time or an offset.
const WORD: usize = 8;

impl Default for EventBuffer {
    #[inline]
    fn default() -> EventBuffer {
        EventBuffer { bytes: [0; ROOM], len: 0 }
    }
}

impl EventBuffer {
    #[inline]
    fn begin(&mut self, tag: u8, function: u32, arguments: u32) {
        self.byte(tag);
        self.leb(u64::from(function));
        self.bytes(arguments.to_le_bytes());
    }

    #[inline]
    fn passage(&mut self, passage: &Passage) {
        self.leb(u64::from(passage.file));
        self.leb(passage.offset);
        self.leb(passage.len);
        self.bytes(passage.digest.to_le_bytes());
    }

    /// Writes the last part of an event.
    #[inline]
    fn writes(&mut self, writes: &[Write<'_>], output: &mut impl Pieces) {
        self.leb(writes.len() as u64);
        for write in writes {
            if self.len > ROOM - 2 * LEB - WORD {
                output.piece(self.take());
            }
            self.leb(write.address);
            self.leb(write.bytes.len() as u64);
            if let Ok(word) = write.bytes.try_into() {
                self.bytes::<WORD>(word);
                continue;
            }
            match self.bytes[self.len..].get_mut(..write.bytes.len()) {
                Some(room) => {
                    room.copy_from_slice(write.bytes);
                    self.len += write.bytes.len();
                }
                None => {
                    output.piece(self.take());
                    output.piece(write.bytes);
                }
            }
        }
        output.piece(self.take());
    }

    #[inline]
    fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&bytes);
        self.len += N;
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Writes a LEB128 number into the array. `wasm_encoder` would need a `Vec`, and a program that reads its clock
    /// makes millions of such calls a second.
    #[inline]
    fn leb(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Takes the bytes so far, and empties the buffer.
    #[inline]
    fn take(&mut self) -> &[u8] {
        let len = std::mem::take(&mut self.len);
        &self.bytes[..len]
    }
}
