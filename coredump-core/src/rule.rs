//! A rule of the data files: a regular expression that costs nothing until a text comes that it could match.
//!
//! There are a hundred rules and a tool that looks at one dump meets twenty names: compiling all expressions would take
//! ten times as long as everything else it does. So a rule first looks for a literal piece of its expression in the text;
//! where that is there, the literal texts with which a match must begin are read off the expression; and it is compiled
//! when a text has one of them and they are not all of it.

use std::sync::OnceLock;

use regex_lite::Regex;

/// Beginnings kept for a rule; more are not told apart.
const MAX_STARTS: usize = 64;

/// A regular expression, read and compiled when it is first needed.
pub struct Rule {
    expression: &'static str,
    place: Place,
    /// A text that every match holds; empty if none was found.
    piece: &'static str,
    /// The text begins with it.
    leads: bool,
    starts: OnceLock<Starts>,
    compiled: OnceLock<Option<Regex>>,
}

/// Where in a text a rule must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// All of it.
    Whole,
    /// Anywhere, unless the expression itself says where.
    Anywhere,
    /// The same, where `^` and `$` are the ends of a line.
    Lines,
}

/// The texts with which a match begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Starts {
    texts: Vec<String>,
    /// What follows them in the expression.
    rest: Rest,
}

/// What an expression has behind its literal beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// `.*`: no more to check in a text of one line.
    Anything,
    /// Something that only the compiled expression can tell.
    More,
}

impl Rule {
    /// A rule from a data file.
    pub fn new(expression: &'static str, place: Place) -> Rule {
        let piece = piece(expression);
        let leads = place == Place::Whole && expression.starts_with(piece);
        Rule { expression, place, piece, leads, starts: OnceLock::new(), compiled: OnceLock::new() }
    }

    /// Whether the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        if !self.has_piece(text) {
            return false;
        }
        match (self.place, self.starts().rest) {
            (Place::Whole, Rest::Nothing) => self.starts().texts.iter().any(|start| text == start),
            (Place::Whole, Rest::Anything) if !text.contains('\n') => self.may_match(text),
            (Place::Anywhere | Place::Lines, Rest::Nothing | Rest::Anything) => self.may_match(text),
            _ => self.may_match(text) && self.compiled().is_some_and(|compiled| compiled.is_match(text)),
        }
    }

    /// The compiled expression, if the text could match it. `None` also for an expression that is none: a mistake in a
    /// committed rule is caught by the tests of its file, and at run time the rest must go on.
    pub fn for_text(&self, text: &str) -> Option<&Regex> {
        if self.has_piece(text) && self.may_match(text) { self.compiled() } else { None }
    }

    /// The expression compiled.
    pub fn compiled(&self) -> Option<&Regex> {
        let compile = || match self.place {
            Place::Whole => Regex::new(&format!("^(?:{})$", self.expression)).ok(),
            Place::Anywhere => Regex::new(self.expression).ok(),
            Place::Lines => Regex::new(&format!("(?m){}", self.expression)).ok(),
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    fn starts(&self) -> &Starts {
        self.starts.get_or_init(|| starts(self.expression))
    }

    fn has_piece(&self, text: &str) -> bool {
        if self.leads { text.starts_with(self.piece) } else { self.piece.is_empty() || text.contains(self.piece) }
    }

    fn may_match(&self, text: &str) -> bool {
        match self.place {
            Place::Whole => self.starts().texts.iter().any(|start| text.starts_with(start)),
            Place::Anywhere | Place::Lines => self.starts().texts.iter().any(|start| text.contains(start)),
        }
    }
}

/// The longest run of plain letters that every match holds; empty where alternatives or flags make that hard to tell.
fn piece(expression: &str) -> &str {
    let bytes = expression.as_bytes();
    let is_plain =
        |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b':' | b'/' | b' ' | b'-' | b'<' | b'~');
    let mut longest = 0..0;
    let (mut at, mut depth, mut class) = (0, 0usize, false);
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && is_plain(bytes[at]) {
            at += 1;
        }
        if depth == 0 && !class {
            // What these follow may be left out.
            let optional = matches!(bytes.get(at), Some(b'?' | b'*' | b'{'));
            let end = at - usize::from(optional && at > start);
            if end - start > longest.len() {
                longest = start..end;
            }
        }
        match bytes.get(at) {
            // `\x41` and the like go on behind the letter.
            Some(b'\\') => match bytes.get(at + 1) {
                Some(letter) if letter.is_ascii_alphanumeric() && !b"bBdDsSwW".contains(letter) => return "",
                _ => at += 1,
            },
            Some(b']') => class = false,
            Some(_) if class => {}
            Some(b'[') => class = true,
            Some(b'(') => {
                // Flags change what the rest means; a group's name does not.
                if bytes.get(at + 1) == Some(&b'?') && !matches!(bytes.get(at + 2), Some(b':' | b'<')) {
                    return "";
                }
                depth += 1;
            }
            Some(b')') => depth = depth.saturating_sub(1),
            Some(b'|') if depth == 0 => return "",
            Some(b'{') => at += bytes[at..].iter().take_while(|&&letter| letter != b'}').count(),
            _ => {}
        }
        at += 1;
    }
    &expression[longest]
}

/// Reads off the literal beginnings. What is not understood is `Rest::More`, so that the expression itself decides.
fn starts(expression: &str) -> Starts {
    let mut texts = Vec::new();
    let mut rest = Rest::Nothing;
    for alternative in alternatives(expression) {
        let one = sequence(alternative);
        if texts.len() + one.texts.len() > MAX_STARTS {
            return Starts { texts: vec![String::new()], rest: Rest::More };
        }
        rest = if texts.is_empty() || rest == one.rest { one.rest } else { Rest::More };
        texts.extend(one.texts);
    }
    Starts { texts, rest }
}

fn sequence(expression: &str) -> Starts {
    // At the beginning of a text or a line: the same literal text, but only the expression can tell where it stands.
    if let Some(anchored) = expression.strip_prefix('^') {
        return Starts { rest: Rest::More, ..sequence(anchored) };
    }
    let mut texts = vec![String::new()];
    let mut at = 0;
    while let Some(letter) = expression[at..].chars().next() {
        let (part, behind) = match letter {
            '(' => match group(&expression[at..]) {
                Some((inside, len)) => (Part::Group(starts(inside)), at + len),
                None => break,
            },
            '.' if &expression[at..] == ".*" => return Starts { texts, rest: Rest::Anything },
            '\\' => match expression[at + 1..].chars().next() {
                Some(escaped) if escaped.is_ascii_punctuation() => (Part::Letter(escaped), at + 1 + escaped.len_utf8()),
                _ => break,
            },
            '.' | '[' | '^' | '$' | '*' | '+' | '?' | '{' => break,
            _ => (Part::Letter(letter), at + letter.len_utf8()),
        };
        if expression[behind..].starts_with(['*', '{']) {
            break;
        }
        // What may be left out: both ways.
        let optional = expression[behind..].starts_with('?');
        let part = match part {
            Part::Letter(letter) if optional => {
                Part::Group(Starts { texts: vec![letter.to_string(), String::new()], rest: Rest::Nothing })
            }
            Part::Group(parts) if optional && parts.rest != Rest::Nothing => break,
            Part::Group(mut parts) if optional => {
                parts.texts.push(String::new());
                Part::Group(parts)
            }
            part => part,
        };
        let behind = behind + usize::from(optional);
        if expression[behind..].starts_with(['?', '+', '*']) {
            break;
        }
        match part {
            Part::Letter(letter) => texts.iter_mut().for_each(|text| text.push(letter)),
            Part::Group(parts) if texts.len() * parts.texts.len() > MAX_STARTS => break,
            Part::Group(parts) => {
                let joined = |text: &String| parts.texts.iter().map(|part| text.clone() + part).collect::<Vec<_>>();
                texts = texts.iter().flat_map(joined).collect();
                if parts.rest != Rest::Nothing {
                    break;
                }
            }
        }
        at = behind;
    }
    Starts { texts, rest: if at == expression.len() { Rest::Nothing } else { Rest::More } }
}

/// A part of an expression that says what stands in a text.
enum Part {
    Letter(char),
    Group(Starts),
}

/// What stands in the parentheses that the expression begins with, and where they end.
fn group(expression: &str) -> Option<(&str, usize)> {
    let end = top_level(expression).find(|&(at, letter, depth)| at > 0 && letter == ')' && depth == 0)?.0;
    let inside = &expression[1..end];
    let inside = if inside.starts_with('?') { inside.strip_prefix("?:")? } else { inside };
    Some((inside, end + 1))
}

/// The parts that `|` separates.
fn alternatives(expression: &str) -> impl Iterator<Item = &str> {
    let bars = top_level(expression).filter(|&(_, letter, depth)| letter == '|' && depth == 0).map(|(at, ..)| at);
    let ends = bars.chain([expression.len()]);
    ends.scan(0, |start, end| {
        let part = &expression[*start..end];
        *start = end + 1;
        Some(part)
    })
}

/// Characters that mean something, with how many parentheses are open around them.
fn top_level(expression: &str) -> impl Iterator<Item = (usize, char, usize)> {
    let (mut depth, mut escaped, mut class) = (0usize, false, false);
    expression.char_indices().filter_map(move |(at, letter)| {
        if std::mem::take(&mut escaped) {
            return None;
        }
        match letter {
            '\\' => escaped = true,
            ']' => class = false,
            _ if class => {}
            '[' => class = true,
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return Some((at, letter, depth));
            }
            _ => return Some((at, letter, depth)),
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(expression: &str) -> (Vec<String>, Rest) {
        let starts = starts(expression);
        (starts.texts, starts.rest)
    }

    #[test]
    fn beginnings_are_read_off() {
        assert_eq!(read("abort"), (vec!["abort".into()], Rest::Nothing));
        assert_eq!(read(r"runtime\..*"), (vec!["runtime.".into()], Rest::Anything));
        assert_eq!(read("mem(cpy|set)"), (vec!["memcpy".into(), "memset".into()], Rest::Nothing));
        assert_eq!(read("puts|str(len|c.*y)x"), (vec!["puts".into(), "strlen".into(), "strc".into()], Rest::More));
        assert_eq!(read("(dl)?free"), (vec!["dlfree".into(), "free".into()], Rest::Nothing));
        assert_eq!(read("ab?"), (vec!["ab".into(), "a".into()], Rest::Nothing));
        assert_eq!(read("(a.b)?c"), (vec!["".into()], Rest::More));
        assert_eq!(read(r"\[[0-9(|]+x"), (vec!["[".into()], Rest::More));
        assert_eq!(read("(?i)a"), (vec!["".into()], Rest::More));
        assert_eq!(read("^/rustc/"), (vec!["/rustc/".into()], Rest::More));
        assert_eq!(read("^panic: (?<m>.*)"), (vec!["panic: ".into()], Rest::More));
    }

    #[test]
    fn a_piece_is_part_of_every_match() {
        assert_eq!(piece("abort"), "abort");
        assert_eq!(piece(r".*\.command_export"), "command_export");
        assert_eq!(piece("<.* as (core|std)::.*"), " as ");
        assert_eq!(piece("mem(cpy|set)"), "mem");
        assert_eq!(piece("puts|strlen"), "");
        assert_eq!(piece("abc?"), "ab");
        assert_eq!(piece("ab{0,3}c"), "a");
        assert_eq!(piece(r"\[abi:[^\]]*\]"), "abi:");
        assert_eq!(piece("^panic: (?<m>.*)"), "panic: ");
        assert_eq!(piece("(?i)abort"), "");
    }

    #[test]
    fn a_rule_decides_as_its_expression_does() {
        let expressions = [
            "abort",
            r"runtime\..*",
            "mem(cpy|set)",
            "puts|str(len|c.*y)x",
            "(dl)?free",
            "ab?",
            r"x[0-9]+\.y",
            "a|b.*",
            ".*z",
            "ca+t",
            "mem(cp)?y*",
            "str(len)?",
            "a{2}b",
            ".*ace",
            "((a|b)c|d)e",
            "^a|e$",
        ];
        let texts = [
            "abort",
            "aborts",
            "runtime.x",
            "runtimex",
            "memcpy",
            "memset",
            "memxcpy",
            "puts",
            "strlenx",
            "strcpyx",
            "free",
            "dlfree",
            "ab",
            "a",
            "b",
            "bcd",
            "x12.y",
            "x12.yz",
            "",
            "runtime.\n",
            "cat",
            "caat",
            "ct",
            "ace",
            "de",
            "e",
            "my ace",
            "mem",
            "memyy",
            "memcpy",
            "str",
            "strlen",
            "aab",
            "aaab",
        ];
        for expression in expressions {
            for place in [Place::Whole, Place::Anywhere, Place::Lines] {
                let rule = Rule::new(expression, place);
                for text in texts {
                    assert_eq!(
                        rule.is_match(text),
                        rule.compiled().unwrap().is_match(text),
                        "{expression} on {text:?} {place:?}"
                    );
                }
            }
        }
    }
}
