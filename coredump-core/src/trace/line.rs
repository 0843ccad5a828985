//! Takes a line of text apart: removes escapes and colours, and finds where text can be inserted.

/// Backslashes before a character that are counted: JSON in JSON in JSON has four.
const MAX_ESCAPES: usize = 9;

/// A part of a line: all of it, or the text between two escaped line ends in it.
#[derive(Debug)]
pub(super) struct LinePart {
    /// The text without colours, with escaped tabs as tabs.
    pub text: String,
    /// The position in the line at which it begins.
    pub start: usize,
    /// The position in the line at which it ends, and text can be inserted.
    pub end: usize,
    /// The level to which it is quoted: 1 in a JSON string, 2 in a JSON string within another.
    pub depth: u32,
}

/// Splits a line (without its end) at escaped line ends, and at the quotes of JSON and of `key="value"` pairs.
pub(super) fn segments(line: &[u8]) -> Vec<LinePart> {
    let mut segments = Vec::new();
    let mut take = |start: usize, end: usize, depth: u32| {
        if start < end {
            segments.push(LinePart { text: clean(&line[start..end]), start, end, depth });
        }
    };
    // Quotes in a line that is neither JSON nor key-value pairs begin no string: names of functions may contain quotes.
    let quotes = memchr::memmem::find(line, b"{\"").or_else(|| memchr::memmem::find(line, b"=\""));
    let mut depth = 0;
    let mut start = 0;
    for at in memchr::memchr2_iter(b'"', b'n', line) {
        let backslashes = backslashes(&line[..at]);
        match line[at] {
            b'"' if quotes.is_some_and(|first| at > first) && (backslashes + 1).is_power_of_two() => {
                let level = (backslashes + 1).trailing_zeros();
                // A quote at the open level closes it; a quote at the next level opens that.
                let (end, next) = match () {
                    () if level + 1 == depth => (at - backslashes, level),
                    () if level == depth => (at - backslashes, depth + 1),
                    () => continue,
                };
                take(start, end, depth);
                (start, depth) = (at + 1, next);
            }
            b'n' if backslashes.is_power_of_two() && backslashes < MAX_ESCAPES => {
                let level = backslashes.trailing_zeros() + 1;
                // In a Windows path this may be no line end, but splitting there does no harm.
                if level < depth || (depth == 0 && level > 1) {
                    continue;
                }
                let part = without_carriage_return(&line[start..at - backslashes], backslashes);
                take(start, start + part.len(), level);
                start = at + 1;
            }
            _ => {}
        }
    }
    take(start, line.len(), depth);
    segments
}

/// The lines of a string that is quoted to a level, from its beginning on, or from somewhere in it, up to its end.
pub(super) fn lines_of_string(bytes: &[u8], depth: u32) -> Vec<String> {
    let escape = 1 << depth.saturating_sub(1).min(3);
    let mut lines = Vec::new();
    let (mut start, mut end) = (0, bytes.len());
    for at in memchr::memchr2_iter(b'"', b'n', bytes) {
        let backslashes = backslashes(&bytes[start..at]);
        match bytes[at] {
            b'"' if backslashes < escape => {
                end = at - backslashes;
                break;
            }
            b'n' if backslashes == escape => {
                lines.push(clean(without_carriage_return(&bytes[start..at - backslashes], escape)));
                start = at + 1;
            }
            _ => {}
        }
    }
    // A line end is the last thing in most strings.
    if start < end {
        lines.push(clean(&bytes[start..end]));
    }
    lines
}

/// The number of backslashes at the end of these bytes.
fn backslashes(bytes: &[u8]) -> usize {
    bytes.iter().rev().take(MAX_ESCAPES).take_while(|&&byte| byte == b'\\').count()
}

/// A line without the carriage return at its end, escaped by so many backslashes.
fn without_carriage_return(line: &[u8], backslashes: usize) -> &[u8] {
    line.strip_suffix(&[&vec![b'\\'; backslashes][..], b"r"].concat()[..]).unwrap_or(line)
}

/// The text without control sequences, with escaped tabs as tabs.
pub(super) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(['\x1b', '\\', '\r']) {
        return text.into_owned();
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find(['\x1b', '\\', '\r']) {
        cleaned.push_str(&rest[..at]);
        rest = &rest[at..];
        let skipped = sequence(rest);
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        let unescaped = rest.trim_start_matches('\\');
        let backslashes = rest.len() - unescaped.len();
        match unescaped.chars().next() {
            Some('t') if backslashes.is_power_of_two() => {
                cleaned.push('\t');
                rest = &unescaped[1..];
            }
            Some(quote @ '"') if (backslashes + 1).is_power_of_two() && backslashes > 0 => {
                cleaned.push(quote);
                rest = &unescaped[1..];
            }
            _ if rest.starts_with('\\') => {
                cleaned.push('\\');
                rest = &rest[1..];
            }
            // A carriage return at the end, or a progress line that was written over.
            _ => rest = &rest[1..],
        }
    }
    cleaned.push_str(rest);
    cleaned
}

/// The length of a control sequence (`ESC [ … m`, also with its first character escaped as JSON does) that `text`
/// begins with; 0 if there is none.
pub(super) fn sequence(text: &str) -> usize {
    let after = text.strip_prefix('\x1b').or_else(|| {
        let unescaped = text.trim_start_matches('\\');
        let escaped = unescaped.len() < text.len();
        let hex = |start: &str| {
            unescaped
                .get(..start.len())
                .filter(|got| got.eq_ignore_ascii_case(start))
                .map(|_| &unescaped[start.len()..])
        };
        hex("u001b").or_else(|| hex("x1b")).filter(|_| escaped)
    });
    let Some(after) = after.and_then(|after| after.strip_prefix('[')) else { return 0 };
    let parameters = after.bytes().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
    match after.as_bytes().get(parameters) {
        Some(0x40..=0x7e) => text.len() - after.len() + parameters + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        segments(line.as_bytes()).into_iter().map(|segment| segment.text).collect()
    }

    #[test]
    fn a_string_in_json_has_lines() {
        let lines = |text: &str, depth| lines_of_string(text.as_bytes(), depth);
        let quoted = r#"Traceback:\n  File \"a.py\", line 3\r\n\tx\n","stream":"err\n"}"#;
        assert_eq!(lines(quoted, 1), ["Traceback:", "  File \"a.py\", line 3", "\tx"]);
        assert_eq!(lines(r#"one\\n  \\\"two\\\"\",\"next\":\"x\"}""#, 2), ["one", "  \"two\""]);
        assert_eq!(lines(r"C:\\new\n", 1), [r"C:\\new"], "an escaped backslash is no line end");
        assert_eq!(lines("", 1), Vec::<String>::new());
        assert_eq!(lines("\\\\\\\\n\"", 40).len(), 1);
    }

    fn depth_and_rest<'a>(line: &'a str, text: &str) -> (u32, &'a str) {
        let segments = segments(line.as_bytes());
        let found = segments.into_iter().find(|segment| segment.text.starts_with(text)).expect(text);
        (found.depth, &line[found.end..])
    }

    #[test]
    fn a_line_of_json_is_split_at_escaped_line_ends() {
        let line = r#"{"level":"error","msg":"trap\n  0: 0x1 - a!b\r\n\t1: 0x2 - a!c","n":1}"#;
        assert_eq!(depth_and_rest(line, "  0:"), (1, r#"\r\n\t1: 0x2 - a!c","n":1}"#));
        assert_eq!(depth_and_rest(line, "\t1:"), (1, r#"","n":1}"#));
        assert!(texts(line).contains(&"\t1: 0x2 - a!c".to_owned()));
    }

    #[test]
    fn a_string_in_a_string_is_split_as_well() {
        let line = r#"{"log":"{\"msg\":\"trap\\n0: 0x1 - a!b\\n1: 0x2 - a!c\"}\n","stream":"stderr"}"#;
        assert_eq!(depth_and_rest(line, "0:"), (2, r#"\\n1: 0x2 - a!c\"}\n","stream":"stderr"}"#));
        assert_eq!(depth_and_rest(line, "1:"), (2, r#"\"}\n","stream":"stderr"}"#));
        assert_eq!(depth_and_rest(r#"{"log":"{\"msg\":\"0: 0x1 - a!b\"}\n"}"#, "0:"), (2, r#"\"}\n"}"#));
        assert_eq!(depth_and_rest(r#"level=error msg="0: 0x1 - a!b" n=1"#, "0:"), (1, r#"" n=1"#));
    }

    #[test]
    fn quotes_of_plain_text_mean_nothing() {
        let line = r#"  0: 0x1 - operator"" _x"#;
        assert_eq!(depth_and_rest(line, "  0:"), (0, ""));
        assert_eq!(texts(line).len(), 1);
    }

    #[test]
    fn colours_are_left_out() {
        assert_eq!(clean(b"at \x1b[0m\x1b[1mf\x1b[0m (x)"), "at f (x)");
        assert_eq!(clean(br"at \u001b[1mf\u001b[0m C:\x"), r"at f C:\x");
        assert_eq!(clean(b"\x1b"), "");
    }
}
