//! Files that were compressed as a whole: gzip (RFC 1952) and Zstandard (RFC 8878), known by their first bytes.

mod packer;

use std::io::{self, Read, Write};

use crate::error::{Error, ErrorKind, Result};
pub use crate::limits::MAX_PIPED;
use crate::mapped::Bytes;
pub use packer::Packer;

/// The number of unpacked bytes that are looked at to tell whether a file is WebAssembly.
const START: u64 = 64;

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstandard,
}

impl Compression {
    /// The compression of a file that begins so; `None` if it is not compressed.
    pub fn from_start(start: &[u8]) -> Option<Compression> {
        match start {
            [0x1f, 0x8b, 8, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstandard),
            // A skippable frame, such as the one that tools with many threads begin with.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstandard),
            _ => None,
        }
    }

    /// The compression that the end of a file's name asks for: `.gz` or `.zst`.
    pub fn from_name(name: &[u8]) -> Option<Compression> {
        match () {
            () if name.ends_with(b".gz") => Some(Compression::Gzip),
            () if name.ends_with(b".zst") => Some(Compression::Zstandard),
            () => None,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstandard => "Zstandard",
        }
    }

    /// Compresses what is written to it into `output`, at the fastest level and on several processors. That takes at
    /// most 64 MiB of memory, however much is written.
    pub fn packer<W: Write>(self, output: W) -> Packer<W> {
        Packer::new(self, output)
    }

    /// A reader of what `packed` holds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if the decoder cannot be set up. Damage is reported when the data is read.
    pub(crate) fn unpack<'r>(self, packed: impl Read + 'r) -> Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Compression::Zstandard => {
                let decoder = zstd::stream::read::Decoder::new(packed);
                Box::new(decoder.map_err(|error| Error::io("cannot unpack Zstandard", error))?)
            }
        })
    }
}

/// The bytes of a dump: unpacked if they are compressed, else as they are. `limit` is how many bytes they may take
/// unpacked. If they do not begin as WebAssembly, only the first bytes are unpacked.
///
/// A file that is cut off or damaged yields the bytes before the damage; reading the dump then says where it ends.
/// Fails with [`ErrorKind::TooLarge`] beyond the limit: a few kilobytes can hold terabytes of zeros.
pub fn unpacked(bytes: Bytes, limit: u64) -> Result<Bytes> {
    let Some(compression) = Compression::from_start(&bytes) else { return Ok(bytes) };
    let mut unpacked = Vec::new();
    let mut reader = compression.unpack(&bytes[..])?;
    let start = reader.by_ref().take(START).read_to_end(&mut unpacked);
    let read = match start {
        Ok(_) if unpacked.starts_with(b"\0asm") => reader.take(limit.saturating_add(1)).read_to_end(&mut unpacked),
        start => start,
    };
    if unpacked.len() as u64 > limit {
        let message = format!("unpacks to more than {limit} bytes of {}", compression.name());
        return Err(Error::new(ErrorKind::TooLarge, message).hint("--max-size SIZE allows more"));
    }
    match read {
        Err(error) if unpacked.is_empty() => {
            Err(Error::new(ErrorKind::Malformed, format!("cannot be unpacked as {}: {error}", compression.name()))
                .at(0))
        }
        _ => Ok(Bytes::Owned(unpacked)),
    }
}

/// A reader of a text that may be compressed.
///
/// # Errors
///
/// [`ErrorKind::Io`] if its first bytes cannot be read.
pub fn reader<'r>(mut source: impl Read + 'r) -> Result<Box<dyn Read + 'r>> {
    let mut start = Vec::new();
    source.by_ref().take(4).read_to_end(&mut start).map_err(|error| Error::io("cannot read", error))?;
    let compression = Compression::from_start(&start);
    let whole = io::Cursor::new(start).chain(source);
    match compression {
        Some(compression) => compression.unpack(whole),
        None => Ok(Box::new(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        packed(bytes, Compression::Gzip)
    }

    fn zstandard(bytes: &[u8]) -> Vec<u8> {
        packed(bytes, Compression::Zstandard)
    }

    fn packed(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut packer = compression.packer(Vec::new());
        packer.write_all(bytes).unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(Compression::from_start(&packed), Some(compression));
        packed
    }

    #[test]
    fn what_is_compressed_is_unpacked_and_the_rest_stays() {
        let bytes = b"\0asm\x01\0\0\0 and so on".repeat(1000);
        for packed in [bytes.clone(), gzip(&bytes), zstandard(&bytes)] {
            assert_eq!(*unpacked(Bytes::Owned(packed.clone()), 1 << 20).unwrap(), bytes[..]);
            let mut read = Vec::new();
            reader(&packed[..]).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
        }
        // Several members in a row are one file.
        for two in
            [[gzip(b"\0asm one "), gzip(b"two")].concat(), [zstandard(b"\0asm one "), zstandard(b"two")].concat()]
        {
            assert_eq!(&*unpacked(Bytes::Owned(two), 100).unwrap(), b"\0asm one two");
        }
        let other = unpacked(Bytes::Owned(gzip(&[b'x'; 1000])), 1 << 20).unwrap();
        assert_eq!(&*other, [b'x'; START as usize], "of what is no WebAssembly the beginning");
    }

    #[test]
    fn a_bomb_is_refused_and_a_cut_file_gives_what_it_has() {
        let bomb = [b"\0asm".to_vec(), vec![0; 1 << 20]].concat();
        for packed in [gzip(&bomb), zstandard(&bomb)] {
            let error = unpacked(Bytes::Owned(packed), 1000).unwrap_err();
            assert_eq!(error.kind, ErrorKind::TooLarge);
        }
        let numbers = (0..1u32 << 18).flat_map(|number| number.wrapping_mul(2654435761).to_le_bytes());
        let noise: Vec<u8> = b"\0asm".iter().copied().chain(numbers).collect();
        for packed in [gzip(&noise), zstandard(&noise)] {
            let cut = unpacked(Bytes::Owned(packed[..packed.len() / 2].to_vec()), 1 << 30).unwrap();
            assert!(cut.len() > 1000 && noise.starts_with(&cut), "{}", cut.len());
            assert!(unpacked(Bytes::Owned(packed[..6].to_vec()), 1000).is_err());
        }
    }
}
