//! Completes what was typed: with names in scope, members, and the commands of the console.

use std::collections::BTreeSet;

use coredump_core::text::escape;
use coredump_core::{Limits, Variable};
use serde_json::{Value, json};

use super::console::{Scene, VERBS};

/// The number of names that the answer to one request contains at most.
const MOST: usize = 1000;
/// The limits of values that are read for their names: down to the members of what a pointer points to.
const NAMES: Limits = Limits { depth: 2, elements: 32, text_only: false };

/// The completions of what was typed up to the cursor.
pub fn completions(scene: &Scene<'_>, arguments: &Value) -> Value {
    let text = arguments["text"].as_str().unwrap_or_default();
    let column = arguments["column"].as_u64().map_or(usize::MAX, |column| column.saturating_sub(1) as usize);
    let typed: String = text.chars().take(column).collect();
    let begun = typed.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
    let before = &typed[..typed.len() - begun.len()];
    let target = |kind: &'static str| move |name: String| json!({"label": name, "type": kind});
    let targets: Vec<_> = match object(before) {
        Some(object) => members(scene, object, begun).into_iter().map(target("field")).collect(),
        None => {
            let verbs = VERBS.iter().filter(|verb| before.is_empty() && verb.starts_with(begun));
            let verbs = verbs.map(|verb| target("keyword")((*verb).to_owned()));
            names(scene, begun).into_iter().map(target("variable")).chain(verbs).collect()
        }
    };
    json!({"targets": targets})
}

/// The expression whose member is to be completed.
fn object(before: &str) -> Option<&str> {
    let before = before.strip_suffix('.').or_else(|| before.strip_suffix("->"))?;
    // The expression begins after the last operator outside of brackets.
    let mut depth = 0;
    let start = before.char_indices().rev().find(|(at, letter)| {
        match letter {
            ')' | ']' => depth += 1,
            '(' | '[' => depth -= 1,
            _ => {}
        }
        let arrow =
            *letter == '>' && before[..*at].ends_with('-') || *letter == '-' && before[at + 1..].starts_with('>');
        depth < 0
            || depth == 0
                && !arrow
                && matches!(letter, ' ' | ',' | '+' | '-' | '*' | '/' | '%' | '=' | '<' | '>' | '!' | '&' | '|')
    });
    let object = &before[start.map_or(0, |(at, letter)| at + letter.len_utf8())..];
    (!object.is_empty()).then_some(object)
}

fn members(scene: &Scene<'_>, object: &str, begun: &str) -> BTreeSet<String> {
    let Some((frame, scope)) = &scene.frame else { return BTreeSet::new() };
    let Ok(value) = frame.evaluate_in(*scope, object, NAMES) else { return BTreeSet::new() };
    // A pointer offers the members of what it points to.
    let parts = match &value.children[..] {
        [only] if only.name == "*" => only.children.clone(),
        _ => value.children,
    };
    chosen(parts, begun)
}

fn names(scene: &Scene<'_>, begun: &str) -> BTreeSet<String> {
    let Some((frame, scope)) = &scene.frame else { return BTreeSet::new() };
    let scopes = frame.variables(Limits { depth: 0, elements: 0, text_only: true });
    chosen(scopes.into_iter().skip(*scope).flat_map(|scope| scope.variables), begun)
}

fn chosen(variables: impl IntoIterator<Item = Variable>, begun: &str) -> BTreeSet<String> {
    let names = variables.into_iter().map(|variable| variable.name);
    // A name must be typed as it is shown, so names that are shown escaped are left out.
    let plain = |name: &String| {
        name.starts_with(|first: char| first.is_alphanumeric() || first == '_') && *escape(name) == **name
    };
    names.filter(|name| plain(name) && name.starts_with(begun)).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_of_a_member_begins_behind_the_last_operator() {
        assert_eq!(object("node."), Some("node"));
        assert_eq!(object("1 + node->next->"), Some("node->next"));
        assert_eq!(object("*(a + b)[i - 1]."), Some("(a + b)[i - 1]"));
        assert_eq!(object("f(node."), Some("node"));
        assert_eq!(object("node"), None);
        assert_eq!(object("."), None);
        assert_eq!(object("a-."), None);
    }
}
