//! `--help`, from the same definitions as the man page, in 80 columns.

use std::fmt::Write;

use argh::{CommandInfoWithArgs, FlagInfoKind, Optionality};

use super::Tool;

/// The width of the help in columns, which every terminal has.
const WIDTH: usize = 80;
/// Column where descriptions begin.
const INDENT: usize = 28;

/// The text of `--help`.
pub fn help(tool: &Tool, info: &CommandInfoWithArgs) -> String {
    let mut text = format!("Usage: {} [options]", tool.name);
    for positional in info.positionals.iter().filter(|positional| !positional.hidden) {
        let name = positional.name;
        let _ = match positional.optionality {
            Optionality::Required => write!(text, " <{name}>"),
            Optionality::Optional => write!(text, " [{name}]"),
            Optionality::Repeating | Optionality::Greedy => write!(text, " [{name}...]"),
        };
    }
    text.push_str("\n\n");
    wrap(&mut text, info.description, 0, 0);
    text.push_str("\nArguments:\n");
    for positional in info.positionals.iter().filter(|positional| !positional.hidden) {
        entry(&mut text, positional.name, positional.description);
    }
    text.push_str("\nOptions:\n");
    for flag in info.flags.iter().filter(|flag| !flag.hidden && flag.long != "--help") {
        let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
        let value = match flag.kind {
            FlagInfoKind::Option { arg_name } if tool.grammar.is_optional(flag.long) => format!("[=<{arg_name}>]"),
            FlagInfoKind::Option { arg_name } => format!(" <{arg_name}>"),
            FlagInfoKind::Switch => String::new(),
        };
        entry(&mut text, &format!("{short}{}{value}", flag.long), flag.description);
    }
    entry(&mut text, "-h, --help", "print this");
    entry(&mut text, "-V, --version", "print the version");
    if !info.examples.is_empty() {
        text.push_str("\nExamples:\n");
    }
    for example in info.examples {
        let _ = writeln!(text, "  {}", example.replace("{command_name}", tool.name));
    }
    if !info.error_codes.is_empty() {
        text.push_str("\nExit codes:\n");
    }
    for code in info.error_codes {
        let _ = write!(text, "{:>4}  ", code.code);
        wrap(&mut text, code.description, 6, 6);
    }
    for note in info.notes {
        text.push('\n');
        wrap(&mut text, &note.replace("{command_name}", tool.name), 0, 0);
    }
    text
}

fn entry(text: &mut String, name: &str, description: &str) {
    let _ = write!(text, "  {name}");
    let mut at = 2 + name.chars().count();
    if at + 2 > INDENT {
        text.push('\n');
        at = 0;
    }
    text.extend(std::iter::repeat_n(' ', INDENT - at));
    wrap(text, description, INDENT, INDENT);
}

/// Appends `words` from column `at` on, wrapped at `WIDTH`, with further lines indented by `indent`.
fn wrap(text: &mut String, words: &str, mut at: usize, indent: usize) {
    for (index, word) in words.split_whitespace().enumerate() {
        let len = word.chars().count();
        if index > 0 && at + 1 + len > WIDTH {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            at = indent;
        } else if index > 0 {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        at += len;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn text_is_wrapped_at_words_and_a_word_is_never_cut() {
        let mut text = String::new();
        wrap(&mut text, &"word ".repeat(40), 0, 4);
        assert!(text.lines().all(|line| line.len() <= 80 && line.ends_with("word")), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    w")), "{text}");
        let mut text = String::new();
        let long = "x".repeat(100);
        wrap(&mut text, &format!("a {long} b"), 0, 0);
        assert_eq!(text, format!("a\n{long}\nb\n"));
    }
}
