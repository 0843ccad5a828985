//! Errors of the standard library, whose `{:?}` differs from their representation.

use super::trait_objects::TraitObject;
use super::{RustValues, StdType};
use crate::catalog::units::Die;
use crate::lang::{Shown, aggregate::joined};
use crate::values::{Value, Variable};

/// The type that `Box<dyn Error>` holds when it was made from a string, by its name in its methods' names: it wraps a
/// `String`.
const STRING_ERROR: &str = "core::convert::From<alloc::string::String>>::from::StringError as core::";

impl<'s> RustValues<'_, '_, '_, 's> {
    /// The text of a `std::io::Error` or of an error made from a string; `None` for another type.
    pub(super) fn error(&self, known: &StdType<'_>, value: &Value, depth: u32) -> Option<Shown> {
        match known.name {
            "StringError" if known.is_in("alloc") => Some(self.show(&self.first_member(value)?, depth)),
            "Error" if known.path.contains(&&b"io"[..]) => self.io_error(value, depth),
            _ => None,
        }
    }

    /// The four forms of an `io::Error`, which is an enum where addresses have 32 bits.
    fn io_error(&self, value: &Value, depth: u32) -> Option<Shown> {
        let (form, variant) = self.named_variant(&self.first_member(&self.field(value, "repr")?)?)?;
        let inner = self.first_member(&variant)?;
        let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text(format!("{form}(...)"))) };
        let written = |name: &str, parts: Vec<Variable>, more: &str| {
            let mut texts: Vec<_> = parts.iter().map(|part| format!("{}: {}", part.name, part.text())).collect();
            texts.extend((!more.is_empty()).then(|| more.to_owned()));
            Shown { text: Ok(joined(&format!("{name} {{ "), " }", &texts)), children: parts }
        };
        match form.as_str() {
            // Only the library's code knows the kind and message for an error code.
            "Os" => Some(written("Os", vec![self.part("code", &inner, deeper)], "..")),
            "Simple" => Some(self.with_payload("Kind", &inner, depth)),
            "SimpleMessage" => {
                let message = self.reference_target(&inner)?;
                let part = |name: &str| Some(self.part(name, &self.field(&message, name)?, deeper));
                Some(written("Error", vec![part("kind")?, part("message")?], ""))
            }
            "Custom" => Some(self.show(&inner, depth)),
            _ => None,
        }
    }

    /// The string from which an error was made, where only its methods' names in the vtable show that it is such an
    /// error.
    pub(super) fn error_text(&self, object: &TraitObject) -> Option<Value> {
        let width = u64::from(self.frame.address_size());
        if !self.vtable_functions(object.vtable)?.contains(STRING_ERROR) {
            return None;
        }
        let string = self.type_in(b"String", &[b"alloc", b"string"])?;
        let size = Value::in_memory(None, object.vtable.checked_add(width)?).unsigned(self.frame, width).ok()?;
        let same = self.frame.units.size_of(Some(string)).is_some_and(|own| u128::from(own) == size);
        same.then(|| Value::in_memory(Some(string), object.address))
    }

    /// A type of the standard library by its name and the modules it is in.
    fn type_in(&self, name: &[u8], path: &[&[u8]]) -> Option<Die> {
        let units = &self.frame.units;
        let first = self.frame.function.map_or(0, |function| function.unit);
        units.types_named(first, name).into_iter().find(|&die| units.path(die) == path)
    }
}
