//! Reads a core dump's bytes into the model.
//!
//! A dump is read section by section, in whatever order they come, and never validated as a module first: several
//! producers write what no validator accepts. A bad section loses only that section, and a truncated file only what was
//! cut off.

mod extensions;
mod frames;
mod layouts;
mod standard;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::extension;
use crate::limits::{MAX_SECTIONS, MAX_WARNINGS};
use crate::model::{CoreDump, Layout, Reading, Warning};
use crate::producers::{self, Encoding, Producer};
use crate::sections::{RawSection, Sections};

/// Reads a core dump in the layout in which every byte of its `corestack` sections is used and that suits the rest of
/// the file best.
///
/// # Errors
///
/// Fails only if the bytes are no dump at all: no WebAssembly, an ordinary module, or a component. A dump that is
/// damaged or cut off yields what could be read, with [`CoreDump::incomplete`] set to the first failure.
pub fn read(bytes: &[u8]) -> Result<CoreDump<'_>> {
    read_with(bytes, |sections, dump| {
        let (encoding, alternatives) = layouts::sniff(sections);
        dump.alternatives = alternatives;
        encoding
    })
}

/// Reads a core dump in a given layout, in the encoding of it that suits the bytes best. Fails as [`read`] does.
pub fn read_as(bytes: &[u8], layout: Layout) -> Result<CoreDump<'_>> {
    read_with(bytes, |sections, _| layouts::of_layout(layout, sections))
}

/// Reads a core dump as one of [`CoreDump::alternatives`] says, when the frames that [`read`] saw do not agree with the
/// module. Fails as [`read`] does.
pub fn read_alternative(bytes: &[u8], reading: Reading) -> Result<CoreDump<'_>> {
    read_with(bytes, |sections, _| layouts::of_reading(reading, sections))
}

fn read_with<'a>(
    bytes: &'a [u8],
    choose: impl FnOnce(&[RawSection<'a>], &mut CoreDump<'a>) -> Encoding,
) -> Result<CoreDump<'a>> {
    let mut dump = CoreDump { size: bytes.len() as u64, ..CoreDump::default() };
    let sections = sections(bytes, &mut dump)?;
    let encoding = choose(&sections, &mut dump);
    dump.layout = encoding.layout;
    repeated(&sections, &mut dump);
    let mut budget = frames::Budget::default();
    let mut state = state::MemoryBuilder::default();
    for section in &sections {
        let outcome = match (section.id, section.name) {
            (0, "core") => standard::executable(section, &mut dump),
            (0, "coremodules") => standard::modules(section, &mut dump),
            (0, "coreinstances") => standard::instances(section, &mut dump),
            (0, "corestack") => frames::thread(section, &encoding, &mut budget, &mut dump),
            (0, "producers") => standard::producers(section, &mut dump),
            (5, _) => state.memories(section),
            (6, _) => state::globals(section, &mut dump),
            (11, _) => state.data(section),
            _ => Ok(()),
        };
        // The end of the file inside this section was reported before.
        if let Err(error) = outcome
            && !(error.kind == ErrorKind::Truncated && section.cut_off().is_some())
        {
            give_up(&mut dump, error);
        }
    }
    if budget.values_dropped {
        let message = "more locals and operands than this reader keeps: those of older frames are left out".into();
        dump.warnings.push(Warning { message, offset: None });
    }
    let coverage = extensions::coverage(&sections, &mut dump);
    if let Some(coverage) = &coverage
        && let Err(error) = state.lost(coverage, dump.size)
    {
        give_up(&mut dump, error);
    }
    state.finish(coverage, &mut dump);
    extensions::apply(&sections, &mut dump);
    producers::repair(&mut dump, Producer::candidates(&sections));
    if dump.threads.is_empty() {
        dump.warnings.push(Warning { message: "no corestack section: no frames are known".into(), offset: None });
    }
    Ok(dump)
}

/// Warns of repeated sections that a dump may have only once. All of them are read.
fn repeated(sections: &[RawSection<'_>], dump: &mut CoreDump<'_>) {
    let once = |section: &RawSection<'_>| match section.id {
        0 => matches!(section.name, "core" | "coremodules" | "coreinstances") || is_json(section.name),
        5 | 6 | 11 => true,
        _ => false,
    };
    let mut seen = HashSet::new();
    for section in sections.iter().filter(|section| once(section)) {
        let name = section.describe().name;
        if !seen.insert((section.id, section.name)) && dump.warnings.len() < MAX_WARNINGS {
            let message = match (section.id, section.name) {
                (0, "core") => "section core is repeated: the first program name is used".into(),
                (0, name) if is_json(name) => format!("section {name} is repeated: not read"),
                _ => format!("section {name} is repeated: its contents are appended"),
            };
            dump.warnings.push(Warning { message, offset: Some(section.offset) });
        }
    }
}

/// Finds the sections of a dump and lists them. Damaged sections count towards the limit: a small compressed or sparse
/// file may have gigabytes of zeros after the dump, and two zero bytes are a section without a name.
fn sections<'a>(bytes: &'a [u8], dump: &mut CoreDump<'a>) -> Result<Vec<RawSection<'a>>> {
    let mut sections: Vec<RawSection<'a>> = Vec::new();
    let mut all = Sections::new(bytes)?;
    for section in all.by_ref().take(MAX_SECTIONS) {
        match section {
            Ok(section) => sections.push(section),
            Err(error) => give_up(dump, error),
        }
    }
    if let Some(next) = all.next() {
        let message = format!("more than {MAX_SECTIONS} sections: the rest is not read");
        let offset = next.map_or_else(|error| error.offset, |section| Some(section.offset));
        let warning = Warning { message, offset };
        match dump.incomplete {
            None => dump.incomplete = Some(warning),
            // This warning is given in addition to MAX_WARNINGS others.
            Some(_) => dump.warnings.push(warning),
        }
    }
    if !sections.iter().any(is_dump_section) {
        return Err(match dump.incomplete.take() {
            Some(Warning { message, offset }) => Error::new(ErrorKind::Truncated, message)
                .at(offset.unwrap_or(dump.size))
                .hint("nothing before that is part of a core dump"),
            None => Error::new(ErrorKind::WrongFile, "an ordinary WebAssembly module, not a core dump")
                .hint("name the dump; a module is given with -m"),
        });
    }
    for section in &sections {
        dump.sections.push(section.describe());
        if let Some(error) = section.cut_off() {
            give_up(dump, error);
        }
    }
    Ok(sections)
}

/// Returns true if a section of this name is one of ours that holds JSON.
fn is_json(name: &str) -> bool {
    let other =
        [extension::EMBEDDED_MODULE, crate::component::SECTION, crate::objects::SECTION, crate::recording::SECTION];
    name.starts_with(extension::PREFIX) && !other.contains(&name)
}

/// Returns true if only a core dump has such a section.
fn is_dump_section(section: &RawSection<'_>) -> bool {
    section.id == 0 && matches!(section.name, "core" | "corestack" | "coremodules" | "coreinstances")
}

/// Notes that a part of the file could not be read; the first such failure is the one that counts.
fn give_up(dump: &mut CoreDump<'_>, error: Error) {
    let warning = Warning { message: error.message, offset: error.offset };
    if dump.incomplete.is_none() {
        dump.incomplete = Some(warning);
    } else if dump.incomplete.as_ref() != Some(&warning) && dump.warnings.len() < MAX_WARNINGS {
        dump.warnings.push(warning);
        if dump.warnings.len() == MAX_WARNINGS {
            dump.warnings.push(Warning { message: "further warnings of this kind are left out".into(), offset: None });
        }
    }
}
