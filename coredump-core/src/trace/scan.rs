//! Finds traces in text, which is read in pieces of bounded size. Lines that cannot be part of a trace are skipped
//! quickly.

use std::io::{self, Read};
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::encoding::TextReader;
use super::group::{Groups, Line, behind, stream};
use super::{Trace, line};
use crate::lang::{go, python};

/// Bytes read at once.
const CHUNK: usize = 1 << 18;
/// The most bytes of a line; the rest of a longer line counts as further lines.
const MAX_LINE: usize = 1 << 20;
/// The number of bytes of text around traces that are kept until the traces are over.
const MAX_BLOCK: usize = 16 << 20;
/// The number of traces that are kept until others, interleaved with them, are over.
const MAX_TRACES: usize = 4096;
/// The number of bytes before a trace that are searched for the program's last words.
const HISTORY: usize = 4096;
/// The number of bytes before a trace in which the first line of a traceback of Go or Python is looked for. Go lists all
/// goroutines after it.
const FAR_HISTORY: usize = 64 << 10;

/// Texts of which every trace contains at least one.
static ANCHORS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| {
    let anchors =
        ["0x", "wasm-function[", "acktrace:", "stack trace:", "calling stack:", ".wasm:", "wasm://wasm/", "#00"];
    anchors.iter().map(|anchor| Finder::new(anchor.as_bytes())).collect()
});

/// The number of bytes before a string in its line that are used to tell streams apart.
const MAX_FRONT: usize = 1024;
/// The number of lines above a trace, in the same string, that are looked at.
const MAX_ABOVE: usize = 64;

/// Reads text and finds the traces in it. Text in UTF-16 is read as UTF-8, and lines that end in a carriage return
/// alone as lines that end in a line feed.
pub struct Scanner<R> {
    reader: TextReader<R>,
    buffer: Vec<u8>,
    /// The position in the buffer at which the next block begins; the text before it was returned.
    begin: usize,
    /// Up to which byte the buffer was searched.
    at: usize,
    /// The number of the line at `at`.
    line: u64,
    ended: bool,
    groups: Groups,
    marks: Vec<FrameMark>,
}

/// A piece of the text with all that belongs to its traces.
#[derive(Debug)]
pub struct ScannedText<'b> {
    /// The text.
    pub text: &'b [u8],
    /// Its traces, in the order in which they begin.
    pub traces: Vec<Trace>,
    /// The positions of their frames, in the order of the text.
    pub marks: Vec<FrameMark>,
}

/// The position of a frame in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameMark {
    /// Index of the trace in the block.
    pub trace: usize,
    /// Index of the frame in the trace.
    pub frame: usize,
    /// Byte index in the text at which more about the frame can be inserted.
    pub at: usize,
    /// The level to which the text is quoted there: 0 for a plain line, 1 in a JSON string, 2 in a JSON string within
    /// another.
    pub depth: u32,
    /// The text before the frame in its line, without colours.
    pub front: String,
}

impl<R: Read> Scanner<R> {
    /// Scans the text that `reader` gives.
    pub fn new(reader: R) -> Scanner<R> {
        Scanner {
            reader: TextReader::new(reader),
            buffer: Vec::new(),
            begin: 0,
            at: 0,
            line: 1,
            ended: false,
            groups: Groups::default(),
            marks: Vec::new(),
        }
    }

    /// The next piece of the text; `None` at its end. All pieces together are the whole text, in UTF-8. Fails as the
    /// reader does.
    pub fn next_block(&mut self) -> io::Result<Option<ScannedText<'_>>> {
        self.forget();
        loop {
            self.look();
            let waits = !self.groups.is_idle() && !self.is_full();
            if self.at > self.begin && !waits {
                return Ok(Some(self.block()));
            }
            if self.ended {
                return Ok(match self.at > self.begin {
                    true => Some(self.block()),
                    false => None,
                });
            }
            self.read()?;
        }
    }

    /// Returns true if the limits on what is kept are reached, so that open traces must be ended.
    fn is_full(&self) -> bool {
        self.at - self.begin > MAX_BLOCK || self.groups.over() >= MAX_TRACES
    }

    fn block(&mut self) -> ScannedText<'_> {
        self.groups.close();
        let (numbers, traces): (Vec<usize>, Vec<Trace>) = self.groups.take().into_iter().unzip();
        let mut marks = std::mem::take(&mut self.marks);
        let begin = std::mem::replace(&mut self.begin, self.at);
        for mark in &mut marks {
            mark.at -= begin;
            // The search cannot fail, since all traces are over.
            mark.trace = numbers.binary_search(&mark.trace).unwrap_or_default();
        }
        ScannedText { text: &self.buffer[begin..self.at], traces, marks }
    }

    /// Drops text that was returned, except the last part, which may have the last words before the next trace.
    fn forget(&mut self) {
        let dropped = self.begin.saturating_sub(FAR_HISTORY);
        if dropped > CHUNK || self.begin == self.buffer.len() {
            self.buffer.drain(..dropped);
            self.begin -= dropped;
            self.at -= dropped;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(())
    }

    /// Searches all complete lines. Stops after a line at which traces were found and all of them are over.
    fn look(&mut self) {
        let rest = &self.buffer[self.at..];
        let whole = match memchr::memrchr(b'\n', rest) {
            _ if self.ended => rest.len(),
            Some(last) => last + 1,
            None if rest.len() >= MAX_LINE => MAX_LINE,
            None => return,
        };
        let end = self.at + whole;
        if self.groups.is_idle() && !ANCHORS.iter().any(|anchor| anchor.find(&self.buffer[self.at..end]).is_some()) {
            self.line += memchr::memchr_iter(b'\n', &self.buffer[self.at..end]).count() as u64;
            self.at = end;
            return;
        }
        while self.at < end {
            let rest = &self.buffer[self.at..end];
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
            let (start, length) = (self.at, length.min(MAX_LINE));
            self.at += length;
            if !self.groups.is_idle() || ANCHORS.iter().any(|anchor| anchor.find(&rest[..length]).is_some()) {
                self.look_at(start);
            }
            self.line += u64::from(self.buffer[self.at - 1] == b'\n');
            if !self.marks.is_empty() && self.groups.is_idle() || self.is_full() {
                return;
            }
        }
    }

    /// Searches the line from `start` to `self.at`.
    fn look_at(&mut self, start: usize) {
        let bytes = &self.buffer[start..self.at];
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let segments = line::segments(bytes);
        let text = &self.buffer[..start];
        let mut found = 0;
        // The end of the last part with a frame, and the index of the next one.
        let (mut spent_end, mut unspent) = (0, 0);
        let mut strings = Vec::new();
        // The start of the text before the string that begins there, and that text.
        let (mut begin, mut front) = (0, String::new());
        for (index, segment) in segments.iter().enumerate() {
            let string = begin_of_string(&mut strings, segment);
            if segment.depth == 0 {
                (begin, front) = (0, String::new());
            } else if begin != string {
                (begin, front) = (string, line::clean(&bytes[..string.min(MAX_FRONT)]));
            }
            let line = Line { text: &segment.text, front: &front, number: self.line };
            let before = |spent: u64| {
                let lines = (self.line - 1).saturating_sub(spent) as usize;
                let history = last_part(text.strip_suffix(b"\n").unwrap_or(text));
                let above: Vec<&[u8]> = history.rsplit(|&byte| byte == b'\n').take(lines).collect();
                let above = above.into_iter().rev();
                if segment.depth > 0 {
                    let own = last_part(&bytes[begin.max(spent_end).min(segment.start)..segment.start]);
                    let above = above.flat_map(|line| in_string(line, &front, segment.depth));
                    return above.chain(line::lines_of_string(own, segment.depth)).collect();
                }
                let own = &segments[unspent.max(index.saturating_sub(MAX_ABOVE))..index];
                above.map(line::clean).chain(own.iter().map(|segment| segment.text.clone())).collect()
            };
            for placed in self.groups.line(&line, before) {
                found += 1;
                (spent_end, unspent) = (segment.end, index + 1);
                self.marks.push(FrameMark {
                    trace: placed.trace,
                    frame: placed.frame,
                    at: start + segment.end,
                    depth: segment.depth,
                    front: segment.text[..placed.start].to_owned(),
                });
            }
        }
        if self.ended && self.at == self.buffer.len() && self.buffer[self.at - 1] != b'\n' {
            self.groups.cut(self.line);
        }
        if found > 1 {
            self.groups.end_of_line(self.line);
        }
    }
}

/// The lines of the string in a line above that has the same text before it; the line itself if it has none.
fn in_string(above: &[u8], front: &str, depth: u32) -> Vec<String> {
    let text = String::from_utf8_lossy(above);
    match behind(&stream(front), &text) {
        string if string.len() < text.len() => line::lines_of_string(string.as_bytes(), depth),
        _ => vec![line::clean(above)],
    }
}

/// The end of a text that may hold the last words before a trace. If these are a traceback, it begins with that.
fn last_part(text: &[u8]) -> &[u8] {
    let near = &text[text.len().saturating_sub(HISTORY)..];
    let begins: &[&str] = if memmem::find(near, b"goroutine ").is_some() {
        &go::FAILURES
    } else if memmem::find(near, b"  File ").is_some() {
        &[python::traceback::TRACEBACK]
    } else {
        return near;
    };
    let far = &text[text.len().saturating_sub(FAR_HISTORY)..];
    let last = begins.iter().filter_map(|words| memmem::rfind(far, words.as_bytes())).max();
    // The line of the traceback counts from its beginning, where its prefix is.
    let line = |begin: usize| memchr::memrchr(b'\n', &far[..begin]).map_or(0, |end| end + 1);
    last.map_or(near, |begin| &far[line(begin).min(far.len() - near.len())..])
}

/// Returns the position at which the string begins that contains a segment. `strings` are the beginnings of the open
/// strings, by depth.
fn begin_of_string(strings: &mut Vec<usize>, segment: &line::LinePart) -> usize {
    // The segments of one string follow each other and have the same depth.
    strings.resize(segment.depth as usize + 1, segment.start);
    strings[segment.depth as usize]
}
