//! WebAssembly Micro Runtime: `#00: 0x0a04 - $f18`; up to 1.3.2, and with its fast JIT, `#00 $f18`.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, hexadecimal, named};

/// A frame.
pub fn frame(line: &str) -> Option<Recognised> {
    let start = line.find('#')?;
    let apart =
        line[..start].chars().next_back().is_none_or(|before| before.is_whitespace() || "|:>\"".contains(before));
    let (number, rest) = decimal(&line[start + 1..])?;
    let digits = line.len() - start - 1 - rest.len();
    if !apart || digits < 2 {
        return None;
    }
    let (offset, name) = match rest.strip_prefix(": ") {
        Some(rest) => {
            let (offset, rest) = hexadecimal(rest)?;
            (Some(offset), rest.strip_prefix(" - ")?)
        }
        None => (None, rest.strip_prefix(' ')?),
    };
    let name = name.trim_end();
    let index = name.strip_prefix("$f").and_then(|index| index.parse().ok());
    // Traces of native code have a similar form: `#00 pc 0001a2b4 /system/lib/libc.so`, `#00 0x7f12 in main`.
    let other = offset.is_none() && index.is_none() && (name.starts_with("pc ") || name.starts_with("0x"));
    if other || name.is_empty() {
        return None;
    }
    let function = if index.is_some() { None } else { named(name) };
    let frame = Printed { number: Some(number), function, index, offset, ..Printed::default() };
    Some(Recognised::Frame(Engine::Wamr, frame, start))
}
