//! `--html`: dumps and traces as pages for a browser: one page that needs nothing else, or a folder of them with an
//! index.
//!
//! Everything on a page is written through [`markup::Markup`], which lets no text of a dump become markup. Values,
//! names and notes are formatted by the code that also prints text.

mod calls;
mod count;
mod index;
mod markup;
mod memory;
mod modules;
mod objects;
mod report;
mod rows;
mod shell;
mod summary;
mod threads;
mod values;
mod view;

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::SystemTime;

use coredump_core::cli::Exit;
use coredump_core::cli::args::RawArg;
use coredump_core::cli::input::{self, Input};
use coredump_core::cli::output::{Destination, Output};
use coredump_core::cli::path_map::PathMap;
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::trace::Scanner;
use coredump_core::{Dump, Store};

use crate::args::Args;
use crate::opening::{Failure, open, report_problems};
use index::{Entry, Link};
use markup::Markup;
use view::View;

/// The most bytes of all reports in one page. Further reports are only listed.
const PAGE: usize = 48 << 20;

/// Writes the pages that are asked for.
pub fn run(args: &Args, inputs: &[Input], report: &Report) -> Result<Exit> {
    if let Some((name, _)) = [("--brief", args.brief), ("--raw", args.raw)].iter().find(|(_, asked)| *asked) {
        return Err(Error::new(ErrorKind::Usage, format!("{name} is about text: it does not go with --html")));
    }
    let mut book = Book::new(args, inputs.len(), report)?;
    let mut store = Store::new();
    let mut outcome = Exit::Done;
    for input in inputs {
        let losses = input::losses();
        let added = match args.trace {
            true => book.traces(&store, input),
            false => book.dump(&store, input, inputs.len() > 1),
        };
        match added {
            Ok(exit) => outcome = outcome.and(exit),
            Err(Failure::Output(error)) => return Err(error),
            Err(Failure::Input(error)) if inputs.len() == 1 => return Err(error),
            Err(Failure::Input(error)) => {
                report.error(&error);
                book.failures.push(error.to_string());
                // A file became shorter. It may have been a binary, so a new store is used for the next dumps.
                if input::losses() != losses {
                    store = Store::new();
                }
            }
        }
    }
    let failed = book.failures.len();
    if failed == inputs.len() {
        return Err(Error::new(ErrorKind::Io, "none of the files could be read"));
    }
    book.finish()?;
    Ok(outcome.and(Exit::partial_if(failed > 0)))
}

/// The place to which the reports are written.
enum ReportTarget<'a> {
    /// All reports into one page.
    Page(Output),
    /// Each report into a page of its own in this folder.
    Folder(&'a Path),
}

impl<'a> ReportTarget<'a> {
    /// The form that `-o` asks for: a folder if the path is one or ends with `/`, or, for several inputs, if its name
    /// is not that of a page.
    fn for_output(output: Option<&'a RawArg>, inputs: usize) -> Result<ReportTarget<'a>> {
        let Some(path) = output.filter(|output| !output.is_dash()).map(RawArg::path) else {
            return Destination::new(output).open().map(ReportTarget::Page);
        };
        let is_page =
            || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("html") || end.eq_ignore_ascii_case("htm"));
        let ends_as_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let is_folder = path.is_dir() || ends_as_folder || inputs > 1 && !is_page() && !path.exists();
        if !is_folder {
            return Output::file(path).map(ReportTarget::Page);
        }
        // The contents of dumps are private, so the folder with their pages is too.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| Error::io("cannot create", error).in_file(path))?;
        Ok(ReportTarget::Folder(path))
    }
}

/// The pages of a run.
struct Book<'a> {
    args: &'a Args,
    report: &'a Report,
    form: ReportTarget<'a>,
    paths: PathMap,
    /// True if more than one report may come.
    several: bool,
    entries: Vec<Entry>,
    /// The inputs that could not be read, with the reasons.
    failures: Vec<String>,
    /// The reports of a page.
    parts: Vec<Markup>,
    /// Their size in bytes.
    size: usize,
    /// The names of files in the folder that are taken.
    names: HashSet<String>,
}

impl<'a> Book<'a> {
    fn new(args: &'a Args, inputs: usize, report: &'a Report) -> Result<Book<'a>> {
        let form = ReportTarget::for_output(args.output.as_ref(), inputs)?;
        Ok(Book {
            args,
            report,
            several: inputs > 1 || matches!(form, ReportTarget::Folder(_)),
            form,
            paths: PathMap::new(&args.path_map),
            entries: Vec::new(),
            failures: Vec::new(),
            parts: Vec::new(),
            size: 0,
            names: HashSet::from(["index.html".to_owned()]),
        })
    }

    /// Adds the report of a dump.
    fn dump(&mut self, store: &Store, input: &Input, one_of_many: bool) -> Result<Exit, Failure> {
        let losses = input::losses();
        let dump = open(self.args, store, input, one_of_many).map_err(Failure::Input)?;
        let time = index::time(&dump, input);
        let notes = self.add(&dump, input, input.name(), time, losses)?;
        Ok(report_problems(self.args, self.report, &input.name(), &dump, &notes))
    }

    /// Adds a report for each stack trace in a text.
    fn traces(&mut self, store: &Store, input: &Input) -> Result<Exit, Failure> {
        let losses = input::losses();
        let args = self.args;
        let reader = input.reader().map_err(Failure::Input)?;
        let options = args.locating(input.path());
        let mut locator = store.locator(options);
        let mut scanner = Scanner::new(reader);
        let (mut found, mut complete) = (false, true);
        loop {
            let block = scanner.next_block();
            let block = block.map_err(|error| Failure::Input(input.blame(Error::io("cannot read", error))))?;
            let Some(block) = block else { break };
            for trace in &block.traces {
                let dump = Dump::of_trace(locator.locate(trace), store);
                let name = format!("{}:{}", input.name(), dump.recorded().trace_line.unwrap_or_default());
                self.several |= found;
                found = true;
                complete &= dump.binaries().slots().iter().all(|slot| slot.found.is_some());
                self.add(&dump, input, name, None, losses)?;
            }
        }
        if !found {
            self.report.say(format_args!("{}: no stack trace found", input.name()));
        }
        Ok(Exit::partial_if(!found || !complete))
    }

    /// Adds a report, and returns the notes about the sources that were read for it.
    fn add(
        &mut self,
        dump: &Dump,
        input: &Input,
        name: String,
        time: Option<(SystemTime, bool)>,
        losses: u64,
    ) -> Result<Vec<String>, Failure> {
        let program = crate::header::program(input, dump.recorded());
        let number = if matches!(self.form, ReportTarget::Page(_)) { self.entries.len() } else { 0 };
        let mut view = View::new(self.args, dump, (&name, program, input.path()), &self.paths, number);
        let body = report::write(&mut view);
        // Notes about sources are printed only if `--source` asks for them.
        let notes = if self.args.source { view.sources.notes() } else { Vec::new() };
        // If a file became shorter, zeros were read that were never in it.
        if input::losses() != losses {
            return Err(Failure::Input(input.blame(input::shrunk())));
        }
        let mut entry = Entry::new(dump, &self.paths, program, name, time);
        match &self.form {
            ReportTarget::Page(_) => {
                if self.size + body.len() <= PAGE {
                    entry.link = Link::Part(number);
                    self.size += body.len();
                    self.parts.push(body);
                }
            }
            ReportTarget::Folder(folder) => {
                let file = file_name(&entry.name, &mut self.names);
                let title = entry.title();
                let mut top = Markup::default();
                top.tag("<main id=\"top\"><p class=\"back\"><a href=\"index.html\">All of them</a></p>\n");
                let mut end = Markup::default();
                end.tag("</main>\n");
                write(Output::in_folder(folder, &file).map_err(Failure::Output)?, &title, &[&top, &body, &end])
                    .map_err(Failure::Output)?;
                entry.link = Link::File(file);
            }
        }
        self.entries.push(entry);
        Ok(notes)
    }

    /// Writes the page, or the folder's index.
    fn finish(self) -> Result<()> {
        let (mut top, mut end) = (Markup::default(), Markup::default());
        top.tag("<main id=\"top\">\n");
        end.tag("</main>\n");
        let title = match (&self.entries[..], self.several) {
            ([only], false) => only.title(),
            ([], false) => "No stack trace found".to_owned(),
            (entries, _) => index::write(&mut top, entries, &self.failures),
        };
        if self.entries.is_empty() && !self.several {
            top.tag("<h1>No stack trace found</h1>\n");
        }
        let output = match self.form {
            ReportTarget::Page(mut output) => {
                output.forget_losses();
                output
            }
            ReportTarget::Folder(folder) => Output::in_folder(folder, "index.html")?,
        };
        let parts: Vec<&Markup> = std::iter::once(&top).chain(&self.parts).chain([&end]).collect();
        write(output, &title, &parts)
    }
}

fn write(mut output: Output, title: &str, parts: &[&Markup]) -> Result<()> {
    shell::write(&mut output, title, parts.iter().copied()).map_err(|error| output.failed(error))?;
    output.commit()
}

/// A name for the page of an input: made of letters that have no meaning in file systems, links and shells, and not
/// taken yet.
fn file_name(input: &str, names: &mut HashSet<String>) -> String {
    const LONGEST: usize = 100;
    let last = input.rsplit('/').next().unwrap_or(input);
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' };
    let base: String = last.chars().take(LONGEST).map(plain).collect();
    let base = base.trim_start_matches(['.', '-']);
    let base = if base.is_empty() { "dump" } else { base };
    let mut name = format!("{base}.html");
    let mut number = 2;
    while !names.insert(name.clone()) {
        name = format!("{base}-{number}.html");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_names_that_are_safe_and_their_own() {
        let mut names = HashSet::from(["index.html".to_owned()]);
        let mut name = |input| file_name(input, &mut names);
        assert_eq!(name("crashes/app.42.coredump"), "app.42.coredump.html");
        assert_eq!(name("other/app.42.coredump"), "app.42.coredump-2.html");
        assert_eq!(name("index"), "index-2.html");
        assert_eq!(name("../.."), "dump.html");
        assert_eq!(name("a/<b> \"c\"&:7"), "_b___c___7.html");
        assert_eq!(name("server.log:12"), "server.log_12.html");
        assert!(name(&"é".repeat(5000)).len() < 120);
    }
}
