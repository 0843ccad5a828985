//! Writes the report at the end: why the program died, where, and how to investigate.

use std::fmt::Write;

use coredump_capture::{Capture, Dumped};
use coredump_core::cli::frame;
use coredump_core::cli::paint::Paint;
use coredump_core::cli::path_map::PathMap;
use coredump_core::cli::report::Report;
use coredump_core::cli::text::{self, escape};
use coredump_core::fold::{self, FoldedPart};
use coredump_core::internals::backtrace::Resolver;
use coredump_core::internals::binaries::BinaryStore;
use coredump_core::internals::signature::Signer;
use coredump_core::model::{CoreDump, Frame, Reason};
use coredump_core::reason::{self, CrashReason};
use coredump_core::{Binaries, Options};

use crate::args::Args;
use crate::dump::placed;
use crate::ending::Ending;
use crate::program::Program;

/// The number of lines of the youngest and of the oldest frames that are shown; `coredump-bt` shows all.
const YOUNGEST: usize = 48;
const OLDEST: usize = 8;

/// Settings for showing a backtrace.
#[derive(Clone)]
pub struct Look {
    /// The colours of the backtrace.
    pub paint: Paint,
    /// True if names and lines are looked up in the program alone.
    pub untrusted: bool,
    /// This says where sources are on this machine.
    pub paths: PathMap,
}

impl Look {
    /// The settings from `args`, for standard error.
    pub fn from_args(args: &Args) -> Look {
        let paint = Paint { on: args.color.on_stderr() };
        Look { paint, untrusted: args.untrusted, paths: PathMap::new(&args.path_map) }
    }
}

/// Reports the ending of a program and its dump, and then the backtrace.
pub fn report_ending(report: &Report, look: &Look, program: &Program, ending: &Ending, dumped: Option<&Dumped>) {
    report_ending_as(&text::path(&program.given).to_string(), report, look, program, ending, dumped);
}

/// Reports the ending of the program under the name `title` and its dump, and then the backtrace, whose lookup may be
/// slow or fail.
pub fn report_ending_as(
    title: &str,
    report: &Report,
    look: &Look,
    program: &Program,
    ending: &Ending,
    dumped: Option<&Dumped>,
) {
    let said = dumped.and_then(|dumped| words_said(&dumped.reason));
    let line = |what: &str| {
        report.say(format_args!("{title}: {}", what.lines().next().unwrap_or_default()));
    };
    if dumped.is_some() || !matches!(ending, Ending::Exit(_)) {
        // For a program that was stopped, the reason in the dump says where.
        let stopped = dumped.filter(|_| matches!(ending, Ending::Interrupted(_)));
        let message = stopped.and_then(|dumped| dumped.reason.message.clone());
        line(said.as_ref().unwrap_or(&message.unwrap_or_else(|| ending.message())));
    }
    let Some(dumped) = dumped else { return };
    placed::report(report, &dumped.place);
    let Some(capture) = &dumped.capture else { return };
    let told = crash_told(capture, &dumped.reason, program, look);
    if let Some(why) = told.why.filter(|why| said.as_ref() != Some(why)) {
        line(&why);
    }
    report.lines(&told.backtrace);
}

/// The program's own message on its standard error, if it gave up by itself.
fn words_said(reason: &Reason) -> Option<String> {
    let dump = CoreDump { reason: Some(reason.clone()), ..CoreDump::default() };
    let store = BinaryStore::new();
    let nowhere = Options { recorded_paths: false, trusted: false, ..Options::default() };
    let binaries = Binaries::locate(&store, &dump, &nowhere);
    let known = reason::find(&dump, &binaries, &Resolver::new(&dump, &binaries), &Signer::default());
    known.filter(|reason| reason.panic.is_some()).map(|reason| escape(&reason.summary()).into_owned())
}

/// The frames of a dump as text, with their source.
pub fn frames(dumped: &Dumped, program: &Program, look: &Look) -> String {
    let capture = dumped.capture.as_ref();
    capture.map(|capture| crash_told(capture, &dumped.reason, program, look).backtrace).unwrap_or_default()
}

/// The parts of a report of a crash.
#[derive(Default)]
struct Told {
    /// The detail that the engine does not know: the program's own message if it gave up by itself, the address of an
    /// access, the message of an exception.
    why: Option<String>,
    /// The frames, one line each.
    backtrace: String,
}

fn crash_told(capture: &Capture, reason: &Reason, program: &Program, look: &Look) -> Told {
    let skeleton = || CoreDump { reason: Some(reason.clone()), ..capture.skeleton(&program.binary) };
    let (with_bytes, mut by_path) = (skeleton(), skeleton());
    by_path.modules.iter_mut().for_each(|module| module.embedded = None);
    let store = BinaryStore::new();
    // If the file is still the one that ran, its path leads to the files beside it (source maps, separate debug info).
    // The program's bytes are used in any case.
    let everywhere = Options { recorded_paths: !look.untrusted, trusted: !look.untrusted, ..Options::default() };
    let (mut dump, mut binaries) = (&by_path, Binaries::locate(&store, &by_path, &everywhere));
    if program.binary.is_fileless() || (0..dump.modules.len() as u32).any(|module| binaries.binary(module).is_none()) {
        dump = &with_bytes;
        binaries = Binaries::locate(&store, dump, &everywhere);
    }
    let resolver = Resolver::new(dump, &binaries);
    let known = reason::find(dump, &binaries, &resolver, &Signer::default());
    // The engine's message says the rest.
    let says_more = |reason: &CrashReason| {
        let address = reason.memory_access.is_some_and(|access| access.address.is_some());
        let exception = reason.exception.is_some() && reason.detail.is_some();
        reason.panic.is_some() || address || exception
    };
    let why = known.filter(says_more).map(|reason| escape(&reason.summary()).into_owned());
    Told { why, backtrace: backtrace(&capture.frames, &resolver, look) }
}

/// The frames with their source; repeated frames are shown only once.
fn backtrace(frames: &[Frame], resolver: &Resolver<'_, '_>, look: &Look) -> String {
    let width = frames.len().saturating_sub(1).to_string().len();
    let mut lines = Vec::new();
    let parts = fold::frames(frames);
    // Even with repetitions folded, there may be thousands of frames: only those that are shown are looked up.
    let total: usize =
        parts.iter().map(|part| if let FoldedPart::Frames(frames) = part { frames.len() } else { 1 }).sum();
    let hidden = if total > YOUNGEST + OLDEST { YOUNGEST..total - OLDEST } else { 0..0 };
    let mut at = 0;
    for part in parts {
        match part {
            FoldedPart::Frames(frames) => {
                for index in frames {
                    if at == hidden.start && !hidden.is_empty() {
                        lines.push(format!("     ({} lines in between)\n", hidden.len()));
                    }
                    if !hidden.contains(&at) {
                        lines.extend(lines_of(resolver, index, width, look));
                    }
                    at += 1;
                }
            }
            FoldedPart::Repeat { frames, period, times } => {
                if !hidden.contains(&at) {
                    lines.push(format!("  {}\n", frame::repeated(&frames, period, times)));
                }
                at += 1;
            }
        }
    }
    lines.concat()
}

/// The lines of a frame: the inlined calls, innermost first, then the function itself.
fn lines_of(resolver: &Resolver<'_, '_>, index: usize, width: usize, look: &Look) -> Option<String> {
    let mut lines = String::new();
    for call in resolver.frame(0, index)?.calls() {
        let _ = write!(lines, "  #{index:<width$} ");
        let mut piece = |piece, text: &str| {
            lines.push_str(&look.paint.paint(piece, escape(text)));
            Ok(())
        };
        // Writing to a string cannot fail.
        let _ = frame::function(&call, &look.paths, &mut piece)
            .and_then(|()| frame::write_call_site(&call, &look.paths, &mut piece));
        lines.push('\n');
    }
    Some(lines)
}
