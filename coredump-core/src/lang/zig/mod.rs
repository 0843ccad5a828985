//! Values of Zig: slices, optionals, error unions and tagged unions, which its compiler describes as structures of
//! fixed member names.

mod containers;

use crate::catalog::types::{Kind, Struct, Type};
use crate::catalog::units::{Die, Language};
use crate::lang::{Contiguous, Renderer, Shown, cut};
use crate::location::Missing;
use crate::values::Value;

/// Bytes of a slice that are asked whether they are a text.
const READABLE: u64 = 256;

impl<'s> Renderer<'_, '_, 's> {
    /// A structure as Zig's programmers know it; `None` for one that is shown by its members.
    pub(super) fn zig(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let name = self.frame.units.name(die).unwrap_or_default();
        if let Some(found) = self.zig_contiguous(value, die, contents) {
            return Some(match found {
                Ok(found) if self.is_byte(found.element) && self.is_readable(found) => {
                    self.text_at(found.address, found.len).map_or_else(Shown::from, Shown::text)
                }
                Ok(found) => self.elements(".{ ", " }", found, depth),
                Err(missing) => missing.into(),
            });
        }
        if let Some(shown) = self.zig_container(value, die, depth) {
            return Some(shown);
        }
        let payload = self.field(value, "payload")?;
        if name.starts_with(b"?") {
            return Some(match self.field(value, "some")?.number(self.frame, false) {
                Ok(0) => Shown::text("null"),
                Ok(_) => self.show(&payload, depth),
                Err(missing) => missing.into(),
            });
        }
        if let Some(error) = self.field(value, "error")
            && name.contains(&b'!')
        {
            return Some(match error.number(self.frame, false) {
                Ok(0) => self.show(&payload, depth),
                Ok(_) => match self.show(&error, depth) {
                    Shown { text: Ok(text), children } => {
                        let text = match text.strip_prefix('.') {
                            Some(name) => format!("error.{name}"),
                            None if text.starts_with("error.") => text,
                            None => format!("error {text}"),
                        };
                        Shown { text: Ok(text), children }
                    }
                    missing => missing,
                },
                Err(missing) => missing.into(),
            });
        }
        self.tagged_union(value, &payload, depth)
    }

    /// `null` of an optional that keeps it in its own bits: a pointer, a slice, an error; `None` for any other value.
    pub(super) fn zig_null(&self, value: &Value) -> Option<Shown> {
        let ty = self.frame.units.type_at(value.ty?)?;
        if !matches!(ty.kind, Kind::Typedef(_)) || !ty.name?.starts_with(b"?") {
            return None;
        }
        let size = self.frame.units.size_of(value.ty)?.min(u64::from(self.frame.address_size()));
        match value.unsigned(self.frame, size) {
            Ok(0) => Some(Shown::text("null")),
            Ok(_) => None,
            Err(missing) => Some(missing.into()),
        }
    }

    /// What an optional holds, or that it is null; `None` for other types.
    pub(super) fn zig_payload(&self, value: &Value) -> Option<Result<Value, String>> {
        match self.zig_null(value) {
            Some(Shown { text: Ok(_), .. }) => return Some(Err("it is null".into())),
            Some(Shown { text: Err(missing), .. }) => return Some(Err(missing.to_string())),
            None => {}
        }
        let optional = |name: Option<&[u8]>| name.is_some_and(|name| name.starts_with(b"?"));
        let ty = self.frame.units.type_at(value.ty?)?;
        if let (Kind::Typedef(target), true) = (&ty.kind, optional(ty.name)) {
            return Some(Ok(value.with_type(*target)));
        }
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        if !optional(ty.name) {
            return None;
        }
        let value = value.with_type(Some(die));
        Some(match self.field(&value, "some")?.number(self.frame, false) {
            Ok(0) => Err("it is null".into()),
            Ok(_) => Ok(self.field(&value, "payload")?),
            Err(missing) => Err(missing.to_string()),
        })
    }

    /// A member of a union with a tag, if it is the one that is alive.
    pub fn alive_member(&self, value: &Value, name: &str) -> Option<Value> {
        if self.language != Language::Zig {
            return None;
        }
        let (payload, tag) = (self.field(value, "payload")?, self.field(value, "tag")?);
        let (_, ty) = self.frame.units.peeled(tag.ty)?;
        let Kind::Enum(tags) = &ty.kind else { return None };
        let alive = self.enumerator(&tag, tags).text.ok()?;
        if alive.strip_prefix('.') == Some(name) { self.field(&payload, name) } else { None }
    }

    /// A union with the tag that tells which of its members is alive.
    fn tagged_union(&self, value: &Value, payload: &Value, depth: u32) -> Option<Shown> {
        let tag = self.field(value, "tag")?;
        let (_, ty) = self.frame.units.peeled(tag.ty)?;
        let Kind::Enum(tags) = &ty.kind else { return None };
        let alive = match self.enumerator(&tag, tags).text {
            Ok(alive) => alive,
            Err(missing) => return Some(missing.into()),
        };
        let Some(name) = alive.strip_prefix('.') else {
            return Some(Missing::Malformed(format!("no member has tag {alive}")).into());
        };
        // A member without contents is not described.
        let Some(member) = self.field(payload, name) else { return Some(Shown::text(alive)) };
        let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text(format!(".{{ .{name} = ... }}"))) };
        let part = self.part(name, &member, deeper);
        Some(Shown { text: Ok(cut(format!(".{{ .{name} = {} }}", part.text()))), children: vec![part] })
    }

    fn is_byte(&self, ty: Option<Die>) -> bool {
        let peeled = self.frame.units.peeled(ty);
        peeled.is_some_and(|(_, ty)| ty.name == Some(b"u8") && matches!(ty.kind, Kind::Base(_)))
    }

    /// Whether bytes are a text that a person can read: Zig has one type for both. What cannot be read is told as a text.
    fn is_readable(&self, found: Contiguous) -> bool {
        let text = Value::in_memory(None, found.address);
        let Ok(bytes) = text.read(self.frame, found.len.min(READABLE)) else { return true };
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            // The last character may be cut off.
            let cut = chunks.peek().is_none() && found.len > READABLE;
            let plain = |char: char| !char.is_control() || matches!(char, '\t' | '\n' | '\r' | '\u{1b}');
            if !chunk.invalid().is_empty() && !cut || !chunk.valid().chars().all(plain) {
                return false;
            }
        }
        true
    }

    /// Slices.
    pub(super) fn zig_contiguous(
        &self,
        value: &Value,
        die: Die,
        _contents: &Struct<'s>,
    ) -> Option<Result<Contiguous, Missing>> {
        let name = self.frame.units.name(die)?;
        if !name.starts_with(b"[") {
            return None;
        }
        let found = self.address_in(&self.field(value, "ptr")?)?;
        let len = self.field(value, "len")?.number(self.frame, false);
        Some(found.and_then(|(address, element)| Ok(Contiguous { element, address, len: len? as u64 })))
    }

    /// The text a pointer of Zig points to: `[*:0]const u8`, or `*const [5:0]u8` as string literals are.
    pub(super) fn zig_text(&self, ty: &Type<'s>, target: Option<Die>, address: u64) -> Option<Result<String, Missing>> {
        let name = ty.name?;
        if (name.starts_with(b"[*:0]") || name.starts_with(b"[*c]")) && self.is_byte(target) {
            return Some(self.c_text(address));
        }
        let (_, pointed) = self.frame.units.peeled(target)?;
        match &pointed.kind {
            Kind::Array(array) if name.ends_with(b":0]u8") && self.is_byte(array.element) => {
                let len = (*array.dimensions.first()?)?;
                Some(self.text_at(address, len))
            }
            _ => None,
        }
    }
}
