//! `--trace`: prints text again, with every stack frame in it resolved.

use std::collections::HashSet;
use std::io;

use coredump_core::cli::Exit;
use coredump_core::cli::frame;
use coredump_core::cli::input::Input;
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::trace::{FrameMark, Locator, ScannedText, Scanner};
use coredump_core::{Call, Dump, Frame, ResolvedFrame, Slot, Store};

use crate::args::Args;
use crate::brief;
use crate::frames::short;
use crate::opening::Failure;
use crate::page::Page;

/// The number of different messages on standard error that are remembered; after that no more are printed.
const MAX_NOTES: usize = 1000;

/// Fails for options that need more than a trace has.
pub fn check(args: &Args) -> Result<()> {
    let asked = [
        ("--locals", args.locals),
        ("--raw", args.raw),
        ("--source", args.source),
        ("--frame", args.frame.is_some()),
        ("--thread", args.thread.is_some()),
        ("--limit", args.limit.is_some()),
        ("--no-fold", args.no_fold),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((name, _)) => {
            Err(Error::new(ErrorKind::Usage, format!("{name} needs a core dump: it does not go with --trace")))
        }
        None => Ok(()),
    }
}

/// Prints one text. The exit status is 1 if there is no trace in it, or a module of one has no binary.
pub fn one(args: &Args, page: &mut Page, store: &Store, input: &Input, report: &Report) -> Result<Exit, Failure> {
    let reader = input.reader().map_err(Failure::Input)?;
    let options = args.locating(input.path());
    let mut printer = Printer {
        page,
        report,
        name: input.name(),
        brief: args.brief,
        quiet: args.quiet || args.brief,
        store,
        told: HashSet::new(),
        traces: 0,
        complete: true,
    };
    let mut locator = store.locator(options);
    let mut scanner = Scanner::new(reader);
    loop {
        let block =
            scanner.next_block().map_err(|error| Failure::Input(input.blame(Error::io("cannot read", error))))?;
        let Some(block) = block else { break };
        printer.block(&block, &mut locator).map_err(|error| Failure::Output(printer.page.out.failed(error)))?;
    }
    if printer.traces == 0 {
        report.say(format_args!("{}: no stack trace found", printer.name));
    }
    Ok(Exit::partial_if(printer.traces == 0 || !printer.complete))
}

struct Printer<'p> {
    page: &'p mut Page,
    report: &'p Report,
    name: String,
    brief: bool,
    quiet: bool,
    store: &'p Store,
    told: HashSet<String>,
    traces: usize,
    complete: bool,
}

impl Printer<'_> {
    /// Prints a piece of the text, or a line for each of its traces.
    fn block(&mut self, block: &ScannedText<'_>, locator: &mut Locator<'_>) -> io::Result<()> {
        let dumps: Vec<Dump> =
            block.traces.iter().map(|trace| Dump::of_trace(locator.locate(trace), self.store)).collect();
        self.traces += dumps.len();
        if self.brief {
            for dump in &dumps {
                let name = format!("{}:{}", self.name, line(dump));
                brief::render(self.page, &name, dump.crash())?;
            }
        } else {
            let mut at = 0;
            for mark in &block.marks {
                self.page.text(&block.text[at..mark.at])?;
                at = mark.at;
                let frame = dumps.get(mark.trace).and_then(|dump| dump.thread(0)?.frame(mark.frame));
                if let Some(frame) = frame.filter(|frame| is_known(frame, &dumps[mark.trace])) {
                    self.frame(mark, frame.resolved())?;
                }
            }
            self.page.text(&block.text[at..])?;
        }
        if !dumps.is_empty() {
            io::Write::flush(&mut self.page.out)?;
        }
        for dump in &dumps {
            self.notes(dump);
        }
        Ok(())
    }

    /// Inserts the resolved frame: the calls inlined there, innermost first, then its function.
    fn frame(&mut self, mark: &FrameMark, frame: &ResolvedFrame) -> io::Result<()> {
        frame.calls().try_for_each(|call| self.call(mark, &call))
    }

    fn call(&mut self, mark: &FrameMark, call: &Call<'_>) -> io::Result<()> {
        if mark.depth > 0 {
            // If the frame is in a JSON string, the inserted text is escaped, so that it stays one.
            let paths = &self.page.paths;
            let line = frame::text(|write| {
                frame::function(call, paths, write).and_then(|()| frame::write_call_site(call, paths, write))
            });
            let mut text = format!("\n{}    => {line}", mark.front);
            for _ in 0..mark.depth {
                text = serde_json::to_string(&text)?;
                text = text[1..text.len() - 1].to_owned();
            }
            return self.page.text(text.as_bytes());
        }
        self.page.end()?;
        self.page.text(mark.front.as_bytes())?;
        self.page.plain("    => ")?;
        self.page.function(call)?;
        self.page.call_site(call)
    }

    /// Reports on standard error which binaries were used and which were not, each once.
    fn notes(&mut self, dump: &Dump) {
        for slot in dump.binaries().slots() {
            match &slot.found {
                Some(found) if !self.quiet => {
                    let (name, file) = (short(&slot.name), found.binary.describe());
                    let (checked, symbols) = (found.verification.describe(), found.binary.symbols_origin());
                    self.report_once(format!("module {name}: {file} ({checked}), {symbols}"));
                    for problem in found.binary.symbols_problems() {
                        self.report_once(format!("module {name}: warning: {problem}"));
                    }
                }
                Some(_) => {}
                None => {
                    self.complete = false;
                    self.missing(slot, line(dump));
                }
            }
        }
        for warning in &dump.binaries().warnings {
            self.report_once(format!("warning: {warning}"));
        }
    }

    fn missing(&mut self, slot: &Slot, line: u64) {
        let name = short(&slot.name);
        let known = self.told.contains(&format!("module {name}: no binary"));
        if !known && self.told.len() < MAX_NOTES {
            self.told.insert(format!("module {name}: no binary"));
            self.report.say(format_args!("{}:{line}: module {name}: no binary found, so no lines", self.name));
        }
        for refused in &slot.refused {
            let file = refused.path.as_ref().map_or_else(|| "?".to_owned(), |path| path.display().to_string());
            self.report_once(format!("not used: {file}: {}", refused.reason));
        }
        if !known {
            self.report.hint("name it: -m FILE");
        }
    }

    /// Reports a note on standard error, unless it was reported before.
    fn report_once(&mut self, note: String) {
        if self.told.len() < MAX_NOTES && !self.told.contains(&note) {
            self.report.say(format_args!("{}: {note}", self.name));
            self.told.insert(note);
        }
    }
}

/// The line in which a trace begins.
fn line(dump: &Dump) -> u64 {
    dump.recorded().trace_line.unwrap_or_default()
}

/// Returns true if more is known of a frame than what was printed.
fn is_known(frame: &Frame, dump: &Dump) -> bool {
    let resolved = frame.resolved();
    let found = resolved.module.is_some_and(|module| dump.binaries().found(module).is_some());
    found && (resolved.location.is_some() || resolved.function.is_some())
}
