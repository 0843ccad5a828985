//! What stands above the threads: which program, why it died, what it said last.

use std::io;

use coredump_core::cli::input::Input;
use coredump_core::cli::text::escape_lines;
use coredump_core::model::{CoreDump, Layout};
use coredump_core::reason::{CrashReason, Source};

use crate::crash::Crash;
use crate::frames::short;
use crate::page::{Page, Piece};

/// Lines of the guest's standard error that are shown.
const STDERR_LINES: usize = 20;

/// Prints the head of a dump.
pub fn render(page: &mut Page, input: &Input, dump: &CoreDump<'_>, crash: &Crash) -> io::Result<()> {
    page.piece(Piece::Title, &format!("core dump of {}", program(input, dump)))?;
    if let Some(producer) = &dump.producer {
        page.plain(" by ")?;
        page.piece(Piece::Title, producer)?;
    }
    if dump.layout != Layout::Standard {
        page.plain(format_args!(" ({} layout)", dump.layout.name()))?;
    }
    page.end()?;
    if let Some(reason) = &crash.reason {
        why(page, reason)?;
    }
    if let Some(signature) = &crash.signature {
        page.plain("signature: ")?;
        page.piece(Piece::Title, signature)?;
        page.end()?;
    }
    Ok(())
}

fn why(page: &mut Page, reason: &CrashReason) -> io::Result<()> {
    let summary = reason.summary();
    let mut lines = summary.trim().lines();
    page.plain("reason: ")?;
    page.piece(Piece::Here, lines.next().unwrap_or_default())?;
    if reason.source == Source::Inferred {
        page.piece(Piece::Faint, " (inferred)")?;
    }
    page.end()?;
    for line in lines {
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
fn program<'n>(input: &'n Input, dump: &'n CoreDump<'_>) -> &'n str {
    let module = dump.modules.first().and_then(|module| module.path.as_deref().or(module.name.as_deref()));
    let known = [dump.process.executable.as_deref(), dump.executable.as_deref(), module];
    let name = known.into_iter().flatten().find(|name| !name.is_empty()).map(short);
    name.or_else(|| input.path()?.file_name()?.to_str()).unwrap_or("an unnamed program")
}
