//! `--path-map FROM=TO`: where the sources of programs that were built elsewhere lie here.

use std::borrow::Cow;

use argh::FromArgValue;

/// One `FROM=TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMapping {
    from: String,
    to: String,
}

impl FromArgValue for PathMapping {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        match value.split_once('=') {
            Some((from, to)) if !from.is_empty() => Ok(PathMapping { from: from.to_owned(), to: to.to_owned() }),
            _ => Err(format!("{value:?} is not FROM=TO")),
        }
    }
}

/// The mappings of a command line. Of those whose FROM a path begins with, the one with the longest FROM counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathMap {
    mappings: Vec<PathMapping>,
}

impl PathMap {
    /// A map of these mappings.
    pub fn new(mappings: &[PathMapping]) -> PathMap {
        PathMap { mappings: mappings.to_vec() }
    }

    /// Returns the path of a file on this machine: the path as it is, if none of the mappings is for it.
    pub fn apply<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let rests = self.mappings.iter().filter_map(|mapping| Some((mapping, rest(&mapping.from, path)?)));
        match rests.min_by_key(|(_, rest)| rest.len()) {
            None => Cow::Borrowed(path),
            Some((mapping, rest)) => {
                let (to, rest) = (mapping.to.trim_end_matches('/'), rest.trim_start_matches('/'));
                Cow::Owned(match (to, rest) {
                    ("", rest) if mapping.to.is_empty() => rest.to_owned(),
                    (to, "") => to.to_owned(),
                    (to, rest) => format!("{to}/{rest}"),
                })
            }
        }
    }
}

/// The rest of `path` after `from`; `None` if `path` does not begin with the folders of `from`. `*` stands for any one
/// folder, as in `/rustc/*`.
fn rest<'p>(from: &str, path: &'p str) -> Option<&'p str> {
    let mut rest = path;
    let from = from.strip_suffix('/').unwrap_or(from);
    for (number, part) in from.split('/').enumerate() {
        if number > 0 {
            rest = rest.strip_prefix('/')?;
        }
        let end = rest.find('/').unwrap_or(rest.len());
        if !(part == &rest[..end] || part == "*" && end > 0) {
            return None;
        }
        rest = &rest[end..];
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(mappings: &[&str], path: &str) -> String {
        let mappings: Vec<_> = mappings.iter().map(|mapping| PathMapping::from_arg_value(mapping).unwrap()).collect();
        PathMap::new(&mappings).apply(path).into_owned()
    }

    #[test]
    fn a_prefix_of_folders_is_replaced() {
        assert_eq!(mapped(&["/build=/home/me/app"], "/build/src/main.c"), "/home/me/app/src/main.c");
        assert_eq!(mapped(&["/build/=/home/me/"], "/build/src/main.c"), "/home/me/src/main.c");
        assert_eq!(mapped(&["/build=/home"], "/builder/main.c"), "/builder/main.c", "another folder");
        assert_eq!(mapped(&["/proc/self/cwd="], "/proc/self/cwd/lib/a.cc"), "lib/a.cc");
        assert_eq!(mapped(&["/proc/self/cwd=."], "/proc/self/cwd/lib/a.cc"), "./lib/a.cc");
        assert_eq!(mapped(&["src=/s"], "src/c/sum.c"), "/s/c/sum.c", "a relative path");
        assert_eq!(mapped(&["/a=/"], "/a/b.c"), "/b.c");
    }

    #[test]
    fn the_longest_prefix_counts_and_a_star_is_any_folder() {
        let both = ["/b=/x", "/b/sub=/y"];
        assert_eq!(mapped(&both, "/b/sub/f.c"), "/y/f.c");
        assert_eq!(mapped(&both, "/b/f.c"), "/x/f.c");
        let rust = ["/rustc/*=/usr/lib/rustlib/src/rust"];
        let path = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/panicking.rs";
        assert_eq!(mapped(&rust, path), "/usr/lib/rustlib/src/rust/library/core/src/panicking.rs");
        assert!(PathMapping::from_arg_value("x").is_err() && PathMapping::from_arg_value("=x").is_err());
    }
}
