//! The top of a report: why and where the program died, its last words, and what ran.

use coredump_core::cli::shorten;
use coredump_core::cli::size::bytes;
use coredump_core::model::{Layout, Request};
use coredump_core::reason::{CrashReason, MemoryAccess, ReasonSource};
use coredump_core::text::shell;

use super::count::moment;
use super::markup::Markup;
use super::view::View;
use crate::header::{HEADER, HEADERS, last_said, throw_note};

/// Writes the top of a report.
pub fn write(view: &View<'_>, out: &mut Markup) {
    let crash = view.dump.crash();
    out.tag("<header>\n<p class=\"over\">");
    match view.dump.recorded().trace_line {
        Some(_) => out.tag("Stack trace of "),
        None => out.tag("Core dump of "),
    };
    out.within("<b>", view.program, "</b></p>\n");
    match &crash.reason {
        Some(reason) => why(out, reason),
        None => {
            out.tag("<h1>Nothing says why it ended</h1>\n");
        }
    }
    if let Some(place) = &crash.place {
        out.tag("<p class=\"where\">in ");
        let linked = view.linked.contains(&(place.thread, place.frame));
        if linked {
            view.id(out.tag("<a href=\"#"), "t").shown(place.thread).tag("f").shown(place.frame).tag("\">");
        }
        out.within("<code class=\"fn\">", &place.function, "</code>").tag(if linked { "</a>" } else { "" });
        if let Some(location) = &place.location {
            out.within(" at <code class=\"at\">", &view.location_text(location), "</code>");
        }
        out.tag("</p>\n");
    }
    if let Some(signature) = &crash.signature {
        out.tag("<p class=\"signature\"><span>Signature</span> ").within("<code>", signature, "</code></p>\n");
    }
    if let Some(reason) = &crash.reason {
        said(out, reason);
    }
    if let Some(asked) = &view.dump.recorded().process.request {
        request(out, asked);
    }
    facts(view, out);
    out.tag("</header>\n");
}

fn why(out: &mut Markup, reason: &CrashReason) {
    let summary = reason.summary();
    let told = summary.strip_prefix(&reason.kind).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&summary);
    let (first, rest) = told.trim().split_once('\n').unwrap_or((told.trim(), ""));
    out.within("<h1>", first, "</h1>\n").within("<p class=\"kind\"><code>", &reason.kind, "</code>");
    if reason.source == ReasonSource::Inferred {
        out.tag(" <span class=\"note\">inferred from code and stack</span>");
    }
    out.tag("</p>\n");
    if !rest.is_empty() {
        out.tag("<pre class=\"said\">").lines(rest).tag("</pre>\n");
    }
    if let Some(note) = throw_note(reason) {
        out.within("<p class=\"note\">", &note, "</p>\n");
    }
}

fn said(out: &mut Markup, reason: &CrashReason) {
    let Some(said) = last_said(reason) else { return };
    out.tag("<section class=\"words\"><h2>Last words</h2>\n<pre class=\"said\">");
    let omitted = |out: &mut Markup, lines: usize, what: &str| {
        if lines > 0 {
            out.tag("<i>… ").shown(format_args!("{lines} {what} lines")).tag("</i>\n");
        }
    };
    omitted(out, said.earlier, "earlier");
    out.lines(&said.lines.join("\n")).tag("\n");
    omitted(out, said.later, "later");
    out.tag("</pre></section>\n");
}

/// Writes the request that was being answered when a server's program died.
fn request(out: &mut Markup, request: &Request) {
    let known = |text: &Option<String>| shorten(text.as_deref().unwrap_or("?"), HEADER).into_owned();
    out.tag("<section class=\"words\"><h2>Request</h2>\n<pre class=\"said\">").text(&known(&request.method));
    out.tag(" ").text(&known(&request.path));
    if request.peer.is_some() {
        out.within(" <i>from ", &known(&request.peer), "</i>");
    }
    out.tag("\n");
    for header in request.headers.iter().take(HEADERS) {
        out.text(&shorten(&header.name, HEADER)).tag(": ").text(&shorten(&header.value, HEADER)).tag("\n");
    }
    if let Some(rest) = request.headers.len().checked_sub(HEADERS).filter(|&rest| rest > 0) {
        out.tag("<i>… ").shown(rest).tag(" further headers</i>\n");
    }
    out.tag("</pre></section>\n");
}

/// Writes what ran, when and how, as far as it is known.
fn facts(view: &View<'_>, out: &mut Markup) {
    let dump = view.dump.recorded();
    let process = &dump.process;
    let mut facts: Vec<(&str, String)> = Vec::new();
    let mut fact =
        |name, value: Option<String>| facts.extend(value.filter(|value| !value.is_empty()).map(|it| (name, it)));
    let executable = process.executable.clone().or_else(|| dump.executable.clone());
    fact("Program", executable);
    fact("Arguments", process.args.as_ref().and_then(|args| Some(args.get(1..)?.join(" "))));
    fact("Ended", process.time.as_deref().map(time));
    fact("Started", process.start_time.as_deref().map(time));
    fact("Exit code", process.exit_code.map(|code| code.to_string()));
    if let Some(reason) = &view.dump.crash().reason {
        fact("Instruction", reason.instruction.clone());
        fact("Access", reason.memory_access.map(access));
        fact("Allocation", reason.allocation.as_ref().map(ToString::to_string));
        let exception = reason.exception.as_ref();
        fact("Exception", exception.and_then(|thrown| thrown.ty.clone().or_else(|| thrown.tag.clone())));
    }
    fact("Engine", process.runtime.clone());
    let host = process.host.as_ref().map(|host| match process.pid {
        Some(pid) => format!("{host}, process {pid}"),
        None => host.clone(),
    });
    fact("Host", host);
    for (key, value) in &process.annotations {
        fact(key, Some(value.clone()));
    }
    fact("Values", process.detail.as_deref().map(|detail| values(detail, process.replay.as_ref())));
    fact("Written by", process.producer.clone().or_else(|| dump.producer.clone()));
    let layout = match dump.layout {
        Layout::Standard => String::new(),
        other => format!(", {} layout", other.name()),
    };
    let file = match dump.trace_line {
        Some(line) => format!("{}, line {line}", view.name),
        None => format!("{}, {}{layout}", view.name, bytes(dump.size)),
    };
    fact("File", Some(file));
    out.tag("<dl class=\"facts\">\n");
    for (name, value) in &facts {
        out.within("<div><dt>", name, "</dt>").within("<dd>", value, "</dd></div>\n");
    }
    out.tag("</dl>\n");
    if dump.recording.is_some() {
        out.tag("<p class=\"hint\">The dump holds a recording of the run. ");
        let file = view.path.map_or("DUMP".to_owned(), |path| shell(path.as_os_str()));
        out.within("<code>coredump-run --replay ", &file, " --last-write NAME</code> runs it again, anywhere, ");
        out.tag("and stops where a variable was last changed.</p>\n");
    }
}

fn access(access: MemoryAccess) -> String {
    let what = if access.write { "write" } else { "read" };
    let size = access.size.map(|size| format!(" of {}", bytes(size))).unwrap_or_default();
    let address = match (access.from_null(), access.address) {
        (Some(distance), Some(address)) if distance != 0 => {
            let sign = if distance < 0 { '-' } else { '+' };
            format!(" at {address:#x} (null {sign} {})", distance.unsigned_abs())
        }
        (_, Some(address)) => format!(" at {address:#x}"),
        _ => String::new(),
    };
    format!("{what}{size}{address}")
}

/// A recorded time as people read it, if it is one.
fn time(recorded: &str) -> String {
    humantime::parse_rfc3339(recorded).ok().and_then(moment).unwrap_or_else(|| recorded.to_owned())
}

/// Describes where locals and operand stacks come from.
fn values(detail: &str, replay: Option<&coredump_core::model::Replay>) -> String {
    match (detail, replay) {
        ("live", _) => "recorded while it ran".to_owned(),
        ("none", _) => "Wasm locals were not recorded".to_owned(),
        ("replayed", Some(replay)) => {
            let verified = if replay.verified { "equal to the first run" } else { "not compared with the first run" };
            format!("of a replay with the host's {} recorded answers, {verified}", replay.host_calls)
        }
        (other, _) => other.to_owned(),
    }
}
