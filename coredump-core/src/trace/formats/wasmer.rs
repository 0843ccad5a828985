//! Wasmer: `at divide (crash.wasm[51]:0x3b62)`.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, hexadecimal, named};

/// A frame.
pub fn frame(line: &str) -> Option<Recognised> {
    let mark = line.rfind("]:0x")?;
    let open = line[..mark].rfind('[')?;
    let (index, "") = decimal(&line[open + 1..mark])? else { return None };
    let (offset, ")") = hexadecimal(line[mark + 2..].trim_end())? else { return None };
    let start = if line.starts_with("at ") { 0 } else { line.find(" at ")? + 1 };
    let (function, module) = line.get(start + 3..open)?.rsplit_once(" (")?;
    let frame = Printed {
        module: Some(module).filter(|module| *module != "<module>").and_then(named),
        function: Some(function).filter(|function| *function != "<unnamed>").and_then(named),
        index: Some(index),
        offset: Some(offset),
        ..Printed::default()
    };
    Some(Recognised::Frame(Engine::Wasmer, frame, start))
}
