//! Types' names as their language writes them.

use crate::catalog::types::{Kind, PointerKind, Type};
use crate::catalog::units::{Die, Language, Units};
use crate::lang::cpp::template_names::arguments;

/// Types within types that are written out.
const LEVELS: u32 = 24;
/// Longest name, in bytes: template arguments grow without end.
const LONGEST: usize = 4096;

/// The name of the type at `die`; of `None`, that of "no type" in `language`.
pub fn type_name(units: &Units<'_>, die: Option<Die>, language: Language) -> String {
    let mut name = declare(units, die, String::new(), language, LEVELS);
    if name.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        name.truncate(end);
        name.push_str("...");
    }
    name
}

/// The same within another name, of which `levels` more may be written out.
pub(super) fn type_name_within(units: &Units<'_>, die: Option<Die>, language: Language, levels: u32) -> String {
    declare(units, die, String::new(), language, levels)
}

/// The declaration of `inner` with that type: C writes a type around the name it declares.
fn declare(units: &Units<'_>, die: Option<Die>, inner: String, language: Language, levels: u32) -> String {
    let Some(die) = die else {
        return match language {
            Language::Rust => spaced("()", &inner),
            _ => spaced("void", &inner),
        };
    };
    let (Some(ty), Some(levels)) = (units.type_at(die), levels.checked_sub(1)) else { return spaced("...", &inner) };
    let c_like = matches!(language, Language::C | Language::Cpp);
    let next = |die, inner| declare(units, die, inner, language, levels);
    match &ty.kind {
        Kind::Pointer(kind, target) => {
            if let Some(name) = ty.name {
                return spaced(&String::from_utf8_lossy(name), &inner);
            }
            if !c_like {
                return spaced(&format!("*{}", next(*target, String::new())), &inner);
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
                let text = array.dimensions.iter().rev().fold(element, |element, dimension| match language {
                    Language::Zig => format!("[{}]{element}", count(dimension)),
                    _ => format!("[{element}; {}]", count(dimension)),
                });
                return spaced(&text, &inner);
            }
            let bounds = array.dimensions.iter().take(LEVELS as usize);
            let bounds: String = bounds.map(|count| count.map_or("[]".into(), |count| format!("[{count}]"))).collect();
            next(array.element, format!("{inner}{bounds}"))
        }
        Kind::Function(result, parameters, more) => {
            let list = parameter_list(units, parameters, *more, language, levels);
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
                // The object is a parameter that is not written.
                Some(Type { kind: Kind::Function(result, parameters, more), .. }) => {
                    let list = parameter_list(units, parameters.get(1..).unwrap_or_default(), *more, language, levels);
                    next(*result, format!("({inner})({list})"))
                }
                _ => next(*target, inner),
            }
        }
        _ => spaced(&qualified(units, die, &ty, language, levels), &inner),
    }
}

/// The types of a function's parameters, for C `void` where there are none.
fn parameter_list(units: &Units<'_>, parameters: &[Die], more: bool, language: Language, levels: u32) -> String {
    let shown = parameters.iter().take(LEVELS as usize);
    let name = |&parameter: &Die| declare(units, Some(parameter), String::new(), language, levels);
    let mut list: Vec<String> = shown.map(name).collect();
    if more || parameters.len() > list.len() {
        list.push("...".into());
    }
    if list.is_empty() && matches!(language, Language::C | Language::Cpp) {
        list.push("void".into());
    }
    list.join(", ")
}

/// A named type with its namespaces.
fn qualified(units: &Units<'_>, die: Die, ty: &Type<'_>, language: Language, levels: u32) -> String {
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
    match language {
        Language::C if !keyword.is_empty() => format!("{keyword} {name}"),
        Language::C | Language::Zig => name.into_owned(),
        Language::Cpp | Language::Rust => {
            if matches!(ty.kind, Kind::Base(_)) {
                return name.into_owned();
            }
            let mut full = String::new();
            for part in units.path(die) {
                full.push_str(&String::from_utf8_lossy(part));
                full.push_str("::");
            }
            full.push_str(&name);
            if matches!(ty.kind, Kind::Struct(_)) && language == Language::Cpp && !name.contains('<') {
                full.push_str(&arguments(units, die, levels).unwrap_or_default());
            }
            if language == Language::Cpp { plain_std(&full) } else { full }
        }
    }
}

/// Takes out libc++'s inline namespace: `std::__1::vector` is what a program calls `std::vector`.
fn plain_std(name: &str) -> String {
    name.replace("std::__1::", "std::").replace("std::__2::", "std::")
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

/// The parts of a path between `::`, without looking into the arguments of a template, a list of parameters or the
/// braces around what has no name.
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
