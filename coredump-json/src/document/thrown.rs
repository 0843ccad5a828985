//! The memory access of a trap, and the uncaught exception.

use coredump_core::Dump;
use coredump_core::cli::path_map::PathMap;
use coredump_core::crash;
use coredump_core::gc::Thrown;
use coredump_core::model::ThrownValue;
use coredump_core::reason::{Exception, MemoryAccess};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::places::PlaceEntry;
use super::text::Hex;
use super::values::Target;

/// The number of frames of a throw that are listed with the exception at most; the thread has all of them.
const THROWN_AT: usize = 64;

/// The memory access with which the trapping instruction left its memory.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "memory_access"))]
pub struct AccessEntry {
    /// The first byte's address; null where code and dump do not prove it.
    address: Option<Hex>,
    /// Its size in bytes.
    size: Option<u64>,
    /// This says whether the access was a read or a write.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["read", "write"])))]
    kind: &'static str,
    /// The signed distance in bytes from address 0, if the address is so near to 0 that a null pointer is the likely cause; a negative distance wraps around.
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

/// The uncaught exception.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "exception"))]
pub struct ExceptionEntry<'d> {
    /// The name of its tag.
    tag: Option<&'d str>,
    /// The language of the runtime that threw it: c++, rust.
    language: Option<&'static str>,
    /// Its type, in that language's notation.
    r#type: Option<&'d str>,
    /// Its message: the text of a standard exception of C++, or a thrown number or C string.
    message: Option<&'d str>,
    /// The values that it carries, in the tag's order.
    values: Vec<ThrownEntry<'d>>,
    /// The number of times that it was thrown again. The frames are those of the first throw.
    rethrown: Option<u64>,
    /// True if the frames are those of the last throw, which may be a clean-up's, because an uninstrumented engine does not say where it was thrown first.
    last_only: bool,
    /// The places at which it was thrown first, innermost function first; null where they are not known.
    thrown_at: Option<Vec<PlaceEntry<'d>>>,
    /// The exception that caused it.
    cause: Option<CauseEntry<'d>>,
    /// The exceptions that it suppressed.
    suppressed: Vec<CauseEntry<'d>>,
}

impl<'d> ExceptionEntry<'d> {
    pub fn new(exception: &'d Exception, dump: &'d Dump, paths: &'d PathMap, redact: bool) -> Self {
        let shown = !redact;
        let thread = dump.crashed_thread().filter(|_| !exception.last_only);
        let frames = thread.iter().flat_map(|thread| thread.frames().take(THROWN_AT));
        let places = frames.flat_map(|frame| crash::places(frame.thread().index(), frame.resolved().clone()));
        let places: Vec<_> = places.map(|place| PlaceEntry { place: std::borrow::Cow::Owned(place), paths }).collect();
        ExceptionEntry {
            tag: exception.tag.as_deref(),
            language: exception.language,
            r#type: exception.ty.as_deref().filter(|_| shown),
            message: exception.message.as_deref().filter(|_| shown),
            values: if shown {
                exception.values.iter().map(|value| ThrownEntry::new(value, dump)).collect()
            } else {
                Vec::new()
            },
            rethrown: exception.rethrown,
            last_only: exception.last_only,
            thrown_at: (!places.is_empty()).then_some(places),
            cause: exception.cause.as_deref().filter(|_| shown).map(CauseEntry::new),
            suppressed: if shown { exception.suppressed.iter().map(CauseEntry::new).collect() } else { Vec::new() },
        }
    }
}

/// An exception that another one was caused by or suppressed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "thrown"))]
struct CauseEntry<'d> {
    /// Its class, as the language names it.
    r#type: &'d str,
    /// Its message.
    message: Option<&'d str>,
    /// The exception that caused it.
    cause: Option<Box<CauseEntry<'d>>>,
    /// The exceptions that it suppressed.
    suppressed: Vec<CauseEntry<'d>>,
}

impl<'d> CauseEntry<'d> {
    fn new(Thrown { class, message, cause, suppressed, .. }: &'d Thrown) -> Self {
        CauseEntry {
            r#type: class,
            message: message.as_deref(),
            cause: cause.as_deref().map(CauseEntry::new).map(Box::new),
            suppressed: suppressed.iter().map(CauseEntry::new).collect(),
        }
    }
}

/// A value that an exception carries.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "carried"))]
struct ThrownEntry<'d> {
    /// Its type in the Wasm text format.
    r#type: &'d str,
    /// A number, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<&'d str>,
    /// The target of a reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Target<'d>>,
}

impl<'d> ThrownEntry<'d> {
    fn new(value: &'d ThrownValue, dump: &'d Dump) -> Self {
        let target = |target| Target { target, objects: Some(dump.objects()) };
        ThrownEntry { r#type: &value.ty, bits: value.bits.as_deref(), value: value.reference.as_ref().map(target) }
    }
}
