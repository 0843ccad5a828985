//! What a trap was about to do, and what an exception was.

use coredump_core::Dump;
use coredump_core::cli::path_map::PathMap;
use coredump_core::crash::{self, Place};
use coredump_core::model::ThrownValue;
use coredump_core::reason::{Exception, MemoryAccess};
use serde::{Serialize, Serializer};

use super::frames::PlaceEntry;
use super::text::Hex;

/// Frames of a throw that are listed with the exception; all are in the thread.
const THROWN_AT: usize = 64;

/// `reason.memory_access`: what the trapping instruction was about to do.
#[derive(Serialize)]
pub struct AccessEntry {
    address: Option<Hex>,
    size: Option<u64>,
    kind: &'static str,
    from_null: Option<i64>,
}

impl AccessEntry {
    pub fn new(access: MemoryAccess, redact: bool) -> Self {
        AccessEntry {
            address: access.address.filter(|_| !redact).map(Hex),
            size: access.size,
            kind: if access.write { "write" } else { "read" },
            from_null: access.from_null().filter(|_| !redact),
        }
    }
}

/// `reason.exception`: what nothing caught.
#[derive(Serialize)]
pub struct ExceptionEntry<'d> {
    tag: Option<&'d str>,
    language: Option<&'static str>,
    #[serde(rename = "type")]
    ty: Option<&'d str>,
    message: Option<&'d str>,
    values: &'d [ThrownValue],
    rethrown: Option<u64>,
    last_only: bool,
    thrown_at: Option<Places<'d>>,
    cause: Option<()>,
}

impl<'d> ExceptionEntry<'d> {
    pub fn new(exception: &'d Exception, dump: &Dump, paths: &'d PathMap, redact: bool) -> Self {
        let shown = !redact;
        let thread = dump.crashed_thread().filter(|_| !exception.last_only);
        let frames = thread.iter().flat_map(|thread| thread.frames().take(THROWN_AT));
        let places = frames.flat_map(|frame| crash::places(frame.thread().index(), frame.resolved().clone()));
        let places: Vec<Place> = places.collect();
        ExceptionEntry {
            tag: exception.tag.as_deref(),
            language: exception.language,
            ty: exception.ty.as_deref().filter(|_| shown),
            message: exception.message.as_deref().filter(|_| shown),
            values: if shown { &exception.values } else { &[] },
            rethrown: exception.rethrown,
            last_only: exception.last_only,
            thrown_at: (!places.is_empty()).then_some(Places(places, paths)),
            cause: None,
        }
    }
}

/// Source places, innermost first.
struct Places<'d>(Vec<Place>, &'d PathMap);

impl Serialize for Places<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|place| PlaceEntry(place, self.1)))
    }
}
