//! Prints the frames of a thread, a line for each source function.

use std::io;

use coredump_core::cli::args::RawArg;
use coredump_core::cli::frame::repeated;
use coredump_core::fold::{self, FoldedPart};
use coredump_core::interpreted::Interpreted;
use coredump_core::module::Module;
use coredump_core::{Call, Dump, Frame, ResolvedFrame, Scope, Thread, model};

use crate::args::Args;
use crate::inner;
use crate::page::{Page, TextRole};
use crate::raw;
use crate::source::{self, Sources};
use crate::variables;

/// Prints the frames of a dump.
pub struct Frames<'r> {
    pub args: &'r Args,
    pub dump: &'r Dump,
    pub sources: Sources,
    interpreted: Option<Interpreted>,
    offset_width: usize,
}

impl<'r> Frames<'r> {
    /// Prepares to print the frames of `dump`.
    pub fn new(args: &'r Args, dump: &'r Dump) -> Self {
        let code_end = |module: &Module<'_>| module.code_section_start().unwrap_or(0) + module.code_section_size();
        let modules = dump.binaries().slots().iter().filter_map(|slot| slot.found.as_ref());
        let longest = modules.map(|found| code_end(found.binary.module())).max().unwrap_or(0);
        Frames {
            args,
            dump,
            interpreted: (!args.brief).then(|| dump.interpreted(Some(variables::limits(args)))).flatten(),
            sources: Sources::new(args.symbols_path.iter().map(RawArg::to_path).collect(), !args.untrusted),
            offset_width: format!("{longest:#x}").len().max(6),
        }
    }

    /// Prints a thread.
    pub fn thread(&mut self, page: &mut Page, thread: &Thread) -> io::Result<()> {
        page.piece(TextRole::Title, &format!("thread {}", thread.index()))?;
        if !thread.name().is_empty() {
            page.plain(" \"")?;
            page.piece(TextRole::Title, thread.name())?;
            page.plain("\"")?;
        }
        inner::current(page, thread)?;
        page.end()?;
        if let Some(frame) = self.args.frame {
            return thread.frame(frame).map_or(Ok(()), |frame| self.frame(page, &frame, 0));
        }
        let count = thread.frames().len();
        let shown = count.min(self.args.limit.unwrap_or(usize::MAX));
        let width = digits(shown.saturating_sub(1));
        for part in self.parts(thread.recorded(), shown) {
            match part {
                FoldedPart::Frames(frames) => {
                    for frame in frames.filter_map(|frame| thread.frame(frame)) {
                        self.frame(page, &frame, width)?;
                    }
                }
                FoldedPart::Repeat { frames, period, times } => {
                    page.piece(TextRole::Faint, &repeated(&frames, period, times))?;
                    page.end()?;
                }
            }
        }
        self.rest(page, thread.recorded(), count - shown)?;
        if shown < count {
            return Ok(());
        }
        inner::continued(page, thread, width)?;
        match self.interpreted.as_ref().filter(|_| thread.is_crashed()) {
            Some(program) => inner::interpreted(page, program, None, self.args.locals),
            None => Ok(()),
        }
    }

    fn parts(&self, thread: &model::Thread, shown: usize) -> Vec<FoldedPart> {
        // Values differ from one activation to the next, so recursion is not folded where they are shown.
        if self.args.no_fold || self.args.raw || self.args.locals {
            return vec![FoldedPart::Frames(0..shown)];
        }
        fold::frames(&thread.frames[..shown])
    }

    fn rest(&self, page: &mut Page, thread: &model::Thread, hidden: usize) -> io::Result<()> {
        if thread.frames.is_empty() {
            page.piece(TextRole::Faint, "no frames")?;
            page.end()?;
        }
        if hidden > 0 {
            page.piece(TextRole::Faint, &format!("{hidden} older frames not shown"))?;
            page.end()?;
        }
        if thread.truncated {
            page.piece(TextRole::Faint, "older frames are not in the dump")?;
            page.end()?;
        }
        Ok(())
    }

    /// Prints a frame: the calls inlined in it, innermost first, then its own function.
    fn frame(&mut self, page: &mut Page, frame: &Frame, width: usize) -> io::Result<()> {
        let resolved = frame.resolved();
        if self.args.source {
            let binary = resolved.module.and_then(|module| self.dump.binaries().binary(module));
            self.sources.of_binary(binary.and_then(|binary| binary.path()));
        }
        let scopes = frame.variables(variables::limits(self.args));
        // Scopes and calls come from the same debug info. If their numbers differ all the same, no values are shown,
        // since they might be another function's.
        let scope = |nth: usize| scopes.get(nth).filter(|_| scopes.len() == resolved.inlines.len() + 1);
        for (nth, call) in resolved.calls().enumerate() {
            self.head(page, resolved, width)?;
            page.function(&call)?;
            self.rest_of_line(page, frame, scope(nth), &call)?;
        }
        if self.args.raw {
            raw::render(page, self.dump, frame)?;
        }
        match self.interpreted.as_ref().filter(|_| frame.thread().is_crashed()) {
            Some(program) => inner::interpreted(page, program, Some(frame.index()), self.args.locals),
            None => Ok(()),
        }
    }

    /// Prints `#N`, and the offset in the module.
    fn head(&self, page: &mut Page, frame: &ResolvedFrame, width: usize) -> io::Result<()> {
        let number = frame.index;
        page.plain(format_args!("#{number:<width$} "))?;
        if let Some(offset) = frame.module_offset {
            page.piece(TextRole::Address, &format!("{offset:#0width$x} ", width = self.offset_width))?;
        }
        let Some(module) = frame.module.filter(|_| self.dump.binaries().len() > 1) else { return Ok(()) };
        let name = self.dump.binaries().slot(module).map_or("?", |slot| short(&slot.name));
        page.piece(TextRole::Faint, name)?;
        page.plain("!")
    }

    /// Prints arguments and place, then everything that belongs below the line.
    fn rest_of_line(
        &mut self,
        page: &mut Page,
        frame: &Frame,
        scope: Option<&Scope>,
        call: &Call<'_>,
    ) -> io::Result<()> {
        if let Some(scope) = scope {
            variables::arguments(page, scope)?;
        }
        page.call_site(call)?;
        page.end()?;
        if let Some(location) = call.location.filter(|_| self.args.source) {
            let lines = self.sources.excerpt(&page.paths, frame, location, source::AROUND);
            source::render(page, &lines)?;
        }
        match scope.filter(|_| self.args.locals) {
            Some(scope) => variables::all(page, scope),
            None => Ok(()),
        }
    }
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// A module's name without its folders.
pub fn short(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().filter(|last| !last.is_empty()).unwrap_or(name)
}
