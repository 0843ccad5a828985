//! The frames of a thread, one source function a line.

use std::io;

use coredump_core::backtrace::{Location, ResolvedFrame, Resolver};
use coredump_core::binaries::Binaries;
use coredump_core::model::{CoreDump, Thread};

use crate::args::Args;
use crate::fold::{Part, fold};
use crate::page::{Page, Piece};
use crate::raw;
use crate::source::Sources;

/// What is needed to print the frames of a dump.
pub struct Frames<'r, 'a, 's> {
    pub args: &'r Args,
    pub dump: &'r CoreDump<'a>,
    pub binaries: &'r Binaries<'s>,
    pub resolver: Resolver<'r, 'a, 's>,
    pub sources: Sources,
}

impl Frames<'_, '_, '_> {
    /// Prints a thread.
    pub fn thread(&mut self, page: &mut Page, index: usize) -> io::Result<()> {
        let thread = &self.dump.threads[index];
        page.piece(Piece::Title, &format!("thread {index}"))?;
        if !thread.name.is_empty() {
            page.plain(" \"")?;
            page.piece(Piece::Title, &thread.name)?;
            page.plain("\"")?;
        }
        page.end()?;
        if let Some(frame) = self.args.frame {
            return self.frame(page, index, frame, 0);
        }
        let count = thread.frames.len();
        let shown = count.min(self.args.limit.unwrap_or(usize::MAX));
        let width = digits(shown.saturating_sub(1));
        for part in self.parts(thread, shown) {
            match part {
                Part::Frames(frames) => {
                    for frame in frames {
                        self.frame(page, index, frame, width)?;
                    }
                }
                Part::Repeat { frames, period, times } => {
                    let (first, last) = (frames.start, frames.end - 1);
                    let what = if period == 1 { "the same frame".into() } else { format!("the same {period} frames") };
                    page.piece(Piece::Faint, &format!("#{first} to #{last}: {what}, {times} times more"))?;
                    page.end()?;
                }
            }
        }
        self.rest(page, thread, count - shown)
    }

    fn parts(&self, thread: &Thread, shown: usize) -> Vec<Part> {
        // Values differ from one activation to the next, so nothing is folded where they are shown.
        if self.args.no_fold || self.args.raw {
            return vec![Part::Frames(0..shown)];
        }
        let key = |index: usize| {
            let frame = &thread.frames[index];
            (frame.instance, frame.function, frame.code_offset)
        };
        fold(shown, |a, b| key(a) == key(b))
    }

    fn rest(&self, page: &mut Page, thread: &Thread, hidden: usize) -> io::Result<()> {
        if thread.frames.is_empty() {
            page.piece(Piece::Faint, "no frames")?;
            page.end()?;
        }
        if hidden > 0 {
            page.piece(Piece::Faint, &format!("{hidden} older frames not shown"))?;
            page.end()?;
        }
        if thread.truncated {
            page.piece(Piece::Faint, "older frames are not in the dump")?;
            page.end()?;
        }
        Ok(())
    }

    /// Prints a frame: the calls inlined in it, innermost first, then its own function.
    fn frame(&mut self, page: &mut Page, thread: usize, index: usize, width: usize) -> io::Result<()> {
        let Some(frame) = self.resolver.frame(thread, index) else { return Ok(()) };
        if self.args.source {
            let binary = frame.module.and_then(|module| self.binaries.binary(module));
            self.sources.of_binary(binary.and_then(|binary| binary.path()));
        }
        for inline in frame.inlines.iter() {
            self.head(page, &frame, width)?;
            page.piece(Piece::Function, inline.function.as_deref().unwrap_or("?"))?;
            page.piece(Piece::Faint, " [inlined]")?;
            self.place(page, inline.location.as_ref())?;
        }
        self.head(page, &frame, width)?;
        self.function(page, &frame)?;
        self.place(page, frame.location.as_ref())?;
        if self.args.raw
            && let Some(frame) = self.dump.threads[thread].frames.get(index)
        {
            raw::render(page, self.dump, self.binaries, frame)?;
        }
        Ok(())
    }

    /// `#N`, and the offset in the module.
    fn head(&self, page: &mut Page, frame: &ResolvedFrame, width: usize) -> io::Result<()> {
        let number = frame.index;
        page.plain(format_args!("#{number:<width$} "))?;
        if let Some(offset) = frame.module_offset {
            page.piece(Piece::Address, &format!("{offset:#06x} "))?;
        }
        let Some(module) = frame.module.filter(|_| self.binaries.len() > 1) else { return Ok(()) };
        let name = self.binaries.slot(module).map_or("?", |slot| short(&slot.name));
        page.piece(Piece::Faint, name)?;
        page.plain("!")
    }

    /// The function's name; without a line, its offset in the function is all there is to say.
    fn function(&self, page: &mut Page, frame: &ResolvedFrame) -> io::Result<()> {
        match (&frame.function, frame.function_index) {
            (Some(name), _) => page.piece(Piece::Function, name)?,
            (None, Some(index)) => page.piece(Piece::Function, &format!("func[{index}]"))?,
            (None, None) => page.piece(Piece::Faint, "unknown function")?,
        }
        let unplaced = frame.module_offset.is_none();
        match frame.code_offset.filter(|&offset| unplaced && offset != 0 && offset != u32::MAX) {
            Some(offset) => page.plain(format_args!("+{offset:#x}")),
            None => Ok(()),
        }
    }

    fn place(&mut self, page: &mut Page, location: Option<&Location>) -> io::Result<()> {
        if let Some(location) = location {
            page.plain(" at ")?;
            page.location(location)?;
        }
        page.end()?;
        match location.filter(|_| self.args.source && !self.args.untrusted) {
            Some(location) => self.sources.render(page, location),
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
