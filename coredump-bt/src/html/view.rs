//! The state of a report that is being written: the dump, its sources, and how much room is left.

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

use coredump_core::cli::args::RawArg;
use coredump_core::cli::frame::location_text;
use coredump_core::cli::path_map::PathMap;
use coredump_core::interpreted::Interpreted;
use coredump_core::{Dump, Location};

use super::markup::Markup;
use crate::args::Args;
use crate::source::Sources;
use crate::variables;

/// The number of frames of all threads that are shown in full.
const ROWS: usize = 400;
/// The number of bytes of a page that may be below frames, so that the page stays small enough to be attached
/// somewhere.
const ROOM: usize = 640 << 10;

/// The state of a report that is being written.
pub struct View<'r> {
    pub args: &'r Args,
    pub dump: &'r Dump,
    /// The dump's name: that of its file.
    pub name: &'r str,
    /// The program's name.
    pub program: &'r str,
    /// Its file, if it has one.
    pub path: Option<&'r Path>,
    pub paths: &'r PathMap,
    pub sources: Sources,
    pub interpreted: Option<Rc<Interpreted>>,
    /// The report's number in its page.
    pub number: usize,
    /// The number of further frames that may be shown in full.
    pub rows: usize,
    /// The number of further bytes that may be written below frames.
    pub room: usize,
    /// Frames that can be linked to, by thread and index.
    pub linked: HashSet<(usize, usize)>,
    /// The kinds of content that the report leaves out, in words.
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

    /// Writes the id of a part of this report.
    pub fn id<'m>(&self, out: &'m mut Markup, part: &str) -> &'m mut Markup {
        out.tag("r").shown(self.number).text(part)
    }

    /// A source location, with the path mapped to the reader's files.
    pub fn location_text(&self, location: &Location) -> String {
        location_text(location, self.paths)
    }
}
