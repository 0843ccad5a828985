//! Strings. Concatenation is lazy: such a string has the length of the whole, its own characters are the right part,
//! and it refers to another string for the left part, which may be a concatenation too. When the program reads the
//! characters, the parts are joined.

use std::ops::Range;

use super::class::units;
use super::{Kotlin, MESSAGE, NamedObjects, ObjectText};
use crate::objects::{Field, Link, Object, Storage};

/// The most parts of a concatenation that are followed.
const PARTS: usize = 1 << 20;

impl Kotlin {
    /// A string, if all of it is in the dump and it is no longer than `MESSAGE`.
    pub fn whole_text(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Option<String> {
        let text = self.text(view, object, 0..MESSAGE)?;
        (text.whole && text.len <= MESSAGE).then(|| String::from_utf16_lossy(&text.units))
    }

    /// The characters of a string in a window.
    pub fn text(&self, view: &NamedObjects<'_>, object: &Object<'_>, window: Range<u64>) -> Option<ObjectText> {
        let len = u64::try_from(self.int(view, object, "String", "length")?).ok()?;
        let window = window.start.min(len)..window.end.min(len);
        let wanted = usize::try_from(window.end - window.start).ok()?;
        // The parts, from the last to the first.
        let mut kept: Vec<Vec<u16>> = Vec::new();
        let (mut end, mut next, mut held) = (len, view.get(object.id), 0);
        let mut whole = true;
        for _ in 0..PARTS {
            let Some(part) = next.filter(|_| self.spend(1)) else {
                whole = false;
                break;
            };
            let characters =
                self.object(view, &part, "String", "_chars").filter(|array| array.storage(0) == Some(Storage::I16));
            let left = self.get(view, &part, "String", "leftIfInSum")?;
            let own = characters.as_ref().map_or(0, |array| array.len);
            let (Some(characters), Some(start)) = (characters, end.checked_sub(own)) else {
                whole = false;
                break;
            };
            let first = window.start.saturating_sub(start).min(own);
            let last = window.end.saturating_sub(start).min(own);
            if first < last {
                let bytes = characters.bytes();
                let held_bytes = bytes.get(first as usize * 2..bytes.len().min(last as usize * 2)).unwrap_or_default();
                whole &= held_bytes.len() as u64 == (last - first) * 2;
                held += held_bytes.len() / 2;
                kept.push(units(held_bytes).collect());
            }
            end = start;
            match left {
                _ if end <= window.start => break,
                Field::Ref(Link::Object(id)) => next = view.get(id),
                _ => {
                    whole = false;
                    break;
                }
            }
        }
        whole &= held == wanted;
        kept.reverse();
        Some(ObjectText { units: kept.concat(), len, whole })
    }

    /// The characters of a builder of strings.
    pub fn built(&self, view: &NamedObjects<'_>, object: &Object<'_>, window: Range<u64>) -> Option<ObjectText> {
        let len = u64::try_from(self.int(view, object, "text.StringBuilder", "_length")?).ok()?;
        let array = self.object(view, object, "text.StringBuilder", "array")?;
        let storage =
            self.object(view, &array, "CharArray", "storage").filter(|array| array.storage(0) == Some(Storage::I16))?;
        let (start, end) = (window.start.min(len) as usize, window.end.min(len) as usize);
        let bytes = storage.bytes();
        let bytes = bytes.get((start * 2).min(bytes.len())..(end * 2).min(bytes.len()))?;
        Some(ObjectText { units: units(bytes).collect(), len, whole: bytes.len() == (end - start) * 2 })
    }
}
