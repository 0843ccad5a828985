//! The bytes of a component without its core modules, which a dump that embeds the modules holds so that the component
//! can run again.
//!
//! The section's contents are the pieces of the component, in order. Each begins with a number (u32, LEB128): 0 for
//! bytes of the component itself, whose length (u32, LEB128) and contents follow; otherwise the index, plus one, of the
//! module of the dump that stands there.

use std::borrow::Cow;
use std::collections::HashSet;

use wasm_encoder::Encode;
use wasmparser::BinaryReader;

use crate::error::{Error, Result};

/// Name of the custom section.
pub const SECTION: &str = "coredump.component";

/// A component in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component<'a> {
    pieces: Vec<ComponentPart<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ComponentPart<'a> {
    /// Bytes of the component itself.
    Own(&'a [u8]),
    /// A module of the dump.
    Module(u32),
}

impl<'a> Component<'a> {
    /// The component in `bytes`, in which the `nested` modules lie in order. The modules among them that the dump
    /// embeds, `modules`, are left out.
    pub fn around(bytes: &'a [u8], nested: &[&'a [u8]], modules: &[Option<&[u8]>]) -> Component<'a> {
        let (mut pieces, mut left, mut at) = (Vec::new(), HashSet::new(), 0);
        for module in nested {
            let start = (module.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
            // A module that is there twice is left out once.
            let same =
                |(index, embedded): (usize, &Option<&[u8]>)| *embedded == Some(*module) && !left.contains(&index);
            let Some(index) = modules.iter().enumerate().position(same) else { continue };
            let Some(own) = bytes.get(at..start) else { continue };
            left.insert(index);
            pieces.extend([ComponentPart::Own(own), ComponentPart::Module(index as u32)]);
            at = start + module.len();
        }
        pieces.push(ComponentPart::Own(&bytes[at..]));
        Component { pieces }
    }

    /// Reads the section's contents, which stand at `offset` of the file.
    ///
    /// # Errors
    ///
    /// The section is cut off.
    pub fn read(section: &'a [u8], offset: u64) -> Result<Component<'a>> {
        let mut reader = BinaryReader::new(section, offset as usize);
        let mut piece = || {
            Ok(match reader.eof() {
                true => None,
                false => Some(match reader.read_var_u32()?.checked_sub(1) {
                    Some(module) => ComponentPart::Module(module),
                    None => {
                        let len = reader.read_var_u32()?;
                        ComponentPart::Own(reader.read_bytes(len as usize)?)
                    }
                }),
            })
        };
        let pieces: std::result::Result<_, wasmparser::BinaryReaderError> =
            std::iter::from_fn(|| piece().transpose()).collect();
        let cut_off = |error: wasmparser::BinaryReaderError| {
            Error::malformed(error.offset() as u64, "the embedded component is cut off")
        };
        Ok(Component { pieces: pieces.map_err(cut_off)? })
    }

    /// The section's contents.
    pub fn parts(&self) -> Vec<Cow<'a, [u8]>> {
        let mut parts = Vec::new();
        for piece in &self.pieces {
            let mut head = Vec::new();
            match piece {
                ComponentPart::Own(bytes) => {
                    0u32.encode(&mut head);
                    (bytes.len() as u32).encode(&mut head);
                    parts.extend([Cow::Owned(head), Cow::Borrowed(*bytes)]);
                }
                ComponentPart::Module(index) => {
                    index.saturating_add(1).encode(&mut head);
                    parts.push(Cow::Owned(head));
                }
            }
        }
        parts
    }

    /// The component's bytes, with the dump's modules, which `module` gives, put back. `None` if one of these is
    /// missing or is referred to twice: [`Component::around`] leaves a module out only once, so that the result is
    /// never larger than the dump.
    pub fn bytes<'m>(&self, module: impl Fn(u32) -> Option<&'m [u8]>) -> Option<Vec<u8>> {
        let (mut bytes, mut used) = (Vec::new(), HashSet::new());
        for piece in &self.pieces {
            match piece {
                ComponentPart::Own(own) => bytes.extend_from_slice(own),
                ComponentPart::Module(index) if used.insert(*index) => bytes.extend_from_slice(module(*index)?),
                ComponentPart::Module(_) => return None,
            }
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_comes_back_from_its_pieces() {
        let bytes = b"<one|two|two>";
        let nested = [&bytes[1..4], &bytes[5..8], &bytes[9..12]];
        let modules: [Option<&[u8]>; 4] = [Some(b"two"), None, Some(b"one"), Some(b"more")];
        let component = Component::around(bytes, &nested, &modules);
        let section = component.parts().concat();
        assert!(section.len() < bytes.len() + 6, "the modules are not in it: {section:?}");
        let again = Component::read(&section, 0).unwrap();
        assert_eq!(again.bytes(|index| modules[index as usize]).unwrap(), bytes);
        assert_eq!(again.bytes(|_| None), None);
        for cut in 1..section.len() {
            let read = Component::read(&section[..cut], 100);
            let bytes = read.ok().and_then(|component| component.bytes(|index| modules[index as usize]));
            assert_ne!(bytes.as_deref(), Some(&b"<one|two|two>"[..]));
        }
        // A component that refers to one module over and over would expand a few bytes to many.
        assert_eq!(Component::read(&[1, 1], 0).unwrap().bytes(|_| Some(&b"two"[..])), None);
        let error = Component::read(&[0, 9, 1], 100).unwrap_err();
        assert_eq!(error.offset, Some(102));
    }
}
