//! The outer shape of a WebAssembly binary: its sections, and the core modules nested in a component.
//!
//! Only section headers are read here, so that a module of any size opens at once.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};

/// The levels to which components may be nested: deeper ones are not read.
const MAX_NESTING: usize = 100;
/// The number of core modules that are taken from one component.
const MAX_MODULES: usize = 10_000;
/// The number of sections of one binary that are read: a file may hold one for every two bytes.
const MAX_SECTIONS: usize = 1_000_000;

/// Section id of custom sections (Wasm spec, 5.5.2).
pub(super) const CUSTOM: u8 = 0;
/// Component binary format: a section that holds a core module.
const COMPONENT_CORE_MODULE: u8 = 1;
/// Component binary format: a section that holds a component.
const COMPONENT_COMPONENT: u8 = 4;

/// The kind of a file, from its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// A core module.
    Module,
    /// A component.
    Component,
}

/// Reads the preamble (core spec 5.5.16; component model `Binary.md`).
pub fn preamble(bytes: &[u8]) -> Result<Preamble> {
    if bytes.is_empty() {
        return Err(Error::new(ErrorKind::NotWasm, "the file is empty").at(0));
    }
    if !b"\0asm".starts_with(&bytes[..bytes.len().min(4)]) {
        let error = Error::new(ErrorKind::NotWasm, "not a WebAssembly binary: it does not begin with \\0asm").at(0);
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        return Err(match first {
            Some(b'(' | b';') => error.hint("if this is the text format, make a binary of it: wasm-tools parse"),
            _ => error,
        });
    }
    match bytes.get(4..8) {
        Some([1, 0, 0, 0]) => Ok(Preamble::Module),
        Some([_, _, 1, 0]) => Ok(Preamble::Component),
        Some(_) => Err(Error::new(ErrorKind::NotWasm, "unknown WebAssembly binary version").at(4)),
        None => Err(Error::truncated(bytes.len() as u64, "the file ends inside the WebAssembly preamble")),
    }
}

/// A section: its id and where its contents lie in the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawSection {
    /// Section id.
    pub id: u8,
    /// The contents, without id and size; clipped where the file ends early.
    pub contents: Range<usize>,
}

/// All section headers, and the defect that ended the walk, if there was one.
pub(super) fn sections(bytes: &[u8]) -> (Vec<RawSection>, Option<Error>) {
    let mut found = Vec::new();
    let mut position = 8;
    while position < bytes.len() {
        let id = bytes[position];
        if found.len() == MAX_SECTIONS {
            let error = Error::new(ErrorKind::TooLarge, "more than 1000000 sections").at(position as u64);
            return (found, Some(error));
        }
        let Some((size, start)) = leb_u32(bytes, position + 1) else {
            let error = Error::truncated(position as u64, format!("section {id}: its size cannot be read"));
            return (found, Some(error));
        };
        let end = start.saturating_add(size as usize);
        if end > bytes.len() {
            found.push(RawSection { id, contents: start..bytes.len() });
            let missing = end - bytes.len();
            let error = Error::truncated(position as u64, format!("section {id} is cut off: {missing} bytes missing"));
            return (found, Some(error));
        }
        found.push(RawSection { id, contents: start..end });
        position = end;
    }
    (found, None)
}

/// The core modules in `bytes`: of a core module itself, of a component those nested at any depth, in index order
/// (a component's own modules before those of the components in it that stand later in the file).
///
/// # Errors
///
/// Fails only where the file is no WebAssembly binary. A damaged component yields what could be found.
pub fn nested(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    if preamble(bytes)? == Preamble::Module {
        return Ok(vec![bytes]);
    }
    let mut modules = Vec::new();
    let mut open = vec![(bytes, sections(bytes).0.into_iter())];
    while let Some((outer, rest)) = open.last_mut() {
        let outer = *outer;
        let Some(section) = rest.next() else {
            open.pop();
            continue;
        };
        let inner = &outer[section.contents];
        match section.id {
            COMPONENT_CORE_MODULE if modules.len() < MAX_MODULES && preamble(inner).is_ok() => modules.push(inner),
            COMPONENT_COMPONENT if open.len() < MAX_NESTING && preamble(inner).is_ok() => {
                open.push((inner, sections(inner).0.into_iter()));
            }
            _ => {}
        }
    }
    Ok(modules)
}

/// An unsigned LEB128 number of at most 32 bits at `position`, and the position after it. It is read here because every
/// function, name and section begins with such a number, and `wasmparser`'s reader, which builds an error with text and
/// position, is slower.
pub(super) fn leb_u32(bytes: &[u8], position: usize) -> Option<(u32, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.get(position..)?.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, position + index + 1));
        }
    }
    None
}

/// A length-prefixed string at `position` as raw bytes, and the position after it.
pub(super) fn name_bytes(bytes: &[u8], position: usize) -> Option<(&[u8], usize)> {
    let (len, start) = leb_u32(bytes, position)?;
    let end = start.checked_add(len as usize)?;
    Some((bytes.get(start..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, contents: &[u8]) -> Vec<u8> {
        let mut bytes = vec![id, contents.len() as u8];
        bytes.extend_from_slice(contents);
        bytes
    }

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_core_module_nests_itself() {
        assert_eq!(nested(MODULE).unwrap(), [MODULE]);
    }

    #[test]
    fn core_modules_are_found_at_any_depth_in_order() {
        let second = [MODULE, &section(CUSTOM, b"\x01x")].concat();
        let inner = [COMPONENT, &section(COMPONENT_CORE_MODULE, &second)].concat();
        let outer = [
            COMPONENT,
            &section(COMPONENT_CORE_MODULE, MODULE),
            &section(COMPONENT_COMPONENT, &inner),
            &section(COMPONENT_CORE_MODULE, MODULE),
        ]
        .concat();
        assert_eq!(nested(&outer).unwrap(), [MODULE, &second, MODULE]);
    }

    #[test]
    fn a_cut_section_is_reported_and_kept_as_far_as_it_goes() {
        let bytes = [MODULE, &[1, 10, 7, 7]].concat();
        let (found, error) = sections(&bytes);
        assert_eq!(found, [RawSection { id: 1, contents: 10..12 }]);
        assert_eq!(error.unwrap().offset, Some(8));
    }

    #[test]
    fn text_and_empty_files_are_told_apart() {
        assert_eq!(nested(b"").unwrap_err().message, "the file is empty");
        assert!(nested(b"(module)").unwrap_err().hint.unwrap().contains("wasm-tools parse"));
        assert_eq!(nested(b"\0as").unwrap_err().kind, ErrorKind::Truncated);
    }

    #[test]
    fn over_long_numbers_are_refused() {
        assert_eq!(leb_u32(&[0xff, 0xff, 0xff, 0xff, 0x0f], 0), Some((u32::MAX, 5)));
        assert_eq!(leb_u32(&[0xff, 0xff, 0xff, 0xff, 0x7f], 0), None);
        assert_eq!(leb_u32(&[0x80; 6], 0), None);
        assert_eq!(leb_u32(&[], 3), None);
    }
}
