//! What a search found, one line each, as it is found.

use std::io::{self, Write};
use std::ops::ControlFlow;

use coredump_core::cli::Exit;
use coredump_core::cli::output::Output;
use coredump_core::cli::text::escape;
use coredump_core::error::Result;

use crate::paint::{DIM, NAME, Paint};
use crate::session::Session;

/// Counts and shows hits.
pub struct Hits<'s, 'a> {
    session: &'s Session<'a>,
    count: u64,
    limit: u64,
    aligned: bool,
    paint: Paint,
    /// A column for the memory's index.
    several: bool,
}

impl<'s, 'a> Hits<'s, 'a> {
    /// None yet.
    pub fn new(session: &'s Session<'a>) -> Hits<'s, 'a> {
        Hits {
            session,
            count: 0,
            limit: session.args.limit.unwrap_or(u64::MAX),
            aligned: session.on_terminal(),
            paint: session.paint(),
            several: session.dump.memories.len() > 1,
        }
    }

    /// One more at `address`. Breaks when the limit is reached.
    pub fn add(
        &mut self,
        out: &mut Output,
        memory: u32,
        address: u64,
        preview: impl FnOnce() -> String,
    ) -> io::Result<ControlFlow<()>> {
        if self.count >= self.limit {
            return Ok(ControlFlow::Break(()));
        }
        self.count += 1;
        if !self.session.args.count {
            let regions = self.session.regions(memory);
            let region = regions.at(address).map_or("", |region| region.label());
            let symbol = self.session.symbol(memory, address).unwrap_or_default();
            let (region, symbol) = (escape(region), escape(&symbol));
            let preview = preview();
            if self.aligned {
                let memory = if self.several { format!("memory {memory}  ") } else { String::new() };
                let address = self.paint.paint(DIM, format_args!("{address:#010x}"));
                let symbol = self.paint.paint(NAME, format_args!("{symbol:<24}"));
                writeln!(out, "{memory}{address}  {region:<12}  {symbol}  {preview}")?;
            } else {
                writeln!(out, "{memory}\t{address:#010x}\t{region}\t{symbol}\t{preview}")?;
            }
        }
        Ok(if self.count >= self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Shows the count if that was asked for. Nothing found is [`Exit::Partial`], as with `grep`.
    pub fn finish(self, mut out: Output) -> Result<Exit> {
        if self.session.args.count {
            writeln!(out, "{}", self.count).map_err(|error| out.failed(error))?;
        }
        out.commit()?;
        Ok(Exit::partial_if(self.count == 0))
    }
}
