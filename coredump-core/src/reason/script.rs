//! Tracebacks that interpreters print for uncaught exceptions, found in the guest's standard error.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{Panic, PanicSource};
use crate::lang::go;
use crate::lang::python::traceback::{self, BETWEEN, TRACEBACK};
use crate::lang::python::{Chained, Uncaught};

/// The number of functions of one traceback that are kept, of the youngest.
const MAX_FRAMES: usize = 256;
/// Longest line of a traceback that is read, in bytes.
const MAX_LINE: usize = 4096;

/// A function in the traceback that an interpreter printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFrame {
    /// Its name, as the interpreter prints it: `<module>` and `<lambda>` of Python are names too.
    pub function: Option<String>,
    /// The file of its source, as the interpreter saw it.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1, where the interpreter prints it.
    pub column: Option<u32>,
}

static PYTHON_FRAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^  File "([^"\n]+)", line ([0-9]+)(?:, in (.+))?$"#).ok());
static PYTHON_ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[A-Za-z_][A-Za-z0-9_.]*(?:$|: )").ok());
/// SpiderMonkey: `lookup@shop.js:4:11`.
static AT_SIGN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^  ([^@\n]*)@([^\n]+?):([0-9]+)(?::([0-9]+))?$").ok());
/// V8 and QuickJS: `    at lookup (shop.js:4:11)`, `    at shop.js:4:11`.
static AT_WORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^ {4}at (?:(?:async )?([^\n(]+) \()?([^\n()]+?):([0-9]+)(?::([0-9]+))?\)?$").ok());
static SCRIPT_ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:^|Uncaught (?:\(in promise\) )?)([A-Z][A-Za-z0-9]*(?:Error|Exception)(?:$|: .*))$").ok()
});
/// The number of exceptions before the last that are kept.
const MAX_CHAIN: usize = 64;
/// The message of componentize-py's runtime when a function of the program has thrown.
const PYTHON_THREW: &str = "Python function threw an unexpected exception";

/// The exception that ended the program. Its traceback is the last thing in the text, except for the runtime's own
/// message that follows from it.
pub fn uncaught(text: &str) -> Option<Panic> {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    python(&lines).or_else(|| spider_monkey(&lines)).or_else(|| v8(&lines))
}

/// The failure of a Go program with the traceback that it prints. A dump has better: the goroutines in its memory.
pub fn of_go(text: &str) -> Option<Panic> {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    let found = go::traceback(&lines)?;
    let frames = found.frames.iter().take(MAX_FRAMES).map(|frame| ScriptFrame {
        function: Some(frame.function.to_owned()),
        file: frame.file.to_owned(),
        line: frame.line,
        column: None,
    });
    let frames = frames.collect();
    let message = Some(found.message.to_owned());
    let source = PanicSource::GuestStderr;
    Some(Panic { language: "go", message, location: None, source, frames, chain: Vec::new() })
}

/// Returns true if the message only says that a function of the program has thrown.
pub fn only_threw(panic: &Panic) -> bool {
    panic.message.as_deref().is_some_and(|message| message.contains(PYTHON_THREW))
}

/// The exception that ended the program, from memory.
pub fn in_memory(found: Uncaught) -> Option<Panic> {
    let frames = found.frames.iter().take(MAX_FRAMES).map(|frame| {
        Some(ScriptFrame {
            function: Some(frame.function.to_string()),
            file: frame.file.as_deref()?.to_owned(),
            line: frame.line?,
            column: frame.column,
        })
    });
    let frames = frames.collect::<Option<Vec<_>>>()?;
    Some(Panic { source: PanicSource::Stack, chain: found.chain, ..panic("python", Some(found.message), frames)? })
}

fn panic(language: &'static str, message: Option<String>, frames: Vec<ScriptFrame>) -> Option<Panic> {
    let first = frames.first()?;
    let column = first.column.map_or(String::new(), |column| format!(":{column}"));
    let location = Some(format!("{}:{}{column}", first.file, first.line));
    Some(Panic { language, message, location, source: PanicSource::GuestStderr, frames, chain: Vec::new() })
}

fn matched<'t>(regex: &LazyLock<Option<Regex>>, line: &'t str) -> Option<Captures<'t>> {
    if line.len() <= MAX_LINE { regex.as_ref()?.captures(line) } else { None }
}

fn frame(captures: &Captures<'_>, function: usize, file: usize, line: usize, column: usize) -> Option<ScriptFrame> {
    let text = |group| captures.get(group).map(|group| group.as_str());
    Some(ScriptFrame {
        function: text(function).filter(|name| !name.is_empty()).map(str::to_owned),
        file: text(file)?.to_owned(),
        line: text(line)?.parse().ok().filter(|&line| line > 0)?,
        column: text(column).and_then(|column| column.parse().ok()).filter(|&column| column > 0),
    })
}

/// CPython's format: a line for each function, oldest first, each followed by its source line, and then the exception.
fn python(lines: &[&str]) -> Option<Panic> {
    let last = last_traceback(lines)?;
    let (mut frames, error, rest) = traceback(&last.lines)?;
    // The text that the program printed after the traceback, if it went on.
    let after = last.rest.unwrap_or(rest);
    let panicked = |pair: &[&str]| {
        pair[0].starts_with("thread '") && pair[0].contains(" panicked at ") && pair[1].contains(PYTHON_THREW)
    };
    let given_up = after.windows(2).position(panicked);
    // The message may have more lines: all text before the runtime's own message, if there is one.
    let more = given_up.map_or(after, |at| &after[..at]);
    let more: Vec<&str> = more.iter().map(|line| line.trim_end()).collect();
    let more = &more[..more.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1)];
    if !more.is_empty() && given_up.is_none() {
        return None;
    }
    let error = [&[error][..], more].concat().join("\n");
    frames.reverse();
    frames.truncate(MAX_FRAMES);
    Some(Panic { chain: before(&lines[..last.begin]), ..panic("python", Some(error), frames)? })
}

/// The margin of an exception group's own traceback.
const MARGIN: &str = "  | ";

/// A traceback in a text.
struct Traceback<'l, 't> {
    /// The line that it begins with.
    begin: usize,
    /// The lines after the first, without the margin.
    lines: Cow<'l, [&'t str]>,
    /// The lines after those with a margin; `None` for a traceback without a margin, whose end only its contents show.
    rest: Option<&'l [&'t str]>,
}

/// The last traceback that begins in these lines.
fn last_traceback<'l, 't>(lines: &'l [&'t str]) -> Option<Traceback<'l, 't>> {
    let begin = traceback::last(lines)?;
    let after = &lines[begin + 1..];
    if lines[begin] == TRACEBACK {
        return Some(Traceback { begin, lines: Cow::Borrowed(after), rest: None });
    }
    let is_inside = |line: &&str| ["  |", "  +", "    "].iter().any(|start| line.starts_with(start));
    let end = after.iter().position(|line| !is_inside(line)).unwrap_or(after.len());
    let own = after[..end].iter().filter_map(|line| line.strip_prefix(MARGIN)).collect();
    Some(Traceback { begin, lines: Cow::Owned(own), rest: Some(&after[end..]) })
}

/// Reads a traceback: its functions, oldest first, the line of the exception, and the lines after it.
fn traceback<'l, 't>(lines: &'l [&'t str]) -> Option<(Vec<ScriptFrame>, &'t str, &'l [&'t str])> {
    let mut frames = Vec::new();
    for (nth, line) in lines.iter().enumerate() {
        match matched(&PYTHON_FRAME, line) {
            Some(found) => frames.push(frame(&found, 3, 1, 2, 9)?),
            None if line.starts_with("  ") || line.trim().is_empty() => {}
            None => return matched(&PYTHON_ERROR, line).map(|_| (frames, *line, &lines[nth + 1..])),
        }
    }
    None
}

/// The chained exceptions before the last one, latest first; they are printed in the order in which they were raised.
/// `lines` are the lines before the last traceback.
fn before(mut lines: &[&str]) -> Vec<Chained> {
    let mut chain = Vec::new();
    while chain.len() < MAX_CHAIN {
        let Some(end) = lines.iter().rposition(|line| !line.trim().is_empty()) else { break };
        let Some(&(_, is_cause)) = BETWEEN.iter().find(|(words, _)| *words == lines[end]) else { break };
        let Some(found) = last_traceback(&lines[..end]) else { break };
        let Some((_, message, _)) = traceback(&found.lines) else { break };
        chain.push(Chained { message: message.to_owned(), is_cause });
        lines = &lines[..found.begin];
    }
    chain
}

/// StarlingMonkey's format: the message, `Stack:`, a line for each function, youngest first.
fn spider_monkey(lines: &[&str]) -> Option<Panic> {
    let begin = lines.iter().rposition(|line| *line == "Stack:")?;
    let found: Vec<_> = lines[begin + 1..].iter().map_while(|line| matched(&AT_SIGN, line)).collect();
    let rest = &lines[begin + 1 + found.len()..];
    let ends = |line: &&str| line.trim().is_empty() || line.starts_with("Redirecting call to abort()");
    if !rest.iter().all(ends) {
        return None;
    }
    let frames = found.iter().take(MAX_FRAMES).map(|found| frame(found, 1, 2, 3, 4)).collect::<Option<Vec<_>>>()?;
    // componentize-js's wrapper around an export is no function of the program.
    let own = |frame: &ScriptFrame| !frame.file.ends_with("/sources/initializer.js");
    let message = begin.checked_sub(1).map(|at| lines[at].to_owned()).filter(|line| !line.trim().is_empty());
    panic("javascript", message, frames.into_iter().filter(own).collect())
}

/// A frame as V8 and QuickJS print it.
fn at_word<'t>(line: &'t str) -> Option<Captures<'t>> {
    if line.starts_with("    at ") { matched(&AT_WORD, line) } else { None }
}

/// The format of V8 and QuickJS: the message, a line for each function, youngest first.
fn v8(lines: &[&str]) -> Option<Panic> {
    let last = lines.iter().rposition(|line| !line.trim().is_empty())?;
    at_word(lines[last])?;
    let begin = lines[..last].iter().rposition(|line| at_word(line).is_none())?;
    let message = matched(&SCRIPT_ERROR, lines[begin])?.get(1)?.as_str().to_owned();
    let found = lines[begin + 1..=last].iter().take(MAX_FRAMES).map(|line| at_word(line));
    let frames = found.map(|found| frame(&found?, 1, 2, 3, 4)).collect::<Option<Vec<_>>>()?;
    panic("javascript", Some(message), frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(String, String, Vec<String>)> {
        let panic = uncaught(text)?;
        let frames = panic.frames.iter().map(|frame| {
            let name = frame.function.as_deref().unwrap_or("?");
            format!("{name} {}:{}", frame.file, frame.line)
        });
        Some((panic.message?, panic.location?, frames.collect()))
    }

    /// As CPython 3.14 in a component of componentize-py 0.25.1 prints it, which has no source files.
    const PYTHON: &str = "Traceback (most recent call last):\n  File \"/0/app.py\", line 3, in quote\n  File \"/0/app.py\", line 7, in lookup\nKeyError: 'gift'\n";

    #[test]
    fn a_traceback_of_python_is_the_reason() {
        let frames = vec!["lookup /0/app.py:7".to_owned(), "quote /0/app.py:3".to_owned()];
        let wanted = Some(("KeyError: 'gift'".to_owned(), "/0/app.py:7".to_owned(), frames));
        assert_eq!(told(PYTHON), wanted);
        let panicked = "\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1280:25:\nPython function threw an unexpected exception\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(told(&format!("{PYTHON}{panicked}")), wanted);
    }

    #[test]
    fn one_that_the_program_survived_is_not() {
        assert_eq!(told(&format!("{PYTHON}retrying\n")), None);
        assert_eq!(told(&format!("{PYTHON}thread 'main' (1) panicked at src/main.rs:1:2:\nanother matter\n")), None);
        assert_eq!(
            told("Traceback (most recent call last):\n  File \"/0/app.py\", line 3, in quote\n"),
            None,
            "cut off"
        );
    }

    #[test]
    fn of_exceptions_that_followed_each_other_the_last_ended_the_program() {
        let text = format!(
            "{PYTHON}\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/0/app.py\", line 9, in <module>\n    f(1)\n    ~^^^\n  [Previous line repeated 3 more times]\nshop.errors.Closed\n"
        );
        let wanted =
            ("shop.errors.Closed".to_owned(), "/0/app.py:9".to_owned(), vec!["<module> /0/app.py:9".to_owned()]);
        assert_eq!(told(&text), Some(wanted));
        let chain = |text: &str| uncaught(text).map(|panic| panic.chain).unwrap_or_default();
        let context = Chained { message: "KeyError: 'gift'".to_owned(), is_cause: false };
        assert_eq!(chain(&text), std::slice::from_ref(&context));
        // The first was raised `from` another one.
        let text = format!(
            "{PYTHON}\nThe above exception was the direct cause of the following exception:\n\n{}",
            text.replace("KeyError: 'gift'", "OSError")
        );
        let middle = Chained { message: "OSError".to_owned(), ..context.clone() };
        assert_eq!(chain(&text), [middle, Chained { is_cause: true, ..context }]);
        assert_eq!(chain(PYTHON), [], "it goes back to none");
    }

    #[test]
    fn a_message_may_have_more_lines_where_the_runtime_gives_up() {
        let text = PYTHON.replace("KeyError: 'gift'", "ValueError: first\n\n  second\n");
        assert_eq!(told(&text), None, "the program may have gone on");
        let text = format!(
            "{text}\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1:2:\nPython function threw an unexpected exception\n"
        );
        assert_eq!(told(&text).unwrap().0, "ValueError: first\n\n  second");
    }

    #[test]
    fn a_group_of_exceptions_is_the_reason() {
        // As CPython 3.14 prints it.
        let group = "  + Exception Group Traceback (most recent call last):\n  |   File \"/0/app.py\", line 143, in go\n  |   File \"/0/app.py\", line 108, in groups\n  | ExceptionGroup: several (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File \"/0/app.py\", line 106, in one\n    | ValueError: first\n    +------------------------------------\n";
        let frames = vec!["groups /0/app.py:108".to_owned(), "go /0/app.py:143".to_owned()];
        let message = "ExceptionGroup: several (1 sub-exception)".to_owned();
        let wanted = (message.clone(), "/0/app.py:108".to_owned(), frames);
        assert_eq!(told(group), Some(wanted.clone()));
        let given_up = "\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1707:25:\nPython function threw an unexpected exception\n";
        assert_eq!(told(&format!("{group}{given_up}")), Some(wanted));
        assert_eq!(told(&format!("{group}going on\n")), None);
        // The group has another exception as its cause, and is the cause of one itself.
        let after = "\nThe above exception was the direct cause of the following exception:\n\n";
        let chain = |text: &str| uncaught(text).map(|panic| panic.chain).unwrap_or_default();
        let first = Chained { message: "KeyError: 'gift'".to_owned(), is_cause: true };
        assert_eq!(chain(&format!("{PYTHON}{after}{group}")), std::slice::from_ref(&first));
        let group_first = Chained { message, is_cause: true };
        assert_eq!(chain(&format!("{PYTHON}{after}{group}{after}{PYTHON}")), [group_first, first]);
    }

    #[test]
    fn a_stack_of_javascript_is_the_reason() {
        // As StarlingMonkey in a component of componentize-js 0.19.3 prints it.
        let text = "no such item: gift\nStack:\n  lookup@shop.js:4:11\n  quote@shop.js:8:45\n  export_quote@/tmp/8f2d4c94d2ce/sources/initializer.js:23:21\n\nRedirecting call to abort() to mozalloc_abort\n\n";
        let frames = vec!["lookup shop.js:4".to_owned(), "quote shop.js:8".to_owned()];
        assert_eq!(told(text), Some(("no such item: gift".to_owned(), "shop.js:4:11".to_owned(), frames)));
        let text = "Uncaught TypeError: not a function\n    at lookup (shop.js:4:11)\n    at shop.js:8\n";
        let frames = vec!["lookup shop.js:4".to_owned(), "? shop.js:8".to_owned()];
        assert_eq!(told(text), Some(("TypeError: not a function".to_owned(), "shop.js:4:11".to_owned(), frames)));
        assert_eq!(told("a table\n    at home: 3\n"), None);
    }
}
