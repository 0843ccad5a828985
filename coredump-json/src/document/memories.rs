//! Memories: which ranges the dump holds and, if asked for, their bytes.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use coredump_core::memory::{Chunk, Memory};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::args::MemoryDetail;

use super::text::{Each, Hex, written_as};

/// A linear memory. Sizes in bytes.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "memory"))]
pub struct MemoryEntry<'d> {
    /// Its index in the dump.
    index: usize,
    /// Its size.
    size: u64,
    /// The greatest size to which it may grow.
    maximum: Option<u64>,
    /// Size of a page.
    page_size: u64,
    /// True if addresses are 64 bits wide.
    memory64: bool,
    /// True if threads share it.
    shared: bool,
    /// The number of bytes that are known: they are stored in the dump, or known to have been zero.
    captured_bytes: u64,
    /// Its contents were taken out by `--redact`.
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<bool>,
    /// The ranges that are known, by address; null with `--memory none`.
    captured: Option<Each<'d, Range<'d>>>,
}

impl<'d> MemoryEntry<'d> {
    pub fn new(index: usize, memory: &'d Memory<'d>, detail: MemoryDetail, redacted: bool) -> Self {
        let captured = memory.captured();
        MemoryEntry {
            index,
            size: memory.size,
            maximum: memory.maximum,
            page_size: memory.page_size,
            memory64: memory.memory64,
            shared: memory.shared,
            captured_bytes: captured.iter().map(|range| range.end - range.start).sum(),
            redacted: redacted.then_some(true),
            captured: match detail {
                MemoryDetail::None => None,
                MemoryDetail::Ranges => Some(Each::new(move || {
                    memory.captured().into_iter().map(|range| Range::bare(range.start, range.end - range.start))
                })),
                MemoryDetail::Base64 => {
                    Some(Each::new(move || memory.chunks(0..memory.size).filter_map(Range::with_contents)))
                }
            },
        }
    }
}

/// Bytes in base64, encoded while they are written: gigabytes pass through a buffer of a kilobyte.
pub struct Base64<'d>(pub &'d [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

written_as! { Base64<'_> => String; }

/// A range of known bytes. With `--memory base64` it has `data` or `zero`, and ranges end where stored bytes and known zeros meet.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "range"))]
struct Range<'d> {
    /// Its first address.
    address: Hex,
    /// Its size.
    size: u64,
    /// Its bytes in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Base64<'d>>,
    /// All its bytes were zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    zero: Option<bool>,
    /// Input of `--encode`: a file that holds its bytes, relative to the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'d str>,
    /// Input of `--encode`: where in that file they begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl<'d> Range<'d> {
    fn bare(address: u64, size: u64) -> Self {
        Range { address: Hex(address), size, data: None, zero: None, file: None, offset: None }
    }

    fn with_contents(chunk: Chunk<'d>) -> Option<Self> {
        let size = chunk.range().end - chunk.range().start;
        Some(match chunk {
            Chunk::Captured(segment) => {
                Range { data: Some(Base64(segment.bytes)), ..Range::bare(segment.address, size) }
            }
            Chunk::Zero { address, .. } => Range { zero: Some(true), ..Range::bare(address, size) },
            Chunk::Hole { .. } => return None,
        })
    }
}
