//! Records: aligned columns under a heading for a person, tab-separated lines for a program.

use std::io::{self, Write};

use coredump_core::cli::text::escape;

use coredump_core::cli::paint::{DIM, HEADING, Paint};

/// Records of one sort.
#[derive(Debug)]
pub struct Table {
    /// The heading, for a person.
    pub title: &'static str,
    /// The first field of each line, for a program.
    pub record: &'static str,
    /// Names of the columns; one that starts with `>` is aligned to the right.
    pub columns: &'static [&'static str],
    /// The records.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without records yet.
    pub fn new(title: &'static str, record: &'static str, columns: &'static [&'static str]) -> Table {
        Table { title, record, columns, rows: Vec::new() }
    }

    /// Adds a record.
    pub fn row(&mut self, fields: impl IntoIterator<Item = String>) {
        self.rows.push(fields.into_iter().collect());
    }

    /// Writes one line a record: its sort, then its fields, separated by tabs.
    pub fn write_plain(&self, out: &mut impl Write) -> io::Result<()> {
        for row in &self.rows {
            write!(out, "{}", self.record)?;
            for field in row {
                write!(out, "\t{}", escape(field))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// Writes the heading and aligned columns, at most `limit` records. Nothing if there are none.
    pub fn write_aligned(&self, out: &mut impl Write, paint: Paint, limit: usize) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(out, "{}", paint.paint(HEADING, self.title))?;
        let shown = &self.rows[..self.rows.len().min(limit)];
        let cells: Vec<Vec<_>> = shown.iter().map(|row| row.iter().map(|field| escape(field)).collect()).collect();
        let width = |column: usize| {
            let cells = cells.iter().filter_map(|row| Some(row.get(column)?.chars().count()));
            cells.max().unwrap_or(0).max(self.columns[column].trim_start_matches('>').len())
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        // A column in which nothing stands is left out.
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
            writeln!(out, "{}", paint.paint(DIM, names))?;
        }
        for row in &cells {
            writeln!(out, "{}", line(&mut row.iter().map(|cell| &**cell)))?;
        }
        if let more @ 1.. = self.rows.len() - shown.len() {
            writeln!(out, "  {}", paint.paint(DIM, format_args!("… and {more} more (a pipe gets all of them)")))?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Things", "thing", &["name", ">size", "note"]);
        table.row(["a\tb".to_owned(), "5".to_owned(), String::new()]);
        table.row(["long name".to_owned(), "1234567".to_owned(), String::new()]);
        table
    }

    #[test]
    fn a_program_gets_tabs_and_a_person_columns() {
        let mut out = Vec::new();
        table().write_plain(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "thing\ta\\tb\t5\t\nthing\tlong name\t1234567\t\n");
        let mut out = Vec::new();
        table().write_aligned(&mut out, Paint { on: false }, 9).unwrap();
        let expected = "Things\n  name          size\n  a\\tb             5\n  long name  1234567\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_long_table_is_cut_for_a_person_only() {
        let mut out = Vec::new();
        table().write_aligned(&mut out, Paint { on: false }, 1).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("… and 1 more"));
    }
}
