//! Man pages and shell completions, from the same definitions as the help: `--generate man|bash|zsh|fish|nushell`.

use std::fmt::Write;

use argh::{CommandInfoWithArgs, FlagInfoKind, Optionality};
use argh_complete::Generator;

use super::Tool;

/// The output of `--generate kind`; `None` if there is no such kind.
pub fn generate(kind: &str, tool: &Tool, info: &CommandInfoWithArgs) -> Option<String> {
    Some(match kind {
        "man" => man(tool, info),
        "bash" => argh_complete::bash::Bash::generate(tool.name, info),
        "zsh" => argh_complete::zsh::Zsh::generate(tool.name, info),
        "fish" => argh_complete::fish::Fish::generate(tool.name, info),
        "nushell" => argh_complete::nushell::Nushell::generate(tool.name, info),
        _ => return None,
    })
}

/// A page in the man(7) macros.
fn man(tool: &Tool, info: &CommandInfoWithArgs) -> String {
    let mut page = String::new();
    let out = &mut page;
    let summary = info.description.split_once(". ").map_or(info.description, |(first, _)| first);
    let _ = writeln!(out, ".TH {} 1 \"\" \"{} {}\"", tool.name.to_uppercase(), tool.name, tool.version);
    let _ = writeln!(out, ".SH NAME\n{} \\- {}", tool.name, roff(summary.trim_end_matches('.')));
    let _ = write!(out, ".SH SYNOPSIS\n.B {}\n[\\fIoptions\\fR]", roff(tool.name));
    for positional in info.positionals.iter().filter(|positional| !positional.hidden) {
        let name = roff(positional.name);
        let _ = match positional.optionality {
            Optionality::Required => write!(out, " \\fI{name}\\fR"),
            Optionality::Optional => write!(out, " [\\fI{name}\\fR]"),
            Optionality::Repeating | Optionality::Greedy => write!(out, " [\\fI{name}\\fR...]"),
        };
    }
    let _ = writeln!(out, "\n.SH DESCRIPTION\n{}", roff(info.description));
    let _ = writeln!(out, ".SH OPTIONS");
    for flag in info.flags.iter().filter(|flag| !flag.hidden && flag.long != "--help") {
        let _ = writeln!(out, ".TP");
        if let Some(short) = flag.short {
            let _ = write!(out, "\\fB\\-{short}\\fR, ");
        }
        let _ = write!(out, "\\fB{}\\fR", roff(flag.long));
        let _ = match flag.kind {
            FlagInfoKind::Option { arg_name } if tool.grammar.is_optional(flag.long) => {
                write!(out, "[=\\fI{}\\fR]", roff(arg_name))
            }
            FlagInfoKind::Option { arg_name } => write!(out, " \\fI{}\\fR", roff(arg_name)),
            FlagInfoKind::Switch => Ok(()),
        };
        let _ = writeln!(out, "\n{}", roff(flag.description));
    }
    let _ = writeln!(out, ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint the options and end");
    let _ = writeln!(out, ".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nprint the version and end");
    if !info.error_codes.is_empty() {
        let _ = writeln!(out, ".SH EXIT STATUS");
        for code in info.error_codes {
            let _ = writeln!(out, ".TP\n{}\n{}", code.code, roff(code.description));
        }
    }
    for (title, texts) in [("EXAMPLES", info.examples), ("NOTES", info.notes)] {
        if !texts.is_empty() {
            let _ = writeln!(out, ".SH {title}");
        }
        for text in texts {
            let text = text.replace("{command_name}", tool.name);
            let _ = writeln!(out, ".PP\n.nf\n{}\n.fi", roff(&text));
        }
    }
    page
}

/// The text, escaped so that nothing in it is an instruction to the formatter.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() })
        .collect();
    lines.join("\n")
}
