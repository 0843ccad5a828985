//! Finds the text beside a trace: the engine's message for the trap, and the program's own last words.

use crate::lang::{go, python};

/// The kinds of traps and the messages that engines have for them.
const MESSAGES: &str = include_str!("messages.txt");

/// The words before the message in a line that reports a trap: many hosts print "unreachable" alone.
const BEFORE: [&str; 14] = [
    "wasm trap:",
    "wasm error:",
    "[trap]",
    "runtimeerror",
    "rangeerror",
    "internalerror",
    "trap:",
    "trapped:",
    "exception:",
    "execution failed:",
    "uncaught",
    "wasm `unreachable`",
    "error:",
    "memory fault at wasm address",
];

/// The number of bytes of a line that are searched for a message.
const MAX_LINE: usize = 16 << 10;
/// The number of bytes of a message that are kept.
const MAX_MESSAGE: usize = 1024;

/// The message that a line holds, from the words that introduce it.
pub(super) fn of_line(line: &str) -> Option<String> {
    let lower = line[..line.floor_char_boundary(MAX_LINE)].to_ascii_lowercase();
    let before = BEFORE.iter().filter_map(|before| lower.find(before)).min()?;
    kind_in(&lower[before..])?;
    let message = line[before..].trim_end();
    Some(message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned())
}

/// The kind of reason that a message stands for, if any.
pub fn kind(message: &str) -> Option<&'static str> {
    kind_in(&message.to_ascii_lowercase()).filter(|kind| *kind != "-")
}

fn kind_in(lower: &str) -> Option<&'static str> {
    // JavaScriptCore's messages quote the call, whose text is the program's and not the engine's
    // (findings/javascriptcore-quotes-the-caller.sh).
    let lower = lower.split(" (evaluating '").next()?;
    let rules = MESSAGES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    rules.into_iter().find(|(_, words)| lower.contains(words)).map(|(kind, _)| kind)
}

/// The number of lines of the program's own last words that are kept.
const MAX_SAID: usize = 4;

/// The number of lines of a program's own traceback that are kept.
const MAX_TRACEBACK: usize = 512;

/// The program's own last words, from the lines before a trace: a panic, a failed assertion. Those of Go end with the
/// traceback of the goroutine that failed, those of Python begin with a traceback, and JavaScript's have a stack.
pub(super) fn last_words(lines: &[&str]) -> Option<String> {
    if let Some(begin) = python::traceback::first_of_chain(lines).or_else(|| script_stack(lines)) {
        let of_host = |line: &&&str| line.starts_with("Error: ") || line.starts_with("Caused by:");
        let said = lines[begin..].iter().take(MAX_TRACEBACK).take_while(|line| !of_host(line));
        return Some(said.map(|line| format!("{line}\n")).collect());
    }
    let begins = |line: &&str| {
        line.contains("panicked at")
            || line.contains("Assertion failed:")
            || line.contains("assertion failed")
            || go::fails(line)
            || line.starts_with("abort: ")
            || line.contains("terminating")
    };
    let start = lines.iter().rposition(begins)?;
    // Rust's message may itself contain these words: the first line of a panic is the one with the location.
    let start = match start.checked_sub(1) {
        Some(above) if lines[above].contains("panicked at") => above,
        _ => start,
    };
    let said = &lines[start..];
    if let Some(traceback) = said.iter().take(MAX_TRACEBACK).position(|line| go::is_goroutine(line)) {
        let length = said[traceback..].iter().take(MAX_TRACEBACK).take_while(|line| !line.trim().is_empty()).count();
        return Some(said[..traceback + length].join("\n") + "\n");
    }
    let ends = |line: &&&str| {
        !line.trim().is_empty()
            && !["note:", "Error", "Caused by", "wasm://", "RuntimeError", "Stack"]
                .iter()
                .any(|end| line.starts_with(end))
    };
    let said: Vec<&str> = said.iter().take(MAX_SAID).take_while(ends).copied().collect();
    Some(said.join("\n") + "\n")
}

/// The message above the last stack of StarlingMonkey, whose frames are as `  lookup@shop.js:4:11`.
fn script_stack(lines: &[&str]) -> Option<usize> {
    let stack = lines.iter().rposition(|line| *line == "Stack:")?;
    let first = lines.get(stack + 1)?;
    (first.starts_with("  ") && first.contains('@')).then(|| stack.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_words_for_one_trap_are_one_kind() {
        let divisions = [
            "    2: wasm trap: integer divide by zero",
            "RuntimeError: divide by zero",
            "error: Uncaught (in promise) RuntimeError: divide by zero",
            "RuntimeError: [trap] integer divide by zero",
            "Exception: integer divide by zero",
            "[2022-07-27 19:24:05.981] [error] execution failed: integer divide by zero, Code: 0x84",
        ];
        for line in divisions {
            assert_eq!(kind(&of_line(line).expect(line)), Some("integer-divide-by-zero"), "{line}");
        }
        assert_eq!(kind("RuntimeError: null function or function signature mismatch"), None);
        // This is from Bun 1.4.5, for an export with this name.
        let quoted = r#"RuntimeError: Out of bounds memory access (evaluating 'api["integer overflow"](65536)')"#;
        assert_eq!(kind(&of_line(quoted).unwrap()), Some("memory-out-of-bounds"));
        assert_eq!(kind("RuntimeError: null function"), Some("indirect-call-to-null"));
        assert_eq!(of_line("host unreachable"), None);
        assert_eq!(of_line("    2: wasm trap: x"), None);
    }

    #[test]
    fn a_panic_that_was_printed_before_is_the_programs_last_words() {
        let lines =
            ["main", "thread 'main' (1) panicked at src/main.rs:3:5:", "assertion failed: x != 42", "note: run with"];
        assert_eq!(
            last_words(&lines).unwrap(),
            "thread 'main' (1) panicked at src/main.rs:3:5:\nassertion failed: x != 42\n"
        );
        assert_eq!(last_words(&["nothing"]), None);
    }

    #[test]
    fn a_traceback_of_python_belongs_to_what_its_runtime_says() {
        let cause = ["Traceback (most recent call last):", "  File \"a.py\", line 3, in f", "KeyError: 'x'", ""];
        let link = ["The above exception was the direct cause of the following exception:", ""];
        let last = ["Traceback (most recent call last):", "  File \"a.py\", line 9, in g", "ValueError: y"];
        let runtime = ["", "thread 'main' panicked at lib.rs:1:2:", "Python function threw"];
        let own = [&cause[..], &link, &last, &runtime].concat();
        let lines = [&["before"], &own[..], &["Error: failed to run", "", "Caused by:"]].concat();
        assert_eq!(last_words(&lines).unwrap(), own.join("\n") + "\n");
    }

    #[test]
    fn the_goroutine_that_failed_belongs_to_a_panic_of_go() {
        let own = ["panic: boom", "", "goroutine 1 [running]:", "main.main()", "\t/src/main.go:7 +0x2"];
        let others = ["", "goroutine 2 [select]:", "main.wait()", "\t/src/main.go:9 +0x2", "Error: a trap"];
        let lines = [&["before"], &own[..], &others[..]].concat();
        assert_eq!(last_words(&lines).unwrap(), own.join("\n") + "\n");
        // A panic of another kind has no goroutines.
        assert_eq!(last_words(&["panic: boom", "", "main.main()"]).unwrap(), "panic: boom\n");
    }
}
