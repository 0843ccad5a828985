//! Splits an expression into tokens.

use super::ExpressionError;

/// A token and the column of its first character.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Counted from 1, in characters.
    pub column: usize,
    /// Index of its first byte.
    pub start: usize,
    /// The token.
    pub kind: TokenKind,
}

/// The kinds of tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A decimal or hexadecimal number.
    Number(u128),
    /// A name, with its namespaces: the parts between `::`.
    Name(Vec<String>),
    /// A name qualified by the file it is in.
    FileName(String, String),
    /// `name@entry`: a parameter as it was when its function was entered.
    AtEntry(String),
    /// `$` and a word.
    Register(String),
    /// A text in double quotes: a key.
    Text(String),
    /// A character in single quotes.
    Character(char),
    /// An operator or bracket.
    Sign(&'static str),
    /// The end.
    End,
}

/// Operators and brackets; where one begins like another, the longer one comes first. Some occur in the names of types
/// only.
const SIGNS: [&str; 30] = [
    "::*", "->", "..", ".", "*", "&", "[", "]", "(", ")", "+", "-", "/", "%", "==", "!=", "<=", ">=", "<", ">", "?",
    ",", ";", "{", "}", "#", "!", "=", "|", "^",
];

/// The most characters of a file's path, since each token is tried as the beginning of one.
const PATH: usize = 4096;

/// Splits an expression into tokens; the last is [`TokenKind::End`].
pub fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let mut tokens = Vec::new();
    let (mut at, mut column, mut counted) = (0, 1, 0);
    while at < text.len() {
        let rest = &text[at..];
        column += text[counted..at].chars().count();
        counted = at;
        let Some(first) = rest.chars().next() else { break };
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        // A dot is followed by a member: its name, or in Rust's tuples its number.
        let member = matches!(tokens.last(), Some(Token { kind: TokenKind::Sign("."), .. }));
        let (kind, len) = if first == '$' {
            let len = word(&rest[1..]);
            (TokenKind::Register(rest[1..=len].to_owned()), len + 1)
        } else if first == '"' {
            let (text, len) =
                quoted(rest).ok_or_else(|| ExpressionError::new(column, "this string is not terminated"))?;
            (TokenKind::Text(text), len)
        } else if let Some((char, len)) = character(rest) {
            (TokenKind::Character(char), len)
        } else if let Some((file, name, len)) = file_name(rest).filter(|_| !member) {
            (TokenKind::FileName(file, name), len)
        } else if first.is_ascii_digit() {
            let len = word(rest);
            (TokenKind::Number(number(&rest[..len], column)?), len)
        } else if is_word(first) || rest.starts_with("::") && !rest.starts_with("::*") {
            // A name that begins with `::` is a global's: its first part is empty.
            let mut len = word(rest);
            let mut parts = vec![rest[..len].to_owned()];
            // In the name of a type, `Class::*` is a pointer to a member.
            while let Some(behind) = rest[len..].strip_prefix("::").filter(|behind| !behind.starts_with('*')) {
                let next = braces(behind).unwrap_or_else(|| word(behind));
                if next == 0 {
                    return Err(ExpressionError::new(
                        column + rest[..len].chars().count(),
                        "a name is missing after `::`",
                    ));
                }
                parts.push(behind[..next].to_owned());
                len += 2 + next;
            }
            match at_entry(&rest[len..]) {
                Some(behind) if parts.len() == 1 && !member => {
                    (TokenKind::AtEntry(std::mem::take(&mut parts[0])), len + behind)
                }
                _ => (TokenKind::Name(parts), len),
            }
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (TokenKind::Sign(sign), sign.len())
        } else {
            return Err(ExpressionError::new(column, format!("unexpected character {first:?}")));
        };
        tokens.push(Token { column, start: at, kind });
        at += len;
    }
    tokens.push(Token { column: text.chars().count() + 1, start: text.len(), kind: TokenKind::End });
    Ok(tokens)
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Length in bytes of the identifier that a text begins with. clang puts a dollar in names of its own, as
/// `_vptr$Animal`.
fn word(text: &str) -> usize {
    let end = |&(at, char): &(usize, char)| !is_word(char) && (char != '$' || at == 0);
    text.char_indices().find(end).map_or(text.len(), |(at, _)| at)
}

/// Length in bytes of the name that Rust gives to something nameless, as `{async_fn_env#0}`.
fn braces(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find(['{', '}']).filter(|&end| inside[end..].starts_with('}'))?;
    Some(end + 2)
}

/// Length in bytes of the `@entry` that a text begins with.
fn at_entry(text: &str) -> Option<usize> {
    const ENTRY: &str = "@entry";
    let behind = text.strip_prefix(ENTRY)?;
    (word(behind) == 0).then_some(ENTRY.len())
}

/// `file.c::name`, or `'a file.c'::name`: the file, the name, and the length of the whole in bytes.
fn file_name(text: &str) -> Option<(String, String, usize)> {
    let (file, behind) = match text.strip_prefix('\'') {
        Some(quoted) => {
            let end = quoted.find('\'')?;
            (&quoted[..end], end + 2)
        }
        None => {
            let mut chars = text.char_indices().take(PATH);
            let (end, _) = chars.find(|(_, char)| !is_word(*char) && !matches!(char, '.' | '/' | '-'))?;
            (&text[..end], end)
        }
    };
    let name = text[behind..].strip_prefix("::")?;
    let len = word(name);
    // A word that begins with a dot is a member, unless it is a relative path.
    let member = file.starts_with('.') && !file.starts_with("./") && !file.starts_with("../");
    (file.contains('.') && len > 0 && !member).then(|| (file.to_owned(), name[..len].to_owned(), behind + 2 + len))
}

/// A string in double quotes, and its length in bytes with the quotes. A backslash escapes the character after it, as
/// in `\"` and `\\`.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut read = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        read.push(match char {
            '"' => return Some((read, at + 1)),
            '\\' => escaped(chars.next()?.1),
            char => char,
        });
    }
    None
}

/// A character in single quotes, and its length in bytes with the quotes: `'a'`, `'\n'`, `'\u00e9'`. `None` where the
/// quotes hold a file's name, which `::` follows.
fn character(text: &str) -> Option<(char, usize)> {
    let inside = text.strip_prefix('\'')?;
    let mut chars = inside.chars();
    let char = match chars.next()? {
        '\'' => return None,
        '\\' => match chars.next()? {
            'u' => {
                let digits = chars.as_str().get(..4)?;
                chars = chars.as_str()[4..].chars();
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            other => escaped(other),
        },
        char => char,
    };
    let behind = chars.as_str().strip_prefix('\'')?;
    (!behind.starts_with("::")).then_some((char, text.len() - behind.len()))
}

/// Returns the character that an escape sequence stands for, from its letter.
fn escaped(char: char) -> char {
    match char {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        other => other,
    }
}

fn number(text: &str, column: usize) -> Result<u128, ExpressionError> {
    // The letters that C allows after a number say how wide it is.
    let digits = text.replace('_', "");
    let digits = digits.trim_end_matches(['u', 'U', 'l', 'L']);
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    parsed.map_err(|_| ExpressionError::new(column, format!("`{text}` is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    fn name(parts: &[&str]) -> TokenKind {
        TokenKind::Name(parts.iter().map(|part| part.to_string()).collect())
    }

    #[test]
    fn names_numbers_and_signs_are_told_apart() {
        use TokenKind::{End, Number, Sign};
        assert_eq!(
            kinds("*a->b[0x1F]"),
            [Sign("*"), name(&["a"]), Sign("->"), name(&["b"]), Sign("["), Number(31), Sign("]"), End]
        );
        assert_eq!(kinds("a._vptr$A + $sp")[2..5], [name(&["_vptr$A"]), Sign("+"), TokenKind::Register("sp".into())]);
        assert_eq!(kinds("pair.0.1"), [name(&["pair"]), Sign("."), Number(0), Sign("."), Number(1), End]);
        assert_eq!(kinds("5UL + 0x10u")[..3], [Number(5), Sign("+"), Number(16)]);
        assert_eq!(kinds("a[1..2]")[2..5], [Number(1), Sign(".."), Number(2)]);
    }

    #[test]
    fn a_name_may_be_qualified_by_namespaces_or_a_file() {
        use TokenKind::Sign;
        assert_eq!(kinds("std::list"), [name(&["std", "list"]), TokenKind::End]);
        assert_eq!(kinds("f::{async_fn_env#0} *"), [name(&["f", "{async_fn_env#0}"]), Sign("*"), TokenKind::End]);
        assert_eq!(kinds("horse->ns::Named::name")[2], name(&["ns", "Named", "name"]));
        assert_eq!(kinds("x[0].Named::name")[5], name(&["Named", "name"]));
        assert_eq!(kinds("src/my-file.c::total")[0], TokenKind::FileName("src/my-file.c".into(), "total".into()));
        assert_eq!(kinds("'my file.c'::total")[0], TokenKind::FileName("my file.c".into(), "total".into()));
    }

    #[test]
    fn a_parameter_may_be_asked_for_as_it_was_at_entry() {
        let entry = |name: &str| TokenKind::AtEntry(name.to_owned());
        assert_eq!(kinds("n@entry"), [entry("n"), TokenKind::End]);
        assert_eq!(kinds("*list@entry->next")[..3], [TokenKind::Sign("*"), entry("list"), TokenKind::Sign("->")]);
        for text in ["n@entry2", "n@ entry", "ns::n@entry", "a.n@entry", "n@", "@entry"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_character_stands_in_single_quotes() {
        for (text, char) in
            [("'a'", 'a'), (r"'\n'", '\n'), (r"'\''", '\''), (r"'\u00e9'", 'é'), ("'é'", 'é'), ("'\"'", '"')]
        {
            assert_eq!(kinds(&format!("letters[{text}]"))[2], TokenKind::Character(char), "{text}");
        }
        assert_eq!(kinds("'a.c'::b")[0], TokenKind::FileName("a.c".into(), "b".into()));
        for text in ["''", "'ab'", "'a", r"'\u12'", r"'\ud800'", "'"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_a_text_in_quotes() {
        assert_eq!(kinds(r#"map["a \"b\" é"]"#)[2], TokenKind::Text("a \"b\" é".into()));
    }

    #[test]
    fn an_error_points_at_the_character() {
        assert_eq!(tokens("é + @").unwrap_err().column, 5);
        assert_eq!(tokens("a[\"b]").unwrap_err().column, 3);
        assert_eq!(tokens("1 + 12ab").unwrap_err().column, 5);
        assert_eq!(tokens("99999999999999999999999999999999999999999").unwrap_err().column, 1);
    }
}
