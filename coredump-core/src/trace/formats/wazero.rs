//! wazero: after `wasm stack trace:` a line for each frame, as `main.runtime._panic(i32) i32`, or `.$1049(i32)` for a
//! function without a name. With debug info a line with the offset in the code section and the source follows: `0x5ef:
//! src/c/sum.c:25:29`.

use super::super::{Engine, Printed};
use super::{Recognised, hexadecimal, named};

/// The most bytes of a frame: a name with the types of its function.
const MAX_FRAME: usize = 16 << 10;

/// The part of a line that wazero wrote: it begins with tabs, whatever a log puts before them.
pub fn own(line: &str) -> &str {
    match line.rfind('\t') {
        Some(tab) => &line[tab + 1..],
        None => line.trim_start(),
    }
}

/// The offset of the frame above.
pub fn offset(line: &str) -> Option<Recognised> {
    let (offset, rest) = hexadecimal(own(line))?;
    rest.starts_with(": ").then_some(Recognised::Offset(Engine::Wazero, offset))
}

/// A frame.
pub fn frame(line: &str) -> Option<Recognised> {
    let text = own(line);
    let start = line.len() - text.len();
    let text = text.trim_end();
    if text.len() > MAX_FRAME || text.starts_with("0x") || text.contains("://") {
        return None;
    }
    // The parameters' types are in the last parentheses, or in the last but one if there are several results.
    let types = |inner: &str| inner.is_empty() || inner.split(',').all(|ty| TYPES.contains(&ty));
    let (name, _) = text.rmatch_indices('(').take(2).find_map(|(open, _)| {
        let (inner, results) = text[open + 1..].split_once(')')?;
        let results = results.trim().trim_start_matches('(').trim_end_matches(')');
        (types(inner) && types(results) && !text[..open].ends_with(' ')).then_some((&text[..open], ()))
    })?;
    let (module, function) = split(name)?;
    let index = function.strip_prefix('$').and_then(|index| index.parse().ok());
    let function = if index.is_some() { None } else { named(function) };
    let frame = Printed { module: named(module), function, index, ..Printed::default() };
    Some(Recognised::Frame(Engine::Wazero, frame, start))
}

const TYPES: [&str; 7] = ["i32", "i64", "f32", "f64", "v128", "funcref", "externref"];

/// The module and the function. Both may hold dots: names of files end with `.wasm`, and other modules have none.
fn split(name: &str) -> Option<(&str, &str)> {
    if let Some(at) = name.find(".wasm.") {
        return Some((&name[..at + ".wasm".len()], &name[at + ".wasm.".len()..]));
    }
    name.split_once('.')
}
