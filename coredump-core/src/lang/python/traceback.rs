//! The lines of the tracebacks that CPython prints (`Lib/traceback.py`, `Python/traceback.c`).

/// The first line of a traceback.
pub const TRACEBACK: &str = "Traceback (most recent call last):";
/// The first line of the traceback of an exception group, which is indented by a margin together with those of its
/// members.
pub const GROUP: &str = "  + Exception Group Traceback (most recent call last):";
/// The lines between the tracebacks of chained exceptions, and whether the later one was raised `from` the earlier.
pub const BETWEEN: [(&str, bool); 2] = [
    ("The above exception was the direct cause of the following exception:", true),
    ("During handling of the above exception, another exception occurred:", false),
];

/// The first line of the last traceback in these lines.
pub fn last(lines: &[&str]) -> Option<usize> {
    lines.iter().rposition(|line| *line == TRACEBACK || *line == GROUP)
}

/// The first line of the last traceback, or of the first one that led to it.
pub fn first_of_chain(lines: &[&str]) -> Option<usize> {
    let mut begin = last(lines)?;
    while let Some(end) = lines[..begin].iter().rposition(|line| !line.trim().is_empty())
        && BETWEEN.iter().any(|(words, _)| *words == lines[end])
        && let Some(earlier) = last(&lines[..end])
    {
        begin = earlier;
    }
    Some(begin)
}
