//! The line table of one compilation unit (DWARF 6.2), kept as a list of its sequences: rows are replayed when one is
//! asked for. In WebAssembly a sequence is a function, so that is little work, and a table of all rows would weigh
//! more than the section it comes from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use gimli::{CompleteLineProgram, LineSequence};

use super::work::Work;
use super::{Slice, UnitRef, text};

/// Sequences looked at for one address; in sound tables the closest covers it.
const MAX_SEARCHED: usize = 1 << 12;

/// The line table.
pub(super) struct Lines<'s> {
    program: CompleteLineProgram<Slice<'s>>,
    sequences: Vec<LineSequence<Slice<'s>>>,
    files: RefCell<HashMap<u64, Option<Arc<str>>>>,
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
        let program = unit.line_program.clone()?;
        work.spend(program.header().raw_program_buf().len()).then_some(())?;
        let (program, mut sequences) = program.sequences().ok()?;
        sequences.sort_by_key(|sequence| sequence.start);
        Some(Lines { program, sequences, files: RefCell::default() })
    }

    /// The row that covers `pc`, from a sequence `accept` agrees with (it gets the sequence's first address and the one
    /// behind its last).
    pub fn row(&self, pc: u64, work: &Work, accept: impl Fn(u64, u64) -> bool) -> Found {
        let mut outcome = Found::Nothing;
        let behind = self.sequences.partition_point(|sequence| sequence.start <= pc);
        let near = self.sequences[..behind].iter().rev().take(MAX_SEARCHED);
        for sequence in near.filter(|sequence| pc < sequence.end).take(16) {
            if !accept(sequence.start, sequence.end) {
                outcome = Found::Refused;
                continue;
            }
            let mut rows = self.program.resume_from(sequence);
            let mut last = None;
            while let Ok(Some((_, row))) = rows.next_row() {
                if !work.spend(1) {
                    return Found::Nothing;
                }
                if row.end_sequence() || row.address() > pc {
                    break;
                }
                last = Some(Row {
                    file: row.file_index(),
                    line: row.line().and_then(|line| u32::try_from(line.get()).ok()),
                    column: match row.column() {
                        gimli::ColumnType::LeftEdge => None,
                        gimli::ColumnType::Column(column) => u32::try_from(column.get()).ok(),
                    },
                });
            }
            if let Some(row) = last {
                return Found::Row(row);
            }
        }
        outcome
    }

    /// The path of a file of the table, as the debug info says it: joined to the compilation directory when relative.
    pub fn file(&self, unit: UnitRef<'_, 's>, index: u64) -> Option<Arc<str>> {
        let mut files = self.files.borrow_mut();
        files.entry(index).or_insert_with(|| self.render(unit, index).map(Arc::from)).clone()
    }

    fn render(&self, unit: UnitRef<'_, 's>, index: u64) -> Option<String> {
        let header = self.program.header();
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
