//! The lines of source around a place: from the debug info, if it holds the text, else from disk. There only regular files
//! are read, and none for an untrusted dump.
//!
//! Programs are built elsewhere, so the recorded path is often not there. Then its end is looked for (`app/src/main.c`, then
//! `src/main.c`) in the current folder, the binary's, and those of `--symbols-path`; a note says what was read instead.
//! Where the debug info has the MD5 of a file, no other one is shown.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use coredump_core::cli::path_map::PathMap;
use coredump_core::cli::sources;
use coredump_core::{EmbeddedSource, Frame, Location};

use crate::page::{Page, Piece};

/// Lines that text shows before a place, and after it.
pub const AROUND: u32 = 2;
/// A line is cut after so many characters.
const MAX_WIDTH: usize = 160;

/// The source files read so far.
#[derive(Default)]
pub struct Sources {
    files: HashMap<Arc<str>, Option<File>>,
    /// Whether files are read.
    from_disk: bool,
    /// Folders of `--symbols-path`.
    named: Vec<PathBuf>,
    binary: Option<PathBuf>,
    binary_time: Option<SystemTime>,
    /// What a reader should know of the files that were found.
    pub notes: Vec<String>,
    /// The files that were looked for and not found.
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
    /// Whether execution stood in it.
    pub is_here: bool,
}

impl File {
    fn new(text: &str) -> File {
        File { lines: text.lines().map(str::to_owned).collect() }
    }
}

impl Sources {
    /// Sources of which none is read yet. `named` are folders to look in; files are only read if `from_disk` says so.
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

    /// All that is to be said of the files.
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

    /// Whether a file was changed after the binary was made.
    fn is_newer(&self, path: &Path) -> bool {
        let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        self.binary_time.zip(changed).is_some_and(|(binary, changed)| changed > binary)
    }

    /// The lines around a place of `frame`, `around` before and as many after, if its file can be had.
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
        page.piece(if *is_here { Piece::Here } else { Piece::Faint }, text)?;
        page.end()?;
    }
    Ok(())
}
