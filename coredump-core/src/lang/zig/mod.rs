//! Values of Zig: slices, optionals, error unions and tagged unions, which its compiler describes as structures with
//! fixed member names.

mod containers;
mod followed;

use std::ops::{Deref, Range};

use crate::catalog::types::{Array, Kind, Member, PointerKind, Struct, Type};
use crate::catalog::units::{Die, Units};
use crate::lang::{Arrays, Chosen, Contiguous, Elements, Entries, Lang, Meaning, Notation, Renderer, Shown, cut};
use crate::limits::{MAX_NAME, shorten};
use crate::location::Missing;
use crate::values::Value;

/// The number of bytes of a slice that are checked for being readable text.
const READABLE: u64 = 256;

/// Zig.
pub struct Zig;

impl Lang for Zig {
    fn meaning<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        _contents: &Struct<'s>,
        window: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        ZigValues(renderer).meaning(value, die, window)
    }

    fn part(&self, renderer: &Renderer<'_, '_, '_>, value: &Value, number: u64) -> Option<Value> {
        ZigValues(renderer).numbered_part(value, number)
    }

    fn lane(&self, renderer: &Renderer<'_, '_, '_>, value: &Value, array: &Array, index: u64) -> Option<Value> {
        ZigValues(renderer).lane(value, array, index)
    }

    fn is_reference(&self, ty: &Type<'_>) -> bool {
        ty.name.is_some_and(|name| name.starts_with(b"*"))
    }

    fn payload(&self, renderer: &Renderer<'_, '_, '_>, value: &Value) -> Option<Result<Value, String>> {
        ZigValues(renderer).payload(value)
    }

    fn is_null(&self, renderer: &Renderer<'_, '_, '_>, value: &Value) -> Option<Result<bool, Missing>> {
        ZigValues(renderer).is_null(value)
    }

    fn active_part<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        contents: &Struct<'s>,
        name: &str,
    ) -> Option<Value> {
        ZigValues(renderer).active_payload(value, name).or_else(|| renderer.active_variant(value, contents))
    }

    fn chosen(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Chosen> {
        followed::chosen(units, name, contents)
    }

    fn arrays(&self, units: &Units<'_>, die: Die, contents: &Struct<'_>) -> Option<Arrays> {
        followed::hash_map(units, die, contents).or_else(|| followed::columns(units, die, contents))
    }

    fn integer_bits(&self, name: &[u8]) -> Option<u64> {
        integer_bits(name)
    }

    fn written<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        _contents: &Struct<'s>,
        depth: u32,
    ) -> Option<Shown> {
        ZigValues(renderer).written(value, die, depth)
    }

    fn pointer<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        ty: &Type<'s>,
        _kind: PointerKind,
        target: Option<Die>,
        address: u64,
    ) -> Option<String> {
        let text = ZigValues(renderer).pointer_to_text(ty, target, address)?;
        Some(text.unwrap_or_else(|missing| format!("{address:#x} {missing}")))
    }

    fn notation(&self) -> &'static Notation {
        const NOTATION: Notation =
            Notation { array: (".{ ", " }"), structure: (".{ ", " }"), empty: ".{}", null: "null", ..Notation::PLAIN };
        &NOTATION
    }

    fn member(&self, _member: &Member<'_>, name: &str, text: &str) -> String {
        format!(".{name} = {text}")
    }

    /// Error values are written as `error.Name`.
    fn enumerator(&self, name: &[u8]) -> String {
        let dot = if name.starts_with(b"error.") { "" } else { "." };
        format!("{dot}{}", shorten(&String::from_utf8_lossy(name), MAX_NAME))
    }

    fn escaped(&self, char: char) -> String {
        match u32::from(char) {
            code @ ..0x80 => format!("\\x{code:02x}"),
            _ => char.escape_unicode().to_string(),
        }
    }

    fn array_type(&self, element: &str, count: &str) -> String {
        format!("[{count}]{element}")
    }
}

/// The width in bits of a Zig integer, from its name.
fn integer_bits(name: &[u8]) -> Option<u64> {
    str::from_utf8(name).ok()?.strip_prefix(['u', 'i'])?.parse().ok()
}

/// A renderer with the methods that only values of Zig need.
#[derive(Clone, Copy)]
struct ZigValues<'a, 'r, 'f, 's>(&'a Renderer<'r, 'f, 's>);

impl<'r, 'f, 's> Deref for ZigValues<'_, 'r, 'f, 's> {
    type Target = Renderer<'r, 'f, 's>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<'s> ZigValues<'_, '_, '_, 's> {
    fn meaning(&self, value: &Value, die: Die, window: Range<u64>) -> Option<Result<Meaning, Missing>> {
        if let Some(found) = self.slice(value, die) {
            return Some(found.map(|found| match self.is_byte(found.element) && self.is_readable(found) {
                true => Meaning::Text(found.into()),
                false => Meaning::Elements(Elements::Contiguous(found)),
            }));
        }
        if let Some(inner) = self.managed(value, die) {
            return Some(Ok(Meaning::Wrapped(inner)));
        }
        let (len, list) = match self.map_entries(value, die, window)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        // A map to `void` is a set.
        let is_set = list.first().is_some_and(|(_, value)| self.type_name(value.ty) == "void");
        Some(Ok(Meaning::Entries(Entries { list, len, is_set })))
    }

    /// A structure in Zig's own notation; `None` for one that is shown by its members.
    fn written(&self, value: &Value, die: Die, depth: u32) -> Option<Shown> {
        let name = self.frame.units.name(die).unwrap_or_default();
        if let Some(found) = self.columns(value, die) {
            return Some(match found {
                Ok(columns) => self.rows(&columns, depth),
                Err(missing) => missing.into(),
            });
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

    fn is_null(&self, value: &Value) -> Option<Result<bool, Missing>> {
        let ty = self.frame.units.type_at(value.ty?)?;
        if !matches!(ty.kind, Kind::Typedef(_)) || !ty.name?.starts_with(b"?") {
            return None;
        }
        let size = self.frame.units.size_of(value.ty)?.min(u64::from(self.frame.address_size()));
        Some(value.unsigned(self.frame, size).map(|bits| bits == 0))
    }

    /// Returns the payload of an optional, or an error if it is null; `None` for other types.
    fn payload(&self, value: &Value) -> Option<Result<Value, String>> {
        match self.is_null(value) {
            Some(Ok(true)) => return Some(Err("it is null".into())),
            Some(Err(missing)) => return Some(Err(missing.to_string())),
            Some(Ok(false)) | None => {}
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

    /// The payload of a tagged union, if the member of that name is the active one.
    fn active_payload(&self, value: &Value, name: &str) -> Option<Value> {
        let (payload, tag) = (self.field(value, "payload")?, self.field(value, "tag")?);
        let (_, ty) = self.frame.units.peeled(tag.ty)?;
        let Kind::Enum(tags) = &ty.kind else { return None };
        let alive = self.enumerator(&tag, tags).text.ok()?;
        (alive.strip_prefix('.') == Some(name)).then_some(payload)
    }

    /// A tagged union, shown by its active member.
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
        // A member of zero bits is not described.
        let Some(member) = self.field(payload, name) else { return Some(Shown::text(alive)) };
        let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text(format!(".{{ .{name} = ... }}"))) };
        let part = self.part(name, &member, deeper);
        Some(Shown { text: Ok(cut(format!(".{{ .{name} = {} }}", part.text()))), children: vec![part] })
    }

    fn is_byte(&self, ty: Option<Die>) -> bool {
        let peeled = self.frame.units.peeled(ty);
        peeled.is_some_and(|(_, ty)| ty.name == Some(b"u8") && matches!(ty.kind, Kind::Base(_)))
    }

    /// Returns true if bytes are readable text: Zig has one type for bytes and strings. Bytes that are not known are
    /// shown as a string.
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
    fn slice(&self, value: &Value, die: Die) -> Option<Result<Contiguous, Missing>> {
        let name = self.frame.units.name(die)?;
        if !name.starts_with(b"[") {
            return None;
        }
        let found = self.address_in(&self.field(value, "ptr")?)?;
        let len = self.field(value, "len")?.number(self.frame, false);
        Some(found.and_then(|(address, element)| Ok(Contiguous { element, address, len: len? as u64 })))
    }

    /// The string that a pointer points to: `[*:0]const u8`, or `*const [5:0]u8` as string literals are.
    fn pointer_to_text(&self, ty: &Type<'s>, target: Option<Die>, address: u64) -> Option<Result<String, Missing>> {
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
