//! The lines of source around a place, read from disk: only regular files, never for an untrusted dump.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use coredump_core::backtrace::Location;

use crate::page::{Page, Piece};

/// Lines shown before and behind.
const AROUND: u32 = 2;
/// Larger files are no source.
const MAX_SIZE: u64 = 16 << 20;
/// A line is cut behind so many characters.
const MAX_WIDTH: usize = 160;

/// The source files read so far.
#[derive(Default)]
pub struct Sources {
    files: HashMap<Arc<str>, Option<Source>>,
    /// Folder of the binary: where relative paths are looked for besides the current folder.
    folder: Option<PathBuf>,
    binary_time: Option<SystemTime>,
    /// What a reader should know of the files.
    pub notes: Vec<String>,
}

struct Source {
    lines: Vec<String>,
}

impl Sources {
    /// Sets the binary whose sources are shown next.
    pub fn of_binary(&mut self, path: Option<&Path>) {
        let folder = path.and_then(Path::parent);
        if folder != self.folder.as_deref() {
            self.files.clear();
            self.folder = folder.map(Path::to_owned);
        }
        self.binary_time = path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
    }

    fn read(&mut self, file: &Arc<str>) -> Option<Source> {
        let path = Path::new(&**file);
        let beside = self.folder.as_deref().map(|folder| folder.join(path));
        let mut places = [Some(path.to_owned()), beside].into_iter().flatten();
        let found = places.find_map(|path| {
            let metadata = std::fs::metadata(&path).ok()?;
            (metadata.is_file() && metadata.len() <= MAX_SIZE).then_some((path, metadata))
        });
        let Some((path, metadata)) = found else {
            self.notes.push(format!("source {file} not found"));
            return None;
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.notes.push(format!("source {}: {error}", path.display()));
                return None;
            }
        };
        if let (Some(binary), Ok(source)) = (self.binary_time, metadata.modified())
            && source > binary
        {
            self.notes.push(format!("source {} is newer than the binary: its lines may have moved", path.display()));
        }
        let lines = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        Some(Source { lines })
    }

    /// Prints the lines around a place, if its file can be read.
    pub fn render(&mut self, page: &mut Page, location: &Location) -> io::Result<()> {
        if !self.files.contains_key(&location.file) {
            let source = self.read(&location.file);
            self.files.insert(location.file.clone(), source);
        }
        let Some(Some(source)) = self.files.get(&location.file) else { return Ok(()) };
        let here = location.line;
        if here as usize > source.lines.len() {
            return Ok(());
        }
        let last = here.saturating_add(AROUND).min(source.lines.len() as u32);
        let width = last.to_string().len().max(4);
        for number in here.saturating_sub(AROUND).max(1)..=last {
            let line = source.lines[number as usize - 1].replace('\t', "    ");
            let line: String = line.trim_end().chars().take(MAX_WIDTH).collect();
            let mark = if number == here { '>' } else { ' ' };
            page.plain(format_args!("  {mark} {number:width$} "))?;
            page.piece(if number == here { Piece::Here } else { Piece::Faint }, &line)?;
            page.end()?;
        }
        Ok(())
    }
}
