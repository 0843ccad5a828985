//! An opened dump with what the options say about it.

use std::io::Write;

use coredump_core::cli::input::Input;
use coredump_core::cli::output::{Output, stdout_is_terminal};
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::{Chunk, Memory, Unreadable};
use coredump_core::model::{CoreDump, Value};

use crate::address::{Address, Base, Extent, Range};
use crate::args::Args;
use crate::paint::Paint;

/// Bytes that a hex dump shows where a range has no end and nothing tells how large the object is.
const GLIMPSE: u64 = 64;

/// A dump, and how to show it.
#[derive(Debug)]
pub struct Session<'a> {
    /// The dump.
    pub dump: &'a CoreDump<'a>,
    /// Where it came from.
    pub input: &'a Input,
    /// The command line.
    pub args: &'a Args,
    /// Where to complain.
    pub report: &'a Report,
}

impl<'a> Session<'a> {
    /// Where output goes: the file of `-o`, or standard output.
    pub fn output(&self) -> Result<Output> {
        match &self.args.output {
            Some(file) if !file.is_dash() => Output::file(file.path()),
            _ => Output::stdout(),
        }
    }

    /// Whether a person reads along.
    pub fn on_terminal(&self) -> bool {
        self.args.output.as_ref().is_none_or(|file| file.is_dash()) && stdout_is_terminal()
    }

    /// The colours to use.
    pub fn paint(&self) -> Paint {
        Paint { on: self.args.color.on_stdout() && self.args.output.as_ref().is_none_or(|file| file.is_dash()) }
    }

    /// Writes all that `write` writes and makes it count.
    pub fn write(&self, write: impl FnOnce(&mut Output) -> std::io::Result<()>) -> Result<()> {
        let mut out = self.output()?;
        write(&mut out).map_err(|error| out.failed(error))?;
        out.commit()
    }

    /// An error about the dump.
    pub fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        self.input.blame(Error::new(kind, message))
    }

    /// The memory that `--memory` chooses, and its index.
    pub fn memory(&self) -> Result<(u32, &'a Memory<'a>)> {
        let count = self.dump.memories.len();
        let index = self.args.memory.unwrap_or(0);
        match self.dump.memories.get(index as usize) {
            Some(memory) => {
                if count > 1 && self.args.memory.is_none() {
                    self.report.hint(format_args!("this is memory 0 of {count}; --memory N chooses another"));
                }
                Ok((index, memory))
            }
            None if count == 0 => Err(self.error(ErrorKind::NotFound, "the dump holds no memory")),
            None => Err(self
                .error(ErrorKind::NotFound, format!("there is no memory {index}"))
                .hint(format!("the dump holds {count}, counted from 0"))),
        }
    }

    /// The memories to search: the chosen one, or all.
    pub fn memories(&self) -> Result<Vec<(u32, &'a Memory<'a>)>> {
        match self.args.memory {
            Some(_) => Ok(vec![self.memory()?]),
            None => Ok((0..).zip(&self.dump.memories).collect()),
        }
    }

    /// The ranges that `--range` names; without any the whole memory.
    pub fn ranges(&self, memory: &Memory<'_>) -> Result<Vec<std::ops::Range<u64>>> {
        if self.args.range.is_empty() {
            return Ok(std::iter::once(0..memory.size).collect());
        }
        self.args.range.iter().map(|range| self.range(memory, range)).collect()
    }

    fn range(&self, memory: &Memory<'_>, range: &Range) -> Result<std::ops::Range<u64>> {
        let start = self.address(&range.start)?;
        let end = match &range.extent {
            Extent::Length(len) => start.checked_add(*len),
            Extent::Until(end) => Some(self.address(end)?),
            Extent::Open => Some(start.saturating_add(GLIMPSE).min(memory.size)),
        };
        let Some(end) = end.filter(|&end| start <= end) else {
            return Err(Error::new(ErrorKind::Usage, format!("the range that starts at {start:#x} ends before that")));
        };
        if end > memory.size || start >= memory.size && start != end {
            let size = memory.size;
            return Err(self.error(
                ErrorKind::NotFound,
                format!("{start:#x}..{end:#x} leaves the memory, which ends at {size:#x}"),
            ));
        }
        Ok(start..end)
    }

    /// The number that an address comes to.
    pub fn address(&self, address: &Address) -> Result<u64> {
        let base = match &address.base {
            Base::Number(number) => *number,
            Base::Global(name) => self.global(name)?,
            Base::Symbol(name) => return Err(self.unknown(name)),
        };
        u64::try_from(i128::from(base) + address.offset)
            .map_err(|_| Error::new(ErrorKind::Usage, format!("{base:#x}{:+} is no address", address.offset)))
    }

    fn global(&self, name: &str) -> Result<u64> {
        let names = crate::globals::names(self);
        let wanted = if name == "sp" { "__stack_pointer" } else { name };
        let mut found =
            names.iter().zip(&self.dump.globals).filter(|(names, _)| names.iter().any(|name| name == wanted));
        let Some((_, global)) = found.next() else { return Err(self.unknown(&format!("${name}"))) };
        match global.value {
            Value::I32(value) => Ok(u64::from(value as u32)),
            Value::I64(value) => Ok(value as u64),
            _ => Err(self.error(ErrorKind::NotFound, format!("the dump does not hold the value of ${name}"))),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        self.error(ErrorKind::NotFound, format!("nothing is known of {name}"))
            .hint("names need the program's binary: -m FILE names it, --globals lists the globals")
    }

    /// The failure of a read.
    pub fn unreadable(&self, what: Unreadable) -> Error {
        match what {
            Unreadable::NotCaptured { address } => self
                .error(ErrorKind::NotFound, format!("the dump does not hold the byte at {address:#x}"))
                .hint("--fill BYTE writes BYTE for what is not captured; without options, the tool lists what is"),
            what => self.error(ErrorKind::NotFound, what.to_string()),
        }
    }

    /// Fails at the first byte of `range` that the dump does not hold.
    pub fn check_captured(&self, memory: &Memory<'_>, range: std::ops::Range<u64>) -> Result<()> {
        let hole = memory.chunks(range).find(|chunk| matches!(chunk, Chunk::Hole { .. }));
        match hole {
            Some(hole) => Err(self.unreadable(Unreadable::NotCaptured { address: hole.range().start })),
            None => Ok(()),
        }
    }
}

/// Writes `len` times the same byte.
pub fn write_fill(out: &mut impl Write, byte: u8, mut len: u64) -> std::io::Result<()> {
    let block = [byte; 65536];
    while len > 0 {
        let now = len.min(block.len() as u64);
        out.write_all(&block[..now as usize])?;
        len -= now;
    }
    Ok(())
}
