//! The line table of one compilation unit (DWARF 6.2), kept as a list of its sequences: rows are replayed when one is
//! asked for. In WebAssembly a sequence is a function, so that is little work, and a table of all rows would weigh
//! more than the section it comes from.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::line_program::{LineProgram, Sequence};
use super::seek;
use super::work::Work;
use super::{EmbeddedSource, UnitRef, attribute_text, text};
use crate::limits::{MAX_NAME, shorten};
use crate::locked::Locked;

/// Sequences looked at for one address; in sound tables the closest covers it.
const MAX_SEARCHED: usize = 1 << 12;
/// The number of sequences that cover an address and are tried.
const MAX_TRIED: usize = 16;

/// Files of a table that are looked at to tell whether it names any.
const MAX_FILES: usize = 64;

/// The line table.
pub(super) struct Lines<'s> {
    program: LineProgram<'s>,
    /// All of them, by address; none if the table is damaged.
    sequences: OnceLock<Vec<Sequence>>,
    /// For each of them, the greatest end of all up to it: how far back a search must go.
    reach: OnceLock<Vec<u64>>,
    /// The sequences that were found before all were read.
    sought: Locked<Vec<Sequence>>,
    files: Locked<HashMap<u64, Option<Arc<str>>>>,
    damaged: AtomicBool,
}

/// A row: where in the source an address stands. `None` where the compiler says there is no such place (line 0).
#[derive(Clone, Copy)]
pub(super) struct SourceRow {
    pub file: u64,
    pub line: Option<u32>,
    pub column: Option<u32>,
}

/// A row as the table has it (DWARF 5, 6.2.2): from a code address on, a line of a file of the unit; line 0 where the
/// source has no such place.
#[derive(Clone, Copy)]
pub struct LineRow {
    /// The address at which it begins, as DWARF counts: a byte offset in the code section's contents.
    pub address: u64,
    /// The number of the file in the unit.
    pub file: u64,
    /// The line in the file, from 1 on.
    pub line: u64,
    /// The column in the line, from 1 on; 0 where it is not known.
    pub column: u64,
}

impl<'s> Lines<'s> {
    /// The unit's table; `None` if it has none or one that is not for WebAssembly.
    pub fn new(unit: UnitRef<'_, 's>) -> Option<Lines<'s>> {
        let program = LineProgram::new(unit.line_program.as_ref()?.header())?;
        let (sequences, reach) = (OnceLock::new(), OnceLock::new());
        let (sought, files) = (Locked::default(), Locked::default());
        Some(Lines { program, sequences, reach, sought, files, damaged: AtomicBool::new(false) })
    }

    /// Returns true if the table turned out to be damaged when it was read.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The row that covers `pc`, from a sequence `accept` agrees with (it gets the sequence's first address and the one
    /// after its last). `begin` is where the function begins, if that is known.
    pub fn row(&self, pc: u64, begin: Option<u64>, work: &Work, accept: impl Fn(u64, u64) -> bool) -> LineLookup {
        let covers = |sequence: &Sequence| (sequence.begin..sequence.end).contains(&pc);
        let sought = begin.and_then(|begin| self.seek(begin, work));
        if let Some(sequence) = sought.filter(|found| covers(found) && accept(found.begin, found.end)) {
            return self.row_of(sequence, pc, work).map_or(LineLookup::Nothing, LineLookup::Row);
        }
        let mut outcome = LineLookup::Nothing;
        let sequences = self.all(work);
        let behind = sequences.partition_point(|sequence| sequence.begin <= pc);
        let near = sequences[..behind].iter().rev().take(MAX_SEARCHED);
        for sequence in near.filter(|sequence| covers(sequence)).take(MAX_TRIED) {
            if !accept(sequence.begin, sequence.end) {
                outcome = LineLookup::Refused;
            } else if let Some(row) = self.row_of(*sequence, pc, work) {
                return LineLookup::Row(row);
            }
        }
        outcome
    }

    /// Returns true if `fits` accepts the addresses of all rows in `code`. `None` if that would be too much work.
    pub fn all_rows(&self, code: &Range<u64>, work: &Work, fits: impl Fn(u64) -> bool) -> Option<bool> {
        let of = |sequence: &Sequence| {
            let (mut all, mut rows) = (true, 0);
            let _ = self.program.run(sequence.at, |row, last, _| {
                rows += 1;
                all &= last || !code.contains(&row.address) || fits(row.address);
                !last && all
            });
            work.spend(rows).then_some(all)
        };
        match self.own(code, work) {
            Some(sequence) => of(&sequence),
            None => self.near(code, work).map(of).try_fold(true, |all, fits| Some(all && fits?)),
        }
    }

    /// The least address in `code` at which the table says that a prologue has ended (DWARF 5, 6.2.2).
    pub fn prologue_end(&self, code: &Range<u64>, work: &Work) -> Option<u64> {
        let all = || self.near(code, work).take_while(|_| !work.is_spent());
        let of = |sequence: &Sequence| {
            let (mut least, mut rows) = (None, 0);
            let _ = self.program.run(sequence.at, |row, last, _| {
                rows += 1;
                if row.prologue_end && !last && code.contains(&row.address) {
                    least = least.or(Some(row.address));
                }
                !last && least.is_none()
            });
            work.spend(rows).then_some(least)?
        };
        let end = self.own(code, work).map_or_else(|| all().filter_map(of).min(), |sequence| of(&sequence));
        end.filter(|_| !work.is_spent())
    }

    /// The rows for `code`, by address. `None` if no sequence has them all, or that would be too much work.
    pub fn rows(&self, code: &Range<u64>, work: &Work) -> Option<Vec<LineRow>> {
        let has_all = |sequence: &&Sequence| sequence.begin <= code.start && code.end <= sequence.end;
        let whole = || self.own(code, work).or_else(|| self.near(code, work).find(has_all).copied());
        let sequence = whole().or_else(|| self.only(code, work))?;
        let (mut rows, mut read) = (Vec::new(), 0);
        let _ = self.program.run(sequence.at, |row, last, _| {
            read += 1;
            let wanted = !last && row.address < code.end;
            if wanted {
                rows.push(LineRow { address: row.address, file: row.file, line: row.line, column: row.column });
            }
            wanted
        });
        work.spend(read).then_some(rows)
    }

    /// The sequence that begins where `code` does and has all of it, as long as that costs less than to read all.
    fn own(&self, code: &Range<u64>, work: &Work) -> Option<Sequence> {
        self.seek(code.start, work).filter(|sequence| code.end <= sequence.end)
    }

    /// The sequence that alone has some of `code`, and all up to its end: LLVM 19 and newer give what comes before the
    /// first instruction of the source no row.
    fn only(&self, code: &Range<u64>, work: &Work) -> Option<Sequence> {
        let mut near = self.near(code, work);
        let only = near.next().filter(|sequence| code.end <= sequence.end)?;
        near.next().is_none().then_some(*only)
    }

    /// The sequences that have some of `code`, by address.
    fn near(&self, code: &Range<u64>, work: &Work) -> impl Iterator<Item = &Sequence> {
        let all = self.all(work);
        let reach = self.reach.get_or_init(|| {
            let ends = all.iter().scan(0, |reach, sequence| {
                *reach = sequence.end.max(*reach);
                Some(*reach)
            });
            ends.collect()
        });
        let behind = all.partition_point(|it| it.begin < code.end);
        let reaching = reach[..behind].iter().rev().take_while(|&&reach| code.start < reach);
        let count = reaching.take_while(|_| work.spend(1)).count();
        let start = code.start;
        all[behind - count..behind].iter().filter(move |it| start < it.end)
    }

    /// The sequence that begins at an address, as long as that costs less than to read all.
    fn seek(&self, begin: u64, work: &Work) -> Option<Sequence> {
        let mut sought = self.sought.lock();
        let known = sought.iter().find(|sequence| sequence.begin == begin);
        if known.is_some() || sought.len() == seek::MAX_SEEKS || self.sequences.get().is_some() {
            return known.copied();
        }
        let found = seek::sequence(&self.program, begin, work);
        sought.extend(found);
        found
    }

    /// All sequences.
    fn all(&self, work: &Work) -> &[Sequence] {
        self.sequences.get_or_init(|| {
            if !work.spend(self.program.bytes().len()) {
                return Vec::new();
            }
            let (mut sequences, mut at) = (Vec::new(), 0);
            let outcome = self.program.sequences(0, |begin, end, behind| {
                sequences.push(Sequence { begin, end, at });
                at = behind;
                true
            });
            if outcome.is_err() {
                self.damaged.store(true, Ordering::Relaxed);
                return Vec::new();
            }
            sequences.sort_by_key(|sequence| sequence.begin);
            sequences
        })
    }

    /// The row of a sequence that covers `pc`.
    fn row_of(&self, sequence: Sequence, pc: u64, work: &Work) -> Option<SourceRow> {
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
        let row = work.spend(rows).then_some(covering)??;
        let known = |number: u64| u32::try_from(number).ok().filter(|&number| number != 0);
        Some(SourceRow { file: row.file, line: known(row.line), column: known(row.column) })
    }

    /// The path of a file of the table, as the debug info says it: joined to the compilation directory when relative.
    pub fn file(&self, unit: UnitRef<'_, 's>, index: u64) -> Option<Arc<str>> {
        let mut files = self.files.lock();
        files
            .entry(index)
            .or_insert_with(|| self.render(unit, index).map(|path| shorten(&path, MAX_NAME).into()))
            .clone()
    }

    /// Returns the contents of `file`, a path as [`Lines::file`] gives it (DWARF 5, 6.2.4.1; the text itself
    /// is an extension of LLVM, `DW_LNCT_LLVM_source`).
    pub fn source(&self, unit: UnitRef<'_, 's>, file: &str) -> Option<EmbeddedSource> {
        let header = unit.line_program.as_ref()?.header();
        let indices = (0..=header.file_names().len() as u64).take(MAX_SEARCHED);
        let index = indices.into_iter().find(|&index| self.file(unit, index).is_some_and(|path| *path == *file))?;
        let entry = header.file(index)?;
        // LLVM writes an empty text where it has none, for files beside others that have one.
        let held = |index| unit.attr_string(header.file(index)?.source()?).ok().filter(|text| !text.is_empty());
        // clang gives a file that `#line` names the text of the file in which that directive stands, and all files of a
        // source that was preprocessed before the text that came of it, which begins with a line marker.
        let of_another = |text: &[u8]| {
            text.starts_with(b"# 1 \"")
                || (0..index).any(|before| held(before).is_some_and(|other| other.slice() == text))
        };
        let text = held(index).filter(|text| !of_another(text.slice()));
        let text = text.map(|text| String::from_utf8_lossy(text.slice()).into());
        // It writes zeros, too.
        let md5 = Some(*entry.md5()).filter(|md5| header.file_has_md5() && *md5 != [0; 16]);
        Some(EmbeddedSource { text, md5 })
    }

    fn render(&self, unit: UnitRef<'_, 's>, index: u64) -> Option<String> {
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(index)?;
        let mut path = unit.comp_dir.map(|directory| text(directory).into_owned()).unwrap_or_default();
        let name = text(attribute_text(unit, file.path_name())?);
        let directory = file.directory(header).and_then(|directory| attribute_text(unit, directory)).map(text);
        match directory {
            // Kotlin writes the folder where the file's name belongs, and the name where the folder does.
            Some(file) if names_folders(unit) => {
                if name != "." {
                    append_path(&mut path, &name);
                }
                append_path(&mut path, &file);
            }
            // Directory 0 is the compilation directory itself (before DWARF 5 it has no entry).
            Some(directory) if file.directory_index() != 0 => {
                append_path(&mut path, &directory);
                append_path(&mut path, &name);
            }
            _ => append_path(&mut path, &name),
        }
        Some(path)
    }
}

/// The first file that a unit's table lists, with its folder, as they stand there.
pub(super) fn first_file(unit: UnitRef<'_, '_>) -> Option<String> {
    let header = unit.line_program.as_ref()?.header();
    let file = header.file_names().first()?;
    let name = text(attribute_text(unit, file.path_name())?);
    let directory = file.directory(header).and_then(|directory| attribute_text(unit, directory));
    let path = directory.map_or_else(|| name.to_string(), |directory| format!("{}/{name}", text(directory)));
    Some(crate::text::escape(&shorten(&path, MAX_NAME)).into_owned())
}

/// Returns true if a file that a unit's table lists has a name that only a folder can have.
pub(super) fn names_folders(unit: UnitRef<'_, '_>) -> bool {
    let Some(program) = &unit.line_program else { return false };
    let files = program.header().file_names();
    let is_folder = |name: &str| matches!(name, "." | "..") || name.ends_with(['/', '\\']);
    let folder =
        |file: &gimli::FileEntry<_>| attribute_text(unit, file.path_name()).is_some_and(|name| is_folder(&text(name)));
    files.iter().take(MAX_FILES).any(folder)
}

/// The result of looking up an address in a line table.
pub(super) enum LineLookup {
    /// This row.
    Row(SourceRow),
    /// Only sequences that do not fit the code have the address.
    Refused,
    /// Nothing.
    Nothing,
}

/// Appends a path of the build machine, which may be a Windows one.
pub fn append_path(path: &mut String, part: &str) {
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
    use super::*;
    use crate::symbols::functions::functions;
    use crate::symbols::real::units;

    /// LLVM 19 and newer let the first row of a function stand behind its locals (`sunk-22`, `turns-22`).
    #[test]
    fn a_function_has_its_rows_also_where_the_first_stands_behind_its_beginning() {
        let (mut behind, mut lacking) = (0, Vec::new());
        units(|_, unit| {
            let work = Work::new(1 << 30);
            let Some(lines) = Lines::new(unit) else { return };
            let functions = functions(unit, &work);
            // The linker puts what it drops at 0 or the highest address. Of code that two functions claim nothing is
            // known.
            let kept = |begin: u64| begin > 0 && begin < u64::from(u32::MAX);
            let alone = |begin: u64, end: u64| {
                functions.iter().filter(|other| other.begin < end && begin < other.end).count() == 1
            };
            for function in functions.iter().filter(|it| kept(it.begin) && alone(it.begin, it.end)) {
                let code = function.begin..function.end;
                let first = lines.rows(&code, &work).and_then(|rows| Some(rows.first()?.address));
                behind += usize::from(first.is_some_and(|first| first > function.begin));
                lacking.extend(first.is_none().then_some(code));
            }
        });
        assert!(behind > 0 && lacking.is_empty(), "{behind}, {lacking:x?}");
    }

    #[test]
    fn paths_join_as_on_the_build_machine() {
        let join = |base: &str, part| {
            let mut path = base.to_owned();
            append_path(&mut path, part);
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
