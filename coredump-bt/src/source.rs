//! Finds the lines of source around a place: in the debug info, if that holds the text, else on disk. Only regular
//! files are read there, and none for an untrusted dump.
//!
//! Programs are often built elsewhere, so that the recorded path does not exist. Then the ends of the path
//! (`app/src/main.c`, then `src/main.c`) are looked for in the current folder, the binary's folder, and those of
//! `--symbols-path`; a note says which file was read. If the debug info has the MD5 of a file, no file with another one
//! is shown.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use coredump_core::cli::path_map::PathMap;
use coredump_core::cli::sources;
use coredump_core::{EmbeddedSource, Frame, Location};

use crate::page::{Page, TextRole};

/// The number of lines that are printed before a place, and after it.
pub const AROUND: u32 = 2;
/// The number of characters of a line that are shown.
const MAX_WIDTH: usize = 160;

/// The source files read so far.
#[derive(Default)]
pub struct Sources {
    files: HashMap<Arc<str>, Option<File>>,
    /// True if files are read.
    from_disk: bool,
    /// Folders of `--symbols-path`.
    named: Vec<PathBuf>,
    binary: Option<PathBuf>,
    binary_time: Option<SystemTime>,
    /// Notes about the files that were found.
    pub notes: Vec<String>,
    /// The source files that were looked for and not found.
    pub missing: Vec<String>,
}

struct File {
    lines: Vec<String>,
}

/// A line of source.
pub struct Line {
    /// Counted from 1.
    pub number: u32,
    pub text: String,
    /// True if it is the line at which execution stood.
    pub is_here: bool,
}

impl File {
    fn new(text: &str) -> File {
        File { lines: text.lines().map(str::to_owned).collect() }
    }
}

impl Sources {
    /// No sources yet. `named` are folders to look in; files are only read if `from_disk` allows it.
    pub fn new(named: Vec<PathBuf>, from_disk: bool) -> Sources {
        Sources { named, from_disk, ..Sources::default() }
    }

    /// Sets the binary whose sources are shown next.
    pub fn of_binary(&mut self, path: Option<&Path>) {
        if path != self.binary.as_deref() {
            self.files.clear();
            self.binary = path.map(Path::to_owned);
        }
        self.binary_time = path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
    }

    /// All notes about the files.
    pub fn notes(&self) -> Vec<String> {
        self.notes.iter().chain(&self.missing).cloned().collect()
    }

    /// The text of `file`; `embedded` is what the debug info holds of it.
    fn read(&mut self, file: &str, embedded: EmbeddedSource) -> Option<File> {
        if let Some(text) = embedded.text {
            return Some(File::new(&text));
        }
        if !self.from_disk {
            return None;
        }
        let folder = self.binary.as_deref().and_then(Path::parent);
        let places = sources::places(file, Path::new(""), folder, &self.named);
        match sources::read(places.into_iter(), &embedded) {
            Ok((path, bytes)) => {
                if path != Path::new(file) {
                    self.notes.push(format!("source {file}: read from {}", path.display()));
                }
                if embedded.md5.is_none() && self.is_newer(&path) {
                    let path = path.display();
                    self.notes.push(format!("source {path} is newer than the binary: its lines may have moved"));
                }
                return Some(File::new(&String::from_utf8_lossy(&bytes)));
            }
            Err(Some(problem)) => self.notes.push(problem),
            Err(None) => self.missing.push(format!("source {file} not found")),
        }
        None
    }

    /// Returns true if a file was changed after the binary.
    fn is_newer(&self, path: &Path) -> bool {
        let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        self.binary_time.zip(changed).is_some_and(|(binary, changed)| changed > binary)
    }

    /// The lines around a location in `frame`, `around` lines before and as many after; empty if its file is not
    /// available.
    pub fn excerpt(&mut self, paths: &PathMap, frame: &Frame, location: &Location, around: u32) -> Vec<Line> {
        let file: Arc<str> = paths.apply(&location.file).into();
        if !self.files.contains_key(&file) {
            let embedded = frame.embedded_source(&location.file).unwrap_or_default();
            let source = self.read(&file, embedded);
            self.files.insert(file.clone(), source);
        }
        let Some(Some(source)) = self.files.get(&file) else { return Vec::new() };
        let here = location.line;
        if here == 0 || here as usize > source.lines.len() {
            return Vec::new();
        }
        let last = here.saturating_add(around).min(source.lines.len() as u32);
        let lines = here.saturating_sub(around).max(1)..=last;
        let line = |number: u32| {
            let text = source.lines[number as usize - 1].replace('\t', "    ");
            Line { number, text: text.trim_end().chars().take(MAX_WIDTH).collect(), is_here: number == here }
        };
        lines.map(line).collect()
    }
}

/// Prints the lines around a place.
pub fn render(page: &mut Page, lines: &[Line]) -> io::Result<()> {
    let width = lines.last().map_or(0, |last| last.number.to_string().len()).max(4);
    for Line { number, text, is_here } in lines {
        let mark = if *is_here { '>' } else { ' ' };
        page.plain(format_args!("  {mark} {number:width$} "))?;
        page.piece(if *is_here { TextRole::Here } else { TextRole::Faint }, text)?;
        page.end()?;
    }
    Ok(())
}
