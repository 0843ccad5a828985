//! Wasmtime, wasm3, and hosts of proxy-wasm: `0:   0x3b62 - crash.wasm!divide`.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, hexadecimal, named};

/// A frame with an offset.
pub fn frame(line: &str, after: Option<Engine>) -> Option<Recognised> {
    for (at, _) in line.match_indices(" - ") {
        let Some((start, number, offset)) = before(&line[..at]) else { continue };
        let name = line[at + 3..].trim_end();
        let (module, function) = split(name);
        let engine = match module {
            // wasm3 writes six digits and has no module names with `<`.
            Some(".unnamed") => Engine::Wasm3,
            Some(_) if after == Some(Engine::Wasm3) => Engine::Wasm3,
            Some(_) => Engine::Wasmtime,
            None if matches!(after, Some(Engine::Wasmtime)) => Engine::Wasmtime,
            None => Engine::ProxyWasm,
        };
        let (index, function) = index(function, engine);
        let frame = Printed {
            number: Some(number),
            module: module.filter(|module| !matches!(*module, "<unknown>" | ".unnamed")).and_then(named),
            function: function.and_then(named),
            // Wasmtime prints no module where it found the function in debug info.
            source_name: engine == Engine::Wasmtime && module.is_none(),
            index,
            offset: Some(offset),
            size: None,
        };
        return Some(Recognised::Frame(engine, frame, start));
    }
    None
}

/// Finds `12:   0x3b62` at the end of a text. Returns the position at which it begins, and its numbers.
fn before(text: &str) -> Option<(usize, u32, u64)> {
    // At most as many digits as an offset has, so that a long line is not scanned again and again.
    let digits = text.bytes().rev().take(16).take_while(u8::is_ascii_hexdigit).count();
    let front = text[..text.len() - digits].strip_suffix("0x")?;
    let (offset, "") = hexadecimal(&text[front.len()..])? else { return None };
    let front = front.trim_end();
    let front = front.strip_suffix(':')?;
    let digits = front.bytes().rev().take_while(u8::is_ascii_digit).count();
    let start = front.len() - digits;
    // It must not be part of a time (`12:00:07: 0x10 - x`) or the end of a word.
    let apart =
        front[..start].chars().next_back().is_none_or(|before| before.is_whitespace() || "|>\"'".contains(before));
    let number = front[start..].parse().ok().filter(|_| apart)?;
    Some((start, number, offset))
}

/// The module and the function of `module!function`.
fn split(name: &str) -> (Option<&str>, &str) {
    match name.split_once('!') {
        // A `!` may also be the never type in a function's name: `fn() -> !`.
        Some((module, function)) if module == "<unknown>" || !module.contains([' ', '<', '(']) => {
            (Some(module), function)
        }
        _ => (None, name),
    }
}

/// The index of a function without a name.
fn index(function: &str, engine: Engine) -> (Option<u32>, Option<&str>) {
    let number = match engine {
        Engine::Wasmtime => function.strip_prefix("<wasm function ").and_then(|rest| rest.strip_suffix('>')),
        Engine::Wasm3 => function.strip_prefix("$func"),
        Engine::ProxyWasm => function.strip_prefix("unknown(function index:").and_then(|rest| rest.strip_suffix(')')),
        _ => None,
    };
    match number.and_then(|number| number.parse().ok()) {
        Some(index) => (Some(index), None),
        None => (None, Some(function)),
    }
}

/// A frame without an offset, `0: overflow!down`, as Wasmtime prints it where the stack overflowed.
pub fn without_offset(line: &str) -> Option<Recognised> {
    let colon = line.find(": ")?;
    let digits = line[..colon].bytes().rev().take_while(u8::is_ascii_digit).count();
    let start = colon - digits;
    let (number, _) = decimal(&line[start..])?;
    let apart = line[..start].chars().next_back().is_none_or(|before| before.is_whitespace() || before == '|');
    let name = line[colon + 2..].trim();
    let (Some(module), function) = split(name) else { return None };
    if !apart || function.is_empty() || name.starts_with("0x") {
        return None;
    }
    let (index, function) = index(function, Engine::Wasmtime);
    let module = Some(module).filter(|module| *module != "<unknown>").and_then(named);
    let frame =
        Printed { number: Some(number), module, function: function.and_then(named), index, ..Printed::default() };
    Some(Recognised::Frame(Engine::Wasmtime, frame, start))
}
