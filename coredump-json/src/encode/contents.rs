//! Contents that a document holds in base64 or in a file that it names.
//!
//! Base64 is decoded into a temporary file, which is mapped, so that gigabytes take no memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use coredump_core::Bytes;
use coredump_core::error::{Error, ErrorKind, Result};

use super::values::wrong;

/// The number of digits of base64 that are decoded at once. It is a multiple of four.
const CHUNK: usize = 64 << 10;

/// Collects contents; [`Spool::finish`] makes them readable.
pub struct Spool {
    file: BufWriter<File>,
    written: u64,
}

/// The position of contents in the spool.
#[derive(Clone, Copy, Debug)]
pub struct Spooled {
    start: u64,
    len: u64,
}

impl Spool {
    /// An empty spool, in the system's folder for temporary files.
    pub fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(|error| Error::io("cannot create a temporary file", error))?;
        Ok(Spool { file: BufWriter::new(file), written: 0 })
    }

    /// Adds the contents that `text` holds in base64, which must be `expected` bytes if that is known.
    pub fn base64(&mut self, text: &str, expected: Option<u64>, what: &str) -> Result<Spooled> {
        let start = self.written;
        let mut decoded = Vec::with_capacity(CHUNK);
        for chunk in text.as_bytes().chunks(CHUNK) {
            decoded.clear();
            STANDARD.decode_vec(chunk, &mut decoded).map_err(|error| wrong(what, format!("base64: {error}")))?;
            self.file.write_all(&decoded).map_err(|error| Error::io("cannot write a temporary file", error))?;
            self.written += decoded.len() as u64;
        }
        let len = self.written - start;
        if let Some(expected) = expected.filter(|&expected| expected != len) {
            return Err(wrong(what, format!("its data is {len} bytes long, its size {expected}")));
        }
        Ok(Spooled { start, len })
    }

    /// Makes the contents readable.
    pub fn finish(self) -> Result<Bytes> {
        let file =
            self.file.into_inner().map_err(|error| Error::io("cannot write a temporary file", error.into_error()))?;
        if self.written == 0 {
            return Ok(Bytes::Owned(Vec::new()));
        }
        Bytes::from_file(file)
    }
}

impl Spooled {
    /// The contents.
    pub fn bytes<'b>(&self, spool: &'b Bytes) -> &'b [u8] {
        // Start and length are the spool's own, so the range is valid.
        spool.get(self.start as usize..(self.start + self.len) as usize).unwrap_or_default()
    }
}

/// The range of `size` bytes at `offset` in a file beside the document. Fails if the file is shorter.
pub fn sidecar(bytes: &Bytes, path: &Path, offset: u64, size: u64) -> Result<std::ops::Range<usize>> {
    let end = offset.checked_add(size).filter(|&end| end <= bytes.len() as u64);
    match end {
        Some(end) => Ok(offset as usize..end as usize),
        None => {
            let message = format!("{size} bytes are asked for at offset {offset}, and it has {}", bytes.len());
            Err(Error::new(ErrorKind::Truncated, message).in_file(path))
        }
    }
}
