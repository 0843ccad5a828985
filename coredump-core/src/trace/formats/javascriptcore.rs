//! JavaScriptCore: `divide@crash.wasm:wasm-function[51]` since August 2025, before that
//! `crash.wasm.wasm-function[divide]@[wasm code]` with the index where there is no name. It prints no offsets.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, named};

/// A frame.
pub fn frame(line: &str) -> Option<Recognised> {
    let mark = line.find("wasm-function[")?;
    let inner = &line[mark + "wasm-function[".len()..];
    let start = line[..mark].rfind([' ', '\t', '|']).map_or(0, |space| space + 1);
    let front = &line[start..mark];
    if let Some((name, _)) = inner.split_once("]@[wasm code]").or_else(|| inner.split_once("]@[wasm-code]")) {
        let module = front.strip_suffix('.').filter(|module| *module != "<?>");
        let index = name.parse().ok();
        let function = if index.is_some() { None } else { named(name) };
        let frame = Printed { module: module.and_then(named), function, index, ..Printed::default() };
        return Some(Recognised::Frame(Engine::JavaScriptCore, frame, start));
    }
    let (index, rest) = decimal(inner)?;
    let rest = rest.strip_prefix(']')?;
    if !rest.trim().is_empty() {
        return None;
    }
    let front = line[..mark].strip_suffix(':')?;
    let (function, module) = front.trim_start().split_once('@')?;
    let module = Some(module).filter(|module| *module != "<?>").and_then(named);
    let start = front.len() - front.trim_start().len();
    // A function without a name has its index instead.
    let function = named(function).filter(|name| name.parse() != Ok(index));
    let frame = Printed { module, function, index: Some(index), ..Printed::default() };
    Some(Recognised::Frame(Engine::JavaScriptCore, frame, start))
}
