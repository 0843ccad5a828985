//! Makes text from a dump, a module or guest memory safe to print: nothing in it may control a terminal or reorder a
//! line.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

/// `text` with every control, bidirectional and invisible formatting character escaped as `\n`, `\x1b` or `\u{202e}`.
/// Borrowed if there is none.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        push(&mut safe, letter);
    }
    Cow::Owned(safe)
}

/// Makes text of several lines safe to print: as [`escape`], but line feeds and tabs stay.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    let harmless = |letter: char| matches!(letter, '\n' | '\t');
    if !text.chars().any(|letter| is_unsafe(letter) && !harmless(letter)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if harmless(letter) { safe.push(letter) } else { push(&mut safe, letter) }
    }
    Cow::Owned(safe)
}

/// Makes text safe for HTML or SVG, as text or in a quoted attribute: it cannot become markup.
///
/// ```
/// use coredump_core::text::markup;
///
/// assert_eq!(markup("<b title='x'>\u{1b}"), "&lt;b title=&#39;x&#39;&gt;\\x1b");
/// ```
pub fn markup(text: &str) -> Cow<'_, str> {
    inert(escape(text))
}

/// As [`markup`], for text of several lines: line feeds and tabs stay.
pub fn markup_lines(text: &str) -> Cow<'_, str> {
    inert(escape_lines(text))
}

fn inert(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    Cow::Owned(safe)
}

/// Does the same as [`escape`] for bytes that may not be UTF-8: those appear as `\xff`.
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            push(&mut safe, letter);
        }
        for byte in chunk.invalid() {
            let _ = write!(safe, "\\x{byte:02x}");
        }
    }
    safe
}

/// A path, for a person.
pub fn path(path: &Path) -> String {
    escape_bytes(path.as_os_str().as_encoded_bytes())
}

/// A path or other argument of a command, quoted so that it can be pasted into a POSIX shell (with characters that
/// cannot be printed, into bash, zsh or ksh). A name that begins with `-` gets `./` in front, so that no tool takes it
/// for an option.
pub fn shell(argument: &OsStr) -> String {
    let bytes = argument.as_encoded_bytes();
    let start = if bytes.starts_with(b"-") { "./" } else { "" };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(byte);
    // To zsh, `=` at the beginning is the path of a command.
    if !bytes.is_empty() && bytes[0] != b'=' && bytes.iter().all(plain) {
        return format!("{start}{}", escape_bytes(bytes));
    }
    let text = str::from_utf8(bytes).ok().filter(|text| !text.chars().any(is_unsafe));
    if let Some(text) = text {
        return format!("{start}'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = format!("{start}$'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(*byte));
            }
            b' '..=b'~' => quoted.push(char::from(*byte)),
            byte => {
                // An octal escape ends after three digits; a hexadecimal one does not end after two in every shell.
                let _ = write!(quoted, "\\{byte:03o}");
            }
        }
    }
    quoted + "'"
}

/// Returns true if a character must be escaped: C0 and C1 controls, DEL, and Unicode's directional and other format
/// characters, line and paragraph separators, tags, joiners and invisible fillers.
pub fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{3164}' | '\u{ffa0}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push(safe: &mut String, letter: char) {
    match letter {
        '\n' => safe.push_str("\\n"),
        '\r' => safe.push_str("\\r"),
        '\t' => safe.push_str("\\t"),
        letter if !is_unsafe(letter) => safe.push(letter),
        letter if (letter as u32) < 0x100 => {
            let _ = write!(safe, "\\x{:02x}", letter as u32);
        }
        letter => {
            let _ = write!(safe, "\\u{{{:x}}}", letter as u32);
        }
    }
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["", "sum (n=3)", "größe", "日本", "a\\b"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(escape("a\x1b[31mb\x07\n\r\t\x7f\u{9b}"), "a\\x1b[31mb\\x07\\n\\r\\t\\x7f\\x9b");
        assert_eq!(escape("a\u{202e}b\u{2066}\u{200f}"), "a\\u{202e}b\\u{2066}\\u{200f}");
        assert_eq!(escape_lines("a\n\tb\x1b"), "a\n\tb\\x1b");
        assert_eq!(escape_bytes(b"a\xff\xc3\xa9\0"), "a\\xff\u{e9}\\x00");
    }

    #[test]
    fn no_markup_comes_of_a_text_and_all_of_it_is_kept() {
        let letters = ["<", ">", "&", "\"", "'", "`", "=", "/", "!", "-", "script", "&lt;", "\u{1b}", "\n", "\0", "é"];
        for a in letters {
            for b in letters {
                for c in letters {
                    let text = format!("{a}{b}{c}");
                    let safe = markup(&text);
                    assert!(!safe.contains(['<', '>', '"', '\'']) && !safe.chars().any(is_unsafe), "{safe}");
                    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
                    let back = entities.iter().fold(safe.into_owned(), |text, (from, to)| text.replace(from, to));
                    assert_eq!(back, escape(&text));
                }
            }
        }
        assert_eq!(markup_lines("a\n\t<b>"), "a\n\t&lt;b&gt;");
        assert!(matches!(markup("plain"), Cow::Borrowed("plain")));
    }

    /// A shell must read the quoted text as the text itself.
    #[test]
    fn a_shell_takes_a_quoted_argument_for_what_it_was() {
        use std::os::unix::ffi::OsStrExt;
        let all: Vec<u8> = (1..=255).collect();
        let arguments: [&[u8]; 10] = [
            b"a.coredump",
            b"",
            b"two words",
            b"$(touch x)`y`;&|",
            b"it's",
            b"-rf",
            b"- f",
            b"a\nb'\x1b[2J\\",
            b"=app",
            &all,
        ];
        for argument in arguments {
            let quoted = shell(OsStr::from_bytes(argument));
            assert!(!quoted.chars().any(is_unsafe), "{quoted}");
            let script = format!("printf %s {quoted}");
            let Ok(printed) = std::process::Command::new("bash").args(["-c", &script]).output() else { return };
            let printed = printed.stdout.strip_prefix(b"./").unwrap_or(&printed.stdout);
            assert_eq!(printed, argument, "{quoted}");
        }
        assert_eq!(shell(OsStr::new("crashes/app.42.coredump")), "crashes/app.42.coredump");
        assert_eq!(shell(OsStr::new("=app")), "'=app'", "to zsh, this is a command's path");
    }
}
