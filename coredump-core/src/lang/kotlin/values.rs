//! The program's value classes, as the names of its functions and types reveal them.

use std::collections::{HashMap, HashSet};

use wasmparser::Operator;

use super::Reading;
use super::layout::HEADER;
use crate::module::Module;

/// The value class of the library that can hold any value.
pub const RESULT: &str = "kotlin.Result";
/// The most value classes within each other that are followed.
const NESTED: usize = 8;

/// The value class of which a function is a method, with its package: `shop.Cents` of `shop.Cents__toString-impl` and
/// of `shop.<Cents__<get-amount>-impl>`.
pub fn class_of_function(function: &str) -> Option<String> {
    let (path, rest) = function.split_once("__")?;
    let (package, class) = path.rsplit_once('.').unwrap_or(("", path));
    let class = class.trim_start_matches('<');
    rest.trim_end_matches('>').ends_with("-impl").then(|| match package {
        "" => class.to_owned(),
        package => format!("{package}.{class}"),
    })
}

/// The types of a program's value classes, by their names: they have one field, and functions that take them without
/// their box.
pub fn value_classes(module: &Module<'_>) -> HashMap<String, u32> {
    let named: HashSet<String> = module
        .function_names()
        .filter_map(|(_, name)| class_of_function(name))
        .filter(|name| name == RESULT || !name.starts_with("kotlin."))
        .collect();
    if named.is_empty() {
        return HashMap::new();
    }
    let count = HEADER.len() as u32 + 1;
    let types = (0u32..).take(module.type_kinds().len()).filter(|ty| module.field_count(*ty) == Some(count));
    types
        .filter_map(|ty| Some((module.type_name(ty)?.to_owned(), ty)))
        .filter(|(name, _)| named.contains(name))
        .collect()
}

/// The types of those value classes whose only field may be null: their `hashCode` compares it with null first, or
/// hands it on to that of such a class.
pub fn nullable_values(module: &Module<'_>, values: &HashMap<String, u32>) -> HashSet<u32> {
    let mut found = HashSet::new();
    // The classes that hand their value on, with those whose method takes it.
    let mut handed: Vec<(u32, u32)> = Vec::new();
    for (function, name) in module.function_names() {
        let class = name.strip_suffix("__hashCode-impl").and(class_of_function(name));
        let Some(&ty) = class.and_then(|class| values.get(&class)) else { continue };
        let Some(mut operators) = module.operators(function) else { continue };
        let mut is_own = false;
        while let Ok(operator) = operators.read() {
            match operator {
                Operator::LocalGet { local_index: 0 } => is_own = true,
                Operator::RefIsNull if is_own => {
                    found.insert(ty);
                    break;
                }
                Operator::Call { function_index } if is_own => {
                    let inner = module.function_name(function_index).and_then(class_of_function);
                    handed.extend(inner.and_then(|inner| values.get(&inner)).map(|inner| (ty, *inner)));
                    break;
                }
                _ if is_own => break,
                _ => {}
            }
        }
    }
    for _ in 0..NESTED {
        let more: Vec<u32> = handed.iter().filter(|(_, inner)| found.contains(inner)).map(|(ty, _)| *ty).collect();
        found.extend(more);
    }
    found
}

/// The value classes of the module with this number, by their names without the package.
pub fn values_of(values: &HashMap<String, u32>, module: u32) -> Vec<(&str, Reading)> {
    let simple = |name: &'_ str| name.rfind(['.', '$']).map_or(0, |at| at + 1);
    values.iter().map(|(name, ty)| (&name[simple(name)..], Reading::Value { module, ty: *ty })).collect()
}
