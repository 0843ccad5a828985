//! Combines an open dump with the options of the command line.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;

use coredump_core::{Binaries, Bytes, Dump};

use coredump_core::cli::input::Input;
use coredump_core::cli::output::{Destination, Output};
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::{Chunk, Memory, Unreadable};
use coredump_core::model::{CoreDump, Value};
use coredump_core::regions::{Regions, Symbols};

use crate::address::{Address, Base, Range, RangeExtent};
use crate::args::Args;
use crate::table::{Records, TableStyle};
use coredump_core::cli::paint::Paint;

/// The number of bytes that a hex dump shows if a range has no end and the size of the object is not known.
const GLIMPSE: u64 = 64;

/// A dump, and how to show it. Binaries, regions and symbols are read when they are first needed.
pub struct Inspection<'a> {
    /// The dump.
    pub opened: &'a Dump,
    /// The contents of the dump's file.
    pub dump: &'a CoreDump<'a>,
    /// The input that the dump was read from.
    pub input: &'a Input,
    /// All bytes of the dump.
    pub bytes: &'a Bytes,
    /// The file that the bytes are mapped from, if they are.
    pub file: Option<&'a File>,
    /// The command line.
    pub args: &'a Args,
    /// The report of warnings.
    pub report: &'a Report,
    warned: OnceCell<()>,
    regions: RefCell<HashMap<u32, Rc<Regions>>>,
    symbols: RefCell<HashMap<u32, Rc<Symbols>>>,
}

impl<'a> Inspection<'a> {
    /// Begins to inspect an open dump.
    pub fn new(opened: &'a Dump, input: &'a Input, file: Option<&'a File>, args: &'a Args, report: &'a Report) -> Self {
        let (warned, regions, symbols) = Default::default();
        let (dump, bytes) = (opened.recorded(), opened.bytes());
        let inspection = Inspection { opened, dump, input, bytes, file, args, report, warned, regions, symbols };
        if opened.binaries_so_far().is_some() {
            inspection.binaries();
        }
        inspection
    }

    /// Returns true if a binary was refused with a warning.
    pub fn warned(&self) -> bool {
        self.opened.binaries_so_far().is_some_and(|binaries| !binaries.warnings.is_empty())
    }

    /// The binaries of the dump's modules. Reports their problems once.
    pub fn binaries(&self) -> &'a Binaries {
        let binaries = self.opened.binaries();
        self.warned.get_or_init(|| {
            for warning in binaries.warnings.iter().filter(|_| !self.args.quiet) {
                self.report.say(format_args!("{}: {warning}", self.input.name()));
            }
        });
        binaries
    }

    /// The regions of a memory.
    pub fn regions(&self, memory: u32) -> Rc<Regions> {
        self.binaries();
        let mut known = self.regions.borrow_mut();
        let regions = known.entry(memory).or_insert_with(|| Rc::new(self.opened.regions(memory)));
        regions.clone()
    }

    /// The statics in a memory.
    pub fn symbols(&self, memory: u32) -> Rc<Symbols> {
        self.binaries();
        let mut known = self.symbols.borrow_mut();
        let symbols = known.entry(memory).or_insert_with(|| Rc::new(self.opened.statics(memory)));
        symbols.clone()
    }

    /// The names of each of the dump's globals.
    pub fn global_names(&self) -> Vec<Vec<String>> {
        self.binaries();
        self.opened.global_names()
    }

    /// The name of the symbol that an address belongs to, with the offset in it.
    pub fn symbol(&self, memory: u32, address: u64) -> Option<String> {
        let symbols = self.symbols(memory);
        let (symbol, offset) = symbols.at(address)?;
        Some(if offset == 0 { symbol.name.clone() } else { format!("{}+{offset:#x}", symbol.name) })
    }

    fn destination(&self) -> Destination<'a> {
        Destination::new(self.args.output.as_ref())
    }

    /// The output: the file of `-o`, or standard output.
    pub fn output(&self) -> Result<Output> {
        self.destination().open()
    }

    /// Returns true if the output goes to a terminal.
    pub fn on_terminal(&self) -> bool {
        self.destination().is_terminal()
    }

    /// The colours to use.
    pub fn paint(&self) -> Paint {
        Paint { on: self.destination().is_colored(self.args.color) }
    }

    /// The form of tables; on a terminal, at most `limit` records of each are shown.
    pub fn form(&self, limit: usize) -> TableStyle {
        if self.on_terminal() { TableStyle::Aligned(self.paint(), limit) } else { TableStyle::Plain }
    }

    /// Writes all that `write` writes, and completes the output.
    pub fn write(&self, write: impl FnOnce(&mut Output) -> std::io::Result<()>) -> Result<()> {
        let mut out = self.output()?;
        write(&mut out).map_err(|error| out.failed(error))?;
        out.commit()
    }

    /// Writes tables to the output.
    pub fn show(&self, tables: &[Records]) -> Result<()> {
        self.write(|out| tables.iter().try_for_each(|table| table.write(out, self.form(usize::MAX))))
    }

    /// An error about the dump.
    pub fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        self.input.blame(Error::new(kind, message))
    }

    /// The memory that `--memory` selects, and its index.
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

    /// The memories to search: the selected one, or all.
    pub fn memories(&self) -> Result<Vec<(u32, &'a Memory<'a>)>> {
        match self.args.memory {
            Some(_) => Ok(vec![self.memory()?]),
            None => Ok((0..).zip(&self.dump.memories).collect()),
        }
    }

    /// The ranges that `--range` names; without any, the whole memory.
    pub fn ranges(&self, index: u32, memory: &Memory<'_>) -> Result<Vec<std::ops::Range<u64>>> {
        if self.args.range.is_empty() {
            return Ok(std::iter::once(0..memory.size).collect());
        }
        self.args.range.iter().map(|range| self.range(index, memory, range)).collect()
    }

    fn range(&self, index: u32, memory: &Memory<'_>, range: &Range) -> Result<std::ops::Range<u64>> {
        let start = self.address(index, &range.start)?;
        let end = match &range.extent {
            RangeExtent::Length(len) => start.checked_add(*len),
            RangeExtent::Until(end) => Some(self.address(index, end)?),
            RangeExtent::Open => {
                Some(self.object_end(index, range, start).unwrap_or(start.saturating_add(GLIMPSE)).min(memory.size))
            }
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

    /// The end of the object that a range without an end names.
    pub fn object_end(&self, index: u32, range: &Range, start: u64) -> Option<u64> {
        let Base::Symbol(name) = &range.start.base else { return None };
        let symbols = self.symbols(index);
        let symbol = *symbols.named(name).first()?;
        let end = symbol.address.checked_add(symbol.size?)?;
        (symbol.address <= start && start < end).then_some(end)
    }

    /// The numeric value of an address in a memory.
    pub fn address(&self, memory: u32, address: &Address) -> Result<u64> {
        let base = match &address.base {
            Base::Number(number) => *number,
            Base::Global(name) => self.global(name)?,
            Base::Symbol(name) => self.named(memory, name)?,
        };
        u64::try_from(i128::from(base).saturating_add(address.offset))
            .map_err(|_| Error::new(ErrorKind::Usage, format!("{base:#x}{:+} is no address", address.offset)))
    }

    fn named(&self, memory: u32, name: &str) -> Result<u64> {
        let symbols = self.symbols(memory);
        let found = symbols.named(name);
        match found[..] {
            [] => Err(self.unknown(name)),
            [first, ref others @ ..] if others.iter().all(|other| other.address == first.address) => Ok(first.address),
            _ => {
                let each = found.iter().map(|symbol| format!("{} at {:#x}", symbol.name, symbol.address));
                let each: Vec<_> = each.take(5).collect();
                let error = self.error(ErrorKind::NotFound, format!("{name} is the name of several objects"));
                Err(error.hint(format!("say which address is meant: {}", each.join(", "))))
            }
        }
    }

    fn global(&self, name: &str) -> Result<u64> {
        let names = self.global_names();
        let wanted = if name == "sp" { "__stack_pointer" } else { name };
        let is_wanted = |name: &String| name == wanted || name.rsplit('/').next() == Some(wanted);
        let mut found = names.iter().zip(&self.dump.globals).filter(|(names, _)| names.iter().any(is_wanted));
        let Some((_, global)) = found.next() else { return Err(self.unknown(&format!("${name}"))) };
        if found.any(|(_, other)| other.value != global.value) {
            let error = self.error(ErrorKind::NotFound, format!("several globals are called {wanted}"));
            return Err(error.hint("--globals lists them with their values"));
        }
        match global.value {
            Value::I32(value) => Ok(u64::from(value as u32)),
            Value::I64(value) => Ok(value as u64),
            _ => Err(self.error(ErrorKind::NotFound, format!("the dump does not hold the value of ${name}"))),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let error = self.error(ErrorKind::NotFound, format!("nothing is known of {name}"));
        let slots = self.binaries().slots();
        let missing =
            slots.iter().find(|slot| !slot.found.as_ref().is_some_and(|found| found.verification.is_verified()));
        match missing.map(|slot| slot.refused.first()) {
            Some(Some(refused)) => {
                let path = refused.path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
                error.hint(format!("no binary fits: {path}{}", refused.reason))
            }
            Some(None) => error.hint("names need the program's binary: -m FILE names it"),
            None if slots.iter().filter_map(|slot| slot.found.as_ref()).any(|found| found.binary.module().memory_base().is_some()) => {
                error.hint("where statics of position-independent code are, its global __memory_base says; --fast leaves it out")
            }
            None => error.hint("statics need debug information; --globals lists the globals"),
        }
    }

    /// The error of a failed read.
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

/// Writes the same byte `len` times.
pub fn write_fill(out: &mut impl Write, byte: u8, mut len: u64) -> std::io::Result<()> {
    let block = [byte; 65536];
    while len > 0 {
        let now = len.min(block.len() as u64);
        out.write_all(&block[..now as usize])?;
        len -= now;
    }
    Ok(())
}
