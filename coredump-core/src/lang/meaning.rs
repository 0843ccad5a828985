//! The contents of a structure of a standard library, as its language describes them, for printers and expressions.

use std::ops::Range;

use super::renderer::{Contiguous, Renderer, Shown};
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::location::Missing;
use crate::values::{Source, Value};

/// The contents of a structure of a language's library.
pub enum Meaning {
    /// Characters.
    Text(StringData),
    /// Elements in an order.
    Elements(Elements),
    /// Keys and their values.
    Entries(Entries),
    /// A wrapper around this value, which is shown in its place.
    Wrapped(Value),
}

/// A string.
pub struct StringData {
    /// The place of its first character.
    pub source: Source,
    /// The number of characters.
    pub len: u64,
    /// The type of a character.
    pub character: Option<Die>,
}

impl From<Contiguous> for StringData {
    fn from(found: Contiguous) -> StringData {
        StringData { source: Source::Memory(found.address), len: found.len, character: found.element }
    }
}

/// The elements of a sequence or a set.
pub enum Elements {
    /// Elements that lie one after the other in memory.
    Contiguous(Contiguous),
    /// Elements that were found one by one.
    Found {
        /// The elements of the window that was asked for, as far as they can be reached.
        list: Vec<Value>,
        /// The number of them in all.
        len: u64,
        /// True if they are a set.
        is_set: bool,
    },
}

impl Elements {
    /// The elements of a window of a list.
    pub fn list(list: Vec<Value>, len: u64) -> Elements {
        Elements::Found { list, len, is_set: false }
    }

    /// The elements of a window of a set.
    pub fn set(list: Vec<Value>, len: u64) -> Elements {
        Elements::Found { list, len, is_set: true }
    }
}

/// The entries of a map.
pub struct Entries {
    /// Key and value of those in the window that was asked for, as far as they can be reached.
    pub list: Vec<(Value, Value)>,
    /// The number of them in all.
    pub len: u64,
    /// True if it is a map to the unit type, which is shown as a set.
    pub is_set: bool,
}

impl<'s> Renderer<'_, '_, 's> {
    /// Shows a structure by its [`Meaning`], else in its language's own notation, else by its members.
    pub(super) fn contents(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Shown {
        let window = 0..u64::from(self.limits.elements);
        match self.lang.meaning(self, value, die, contents, window) {
            Some(Ok(meaning)) => self.show_meaning(&meaning, depth),
            Some(Err(missing)) => missing.into(),
            None => {
                let written = self.lang.written(self, value, die, contents, depth);
                written.unwrap_or_else(|| self.members(value, die, contents, depth))
            }
        }
    }

    fn show_meaning(&self, meaning: &Meaning, depth: u32) -> Shown {
        let (open, close) = self.lang.notation().array;
        let numbered = |list: &[Value], index: u64, deeper| {
            Some(self.part(format!("[{index}]"), list.get(usize::try_from(index).ok()?)?, deeper))
        };
        match meaning {
            Meaning::Text(text) => self.characters(text).map_or_else(Shown::from, Shown::text),
            Meaning::Elements(Elements::Contiguous(found)) => self.elements(*found, depth),
            Meaning::Elements(Elements::Found { list, len, is_set }) => {
                let (open, close) = if *is_set { ("{", "}") } else { (open, close) };
                self.sequence(open, close, *len, depth, |index, deeper| numbered(list, index, deeper))
            }
            Meaning::Entries(Entries { list, len, is_set: true }) => {
                let keys: Vec<Value> = list.iter().map(|(key, _)| key.clone()).collect();
                self.sequence("{", "}", *len, depth, |index, deeper| numbered(&keys, index, deeper))
            }
            Meaning::Entries(Entries { list, len, is_set: false }) => {
                self.map(*len, depth, |index| list.get(usize::try_from(index).ok()?).cloned())
            }
            Meaning::Wrapped(inner) => self.show(inner, depth),
        }
    }

    /// The [`Meaning`] of a value; `None` if it is no structure of its language's library.
    pub fn meaning(&self, value: &Value, window: Range<u64>) -> Option<Result<Meaning, Missing>> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        self.lang.meaning(self, &value.with_type(Some(die)), die, contents, window)
    }

    /// Returns the place of a container's elements, if they lie one after the other; `None` for any other value.
    pub fn contiguous(&self, value: &Value) -> Option<Result<Contiguous, Missing>> {
        Some(match self.meaning(value, 0..0)? {
            Ok(Meaning::Elements(Elements::Contiguous(found))) => Ok(found),
            Ok(Meaning::Text(text)) => match text.source {
                Source::Memory(address) => Ok(Contiguous { element: text.character, address, len: text.len }),
                Source::Bytes(..) => Err(Missing::NotCaptured("in no memory".into())),
                Source::Missing(missing) => Err(missing),
            },
            Ok(_) => return None,
            Err(missing) => Err(missing),
        })
    }

    /// An element, by its index, of a container that does not keep its elements contiguous; `None` for other types.
    pub fn element(&self, value: &Value, index: u64) -> Option<Result<Value, String>> {
        if let Some(part) = self.lang.part(self, value, index) {
            return Some(Ok(part));
        }
        let Ok(Meaning::Elements(Elements::Found { mut list, len, .. })) =
            self.meaning(value, index..index.checked_add(1)?)?
        else {
            return None;
        };
        Some(match list.pop() {
            Some(element) => Ok(element),
            None if index >= len => Err(format!("there are {len} elements")),
            None => Err("it cannot be reached".into()),
        })
    }

    /// The entries of a map, key and value, up to a limit; `None` for other types.
    pub fn entries(&self, value: &Value, limit: u64) -> Option<Result<Vec<(Value, Value)>, Missing>> {
        match self.meaning(value, 0..limit)? {
            Ok(Meaning::Entries(entries)) => Some(Ok(entries.list)),
            Ok(_) => None,
            Err(missing) => Some(Err(missing)),
        }
    }

    /// Returns the target of a smart pointer; `None` for other types.
    pub fn pointee(&self, value: &Value) -> Option<Value> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        self.lang.pointee(self, &value.with_type(Some(die)), die, contents)
    }

    /// Returns the target of a reference or a box, for languages in which it is used in place of that; `None` for other
    /// types.
    pub fn reference_target(&self, value: &Value) -> Option<Value> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Pointer(_, target) = &ty.kind else { return None };
        let address = value.with_type(Some(die)).pointer(self.frame);
        self.lang.is_reference(&ty).then(|| match address {
            Ok(address) => Value::in_memory(*target, address),
            Err(missing) => Value::missing(*target, missing),
        })
    }
}
