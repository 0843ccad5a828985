//! Text with traces in it, read in pieces of bounded size. Where nothing can be a trace, lines are not looked at.

use std::io::{self, Read};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::encoding::Text;
use super::group::{Groups, Line};
use super::{Trace, line};

/// Bytes read at once.
const CHUNK: usize = 1 << 18;
/// Bytes of one line that are looked at together; of a longer one the rest counts as other lines.
const MAX_LINE: usize = 1 << 20;
/// Bytes of text around traces that are kept until the traces are over.
const MAX_BLOCK: usize = 16 << 20;
/// Traces that are kept until others, whose lines stand among theirs, are over.
const MAX_TRACES: usize = 4096;
/// Bytes before a trace in which the program's last words are looked for.
const HISTORY: usize = 4096;

/// What some part of each trace holds.
static ANCHORS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| {
    let anchors = ["0x", "wasm-function[", "acktrace:", "stack trace:", "calling stack:", ".wasm:", "#00"];
    anchors.iter().map(|anchor| Finder::new(anchor.as_bytes())).collect()
});

/// Bytes before a string in its line that tell whose it is.
const MAX_FRONT: usize = 1024;
/// Lines of one string above a trace that are looked at.
const MAX_ABOVE: usize = 64;

/// Reads text and finds the traces in it. Text in UTF-16 is read as UTF-8, and lines that end in a carriage return alone as
/// lines that end in a line feed.
pub struct Scanner<R> {
    reader: Text<R>,
    buffer: Vec<u8>,
    /// Where the next block begins; what stands before it was given out.
    begin: usize,
    /// Up to where the buffer was looked at.
    at: usize,
    /// The number of the line at `at`.
    line: u64,
    ended: bool,
    groups: Groups,
    marks: Vec<Mark>,
}

/// A piece of the text with all that belongs to its traces.
#[derive(Debug)]
pub struct Block<'b> {
    /// The text.
    pub text: &'b [u8],
    /// Its traces, in the order in which they begin.
    pub traces: Vec<Trace>,
    /// Where their frames stand, in the order of the text.
    pub marks: Vec<Mark>,
}

/// Where in a text a frame stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// Index of the trace in the block.
    pub trace: usize,
    /// The frame in it.
    pub frame: usize,
    /// Where in the text more can be put in about it.
    pub at: usize,
    /// How often the text is quoted there: 0 for a line, 1 in a JSON string, 2 in one inside of another.
    pub depth: u32,
    /// What stands before the frame in its line, without colours.
    pub front: String,
}

impl<R: Read> Scanner<R> {
    /// Scans the text that `reader` gives.
    pub fn new(reader: R) -> Scanner<R> {
        Scanner {
            reader: Text::new(reader),
            buffer: Vec::new(),
            begin: 0,
            at: 0,
            line: 1,
            ended: false,
            groups: Groups::default(),
            marks: Vec::new(),
        }
    }

    /// The next piece of the text; `None` at its end. All pieces together are the text, in UTF-8.
    pub fn next_block(&mut self) -> io::Result<Option<Block<'_>>> {
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

    /// Whether no more is kept until the traces are over.
    fn is_full(&self) -> bool {
        self.at - self.begin > MAX_BLOCK || self.groups.over() >= MAX_TRACES
    }

    fn block(&mut self) -> Block<'_> {
        self.groups.close();
        let (numbers, traces): (Vec<usize>, Vec<Trace>) = self.groups.take().into_iter().unzip();
        let mut marks = std::mem::take(&mut self.marks);
        let begin = std::mem::replace(&mut self.begin, self.at);
        for mark in &mut marks {
            mark.at -= begin;
            // The trace's number is among those that are over: all are.
            mark.trace = numbers.binary_search(&mark.trace).unwrap_or_default();
        }
        Block { text: &self.buffer[begin..self.at], traces, marks }
    }

    /// Drops what was given out, but for what may still tell why the next trace is there.
    fn forget(&mut self) {
        let dropped = self.begin.saturating_sub(HISTORY);
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

    /// Looks at all lines that are whole. Ends early, after a line, when traces were found and all of them are over.
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

    /// Looks at the line from `start` to `self.at`.
    fn look_at(&mut self, start: usize) {
        let bytes = &self.buffer[start..self.at];
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let segments = line::segments(bytes);
        let history = &self.buffer[start.saturating_sub(HISTORY)..start];
        let mut found = 0;
        let mut strings = Vec::new();
        // What stands before the string that begins there.
        let (mut begin, mut front) = (0, String::new());
        for (index, segment) in segments.iter().enumerate() {
            let string = begin_of_string(&mut strings, segment);
            if segment.depth == 0 {
                (begin, front) = (0, String::new());
            } else if begin != string {
                (begin, front) = (string, line::clean(&bytes[..string.min(MAX_FRONT)]));
            }
            let line = Line { text: &segment.text, front: &front, number: self.line };
            let before = || {
                let above = history.split(|&byte| byte == b'\n').map(line::clean);
                let own = &segments[index.saturating_sub(MAX_ABOVE)..index];
                above.chain(own.iter().map(|segment| segment.text.clone())).collect()
            };
            for placed in self.groups.line(&line, before) {
                found += 1;
                self.marks.push(Mark {
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

/// Where the string begins that a part of a line stands in. `strings` are the beginnings of those that are open, by depth.
fn begin_of_string(strings: &mut Vec<usize>, segment: &line::Segment) -> usize {
    // What stands between two quotes of the same string are parts of the same depth, one after the other.
    strings.resize(segment.depth as usize + 1, segment.start);
    strings[segment.depth as usize]
}
