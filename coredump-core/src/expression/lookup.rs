//! Finds the entries that names in an expression mean: variables in scope, statics, and types as a person writes them.

use gimli::constants::*;

use crate::catalog::units::{Die, Units};
use crate::lang::cpp::template_names;
use crate::lang::names::path_parts;
use crate::lang::table;
use crate::location::frame::FrameContext;
use crate::location::statics;
use crate::scope::VariableKind;

/// The most `*` after a type's name.
const POINTERS: usize = 16;

/// The most types that may be nested in the name of a type.
const TYPES: u32 = 8;

/// The variable of that name that the frame's code sees in its function: the innermost block's.
pub fn local(frame: &FrameContext<'_, '_>, name: &str) -> Option<(Die, VariableKind)> {
    let units = &frame.units;
    let visible = frame.active().iter().skip(frame.scope.get()).flat_map(|function| &function.variables);
    visible.copied().find(|(die, _)| units.name(*die) == Some(name.as_bytes()))
}

/// The variable of that name outside of the function, as the frame's code sees it: first in its class and its
/// namespaces, the innermost first, and in its own file before others. A variable that the code would have to qualify
/// is found too if it is the only one of that name: with several, which is meant would be a guess.
pub fn outer(frame: &FrameContext<'_, '_>, path: &[String]) -> Option<Die> {
    let units = &frame.units;
    let (name, namespaces) = path.split_last()?;
    let first = frame.function.map_or(0, |function| function.unit);
    let found = units.statics_named(first, name.as_bytes());
    let found = if found.is_empty() { units.nowhere_named(first, name.as_bytes()) } else { found };
    let own = |found: Vec<Die>| {
        let here: Vec<Die> = found.iter().copied().filter(|die| die.unit == first).collect();
        the_only(frame, if here.is_empty() { found } else { here })
    };
    let seen = match scoped(frame, &found, namespaces) {
        Some(seen) => own(seen),
        None => own(found.into_iter().filter(|&die| ends_with(units, die, namespaces)).collect()),
    };
    seen.or_else(|| {
        let lang = table(units.language(frame.function?.unit));
        own(lang.renamed_statics(units, first, name, namespaces))
    })
}

/// Chooses among entries of one name those in the innermost scope around the frame's code that has any of them,
/// qualified by `namespaces`.
fn scoped(frame: &FrameContext<'_, '_>, found: &[Die], namespaces: &[String]) -> Option<Vec<Die>> {
    let units = &frame.units;
    let (global, namespaces) = match namespaces.strip_prefix(&[String::new()]) {
        Some(rest) => (true, rest),
        None => (false, namespaces),
    };
    let around = frame.active().first().map(|active| units.written_path(active.die)).unwrap_or_default();
    let paths: Vec<_> = found.iter().map(|&die| (die, units.written_path(die))).collect();
    let depths = if global { 0..1 } else { 0..around.len() + 1 };
    depths.rev().find_map(|depth| {
        let wanted = || around[..depth].iter().copied().chain(namespaces.iter().map(|name| name.as_bytes()));
        let seen = paths.iter().filter(|(_, path)| path.iter().copied().eq(wanted())).map(|(die, _)| *die);
        let seen: Vec<Die> = seen.collect();
        (!seen.is_empty()).then_some(seen)
    })
}

/// The first of these entries, if all of them describe one variable; else `None`.
fn the_only(frame: &FrameContext<'_, '_>, found: Vec<Die>) -> Option<Die> {
    let units = &frame.units;
    let relocated = frame.binary.module().memory_base().is_some();
    // An object that the linker dropped is taken only if there is no other of that name.
    let is_alive = |die: &Die| !statics::written(units, *die).is_some_and(|fixed| fixed.is_dropped(relocated));
    let alive: Vec<Die> = found.iter().copied().filter(is_alive).collect();
    let candidates = if alive.is_empty() { found } else { alive };
    let place = |die: &Die| {
        let entry = units.entry(*die)?;
        let told = || (entry.attr_value(DW_AT_location), entry.attr_value(DW_AT_const_value));
        let fixed = statics::written(units, *die).filter(|fixed| !fixed.is_dropped(relocated));
        Some(fixed.map_or_else(|| (None, Some(told())), |address| (Some(address), None)))
    };
    let first = *candidates.first()?;
    (candidates.len() == 1 || candidates.iter().all(|die| place(die) == place(&first))).then_some(first)
}

/// The static of that name in the file, whose path ends in `file`.
pub fn file_static(frame: &FrameContext<'_, '_>, file: &str, name: &str) -> Option<Die> {
    let units = &frame.units;
    let first = frame.function.map_or(0, |function| function.unit);
    let mut found = units.statics_named(first, name.as_bytes()).into_iter();
    found.find(|die| {
        let path = units.unit(die.unit).and_then(|unit| unit.name);
        path.is_some_and(|path| {
            let (path, file) = (path.slice(), file.as_bytes());
            path == file || path.strip_suffix(file).is_some_and(|folder| folder.ends_with(b"/"))
        })
    })
}

/// Returns true if the innermost namespaces of an entry are these.
fn ends_with(units: &Units<'_>, die: Die, namespaces: &[String]) -> bool {
    if namespaces.is_empty() {
        return true;
    }
    if namespaces[0].is_empty() {
        return false;
    }
    let path = units.written_path(die);
    path.len() >= namespaces.len()
        && path[path.len() - namespaces.len()..].iter().zip(namespaces).all(|(part, name)| *part == name.as_bytes())
}

/// A type as C or Rust write it: `unsigned int`, `struct node *`, `ns::Point`, `*const u8`. `Some(None)` is `void`.
pub fn type_named(frame: &FrameContext<'_, '_>, text: &str) -> Option<Option<Die>> {
    type_within(frame, text, TYPES)
}

fn type_within(frame: &FrameContext<'_, '_>, text: &str, levels: u32) -> Option<Option<Die>> {
    let levels = levels.checked_sub(1)?;
    let units = &frame.units;
    let mut name = text.trim();
    let mut pointers = 0;
    if let Some(found) = member_pointer(frame, name, levels) {
        return Some(Some(found));
    }
    loop {
        if let Some(rest) = name.strip_suffix('*').or_else(|| name.strip_suffix('&')) {
            name = rest.trim_end();
            pointers += 1;
        } else if let Some(rest) =
            ["*const ", "*mut ", "*", "&mut ", "&", "[*]", "[*c]"].iter().find_map(|prefix| name.strip_prefix(prefix))
        {
            name = rest.trim_start();
            pointers += 1;
        } else if let Some(rest) = ["const ", "volatile ", "struct ", "union ", "enum ", "class "]
            .iter()
            .find_map(|word| name.strip_prefix(word))
        {
            name = rest.trim_start();
        } else if let Some(rest) = name.strip_suffix(" const") {
            name = rest.trim_end();
        } else {
            break;
        }
        if pointers > POINTERS {
            return None;
        }
    }
    let mut found = match name {
        "" => return None,
        "void" | "anyopaque" | "c_void" => None,
        name => Some(match array(name) {
            Some((element, count)) if pointers <= POINTERS => {
                units.array_of(type_within(frame, element, levels)?, vec![Some(count)])
            }
            _ => named(frame, name).or_else(|| builtin(frame, name))?,
        }),
    };
    let size = frame.address_size();
    for _ in 0..pointers {
        found = Some(units.pointer_to(found, u64::from(size)));
    }
    Some(found)
}

/// `T Class::*`, or `T (Class::*)(int, char)` for a method: the type of a pointer to a member of C++.
fn member_pointer(frame: &FrameContext<'_, '_>, name: &str, levels: u32) -> Option<Die> {
    let (units, size) = (&frame.units, u64::from(frame.address_size()));
    let (before, behind) = name.rsplit_once("::*")?;
    let start = class_start(before)?;
    let class = units.class_of(type_within(frame, &before[start..], levels)?)?.0;
    let before = before[..start].trim_end();
    if behind.trim().is_empty() {
        return Some(units.member_pointer_to(type_within(frame, before, levels)?, class, size));
    }
    let result = type_within(frame, before.strip_suffix('(')?, levels)?;
    let mut list = behind.trim();
    while let Some(rest) = ["const", "volatile", "noexcept", "&"].iter().find_map(|word| list.strip_suffix(word)) {
        list = rest.trim_end();
    }
    let list = list.strip_prefix(')')?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let mut parameters = vec![units.pointer_to(Some(class), size)];
    let mut words: Vec<&str> = arguments(list);
    let more = words.last().is_some_and(|word| *word == "...");
    words.truncate(words.len() - usize::from(more));
    for word in words.into_iter().filter(|&word| word != "void") {
        parameters.push(type_within(frame, word, levels)??);
    }
    let method = units.function_of(result, parameters, more);
    Some(units.member_pointer_to(Some(method), class, size * 2))
}

/// Returns the byte index at which the class name at the end of a text begins; `None` if there is nothing before the
/// name, or if its angle brackets do not match.
fn class_start(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, char) in text.char_indices().rev() {
        match char {
            '>' => depth += 1,
            '<' => depth = depth.checked_sub(1)?,
            _ if depth > 0 || char.is_alphanumeric() || matches!(char, '_' | ':') => {}
            _ => return Some(at + char.len_utf8()),
        }
    }
    None
}

/// The items of a list, separated by commas that are in no brackets.
fn arguments(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0i32, 0, Vec::new());
    for (at, char) in list.char_indices() {
        match char {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                found.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(list[start..].trim());
    found.retain(|word| !word.is_empty());
    found
}

/// `[T; 4]` of Rust or `[4]T` of Zig: the element's type, which must not be an array itself, and the number of
/// elements.
fn array(name: &str) -> Option<(&str, u64)> {
    let inside = name.strip_prefix('[')?;
    let (element, count) = match inside.strip_suffix(']') {
        Some(inside) => inside.rsplit_once(';')?,
        None => inside.split_once(']').map(|(count, element)| (element, count))?,
    };
    let element = element.trim();
    (!element.contains('[')).then_some((element, count.trim().parse().ok()?))
}

fn named(frame: &FrameContext<'_, '_>, name: &str) -> Option<Die> {
    let units = &frame.units;
    let first = frame.function.map_or(0, |function| function.unit);
    let whole = name.strip_prefix("::").unwrap_or(name);
    let mut namespaces = path_parts(whole);
    let last = namespaces.pop().unwrap_or_default();
    let namespaces: Vec<String> = namespaces.into_iter().map(str::to_owned).collect();
    let mut found = units.types_named(first, last.as_bytes());
    if let Some(end) = last.find('<').filter(|_| found.is_empty()) {
        // The compiler may have left out a template's arguments.
        let plain = |name: &str| name.replace(' ', "");
        let wanted = plain(last);
        let arguments = |die| template_names::arguments(units, die).unwrap_or_default();
        found = units.types_named(first, &last.as_bytes()[..end]);
        found.retain(|&die| plain(&format!("{}{}", &last[..end], arguments(die))) == wanted);
    }
    let found = match scoped(frame, &found, &namespaces) {
        Some(seen) => seen.first().copied(),
        None => {
            let found: Vec<Die> = found.into_iter().filter(|&die| ends_with(units, die, &namespaces)).collect();
            let path = found.first().map(|&die| units.written_path(die));
            let one = found.iter().all(|&die| Some(units.written_path(die)) == path);
            found.first().copied().filter(|_| one)
        }
    };
    // Zig's type names contain the file's: the source's `Point` is `vars.Point`.
    found.or_else(|| units.types_behind_points(first, last.as_bytes()).into_iter().next())
}

/// Base types: name, encoding and size in bytes, in Wasm's C ABI.
const BUILTIN: [(&str, gimli::DwAte, u64); 35] = [
    ("char", DW_ATE_signed_char, 1),
    ("bool", DW_ATE_boolean, 1),
    ("_Bool", DW_ATE_boolean, 1),
    ("signed char", DW_ATE_signed, 1),
    ("int8_t", DW_ATE_signed, 1),
    ("i8", DW_ATE_signed, 1),
    ("unsigned char", DW_ATE_unsigned, 1),
    ("uint8_t", DW_ATE_unsigned, 1),
    ("u8", DW_ATE_unsigned, 1),
    ("short", DW_ATE_signed, 2),
    ("int16_t", DW_ATE_signed, 2),
    ("i16", DW_ATE_signed, 2),
    ("unsigned short", DW_ATE_unsigned, 2),
    ("uint16_t", DW_ATE_unsigned, 2),
    ("u16", DW_ATE_unsigned, 2),
    ("int", DW_ATE_signed, 4),
    ("signed", DW_ATE_signed, 4),
    ("int32_t", DW_ATE_signed, 4),
    ("i32", DW_ATE_signed, 4),
    ("unsigned", DW_ATE_unsigned, 4),
    ("unsigned int", DW_ATE_unsigned, 4),
    ("uint32_t", DW_ATE_unsigned, 4),
    ("u32", DW_ATE_unsigned, 4),
    ("long long", DW_ATE_signed, 8),
    ("int64_t", DW_ATE_signed, 8),
    ("i64", DW_ATE_signed, 8),
    ("unsigned long long", DW_ATE_unsigned, 8),
    ("uint64_t", DW_ATE_unsigned, 8),
    ("u64", DW_ATE_unsigned, 8),
    ("i128", DW_ATE_signed, 16),
    ("u128", DW_ATE_unsigned, 16),
    ("float", DW_ATE_float, 4),
    ("f32", DW_ATE_float, 4),
    ("double", DW_ATE_float, 8),
    ("f64", DW_ATE_float, 8),
];

/// A built-in type of a language for which the debug information has no entry, as Wasm's C ABI lays it out.
fn builtin(frame: &FrameContext<'_, '_>, name: &str) -> Option<Die> {
    let units = &frame.units;
    let wide = u64::from(frame.address_size());
    let lang = frame.function.map(|function| table(units.language(function.unit)));
    if let Some((name, encoding, size)) = lang.and_then(|lang| lang.base_type(name)) {
        return Some(units.base_type(name, encoding, size));
    }
    match name {
        "usize" => return Some(units.base_type("usize", DW_ATE_unsigned, wide)),
        "size_t" => return Some(units.base_type("size_t", DW_ATE_unsigned, wide)),
        "uintptr_t" => return Some(units.base_type("uintptr_t", DW_ATE_unsigned, wide)),
        "isize" => return Some(units.base_type("isize", DW_ATE_signed, wide)),
        "long" => return Some(units.base_type("long", DW_ATE_signed, wide)),
        "unsigned long" => return Some(units.base_type("unsigned long", DW_ATE_unsigned, wide)),
        _ => {}
    }
    let (name, encoding, size) = BUILTIN.iter().copied().find(|builtin| builtin.0 == name)?;
    Some(units.base_type(name, encoding, size))
}
