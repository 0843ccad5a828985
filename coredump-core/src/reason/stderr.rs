//! The guest's last words: what its runtime printed when it gave up.

use std::sync::LazyLock;

use super::{Panic, PanicSource};
use crate::rule::Expression;

/// Longest message that is kept, in bytes.
const MAX_MESSAGE: usize = 4096;

static PATTERNS: LazyLock<Vec<(&'static str, Expression)>> = LazyLock::new(|| {
    let lines = super::rule_lines(include_str!("stderr.txt"));
    let pattern = |line: &'static str| {
        let (language, expression) = line.split_once(" | ")?;
        Some((language, Expression::new(expression)?))
    };
    lines.filter_map(pattern).collect()
});

/// The number of bytes at the end of the text that are looked at: a program that gives up prints the reason last.
const TAIL: usize = 64 << 10;

/// The last panic that the end of the text reports.
pub fn panic(text: &str) -> Option<Panic> {
    let text = &text[text.ceil_char_boundary(text.len().saturating_sub(TAIL))..];
    let text = text.replace("\r\n", "\n");
    let last = PATTERNS
        .iter()
        .filter_map(|(language, rule)| Some((language, rule.for_text(&text)?.captures_iter(&text).last()?)));
    let (language, captures) = last.max_by_key(|(_, captures)| captures.get(0).map(|whole| whole.start()))?;
    let group = |name: &str| captures.name(name).map(|group| bounded(group.as_str().trim_end()));
    let (message, location) = (group("message"), group("location"));
    Some(Panic { language, message, location, source: PanicSource::GuestStderr, frames: Vec::new(), chain: Vec::new() })
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_MESSAGE)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(super::super::rule_lines(include_str!("stderr.txt")).count(), PATTERNS.len());
        assert!(PATTERNS.iter().all(|(_, rule)| rule.compiled().is_some()));
    }

    #[test]
    fn each_runtime_is_understood() {
        // As these runtimes print them.
        let cases = [
            (
                "hello\nthread 'main' (1) panicked at src/main.rs:16:5:\nassertion failed: x != 42\nnote: run with `RUST_BACKTRACE=1`\n",
                ("rust", "assertion failed: x != 42", Some("src/main.rs:16:5")),
            ),
            (
                "thread 'main' panicked at a.rs:2:3:\nassertion `left == right` failed\n  left: 1\n right: 2\n",
                ("rust", "assertion `left == right` failed\n  left: 1\n right: 2", Some("a.rs:2:3")),
            ),
            ("thread 'main' panicked at 'no', src/main.rs:3:5\n", ("rust", "no", Some("src/main.rs:3:5"))),
            (
                "Assertion failed: part <= whole (src/c/assert.c: percent: 6)\n",
                ("c", "Assertion failed: part <= whole", Some("src/c/assert.c: percent: 6")),
            ),
            ("panic: no funds\n\ngoroutine 1 [running]:\nmain.main()\n", ("go", "no funds", None)),
            (
                "thread 1 panic: index out of bounds: index 4, len 3\n",
                ("zig", "index out of bounds: index 4, len 3", None),
            ),
            // Zig 0.17 on a target without threads; its sanitizer's runtime prints the same.
            (
                "panic: integer overflow\nCannot print stack trace: debug info unavailable for target\n",
                ("zig", "integer overflow", None),
            ),
            (
                "error: FileMissing\nCannot print stack trace: debug info unavailable for target\n\n",
                ("zig", "error: FileMissing", None),
            ),
            // TinyGo prints no goroutines.
            ("panic: runtime error: index out of range\n", ("go", "runtime error: index out of range", None)),
            (
                "out_of_range was thrown in -fno-exceptions mode with message \"vector\"",
                ("c++", "out_of_range was thrown in -fno-exceptions mode with message \"vector\"", None),
            ),
            (
                "a.out: main.c:3: f: Assertion `x > 0' failed.\n",
                ("c", "Assertion `x > 0' failed", Some("a.out: main.c:3")),
            ),
            (
                "libc++abi: terminating due to uncaught exception of type int\n",
                ("c++", "due to uncaught exception of type int", None),
            ),
            (
                "Traceback (most recent call last)\nshop.nim(9) share\nError: unhandled exception: division by zero [DivByZeroDefect]\n",
                ("nim", "division by zero [DivByZeroDefect]", None),
            ),
            (
                "abort: Index out of range in ~lib/array.ts(114:42)\n",
                ("assemblyscript", "Index out of range", Some("~lib/array.ts(114:42)")),
            ),
        ];
        for (text, (language, message, location)) in cases {
            let found = panic(text).unwrap_or_else(|| panic!("nothing found in {text:?}"));
            assert_eq!((found.language, found.message.as_deref()), (language, Some(message)));
            assert_eq!(found.location.as_deref(), location);
        }
    }

    #[test]
    fn only_the_end_is_looked_at() {
        let filler = "größe\n".repeat(TAIL);
        let panic_message = "thread 'main' panicked at a.rs:2:3:\nlast words\n";
        assert!(panic(&format!("{filler}{panic_message}")).is_some());
        assert!(panic(&format!("{panic_message}{filler}")).is_none());
    }

    #[test]
    fn the_last_one_counts_and_other_text_says_nothing() {
        let two = "thread 'a' panicked at a.rs:1:1:\nfirst\nnote: x\nthread 'b' panicked at b.rs:2:2:\nsecond\n";
        assert_eq!(panic(two).unwrap().message.as_deref(), Some("second"));
        assert_eq!(panic("don't panic: all is well\n"), None);
    }
}
