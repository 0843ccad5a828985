//! What a trap was about to do, and what an exception was.

use coredump_core::Dump;
use coredump_core::cli::path_map::PathMap;
use coredump_core::crash::{self, Place};
use coredump_core::gc::Thrown;
use coredump_core::model::ThrownValue;
use coredump_core::reason::{Exception, MemoryAccess};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::frames::PlaceEntry;
use super::text::Hex;
use super::values::Target;

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
    values: Vec<ThrownEntry<'d>>,
    rethrown: Option<u64>,
    last_only: bool,
    thrown_at: Option<Places<'d>>,
    cause: Option<CauseEntry<'d>>,
    suppressed: Vec<CauseEntry<'d>>,
}

impl<'d> ExceptionEntry<'d> {
    pub fn new(exception: &'d Exception, dump: &'d Dump, paths: &'d PathMap, redact: bool) -> Self {
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
            values: if shown {
                exception.values.iter().map(|value| ThrownEntry::new(value, dump)).collect()
            } else {
                Vec::new()
            },
            rethrown: exception.rethrown,
            last_only: exception.last_only,
            thrown_at: (!places.is_empty()).then_some(Places(places, paths)),
            cause: exception.cause.as_deref().filter(|_| shown).map(CauseEntry),
            suppressed: if shown { exception.suppressed.iter().map(CauseEntry).collect() } else { Vec::new() },
        }
    }
}

/// An exception that belongs to another.
struct CauseEntry<'d>(&'d Thrown);

impl Serialize for CauseEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Thrown { class, message, cause, suppressed, .. } = self.0;
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("type", class)?;
        map.serialize_entry("message", message)?;
        map.serialize_entry("cause", &cause.as_deref().map(CauseEntry))?;
        map.serialize_entry("suppressed", &suppressed.iter().map(CauseEntry).collect::<Vec<_>>())?;
        map.end()
    }
}

/// A value that an exception carries.
#[derive(Serialize)]
struct ThrownEntry<'d> {
    #[serde(rename = "type")]
    ty: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<&'d str>,
    /// What a reference refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Target<'d>>,
}

impl<'d> ThrownEntry<'d> {
    fn new(value: &'d ThrownValue, dump: &'d Dump) -> Self {
        let target = |target| Target { target, objects: Some(dump.objects()) };
        ThrownEntry { ty: &value.ty, bits: value.bits.as_deref(), value: value.reference.as_ref().map(target) }
    }
}

/// Source places, innermost first.
struct Places<'d>(Vec<Place>, &'d PathMap);

impl Serialize for Places<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|place| PlaceEntry(place, self.1)))
    }
}
