//! Types, read from their entries one at a time and when they are asked for (DWARF 5, chapter 5).
//!
//! A type refers to others by entry, never by value: a graph with circles, as every linked list has, costs nothing.

use std::rc::Rc;

use gimli::constants::*;
use gimli::{AttributeValue, UnitOffset};

use super::units::{Attr, Bytes, Die, Entry, Units};

/// Members, enumerators or dimensions of one type that are read.
const PARTS: usize = 20_000;
/// Typedefs and qualifiers in a row.
const ALIASES: u32 = 64;

/// One type.
#[derive(Debug)]
pub struct Type<'s> {
    /// Its own name, without namespaces.
    pub name: Option<&'s [u8]>,
    /// Its size in bytes as its entry says it.
    pub size: Option<u64>,
    /// What it is.
    pub kind: Kind<'s>,
}

/// The sorts of types.
#[derive(Debug)]
pub enum Kind<'s> {
    /// A number, a character, a truth value.
    Base(gimli::DwAte),
    /// A pointer or a reference; of `None`, it points to no type (`void *`).
    Pointer(PointerKind, Option<Die>),
    /// Another name, for `None` of `void`.
    Typedef(Option<Die>),
    /// The same type, qualified by this word.
    Qualified(&'static str, Option<Die>),
    /// An array.
    Array(Array),
    /// A structure, class or union.
    Struct(Struct<'s>),
    /// An enumeration.
    Enum(Enum<'s>),
    /// A function: its result and its parameters, and whether more may follow.
    Function(Option<Die>, Vec<Die>, bool),
    /// A pointer to a member: the member's type and the class.
    MemberPointer(Option<Die>, Option<Die>),
    /// A type with a name and nothing else, as `decltype(nullptr)`, or one this reader does not know.
    Unspecified,
}

/// The sorts of pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerKind {
    /// `*`
    Pointer,
    /// `&`
    Reference,
    /// `&&`
    RvalueReference,
}

/// An array's shape.
#[derive(Debug)]
pub struct Array {
    /// The type of its elements.
    pub element: Option<Die>,
    /// The number of elements in each dimension, outermost first; `None` where it is not constant.
    pub dimensions: Vec<Option<u64>>,
    /// Bytes from one element to the next, where that is not the element's size.
    pub stride: Option<u64>,
    /// A SIMD vector.
    pub vector: bool,
}

/// A structure's, class's or union's contents.
#[derive(Debug)]
pub struct Struct<'s> {
    /// `struct`, `class` or `union`.
    pub keyword: &'static str,
    /// Only declared here: its contents are described elsewhere, or nowhere.
    pub declared: bool,
    /// Bases and members, in the order of their entries.
    pub members: Vec<Member<'s>>,
    /// The variants of a Rust enum.
    pub variants: Option<Variants<'s>>,
    /// Template and generic arguments that are types: name and type.
    pub arguments: Vec<(&'s [u8], Option<Die>)>,
    /// A Rust vtable's: the type it is for.
    pub containing: Option<Die>,
}

/// A member or a base.
#[derive(Clone, Debug)]
pub struct Member<'s> {
    /// Its name; anonymous structures and unions have none.
    pub name: Option<&'s [u8]>,
    /// Its type.
    pub ty: Option<Die>,
    /// Where it is.
    pub offset: Offset<'s>,
    /// Size in bits, of a bit-field.
    pub bits: Option<u64>,
    /// A base class.
    pub base: bool,
}

/// A member's offset.
#[derive(Clone, Copy, Debug)]
pub enum Offset<'s> {
    /// Bits from the start of the structure.
    Bits(u64),
    /// An expression over the structure's address (virtual bases).
    Expression(Bytes<'s>),
    /// Nothing sensible.
    Unknown,
}

/// A Rust enum's variants (DWARF 5, 5.7.10).
#[derive(Debug)]
pub struct Variants<'s> {
    /// The discriminant's member; of `None`, there is one variant at most.
    pub discriminant: Option<Member<'s>>,
    /// The variants.
    pub list: Vec<Variant<'s>>,
}

/// One variant.
#[derive(Debug)]
pub struct Variant<'s> {
    /// The discriminant's values for it, as ranges with both ends; empty for the one that all other values mean.
    pub values: Vec<(u128, u128)>,
    /// Its contents: a structure of its own.
    pub member: Option<Member<'s>>,
}

/// An enumeration.
#[derive(Debug)]
pub struct Enum<'s> {
    /// The integer type below it.
    pub underlying: Option<Die>,
    /// Names and values, of which as many low bits count as the type has.
    pub enumerators: Vec<(&'s [u8], u128)>,
}

impl<'s> Units<'s> {
    /// The type at `die`; `None` when its entry is damaged.
    pub fn type_at(&self, die: Die) -> Option<Rc<Type<'s>>> {
        if let Some(known) = self.types().borrow().get(&die) {
            return Some(known.clone());
        }
        let read = Rc::new(self.read_type(die)?);
        self.types().borrow_mut().insert(die, read.clone());
        Some(read)
    }

    /// The type an entry's `DW_AT_type` refers to, its own or that of the entry it completes.
    pub fn type_of(&self, die: Die) -> Option<Die> {
        let (unit, value) = self.inherited(die, DW_AT_type)?;
        self.target(unit, &value)
    }

    /// The type behind typedefs and qualifiers; `None` for `void`, and when they go round in a circle.
    pub fn peeled(&self, die: Option<Die>) -> Option<(Die, Rc<Type<'s>>)> {
        let mut at = die?;
        for _ in 0..ALIASES {
            let ty = self.type_at(at)?;
            match ty.kind {
                Kind::Typedef(target) | Kind::Qualified(_, target) => at = target?,
                _ => return Some((at, ty)),
            }
        }
        None
    }

    /// A type's size in bytes; `None` when it has none.
    pub fn size_of(&self, die: Option<Die>) -> Option<u64> {
        self.size_within(die, 16)
    }

    fn size_within(&self, die: Option<Die>, levels: u32) -> Option<u64> {
        let (at, ty) = self.peeled(die)?;
        if let Some(size) = ty.size {
            return Some(size);
        }
        match &ty.kind {
            Kind::Pointer(..) => Some(u64::from(self.unit(at.unit)?.encoding().address_size)),
            Kind::Array(array) => {
                let element = match array.stride {
                    Some(stride) => stride,
                    None => self.size_within(array.element, levels.checked_sub(1)?)?,
                };
                array.dimensions.iter().try_fold(element, |size, count| size.checked_mul((*count)?))
            }
            Kind::Enum(list) => self.size_within(list.underlying, levels.checked_sub(1)?),
            _ => None,
        }
    }

    /// A pointer to `target`, for which no entry need exist; of `size` bytes.
    pub fn pointer_to(&self, target: Option<Die>, size: u64) -> Die {
        self.made(Type { name: None, size: Some(size), kind: Kind::Pointer(PointerKind::Pointer, target) })
    }

    /// An array of `element`, for which no entry need exist.
    pub fn array_of(&self, element: Option<Die>, dimensions: Vec<Option<u64>>) -> Die {
        let kind = Kind::Array(Array { element, dimensions, stride: None, vector: false });
        self.made(Type { name: None, size: None, kind })
    }

    /// A base type for which no entry need exist.
    pub fn base_type(&self, name: &'static str, encoding: gimli::DwAte, size: u64) -> Die {
        self.made(Type { name: Some(name.as_bytes()), size: Some(size), kind: Kind::Base(encoding) })
    }

    /// Keeps a type that no unit holds, under a unit number that none has.
    fn made(&self, ty: Type<'s>) -> Die {
        let mut types = self.types().borrow_mut();
        let die = Die { unit: u32::MAX, offset: types.len() };
        types.insert(die, Rc::new(ty));
        die
    }

    fn read_type(&self, die: Die) -> Option<Type<'s>> {
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

    fn read_array(&self, die: Die, entry: &Entry<'s>, element: Option<Die>) -> Array {
        let mut dimensions = Vec::new();
        self.children(die, |child, entry| {
            match entry.tag {
                DW_TAG_subrange_type => dimensions.push(dimension(entry)),
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
        let stride = entry.attr_value(DW_AT_byte_stride).and_then(|value| value.udata_value());
        let bits = entry.attr_value(DW_AT_bit_stride).and_then(|value| value.udata_value());
        let vector = entry.attr(DW_AT_GNU_vector).is_some();
        Array { element, dimensions, stride: stride.or(bits.map(|bits| bits / 8)), vector }
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

    /// A member that has a place in its structure: not a static one.
    fn member(&self, die: Die, entry: &Entry<'s>) -> Option<Member<'s>> {
        if entry.has_attr(DW_AT_external) || entry.has_attr(DW_AT_declaration) {
            return None;
        }
        let number = |name| entry.attr_value(name).and_then(|value: Attr<'s>| value.udata_value());
        let ty = entry.attr_value(DW_AT_type).and_then(|value| self.target(die.unit, &value));
        let bits = number(DW_AT_bit_size);
        let bytes = match entry.attr_value(DW_AT_data_member_location) {
            None => Offset::Bits(0),
            Some(AttributeValue::Exprloc(expression)) => Offset::Expression(expression.0),
            Some(value) => match value.udata_value().and_then(|bytes| bytes.checked_mul(8)) {
                Some(bits) => Offset::Bits(bits),
                None => Offset::Unknown,
            },
        };
        let offset = match (bytes, number(DW_AT_data_bit_offset), number(DW_AT_bit_offset)) {
            (_, Some(bits), _) => Offset::Bits(bits),
            // DWARF 3, 5.5.6: counted from the most significant bit of a storage unit.
            (Offset::Bits(start), None, Some(from_top)) => {
                let storage = number(DW_AT_byte_size).or_else(|| self.size_of(ty)).and_then(|size| size.checked_mul(8));
                let below = from_top.checked_add(bits.unwrap_or(0));
                match storage.zip(below).and_then(|(storage, below)| storage.checked_sub(below)) {
                    Some(bit) => start.checked_add(bit).map_or(Offset::Unknown, Offset::Bits),
                    None => Offset::Unknown,
                }
            }
            (bytes, None, _) => bytes,
        };
        let name = entry.attr_value(DW_AT_name).and_then(|value| self.text(die.unit, value));
        let base = entry.tag == DW_TAG_inheritance;
        Some(Member { name, ty, offset, bits, base })
    }

    fn read_variants(&self, die: Die, entry: &Entry<'s>) -> Variants<'s> {
        let discriminant = entry.attr_value(DW_AT_discr).and_then(|value| self.target(die.unit, &value));
        let discriminant = discriminant.and_then(|at| self.member(at, &self.entry(at)?));
        let mut list = Vec::new();
        self.children(die, |child, entry| {
            if entry.tag == DW_TAG_variant {
                let mut member = None;
                self.children(child, |inner, entry| {
                    if entry.tag == DW_TAG_member {
                        member = self.member(inner, entry);
                    }
                    member.is_none()
                });
                list.push(Variant { values: discriminant_values(entry), member });
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

/// A dimension's number of elements (DWARF 5, 5.13), for languages that count from zero.
fn dimension(entry: &Entry<'_>) -> Option<u64> {
    if let Some(count) = entry.attr_value(DW_AT_count) {
        return count.udata_value();
    }
    let upper = entry.attr_value(DW_AT_upper_bound)?;
    let lower = entry.attr_value(DW_AT_lower_bound).and_then(|value| value.sdata_value()).unwrap_or(0);
    let upper = upper.sdata_value()?;
    // Old compilers describe an array of no elements by an upper bound of -1.
    u64::try_from(upper.checked_sub(lower)?.checked_add(1)?).ok()
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

/// The discriminant values of a variant (DWARF 5, 5.7.10): one, or a list of values and ranges.
fn discriminant_values(entry: &Entry<'_>) -> Vec<(u128, u128)> {
    if let Some(value) = entry.attr_value(DW_AT_discr_value) {
        return wide_constant(&value).map(|value| (value, value)).into_iter().collect();
    }
    let Some(AttributeValue::Block(mut list)) = entry.attr_value(DW_AT_discr_list) else { return Vec::new() };
    let mut values = Vec::new();
    while let Ok(kind) = gimli::Reader::read_u8(&mut list) {
        let mut next = || gimli::Reader::read_uleb128(&mut list).ok().map(u128::from);
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
