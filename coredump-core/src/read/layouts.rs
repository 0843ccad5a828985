//! Which encoding a dump uses. Every producer writes version byte 0, so each encoding is tried on the whole `corestack`
//! section; one that uses it up to the last byte can be right. `docs/producers.md` tells the producers apart.

use crate::error::ErrorKind;
use crate::extension;
use crate::limits::MAX_FRAMES;
use crate::model::{Frame, Layout, Reading, Thread};

use super::frames::{Budget, Encoding, Numbers, Values, frames};
use super::sections::RawSection;

/// The standard: `0x00 instance function offset vec(local) vec(operand)`.
pub const STANDARD: Encoding = Encoding {
    layout: Layout::Standard,
    name: "standard",
    numbers: Numbers::Leb128,
    size: false,
    version: true,
    instance: true,
    values: Values::Vectors,
    may_end_early: false,
};

/// All encodings, the standard first.
const ENCODINGS: [Encoding; 7] = [
    STANDARD,
    // Both counts before the locals; values of fixed size; operands are never written.
    Encoding { layout: Layout::Xtuc02, name: "xtuc-0.2", values: Values::BothCounts { operands: false }, ..STANDARD },
    // The same without the instance: 0.1.14 to 0.1.24.
    Encoding {
        layout: Layout::Xtuc01,
        name: "xtuc-0.1.14",
        instance: false,
        values: Values::BothCounts { operands: false },
        ..STANDARD
    },
    // Numbers of four bytes: May 2023, between releases.
    Encoding {
        layout: Layout::Xtuc01,
        name: "xtuc of May 2023",
        numbers: Numbers::Fixed,
        instance: false,
        values: Values::BothCounts { operands: false },
        ..STANDARD
    },
    // Before that a size after the number of frames, no version byte, no count of operands: 0.1.11 and 0.1.12.
    Encoding {
        layout: Layout::Xtuc01,
        name: "xtuc-0.1.11",
        numbers: Numbers::Fixed,
        size: true,
        version: false,
        instance: false,
        values: Values::OneCount,
        ..STANDARD
    },
    // WasmEdge: as xtuc 0.1.14 with operands, or, made for wasmgdb, with their count only. Frames of host functions
    // are counted and not written.
    Encoding {
        layout: Layout::WasmEdge,
        name: "wasmedge",
        instance: false,
        values: Values::BothCounts { operands: true },
        may_end_early: true,
        ..STANDARD
    },
    Encoding {
        layout: Layout::WasmEdge,
        name: "wasmedge for wasmgdb",
        instance: false,
        values: Values::BothCounts { operands: false },
        may_end_early: true,
        ..STANDARD
    },
];

/// What the sections tell of the program that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Modules, instances and threads, as the standard asks.
    Standard,
    /// The same in the order of Wasmtime, which has never written anything but the standard: what does not fit is damage.
    Wasmtime,
    /// Modules and no list of instances: no other of the old producers writes modules.
    Modules,
    /// `corestack` first, then a `core` without a name, and neither modules nor instances: xtuc's rewriter.
    Rewriter,
    /// `core` first, neither modules nor instances: Wasmer.
    Wasmer,
    /// A list of no instances, modules whose names have no length: WasmEdge before August 2026.
    WasmEdge,
}

/// Decides on an encoding: the one that uses up every `corestack` section and suits the rest of the file best. Also
/// returns the others that fit as well and see different frames: agreement with the module decides then.
pub fn sniff(sections: &[RawSection<'_>]) -> (Encoding, Vec<Reading>) {
    if sections.iter().any(|section| section.id == 0 && section.name.starts_with(extension::PREFIX)) {
        // Written here. A dump without frames or modules would fit other encodings as well.
        return (STANDARD, Vec::new());
    }
    let habit = habit(sections);
    if habit == Habit::Wasmtime {
        return (STANDARD, Vec::new());
    }
    let stacks: Vec<&RawSection<'_>> = custom(sections, "corestack").collect();
    let instances = custom(sections, "coreinstances").next().and_then(|section| section.reader().read_var_u32().ok());
    let encodings = encodings(habit).map(|encoding| (Fit::of(&encoding, habit, &stacks, instances), encoding));
    let mut fitting: Vec<(Fit, Encoding)> = encodings.collect();
    // A stable sort: where nothing else decides, the standard comes first.
    fitting.sort_by_key(|(fit, _)| std::cmp::Reverse(*fit));
    let (best, chosen) = fitting[0];
    let mut seen = vec![frames_of(&chosen, &stacks)];
    let mut others = Vec::new();
    for (fit, encoding) in &fitting[1..] {
        let rival = best.exact && (fit.exact, fit.counted, fit.instances) == (true, best.counted, best.instances);
        if !rival || stacks.is_empty() {
            continue;
        }
        let frames = frames_of(encoding, &stacks);
        if !seen.contains(&frames) {
            others.push(Reading { layout: encoding.layout, name: encoding.name });
            seen.push(frames);
        }
    }
    (chosen, others)
}

/// The encoding of `layout` that suits the file best.
pub fn of_layout(layout: Layout, sections: &[RawSection<'_>]) -> Encoding {
    let stacks: Vec<&RawSection<'_>> = custom(sections, "corestack").collect();
    let habit = habit(sections);
    let same = |encoding: &Encoding| match layout {
        Layout::Wasmer => encoding.layout == Layout::Xtuc01 && encoding.numbers == Numbers::Leb128,
        _ => encoding.layout == layout,
    };
    let candidates = ENCODINGS.into_iter().filter(same).rev();
    let best = candidates.max_by_key(|encoding| Fit::of(encoding, habit, &stacks, None)).unwrap_or(STANDARD);
    Encoding { layout, ..best }
}

/// The encoding of one of the readings that [`sniff`] returned.
pub fn of_reading(reading: Reading, sections: &[RawSection<'_>]) -> Encoding {
    let same = |encoding: &Encoding| (encoding.layout, encoding.name) == (reading.layout, reading.name);
    encodings(habit(sections)).find(same).unwrap_or(STANDARD)
}

/// All encodings, as the program with this habit would have used them.
fn encodings(habit: Habit) -> impl Iterator<Item = Encoding> {
    ENCODINGS.into_iter().map(move |encoding| match encoding.name {
        // Wasmer writes as the rewriter did.
        "xtuc-0.1.14" if habit == Habit::Wasmer => Encoding { layout: Layout::Wasmer, name: "wasmer", ..encoding },
        _ => encoding,
    })
}

/// Whether xtuc's rewriter wrote the file: it writes made-up values where it knows none.
pub fn is_rewriter(sections: &[RawSection<'_>]) -> bool {
    habit(sections) == Habit::Rewriter
}

fn habit(sections: &[RawSection<'_>]) -> Habit {
    let at = |name: &str| sections.iter().position(|section| section.id == 0 && section.name == name);
    match (at("coremodules"), at("coreinstances")) {
        (None, None) => match (at("core"), at("corestack")) {
            (Some(core), Some(stack)) if stack < core && sections[core].bytes == [0, 0] => Habit::Rewriter,
            // No other begins with the stack; what would follow is cut off.
            (None, Some(0)) if sections[0].cut_off().is_some() => Habit::Rewriter,
            (Some(_), Some(_)) => Habit::Wasmer,
            _ => Habit::Standard,
        },
        (_, Some(instances)) if sections[instances].bytes == [0] => Habit::WasmEdge,
        (Some(modules), None) if !has_lengths(&sections[modules]) => Habit::WasmEdge,
        (Some(_), None) => Habit::Modules,
        _ if is_in_order_of_wasmtime(sections) => Habit::Wasmtime,
        _ => Habit::Standard,
    }
}

/// Whether the names of a `coremodules` section have lengths, as the standard asks; one that is cut off may.
fn has_lengths(section: &RawSection<'_>) -> bool {
    let mut reader = section.reader();
    let mut names = || -> wasmparser::Result<()> {
        for _ in 0..reader.read_var_u32()? {
            reader.read_u8()?;
            let length = reader.read_var_u32()?;
            reader.read_bytes(length as usize)?;
        }
        Ok(())
    };
    section.cut_off().is_some() || (names().is_ok() && reader.eof())
}

/// `core`, the state, and then the rest, each at most once.
fn is_in_order_of_wasmtime(sections: &[RawSection<'_>]) -> bool {
    let mut order = ["core", "memory", "global", "data", "coremodules", "coreinstances", "corestack"].iter();
    let names: Vec<String> = sections.iter().take(8).map(|section| section.describe().name).collect();
    names.first().is_some_and(|first| first == "core")
        && sections.iter().any(|section| section.id != 0)
        && names.iter().all(|name| order.any(|next| next == name))
}

/// How well an encoding suits a file; the greater, the better. What comes first counts most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// It reads every section to its last byte (as far as the section is there).
    exact: bool,
    /// As many frames are there as are declared.
    counted: bool,
    /// Frames name instances that exist.
    instances: bool,
    /// How far it gets, in bytes: decides between encodings of which none fits, for a damaged section.
    read: u64,
    /// The rest of the file has the habits of a producer that writes this encoding.
    habit: bool,
}

impl Fit {
    fn of(encoding: &Encoding, habit: Habit, stacks: &[&RawSection<'_>], instances: Option<u32>) -> Fit {
        let habit = match encoding.layout {
            Layout::Standard => matches!(habit, Habit::Standard | Habit::Wasmtime | Habit::Modules),
            Layout::Xtuc02 => habit == Habit::Rewriter,
            Layout::Xtuc01 => habit == Habit::Rewriter,
            Layout::Wasmer => habit == Habit::Wasmer,
            Layout::WasmEdge => matches!(habit, Habit::WasmEdge | Habit::Modules),
        };
        let mut fit = Fit { exact: true, counted: true, instances: true, read: 0, habit };
        for stack in stacks {
            let mut thread = Thread::default();
            let mut reader = stack.reader();
            let mut budget = Budget::default();
            let outcome = frames(&mut reader, encoding, &mut thread, &mut budget);
            let used_up = match &outcome {
                Ok(_) => reader.eof() && stack.cut_off().is_none() || thread.frames.len() >= MAX_FRAMES,
                // What the file's end cut off can't be read to its end in any encoding.
                Err(error) => {
                    let cut = stack.cut_off().is_some() && error.kind == ErrorKind::Truncated;
                    cut && !encoding.declares_too_many(stack)
                }
            };
            fit.exact &= used_up;
            fit.counted &= outcome.is_ok_and(|declared| declared as usize == thread.frames.len());
            fit.read += (stack.bytes.len() - reader.bytes_remaining()) as u64;
            fit.instances &= instances.is_none_or(|count| {
                thread.frames.iter().all(|frame| frame.instance.is_none_or(|instance| instance < count))
            });
        }
        // Where nothing fits, a reading that sees no frame would see no wrong instance either.
        fit.instances |= !fit.exact;
        fit
    }
}

/// The frames of all stacks. A failure shows as fewer frames.
fn frames_of(encoding: &Encoding, stacks: &[&RawSection<'_>]) -> Vec<Vec<Frame>> {
    let read = |stack: &&RawSection<'_>| {
        let mut thread = Thread::default();
        let _ = frames(&mut stack.reader(), encoding, &mut thread, &mut Budget::default());
        thread.frames
    };
    stacks.iter().map(read).collect()
}

fn custom<'s, 'a>(sections: &'s [RawSection<'a>], name: &'s str) -> impl Iterator<Item = &'s RawSection<'a>> {
    sections.iter().filter(move |section| section.id == 0 && section.name == name)
}
