//! Pointers with an owner: `Rc`, `Arc`, `Weak`, boxes with an allocator, guards.

use super::{RustValues, StdType};
use crate::catalog::types::{Kind, Member, Offset};
use crate::catalog::units::Die;
use crate::lang::{Contiguous, Shown, explain};
use crate::location::Missing;
use crate::values::{Source, Value, Variable, pointer_target};

/// The target of a pointer.
enum Target {
    /// A value of a known size.
    Sized(Value),
    /// Elements; the flag says that they are the bytes of a string.
    Elements(Contiguous, bool),
    /// Nothing: a `Weak` that was made by `Weak::new`.
    Nothing,
    /// A structure that ends in a trait object.
    Tailed { ty: Option<Die>, address: u64, vtable: u64 },
    /// A trait object, whose vtable nothing describes.
    Unknown { address: u64, vtable: u64 },
}

impl<'s> RustValues<'_, '_, '_, 's> {
    pub(super) fn smart_pointer(&self, known: &StdType<'_>, value: &Value, die: Die, depth: u32) -> Option<Shown> {
        match known.name {
            "Pin" | "NonNull" | "Unique" => {
                let pointer = ["pointer", "__pointer"].iter().find_map(|name| self.field(value, name))?;
                Some(self.show(&pointer, depth))
            }
            "NonZero" => Some(self.show(&self.unwrapped(value)?, depth)),
            "Rc" | "Arc" | "UniqueRc" | "UniqueArc" if known.is_in("alloc") => {
                Some(match self.counted(value, die)? {
                    Ok((target, counts)) => match depth.checked_sub(1) {
                        Some(deeper) => self.standing_for(self.target(target, deeper)?, counts),
                        None => Shown::text("..."),
                    },
                    Err(missing) => missing.into(),
                })
            }
            "Weak" if known.is_in("alloc") => Some(match self.counted(value, die)? {
                Ok((_, counts)) => Shown { text: Ok("(Weak)".into()), children: counts },
                Err(missing) => missing.into(),
            }),
            _ => {
                let pointee = self.smart_pointee(known, value, die)?;
                let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text("...")) };
                let part = self.part("*", &pointee, deeper);
                Some(match (&part.value, &pointee.source) {
                    (None, Source::Missing(missing)) => missing.clone().into(),
                    _ => self.standing_for(part, Vec::new()),
                })
            }
        }
    }

    /// Returns the target of an owning pointer, if it has a known size.
    pub(super) fn smart_pointee(&self, known: &StdType<'_>, value: &Value, die: Die) -> Option<Value> {
        let through = |pointer: Value| match self.address_in(&pointer)? {
            Ok((address, target)) => Some(Value::in_memory(target, address)),
            Err(missing) => Some(Value::missing(self.argument_of(value.ty, 0), missing)),
        };
        match known.name {
            "Rc" | "Arc" | "UniqueRc" | "UniqueArc" if known.is_in("alloc") => match self.counted(value, die)? {
                Ok((Target::Sized(target), _)) => Some(target),
                Ok(_) => None,
                Err(missing) => Some(Value::missing(self.argument_of(value.ty, 0), missing)),
            },
            "Box" if known.is_in("alloc") => through(self.field(value, "__0")?),
            "Ref" | "RefMut" if known.is_in("core::cell") => through(self.field(value, "value")?),
            "Pin" | "NonNull" | "Unique" => {
                let pointer = ["pointer", "__pointer"].iter().find_map(|name| self.field(value, name))?;
                let (inner, _) = self.frame.units.peeled(pointer.ty)?;
                match pointer_target(self.frame, pointer.ty) {
                    Some(_) => through(pointer),
                    None => self.0.pointee(&pointer.with_type(Some(inner))),
                }
            }
            "MutexGuard" | "RwLockWriteGuard" => self.bare_field(&through(self.field(value, "lock")?)?, "data"),
            "RwLockReadGuard" | "MappedMutexGuard" => through(self.field(value, "data")?),
            _ => None,
        }
    }

    fn bare_field(&self, value: &Value, name: &str) -> Option<Value> {
        Some(self.bare(&self.field(value, name)?))
    }

    /// A target as a child, of which `deeper` more levels are shown.
    fn target(&self, target: Target, deeper: u32) -> Option<Variable> {
        let made = |shown: Shown, address: u64| {
            let mut part = self.noted("*", &Value::in_memory(None, address), "");
            part.type_name.clear();
            part.children = shown.children;
            match shown.text {
                Ok(text) => part.value = Some(text),
                Err(missing) => (part.value, (part.status, part.note)) = (None, explain(missing)),
            }
            part
        };
        Some(match target {
            Target::Nothing => return None,
            Target::Sized(value) => self.part("*", &value, deeper),
            Target::Elements(found, true) => {
                let text = self.text_at(found.address, found.len);
                made(text.map_or_else(Shown::from, Shown::text), found.address)
            }
            Target::Elements(found, false) => made(self.elements(found, deeper), found.address),
            Target::Tailed { ty, address, vtable } => {
                let unknown = || Shown::text(format!("{address:#x} (vtable {vtable:#x})"));
                made(self.tailed(ty, address, vtable, deeper).unwrap_or_else(unknown), address)
            }
            Target::Unknown { address, vtable } => {
                made(Shown::text(format!("{address:#x} (vtable {vtable:#x})")), address)
            }
        })
    }

    /// The first element of the slice at the end of an unsized structure, which LLVM 14 describes as a bit-field of no
    /// bits.
    fn unsized_end(&self, value: &Value) -> Option<Value> {
        let (_, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        match contents.members.last()? {
            &Member { ty, offset: Offset::Bits(bits), bits: Some(0), .. } => {
                Some(Value::in_memory(ty, value.source.address()?.checked_add(bits / 8)?))
            }
            _ => None,
        }
    }

    /// Returns the target of a counted pointer, and its counts as `strong_count` and `weak_count` give them.
    fn counted(&self, value: &Value, die: Die) -> Option<Result<(Target, Vec<Variable>), Missing>> {
        let pointer = ["ptr", "pointer"].iter().find_map(|name| self.field(value, name))?;
        let pointer = self.field(&pointer, "pointer").unwrap_or(pointer);
        let (inner, vtable, len) = match self.address_in(&pointer) {
            Some(Ok((address, inner))) => (Value::in_memory(inner, address), None, None),
            Some(Err(missing)) => return Some(Err(missing)),
            None => {
                let (data, len) = (self.field(&pointer, "data_ptr"), self.field(&pointer, "length"));
                let data = data.or_else(|| self.field(&pointer, "pointer"))?;
                let vtable = self.field(&pointer, "vtable");
                let (address, inner) = match self.address_in(&data)? {
                    Ok(found) => found,
                    Err(missing) => return Some(Err(missing)),
                };
                let read = |value: Option<Value>| value.map(|value| value.pointer(self.frame)).transpose();
                match (read(vtable), read(len)) {
                    (Ok(vtable), Ok(len)) => (Value::in_memory(inner, address), vtable, len),
                    (Err(missing), _) | (_, Err(missing)) => return Some(Err(missing)),
                }
            }
        };
        let address = inner.source.address()?;
        let width = u64::from(self.frame.address_size());
        if address == if width == 8 { u64::MAX } else { u64::from(u32::MAX) } {
            return Some(Ok((Target::Nothing, Vec::new())));
        }
        let contents = ["value", "data"].iter().find_map(|name| self.field(&inner, name))?;
        let contents = self.unsized_end(&inner).unwrap_or(contents);
        let mut counts = Vec::new();
        for (name, own) in [("strong", 0), ("weak", 1)] {
            let count = self.field(&inner, name)?;
            if let Some(Ok(number)) = self.count(&inner, name) {
                // All strong references together count as one weak one.
                counts.push(self.noted(name, &self.unwrapped(&count)?, number.saturating_sub(own).to_string()));
            }
        }
        if let (Some(vtable), Some(at)) = (vtable, inner.source.address()) {
            let name = contents.ty.and_then(|ty| self.frame.units.name(ty));
            if !name.is_some_and(super::trait_objects::is_object) {
                // The vtable is for the end of the value only, as in `Rc<RefCell<dyn Shape>>`.
                let target = match self.tailed_alignment(contents.ty, vtable) {
                    Some(alignment) => {
                        let address = at.checked_add((2 * width).next_multiple_of(alignment))?;
                        Target::Tailed { ty: contents.ty, address, vtable }
                    }
                    None => Target::Unknown { address: at, vtable },
                };
                return Some(Ok((target, counts)));
            }
            // The value follows the two counts, at the next offset that is aligned for its type.
            let alignment = match self.vtable_alignment(vtable) {
                Ok(alignment) => alignment,
                Err(missing) => return Some(Err(missing)),
            };
            let address = at.checked_add((2 * width).next_multiple_of(alignment))?;
            let object = super::trait_objects::TraitObject { address, vtable };
            let target = self.trait_object(&object).map_or(Target::Unknown { address, vtable }, Target::Sized);
            return Some(Ok((target, counts)));
        }
        let target = match len {
            Some(len) => {
                let name = self.frame.units.name(die).unwrap_or_default();
                let behind = name.splitn(2, |&byte| byte == b'<').nth(1).unwrap_or_default();
                let text = [&b"str"[..], b"std::path::Path", b"std::ffi::os_str::OsStr"];
                let text = text.iter().any(|text| behind.starts_with(text));
                if !text && !behind.starts_with(b"[") {
                    return None;
                }
                let address = contents.source.address()?;
                Target::Elements(Contiguous { element: contents.ty, address, len }, text)
            }
            None => Target::Sized(contents),
        };
        Some(Ok((target, counts)))
    }
}
