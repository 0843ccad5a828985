//! Strings: `String`, paths, C strings, and the fat pointers to `str`, `Path` and the like.

use super::{RustValues, StdType};
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::lang::{Contiguous, Elements, Meaning, Shown};
use crate::location::Missing;
use crate::values::Value;

/// The target of a fat pointer with a length.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsized {
    Slice,
    Text,
    /// A C string; the length includes the NUL.
    CText,
}

impl<'s> RustValues<'_, '_, '_, 's> {
    /// A pointer to a trait object, or to a structure that ends in one; `None` for another type.
    pub(super) fn pointer_to_object(&self, value: &Value, die: Die, depth: u32) -> Option<Shown> {
        match self.trait_object_parts(value, die) {
            Some(found) => Some(self.dynamic(found, depth)),
            None => self.pointer_to_tailed(value, die, depth),
        }
    }

    /// The name of a pointer type's target, from the type's name; `None` if that is not the name of a pointer.
    pub(super) fn pointer_name(&self, die: Die) -> Option<&'s [u8]> {
        let name = self.frame.units.name(die)?;
        let mut prefixes = [&b"&mut "[..], b"&", b"*const ", b"*mut ", b"alloc::boxed::Box<"].into_iter();
        prefixes.find_map(|prefix| name.strip_prefix(prefix))
    }

    fn unsized_target(&self, die: Die) -> Option<Unsized> {
        let target = self.pointer_name(die)?;
        // A box also names its allocator.
        let target = target.split(|&byte| byte == b',' || byte == b'>').next().unwrap_or(target);
        Some(match target {
            b"str" | b"std::path::Path" | b"std::ffi::os_str::OsStr" => Unsized::Text,
            b"core::ffi::c_str::CStr" => Unsized::CText,
            _ if target.starts_with(b"[") => Unsized::Slice,
            _ if target.starts_with(b"std::sys::") && target.ends_with(b"::Slice") => Unsized::Text,
            _ => return None,
        })
    }

    /// Returns the target of `&str`, `&[T]`, `Box<Path>`, …; `None` for another type.
    pub(super) fn unsized_pointee(&self, value: &Value, die: Die) -> Option<Result<Meaning, Missing>> {
        let sort = self.unsized_target(die)?;
        // The length in a pointer to an unsized structure (inside `Rc<[T]>`) is that of the slice at its end: it is no
        // plain slice.
        let (data, len) = (self.field(value, "data_ptr")?, self.field(value, "length")?);
        let (address, element) = match self.address_in(&data)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        Some(len.number(self.frame, false).map(|len| {
            let found = Contiguous { element, address, len: len as u64 };
            match sort {
                Unsized::Slice => Meaning::Elements(Elements::Contiguous(found)),
                Unsized::Text => Meaning::Text(found.into()),
                Unsized::CText => Meaning::Text(without_end(found).into()),
            }
        }))
    }

    /// Returns the place of a vector's elements.
    pub(super) fn vector(
        &self,
        value: &Value,
        known: &StdType<'_>,
        contents: &Struct<'s>,
    ) -> Option<Result<Contiguous, Missing>> {
        if known.name != "Vec" || !known.is_in("alloc") {
            return None;
        }
        let element = self.argument(contents, 0);
        let (address, _) = match self.address_in(&self.dig(&self.field(value, "buf")?, "pointer")?)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let len = self.field(value, "len")?.number(self.frame, false);
        Some(len.map(|len| Contiguous { element, address, len: len as u64 }))
    }

    /// A `String`, or another wrapper around the bytes of a string.
    pub(super) fn string(&self, known: &StdType<'_>, value: &Value) -> Option<Result<Meaning, Missing>> {
        let mut at = value.clone();
        for _ in 0..super::WRAPPERS {
            let (die, ty) = self.frame.units.peeled(at.ty)?;
            let Kind::Struct(contents) = &ty.kind else { return None };
            at = at.with_type(Some(die));
            let bytes = match self.unsized_pointee(&at, die) {
                Some(Ok(Meaning::Elements(Elements::Contiguous(bytes)))) => Some(Ok(bytes)),
                Some(Ok(meaning)) => return Some(Ok(meaning)),
                Some(Err(missing)) => return Some(Err(missing)),
                None => self.std_type(die).and_then(|known| self.vector(&at, &known, contents)),
            };
            if let Some(bytes) = bytes {
                let is_c = known.name == "CString";
                return Some(bytes.map(|bytes| Meaning::Text(if is_c { without_end(bytes) } else { bytes }.into())));
            }
            at = ["vec", "inner", "bytes"].iter().find_map(|name| self.field(&at, name))?;
        }
        None
    }
}

/// A C string without the NUL at its end.
fn without_end(text: Contiguous) -> Contiguous {
    Contiguous { len: text.len.saturating_sub(1), ..text }
}
