//! Names of template instances whose arguments the compiler left out (clang's `-gsimple-template-names`), put together
//! again from the entries of the arguments, as clang writes them without that option.

use gimli::AttributeValue;
use gimli::constants::*;

use super::Cpp;
use crate::catalog::types::Kind;
use crate::catalog::units::{Die, Entry, Units};
use crate::lang::names::{self, written_within};
use crate::lang::type_budget::TypeBudget;
use crate::values::sign_extend;

/// The number of arguments of one template that are written.
const ARGUMENTS: usize = 256;

/// As [`arguments_within`], of a template that is no argument itself.
pub fn arguments(units: &Units<'_>, die: Die) -> Option<String> {
    let write = || names::begin(8, |budget| arguments_within(units, die, budget));
    units.arguments(die, write).as_deref().map(str::to_owned)
}

/// The template arguments of the class at `die`, as `<int, 3>`; `None` where it is no template instance, or one of the
/// arguments cannot be written for certain.
pub fn arguments_within(units: &Units<'_>, die: Die, budget: TypeBudget<'_>) -> Option<String> {
    let mut written = Vec::new();
    let (mut template, mut whole) = (false, true);
    units.children(die, |child, entry| {
        match entry.tag {
            DW_TAG_GNU_template_parameter_pack => {
                template = true;
                units.children(child, |child, entry| {
                    match argument(units, child, entry, budget) {
                        Some(text) => written.push(text),
                        None => whole = false,
                    }
                    written.len() < ARGUMENTS
                });
            }
            DW_TAG_template_type_parameter | DW_TAG_template_value_parameter | DW_TAG_GNU_template_template_param => {
                template = true;
                match argument(units, child, entry, budget) {
                    Some(text) => written.push(text),
                    None => whole = false,
                }
            }
            _ => {}
        }
        whole && written.len() < ARGUMENTS
    });
    if !template || !whole {
        return None;
    }
    let mut text = format!("<{}", written.join(", "));
    // clang separates two closing brackets, as was needed before C++11.
    text.push_str(if text.ends_with('>') { " >" } else { ">" });
    Some(text)
}

fn argument<'s>(units: &Units<'s>, die: Die, entry: &Entry<'s>, budget: TypeBudget<'_>) -> Option<String> {
    let ty = units.type_of(die);
    match entry.tag {
        DW_TAG_template_type_parameter => Some(written_within(units, ty, &Cpp, budget)),
        DW_TAG_GNU_template_template_param => {
            let name = units.text(die.unit, entry.attr_value(DW_AT_GNU_template_name)?)?;
            Some(String::from_utf8_lossy(name).into_owned())
        }
        _ => {
            let (bits, width) = constant(units, ty, entry)?;
            value(units, ty, bits, width, budget)
        }
    }
}

/// A constant argument: its bits, and their number.
fn constant<'s>(units: &Units<'s>, ty: Option<Die>, entry: &Entry<'s>) -> Option<(u128, u64)> {
    let size = units.size_of(ty).filter(|size| (1..=8).contains(size))?;
    let bits = match entry.attr_value(DW_AT_const_value)? {
        AttributeValue::Sdata(value) => value as u64,
        value => value.udata_value()?,
    };
    Some((u128::from(bits) & (u128::MAX >> (128 - size * 8)), size * 8))
}

/// The template argument with this index, if it is a number.
pub fn number(units: &Units<'_>, die: Die, index: usize) -> Option<i128> {
    let (mut at, mut found) = (0, None);
    units.children(die, |child, entry| {
        let value = entry.tag == DW_TAG_template_value_parameter;
        if value && at == index {
            let ty = units.type_of(child);
            let signed = units.peeled(ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Base(DW_ATE_signed)));
            let constant = constant(units, ty, entry);
            found = constant.map(|(bits, width)| if signed { sign_extend(bits, width) } else { bits as i128 });
        }
        at += usize::from(
            value || matches!(entry.tag, DW_TAG_template_type_parameter | DW_TAG_GNU_template_template_param),
        );
        at <= index
    });
    found
}

/// A constant argument as clang writes it.
fn value(units: &Units<'_>, ty: Option<Die>, bits: u128, width: u64, budget: TypeBudget<'_>) -> Option<String> {
    let (_, peeled) = units.peeled(ty)?;
    let name = peeled.name.map(String::from_utf8_lossy);
    let signed = sign_extend(bits, width);
    match (&peeled.kind, name.as_deref()?) {
        (Kind::Base(DW_ATE_boolean), _) => Some(if bits == 0 { "false".into() } else { "true".into() }),
        (_, "int") => Some(signed.to_string()),
        (_, "long") => Some(format!("{signed}L")),
        (_, "long long") => Some(format!("{signed}LL")),
        (_, "unsigned int") => Some(format!("{bits}U")),
        (_, "unsigned long") => Some(format!("{bits}UL")),
        (_, "unsigned long long") => Some(format!("{bits}ULL")),
        (_, "char") => match u8::try_from(bits).ok()? {
            byte @ b' '..=b'~' if !matches!(byte, b'\'' | b'\\') => Some(format!("'{}'", char::from(byte))),
            _ => None,
        },
        (Kind::Base(DW_ATE_signed | DW_ATE_signed_char), name) => Some(format!("({name}){signed}")),
        (Kind::Base(DW_ATE_unsigned | DW_ATE_unsigned_char), name) => Some(format!("({name}){bits}")),
        (Kind::Enum(list), _) => {
            let name = written_within(units, ty, &Cpp, budget);
            let mask = u128::MAX >> (128 - width);
            let known = list.enumerators.iter().find(|enumerator| enumerator.1 & mask == bits);
            Some(match known {
                Some((enumerator, _)) => format!("{name}::{}", String::from_utf8_lossy(enumerator)),
                None => format!("({name}){signed}"),
            })
        }
        _ => None,
    }
}
