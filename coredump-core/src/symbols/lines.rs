//! The line table of one compilation unit (DWARF 6.2), kept as a list of its sequences: rows are replayed when one is
//! asked for. In WebAssembly a sequence is a function, so that is little work, and a table of all rows would weigh
//! more than the section it comes from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::line_program::Program;
use super::work::Work;
use super::{UnitRef, text};
use crate::limits::{MAX_NAME, shorten};

/// Sequences looked at for one address; in sound tables the closest covers it.
const MAX_SEARCHED: usize = 1 << 12;

/// The line table.
pub(super) struct Lines<'s> {
    program: Program<'s>,
    sequences: Vec<Sequence>,
    files: RefCell<HashMap<u64, Option<Arc<str>>>>,
}

/// Rows of ascending addresses. It covers the addresses from that of its first row up to that of its last.
struct Sequence {
    begin: u64,
    end: u64,
    /// Where it begins in the program.
    at: usize,
}

/// A row: where in the source an address stands. `None` where the compiler says there is no such place (line 0).
pub(super) struct Row {
    pub file: u64,
    pub line: Option<u32>,
    pub column: Option<u32>,
}

impl<'s> Lines<'s> {
    /// Reads the sequences of the unit's table; `None` if it has none or a damaged one.
    pub fn new(unit: UnitRef<'_, 's>, work: &Work) -> Option<Lines<'s>> {
        let program = Program::new(unit.line_program.as_ref()?.header())?;
        work.spend(program.len()).then_some(())?;
        let mut sequences = Vec::new();
        let mut at = 0;
        let outcome = program.sequences(|begin, end, behind| {
            sequences.push(Sequence { begin, end, at });
            at = behind;
        });
        outcome.ok()?;
        sequences.sort_by_key(|sequence| sequence.begin);
        Some(Lines { program, sequences, files: RefCell::default() })
    }

    /// The row that covers `pc`, from a sequence `accept` agrees with (it gets the sequence's first address and the one
    /// behind its last).
    pub fn row(&self, pc: u64, work: &Work, accept: impl Fn(u64, u64) -> bool) -> Found {
        let mut outcome = Found::Nothing;
        let behind = self.sequences.partition_point(|sequence| sequence.begin <= pc);
        let near = self.sequences[..behind].iter().rev().take(MAX_SEARCHED);
        for sequence in near.filter(|sequence| pc < sequence.end).take(16) {
            if !accept(sequence.begin, sequence.end) {
                outcome = Found::Refused;
                continue;
            }
            let (mut covering, mut rows) = (None, 0);
            // It was run once already, so it is sound.
            let _ = self.program.run(sequence.at, |row, last, _| {
                rows += 1;
                let before = !last && row.address <= pc;
                if before {
                    covering = Some(*row);
                }
                before
            });
            if !work.spend(rows) {
                return Found::Nothing;
            }
            if let Some(row) = covering {
                let known = |number: u64| u32::try_from(number).ok().filter(|&number| number != 0);
                return Found::Row(Row { file: row.file, line: known(row.line), column: known(row.column) });
            }
        }
        outcome
    }

    /// The path of a file of the table, as the debug info says it: joined to the compilation directory when relative.
    pub fn file(&self, unit: UnitRef<'_, 's>, index: u64) -> Option<Arc<str>> {
        let mut files = self.files.borrow_mut();
        files
            .entry(index)
            .or_insert_with(|| self.render(unit, index).map(|path| shorten(&path, MAX_NAME).into()))
            .clone()
    }

    fn render(&self, unit: UnitRef<'_, 's>, index: u64) -> Option<String> {
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(index)?;
        let mut path = unit.comp_dir.map(|directory| text(directory).into_owned()).unwrap_or_default();
        // Directory 0 is the compilation directory itself (before DWARF 5 it has no entry).
        if file.directory_index() != 0
            && let Some(directory) = file.directory(header)
        {
            push(&mut path, &text(unit.attr_string(directory).ok()?));
        }
        push(&mut path, &text(unit.attr_string(file.path_name()).ok()?));
        Some(path)
    }
}

/// What a table says of an address.
pub(super) enum Found {
    /// This row.
    Row(Row),
    /// Only sequences that do not fit the code.
    Refused,
    /// Nothing.
    Nothing,
}

/// Appends a path of the build machine, which may be a Windows one.
fn push(path: &mut String, part: &str) {
    let absolute = |path: &str| path.starts_with(['/', '\\']) || matches!(path.as_bytes(), [_, b':', b'/' | b'\\', ..]);
    if absolute(part) || path.is_empty() {
        part.clone_into(path);
        return;
    }
    let windows = path.starts_with('\\') || matches!(path.as_bytes(), [_, b':', b'\\', ..]);
    if !path.ends_with(['/', '\\']) {
        path.push(if windows { '\\' } else { '/' });
    }
    path.push_str(part.strip_prefix("./").unwrap_or(part));
}

#[cfg(test)]
mod tests {
    use super::push;

    #[test]
    fn paths_join_as_on_the_build_machine() {
        let join = |base: &str, part| {
            let mut path = base.to_owned();
            push(&mut path, part);
            path
        };
        assert_eq!(join("/src", "a.c"), "/src/a.c");
        assert_eq!(join("/src/", "./a.c"), "/src/a.c");
        assert_eq!(join("/src", "/usr/a.h"), "/usr/a.h");
        assert_eq!(join("", "a.c"), "a.c");
        assert_eq!(join("C:\\src", "a.c"), "C:\\src\\a.c");
        assert_eq!(join("/src", "C:/a.c"), "C:/a.c");
    }
}
