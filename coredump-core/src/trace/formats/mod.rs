//! Recognises lines of stack traces; each engine's format is in a file of its own.

mod canister;
mod javascriptcore;
mod numbered;
mod sanitizer;
mod spidermonkey;
mod v8;
mod wamr;
mod wasmedge;
mod wasmer;
mod wazero;

use super::{Engine, Printed};

/// The result of recognising a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    /// A frame, which begins at this byte of the line.
    Frame(Engine, Printed, usize),
    /// Several frames in one line.
    Frames(Engine, Vec<Printed>),
    /// The offset in the code section of the frame in the line above.
    Offset(Engine, u64),
    /// The headline of a trace: frames follow.
    Headline(Engine),
}

/// Recognises a line by itself. `after` names the engine whose headline or frames stand above it.
pub(super) fn recognise(line: &str, after: Option<Engine>) -> Option<Recognised> {
    let continued = match after {
        Some(Engine::Wazero) => wazero::offset(line).or_else(|| wazero::frame(line)),
        Some(Engine::InternetComputer) => canister::frame(line),
        Some(Engine::Wasmtime) => numbered::without_offset(line),
        _ => None,
    };
    continued.or_else(|| {
        v8::frame(line)
            .or_else(|| spidermonkey::frame(line))
            .or_else(|| javascriptcore::frame(line))
            .or_else(|| numbered::frame(line, after))
            .or_else(|| sanitizer::frame(line))
            .or_else(|| wamr::frame(line))
            .or_else(|| wasmer::frame(line))
            .or_else(|| wasmedge::frame(line))
            .or_else(|| headline(line))
    })
}

/// The headlines of traces whose frames say little by themselves.
fn headline(line: &str) -> Option<Recognised> {
    let engine = match () {
        () if line.contains("Canister Backtrace:") => Engine::InternetComputer,
        () if line.contains("wasm stack trace:") => Engine::Wazero,
        () if line.contains("in-VM backtrace:") => Engine::ProxyWasm,
        () if line.contains("==== wasm backtrace:") => Engine::Wasm3,
        () if line.contains("wasm backtrace:") => Engine::Wasmtime,
        () => return None,
    };
    Some(Recognised::Headline(engine))
}

/// Returns true if a line belongs to a trace of this engine without being a frame of a module.
pub(super) fn belongs(line: &str, engine: Engine) -> bool {
    let text = line.trim_start();
    match engine {
        Engine::V8 | Engine::OldV8 | Engine::Wasmer => text.starts_with("at "),
        Engine::SpiderMonkey | Engine::JavaScriptCore => text.contains('@') && text.contains(':'),
        // These lines have the source of the frame above: `/builtin.zig:858:17 (inlined)`, `at src/c/sum.c:25:29`, `-
        // share`.
        Engine::Wazero => wazero::own(line).starts_with(' ') && text.contains(':'),
        Engine::Wasmtime => text.starts_with("at ") || text.starts_with("- "),
        // A frame of JavaScript, whose address is only a running number: `#3 0x80001022 in callMain /app.js:4275:13`.
        Engine::Sanitizer => text.starts_with('#') && text.contains(" in "),
        _ => false,
    }
}

/// The number that a text begins with, and the rest.
fn decimal(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// The hexadecimal number with `0x` that a text begins with, and the rest. Offsets in modules have 32 bits.
fn hexadecimal(text: &str) -> Option<(u64, &str)> {
    let text = text.strip_prefix("0x")?;
    let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let value = u32::from_str_radix(&text[..digits], 16).ok()?;
    Some((value.into(), &text[digits..]))
}

/// A name, unless it is empty.
fn named(name: &str) -> Option<String> {
    Some(name.trim()).filter(|name| !name.is_empty()).map(str::to_owned)
}
