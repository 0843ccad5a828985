//! The rules, read from the data files beside this one.

use std::sync::LazyLock;

use crate::rule::{Place, Rule};

/// The rules of the data files.
pub static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    replacements: replacements(include_str!("names.txt")),
    machinery: set(include_str!("machinery.txt"), Place::Whole),
    entry: set(include_str!("entry.txt"), Place::Whole),
    paths: set(include_str!("paths.txt"), Place::Anywhere),
});

/// See the data files for what each is.
pub struct Rules {
    /// What is taken out of names.
    pub replacements: Vec<(Rule, &'static str)>,
    /// Names of machinery.
    pub machinery: RuleSet,
    /// Names at which a signature ends.
    pub entry: RuleSet,
    /// Paths of machinery.
    pub paths: RuleSet,
}

/// Rules of which one must match.
pub struct RuleSet(Vec<Rule>);

impl RuleSet {
    /// Whether one of them matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.iter().any(|rule| rule.is_match(text))
    }
}

/// The lines that are rules.
fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn set(file: &'static str, place: Place) -> RuleSet {
    RuleSet(lines(file).map(|line| Rule::new(line, place)).collect())
}

fn replacements(file: &'static str) -> Vec<(Rule, &'static str)> {
    let rules = lines(file).filter_map(|line| {
        let (expression, replacement) = line.split_once("=>")?;
        Some((Rule::new(expression.trim(), Place::Anywhere), replacement.trim()))
    });
    rules.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_counts() {
        for set in [&RULES.machinery, &RULES.entry, &RULES.paths] {
            assert!(!set.0.is_empty());
            assert!(set.0.iter().all(|rule| rule.compiled().is_some()));
        }
        assert_eq!(lines(include_str!("names.txt")).count(), RULES.replacements.len());
        assert!(RULES.replacements.iter().all(|(rule, _)| rule.compiled().is_some()));
    }
}
