//! The programs that write dumps, each in a file of its own: how to recognise it, its encodings and habits, and the
//! repairs for what it writes wrong.
//!
//! A program that follows the standard needs no file here.

mod encoding;
mod ours;
mod rewriter;
mod wasmedge;
mod wasmer;
mod wasmtime;

use crate::error::Result;
use crate::memory::Segment;
use crate::model::{CoreDump, Layout, RefTarget, Reference, Section, Value, Warning};
use crate::module::MemoryDefinition;
use crate::sections::RawSection;

pub use encoding::{Encoding, STANDARD, Values};
pub use wasmedge::value_types as repair_locals;

/// A program that writes dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Producer {
    /// Any that follows the standard.
    Standard,
    /// A tool of this project.
    Ours,
    /// Wasmtime, and hosts that use its dumps.
    Wasmtime,
    /// WasmEdge since August 2026.
    WasmEdge,
    /// WasmEdge before that.
    OldWasmEdge,
    /// Wasmer.
    Wasmer,
    /// xtuc's wasm-coredump-rewriter, asc-coredump.
    Rewriter,
}

/// The byte that code offsets count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetBase {
    /// The first byte after the body's size, where the locals are declared.
    Body,
    /// The first instruction, after the locals.
    FirstInstruction,
    /// The code section's size field: xtuc's rewriter 0.1.20 to 0.1.24.
    CodeSection,
}

impl Producer {
    /// The programs that may have written these sections, judged by the order and shape of the sections.
    pub fn candidates(sections: &[RawSection<'_>]) -> &'static [Producer] {
        match () {
            () if ours::wrote(sections) => &[Producer::Ours],
            () if rewriter::wrote(sections) => &[Producer::Rewriter],
            () if wasmer::wrote(sections) => &[Producer::Wasmer],
            () if wasmedge::old_wrote(sections) => &[Producer::OldWasmEdge],
            () if wasmedge::old_may_have_written(sections) => &[Producer::Standard, Producer::OldWasmEdge],
            () if wasmtime::wrote(sections) => &[Producer::Wasmtime],
            () => &[Producer::Standard],
        }
    }

    /// The engine that wrote a dump in the standard's encoding, judged by the dump's layout and by which values it
    /// lacks.
    pub fn of_standard(dump: &CoreDump<'_>) -> Option<Producer> {
        match () {
            () if dump.layout != Layout::Standard => None,
            () if wasmtime::laid_out(dump) => Some(Producer::Wasmtime),
            () if wasmedge::laid_out(dump) => Some(Producer::WasmEdge),
            () => None,
        }
    }

    /// The program that a dump names as its producer, from `name version`.
    fn named(name: Option<&str>) -> Option<Producer> {
        let name = name?.to_ascii_lowercase();
        let known = [Producer::Wasmtime, Producer::WasmEdge];
        known.into_iter().find(|producer| producer.name().is_some_and(|known| name.starts_with(known)))
    }

    /// Its name, as dumps have it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Producer::Standard | Producer::Ours => None,
            Producer::Wasmtime => Some("wasmtime"),
            Producer::WasmEdge | Producer::OldWasmEdge => Some("wasmedge"),
            Producer::Wasmer => Some("wasmer"),
            Producer::Rewriter => Some("wasm-coredump-rewriter"),
        }
    }

    /// Returns true if it writes dumps in this layout.
    pub fn writes(self, layout: Layout) -> bool {
        match layout {
            Layout::Standard => {
                matches!(self, Producer::Standard | Producer::Ours | Producer::Wasmtime | Producer::WasmEdge)
            }
            Layout::Xtuc01 | Layout::Xtuc02 => self == Producer::Rewriter,
            Layout::Wasmer => self == Producer::Wasmer,
            Layout::WasmEdge => self == Producer::OldWasmEdge,
        }
    }

    /// Returns true if it has only ever written the standard's encoding, so that anything that does not fit is damage.
    pub fn is_faithful(self) -> bool {
        matches!(self, Producer::Ours | Producer::Wasmtime)
    }
}

/// All encodings, the standard's first. Wasmer's equals one of the rewriter's and replaces it if Wasmer is among the
/// candidates.
pub fn encodings(candidates: &[Producer]) -> Vec<Encoding> {
    let mut all = [&[STANDARD][..], &rewriter::ENCODINGS, &wasmedge::ENCODINGS].concat();
    if candidates.contains(&Producer::Wasmer) {
        all.iter_mut().filter(|encoding| **encoding == rewriter::FROM_0_1_14).for_each(|it| *it = wasmer::ENCODING);
    }
    all
}

/// The encodings of a layout.
pub fn encodings_of(layout: Layout) -> Vec<Encoding> {
    let writers: &[Producer] = if layout == Layout::Wasmer { &[Producer::Wasmer] } else { &[] };
    encodings(writers).into_iter().filter(|encoding| encoding.layout == layout).collect()
}

/// Reads a `coremodules` section into a dump whose layout has an encoding of its own for it; `None` where it is the
/// standard's.
pub fn own_modules(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Option<Result<()>> {
    (dump.layout == Layout::WasmEdge).then(|| wasmedge::modules(section, dump))
}

/// Corrects or removes what the dump alone shows to be wrong. Each repair leaves a warning.
pub fn repair(dump: &mut CoreDump<'_>, candidates: &[Producer]) {
    if candidates == [Producer::Rewriter] {
        infer(dump, Producer::Rewriter);
        rewriter::placeholders(dump);
    }
    match dump.layout {
        Layout::Xtuc01 => rewriter::offsets_never_written(dump),
        Layout::Wasmer => {
            infer(dump, Producer::Wasmer);
            wasmer::repair(dump);
        }
        Layout::WasmEdge => {
            infer(dump, Producer::OldWasmEdge);
            wasmedge::repair_old(dump);
        }
        Layout::Standard | Layout::Xtuc02 => {}
    }
    match Producer::named(dump.producer.as_deref()) {
        Some(Producer::Wasmtime) => wasmtime::repair(dump),
        Some(_) => references_written_as_null(dump),
        None => {}
    }
}

/// Names the producer of a dump that does not name it.
pub fn infer(dump: &mut CoreDump<'_>, producer: Producer) {
    if let Some(name) = producer.name() {
        dump.producer.get_or_insert_with(|| format!("{name} (inferred)"));
    }
}

/// Returns true if the producer makes mistakes that only the modules show.
pub fn needs_modules(dump: &CoreDump<'_>) -> bool {
    dump.layout == Layout::WasmEdge || Producer::named(dump.producer.as_deref()) == Some(Producer::Wasmtime)
}

/// Repairs the memories of an instance whose module has these definitions.
pub fn repair_memories(dump: &mut CoreDump<'_>, instance: usize, definitions: &[MemoryDefinition]) {
    wasmtime::shared_memories(dump, instance, definitions);
    wasmtime::page_sizes(dump, instance, definitions);
}

/// Returns true if the producer writes locals with wrong types, which [`repair_locals`] corrects.
pub fn mistakes_locals(dump: &CoreDump<'_>) -> bool {
    dump.layout == Layout::WasmEdge
}

/// Returns true if some frames may name another function than the one that ran.
pub fn confuses_functions(dump: &CoreDump<'_>) -> bool {
    dump.layout == Layout::WasmEdge
}

/// The bytes from which the code offsets of a dump may count, the likeliest first.
pub fn bases(dump: &CoreDump<'_>) -> &'static [OffsetBase] {
    let wasmedge = Producer::named(dump.producer.as_deref()) == Some(Producer::WasmEdge);
    match dump.offsets.unwrap_or(dump.layout) {
        Layout::Standard if wasmedge => wasmedge::BASES,
        Layout::Standard => &[OffsetBase::Body, OffsetBase::FirstInstruction],
        Layout::Wasmer => wasmer::BASES,
        Layout::WasmEdge => wasmedge::BASES,
        Layout::Xtuc02 => rewriter::BASES,
        Layout::Xtuc01 => rewriter::BASES_OF_0_1,
    }
}

/// Returns true if a code offset may be the place of an instruction. A body begins with its declaration of locals:
/// where offsets count from there, a producer writes 0 for a place that it does not know.
pub fn is_place(dump: &CoreDump<'_>, code_offset: u32) -> bool {
    code_offset != 0 || bases(dump).first() != Some(&OffsetBase::Body)
}

impl Layout {
    /// The layout that says what code offsets mean in a producer's dumps, if that differs from the standard.
    pub fn of_offsets(layout: Option<Layout>, producer: Option<&str>) -> Option<Layout> {
        let wasmedge = || Producer::named(producer) == Some(Producer::WasmEdge);
        match layout {
            Some(Layout::Standard) | None if wasmedge() => Some(Layout::WasmEdge),
            layout => layout.filter(|layout| *layout != Layout::Standard),
        }
    }
}

/// Returns true if the contents of memories are in chunks of 4 KiB, trimmed of zeros at both ends, as Wasmtime and
/// WasmEdge write them: then what no segment covers is known to be zero.
pub fn is_trimmed<'a>(segments: &[(u32, Segment<'a>)]) -> bool {
    const CHUNK: u64 = 4096;
    !segments.is_empty()
        && segments.iter().all(|(_, segment)| match segment.bytes {
            [first, .., last] => *first != 0 && *last != 0 && segment.address / CHUNK == (segment.end() - 1) / CHUNK,
            [only] => *only != 0,
            [] => false,
        })
}

/// Returns true if sections are in this order, each at most once; only sections of state may be missing.
fn follow(sections: &[Section], order: [&str; 7]) -> bool {
    let mut sections = sections.iter().map(|section| section.name.as_str()).peekable();
    order.iter().all(|name| sections.next_if_eq(name).is_some() || is_state(name)) && sections.next().is_none()
}

/// Returns true if a section of that name holds state: memory, globals or data.
fn is_state(name: &str) -> bool {
    matches!(name, "memory" | "global" | "data")
}

/// Removes the values of reference globals: Wasmtime and WasmEdge write null for each, whatever it refers to.
fn references_written_as_null(dump: &mut CoreDump<'_>) {
    let null = |value: &Value| matches!(value, Value::Ref(Reference { target: RefTarget::Null, .. }));
    let mut found = false;
    for global in dump.globals.iter_mut().filter(|global| null(&global.value)) {
        global.value = Value::Missing;
        found = true;
    }
    if found {
        warn(dump, "this producer writes every reference in a global as null: taken as missing");
    }
}

fn warn(dump: &mut CoreDump<'_>, message: &str) {
    dump.warnings.push(Warning { message: message.into(), offset: None });
}
