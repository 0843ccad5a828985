//! The rules, read from the data files beside this one.

use std::sync::LazyLock;

use crate::rule::{Expression, Pattern};

/// The rules of the data files.
pub static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    replacements: replacements(include_str!("names.txt")),
    machinery: set(include_str!("machinery.txt")),
    entry: set(include_str!("entry.txt")),
    paths: set(include_str!("paths.txt")),
});

/// The rules; the data files explain them.
pub struct Rules {
    /// Replacements in names, in order.
    pub replacements: Vec<(Expression, &'static str)>,
    /// Names of functions that are machinery.
    pub machinery: Patterns,
    /// Names of functions at which a signature ends.
    pub entry: Patterns,
    /// Paths of source files that are machinery.
    pub paths: Patterns,
}

/// A list of patterns.
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Returns true if one of them matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(text))
    }
}

/// The rules in a data file: its lines without comments and empty lines.
fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn set(file: &'static str) -> Patterns {
    Patterns(lines(file).map(Pattern::new).collect())
}

fn replacements(file: &'static str) -> Vec<(Expression, &'static str)> {
    let rules = lines(file).filter_map(|line| {
        let (rule, replacement) = line.split_once("=>")?;
        Some((Expression::new(rule)?, replacement.trim()))
    });
    rules.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_counts() {
        assert_eq!(lines(include_str!("names.txt")).count(), RULES.replacements.len());
        assert!(RULES.replacements.iter().all(|(rule, _)| rule.compiled().is_some()));
    }
}
