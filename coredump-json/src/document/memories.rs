//! Memories: which ranges the dump holds and, if asked for, what is in them.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use coredump_core::memory::{Chunk, Memory};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::args::MemoryDetail;

use super::text::{Each, Hex, Shown};

/// A memory.
pub struct MemoryEntry<'d> {
    pub index: usize,
    pub memory: &'d Memory<'d>,
    pub detail: MemoryDetail,
    pub redacted: bool,
}

impl Serialize for MemoryEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let memory = self.memory;
        let captured = memory.captured();
        let captured_bytes: u64 = captured.iter().map(|range| range.end - range.start).sum();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("size", &memory.size)?;
        map.serialize_entry("maximum", &memory.maximum)?;
        map.serialize_entry("page_size", &memory.page_size)?;
        map.serialize_entry("memory64", &memory.memory64)?;
        map.serialize_entry("shared", &memory.shared)?;
        map.serialize_entry("captured_bytes", &captured_bytes)?;
        if self.redacted {
            map.serialize_entry("redacted", &true)?;
        }
        match self.detail {
            MemoryDetail::None => map.serialize_entry("captured", &())?,
            MemoryDetail::Ranges => {
                let ranges = || captured.iter().map(|range| Range::bare(range.start, range.end - range.start));
                map.serialize_entry("captured", &Each(ranges))?;
            }
            MemoryDetail::Base64 => {
                let ranges = || memory.chunks(0..memory.size).filter_map(Range::with_contents);
                map.serialize_entry("captured", &Each(ranges))?;
            }
        }
        map.end()
    }
}

/// Bytes in base64, encoded while they are written: gigabytes pass through a buffer of a kilobyte.
pub fn base64(bytes: &[u8]) -> impl Serialize + '_ {
    Shown(Base64Display::new(bytes, &STANDARD))
}

/// A captured range. In a document with contents, ranges end where stored bytes and known zeros meet.
struct Range<'d> {
    address: u64,
    size: u64,
    contents: Option<Contents<'d>>,
}

enum Contents<'d> {
    Bytes(&'d [u8]),
    Zero,
}

impl<'d> Range<'d> {
    fn bare(address: u64, size: u64) -> Self {
        Range { address, size, contents: None }
    }

    fn with_contents(chunk: Chunk<'d>) -> Option<Self> {
        let size = chunk.range().end - chunk.range().start;
        Some(match chunk {
            Chunk::Captured(segment) => {
                Range { address: segment.address, size, contents: Some(Contents::Bytes(segment.bytes)) }
            }
            Chunk::Zero { address, .. } => Range { address, size, contents: Some(Contents::Zero) },
            Chunk::Hole { .. } => return None,
        })
    }
}

impl Serialize for Range<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("address", &Hex(self.address))?;
        map.serialize_entry("size", &self.size)?;
        match self.contents {
            Some(Contents::Bytes(bytes)) => map.serialize_entry("data", &base64(bytes))?,
            Some(Contents::Zero) => map.serialize_entry("zero", &true)?,
            None => {}
        }
        map.end()
    }
}
