//! Converts texts of other systems to UTF-8 with line feeds: text in UTF-16, as shells of Windows write it, and text
//! whose lines end in a carriage return alone. Any other text is passed on as it is.

use std::io::{self, Read};

/// The number of bytes that are checked for the zeros of UTF-16 where there is no byte order mark.
const START: usize = 8;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// The encoding of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextEncoding {
    /// UTF-8, or anything else that consists of bytes.
    Bytes,
    /// UTF-16, little endian.
    LittleEndian,
    /// UTF-16, big endian.
    BigEndian,
}

/// The way in which lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// No line has ended yet.
    Unknown,
    /// With a line feed, or a carriage return and a line feed: line ends are not changed.
    LineFeed,
    /// With a carriage return alone.
    CarriageReturn,
}

/// A reader that converts text.
pub(super) struct TextReader<R> {
    reader: R,
    encoding: Option<TextEncoding>,
    ends: Ends,
    /// True if the previous byte was a carriage return that became a line feed.
    returned: bool,
    /// Bytes of UTF-16 that are incomplete: half of a unit, or of a surrogate pair.
    half: Vec<u8>,
    /// Converted bytes that are ready to be read.
    ready: Vec<u8>,
    /// The number of bytes of `ready` that were read.
    given: usize,
}

impl<R: Read> TextReader<R> {
    /// Converts the text that `reader` gives.
    pub fn new(reader: R) -> TextReader<R> {
        let (half, ready) = (Vec::new(), Vec::new());
        TextReader { reader, encoding: None, ends: Ends::Unknown, returned: false, half, ready, given: 0 }
    }

    /// Reads the beginning of the text, which shows the encoding.
    fn begin(&mut self) -> io::Result<TextEncoding> {
        // Reads as much as comes at once, and no more than is needed to decide, so that nobody waits for input.
        let mut start = vec![0; CHUNK];
        let mut filled = 0;
        while filled < START {
            match self.reader.read(&mut start[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        start.truncate(filled);
        let zeros = |first: usize| {
            let start = start.get(..START).unwrap_or_default();
            !start.is_empty() && start.chunks(2).all(|pair| pair[first] == 0 && (1..0x80).contains(&pair[1 - first]))
        };
        let encoding = match start[..] {
            [0xFF, 0xFE, ..] => TextEncoding::LittleEndian,
            [0xFE, 0xFF, ..] => TextEncoding::BigEndian,
            _ if zeros(1) => TextEncoding::LittleEndian,
            _ if zeros(0) => TextEncoding::BigEndian,
            _ => TextEncoding::Bytes,
        };
        match encoding {
            TextEncoding::Bytes => self.ready = start,
            _ => {
                let mark = if matches!(start[..2], [0xFF, 0xFE] | [0xFE, 0xFF]) { 2 } else { 0 };
                self.decode(&start[mark..], encoding);
            }
        }
        self.encoding = Some(encoding);
        Ok(encoding)
    }

    /// Decodes more UTF-16, as far as it is complete.
    fn decode(&mut self, bytes: &[u8], encoding: TextEncoding) {
        self.half.extend_from_slice(bytes);
        let unit = |pair: &[u8]| match encoding {
            TextEncoding::BigEndian => u16::from_be_bytes([pair[0], pair[1]]),
            _ => u16::from_le_bytes([pair[0], pair[1]]),
        };
        let mut units: Vec<u16> = self.half.chunks_exact(2).map(unit).collect();
        // The first half of a surrogate pair is kept until the second comes.
        if units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)) {
            units.pop();
        }
        self.half.drain(..units.len() * 2);
        let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        self.ready.extend_from_slice(text.as_bytes());
    }

    /// Reads until some bytes are ready, or the input ends.
    fn fill(&mut self, encoding: TextEncoding) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        let mut chunk = vec![0; CHUNK];
        while self.ready.is_empty() {
            let read = self.reader.read(&mut chunk)?;
            if read == 0 {
                if !self.half.is_empty() {
                    self.half.clear();
                    self.ready.extend_from_slice("\u{FFFD}".as_bytes());
                }
                break;
            }
            self.decode(&chunk[..read], encoding);
        }
        Ok(())
    }

    /// Turns line ends into line feeds; returns how many bytes are left.
    fn end_lines(&mut self, bytes: &mut [u8]) -> usize {
        if self.ends == Ends::Unknown {
            let first = memchr::memchr2(b'\n', b'\r', bytes);
            self.ends = match first.map(|at| &bytes[at..]) {
                None => Ends::Unknown,
                // A line feed may follow in the next bytes.
                Some([b'\r']) => Ends::Unknown,
                // Progress bars use carriage returns too: lines end in them only if the text has no line feed.
                Some([b'\r', rest @ ..]) if memchr::memchr(b'\n', rest).is_none() => Ends::CarriageReturn,
                Some(_) => Ends::LineFeed,
            };
        }
        if self.ends != Ends::CarriageReturn {
            return bytes.len();
        }
        let mut kept = 0;
        for at in 0..bytes.len() {
            let byte = bytes[at];
            let doubled = byte == b'\n' && self.returned;
            self.returned = byte == b'\r';
            if !doubled {
                bytes[kept] = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
        }
        kept
    }
}

impl<R: Read> Read for TextReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => self.begin()?,
        };
        loop {
            if self.given == self.ready.len() && encoding != TextEncoding::Bytes {
                self.fill(encoding)?;
            }
            let read = match &self.ready[self.given..] {
                [] => self.reader.read(buffer)?,
                ready => {
                    let count = ready.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&ready[..count]);
                    self.given += count;
                    count
                }
            };
            let left = self.end_lines(&mut buffer[..read]);
            // Converting may leave no bytes of some that were read: that is not the end of the text.
            if left > 0 || read == 0 {
                return Ok(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The converted text of bytes that come in pieces of `piece` bytes.
    fn read(bytes: &[u8], piece: usize) -> String {
        struct Pieces<'b>(&'b [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.len().min(self.1).min(buffer.len());
                let (now, rest) = self.0.split_at(count);
                buffer[..count].copy_from_slice(now);
                self.0 = rest;
                Ok(count)
            }
        }
        let mut text = Vec::new();
        TextReader::new(Pieces(bytes, piece)).read_to_end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn utf_16_is_read_in_both_orders_with_and_without_a_mark() {
        let text = "trap: ä €\r\n  𝄞 at f\n";
        for mark in ["\u{FEFF}", ""] {
            let units: Vec<u16> = format!("{mark}{text}").encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            for piece in [1, 3, 1000] {
                assert_eq!(read(&little, piece), text);
                assert_eq!(read(&big, piece), text);
            }
            assert_eq!(read(&little[..little.len() - 1], 7), text.replace("f\n", "f\u{FFFD}"));
        }
        assert_eq!(read(&[0xFF, 0xFE, 0x00, 0xDC, b'a', 0, b'b', 0, 0x00, 0xD8], 2), "\u{FFFD}ab\u{FFFD}");
        assert_eq!(read(&[0xFF, 0xFE], 1), "");
    }

    #[test]
    fn lines_that_end_in_a_carriage_return_end_in_a_line_feed() {
        assert_eq!(read(b"one\rtwo\r\rthree", 1000), "one\ntwo\n\nthree");
        assert_eq!(read(b"one two three\rfour\rfive\r\nsix", 16), "one two three\nfour\nfive\nsix");
    }

    #[test]
    fn any_other_text_stays_as_it_is() {
        for text in ["", "x", "one\r\ntwo\r\n", "10%\r20%\rdone\nnext", "a\0b\0c\0d", "\u{FEFF}x", "one\r"] {
            assert_eq!(read(text.as_bytes(), 1000), text);
        }
    }
}
