//! The rules, read from the data files beside this one.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// The rules as compiled from the data files, once.
pub static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    replacements: replacements(include_str!("names.txt")),
    machinery: whole(include_str!("machinery.txt")),
    entry: whole(include_str!("entry.txt")),
    paths: set(lines(include_str!("paths.txt")).map(str::to_owned)),
});

/// See the data files for what each is.
pub struct Rules {
    /// What is taken out of names.
    pub replacements: Vec<(Regex, String)>,
    /// Names of machinery.
    pub machinery: RegexSet,
    /// Names at which a signature ends.
    pub entry: RegexSet,
    /// Paths of machinery.
    pub paths: RegexSet,
}

/// The lines that are rules.
fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Expressions that match a whole name.
fn whole(file: &'static str) -> RegexSet {
    set(lines(file).map(|line| format!("^(?:{line})$")))
}

fn set(expressions: impl Iterator<Item = String>) -> RegexSet {
    // A mistake in a committed rule is caught by this module's tests; at run time the rest must go on.
    RegexSet::new(expressions.filter(|expression| Regex::new(expression).is_ok())).unwrap_or_else(|_| RegexSet::empty())
}

fn replacements(file: &'static str) -> Vec<(Regex, String)> {
    let rules = lines(file).filter_map(|line| {
        let (expression, replacement) = line.split_once("=>")?;
        Some((Regex::new(expression.trim()).ok()?, replacement.trim().to_owned()))
    });
    rules.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_counts() {
        let files = [
            (include_str!("machinery.txt"), RULES.machinery.len()),
            (include_str!("entry.txt"), RULES.entry.len()),
            (include_str!("paths.txt"), RULES.paths.len()),
            (include_str!("names.txt"), RULES.replacements.len()),
        ];
        for (file, compiled) in files {
            assert!(compiled > 0);
            assert_eq!(lines(file).count(), compiled);
        }
    }
}
