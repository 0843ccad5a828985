//! Ring buffers, linked lists, and the iterators over slices.

use std::ops::Range;

use super::{RustValues, StdType};
use crate::catalog::types::Struct;
use crate::lang::aggregate::joined;
use crate::lang::text::quoted_char;
use crate::lang::{Contiguous, Elements, Meaning, Shown, cut};
use crate::location::Missing;
use crate::values::Value;

/// The number of elements that are walked from the first to the one that is wanted.
const STEPS: u64 = 1 << 20;

impl<'s> RustValues<'_, '_, '_, 's> {
    /// An iterator over contiguous elements, with those that are left.
    pub(super) fn iterator(
        &self,
        known: &StdType<'_>,
        value: &Value,
        contents: &Struct<'s>,
        depth: u32,
    ) -> Option<Shown> {
        let rest = match known.name {
            "Iter" | "IterMut" if known.is_in("core::slice") => self.rest(value)?,
            "IntoIter" if known.is_in("alloc::vec") => self.rest(value)?,
            "IntoIter" if known.is_in("core::array") => {
                let (start, end) = match self.alive(value)? {
                    Ok(alive) => alive,
                    Err(missing) => return Some(missing.into()),
                };
                let element = self.argument(contents, 0);
                let address = self.dig(value, "data")?.source.address()?;
                let len = end.checked_sub(start)?;
                let address = address.checked_add(start.checked_mul(self.frame.units.size_of(element)?)?)?;
                Ok(Contiguous { element, address, len })
            }
            "Chars" if known.is_in("core::str") => {
                return match self.rest(&self.field(value, "iter")?)? {
                    Ok(rest) => self.chars(rest),
                    Err(missing) => Some(missing.into()),
                };
            }
            _ => return None,
        };
        let shown = match rest {
            Ok(rest) => self.elements(rest, depth),
            Err(missing) => return Some(missing.into()),
        };
        let text = shown.text.map(|text| cut(format!("{}({text})", known.name)));
        Some(Shown { text, children: shown.children })
    }

    /// The elements that are left for an iterator with a pointer and an end.
    fn rest(&self, value: &Value) -> Option<Result<Contiguous, Missing>> {
        let element = self.argument_of(value.ty, 0);
        let size = self.frame.units.size_of(element)?;
        let end = self.field(value, "end_or_len").or_else(|| self.field(value, "end"))?;
        let (address, end) = match (self.address_in(&self.field(value, "ptr")?)?, self.address_in(&end)?) {
            (Ok((address, _)), Ok((end, _))) => (address, end),
            (Err(missing), _) | (_, Err(missing)) => return Some(Err(missing)),
        };
        // For elements of size 0, the end is the number of elements.
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
        let mut chars: Vec<String> = text.chars().map(|char| quoted_char(char, self.lang)).collect();
        if (text.len() as u64) < rest.len {
            chars.push("...".into());
        }
        Some(Shown::text(joined("Chars([", "])", &chars)))
    }

    /// `VecDeque`, a ring buffer: its elements begin anywhere in the buffer and wrap around to its start.
    pub(super) fn ring(&self, value: &Value, window: Range<u64>) -> Option<Result<Meaning, Missing>> {
        let element = self.argument_of(value.ty, 0);
        let size = self.frame.units.size_of(element)?;
        let buffer = self.field(value, "buf")?;
        let (address, _) = match self.address_in(&self.dig(&buffer, "pointer")?)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let width = u32::from(self.frame.address_size());
        let read = || -> Option<Result<(u64, u64, u64), Missing>> {
            let (head, capacity) = (self.count(value, "head")?, self.count(&buffer, "cap")?);
            // Before Rust 1.67 the elements end at `head`, and the capacity is a power of two with one place always
            // free.
            if let Some(tail) = self.count(value, "tail") {
                let between = |head: u64, tail: u64, capacity: u64| match capacity {
                    _ if size == 0 => (tail, head.wrapping_sub(tail) & ((1 << (8 * width - 1)) - 1), capacity),
                    _ if capacity.is_power_of_two() && head.max(tail) < capacity => {
                        (tail, head.wrapping_sub(tail) & (capacity - 1), capacity)
                    }
                    // The fields are inconsistent: the length is set so that it exceeds any capacity.
                    _ => (tail, u64::MAX, capacity),
                };
                return Some(head.and_then(|head| Ok(between(head, tail?, capacity?))));
            }
            let len = self.count(value, "len")?;
            Some(head.and_then(|head| Ok((head, len?, capacity?))))
        };
        let (head, len, capacity) = match read()? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let whole = capacity.checked_mul(size).ok_or_else(|| Missing::Malformed(format!("capacity {capacity}")));
        let sound = whole.and_then(|whole| match (size, whole) {
            // Elements of size 0 take no room, so that any number of them fits.
            (0, _) => Ok(()),
            _ if head >= capacity.max(1) || len > capacity => {
                Err(Missing::Malformed(format!("length {len} of a capacity of {capacity}")))
            }
            (_, 0) => Ok(()),
            _ => self.check_extent(address, whole),
        });
        // Elements of size 0 all have the same address.
        let place = |index: u64| if size == 0 { 0 } else { (head + index) % capacity };
        let at = |index: u64| Value::in_memory(element, address + place(index) * size);
        Some(sound.map(|()| {
            let shown = window.start..window.end.min(len).min(window.start.saturating_add(STEPS));
            Meaning::Elements(Elements::list(shown.map(at).collect(), len))
        }))
    }

    /// A linked list, node for node.
    pub(super) fn linked_list(&self, value: &Value, window: Range<u64>) -> Option<Result<Meaning, Missing>> {
        let len = match self.count(value, "len")? {
            Ok(len) => len,
            Err(missing) => return Some(Err(missing)),
        };
        let mut next = self.field(value, "head")?;
        let mut found = Vec::new();
        for index in 0..window.end.min(len).min(STEPS) {
            let (name, some) = self.named_variant(&next)?;
            if name != "Some" {
                return Some(Err(Missing::Malformed(format!("a list of {len} that ends after {index}"))));
            }
            let (address, node) = match self.address_in(&self.first_member(&some)?)? {
                Ok(found) => found,
                Err(missing) => return Some(Err(missing)),
            };
            let node = Value::in_memory(node, address);
            if window.contains(&index) {
                found.push(self.field(&node, "element")?);
            }
            next = self.field(&node, "next")?;
        }
        Some(Ok(Meaning::Elements(Elements::list(found, len))))
    }
}
