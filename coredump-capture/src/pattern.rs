//! The names of dumps: made from a pattern, numbered where one is taken, and known again when old ones are looked for.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use coredump_core::compressed::Compression;

/// Bytes that a file's name may have, less what a number adds to it (Linux and others: 255, `NAME_MAX`).
const NAME: usize = 230;
/// Digits of the greatest process id, and of a time until 2286: a name is cut at the same place in every process.
const DIGITS: usize = 10;
/// Digits of a process id or a time that are believed to be one.
const MAX_DIGITS: usize = 40;

/// A pattern for the names of dumps: `%e` is the program's name, `%p` the process id, `%t` the time in seconds since
/// 1970, `%h` the host and `%%` a percent sign. `-` is standard output.
pub struct Pattern {
    text: OsString,
}

/// The values of a pattern's letters.
#[derive(Clone)]
pub struct Values {
    /// The program's name.
    pub program: String,
    /// The process id.
    pub process: String,
    /// The time in seconds since 1970.
    pub time: String,
    /// The host.
    pub host: String,
}

impl Pattern {
    /// The pattern of this text.
    pub fn new(text: OsString) -> Pattern {
        Pattern { text }
    }

    /// Returns true if it is standard output.
    pub fn is_stdout(&self) -> bool {
        self.text == "-"
    }

    /// Returns true if it has letters to fill in, and is not a whole name that a person spelled out.
    pub fn makes_names(&self) -> bool {
        self.text.as_bytes().contains(&b'%')
    }

    /// Returns the compression of files with these names, which the end of the pattern decides.
    pub fn compression(&self) -> Option<Compression> {
        Compression::from_name(self.text.as_bytes())
    }

    /// The path that it makes. A program's name that is too long for a file's is cut, at the same place in every process.
    pub fn path(&self, values: &Values) -> PathBuf {
        self.fill(values, self.program(values))
    }

    /// Returns the part of the program's name that the names of its dumps contain.
    fn program<'v>(&self, values: &'v Values) -> &'v str {
        let program = values.program.as_str();
        let digits = || "0".repeat(DIGITS);
        let widest = self.fill(&Values { process: digits(), time: digits(), ..values.clone() }, program);
        let excess = widest.file_name().map_or(0, |name| name.len().saturating_sub(NAME));
        &program[..program.floor_char_boundary(program.len().saturating_sub(excess))]
    }

    fn fill(&self, values: &Values, program: &str) -> PathBuf {
        let mut name = Vec::new();
        for part in parts(self.text.as_bytes()) {
            name.extend_from_slice(match part {
                PatternPart::Text(text) => text,
                PatternPart::Program => program.as_bytes(),
                PatternPart::Process => values.process.as_bytes(),
                PatternPart::Time => values.time.as_bytes(),
                PatternPart::Host => values.host.as_bytes(),
            });
        }
        PathBuf::from(OsString::from_vec(name))
    }

    /// Returns true if it can have made the name `other` in another run: the names may differ in process id, time and
    /// number only.
    pub fn can_have_made(&self, other: &OsStr, values: &Values) -> bool {
        let pattern = self.text.as_bytes();
        let name = pattern.iter().rposition(|&byte| byte == b'/').map_or(pattern, |slash| &pattern[slash + 1..]);
        let program = self.program(values);
        let piece = |part| match part {
            PatternPart::Text(text) => Piece::Text(text),
            PatternPart::Program => Piece::Text(program.as_bytes()),
            PatternPart::Host => Piece::Text(values.host.as_bytes()),
            PatternPart::Process | PatternPart::Time => Piece::Digits,
        };
        let pieces: Vec<Piece<'_>> = parts(name).into_iter().map(piece).collect();
        let other = other.as_bytes();
        matches(&pieces, other) || without_number(other).any(|other| matches(&pieces, &other))
    }
}

/// The file's name without folder and last extension, fit to be part of a file's name.
pub fn program_name(executable: &str) -> String {
    let stem = Path::new(executable).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|stem| !stem.is_empty()).unwrap_or_else(|| "wasm".to_owned())
}

/// `app.1.coredump` for `app.coredump`, `app.1.coredump.zst` for `app.coredump.zst`; the name itself for 0.
pub fn numbered(name: &OsStr, number: u128) -> OsString {
    if number == 0 {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    let at = extension(bytes).unwrap_or(bytes.len());
    let number = format!(".{number}");
    OsString::from_vec([&bytes[..at], number.as_bytes(), &bytes[at..]].concat())
}

/// The names that [`numbered`] can have made this one of.
fn without_number(name: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    // The last extension may be the number itself.
    let ends = [extension(name), last_dot(name), Some(name.len())];
    ends.into_iter().flatten().filter_map(|end| {
        let digits = name[..end].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let start = end - digits;
        (digits > 0 && start > 1 && name[start - 1] == b'.').then(|| [&name[..start - 1], &name[end..]].concat())
    })
}

/// Returns the position at which a name's extension begins; `.coredump.zst` is one.
fn extension(name: &[u8]) -> Option<usize> {
    let last = last_dot(name)?;
    Some(Compression::from_name(name).and_then(|_| last_dot(&name[..last])).unwrap_or(last))
}

fn last_dot(name: &[u8]) -> Option<usize> {
    name.iter().rposition(|&byte| byte == b'.').filter(|&at| at > 0)
}

#[derive(Debug, PartialEq, Eq)]
enum PatternPart<'p> {
    Text(&'p [u8]),
    Program,
    Process,
    Time,
    Host,
}

/// Cuts a pattern; `%%` is a percent sign, and an unknown letter stays as it is.
fn parts(pattern: &[u8]) -> Vec<PatternPart<'_>> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        let (part, used) = match rest.get(at + 1) {
            Some(b'e') => (PatternPart::Program, 2),
            Some(b'p') => (PatternPart::Process, 2),
            Some(b't') => (PatternPart::Time, 2),
            Some(b'h') => (PatternPart::Host, 2),
            Some(b'%') => (PatternPart::Text(b"%"), 2),
            _ => (PatternPart::Text(b"%"), 1),
        };
        parts.push(PatternPart::Text(&rest[..at]));
        parts.push(part);
        rest = &rest[at + used..];
    }
    parts.push(PatternPart::Text(rest));
    parts
}

/// A part of a name that a pattern makes.
enum Piece<'p> {
    Text(&'p [u8]),
    Digits,
}

/// Returns true if `bytes` are these pieces, one after the other.
fn matches(pieces: &[Piece<'_>], bytes: &[u8]) -> bool {
    // The positions at which the pieces so far can end.
    let mut ends = BTreeSet::from([0]);
    for piece in pieces {
        let starts = std::mem::take(&mut ends);
        match piece {
            Piece::Text(text) => {
                let fits = starts.into_iter().filter(|&start| bytes[start..].starts_with(text));
                ends.extend(fits.map(|start| start + text.len()));
            }
            Piece::Digits => {
                for start in starts {
                    let digits = bytes[start..].iter().take(MAX_DIGITS).take_while(|byte| byte.is_ascii_digit());
                    ends.extend(start + 1..=start + digits.count());
                }
            }
        }
    }
    ends.contains(&bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values { program: "app".into(), process: "42".into(), time: "1700".into(), host: "h".into() }
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text.into())
    }

    #[test]
    fn a_pattern_names_program_process_time_and_host() {
        assert_eq!(pattern("%e.%p.coredump").path(&values()), Path::new("app.42.coredump"));
        assert_eq!(pattern("/var/%h/%t-%%%e%").path(&values()), Path::new("/var/h/1700-%app%"));
        assert_eq!(pattern("100%x").path(&values()), Path::new("100%x"));
    }

    #[test]
    fn a_number_stands_before_the_extension_and_is_known_again() {
        for (name, first) in [
            ("app.coredump", "app.1.coredump"),
            ("app.7.coredump.zst", "app.7.1.coredump.zst"),
            ("app.gz", "app.1.gz"),
            (".zst", ".zst.1"),
            ("core", "core.1"),
        ] {
            let numbered = numbered(OsStr::new(name), 1);
            assert_eq!(numbered, first);
            assert!(without_number(numbered.as_bytes()).any(|found| found == name.as_bytes()), "{first}");
        }
    }

    #[test]
    fn only_names_that_the_pattern_can_have_made_are_its_own() {
        let own = |text: &str, name: &str| pattern(text).can_have_made(OsStr::new(name), &values());
        for text in ["%e.%p.coredump.zst", "/var/crash/%e.%p.coredump.zst"] {
            assert!(own(text, "app.7.coredump.zst") && own(text, "app.7.3.coredump.zst"));
            for other in ["app.7.coredump", "app.7.coredump.gz", "app.x.coredump.zst", "saved-app.7.coredump.zst"] {
                assert!(!own(text, other), "{other}");
            }
        }
        assert!(own("%t%p%t%p%t%p%t%p", &"1".repeat(200)), "in a time that is bounded");
        assert!(!own("%t%p%t%p%t%p%t%p", &format!("{}x", "1".repeat(200))));
    }

    #[test]
    fn a_long_name_is_cut_at_the_same_place_in_every_process() {
        let program = "ä".repeat(124);
        let long = |process: &str| Values { program: program.clone(), process: process.into(), ..values() };
        let pattern = pattern("%e.%p.coredump.zst");
        let name = pattern.path(&long("4000000000"));
        assert!(name.as_os_str().len() <= NAME, "{}", name.as_os_str().len());
        assert!(pattern.can_have_made(name.as_os_str(), &long("7")));
    }
}
