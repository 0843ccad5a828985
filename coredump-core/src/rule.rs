//! Patterns in the rules' data files, which must match the whole of a name or path: `*` matches anything but `/` and
//! `:`, `**` anything, `#` a digit, `{a,b}` one of several texts, and `\` escapes the character after it.
//!
//! A tool that reads one dump matches some twenty names against two hundred rules. Unlike regular expressions, these
//! patterns need no compilation, and most are ruled out by their literal prefix.

use std::sync::OnceLock;

use regex::Regex;

/// A pattern: the literal text that it begins with, and the rest.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    head: &'static str,
    rest: &'static str,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(pattern: &'static str) -> Pattern {
        let (head, rest) = pattern.split_at(literal(pattern));
        Pattern { head, rest }
    }

    /// Returns true if the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        text.strip_prefix(self.head).is_some_and(|text| matches(self.rest, text))
    }
}

/// Returns the number of bytes of a pattern that stand for themselves.
fn literal(pattern: &str) -> usize {
    pattern.find(['*', '#', '{', '\\']).unwrap_or(pattern.len())
}

/// Returns true if the whole text matches, by backtracking: a pattern has few stars, and names and paths are short.
fn matches(pattern: &str, text: &str) -> bool {
    let (own, rest) = pattern.split_at(literal(pattern));
    let Some(text) = text.strip_prefix(own) else { return false };
    let mut behind = rest.chars();
    match behind.next() {
        None => text.is_empty(),
        Some('#') => {
            text.strip_prefix(|letter: char| letter.is_ascii_digit()).is_some_and(|text| matches(&rest[1..], text))
        }
        Some('{') => {
            let (alternatives, rest) = rest[1..].split_once('}').unwrap_or((&rest[1..], ""));
            let mut left = alternatives.split(',').filter_map(|alternative| text.strip_prefix(alternative));
            left.any(|text| matches(rest, text))
        }
        Some('\\') => behind
            .next()
            .and_then(|letter| text.strip_prefix(letter))
            .is_some_and(|text| matches(behind.as_str(), text)),
        Some(_) => {
            let (anything, rest) = rest.strip_prefix("**").map_or((false, &rest[1..]), |rest| (true, rest));
            let within = |skipped: &str| anything || !skipped.contains(['/', ':']);
            if rest.is_empty() {
                return within(text);
            }
            let next = &rest[..literal(rest)];
            let mut at = 0;
            while let Some(found) = text.get(at..).and_then(|text| text.find(next)) {
                let start = at + found;
                if !within(&text[at..start]) {
                    return false;
                }
                if matches(rest, &text[start..]) {
                    return true;
                }
                let Some(skipped) = text[start..].chars().next() else { return false };
                at = start + skipped.len_utf8();
                if !within(&text[start..at]) {
                    return false;
                }
            }
            false
        }
    }
}

/// A regular expression that is compiled only for a text that it could match, since compiling takes as long as reading
/// a stack.
pub struct Expression {
    /// A pattern that matches every text that the expression matches.
    guard: Pattern,
    expression: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    /// An expression of a data file: `PATTERN | EXPRESSION`.
    pub fn new(line: &'static str) -> Option<Expression> {
        let (guard, expression) = line.split_once(" | ")?;
        Some(Expression { guard: Pattern::new(guard.trim()), expression: expression.trim(), compiled: OnceLock::new() })
    }

    /// The compiled expression, if the text could match it. `None` also for an invalid expression: tests catch a
    /// mistake in a data file, and at run time the other rules must still work.
    pub fn for_text(&self, text: &str) -> Option<&Regex> {
        if self.guard.is_match(text) { self.compiled() } else { None }
    }

    /// The compiled expression, in which `^` and `$` match at line breaks.
    pub fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&format!("(?m){}", self.expression)).ok()).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let cases = [
            ("abort", "abort", true),
            ("abort", "aborts", false),
            ("std::**", "std::", true),
            ("std::**", "std::vec::Vec::at", true),
            ("std::**", "mystd::x", false),
            ("**.command_export", "_start.command_export", true),
            ("**.command_export", "_start.command_export.1", false),
            ("{dl,je,mi_,}malloc", "dlmalloc", true),
            ("{dl,je,mi_,}malloc", "malloc", true),
            ("{dl,je,mi_,}malloc", "xmalloc", false),
            ("{core,std}::**{panic,fail}**", "core::option::unwrap_failed", true),
            ("{core,std}::**{panic,fail}**", "core::option::unwrap", false),
            ("<* as {core,std}::**", "<bank as core::ops::Drop>::drop", true),
            ("<* as {core,std}::**", "<bank::Account as core::ops::Drop>::drop", false),
            ("<** as {core,std}::**", "<bank::Account as core::ops::Drop>::drop", true),
            ("**/wasi-#*/src/**", "/crates/wasi-0.11.1/src/lib.rs", true),
            ("**/wasi-#*/src/**", "/crates/wasi-mine/src/lib.rs", false),
            ("**/wasi-#*/src/**", "/crates/wasi-0.11.1/x/src/lib.rs", false),
            ("**/a/**", "/b/a/a/c", true),
            ("**aab", "aaab", true),
            ("*a", "größea", true),
            ("*", "größe", true),
            ("*", "a:b", false),
            (r"\*const \#\{x", "*const #{x", true),
            ("**x**", "\nx\n", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::new(pattern).is_match(text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn a_mistaken_pattern_matches_nothing_and_ends() {
        for pattern in ["{a", "a\\", "{", "{,}{,}", "**c**d**"] {
            assert!(!Pattern::new(pattern).is_match(&"b:".repeat(1000)), "{pattern}");
        }
    }

    #[test]
    fn an_expression_is_compiled_for_texts_that_have_what_it_needs() {
        let rule = Expression::new("**::h** | ::h[0-9a-f]{16}$").unwrap();
        assert!(rule.for_text("main").is_none() && rule.compiled.get().is_none());
        assert!(rule.for_text("a::h0123456789abcdef").unwrap().is_match("a::h0123456789abcdef"));
        assert!(Expression::new("**( | (").unwrap().for_text("(").is_none());
    }
}
