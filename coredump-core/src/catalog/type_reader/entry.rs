//! Types from their entries.

use gimli::constants::*;
use gimli::{AttributeValue, UnitOffset};

use super::CHARACTER;
use crate::catalog::types::{Array, Enum, Kind, Member, Offset, PointerKind, Struct, Type, Variant, Variants};
use crate::catalog::units::{Attr, Bytes, Die, Entry, Units};

/// The number of members, enumerators or dimensions of one type that are read.
const PARTS: usize = 20_000;

impl<'s> Units<'s> {
    /// The type at `die`, read anew.
    pub(super) fn read_type(&self, die: Die) -> Option<Type<'s>> {
        let unit = self.unit(die.unit)?;
        let entry = unit.entry(UnitOffset(die.offset)).ok()?;
        let target = || entry.attr_value(DW_AT_type).and_then(|value| self.target(die.unit, &value));
        let pointer = |kind| Kind::Pointer(kind, target());
        let kind = match entry.tag {
            DW_TAG_base_type => Kind::Base(match entry.attr_value(DW_AT_encoding) {
                Some(AttributeValue::Encoding(encoding)) => encoding,
                _ => return None,
            }),
            DW_TAG_pointer_type => pointer(PointerKind::Pointer),
            DW_TAG_reference_type => pointer(PointerKind::Reference),
            DW_TAG_rvalue_reference_type => pointer(PointerKind::RvalueReference),
            DW_TAG_typedef | DW_TAG_template_alias | DW_TAG_subrange_type => Kind::Typedef(target()),
            DW_TAG_const_type => Kind::Qualified("const", target()),
            DW_TAG_volatile_type => Kind::Qualified("volatile", target()),
            DW_TAG_restrict_type => Kind::Qualified("restrict", target()),
            DW_TAG_atomic_type => Kind::Qualified("_Atomic", target()),
            DW_TAG_immutable_type => Kind::Qualified("const", target()),
            DW_TAG_array_type => Kind::Array(self.read_array(die, &entry, target())),
            DW_TAG_string_type => {
                let is_fixed = !entry.has_attr(DW_AT_string_length);
                let size = entry.attr_value(DW_AT_byte_size).filter(|_| is_fixed);
                let length = size.and_then(|size| size.udata_value());
                let described = length.is_none();
                let (element, dimensions) = (Some(CHARACTER), vec![length]);
                Kind::Array(Array { element, dimensions, stride: None, vector: false, described })
            }
            DW_TAG_structure_type => Kind::Struct(self.read_struct("struct", die, &entry)),
            DW_TAG_class_type => Kind::Struct(self.read_struct("class", die, &entry)),
            DW_TAG_union_type => Kind::Struct(self.read_struct("union", die, &entry)),
            DW_TAG_enumeration_type => Kind::Enum(self.read_enum(die, target())),
            DW_TAG_subroutine_type => {
                let mut parameters = Vec::new();
                let mut more = false;
                self.children(die, |child, entry| {
                    match entry.tag {
                        DW_TAG_formal_parameter => parameters.extend(self.type_of(child)),
                        DW_TAG_unspecified_parameters => more = true,
                        _ => {}
                    }
                    parameters.len() < PARTS
                });
                Kind::Function(target(), parameters, more)
            }
            DW_TAG_ptr_to_member_type => {
                let class = entry.attr_value(DW_AT_containing_type);
                Kind::MemberPointer(target(), class.and_then(|value| self.target(die.unit, &value)))
            }
            _ => Kind::Unspecified,
        };
        let name = entry.attr_value(DW_AT_name).and_then(|value| self.text(die.unit, value));
        let size = entry.attr_value(DW_AT_byte_size).and_then(|value| value.udata_value());
        Some(Type { name, size, kind })
    }

    /// Calls `each` with the direct children of `die`, until it returns false.
    pub fn children(&self, die: Die, mut each: impl FnMut(Die, &Entry<'s>) -> bool) {
        let Some(unit) = self.unit(die.unit) else { return };
        let Ok(mut entries) = unit.entries_raw(Some(UnitOffset(die.offset))) else { return };
        let mut entry = Entry::null();
        if !matches!(entries.read_entry(&mut entry), Ok(true)) || !entry.has_children {
            return;
        }
        while !entries.is_empty() && entries.next_depth() > 0 {
            let direct = entries.next_depth() == 1;
            match entries.read_entry(&mut entry) {
                Ok(true) if direct => {
                    let child = Die { unit: die.unit, offset: entry.offset.0 };
                    if !each(child, &entry) {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// The type that is the first argument of a generic function or type.
    pub fn first_type_argument(&self, die: Die) -> Option<Die> {
        let mut first = None;
        self.children(die, |child, entry| {
            if entry.tag == DW_TAG_template_type_parameter {
                first = self.type_of(child);
                return false;
            }
            true
        });
        first
    }

    fn read_array(&self, die: Die, entry: &Entry<'s>, element: Option<Die>) -> Array {
        let first_index = self.language(die.unit).first_index();
        let mut dimensions = Vec::new();
        let mut described = entry.has_attr(DW_AT_data_location);
        self.children(die, |child, entry| {
            match entry.tag {
                DW_TAG_subrange_type => {
                    dimensions.push(dimension(entry, first_index));
                    described |= entry.has_attr(DW_AT_byte_stride) || entry.has_attr(DW_AT_bit_stride);
                }
                // DWARF 5, 5.13: as many dimensions as the descriptor says.
                DW_TAG_generic_subrange => {
                    dimensions.push(None);
                    described = true;
                }
                DW_TAG_enumeration_type => {
                    let count = match self.type_at(child).as_deref() {
                        Some(Type { kind: Kind::Enum(list), .. }) => Some(list.enumerators.len() as u64),
                        _ => None,
                    };
                    dimensions.push(count);
                }
                _ => {}
            }
            dimensions.len() < 64
        });
        if self.stores_columns(die.unit, entry) {
            dimensions.reverse();
        }
        let stride = entry.attr_value(DW_AT_byte_stride).and_then(|value| value.udata_value());
        let bits = entry.attr_value(DW_AT_bit_stride).and_then(|value| value.udata_value());
        let vector = entry.attr(DW_AT_GNU_vector).is_some();
        Array { element, dimensions, stride: stride.or(bits.map(|bits| bits / 8)), vector, described }
    }

    /// Returns true if the dimension of an array that is written first is the innermost in memory.
    pub fn stores_columns(&self, unit: u32, array: &Entry<'_>) -> bool {
        match array.attr_value(DW_AT_ordering) {
            Some(AttributeValue::Ordering(ordering)) => ordering == DW_ORD_col_major,
            _ => self.language(unit).stores_columns(),
        }
    }

    fn read_struct(&self, keyword: &'static str, die: Die, entry: &Entry<'s>) -> Struct<'s> {
        let mut read = Struct {
            keyword,
            declared: entry.has_attr(DW_AT_declaration),
            members: Vec::new(),
            variants: None,
            arguments: Vec::new(),
            containing: None,
        };
        let containing = entry.attr_value(DW_AT_containing_type);
        read.containing = containing.and_then(|value| self.target(die.unit, &value));
        self.children(die, |child, entry| {
            match entry.tag {
                DW_TAG_member | DW_TAG_inheritance => read.members.extend(self.member(child, entry)),
                DW_TAG_variant_part => read.variants = Some(self.read_variants(child, entry)),
                DW_TAG_template_type_parameter => {
                    let name = entry.attr_value(DW_AT_name).and_then(|value| self.text(die.unit, value));
                    read.arguments.push((name.unwrap_or_default(), self.type_of(child)));
                }
                DW_TAG_GNU_template_parameter_pack => self.children(child, |child, entry| {
                    if entry.tag == DW_TAG_template_type_parameter {
                        read.arguments.push((b"", self.type_of(child)));
                    }
                    read.arguments.len() < PARTS
                }),
                _ => {}
            }
            read.members.len() + read.arguments.len() < PARTS
        });
        read
    }

    /// A member that has an offset in its structure; `None` for a static one.
    fn member(&self, die: Die, entry: &Entry<'s>) -> Option<Member<'s>> {
        if entry.has_attr(DW_AT_external) || entry.has_attr(DW_AT_declaration) {
            return None;
        }
        let number = |name| entry.attr_value(name).and_then(|value: Attr<'s>| value.udata_value());
        let ty = entry.attr_value(DW_AT_type).and_then(|value| self.target(die.unit, &value));
        let bits = number(DW_AT_bit_size);
        let bytes = match entry.attr_value(DW_AT_data_member_location) {
            None => Offset::Bits(0),
            Some(AttributeValue::Exprloc(expression)) => offset(expression.0),
            // DWARF 2 and 3 have no form of their own for expressions.
            Some(AttributeValue::Block(expression)) => offset(expression),
            Some(value) => match value.udata_value().and_then(|bytes| bytes.checked_mul(8)) {
                Some(bits) => Offset::Bits(bits),
                None => Offset::Unknown,
            },
        };
        let from_top = entry.attr_value(DW_AT_bit_offset).and_then(|value| signed(&value));
        let offset = match (bytes, number(DW_AT_data_bit_offset), from_top) {
            (_, Some(bits), _) => Offset::Bits(bits),
            // DWARF 3, 5.5.6: counted from the most significant bit of a storage unit; below zero for a field of a
            // packed structure that reaches beyond its unit.
            (Offset::Bits(start), None, Some(from_top)) => {
                let storage = number(DW_AT_byte_size).or_else(|| self.size_of(ty)).and_then(|size| size.checked_mul(8));
                let bit = storage.and_then(|storage| {
                    let bit = i128::from(start) + i128::from(storage) - i128::from(from_top) - i128::from(bits?);
                    u64::try_from(bit).ok()
                });
                bit.map_or(Offset::Unknown, Offset::Bits)
            }
            (Offset::Bits(bytes), None, None) => Offset::Bits(bytes),
            (bytes, None, _) if bits.is_none() => bytes,
            // The position of the bit-field in its storage unit would be a guess.
            _ => Offset::Unknown,
        };
        let name = entry.attr_value(DW_AT_name).and_then(|value| self.text(die.unit, value));
        let base = entry.tag == DW_TAG_inheritance;
        Some(Member { name, ty, offset, bits, base, alignment: number(DW_AT_alignment) })
    }

    fn read_variants(&self, die: Die, entry: &Entry<'s>) -> Variants<'s> {
        let discriminant = entry.attr_value(DW_AT_discr).and_then(|value| self.target(die.unit, &value));
        let discriminant = discriminant.and_then(|at| self.member(at, &self.entry(at)?));
        // Only the entry of its type is read: a hostile type may have itself as its discriminant.
        let ty = discriminant.as_ref().and_then(|member| self.entry(member.ty?));
        let encoding = ty.filter(|ty| ty.tag == DW_TAG_base_type).and_then(|ty| ty.attr_value(DW_AT_encoding));
        let signed = matches!(encoding, Some(AttributeValue::Encoding(DW_ATE_signed | DW_ATE_signed_char)));
        let mut list = Vec::new();
        self.children(die, |child, entry| {
            if entry.tag == DW_TAG_variant {
                let (mut member, mut place) = (None, None);
                self.children(child, |inner, entry| {
                    if entry.tag == DW_TAG_member {
                        member = self.member(inner, entry);
                        place = declared(entry);
                    }
                    member.is_none()
                });
                list.push(Variant { values: discriminant_values(entry, signed), member, declared: place });
            }
            list.len() < PARTS
        });
        Variants { discriminant, list }
    }

    fn read_enum(&self, die: Die, underlying: Option<Die>) -> Enum<'s> {
        let mut enumerators = Vec::new();
        self.children(die, |child, entry| {
            if entry.tag == DW_TAG_enumerator {
                let name = entry.attr_value(DW_AT_name).and_then(|value| self.text(child.unit, value));
                let value = entry.attr_value(DW_AT_const_value).and_then(|value| wide_constant(&value));
                if let (Some(name), Some(value)) = (name, value) {
                    enumerators.push((name, value));
                }
            }
            enumerators.len() < PARTS
        });
        Enum { underlying, enumerators }
    }
}

/// The file, by its number in the unit's line table, and the line that an entry is declared at.
pub fn declared(entry: &Entry<'_>) -> Option<(u64, u32)> {
    let file = match entry.attr_value(DW_AT_decl_file)? {
        AttributeValue::FileIndex(file) => file,
        other => other.udata_value()?,
    };
    let line = entry.attr_value(DW_AT_decl_line)?.udata_value()?;
    Some((file, u32::try_from(line).ok().filter(|&line| line > 0)?))
}

/// A dimension's number of elements (DWARF 5, 5.13), in a language whose first index is `first` where none is written.
fn dimension(entry: &Entry<'_>, first: i64) -> Option<u64> {
    if let Some(count) = entry.attr_value(DW_AT_count) {
        return count.udata_value();
    }
    let lower = entry.attr_value(DW_AT_lower_bound).map_or(Some(first), |value| value.sdata_value())?;
    let upper = match entry.attr_value(DW_AT_upper_bound)? {
        // Old compilers describe an array of no elements by an upper bound of -1.
        AttributeValue::Data1(u8::MAX) | AttributeValue::Data2(u16::MAX) | AttributeValue::Data4(u32::MAX) => -1,
        upper => upper.udata_value().map_or_else(|| upper.sdata_value(), |upper| Some(upper as i64))?,
    };
    u64::try_from(upper.checked_sub(lower)?.checked_add(1)?).ok()
}

/// A member's offset as an expression. The form in which old compilers write a plain number (`DW_OP_plus_uconst`) is
/// read as that number.
fn offset(expression: Bytes<'_>) -> Offset<'_> {
    let mut rest = expression;
    let plain = gimli::Reader::read_u8(&mut rest).is_ok_and(|first| gimli::DwOp(first) == DW_OP_plus_uconst);
    match gimli::Reader::read_uleb128(&mut rest) {
        Ok(bytes) if plain && rest.is_empty() => bytes.checked_mul(8).map_or(Offset::Unknown, Offset::Bits),
        _ => Offset::Expression(expression),
    }
}

/// A number that may be below zero, whatever form it was written in: LLVM writes eight bytes.
fn signed(value: &Attr<'_>) -> Option<i64> {
    value.sdata_value().or_else(|| value.udata_value().map(|value| value as i64))
}

/// A constant of up to 128 bits, sign extended where its form has a sign.
pub fn wide_constant(value: &Attr<'_>) -> Option<u128> {
    match value {
        AttributeValue::Block(bytes) if bytes.len() <= 16 => {
            let mut wide = [0; 16];
            wide[..bytes.len()].copy_from_slice(bytes.slice());
            Some(u128::from_le_bytes(wide))
        }
        AttributeValue::Sdata(value) => Some(i128::from(*value) as u128),
        AttributeValue::Data16(value) => Some(*value),
        value => value.udata_value().map(u128::from).or_else(|| value.sdata_value().map(|v| i128::from(v) as u128)),
    }
}

/// The discriminant values of a variant (DWARF 5, 5.7.10): one, or a list of values and ranges. `signed` says that the
/// discriminant has a sign: then a number has that of the form that it is written in (LLVM writes -5 as one byte, and
/// 251 as two).
fn discriminant_values(entry: &Entry<'_>, signed: bool) -> Vec<(u128, u128)> {
    let extended = |value: &Attr<'_>| {
        let number = value.sdata_value().filter(|_| signed).map(|value| i128::from(value) as u128);
        number.or_else(|| wide_constant(value))
    };
    if let Some(value) = entry.attr_value(DW_AT_discr_value) {
        return extended(&value).map(|value| (value, value)).into_iter().collect();
    }
    let Some(AttributeValue::Block(mut list)) = entry.attr_value(DW_AT_discr_list) else { return Vec::new() };
    let mut values = Vec::new();
    while let Ok(kind) = gimli::Reader::read_u8(&mut list) {
        let mut next = || match signed {
            true => gimli::Reader::read_sleb128(&mut list).ok().map(|value| i128::from(value) as u128),
            false => gimli::Reader::read_uleb128(&mut list).ok().map(u128::from),
        };
        let range = match gimli::DwDsc(kind) {
            DW_DSC_label => next().map(|value| (value, value)),
            DW_DSC_range => next().and_then(|low| next().map(|high| (low, high))),
            _ => None,
        };
        match range {
            Some(range) if values.len() < PARTS => values.push(range),
            _ => break,
        }
    }
    values
}
