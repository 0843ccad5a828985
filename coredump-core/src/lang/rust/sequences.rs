//! What is written as a list: vectors, rings, linked lists, heaps, and the iterators over slices.

use super::Known;
use crate::catalog::types::Struct;
use crate::catalog::units::Die;
use crate::lang::{Contiguous, Renderer, Shown, cut};
use crate::location::Missing;
use crate::values::Value;

/// A `VecDeque`'s elements: they begin anywhere in a buffer and go on at its start.
pub(super) struct Ring {
    element: Option<Die>,
    size: u64,
    address: u64,
    head: u64,
    capacity: u64,
    /// How many elements there are.
    pub len: u64,
}

impl Ring {
    /// An element; `index` is below `len`.
    pub fn at(&self, index: u64) -> Value {
        let slot = if self.capacity == 0 { 0 } else { (self.head + index) % self.capacity };
        Value::in_memory(self.element, self.address + slot * self.size)
    }
}

impl<'s> Renderer<'_, '_, 's> {
    pub(super) fn sequence_of(
        &self,
        known: &Known,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        depth: u32,
    ) -> Option<Shown> {
        Some(match known.name.as_str() {
            "Vec" => match self.rust_contiguous(value, die, contents)? {
                Ok(found) => self.elements("[", "]", found, depth),
                Err(missing) => missing.into(),
            },
            "BinaryHeap" => self.show(&self.field(value, "data")?, depth),
            "VecDeque" => match self.ring(value)? {
                Ok(ring) => self.sequence("[", "]", ring.len, depth, |index, deeper| {
                    Some(self.part(format!("[{index}]"), &ring.at(index), deeper))
                }),
                Err(missing) => missing.into(),
            },
            "LinkedList" => self.linked_list(value, depth)?,
            "Iter" | "IterMut" if known.is_in("core::slice") => self.iterator(known, self.rest(value)?, depth),
            "IntoIter" if known.is_in("alloc::vec") => self.iterator(known, self.rest(value)?, depth),
            "IntoIter" if known.is_in("core::array") => {
                let (start, end) = match self.alive(value)? {
                    Ok(alive) => alive,
                    Err(missing) => return Some(missing.into()),
                };
                let element = self.argument(contents, 0);
                let address = self.dig(value, "data")?.source.address()?;
                let len = end.checked_sub(start)?;
                let address = address.checked_add(start.checked_mul(self.frame.units.size_of(element)?)?)?;
                self.iterator(known, Ok(Contiguous { element, address, len }), depth)
            }
            "Chars" if known.is_in("core::str") => match self.rest(&self.field(value, "iter")?)? {
                Ok(rest) => self.chars(rest)?,
                Err(missing) => missing.into(),
            },
            _ => return None,
        })
    }

    /// What is left for an iterator with a pointer and an end.
    fn rest(&self, value: &Value) -> Option<Result<Contiguous, Missing>> {
        let element = self.argument_of(value.ty, 0);
        let size = self.frame.units.size_of(element)?;
        let end = self.field(value, "end_or_len").or_else(|| self.field(value, "end"))?;
        let (address, end) = match (self.address_in(&self.field(value, "ptr")?)?, self.address_in(&end)?) {
            (Ok((address, _)), Ok((end, _))) => (address, end),
            (Err(missing), _) | (_, Err(missing)) => return Some(Err(missing)),
        };
        // Of elements without a size, the end is their number.
        let len = match size {
            0 => Some(end),
            _ => end.checked_sub(address).filter(|len| len % size == 0).map(|len| len / size),
        };
        let wrong = || Missing::Malformed(format!("an iterator from {address:#x} to {end:#x}"));
        Some(len.map(|len| Contiguous { element, address, len }).ok_or_else(wrong))
    }

    fn alive(&self, value: &Value) -> Option<Result<(u64, u64), Missing>> {
        let alive = self.dig(value, "alive")?;
        let (start, end) = (self.count(&alive, "start")?, self.count(&alive, "end")?);
        Some(start.and_then(|start| Ok((start, end?))))
    }

    fn iterator(&self, known: &Known, rest: Result<Contiguous, Missing>, depth: u32) -> Shown {
        let shown = match rest {
            Ok(rest) => self.elements("[", "]", rest, depth),
            Err(missing) => return missing.into(),
        };
        Shown { text: shown.text.map(|text| cut(format!("{}({text})", known.name))), children: shown.children }
    }

    fn chars(&self, rest: Contiguous) -> Option<Shown> {
        let shown = rest.len.min(u64::from(self.limits.elements) * 4);
        if let Err(missing) = self.check_extent(rest.address, rest.len) {
            return (rest.len == 0).then(|| Shown::text("Chars([])")).or(Some(missing.into()));
        }
        let bytes = Value::in_memory(None, rest.address);
        let bytes = match bytes.read(self.frame, shown) {
            Ok(bytes) => bytes,
            Err(missing) => return Some(missing.into()),
        };
        let text = match str::from_utf8(&bytes) {
            Ok(text) => text,
            // The last character may have been cut.
            Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        };
        let mut chars: Vec<String> =
            text.chars().map(|char| crate::lang::text::quoted_char(char, self.language)).collect();
        if (text.len() as u64) < rest.len {
            chars.push("...".into());
        }
        Some(Shown::text(crate::lang::aggregate::joined("Chars([", "])", &chars)))
    }

    /// Elements one behind the other.
    pub(in crate::lang) fn elements(&self, open: &str, close: &str, found: Contiguous, depth: u32) -> Shown {
        let size = self.frame.units.size_of(found.element).unwrap_or(0);
        let extent = size.checked_mul(found.len);
        let checked = extent.ok_or_else(|| Missing::Malformed(format!("length {}", found.len)));
        // Of elements without a size any number fits.
        match checked.and_then(|extent| if extent == 0 { Ok(()) } else { self.check_extent(found.address, extent) }) {
            Ok(()) => {}
            Err(missing) => return missing.into(),
        }
        self.sequence(open, close, found.len, depth, |index, deeper| {
            let element = Value::in_memory(found.element, found.address + index * size);
            Some(self.part(format!("[{index}]"), &element, deeper))
        })
    }

    /// `VecDeque`: a ring.
    pub(super) fn ring(&self, value: &Value) -> Option<Result<Ring, Missing>> {
        let element = self.argument_of(value.ty, 0);
        let size = self.frame.units.size_of(element)?;
        let buffer = self.field(value, "buf")?;
        let (address, _) = match self.address_in(&self.dig(&buffer, "pointer")?)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let read = || -> Option<Result<(u64, u64, u64), Missing>> {
            let (head, len) = (self.count(value, "head")?, self.count(value, "len")?);
            let capacity = self.count(&buffer, "cap")?;
            Some(head.and_then(|head| Ok((head, len?, capacity?))))
        };
        let (head, len, capacity) = match read()? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let whole = capacity.checked_mul(size).ok_or_else(|| Missing::Malformed(format!("capacity {capacity}")));
        let sound = whole.and_then(|whole| match (size, whole) {
            // Elements without a size take no room: as many as there are numbers fit.
            (0, _) => Ok(()),
            _ if head >= capacity.max(1) || len > capacity => {
                Err(Missing::Malformed(format!("length {len} of a capacity of {capacity}")))
            }
            (_, 0) => Ok(()),
            _ => self.check_extent(address, whole),
        });
        let capacity = if size == 0 { 0 } else { capacity };
        Some(sound.map(|()| Ring { element, size, address, head, capacity, len }))
    }

    /// A linked list, node for node, as far as its elements are shown.
    fn linked_list(&self, value: &Value, depth: u32) -> Option<Shown> {
        let len = match self.count(value, "len")? {
            Ok(len) => len,
            Err(missing) => return Some(missing.into()),
        };
        let mut next = self.field(value, "head")?;
        let mut found = Vec::new();
        while (found.len() as u64) < len.min(u64::from(self.limits.elements)) {
            let (name, some) = self.named_variant(&next)?;
            if name != "Some" {
                return Some(Missing::Malformed(format!("a list of {len} that ends after {}", found.len())).into());
            }
            let (address, node) = match self.address_in(&self.payload(&some)?)? {
                Ok(found) => found,
                Err(missing) => return Some(missing.into()),
            };
            let node = Value::in_memory(node, address);
            found.push(self.field(&node, "element")?);
            next = self.field(&node, "next")?;
        }
        Some(self.sequence("[", "]", len, depth, |index, deeper| {
            Some(self.part(format!("[{index}]"), found.get(index as usize)?, deeper))
        }))
    }
}
