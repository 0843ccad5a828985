//! C, and what C++ shares with it: texts of characters, and declarators around names.

use crate::catalog::types::{Kind, PointerKind, Type};
use crate::catalog::units::{Die, Units};
use crate::lang::type_budget::TypeBudget;
use crate::lang::{Lang, Notation, Renderer, pointer_with};
use crate::values::Source;

/// C, and languages that have no folder of their own.
pub struct C;

/// The notation of C and C++.
pub const NOTATION: Notation = Notation { no_parameters: "void", ..Notation::PLAIN };

impl Lang for C {
    fn character(&self, renderer: &Renderer<'_, '_, '_>, ty: Option<Die>) -> Option<(&'static str, u64)> {
        character(renderer, ty)
    }

    fn pointer<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        _ty: &Type<'s>,
        kind: PointerKind,
        target: Option<Die>,
        address: u64,
    ) -> Option<String> {
        pointer_to_text(renderer, kind, target, address)
    }

    fn notation(&self) -> &'static Notation {
        &NOTATION
    }

    fn escaped(&self, char: char) -> String {
        escaped(char)
    }

    fn escaped_number(&self, number: u32) -> String {
        escaped_number(number)
    }

    fn escaped_zero(&self, before_digit: bool) -> &'static str {
        escaped_zero(before_digit)
    }

    fn has_declarators(&self) -> bool {
        true
    }

    fn named_type(&self, _units: &Units<'_>, _die: Die, ty: &Type<'_>, name: &str, _budget: TypeBudget<'_>) -> String {
        match &ty.kind {
            Kind::Struct(contents) => format!("{} {name}", contents.keyword),
            Kind::Enum(_) => format!("enum {name}"),
            _ => name.to_owned(),
        }
    }
}

/// The prefix of a string literal of this character type, and the type's size in bytes: `""` and 1 for `char`. `None`
/// for a type that is no character type.
pub fn character(renderer: &Renderer<'_, '_, '_>, ty: Option<Die>) -> Option<(&'static str, u64)> {
    if renderer.is_char(ty) {
        return Some(("", 1));
    }
    // In C the wide character types are typedefs of integers.
    let units = &renderer.frame.units;
    let mut at = ty?;
    for _ in 0..8 {
        let ty = units.type_at(at)?;
        let found = match ty.name {
            Some(b"wchar_t") => Some(("L", 4)),
            Some(b"char16_t") => Some(("u", 2)),
            Some(b"char32_t") => Some(("U", 4)),
            _ => None,
        };
        match (found, &ty.kind) {
            (Some((_, size)), Kind::Base(_) | Kind::Typedef(_)) => {
                return found.filter(|_| units.size_of(Some(at)) == Some(size));
            }
            (_, Kind::Typedef(target) | Kind::Qualified(_, target)) => at = (*target)?,
            _ => return None,
        }
    }
    None
}

/// A pointer to characters with the text there; `None` for other pointers.
pub fn pointer_to_text(
    renderer: &Renderer<'_, '_, '_>,
    kind: PointerKind,
    target: Option<Die>,
    address: u64,
) -> Option<String> {
    if kind != PointerKind::Pointer {
        return None;
    }
    let text = match character(renderer, target)? {
        (_, 1) => renderer.c_text(address),
        (prefix, size) => renderer.wide_text(&Source::Memory(address), prefix, size, None),
    };
    Some(pointer_with(address, text))
}

/// A character that must not be printed, as a string literal of C has it.
pub fn escaped(char: char) -> String {
    match u32::from(char) {
        7 => "\\a".into(),
        8 => "\\b".into(),
        11 => "\\v".into(),
        12 => "\\f".into(),
        code @ ..0x80 => format!("\\{code:03o}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// A byte that is no character, as an octal escape, which has at most three digits.
pub fn escaped_number(number: u32) -> String {
    match number {
        byte @ ..=0xff => format!("\\{byte:03o}"),
        unit => format!("\\x{unit:02x}"),
    }
}

/// A NUL as an escape: before a digit it needs three octal digits, else one.
pub fn escaped_zero(before_digit: bool) -> &'static str {
    if before_digit { "\\000" } else { "\\0" }
}
