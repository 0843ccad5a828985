//! SpiderMonkey: `crash.wasm.divide@http://host/crash.wasm:wasm-function[51]:0x3b62`.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, hexadecimal, named};

/// A frame.
pub fn frame(line: &str) -> Option<Recognised> {
    let function = line.rfind(":wasm-function[")?;
    let at = line[..function].find('@')?;
    let (index, rest) = decimal(&line[function + ":wasm-function[".len()..])?;
    let (offset, rest) = hexadecimal(rest.strip_prefix("]:")?)?;
    if rest.starts_with(|next: char| next.is_alphanumeric()) {
        return None;
    }
    // The prefix that a log puts before a line ends with a space; names of functions may contain spaces too, in `<…>`
    // and `(…)`.
    let start = line[..at].rfind(['\t', '|']).map_or(0, |tab| tab + 1);
    let start = start + (line[start..at].len() - line[start..at].trim_start().len());
    let url = &line[at + 1..function];
    // A module that a script compiled has no name, but `http://host/a.js line 36 > WebAssembly.instantiate`.
    let module = (!url.contains(" > ")).then_some(url);
    let name = &line[start..at];
    let name =
        name.split_once(".wasm.").filter(|(module, _)| !module.contains([' ', ':', '<'])).map_or(name, |it| it.1);
    let module = module.and_then(named);
    let frame =
        Printed { module, function: named(name), index: Some(index), offset: Some(offset), ..Printed::default() };
    Some(Recognised::Frame(Engine::SpiderMonkey, frame, start))
}
