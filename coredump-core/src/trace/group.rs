//! Assigns frames to traces, whose lines may be interleaved.

use super::formats::{self, Recognised};
use super::{Engine, Printed, Trace, message};

/// The number of frames of one trace that are kept. Further ones are ignored.
pub(super) const MAX_FRAMES: usize = 1 << 16;
/// The number of traces that may be open at once.
const MAX_OPEN: usize = 64;
/// The number of traces that may begin in one line. Further ones are ignored.
const MAX_OF_LINE: usize = 256;
/// The number of lines of the same stream after the last frame that are searched for the engine's message.
const AFTER: u32 = 6;
/// After how many lines of any stream, without a frame of it, a trace is over.
const MAX_IDLE: u64 = 1000;

/// A trace that is not over.
#[derive(Debug)]
struct OpenTrace {
    id: usize,
    trace: Trace,
    /// The prefix of its lines, from `stream`.
    stream: String,
    /// The number that its next frame must have.
    next: u32,
    /// The number of lines of its stream that came since its last frame.
    idle: u32,
    /// The line of its last frame or its headline.
    touched: u64,
    /// True if more frames can follow.
    accepts: bool,
}

/// A line, or a part of one, and where it is.
pub(super) struct Line<'l> {
    /// The text without colours.
    pub text: &'l str,
    /// The text before it in its line, if it is only a part of one.
    pub front: &'l str,
    /// The number of the line.
    pub number: u64,
}

/// The open traces, and those that are over.
#[derive(Debug, Default)]
pub(super) struct Groups {
    open: Vec<OpenTrace>,
    made: usize,
    /// The number of a line, and how many traces began in it.
    begun: (u64, usize),
    done: Vec<(usize, Trace)>,
    /// The last line of each stream that is part of a trace: what stands above it is about no later trace. The streams
    /// that were met last come first.
    spent: Vec<(String, u64)>,
}

/// The trace to which the frame in a line belongs, and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The trace's number.
    pub trace: usize,
    /// The index of the frame in it.
    pub frame: usize,
    /// The position in the text at which the frame begins.
    pub start: usize,
}

impl Groups {
    /// Returns true if no trace is open.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the number of traces that are over.
    pub fn over(&self) -> usize {
        self.done.len()
    }

    /// The traces that are over, with their numbers.
    pub fn take(&mut self) -> Vec<(usize, Trace)> {
        let mut done = std::mem::take(&mut self.done);
        done.sort_by_key(|(id, _)| *id);
        self.made = 0;
        done
    }

    /// Processes a line and returns the frames in it. `before` gives the lines above it that come after the line with a
    /// number, the nearest last.
    pub fn line(&mut self, line: &Line<'_>, before: impl FnOnce(u64) -> Vec<String>) -> Vec<Placed> {
        self.expire(line.number);
        let stream = stream(line.front);
        let same = |open: &OpenTrace| same_stream(&open.stream, &stream, line.text);
        let after = self.open.iter().filter(|open| open.accepts && same(open)).max_by_key(|open| open.touched);
        let after = after.map(|open| open.trace.engine);
        match formats::recognise(line.text, after) {
            Some(Recognised::Headline(engine)) => {
                let stream = stream + &self::stream(indent(line.text));
                if self.may_begin(line.number) {
                    self.begin(engine, stream, line.number, before);
                }
                Vec::new()
            }
            Some(Recognised::Frame(engine, frame, start)) => {
                let stream = stream + &self::stream(&line.text[..start]);
                let placed = self.frame(engine, frame, stream, line.number, before);
                placed.map(|(trace, frame)| Placed { trace, frame, start }).into_iter().collect()
            }
            Some(Recognised::Offset(engine, offset)) => {
                let ours = |open: &&mut OpenTrace| open.accepts && open.trace.engine == engine;
                let open = self.open.iter_mut().filter(ours).max_by_key(|open| open.touched);
                if let Some(open) = open.filter(|open| same_stream(&open.stream, &stream, line.text)) {
                    (open.idle, open.touched) = (0, line.number);
                    // Only the first offset counts: further ones are of the frame's inlined functions.
                    if let Some(frame) = open.trace.frames.last_mut() {
                        frame.offset.get_or_insert(offset);
                    }
                }
                Vec::new()
            }
            Some(Recognised::Frames(engine, frames)) => {
                let mut before = Some(before);
                let mut placed = Vec::new();
                for frame in frames {
                    let before = before.take();
                    let lines = |after| before.map_or_else(Vec::new, |before| before(after));
                    let place = self.frame(engine, frame, stream.clone(), line.number, lines);
                    placed.extend(place.map(|(trace, frame)| Placed { trace, frame, start: 0 }));
                }
                placed
            }
            None => {
                let mut spent = Vec::new();
                for open in self.open.iter_mut().filter(|open| same_stream(&open.stream, &stream, line.text)) {
                    if open.other(line.text) {
                        spent.push(open.stream.clone());
                    }
                }
                spent.iter().for_each(|stream| self.spend(stream, line.number));
                self.close_if(|open| open.idle > AFTER);
                Vec::new()
            }
        }
    }

    /// Ends the traces that are in this line as a whole.
    pub fn end_of_line(&mut self, number: u64) {
        self.close_if(|open| open.trace.line == number && open.touched == number && !open.trace.frames.is_empty());
    }

    /// Notes that this line is the last of the text and lacks a line feed.
    pub fn cut(&mut self, number: u64) {
        for open in self.open.iter_mut().filter(|open| open.touched == number) {
            open.trace.cut = true;
        }
    }

    /// Ends all traces.
    pub fn close(&mut self) {
        self.close_if(|_| true);
    }

    fn expire(&mut self, number: u64) {
        self.close_if(|open| number - open.touched > MAX_IDLE);
    }

    fn close_if(&mut self, ends: impl Fn(&OpenTrace) -> bool) {
        let (ended, open) = std::mem::take(&mut self.open).into_iter().partition(ends);
        self.open = open;
        let ended: Vec<OpenTrace> = ended;
        self.done
            .extend(ended.into_iter().filter(|open| !open.trace.frames.is_empty()).map(|open| (open.id, open.trace)));
    }

    /// The last line of a stream that is part of a trace; 0 if there is none.
    fn spent(&self, stream: &str) -> u64 {
        self.spent.iter().find(|(spent, _)| spent == stream).map_or(0, |(_, line)| *line)
    }

    /// Notes that a line is part of a trace.
    fn spend(&mut self, stream: &str, line: u64) {
        match self.spent.iter().position(|(spent, _)| spent == stream) {
            Some(index) => self.spent[..=index].rotate_right(1),
            None => {
                self.spent.truncate(MAX_OPEN - 1);
                self.spent.insert(0, (stream.to_owned(), 0));
            }
        }
        self.spent[0].1 = line;
    }

    /// Counts a trace that begins in a line; returns whether the limit allows it.
    fn may_begin(&mut self, line: u64) -> bool {
        if self.begun.0 != line {
            self.begun = (line, 0);
        }
        self.begun.1 += 1;
        self.begun.1 <= MAX_OF_LINE
    }

    fn begin(
        &mut self,
        engine: Engine,
        stream: String,
        line: u64,
        before: impl FnOnce(u64) -> Vec<String>,
    ) -> &mut OpenTrace {
        // A stream has one trace at a time, unless frame numbers tell several apart.
        for open in self.open.iter_mut().filter(|open| open.stream == stream) {
            open.accepts &= open.trace.engine.numbers() && engine.numbers();
        }
        if self.open.len() >= MAX_OPEN {
            let oldest = self.open.iter().map(|open| open.touched).min();
            self.close_if(|open| Some(open.touched) == oldest);
        }
        let before = before(self.spent(&stream));
        let (message, said) = said_in(&stream, &before);
        let trace =
            Trace { engine, line, frames: Vec::new(), message, said, truncated: false, cut: false, tangled: false };
        self.open.push(OpenTrace { id: self.made, trace, stream, next: 0, idle: 0, touched: line, accepts: true });
        self.made += 1;
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn frame(
        &mut self,
        engine: Engine,
        frame: Printed,
        stream: String,
        line: u64,
        before: impl FnOnce(u64) -> Vec<String>,
    ) -> Option<(usize, usize)> {
        let fits = |open: &OpenTrace| {
            let kin = open.trace.engine == engine
                || (open.trace.frames.is_empty() && engine.numbers() == open.trace.engine.numbers());
            let next = frame.number.is_none_or(|number| number == open.next);
            // A headline may be indented less than its frames, and follow a timestamp that these do not have.
            let same = open.stream == stream || (open.trace.frames.is_empty() && open.touched + 2 >= line);
            open.accepts && kin && next && same
        };
        let joins: Vec<usize> = (0..self.open.len()).filter(|&index| fits(&self.open[index])).collect();
        let chosen = if engine.numbers() {
            // The trace whose last frame is longest ago gets this frame. Frames without numbers are assumed not to be
            // interleaved.
            joins.iter().copied().min_by_key(|&index| {
                (self.open[index].trace.frames.is_empty() && frame.number != Some(0), self.open[index].touched)
            })
        } else {
            joins.last().copied()
        };
        if engine.numbers() && joins.iter().filter(|&&index| !self.open[index].trace.frames.is_empty()).count() > 1 {
            for &index in &joins {
                self.open[index].trace.tangled = true;
            }
        }
        let open = match chosen {
            Some(index) => {
                let spent = self.spent(&stream);
                let open = &mut self.open[index];
                if open.trace.frames.is_empty() && open.stream != stream {
                    // The headline did not tell the prefix of the lines.
                    let mut above = before(spent);
                    above.truncate(above.len().saturating_sub((line - open.trace.line) as usize));
                    let (message, said) = said_in(&stream, &above);
                    open.trace.message = message.or(open.trace.message.take());
                    open.trace.said = said;
                }
                open
            }
            // A frame without an offset is too little evidence to begin a trace.
            None if frame.offset.is_none() && frame.number.is_some_and(|number| number > 0) => return None,
            None if !self.may_begin(line) => return None,
            None => self.begin(engine, stream.clone(), line, before),
        };
        if open.trace.frames.is_empty() {
            open.trace.engine = engine;
            open.trace.line = line;
            open.stream = stream.clone();
        }
        (open.next, open.idle, open.touched) = (frame.number.unwrap_or(open.next).saturating_add(1), 0, line);
        if open.trace.frames.len() >= MAX_FRAMES {
            open.trace.truncated = true;
            return None;
        }
        open.trace.frames.push(frame);
        let placed = (open.id, open.trace.frames.len() - 1);
        self.spend(&stream, line);
        Some(placed)
    }
}

impl OpenTrace {
    /// Processes a line of its stream that is no frame. Returns true if it is part of the trace.
    fn other(&mut self, text: &str) -> bool {
        if formats::belongs(text, self.trace.engine) {
            return true;
        }
        self.idle += 1;
        self.accepts &= self.trace.engine.numbers() || (self.trace.frames.is_empty() && self.idle < 3);
        // The line after a trace is taken for its message only if the engine prints it there; otherwise it may be the
        // headline of the next trace.
        if self.trace.message.is_none() && !self.trace.frames.is_empty() {
            self.trace.message = message::of_line(text);
            return self.trace.message.is_some();
        }
        false
    }
}

/// The white space at the beginning of a line.
fn indent(text: &str) -> &str {
    &text[..text.len() - text.trim_start().len()]
}

/// The prefix before a frame in a normalised form, by which the lines of one program are recognised: digits (times,
/// counters) and white space before the frame may differ.
pub(super) fn stream(front: &str) -> String {
    let mut stream = String::new();
    for character in front.trim_end().chars().take(512) {
        match character {
            '0'..='9' if stream.ends_with('0') => {}
            '0'..='9' => stream.push('0'),
            other => stream.push(other),
        }
    }
    stream
}

/// The engine's message and the program's last words in the lines above a trace of a stream.
fn said_in(stream: &str, above: &[String]) -> (Option<String>, Option<String>) {
    let above: Vec<&str> = above.iter().map(|line| behind(stream, line)).collect();
    (above.iter().rev().take(3).find_map(|line| message::of_line(line)), message::last_words(&above))
}

/// The text of a line behind the prefix of a stream. A line with another prefix stays whole.
pub(super) fn behind<'l>(stream: &str, line: &'l str) -> &'l str {
    let (mut rest, mut in_number, mut end) = (stream, false, 0);
    for (at, letter) in line.char_indices() {
        let digit = letter.is_ascii_digit();
        if rest.is_empty() && !(digit && in_number) {
            break;
        }
        if !(digit && in_number) {
            match rest.strip_prefix(if digit { '0' } else { letter }) {
                Some(other) => rest = other,
                None => return line,
            }
        }
        (in_number, end) = (digit, at + letter.len_utf8());
    }
    match rest {
        // The white space at the end of a prefix is not part of a stream.
        "" if end > 0 && !stream.ends_with('"') => line[end..].strip_prefix(' ').unwrap_or(&line[end..]),
        "" => &line[end..],
        _ => line,
    }
}

/// Returns true if a line, with the text before it, is of this stream.
fn same_stream(stream: &str, front: &str, text: &str) -> bool {
    match stream.strip_prefix(front) {
        Some("") => true,
        Some(rest) => self::stream(text.get(..text.floor_char_boundary(1024)).unwrap_or(text)).starts_with(rest),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{behind, stream};

    #[test]
    fn a_line_is_read_behind_the_prefix_of_its_stream() {
        let prefix = stream("2026-12-01T10:00:07 app-12 |     ");
        assert_eq!(behind(&prefix, "2027-01-31T23:59:00 app-7 | panic: boom"), "panic: boom");
        assert_eq!(behind(&prefix, "2027-01-31T23:59:00 app-7 | \tat 3"), "\tat 3");
        for other in ["2027-01-31T23:59:00 web-7 | panic: boom", "panic: boom", "2027", ""] {
            assert_eq!(behind(&prefix, other), other);
        }
        assert_eq!(behind("", " panic"), " panic");
        assert_eq!(behind("{\"log\":\"", "{\"log\":\"  File"), "  File");
        assert_eq!(behind(&stream("1234"), "56 é"), "é");
    }
}
