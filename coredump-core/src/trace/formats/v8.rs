//! V8: `at crash.wasm.divide (wasm://wasm/crash.wasm-003aa54a:wasm-function[51]:0x3b62)`, and the variants of browsers
//! and Deno: `at divide (http://host/crash.wasm:wasm-function[51]:0x3b62)`, `at crash.wasm:0x3b62`.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, hexadecimal, named};

/// The file size up to which the number in a module's name is a real hash.
const HASHED: u64 = 16383;

/// The beginning of the URL that V8 makes for a module that has none.
const MODULES: &str = "wasm://wasm/";

/// A frame.
pub fn frame(line: &str) -> Option<Recognised> {
    let (start, head, place) = parts(line)?;
    if let Some(at) = place.find("wasm-function[") {
        let url = place[..at].strip_suffix(':').unwrap_or(&place[..at]);
        let (index, rest) = decimal(&place[at + "wasm-function[".len()..])?;
        let rest = rest.strip_prefix("]:")?;
        let (engine, offset) = match hexadecimal(rest) {
            Some((offset, "")) => (Engine::V8, offset),
            _ => match decimal(rest)? {
                (offset, "") => (Engine::OldV8, offset.into()),
                _ => return None,
            },
        };
        let (module, size) = module(url);
        let function = head.map(|head| own_name(head, module)).filter(|name| *name != "<anonymous>");
        // Deno prints 0 for every function.
        let index = Some(index).filter(|&index| index != 0 || engine == Engine::OldV8);
        let module = module.and_then(named);
        let function = function.and_then(named);
        let frame = Printed { module, function, index, offset: Some(offset), size, ..Printed::default() };
        return Some(Recognised::Frame(engine, frame, start));
    }
    short(start, head, place)
}

/// Frames in a short form. Chrome's console: `at crash.wasm:0x3b62`. Puppeteer, for Firefox's frames: `at f
/// (http://host/crash.wasm:15202:1)`, where the line is the offset. Deno, for a module that it fetched: `at f
/// (http://host/crash.wasm:1:15203)`, where the column is the offset plus 1; puppeteer, for an uncaught error, the same
/// form with `at $f (…)`. Node's `--trace-uncaught` and source-map-support write it for modules without a URL, too: `at
/// $f (wasm://wasm/app-50f98cf2:1:78)`. The errors of puppeteer's `evaluate` (`…wasm:0:15202`) are not recognised:
/// their frames are listed oldest first, and the youngest may be missing.
fn short(start: usize, head: Option<&str>, place: &str) -> Option<Recognised> {
    let (url, position) = match place.strip_prefix(MODULES) {
        Some(module) => {
            let hash = module.find(":1:")?;
            place.split_at(MODULES.len() + hash)
        }
        None => place.split_at(place.find(".wasm:").or_else(|| place.find(".wasm?"))? + ".wasm".len()),
    };
    let position = position.strip_prefix(':').unwrap_or_default();
    let (engine, offset) = match hexadecimal(position) {
        Some((offset, "")) => (Engine::V8, offset),
        _ => match decimal(position)? {
            (offset, ":1") => (Engine::SpiderMonkey, offset.into()),
            (1, column) => {
                let (column, _) = decimal(column.strip_prefix(':')?).filter(|(_, rest)| rest.is_empty())?;
                (Engine::V8, u64::from(column.checked_sub(1)?))
            }
            _ => return None,
        },
    };
    let (module, _) = module(url);
    let function = head.map(|head| own_name(head, module)).filter(|name| *name != "<anonymous>");
    // A debugger's name for a function: `$f`, and `$func51` for one without a name.
    let function = match function.and_then(|name| name.strip_prefix('$')) {
        Some(name)
            if name.strip_prefix("func").is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            None
        }
        Some(name) => Some(name),
        None => function,
    };
    let function = function.and_then(named);
    let frame = Printed { module: module.and_then(named), function, offset: Some(offset), ..Printed::default() };
    Some(Recognised::Frame(engine, frame, start))
}

/// Returns the position at which a frame begins, the text before its place, and the place, which may stand in
/// parentheses.
fn parts(line: &str) -> Option<(usize, Option<&str>, &str)> {
    let at = match line.starts_with("at ") {
        true => 0,
        false => line.find(" at ").or_else(|| line.find("\tat ")).map(|at| at + 1)?,
    };
    let rest = line[at + 3..].trim_end();
    match rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        Some((head, place)) => Some((at, Some(head.strip_prefix("async ").unwrap_or(head)), place)),
        // The place in parentheses is cut off.
        None if rest.contains(" (") => None,
        None => Some((at, None, rest)),
    }
}

/// The module's name and its size in bytes, from a URL such as `wasm://wasm/crash.wasm-003aa54a`. For a file of more
/// than 16,383 bytes, the hexadecimal number is no hash, but four times the size plus two.
pub(super) fn module(url: &str) -> (Option<&str>, Option<u64>) {
    let Some(name) = url.strip_prefix(MODULES) else {
        return (Some(url).filter(|url| !url.is_empty() && *url != "wasm://wasm"), None);
    };
    let (name, hash) = match name.rsplit_once('-') {
        Some((name, hash)) => (Some(name), hash),
        None => (None, name),
    };
    let number = u32::from_str_radix(hash, 16).ok().filter(|_| hash.len() == 8);
    let size = number.filter(|number| number % 4 == 2).map(|number| u64::from(number / 4));
    let name = if number.is_some() { name } else { Some(url) };
    (name, size.filter(|&size| size > HASHED))
}

/// A function's name without the module's name and a dot, which V8 puts in front.
fn own_name<'n>(head: &'n str, module: Option<&str>) -> &'n str {
    // With a URL, the module's name is not known: names of files end so.
    match module.and_then(|module| head.strip_prefix(module)).and_then(|rest| rest.strip_prefix('.')) {
        Some(name) => name,
        None => {
            head.split_once(".wasm.").filter(|(module, _)| !module.contains([' ', ':', '<'])).map_or(head, |it| it.1)
        }
    }
}
