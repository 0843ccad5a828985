//! What stands above the threads: which program, why it died, what it said last.

use std::io;

use coredump_core::cli::input::Input;
use coredump_core::cli::text::escape_lines;
use coredump_core::model::{CoreDump, Layout};

use crate::frames::short;
use crate::page::{Page, Piece};

/// Lines of the guest's standard error that are shown.
const STDERR_LINES: usize = 20;

/// Prints the head of a dump.
pub fn render(page: &mut Page, input: &Input, dump: &CoreDump<'_>) -> io::Result<()> {
    page.piece(Piece::Title, &format!("core dump of {}", program(input, dump)))?;
    if let Some(producer) = &dump.producer {
        page.plain(" by ")?;
        page.piece(Piece::Title, producer)?;
    }
    if dump.layout != Layout::Standard {
        page.plain(format_args!(" ({} layout)", dump.layout.name()))?;
    }
    page.end()?;
    let Some(reason) = &dump.reason else { return Ok(()) };
    page.plain("reason: ")?;
    page.piece(Piece::Here, &reason.kind)?;
    let message = reason.message.as_deref().unwrap_or_default().trim();
    if let Some(first) = message.lines().next() {
        page.plain(": ")?;
        page.piece(Piece::Title, first)?;
    }
    page.end()?;
    for line in message.lines().skip(1) {
        page.plain(format_args!("    {}\n", escape_lines(line)))?;
    }
    if let Some(said) = reason.guest_stderr.as_deref().filter(|said| !said.trim().is_empty()) {
        page.plain("guest stderr:\n")?;
        let lines: Vec<_> = said.lines().collect();
        for line in &lines[lines.len().saturating_sub(STDERR_LINES)..] {
            page.plain(format_args!("    {}\n", escape_lines(line)))?;
        }
    }
    Ok(())
}

/// What to call the program.
pub fn program<'n>(input: &'n Input, dump: &'n CoreDump<'_>) -> &'n str {
    let module = dump.modules.first().and_then(|module| module.path.as_deref().or(module.name.as_deref()));
    let known = [dump.process.executable.as_deref(), dump.executable.as_deref(), module];
    let name = known.into_iter().flatten().find(|name| !name.is_empty()).map(short);
    name.or_else(|| input.path()?.file_name()?.to_str()).unwrap_or("an unnamed program")
}
