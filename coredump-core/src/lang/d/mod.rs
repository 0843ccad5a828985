//! Values of D as LDC describes them: dynamic arrays, which it makes structures of a length and a pointer, and strings,
//! which are dynamic arrays of characters.

use std::ops::Range;

use gimli::DW_ATE_UTF;

use crate::catalog::types::{Kind, PointerKind, Struct, Type};
use crate::catalog::units::Die;
use crate::lang::{Contiguous, Elements, Lang, Meaning, Notation, Renderer, pointer_with};
use crate::location::Missing;
use crate::values::Value;

/// D.
pub struct D;

impl Lang for D {
    fn meaning<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        _window: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        let found = dynamic_array(renderer, value, die, contents)?;
        Some(found.map(|found| match self.character(renderer, found.element) {
            Some(_) => Meaning::Text(found.into()),
            None => Meaning::Elements(Elements::Contiguous(found)),
        }))
    }

    fn character(&self, renderer: &Renderer<'_, '_, '_>, ty: Option<Die>) -> Option<(&'static str, u64)> {
        let (_, ty) = renderer.frame.units.peeled(ty)?;
        matches!(ty.kind, Kind::Base(DW_ATE_UTF)).then_some(("", ty.size?))
    }

    /// A `char *`, as functions of C take and return: it points to a NUL-terminated string.
    fn pointer<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        _ty: &Type<'s>,
        kind: PointerKind,
        target: Option<Die>,
        address: u64,
    ) -> Option<String> {
        let (_, 1) = self.character(renderer, target)? else { return None };
        (kind == PointerKind::Pointer).then(|| pointer_with(address, renderer.c_text(address)))
    }

    fn notation(&self) -> &'static Notation {
        const NOTATION: Notation = Notation { array: ("[", "]"), null: "null", referents: true, ..Notation::PLAIN };
        &NOTATION
    }

    fn pointer_type(&self, kind: PointerKind, target: &str) -> String {
        match kind {
            PointerKind::Pointer => format!("{target}*"),
            PointerKind::Reference | PointerKind::RvalueReference => format!("ref {target}"),
        }
    }

    fn array_type(&self, element: &str, count: &str) -> String {
        format!("{element}[{count}]")
    }
}

/// A dynamic array: a structure named by its elements, as `int[]`, or as the library calls arrays of characters, with a
/// length and a pointer.
fn dynamic_array<'s>(
    renderer: &Renderer<'_, '_, 's>,
    value: &Value,
    die: Die,
    contents: &Struct<'s>,
) -> Option<Result<Contiguous, Missing>> {
    let name = renderer.frame.units.name(die)?;
    let [length, pointer] = &contents.members[..] else { return None };
    if !name.ends_with(b"[]") && !matches!(name, b"string" | b"wstring" | b"dstring") {
        return None;
    }
    if length.name != Some(b"length") || pointer.name != Some(b"ptr") {
        return None;
    }
    let found = renderer.address_in(&renderer.field(value, "ptr")?)?;
    let len = renderer.field(value, "length")?.number(renderer.frame, false);
    Some(found.and_then(|(address, element)| Ok(Contiguous { element, address, len: len? as u64 })))
}
