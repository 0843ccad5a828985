//! The calls of a frame, a line each, the same in every tool: `divide+0x12 [inlined] at file:line:column`.

use std::io;
use std::ops::Range;

use super::paint::TextRole;
use super::path_map::PathMap;
use crate::backtrace::{Call, Location};

/// Writes a piece of text, which may come from a dump or a module.
pub type Write<'w> = &'w mut dyn FnMut(TextRole, &str) -> io::Result<()>;

/// The name of a function of which not even the number is known.
pub const UNKNOWN: &str = "unknown function";

/// Writes the name of a call's function. If the line is not known, the offset in the function follows, or the line of
/// its declaration, marked as such, so that nobody takes it for the line at which it stood.
pub fn function(call: &Call<'_>, paths: &PathMap, write: Write<'_>) -> io::Result<()> {
    match &call.function {
        Some(name) => write(TextRole::Function, name)?,
        None => write(TextRole::Faint, UNKNOWN)?,
    }
    if let Some(offset) = call.offset {
        write(TextRole::Plain, &format!("+{offset:#x}"))?;
    }
    if call.entered {
        write(TextRole::Faint, " (just entered)")?;
    }
    if let Some(declared) = call.declared {
        write(TextRole::Faint, " (declared at ")?;
        location(declared, paths, write)?;
        write(TextRole::Faint, ")")?;
    }
    Ok(())
}

/// Writes whether the call was inlined, and the place at which it stood.
pub fn write_call_site(call: &Call<'_>, paths: &PathMap, write: Write<'_>) -> io::Result<()> {
    if call.inlined {
        write(TextRole::Faint, " [inlined]")?;
    }
    match call.location {
        Some(at) => {
            write(TextRole::Plain, " at ")?;
            location(at, paths, write)
        }
        None => Ok(()),
    }
}

/// Writes `file:line:column`.
pub fn location(location: &Location, paths: &PathMap, write: Write<'_>) -> io::Result<()> {
    write(TextRole::File, &paths.apply(&location.file))?;
    write(
        TextRole::Plain,
        &match location.column {
            Some(column) => format!(":{}:{column}", location.line),
            None => format!(":{}", location.line),
        },
    )
}

/// `file:line:column` as a text.
pub fn location_text(at: &Location, paths: &PathMap) -> String {
    text(|write| location(at, paths, write))
}

/// The line that stands for repeated frames.
pub fn repeated(frames: &Range<usize>, period: usize, times: usize) -> String {
    let (first, last) = (frames.start, frames.end - 1);
    let what = if period == 1 { "the same frame".to_owned() } else { format!("the same {period} frames") };
    format!("#{first} to #{last}: {what}, {times} times more")
}

/// Returns the output of `write` as a string without colours.
pub fn text(write: impl FnOnce(Write<'_>) -> io::Result<()>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut |_, piece| {
        text.push_str(piece);
        Ok(())
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(call: &Call<'_>) -> String {
        let paths = PathMap::default();
        text(|write| function(call, &paths, write).and_then(|()| write_call_site(call, &paths, write)))
    }

    #[test]
    fn a_call_says_where_it_stood_or_what_else_is_known() {
        let at = Location { file: "sum.c".into(), line: 25, column: Some(29) };
        let known = Call { function: Some("divide".into()), location: Some(&at), ..Call::default() };
        assert_eq!(line(&known), "divide at sum.c:25:29");
        assert_eq!(line(&Call { inlined: true, ..known.clone() }), "divide [inlined] at sum.c:25:29");
        assert_eq!(line(&Call { entered: true, ..known.clone() }), "divide (just entered) at sum.c:25:29");
        let declared = Call { location: None, declared: Some(&at), ..known.clone() };
        assert_eq!(line(&declared), "divide (declared at sum.c:25:29)");
        assert_eq!(line(&Call { location: None, offset: Some(18), ..known }), "divide+0x12");
        assert_eq!(line(&Call::default()), "unknown function");
    }

    #[test]
    fn a_recursion_names_its_frames() {
        assert_eq!(repeated(&(2..12), 1, 10), "#2 to #11: the same frame, 10 times more");
        assert_eq!(repeated(&(2..12), 2, 5), "#2 to #11: the same 2 frames, 5 times more");
    }
}
