//! Parses command-line arguments into an argh structure.
//!
//! argh (0.1.19) knows no `--option=value`, no clustered short options, no lone `-`, no arguments that are not UTF-8
//! and no `--version`, and ends the process itself. So the arguments are rewritten into the form that it does know:
//! options first, each value on its own, then `--`, then the positional arguments. argh's `ArgsInfo` says which
//! options take a value.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FlagInfo, FlagInfoKind, FromArgValue, TopLevelCommand};

use super::{Tool, help, manual};

/// The differences of a tool's arguments from the common grammar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grammar {
    /// Everything after the first positional argument is positional: it belongs to the guest.
    pub trailing: bool,
    /// Options whose value may be left out: `(long name, default value)`. The value is taken from `--name=value`, or
    /// from the next argument if that is a number or an address with a port. If the default is empty, it is also taken
    /// from the next argument if neither that nor the one after it is an option.
    pub optional_values: &'static [(&'static str, &'static str)],
}

impl Grammar {
    /// The common grammar.
    pub const COMMON: Grammar = Grammar { trailing: false, optional_values: &[] };

    /// The default value of an option that may be given without one; `long` is its name with or without the dashes.
    fn default_of(&self, long: &str) -> Option<&'static str> {
        let long = long.trim_start_matches('-');
        self.optional_values.iter().find(|(name, _)| *name == long).map(|(_, default)| *default)
    }

    /// Returns true if an option's value may be left out.
    pub(crate) fn is_optional(&self, long: &str) -> bool {
        self.default_of(long).is_some()
    }
}

/// The reason why a tool ends before it runs.
#[derive(Debug)]
pub enum Early {
    /// Help or version, for standard output.
    Print(String),
    /// The arguments are wrong.
    Usage(String),
}

/// Parses a tool's arguments, without the program's name.
pub fn parse<T: TopLevelCommand + ArgsInfo>(tool: &Tool, args: impl Iterator<Item = OsString>) -> Result<T, Early> {
    let args: Vec<String> = args.map(|arg| encode(&arg)).collect();
    let info = T::get_args_info();
    if let [first, kind] = args.as_slice()
        && first == "--generate"
    {
        let text = manual::generate(kind, tool, &info);
        return Err(text.map_or_else(|| Early::Usage(format!("cannot generate {kind:?}")), Early::Print));
    }
    let args = normalize(&args, info.flags, &tool.grammar, tool.name, tool.version)?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    T::from_args(&[tool.name], &args).map_err(|exit| match exit.status {
        Ok(()) => Early::Print(help::help(tool, &info)),
        Err(()) => Early::Usage(one_line(&exit.output)),
    })
}

fn normalize(
    args: &[String],
    flags: &[FlagInfo<'_>],
    grammar: &Grammar,
    name: &str,
    version: &str,
) -> Result<Vec<String>, Early> {
    let mut options = Vec::new();
    let mut positional = Vec::new();
    let mut rest = args.iter().peekable();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            positional.extend(rest.by_ref().cloned());
        } else if let Some(long) = arg.strip_prefix("--") {
            let (long, attached) = match long.split_once('=') {
                Some((long, value)) => (long, Some(value.to_owned())),
                None => (long, None),
            };
            if long == "version" && attached.is_none() && find(flags, "--version").is_none() {
                return Err(Early::Print(format!("{name} {version}\n")));
            }
            if long == "help" {
                options.push("--help".to_owned());
                continue;
            }
            let given = format!("--{long}");
            let flag = find(flags, &given).ok_or_else(|| Early::Usage(format!("no such option: {given}")))?;
            match (&flag.kind, attached) {
                (FlagInfoKind::Switch, None) => options.push(given),
                (FlagInfoKind::Switch, Some(_)) => {
                    return Err(Early::Usage(format!("option {given} takes no value")));
                }
                (FlagInfoKind::Option { .. }, attached) => {
                    let default = grammar.default_of(long);
                    let value = match (attached, default) {
                        (Some(value), _) => value,
                        (None, Some(default)) => {
                            let is_file =
                                |arg: Option<&&String>| arg.is_some_and(|arg| !arg.starts_with('-') || *arg == "-");
                            let mut ahead = rest.clone();
                            let names = is_file(ahead.next().as_ref()) && is_file(ahead.next().as_ref());
                            let takes = |next: &&String| match default.is_empty() {
                                true => names,
                                false => is_value(next),
                            };
                            rest.next_if(takes).cloned().unwrap_or_else(|| default.to_owned())
                        }
                        (None, None) => next_value(&mut rest, &given)?,
                    };
                    options.extend([given, value]);
                }
            }
        } else if arg.len() > 1 && arg.starts_with('-') {
            let mut letters = arg[1..].chars();
            while let Some(letter) = letters.next() {
                let given = format!("-{letter}");
                if letter == 'h' && short(flags, 'h').is_none() {
                    options.push("--help".to_owned());
                    continue;
                }
                if letter == 'V' && short(flags, 'V').is_none() {
                    return Err(Early::Print(format!("{name} {version}\n")));
                }
                let flag = short(flags, letter).ok_or_else(|| Early::Usage(format!("no such option: {given}")))?;
                if let FlagInfoKind::Option { .. } = flag.kind {
                    let attached = letters.as_str();
                    let value = match attached.strip_prefix('=').unwrap_or(attached) {
                        "" => next_value(&mut rest, &given)?,
                        attached => attached.to_owned(),
                    };
                    options.extend([given, value]);
                    break;
                }
                options.push(given);
            }
        } else {
            positional.push(arg.clone());
            if grammar.trailing {
                positional.extend(rest.by_ref().cloned());
            }
        }
    }
    options.push("--".to_owned());
    options.append(&mut positional);
    Ok(options)
}

/// Returns true if an argument can only be the value of the option before it, because no file has such a name.
fn is_value(arg: &str) -> bool {
    arg.parse::<u64>().is_ok() || arg.parse::<SocketAddr>().is_ok()
}

fn next_value<'a>(rest: &mut impl Iterator<Item = &'a String>, given: &str) -> Result<String, Early> {
    rest.next().cloned().ok_or_else(|| Early::Usage(format!("option {given} needs a value")))
}

fn find<'f, 'a>(flags: &'f [FlagInfo<'a>], long: &str) -> Option<&'f FlagInfo<'a>> {
    flags.iter().find(|flag| flag.long == long)
}

fn short<'f, 'a>(flags: &'f [FlagInfo<'a>], letter: char) -> Option<&'f FlagInfo<'a>> {
    flags.iter().find(|flag| flag.short == Some(letter))
}

/// argh's messages run over lines and end in a pointer to `--help` that we give ourselves.
fn one_line(output: &str) -> String {
    let advice = |line: &str| line.starts_with("Run ") && line.contains(" --help");
    let lines = output.lines().map(str::trim).filter(|line| !line.is_empty() && !advice(line));
    let line = lines.collect::<Vec<_>>().join(" ");
    let mut letters = line.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => line,
    }
}

/// Bytes that are not UTF-8 pass through argh as characters of a private-use plane: `RAW` + byte.
const RAW: u32 = 0x10_fe00;

fn encode(arg: &OsStr) -> String {
    let mut text = String::new();
    for chunk in arg.as_bytes().utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter as u32 {
                // Such a character itself is written byte by byte, so that decoding is exact.
                RAW.. => text.extend(letter.to_string().bytes().filter_map(raw)),
                _ => text.push(letter),
            }
        }
        text.extend(chunk.invalid().iter().copied().filter_map(raw));
    }
    text
}

fn raw(byte: u8) -> Option<char> {
    char::from_u32(RAW + u32::from(byte))
}

fn decode(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match (letter as u32).checked_sub(RAW) {
            Some(byte) => bytes.push(byte as u8),
            None => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    OsString::from_vec(bytes)
}

/// An argument exactly as the system gave it, UTF-8 or not. Use it for every path and for every guest argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawArg(pub OsString);

impl RawArg {
    /// As a path.
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// As an owned path.
    pub fn to_path(&self) -> PathBuf {
        PathBuf::from(&self.0)
    }

    /// Returns true if it is the lone `-` that stands for standard input or output.
    pub fn is_dash(&self) -> bool {
        self.0 == "-"
    }
}

impl FromArgValue for RawArg {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        Ok(RawArg(decode(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// try
    #[derive(Debug, argh::FromArgs, argh::ArgsInfo)]
    struct Args {
        /// output
        #[argh(option, short = 'o')]
        output: Option<RawArg>,
        /// quiet
        #[argh(switch, short = 'q')]
        quiet: bool,
        /// verbose
        #[argh(switch, short = 'v')]
        verbose: bool,
        /// strings
        #[argh(option)]
        strings: Option<u64>,
        /// files
        #[argh(positional)]
        files: Vec<RawArg>,
    }

    const TOOL: Tool = Tool {
        name: "try",
        version: "1.2.3",
        grammar: Grammar { trailing: false, optional_values: &[("strings", "4")] },
    };
    const TRAILING: Tool = Tool { grammar: Grammar { trailing: true, optional_values: &[] }, ..TOOL };

    fn parse_with(tool: &Tool, args: &[&[u8]]) -> Result<Args, Early> {
        parse(tool, args.iter().map(|arg| OsString::from_vec(arg.to_vec())))
    }

    fn good(args: &[&[u8]]) -> Args {
        parse_with(&TOOL, args).unwrap()
    }

    fn usage(args: &[&[u8]]) -> String {
        match parse_with(&TOOL, args) {
            Err(Early::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_may_be_attached_or_follow() {
        for args in [&[b"--output=a" as &[u8]] as &[&[u8]], &[b"--output", b"a"], &[b"-oa"], &[b"-o", b"a"], &[b"-o=a"]]
        {
            assert_eq!(good(args).output.unwrap().path(), Path::new("a"), "{args:?}");
        }
        assert_eq!(good(&[b"--output="]).output.unwrap().0, "");
    }

    #[test]
    fn short_options_cluster() {
        let args = good(&[b"-qvo", b"x", b"f"]);
        assert!(args.quiet && args.verbose);
        assert_eq!(args.output.unwrap().0, "x");
        assert_eq!(args.files[0].0, "f");
    }

    #[test]
    fn a_lone_dash_and_odd_file_names_are_files() {
        let args = good(&[b"-", b"help", b"--", b"-q", b"--help"]);
        let files: Vec<_> = args.files.iter().map(|file| file.0.to_str().unwrap()).collect();
        assert_eq!(files, ["-", "help", "-q", "--help"]);
        assert!(args.files[0].is_dash());
    }

    #[test]
    fn paths_that_are_not_utf8_survive() {
        let odd: &[u8] = b"a\xff\xf4\x8f\xb8\x80b\xc3";
        assert_eq!(good(&[odd]).files[0].0.as_bytes(), odd);
        let private = "\u{10fe41}".as_bytes();
        assert_eq!(good(&[private]).files[0].0.as_bytes(), private);
    }

    #[test]
    fn an_optional_value_is_taken_only_if_it_can_be_nothing_else() {
        assert_eq!(good(&[b"--strings", b"file"]).strings, Some(4));
        assert_eq!(good(&[b"--strings", b"8", b"file"]).strings, Some(8));
        assert_eq!(good(&[b"--strings=8"]).strings, Some(8));
        assert!(usage(&[b"--strings", b"127.0.0.1:80", b"file"]).contains("strings"));
        assert!(is_value("[::1]:8080") && !is_value("localhost:80") && !is_value("1.wasm"));
    }

    #[test]
    fn behind_the_program_all_belongs_to_the_guest() {
        let args = parse_with(&TRAILING, &[b"-q", b"app.wasm", b"-v", b"--output", b"--", b"x"]).unwrap();
        assert!(args.quiet && !args.verbose && args.output.is_none());
        let files: Vec<_> = args.files.iter().map(|file| file.0.to_str().unwrap()).collect();
        assert_eq!(files, ["app.wasm", "-v", "--output", "--", "x"]);
    }

    #[test]
    fn mistakes_are_named_in_one_line() {
        assert_eq!(usage(&[b"--nope"]), "no such option: --nope");
        assert_eq!(usage(&[b"-z"]), "no such option: -z");
        assert_eq!(usage(&[b"--quiet=1"]), "option --quiet takes no value");
        assert_eq!(usage(&[b"--output"]), "option --output needs a value");
        assert!(usage(&[b"--strings=x"]).contains("strings"));
    }

    #[test]
    fn help_and_version_are_printed() {
        for args in [b"--help" as &[u8], b"-h"] {
            let Err(Early::Print(text)) = parse_with(&TOOL, &[args]) else { panic!("no help") };
            assert!(text.starts_with("Usage: try [options] [files...]\n"), "{text}");
            assert!(text.contains("\n  -o, --output <output>     output\n"), "{text}");
            assert!(text.contains("\n  --strings[=<strings>]     strings\n"), "{text}");
            assert!(text.contains("\n  -V, --version "), "{text}");
        }
        for args in [b"--version" as &[u8], b"-V"] {
            assert!(matches!(parse_with(&TOOL, &[args]), Err(Early::Print(text)) if text == "try 1.2.3\n"));
        }
    }
}
