//! A report: what is known of one dump, as a part of a page.

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

use coredump_core::cli::args::RawArg;
use coredump_core::cli::frame::location_text;
use coredump_core::cli::path_map::PathMap;
use coredump_core::interpreted::Interpreted;
use coredump_core::{Dump, Location};

use super::markup::Markup;
use super::{calls, memory, modules, objects, summary};
use crate::args::Args;
use crate::source::Sources;
use crate::variables;

/// Frames of all threads that are shown with all that is known of them.
const ROWS: usize = 400;
/// Bytes of a page for what can be opened below frames, so that it stays small enough to be attached somewhere.
const ROOM: usize = 640 << 10;

/// What is needed to write a report.
pub struct View<'r> {
    pub args: &'r Args,
    pub dump: &'r Dump,
    /// What the dump is called: its file's name.
    pub name: &'r str,
    /// What the program is called.
    pub program: &'r str,
    /// Its file, if it has one.
    pub path: Option<&'r Path>,
    pub paths: &'r PathMap,
    pub sources: Sources,
    pub interpreted: Option<Rc<Interpreted>>,
    /// The report's number in its page.
    pub number: usize,
    /// Frames that may still be shown in full.
    pub rows: usize,
    /// Bytes that may still be written below frames.
    pub room: usize,
    /// Frames that can be linked to, by thread and index.
    pub linked: HashSet<(usize, usize)>,
    /// What the report leaves out.
    pub omitted: Vec<String>,
}

impl<'r> View<'r> {
    /// Prepares the report with this number in its page.
    pub fn new(
        args: &'r Args,
        dump: &'r Dump,
        (name, program, path): (&'r str, &'r str, Option<&'r Path>),
        paths: &'r PathMap,
        number: usize,
    ) -> View<'r> {
        View {
            args,
            dump,
            name,
            program,
            path,
            paths,
            sources: Sources::new(args.symbols_path.iter().map(RawArg::to_path).collect(), !args.untrusted),
            interpreted: dump.interpreted(Some(variables::limits(args))).map(Rc::new),
            number,
            rows: ROWS,
            room: ROOM,
            linked: HashSet::new(),
            omitted: Vec::new(),
        }
    }

    /// Writes the report.
    pub fn write(&mut self) -> Markup {
        // What is above the threads links to their frames and tells what is left out of them.
        let threads = self.threads();
        let calls = calls::section(&self.dump.recorded().host_calls);
        let memory = memory::section(self);
        let objects = objects::section(self);
        let modules = modules::section(self);
        let warnings = modules::warnings(self);
        let mut out = Markup::default();
        self.id(out.tag("<article class=\"report\" id=\""), "").tag("\">\n");
        summary::write(self, &mut out);
        let sections = [
            ("threads", "Threads", &threads),
            ("calls", "Last host calls", &calls),
            ("memory", "Memory", &memory),
            ("objects", "Objects", &objects),
            ("modules", "Modules", &modules),
            ("warnings", "Warnings", &warnings),
        ];
        out.tag("<nav aria-label=\"Sections of ").text(self.name).tag("\"><ul>");
        for (id, title, _) in sections.iter().filter(|(_, _, part)| !part.is_empty()) {
            self.id(out.tag("<li><a href=\"#"), id).tag("\">").text(title).tag("</a></li>");
        }
        out.tag("</ul></nav>\n");
        for (id, title, part) in sections.iter().filter(|(_, _, part)| !part.is_empty()) {
            self.id(out.tag("<section class=\"").text(id).tag("\" id=\""), id)
                .tag("\"><h2>")
                .text(title)
                .tag("</h2>\n");
            out.append(part).tag("</section>\n");
        }
        out.tag("</article>\n");
        out
    }

    /// Writes the id of a part of this report.
    pub fn id<'m>(&self, out: &'m mut Markup, part: &str) -> &'m mut Markup {
        out.tag("r").shown(self.number).text(part)
    }

    /// A place in the source, as the reader's files are called.
    pub fn place(&self, location: &Location) -> String {
        location_text(location, self.paths)
    }
}
