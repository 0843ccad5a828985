//! AddressSanitizer and LeakSanitizer of Emscripten: `#1 0xb67 in middle+0xb67 (/app/crash.wasm+0xb67)`.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, hexadecimal, named};

/// A frame. The number after the function is the offset in the file again.
pub fn frame(line: &str) -> Option<Recognised> {
    let start = line.find('#')?;
    let (_, rest) = decimal(&line[start + 1..])?;
    let (offset, rest) = hexadecimal(rest.strip_prefix(' ')?)?;
    let (function, place) = rest.strip_prefix(" in ")?.trim_end().strip_suffix(')')?.rsplit_once(" (")?;
    let (module, again) = place.rsplit_once('+')?;
    if hexadecimal(again) != Some((offset, "")) || !module.ends_with(".wasm") {
        return None;
    }
    let function = match function.rsplit_once('+') {
        Some((function, again)) if hexadecimal(again) == Some((offset, "")) => function,
        _ => function,
    };
    // Frames of JavaScript are numbered too, so that the numbers of module frames have gaps.
    let frame =
        Printed { module: named(module), function: named(function), offset: Some(offset), ..Printed::default() };
    Some(Recognised::Frame(Engine::Sanitizer, frame, start))
}
