//! Names of types as their language writes them.

use super::type_budget::TypeBudget;
use super::{Lang, table};
use crate::catalog::Language;
use crate::catalog::types::{Kind, PointerKind, Type};
use crate::catalog::units::{Die, Units};
use crate::limits::Steps;

/// The levels of types within types that are written out.
const LEVELS: u32 = 24;
/// Longest name, in bytes: template arguments grow without end.
const LONGEST: usize = 4096;
/// Longest name where many long ones were written before.
const SHORT: usize = 256;
/// Bytes that a type takes at least in a name, with what separates it from the next.
const TYPE: usize = 4;

/// Calls `write` with the budget of a whole name, in bytes.
pub(super) fn begin<R>(levels: u32, write: impl FnOnce(TypeBudget<'_>) -> R) -> R {
    TypeBudget::begin(levels, LONGEST, write)
}

/// The name of the type at `die`, as `language` writes it; for `None` its name of "no type".
pub fn type_name(units: &Units<'_>, die: Option<Die>, language: Language) -> String {
    written(units, die, table(language), &Steps::new(u64::MAX))
}

/// The name of the type at `die`, as `lang` writes it; what is written is taken from the `steps`, without which names
/// are shorter.
pub(super) fn written(units: &Units<'_>, die: Option<Die>, lang: &dyn Lang, steps: &Steps) -> String {
    let longest = if steps.are_spent() { SHORT } else { LONGEST };
    let mut name = TypeBudget::begin(LEVELS, longest, |budget| {
        let name = written_within(units, die, lang, budget);
        steps.spend(longest - budget.left());
        name
    });
    if name.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        name.truncate(end);
        name.push_str("...");
    }
    name
}

/// The name of the type at `die` within another name, as far as the `budget` allows.
pub(super) fn written_within(units: &Units<'_>, die: Option<Die>, lang: &dyn Lang, budget: TypeBudget<'_>) -> String {
    declare(units, die, String::new(), lang, budget)
}

/// The declaration of `inner` with that type: C writes a type around the name it declares.
fn declare(units: &Units<'_>, die: Option<Die>, inner: String, lang: &dyn Lang, budget: TypeBudget<'_>) -> String {
    let Some(die) = die else {
        return spaced(lang.notation().no_type, &inner);
    };
    let (Some(ty), Some(budget)) = (units.type_at(die), budget.deeper(TYPE)) else { return spaced("...", &inner) };
    let c_like = lang.has_declarators();
    let next = |die, inner| declare(units, die, inner, lang, budget);
    match &ty.kind {
        Kind::Pointer(kind, target) => {
            if let Some(name) = ty.name {
                return spaced(&String::from_utf8_lossy(name), &inner);
            }
            if !c_like {
                return spaced(&lang.pointer_type(*kind, &next(*target, String::new())), &inner);
            }
            let sign = match kind {
                PointerKind::Pointer => "*",
                PointerKind::Reference => "&",
                PointerKind::RvalueReference => "&&",
            };
            let bound = target.and_then(|target| units.type_at(target));
            let bound = bound.is_some_and(|ty| matches!(ty.kind, Kind::Function(..) | Kind::Array(_)));
            let inner = format!("{sign}{inner}");
            next(*target, if bound { format!("({inner})") } else { inner })
        }
        Kind::Qualified(word, target) => {
            let pointer = target.and_then(|target| units.type_at(target));
            if pointer.is_some_and(|ty| matches!(ty.kind, Kind::Pointer(PointerKind::Pointer, _)) && ty.name.is_none())
            {
                next(*target, spaced(word, &inner))
            } else if c_like {
                format!("{word} {}", next(*target, inner))
            } else {
                next(*target, inner)
            }
        }
        Kind::Array(array) => {
            if !c_like {
                let element = next(array.element, String::new());
                let count = |count: &Option<u64>| count.map_or("?".into(), |count| count.to_string());
                let text = array
                    .dimensions
                    .iter()
                    .rev()
                    .fold(element, |element, dimension| lang.array_type(&element, &count(dimension)));
                return spaced(&text, &inner);
            }
            let bounds = array.dimensions.iter().take(LEVELS as usize);
            let bounds: String = bounds.map(|count| count.map_or("[]".into(), |count| format!("[{count}]"))).collect();
            next(array.element, format!("{inner}{bounds}"))
        }
        Kind::Function(result, parameters, more) => {
            let list = parameter_list(units, parameters, *more, lang, budget);
            if c_like {
                return next(*result, format!("{inner}({list})"));
            }
            let result = next(*result, String::new());
            spaced(&format!("fn({list}) -> {result}"), &inner)
        }
        Kind::MemberPointer(target, class) => {
            let class = next(*class, String::new());
            let inner = format!("{class}::*{inner}");
            let method = target.and_then(|target| units.type_at(target));
            match method.as_deref() {
                // The implicit object parameter of a method is not written.
                Some(Type { kind: Kind::Function(result, parameters, more), .. }) => {
                    let list = parameter_list(units, parameters.get(1..).unwrap_or_default(), *more, lang, budget);
                    next(*result, format!("({inner})({list})"))
                }
                _ => next(*target, inner),
            }
        }
        _ => spaced(&qualified(units, die, &ty, lang, budget), &inner),
    }
}

/// The types of a function's parameters.
fn parameter_list(
    units: &Units<'_>,
    parameters: &[Die],
    more: bool,
    lang: &dyn Lang,
    budget: TypeBudget<'_>,
) -> String {
    let shown = parameters.iter().take(LEVELS as usize);
    let name = |&parameter: &Die| declare(units, Some(parameter), String::new(), lang, budget);
    let mut list: Vec<String> = shown.map(name).collect();
    if more || parameters.len() > list.len() {
        list.push("...".into());
    }
    if list.is_empty() {
        return lang.notation().no_parameters.into();
    }
    list.join(", ")
}

/// A named type with its namespaces.
fn qualified(units: &Units<'_>, die: Die, ty: &Type<'_>, lang: &dyn Lang, budget: TypeBudget<'_>) -> String {
    let keyword = match &ty.kind {
        Kind::Struct(contents) => contents.keyword,
        Kind::Enum(_) => "enum",
        _ => "",
    };
    let Some(name) = ty.name else {
        return if keyword.is_empty() { "<unnamed>".into() } else { format!("{keyword} {{...}}") };
    };
    let name = String::from_utf8_lossy(name);
    // clang calls all of C's complex types by one name.
    if matches!(ty.kind, Kind::Base(gimli::DW_ATE_complex_float)) && name == "complex" {
        return match ty.size {
            Some(8) => "float _Complex".into(),
            Some(16) => "double _Complex".into(),
            _ => "long double _Complex".into(),
        };
    }
    budget.spend(name.len());
    lang.named_type(units, die, ty, &name, budget)
}

/// A type's name, qualified by the scopes that it is in; base types are in none.
pub(super) fn with_path(units: &Units<'_>, die: Die, ty: &Type<'_>, name: &str) -> String {
    let mut full = String::new();
    if !matches!(ty.kind, Kind::Base(_)) {
        for part in units.path(die) {
            full.push_str(&String::from_utf8_lossy(part));
            full.push_str("::");
        }
    }
    full.push_str(name);
    full
}

fn spaced(name: &str, inner: &str) -> String {
    let member = || inner.split(')').next().is_some_and(|first| first.contains("::*"));
    let declarator = inner.starts_with("(*") || inner.starts_with("(&") || member();
    if inner.is_empty() || inner.starts_with(['[', '(']) && !declarator {
        format!("{name}{inner}")
    } else {
        format!("{name} {inner}")
    }
}

/// The parts of a path, split at `::` outside of template arguments, parameter lists and braces.
pub fn path_parts(path: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'<' | b'(' | b'{' | b'[' => depth += 1,
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b'}' | b']' => depth -= 1,
            b':' if depth == 0 && at >= start && bytes.get(at + 1) == Some(&b':') => {
                parts.push(&path[start..at]);
                start = at + 2;
            }
            _ => {}
        }
    }
    parts.push(&path[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::path_parts;

    #[test]
    fn a_path_is_cut_between_its_names_only() {
        assert_eq!(path_parts("ns::List<std::string>::Node"), ["ns", "List<std::string>", "Node"]);
        assert_eq!(path_parts("f::{async_fn_env#0}"), ["f", "{async_fn_env#0}"]);
        assert_eq!(path_parts("a::{impl#0}::b::{closure_env#1}<fn(u8) -> b::C>")[3], "{closure_env#1}<fn(u8) -> b::C>");
        assert_eq!(path_parts("::x:::y"), ["", "x", ":y"]);
    }
}
