//! wazero: under `wasm stack trace:`, `main.runtime._panic(i32) i32`, or `.$1049(i32)` without a name; below it, where there is
//! debug info, the offset in the code section and the source.

use super::super::{Engine, Printed};
use super::{Found, named};

/// A frame.
pub fn frame(line: &str) -> Option<Found> {
    let start = line.len() - line.trim_start().len();
    let text = line.trim();
    if text.starts_with("0x") || text.contains("://") {
        return None;
    }
    // The parameters' types are the last parentheses but for those of several results.
    let types = |inner: &str| inner.is_empty() || inner.split(',').all(|ty| TYPES.contains(&ty));
    let (name, _) = text.rmatch_indices('(').find_map(|(open, _)| {
        let (inner, results) = text[open + 1..].split_once(')')?;
        let results = results.trim().trim_start_matches('(').trim_end_matches(')');
        (types(inner) && types(results) && !text[..open].ends_with(' ')).then_some((&text[..open], ()))
    })?;
    let (module, function) = split(name)?;
    let index = function.strip_prefix('$').and_then(|index| index.parse().ok());
    let function = if index.is_some() { None } else { named(function) };
    let frame = Printed { module: named(module), function, index, ..Printed::default() };
    Some(Found::Frame(Engine::Wazero, frame, start))
}

const TYPES: [&str; 7] = ["i32", "i64", "f32", "f64", "v128", "funcref", "externref"];

/// The module and the function. Both may hold dots: names of files end with `.wasm`, and other modules have none.
fn split(name: &str) -> Option<(&str, &str)> {
    if let Some(at) = name.find(".wasm.") {
        return Some((&name[..at + ".wasm".len()], &name[at + ".wasm.".len()..]));
    }
    name.split_once('.')
}
