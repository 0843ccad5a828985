//! The Internet Computer: after `Canister Backtrace:` a line for each function, with its name or as `unknown function
//! at index 672`.

use super::super::{Engine, Printed};
use super::{Recognised, named};

/// A frame.
pub fn frame(line: &str) -> Option<Recognised> {
    let start = line.len() - line.trim_start().len();
    let text = line.trim();
    // A full stop, or the rest of the message, ends the list.
    if text.is_empty() || matches!(text, "." | ",") || text.starts_with("error code") || text.contains(": ") {
        return None;
    }
    let index = text.strip_prefix("unknown function at index ").and_then(|index| index.parse().ok());
    let function = if index.is_some() { None } else { named(text) };
    Some(Recognised::Frame(Engine::InternetComputer, Printed { function, index, ..Printed::default() }, start))
}
