//! Texts: `String`, paths, C strings, and the fat pointers to their unsized kin.

use super::Known;
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::lang::{Contiguous, Renderer, Shown};
use crate::location::Missing;
use crate::values::Value;

/// What a fat pointer with a length points to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsized {
    Slice,
    Text,
    /// Text with a zero at its end, which the length counts.
    CText,
}

impl<'s> Renderer<'_, '_, 's> {
    /// `&str`, `&[T]`, `Box<Path>`, …, and trait objects; `None` for another type.
    pub(super) fn fat_pointer(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        if let Some(found) = self.trait_object_parts(value, die) {
            return Some(self.dynamic(found, depth));
        }
        if let Some(shown) = self.pointer_to_tailed(value, die, depth) {
            return Some(shown);
        }
        let sort = self.unsized_target(die)?;
        Some(match self.rust_contiguous(value, die, contents)? {
            Ok(found) if sort == Unsized::Slice => self.elements("[", "]", found, depth),
            Ok(found) => self.text_of(found),
            Err(missing) => missing.into(),
        })
    }

    /// What a type points to, by its name; `None` for one that is no pointer by its name.
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

    /// `Vec`, slices behind any pointer, and texts.
    pub(in crate::lang) fn rust_contiguous(
        &self,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
    ) -> Option<Result<Contiguous, Missing>> {
        if let (Some(data), Some(len)) = (self.field(value, "data_ptr"), self.field(value, "length")) {
            // A pointer to an unsized structure (`Rc<[T]>` inside) counts what stands at its end: no plain slice.
            let sort = self.unsized_target(die)?;
            let (address, element) = match self.address_in(&data)? {
                Ok(found) => found,
                Err(missing) => return Some(Err(missing)),
            };
            let len = len.number(self.frame, false).map(|len| len as u64);
            let len = len.map(|len| if sort == Unsized::CText { len.saturating_sub(1) } else { len });
            return Some(len.map(|len| Contiguous { element, address, len }));
        }
        let known = self.known(die)?;
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

    /// A `String`, or what wraps bytes as one.
    pub(super) fn string(&self, known: &Known, value: &Value) -> Option<Shown> {
        let zero = match known.name.as_str() {
            "String" | "PathBuf" | "OsString" => false,
            "CString" => true,
            _ => return None,
        };
        let mut at = value.clone();
        for _ in 0..super::WRAPPERS {
            let (die, ty) = self.structure_of(&at)?;
            let Kind::Struct(contents) = &ty.kind else { return None };
            at = at.with_type(Some(die));
            match self.rust_contiguous(&at, die, contents) {
                Some(Ok(found)) => {
                    let len = if zero { found.len.saturating_sub(1) } else { found.len };
                    return Some(self.text_of(Contiguous { len, ..found }));
                }
                Some(Err(missing)) => return Some(missing.into()),
                None => {}
            }
            at = ["vec", "inner", "bytes"].iter().find_map(|name| self.field(&at, name))?;
        }
        None
    }

    pub(super) fn text_of(&self, found: Contiguous) -> Shown {
        match self.text_at(found.address, found.len) {
            Ok(text) => Shown::text(text),
            Err(missing) => missing.into(),
        }
    }
}
