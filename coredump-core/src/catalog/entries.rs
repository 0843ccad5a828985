//! Debugging information entries (DWARF 5, 2.1), and what one entry alone shows.

use gimli::constants::*;
use gimli::{AttributeValue, DebuggingInformationEntry};

use crate::symbols::attribute_text;

pub use crate::symbols::Slice as Bytes;
pub use crate::symbols::UnitRef;
/// A debugging information entry.
pub type Entry<'s> = DebuggingInformationEntry<Bytes<'s>>;
/// The value of an attribute.
pub type Attr<'s> = AttributeValue<Bytes<'s>>;

/// A reference to an entry: the number of its unit, and its offset in that unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Die {
    /// Number of the unit in [`Units`].
    pub unit: u32,
    /// Offset in the unit, in bytes.
    pub offset: usize,
}

/// The language of a unit, as far as values are written differently in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// C, and any language that is not listed here.
    #[default]
    C,
    /// C++.
    Cpp,
    /// D.
    D,
    /// Fortran.
    Fortran,
    /// Rust.
    Rust,
    /// Zig.
    Zig,
}

impl Language {
    /// Returns true if no program can assign to a parameter.
    pub fn has_constant_parameters(self) -> bool {
        self == Language::Zig
    }

    /// Returns true if functions get their parameters as the calling convention of C says.
    pub fn passes_as_c(self) -> bool {
        matches!(self, Language::C | Language::Cpp)
    }

    /// Returns true if optimised code copies structures as a whole, so that a structure and its copy may become one.
    pub fn copies_whole(self) -> bool {
        self == Language::Rust
    }

    /// The name of the compiler's variable for a loop's iterator, in a language whose compiler gives each variable a
    /// block of its own: the block of the loop's variable lies in the iterator's.
    pub fn iterator_name(self) -> Option<&'static [u8]> {
        (self == Language::Rust).then_some(b"iter")
    }

    /// Returns true if how a class is passed depends on its constructors.
    pub fn has_constructors(self) -> bool {
        self == Language::Cpp
    }

    /// Returns true if the elements of a column of an array lie beside each other, not those of a row, unless the array
    /// says otherwise (DWARF 5, 5.5, `DW_AT_ordering`).
    pub fn stores_columns(self) -> bool {
        self == Language::Fortran
    }

    /// The first index of an array that has no other (DWARF 5, table 7.17).
    pub fn first_index(self) -> i64 {
        i64::from(self == Language::Fortran)
    }

    /// Returns true if a type of size 0 has exactly one value, which is known without its bytes.
    pub fn has_unit_types(self) -> bool {
        matches!(self, Language::Rust | Language::D)
    }

    /// Returns true if the language's compiler (LDC) describes some objects as their address, and `this` as the object.
    pub fn confuses_addresses(self) -> bool {
        self == Language::D
    }
}

/// Returns true if a variable's location is an address fixed at link time, or one in each thread's own storage.
pub fn is_static(entry: &Entry<'_>) -> bool {
    let Some(AttributeValue::Exprloc(expression)) = entry.attr_value(DW_AT_location) else { return false };
    let bytes = expression.0.slice();
    let (first, last) = (bytes.first().copied().map(gimli::DwOp), bytes.last().copied().map(gimli::DwOp));
    let is_address = |operation| matches!(operation, DW_OP_addr | DW_OP_addrx | DW_OP_GNU_addr_index);
    // LLVM 22 adds the value of a Wasm global: `DW_OP_WASM_location` with the operand 3 and the global's index in 32
    // bits.
    let in_thread = |rest: &[u8]| {
        first == Some(DW_OP_WASM_location)
            && matches!(rest, [3, _, _, _, _, addr, ..] if is_address(gimli::DwOp(*addr)))
    };
    first.is_some_and(is_address)
        || matches!(last, Some(DW_OP_form_tls_address | DW_OP_GNU_push_tls_address))
        || last == Some(DW_OP_plus) && bytes.get(1..).is_some_and(in_thread)
}

/// The signature of a type unit, and the entry of its type.
pub fn signature(unit: u32, header: &gimli::UnitHeader<Bytes<'_>>) -> Option<(u64, Die)> {
    match header.type_() {
        gimli::UnitType::Type { type_signature, type_offset }
        | gimli::UnitType::SplitType { type_signature, type_offset } => {
            Some((type_signature.0, Die { unit, offset: type_offset.0 }))
        }
        _ => None,
    }
}

/// The language of a unit's source.
pub fn language(unit: UnitRef<'_, '_>) -> Language {
    let Ok(root) = unit.entry(unit.header.root_offset()) else { return Language::C };
    let producer = root.attr_value(DW_AT_producer).and_then(|value| attribute_text(unit, value));
    // Zig says it is C99: no language code of its own existed when its back end was written.
    if producer.is_some_and(|producer| producer.slice().starts_with(b"zig")) {
        return Language::Zig;
    }
    match root.attr_value(DW_AT_language) {
        Some(AttributeValue::Language(language)) => match language {
            DW_LANG_Rust => Language::Rust,
            DW_LANG_Zig => Language::Zig,
            DW_LANG_D => Language::D,
            DW_LANG_Fortran77 | DW_LANG_Fortran90 | DW_LANG_Fortran95 | DW_LANG_Fortran03 | DW_LANG_Fortran08
            | DW_LANG_Fortran18 => Language::Fortran,
            DW_LANG_C_plus_plus
            | DW_LANG_C_plus_plus_03
            | DW_LANG_C_plus_plus_11
            | DW_LANG_C_plus_plus_14
            | DW_LANG_C_plus_plus_17
            | DW_LANG_C_plus_plus_20 => Language::Cpp,
            _ => Language::C,
        },
        _ => Language::C,
    }
}

/// Returns true if LLVM 14 or older made a unit, as far as clang or rustc say so.
pub fn is_of_old_llvm(unit: UnitRef<'_, '_>) -> bool {
    let producer = || {
        let root = unit.entry(unit.header.root_offset()).ok()?;
        let producer = attribute_text(unit, root.attr_value(DW_AT_producer)?)?;
        let producer = std::str::from_utf8(producer.slice()).ok()?;
        let version = |prefix: &str| {
            let text = producer.split_once(prefix)?.1;
            text.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        // Rust 1.65 came with LLVM 15.
        Some(
            version("clang version ")
                .map_or_else(|| version("rustc version 1.").is_some_and(|of| of < 65), |of| of < 15),
        )
    };
    producer().unwrap_or(false)
}

/// The name of a definition that has it from a declaration in the same unit.
pub fn origin_name<'s>(unit: UnitRef<'_, 's>, entry: &Entry<'s>) -> Option<&'s [u8]> {
    let AttributeValue::UnitRef(offset) = entry.attr_value(DW_AT_specification)? else { return None };
    let name = unit.entry(offset).ok()?.attr_value(DW_AT_name)?;
    attribute_text(unit, name).map(|name| name.slice())
}
