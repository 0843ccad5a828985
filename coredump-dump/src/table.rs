//! Writes records: as aligned columns under a heading on a terminal, as tab-separated lines for a program.

use std::io::{self, Write};

use coredump_core::cli::text::escape;

use coredump_core::cli::paint::{Paint, TextRole};

/// A table of records of one kind. A program gets each record at once; on a terminal, as many as fit a screen are
/// shown, aligned.
pub struct RecordTable<'o> {
    out: &'o mut dyn Write,
    /// The heading on a terminal.
    title: &'static str,
    /// The first field of each line for a program.
    record: &'static str,
    /// Names of the columns; one that starts with `>` is aligned to the right.
    columns: &'static [&'static str],
    form: TableStyle,
    /// The records that are shown on a terminal.
    rows: Vec<Vec<String>>,
    /// The number of further records.
    more: usize,
    /// The error of the first write that failed.
    failure: Option<io::Error>,
}

/// The form in which tables are written.
#[derive(Clone, Copy, Debug)]
pub enum TableStyle {
    /// One line per record: its kind, then its fields, separated by tabs.
    Plain,
    /// A heading and aligned columns, with at most this many records.
    Aligned(Paint, usize),
}

impl<'o> RecordTable<'o> {
    /// A table without records yet.
    pub fn new(
        out: &'o mut dyn Write,
        form: TableStyle,
        title: &'static str,
        record: &'static str,
        columns: &'static [&'static str],
    ) -> RecordTable<'o> {
        RecordTable { out, title, record, columns, form, rows: Vec::new(), more: 0, failure: None }
    }

    /// Adds a record.
    pub fn row(&mut self, fields: impl IntoIterator<Item = String>) {
        match self.form {
            TableStyle::Aligned(_, limit) if self.rows.len() < limit => self.rows.push(fields.into_iter().collect()),
            TableStyle::Aligned(..) => self.more += 1,
            TableStyle::Plain if self.failure.is_none() => self.failure = self.write_plain(fields).err(),
            TableStyle::Plain => {}
        }
    }

    fn write_plain(&mut self, fields: impl IntoIterator<Item = String>) -> io::Result<()> {
        write!(self.out, "{}", self.record)?;
        for field in fields {
            write!(self.out, "\t{}", escape(&field))?;
        }
        writeln!(self.out)
    }

    /// Writes what was not written yet: on a terminal, the whole table, unless it has no records.
    ///
    /// Fails if this or an earlier write failed.
    pub fn finish(self) -> io::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let TableStyle::Aligned(paint, _) = self.form else { return Ok(()) };
        if self.rows.is_empty() {
            return Ok(());
        }
        let out = self.out;
        writeln!(out, "{}", paint.paint(TextRole::Title, self.title))?;
        let cells: Vec<Vec<_>> = self.rows.iter().map(|row| row.iter().map(|field| escape(field)).collect()).collect();
        let width = |column: usize| {
            let cells = cells.iter().filter_map(|row| Some(row.get(column)?.chars().count()));
            cells.max().unwrap_or(0).max(self.columns[column].trim_start_matches('>').len())
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        // An empty column is left out.
        let blank = |column: usize| cells.iter().all(|row| row.get(column).is_none_or(|cell| cell.is_empty()));
        let blank: Vec<bool> = (0..self.columns.len()).map(blank).collect();
        let line = |row: &mut dyn Iterator<Item = &str>| {
            let mut line = String::from(" ");
            let columns = row.zip(&widths).zip(self.columns).zip(&blank);
            for ((cell, &width), name) in columns.filter(|(_, blank)| !**blank).map(|(column, _)| column) {
                line += &if name.starts_with('>') { format!(" {cell:>width$} ") } else { format!(" {cell:<width$} ") };
            }
            line.truncate(line.trim_end().len());
            line
        };
        if self.columns.iter().any(|name| !name.is_empty()) {
            let names = line(&mut self.columns.iter().map(|name| name.trim_start_matches('>')));
            writeln!(out, "{}", paint.paint(TextRole::Faint, names))?;
        }
        for row in &cells {
            writeln!(out, "{}", line(&mut row.iter().map(|cell| &**cell)))?;
        }
        if self.more > 0 {
            writeln!(
                out,
                "  {}",
                paint.paint(TextRole::Faint, format_args!("… and {} more (a pipe gets all of them)", self.more))
            )?;
        }
        writeln!(out)
    }
}

/// Records that are collected first and written later.
#[derive(Debug)]
pub struct Records {
    title: &'static str,
    record: &'static str,
    columns: &'static [&'static str],
    /// The records.
    pub rows: Vec<Vec<String>>,
}

impl Records {
    /// An empty collection of records.
    pub fn new(title: &'static str, record: &'static str, columns: &'static [&'static str]) -> Records {
        Records { title, record, columns, rows: Vec::new() }
    }

    /// Adds a record.
    pub fn row(&mut self, fields: impl IntoIterator<Item = String>) {
        self.rows.push(fields.into_iter().collect());
    }

    /// Writes the records as a table.
    pub fn write(&self, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
        let mut table = RecordTable::new(out, form, self.title, self.record, self.columns);
        self.rows.iter().for_each(|row| table.row(row.iter().cloned()));
        table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: TableStyle) -> String {
        let mut out = Vec::new();
        let mut table = RecordTable::new(&mut out, form, "Things", "thing", &["name", ">size", "note"]);
        table.row(["a\tb".to_owned(), "5".to_owned(), String::new()]);
        table.row(["long name".to_owned(), "1234567".to_owned(), String::new()]);
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_program_gets_tabs_and_a_person_columns() {
        assert_eq!(written(TableStyle::Plain), "thing\ta\\tb\t5\t\nthing\tlong name\t1234567\t\n");
        let expected = "Things\n  name          size\n  a\\tb             5\n  long name  1234567\n\n";
        assert_eq!(written(TableStyle::Aligned(Paint { on: false }, 9)), expected);
    }

    #[test]
    fn a_long_table_is_cut_for_a_person_only() {
        assert!(written(TableStyle::Aligned(Paint { on: false }, 1)).contains("… and 1 more"));
    }
}
