//! Prints a dump on one line.

use std::io;

use coredump_core::crash::Crash;

use crate::page::{Page, TextRole};

/// The number of characters of a program's last words that are shown.
const MAX_WORDS: usize = 120;

/// Prints `NAME: reason in function at file:line:column [signature]`.
pub fn render(page: &mut Page, name: &str, crash: &Crash) -> io::Result<()> {
    page.piece(TextRole::Faint, name)?;
    page.plain(": ")?;
    match &crash.reason {
        Some(reason) => {
            page.piece(TextRole::Here, reason.summary().lines().next().unwrap_or_default())?;
            if let Some(words) = reason.last_words() {
                page.plain(" \"")?;
                page.piece(TextRole::Value, &words.chars().take(MAX_WORDS).collect::<String>())?;
                page.plain("\"")?;
            }
        }
        None => page.piece(TextRole::Faint, "no reason known")?,
    }
    if let Some(place) = &crash.place {
        page.plain(" in ")?;
        page.piece(TextRole::Function, &place.function)?;
        if let Some(location) = &place.location {
            page.plain(" at ")?;
            page.location(location)?;
        }
    }
    if let Some(signature) = &crash.signature {
        page.plain(" [")?;
        page.piece(TextRole::Title, signature)?;
        page.plain("]")?;
    }
    page.end()
}
