//! What a person is told at the end: why the program died, where, and how to look further.

use std::fmt::Write;

use coredump_core::backtrace::{Location, Resolver};
use coredump_core::binaries::{Binaries, Store};
use coredump_core::cli::report::Report;
use coredump_core::cli::text::{self, escape};
use coredump_core::locate::Options;

use crate::capture::Capture;
use crate::ending::Ending;
use crate::output::Place;
use crate::program::Program;
use crate::record::Dumped;

/// Youngest and oldest frames that are shown; `coredump-bt` shows all.
const YOUNGEST: usize = 48;
const OLDEST: usize = 8;

/// Tells of the ending and of its dump.
pub fn tell(report: &Report, program: &Program, ending: &Ending, dumped: Option<&Dumped>) {
    if dumped.is_some() || !matches!(ending, Ending::Exit(_)) {
        let what = ending.message();
        report.say(format_args!("{}: {}", text::path(&program.given), what.lines().next().unwrap_or_default()));
    }
    let Some(dumped) = dumped else { return };
    if let Some(capture) = &dumped.capture {
        eprint!("{}", backtrace(capture, program));
    }
    place(report, &dumped.place);
}

/// Tells where a dump is, or why there is none.
pub fn place(report: &Report, place: &coredump_core::error::Result<Place>) {
    match place {
        Ok(Place::File(path)) => {
            let path = text::path(path);
            report.say(format_args!("core dumped: {path}"));
            report.hint(format_args!("coredump-bt --locals {path}"));
        }
        Ok(Place::Stdout) => {}
        Err(error) => {
            report.say(format_args!("no core dump: {error}"));
            if let Some(hint) = &error.hint {
                report.hint(hint);
            }
        }
    }
}

/// The frames with their source, one line each.
fn backtrace(capture: &Capture, program: &Program) -> String {
    let dump = capture.skeleton(program);
    let store = Store::new();
    let binaries = Binaries::locate(&store, &dump, &Options::default());
    let mut resolver = Resolver::new(&dump, &binaries);
    let count = capture.frames.len();
    let width = count.saturating_sub(1).to_string().len();
    let mut lines = String::new();
    for index in 0..count {
        if count > YOUNGEST + OLDEST && index >= YOUNGEST && index < count - OLDEST {
            if index == YOUNGEST {
                let _ = writeln!(lines, "     ({} frames in between)", count - YOUNGEST - OLDEST);
            }
            continue;
        }
        let Some(frame) = resolver.frame(0, index) else { continue };
        for inline in frame.inlines.iter() {
            let name = inline.function.as_deref().unwrap_or("?");
            let _ = writeln!(lines, "  #{index:<width$} {} [inlined]{}", escape(name), at(inline.location.as_ref()));
        }
        let name = match (&frame.function, frame.function_index) {
            (Some(name), _) => escape(name).into_owned(),
            (None, Some(index)) => format!("func[{index}]"),
            (None, None) => "unknown function".to_owned(),
        };
        let _ = writeln!(lines, "  #{index:<width$} {name}{}", at(frame.location.as_ref()));
    }
    lines
}

fn at(location: Option<&Location>) -> String {
    let Some(location) = location else { return String::new() };
    let mut text = format!(" at {}:{}", escape(&location.file), location.line);
    if let Some(column) = location.column {
        let _ = write!(text, ":{column}");
    }
    text
}
