//! Prints the variables of a frame: its arguments on its line, all variables below it.

use std::io;

use coredump_core::{Limits, Scope, Status, Variable, VariableKind};

use crate::args::Args;
use crate::page::{Page, TextRole};
use crate::short::short;

/// The number of characters of one argument that are shown on a frame's line.
const MAX_ARGUMENT: usize = 64;
/// The number of levels below a variable that are printed.
const MAX_INDENT: usize = 8;

/// Prints `(dividend=600, divisor=0)`, or `(…)` if none of the values is known. Nothing if there is no parameter.
pub fn arguments(page: &mut Page, scope: &Scope) -> io::Result<()> {
    let arguments = match known_arguments(scope) {
        None => return page.piece(TextRole::Faint, " (…)"),
        Some(arguments) if arguments.is_empty() => return Ok(()),
        Some(arguments) => arguments,
    };
    page.plain(" (")?;
    for (number, (parameter, text)) in arguments.iter().enumerate() {
        if number > 0 {
            page.plain(", ")?;
        }
        page.piece(TextRole::Name, &parameter.label())?;
        page.plain("=")?;
        value(page, parameter, text)?;
    }
    page.plain(")")
}

/// The parameters with their values in short; `None` if there are parameters and none of their values is known.
pub fn known_arguments(scope: &Scope) -> Option<Vec<(&Variable, String)>> {
    let parameters = scope.variables.iter().filter(|variable| variable.kind == VariableKind::Parameter);
    let arguments: Vec<_> = parameters.map(|parameter| (parameter, argument(parameter))).collect();
    let none = !arguments.is_empty() && arguments.iter().all(|(parameter, _)| parameter.status != Status::Ok);
    (!none).then_some(arguments)
}

/// An argument's value in short. The reason for a missing one is printed below the line, with `--locals`.
fn argument(parameter: &Variable) -> String {
    match parameter.status {
        Status::NotCaptured => "<not captured>".to_owned(),
        _ => short(&parameter.text(), MAX_ARGUMENT),
    }
}

/// Prints one variable a line, its parts indented below it.
pub fn all(page: &mut Page, scope: &Scope) -> io::Result<()> {
    scope.variables.iter().try_for_each(|variable| one(page, variable, 1))
}

/// Prints a variable, indented by its level, and what its pointers lead to below it.
pub fn one(page: &mut Page, variable: &Variable, level: usize) -> io::Result<()> {
    page.plain(format_args!("{:width$}", "", width = level * 4))?;
    page.piece(TextRole::Name, &variable.label())?;
    if !variable.type_name.is_empty() {
        page.plain(": ")?;
        page.piece(TextRole::Faint, &variable.type_name)?;
    }
    page.plain(" = ")?;
    value(page, variable, &variable.text())?;
    if level == 1 && variable.kind == VariableKind::Static {
        page.piece(TextRole::Faint, " [static]")?;
    }
    if variable.hidden {
        page.piece(TextRole::Faint, " [hidden]")?;
    }
    page.end()?;
    if level >= MAX_INDENT {
        return Ok(());
    }
    // The text has the parts already: only targets of pointers are printed below it, and the children beside a target.
    let beside = variable.children.iter().any(|child| child.name == "*");
    variable.children.iter().filter(|child| beside || leads_on(child)).try_for_each(|child| one(page, child, level + 1))
}

/// Returns true if a part is, or contains, the target of a pointer.
fn leads_on(part: &Variable) -> bool {
    part.name == "*" || part.children.iter().any(leads_on)
}

fn value(page: &mut Page, variable: &Variable, text: &str) -> io::Result<()> {
    page.piece(if variable.status == Status::Ok { TextRole::Value } else { TextRole::Faint }, text)
}

/// The limits for reading variables: little for a frame's line, and as the command line allows for all variables.
pub fn limits(args: &Args) -> Limits {
    if args.locals { args.limits() } else { Limits { depth: 1, elements: 8, text_only: true } }
}

#[cfg(test)]
mod tests {
    use coredump_core::When;

    use super::*;

    #[test]
    fn an_argument_that_is_missing_is_said_to_be_in_two_words() {
        let parameter = |status, value: Option<&str>, note: Option<&str>| Variable {
            name: "items".into(),
            type_name: "struct item *".into(),
            kind: VariableKind::Parameter,
            location: "local 0".into(),
            address: None,
            status,
            value: value.map(str::to_owned),
            at: When::Now,
            note: note.map(str::to_owned),
            hidden: false,
            children: Vec::new(),
        };
        let why = "the code was rewritten after its debug information was made";
        assert_eq!(argument(&parameter(Status::NotCaptured, None, Some(why))), "<not captured>");
        assert_eq!(argument(&parameter(Status::OptimizedOut, None, None)), "<optimized out>");
        assert_eq!(argument(&parameter(Status::Ok, Some("0x11450"), None)), "0x11450");
    }
}
