//! Prints the header above the threads: which program, why it died, its last words.

use std::io;

use coredump_core::Dump;
use coredump_core::cli::input::Input;
use coredump_core::cli::shorten;
use coredump_core::cli::text::{escape, escape_lines};
use coredump_core::crash::CrashPlace;
use coredump_core::gc::Thrown;
use coredump_core::model::{CoreDump, HostCall, Layout, Request};
use coredump_core::reason::{CrashReason, ReasonSource};

use crate::frames::short;
use crate::page::{Page, TextRole};

/// The number of headers of a request that are shown, and of bytes of each.
pub const HEADERS: usize = 40;
pub const HEADER: usize = 1000;

/// The number of host calls that are shown, and of arguments of each.
const CALLS: usize = 16;
const ARGS: usize = 16;

/// The number of lines of the guest's standard error that are shown.
const STDERR_LINES: usize = 20;

/// Returns true if a place is that of the youngest frame itself, and not of a program that an interpreter ran there.
fn is_youngest(dump: &Dump, place: &CrashPlace) -> bool {
    let frame = dump.thread(place.thread).and_then(|thread| thread.frame(0));
    frame.is_none_or(|frame| {
        let names = frame.inlines().iter().filter_map(|inline| inline.function.as_deref());
        let nameless = frame.function().is_none() && place.location.is_none();
        nameless || names.chain(frame.function()).any(|name| name == &*place.function)
    })
}

/// Prints the header of a dump.
pub fn render(page: &mut Page, input: &Input, opened: &Dump) -> io::Result<()> {
    let (dump, crash) = (opened.recorded(), opened.crash());
    page.piece(TextRole::Title, &format!("core dump of {}", program(input, dump)))?;
    if let Some(producer) = &dump.producer {
        page.plain(" by ")?;
        page.piece(TextRole::Title, producer)?;
    }
    if dump.layout != Layout::Standard {
        page.plain(format_args!(" ({} layout)", dump.layout.name()))?;
    }
    page.end()?;
    if let Some(reason) = &crash.reason {
        why(page, reason)?;
    }
    // If frame 0 is the program's own code, the place would only repeat it.
    if let Some(place) = crash.place.as_ref().filter(|place| place.frame > 0 || !is_youngest(opened, place)) {
        page.plain("where: ")?;
        // If the place is in frame 0, that is the interpreter where it gave up, and no frame of the script is certain
        // to belong to it.
        if place.frame > 0 {
            page.plain(format_args!("#{} ", place.frame))?;
        }
        page.piece(TextRole::Function, &place.function)?;
        if let Some(location) = &place.location {
            page.plain(" at ")?;
            page.location(location)?;
        }
        page.end()?;
    }
    if let Some(signature) = &crash.signature {
        page.plain("signature: ")?;
        page.piece(TextRole::Title, signature)?;
        page.end()?;
    }
    for (key, value) in &dump.process.annotations {
        page.plain(format_args!("{}: {}\n", escape(key), escape(value)))?;
    }
    if let Some(asked) = &dump.process.request {
        request(page, asked)?;
    }
    if let Some(reason) = &crash.reason {
        said(page, reason)?;
    }
    Ok(())
}

/// Prints the last host calls like the end of a system call trace, with failed ones marked.
pub fn host_calls(page: &mut Page, calls: &[HostCall]) -> io::Result<()> {
    if calls.is_empty() {
        return Ok(());
    }
    page.plain("last host calls:\n")?;
    let first = calls.len().saturating_sub(CALLS);
    omitted(page, first, "earlier calls")?;
    for call in &calls[first..] {
        let args: Vec<_> = call.args.iter().take(ARGS).map(|arg| escape(&shorten(arg, HEADER)).into_owned()).collect();
        let time = call.since_start_ms.map(|time| format!("{}.{:03} s", time / 1000, time % 1000)).unwrap_or_default();
        let result = call.result.as_deref().unwrap_or("?");
        let (name, result) = (escape(&shorten(&call.name, HEADER)).into_owned(), shorten(result, HEADER));
        let line = format!("  {} {time:>11}  {name}({}) = ", if call.failed { '!' } else { ' ' }, args.join(", "));
        page.plain(line)?;
        page.piece(if call.failed { TextRole::Here } else { TextRole::Faint }, &escape(&result))?;
        page.end()?;
    }
    Ok(())
}

/// Prints the request that was being answered when a server's program died.
fn request(page: &mut Page, request: &Request) -> io::Result<()> {
    let text = |text: &Option<String>| escape(&shorten(text.as_deref().unwrap_or("?"), HEADER)).into_owned();
    page.plain(format_args!("request: {} {}", text(&request.method), text(&request.path)))?;
    if request.peer.is_some() {
        page.plain(format_args!(" from {}", text(&request.peer)))?;
    }
    page.end()?;
    for header in request.headers.iter().take(HEADERS) {
        let value = shorten(&header.value, HEADER);
        page.plain(format_args!("    {}: {}\n", escape(&shorten(&header.name, HEADER)), escape(&value)))?;
    }
    omitted(page, request.headers.len().saturating_sub(HEADERS), "further headers")
}

fn why(page: &mut Page, reason: &CrashReason) -> io::Result<()> {
    let summary = reason.summary();
    let mut lines = summary.trim().lines();
    page.plain("reason: ")?;
    page.piece(TextRole::Here, lines.next().unwrap_or_default())?;
    if reason.source == ReasonSource::Inferred {
        page.piece(TextRole::Faint, " (inferred)")?;
    }
    page.end()?;
    lines.try_for_each(|line| page.plain(format_args!("    {}\n", escape_lines(line))))?;
    for one in reason.panic.iter().flat_map(|panic| &panic.chain) {
        let relation = if one.is_cause { "from" } else { "while handling" };
        page.plain(format_args!("    raised {relation} {}\n", escape(&one.message)))?;
    }
    if let Some(exception) = &reason.exception {
        behind(page, exception.cause.as_deref(), &exception.suppressed, 1, 1)?;
    }
    if let Some(allocation) = &reason.allocation {
        page.plain(format_args!("    {}\n", escape(&allocation.to_string())))?;
    }
    match throw_note(reason) {
        Some(note) => {
            page.piece(TextRole::Faint, &format!("    {note}"))?;
            page.end()
        }
        None => Ok(()),
    }
}

/// Prints the exceptions that an exception suppressed, and its causes, the nearest first, indented by `level`. The
/// exceptions that a cause suppressed, and the causes of a suppressed exception, are below it, indented further.
fn behind(
    page: &mut Page,
    cause: Option<&Thrown>,
    suppressed: &[Thrown],
    level: usize,
    inner: usize,
) -> io::Result<()> {
    let say = |page: &mut Page, level: usize, how: &str, thrown: &Thrown| {
        page.plain(format_args!("{}{how} {}\n", "    ".repeat(level), escape(&thrown.summary())))
    };
    for thrown in suppressed {
        say(page, inner, "suppressed", thrown)?;
        behind(page, thrown.cause.as_deref(), &thrown.suppressed, inner + 1, inner + 1)?;
    }
    let Some(thrown) = cause else { return Ok(()) };
    say(page, level, "caused by", thrown)?;
    behind(page, thrown.cause.as_deref(), &thrown.suppressed, level, level + 1)
}

/// A note on which throw the frames of an exception are of, if one is needed.
pub fn throw_note(reason: &CrashReason) -> Option<String> {
    let exception = reason.exception.as_ref()?;
    if exception.last_only {
        let note =
            "the frames are those of the last throw, which may be a clean-up's: uninstrumented code reports no other";
        return Some(note.to_owned());
    }
    let times = exception.rethrown?;
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    Some(format!(
        "thrown again {times}: the frames are those of the first throw, the memory is that of the end, but for the stack"
    ))
}

/// Prints the guest's last words, if they were recorded.
fn said(page: &mut Page, reason: &CrashReason) -> io::Result<()> {
    let Some(said) = last_said(reason) else { return Ok(()) };
    page.plain("guest stderr:\n")?;
    omitted(page, said.earlier, "earlier lines")?;
    for line in &said.lines {
        page.plain(format_args!("    {}\n", escape_lines(line)))?;
    }
    omitted(page, said.later, "later lines")
}

/// An excerpt of what a guest wrote to its standard error.
pub struct Said<'r> {
    pub lines: Vec<&'r str>,
    /// The number of lines that come before it.
    pub earlier: usize,
    /// The number of lines that come after it.
    pub later: usize,
}

/// The last lines of what the guest wrote; in a longer text, the lines from its panic on, because some runtimes print
/// the state of everything after it.
pub fn last_said(reason: &CrashReason) -> Option<Said<'_>> {
    let said = reason.guest_stderr.as_deref().filter(|said| !said.trim().is_empty())?;
    let lines: Vec<_> = said.trim_end().lines().collect();
    let panic = reason.panic.as_ref();
    let message = panic.and_then(|panic| panic.message.as_deref()?.lines().next());
    let told = message.and_then(|message| lines.iter().rposition(|line| line.contains(message)));
    let last = lines.len().saturating_sub(STDERR_LINES);
    // Some runtimes print the source location on a line of its own before the message.
    let first = told.map_or(last, |told| last.min(told.saturating_sub(1)));
    let end = lines.len().min(first + STDERR_LINES);
    Some(Said { lines: lines[first..end].to_vec(), earlier: first, later: lines.len() - end })
}

fn omitted(page: &mut Page, count: usize, what: &str) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    page.piece(TextRole::Faint, &format!("    … {count} {what}"))?;
    page.end()
}

/// The program's name.
pub fn program<'n>(input: &'n Input, dump: &'n CoreDump<'_>) -> &'n str {
    let module = dump.modules.first().and_then(|module| module.path.as_deref().or(module.name.as_deref()));
    let known = [dump.process.executable.as_deref(), dump.executable.as_deref(), module];
    let name = known.into_iter().flatten().find(|name| !name.is_empty()).map(short);
    name.or_else(|| input.path()?.file_name()?.to_str()).unwrap_or("an unnamed program")
}
