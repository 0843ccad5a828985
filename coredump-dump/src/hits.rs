//! Shows the hits of a search, one line each, as they are found.

use std::io::{self, Write};
use std::ops::ControlFlow;

use coredump_core::cli::Exit;
use coredump_core::cli::output::Output;
use coredump_core::cli::text::escape;
use coredump_core::error::Result;

use crate::inspection::Inspection;
use coredump_core::cli::paint::{Paint, TextRole};

/// Counts and shows hits.
pub struct Hits<'s, 'a> {
    inspection: &'s Inspection<'a>,
    out: Output,
    /// The error of a write that failed: it ends the search, and is reported at the end.
    failure: Option<io::Error>,
    count: u64,
    limit: u64,
    aligned: bool,
    paint: Paint,
    /// True if the table has a column for the memory's index.
    several: bool,
}

impl<'s, 'a> Hits<'s, 'a> {
    /// Begins without a hit.
    pub fn new(inspection: &'s Inspection<'a>) -> Result<Hits<'s, 'a>> {
        Ok(Hits {
            inspection,
            out: inspection.output()?,
            failure: None,
            count: 0,
            limit: inspection.args.limit.unwrap_or(u64::MAX),
            aligned: inspection.on_terminal(),
            paint: inspection.paint(),
            several: inspection.dump.memories.len() > 1,
        })
    }

    /// Adds a hit at `address`. Returns `Break` when the limit is reached, or if nothing more can be written.
    pub fn add(&mut self, memory: u32, address: u64, preview: impl FnOnce() -> String) -> ControlFlow<()> {
        if self.count < self.limit {
            self.count += 1;
            if !self.inspection.args.count
                && let Err(error) = self.show(memory, address, &preview())
            {
                self.failure = Some(error);
                return ControlFlow::Break(());
            }
        }
        if self.count < self.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Adds a hit in an object, at one of its elements. Returns `Break` as [`Hits::add`] does.
    pub fn add_in_object(
        &mut self,
        id: u32,
        ty: &str,
        element: usize,
        preview: impl FnOnce() -> String,
    ) -> ControlFlow<()> {
        if self.count < self.limit {
            self.count += 1;
            let (ty, preview) = (escape(ty), if self.inspection.args.count { String::new() } else { preview() });
            let written = match (self.inspection.args.count, self.aligned) {
                (true, _) => Ok(()),
                (false, false) => writeln!(self.out, "object\t#{id}\t{ty}\t{element}\t{preview}"),
                (false, true) => {
                    let place = self.paint.paint(TextRole::Faint, format_args!("#{id} [{element}]"));
                    writeln!(self.out, "{place}  {}  {preview}", self.paint.paint(TextRole::Name, ty))
                }
            };
            if let Err(error) = written {
                self.failure = Some(error);
                return ControlFlow::Break(());
            }
        }
        if self.count < self.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn show(&mut self, memory: u32, address: u64, preview: &str) -> io::Result<()> {
        let regions = self.inspection.regions(memory);
        let region = regions.at(address).map_or("", |region| region.label());
        let symbol = self.inspection.symbol(memory, address).unwrap_or_default();
        let (region, symbol) = (escape(region), escape(&symbol));
        if !self.aligned {
            return writeln!(self.out, "{memory}\t{address:#010x}\t{region}\t{symbol}\t{preview}");
        }
        let memory = if self.several { format!("memory {memory}  ") } else { String::new() };
        let address = self.paint.paint(TextRole::Faint, format_args!("{address:#010x}"));
        let symbol = self.paint.paint(TextRole::Name, format_args!("{symbol:<24}"));
        writeln!(self.out, "{memory}{address}  {region:<12}  {symbol}  {preview}")
    }

    /// Shows the count if `--count` asks for it. Without a hit, the exit code is that of [`Exit::Partial`], as with
    /// `grep`.
    pub fn finish(mut self) -> Result<Exit> {
        if let Some(failure) = self.failure {
            return Err(self.out.failed(failure));
        }
        if self.inspection.args.count {
            writeln!(self.out, "{}", self.count).map_err(|error| self.out.failed(error))?;
        }
        self.out.commit()?;
        Ok(Exit::partial_if(self.count == 0))
    }
}
