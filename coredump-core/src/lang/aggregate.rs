//! Arrays, structures and unions, and the sequences that containers are shown as.

use super::renderer::{Contiguous, LONGEST, MEMBERS, Renderer, Shown, cut, explain};
use crate::catalog::types::{Array, Member, Struct};
use crate::catalog::units::Die;
use crate::limits::{MAX_NAME, shorten};
use crate::location::Missing;
use crate::values::{Value, Variable};

impl<'s> Renderer<'_, '_, 's> {
    /// An array, or a part of one of several dimensions: `dimensions` are those that are left.
    pub(super) fn array(&self, value: &Value, array: &Array, dimensions: &[Option<u64>], depth: u32) -> Shown {
        // An array without dimensions, which no compiler writes, has no known length either.
        let (first, inner) = dimensions.split_first().unwrap_or((&None, &[]));
        let Some(count) = *first else { return self.unbounded(value, array, inner) };
        let element = self.frame.units.size_of(array.element);
        let stride = array.stride.or(element);
        let stride = inner.iter().try_fold(stride.unwrap_or(0), |size, count| size.checked_mul((*count)?));
        let Some(stride) = stride.filter(|&stride| stride > 0 || count == 0 || element == Some(0)) else {
            return Missing::Malformed("an array whose elements have no size".into()).into();
        };
        if inner.is_empty()
            && !array.vector
            && let Some((prefix, size)) = self.lang.character(self, array.element)
        {
            return match size {
                1 => self.text_array(value, count),
                _ => self.wide_array(value, prefix, size, count),
            };
        }
        let (open, close) = self.lang.notation().array;
        self.sequence(open, close, count, depth, |index, deeper| {
            let at = match self.lang.lane(self, value, array, index) {
                Some(lane) => lane,
                None => Value { ty: array.element, source: value.source.moved_by(index.checked_mul(stride)?) },
            };
            let shown = match inner.is_empty() {
                true => return Some(self.part(format!("[{index}]"), &at, deeper)),
                false => self.array(&at, array, inner, deeper),
            };
            let mut part = self.part(format!("[{index}]"), &Value::missing(array.element, Missing::OptimizedOut), 0);
            let bounds = inner.iter().map(|count| count.map_or("[]".into(), |count| format!("[{count}]")));
            part.type_name.push_str(&bounds.collect::<String>());
            part.address = at.source.address();
            part.children = shown.children;
            match shown.text {
                Ok(text) => (part.status, part.value) = (crate::values::Status::Ok, Some(text)),
                Err(missing) => (part.status, part.note) = explain(missing),
            }
            Some(part)
        })
    }

    /// An array without a length, as C's flexible array member. If its elements are characters, it is shown as the text
    /// up to the NUL.
    fn unbounded(&self, value: &Value, array: &Array, inner: &[Option<u64>]) -> Shown {
        let character = self.lang.character(self, array.element).filter(|_| inner.is_empty());
        let text = match (value.source.address(), character) {
            (Some(address), Some((_, 1))) => self.c_text(address),
            (Some(_), Some((prefix, size))) => self.wide_text(&value.source, prefix, size, None),
            _ => return Shown::text("{...}"),
        };
        text.map_or_else(Shown::from, Shown::text)
    }

    /// `count` elements, as many as the limit allows; `get` gives each, or `None` where they end early.
    pub(super) fn sequence(
        &self,
        open: &str,
        close: &str,
        count: u64,
        depth: u32,
        get: impl FnMut(u64, u32) -> Option<Variable>,
    ) -> Shown {
        self.listed((open, close), count, depth, get, Variable::text)
    }

    /// A sequence whose elements `text` turns into text.
    fn listed(
        &self,
        (open, close): (&str, &str),
        count: u64,
        depth: u32,
        mut get: impl FnMut(u64, u32) -> Option<Variable>,
        text: impl Fn(&Variable) -> String,
    ) -> Shown {
        let Some(deeper) = depth.checked_sub(1) else {
            let text =
                if count == 0 { format!("{}{}", open.trim(), close.trim()) } else { format!("{open}...{close}") };
            return Shown::text(text);
        };
        let mut children = Vec::new();
        while (children.len() as u64) < count.min(u64::from(self.limits.elements)) && self.has_room() {
            let Some(child) = get(children.len() as u64, deeper) else { break };
            children.push(child);
        }
        if let Some(missing) = all_missing(&children) {
            return missing.into();
        }
        let mut texts: Vec<String> = children.iter().map(text).collect();
        let left = count - children.len() as u64;
        if left > 0 {
            texts.push(format!("... ({left} more)"));
        }
        Shown { text: Ok(joined(open, close, &texts)), children }
    }

    /// Elements one after the other.
    pub(super) fn elements(&self, found: Contiguous, depth: u32) -> Shown {
        let size = self.frame.units.size_of(found.element).unwrap_or(0);
        let extent = size.checked_mul(found.len);
        let checked = extent.ok_or_else(|| Missing::Malformed(format!("length {}", found.len)));
        // Elements of size 0 take no room, however many there are.
        match checked.and_then(|extent| if extent == 0 { Ok(()) } else { self.check_extent(found.address, extent) }) {
            Ok(()) => {}
            Err(missing) => return missing.into(),
        }
        let (open, close) = self.lang.notation().array;
        self.sequence(open, close, found.len, depth, |index, deeper| {
            let element = Value::in_memory(found.element, found.address + index * size);
            Some(self.part(format!("[{index}]"), &element, deeper))
        })
    }

    /// Entries of a map: `get` gives key and value.
    pub(super) fn map(&self, count: u64, depth: u32, mut get: impl FnMut(u64) -> Option<(Value, Value)>) -> Shown {
        let equals = self.lang.notation().entry;
        let entry = |index, deeper| {
            let (key, value) = get(index)?;
            let key = self.part("key", &key, deeper).text();
            Some(self.part(format!("[{key}]"), &value, deeper))
        };
        let text = |entry: &Variable| {
            let key = entry.name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or_default();
            cut(format!("{key}{equals}{}", entry.text()))
        };
        self.listed(("{", "}"), count, depth, entry, text)
    }

    /// A structure's or union's members as the language writes them.
    pub(super) fn members(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Shown {
        let notation = self.lang.notation();
        let (open, close) = notation.structure;
        let tuple = self.lang.is_tuple(contents);
        let name = self.lang.structure_name(&self.frame.units, die);
        if contents.members.is_empty() {
            return Shown::text(if name.is_empty() { notation.empty.to_owned() } else { name });
        }
        let Some(deeper) = depth.checked_sub(1) else {
            return Shown::text(if tuple { format!("{name}(...)") } else { spaced(&name, "{...}") });
        };
        let mut children: Vec<Variable> = Vec::new();
        for member in contents.members.iter().take(MEMBERS) {
            children.push(self.part(self.member_name(member), &value.member(self.frame, member), deeper));
        }
        if let Some(missing) = all_missing(&children) {
            return missing.into();
        }
        let written = |(child, member): (&Variable, &Member<'s>)| match tuple {
            true => child.text(),
            false => self.lang.member(member, &child.name, &child.text()),
        };
        let mut texts: Vec<String> = children.iter().zip(&contents.members).map(written).collect();
        if contents.members.len() > children.len() {
            texts.push(format!("... ({} more)", contents.members.len() - children.len()));
        }
        let text = match (tuple, texts.len()) {
            (true, 1) if name.is_empty() => joined("(", ",)", &texts),
            (true, _) => joined(&format!("{name}("), ")", &texts),
            (false, _) => joined(&spaced(&name, open), close, &texts),
        };
        Shown { text: Ok(text), children }
    }

    /// The name of a part: the member's, or for a base its class's.
    fn member_name(&self, member: &Member<'s>) -> String {
        if member.base {
            return self.type_name(member.ty);
        }
        let name = String::from_utf8_lossy(member.name.unwrap_or_default());
        shorten(self.lang.member_name(&name), MAX_NAME).into_owned()
    }
}

fn spaced(name: &str, rest: &str) -> String {
    if name.is_empty() { rest.to_owned() } else { format!("{name} {rest}") }
}

/// The texts with commas in between, cut off where the line grows too long.
pub(super) fn joined(open: &str, close: &str, texts: &[String]) -> String {
    if texts.is_empty() {
        return format!("{}{}", open.trim_end(), close.trim_start());
    }
    let mut text = String::from(open);
    for (index, part) in texts.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        if text.len() + part.len() > LONGEST {
            text.push_str("...");
            break;
        }
        text.push_str(part);
    }
    text.push_str(close);
    text
}

/// The reason that all parts have in common, if all are unknown and have no address: it is then given once, for the
/// whole.
fn all_missing(parts: &[Variable]) -> Option<Missing> {
    use crate::values::Status;
    let first = parts.first().filter(|_| parts.len() > 1)?;
    let same = |part: &Variable| {
        let unknown = part.value.is_none() && part.address.is_none();
        unknown && part.status == first.status && part.note == first.note
    };
    if !parts.iter().all(same) {
        return None;
    }
    let note = first.note.clone().unwrap_or_default();
    Some(match first.status {
        Status::OptimizedOut => Missing::OptimizedOut,
        Status::NotCaptured => Missing::NotCaptured(note),
        Status::Ok | Status::Unreadable => Missing::Malformed(note),
    })
}
