//! Converts variables to the rows that an editor shows and can open.

use coredump_core::gc::ObjectView;
use coredump_core::model::{self, RefTarget, Value};
use coredump_core::runtimes::{InterpretedFrame, InterpretedVariable};
use coredump_core::text::{escape, escape_lines};
use coredump_core::{Dump, Frame, Limits, Variable, VariableKind, When};

use super::LIMITS;
use super::memory::{self, MemoryReference};
use super::stack::VariablesOrigin;

/// The number of lists of rows that are remembered; the oldest ones of a long session are forgotten first.
const MAX_HANDLES: usize = 1 << 20;

/// The limits on an object of a garbage-collected program in one line.
const OBJECTS: Limits = Limits { depth: 2, elements: 16, text_only: false };

/// A row: a variable or a part of one.
#[derive(Clone, Debug, Default)]
pub struct VariableRow {
    /// The name.
    pub name: String,
    /// The value, or why there is none.
    pub value: String,
    /// The name of the type.
    pub type_name: String,
    /// The expression that evaluates to the value, if there is one.
    pub expression: Option<String>,
    /// The place in linear memory, if the value has one.
    pub place: Option<MemoryReference>,
    /// The parts, as far as they were read.
    pub parts: Vec<VariableRow>,
    /// True if there may be parts that were not read.
    pub may_have_parts: bool,
}

impl VariableRow {
    /// A row of a variable that `expression` names; `memory` is the index of the memory that it is in.
    pub fn new(variable: &Variable, expression: Option<String>, memory: Option<u32>) -> VariableRow {
        let outer = expression.clone();
        VariableRow::within(variable, expression, outer.as_deref(), memory)
    }

    /// A row of a variable whose parts are parts of the value that `outer` names.
    fn within(
        variable: &Variable,
        expression: Option<String>,
        outer: Option<&str>,
        memory: Option<u32>,
    ) -> VariableRow {
        let part = |child: &Variable| {
            let inner = outer.filter(|_| !is_only_shown(variable, child));
            // In C++, a reference and its referent have the same name.
            let is_referent = child.name == "*" && variable.type_name.ends_with('&');
            let inner = inner.and_then(|outer| match is_referent {
                true => Some(outer.to_owned()),
                false => inner_expression(outer, &child.name),
            });
            // The members of a base class, and of a member without a name, are named like the object's own.
            let is_own = child.name.is_empty() || child.name.contains("::");
            let outer = inner.clone().or_else(|| outer.filter(|_| is_own).map(str::to_owned));
            VariableRow::within(child, inner, outer.as_deref(), memory)
        };
        let value = variable.text();
        let may_have_parts = value.starts_with(['{', '[']) || value.starts_with("0x") && value != "0x0";
        let mut parts: Vec<VariableRow> = variable.children.iter().map(part).collect();
        if let Some((whole, from)) = outer.and_then(group) {
            // The elements of a group are elements of the whole array.
            for (nth, part) in (from..).zip(&mut parts).filter(|(_, part)| part.name.starts_with('[')) {
                part.name = format!("[{nth}]");
                part.expression = part.expression.as_ref().map(|_| format!("({whole})[{nth}]"));
            }
        }
        parts.extend(outer.and_then(|outer| rest_of(variable, outer)));
        VariableRow {
            name: escape(&variable.label()).into_owned(),
            value: escape_lines(&value).into_owned(),
            type_name: escape(&variable.type_name).into_owned(),
            place: memory.zip(variable.address).map(|(memory, address)| MemoryReference::Memory(memory, address)),
            parts,
            expression,
            may_have_parts,
        }
    }
}

/// The whole array, and the number of the first element, if an expression names a group of elements.
fn group(expression: &str) -> Option<(&str, u64)> {
    let (whole, range) = expression.strip_prefix('(')?.strip_suffix(']')?.rsplit_once(")[")?;
    let (from, to) = range.split_once("..")?;
    let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
    (from > 0 && to.checked_sub(from)? == u64::from(LIMITS.elements)).then_some((whole, from))
}

/// A row for the elements that are not shown at once, if there may be more; they are read when it is opened.
fn rest_of(variable: &Variable, outer: &str) -> Option<VariableRow> {
    let full = LIMITS.elements as usize;
    let last = variable.children.last().filter(|_| variable.children.len() == full)?;
    let last: u64 = last.name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    let (outer, first) = group(outer).unwrap_or((outer, 0));
    let from = last.checked_add(1)?.checked_add(first)?;
    let to = from.checked_add(full as u64)?;
    let name = format!("[{from}..{to}]");
    Some(VariableRow {
        expression: inner_expression(outer, &name),
        name,
        value: "...".to_owned(),
        may_have_parts: true,
        ..VariableRow::default()
    })
}

/// The expression for a part of what `outer` names; `None` if expressions cannot name the part.
fn inner_expression(outer: &str, part: &str) -> Option<String> {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    match part {
        "*" => Some(format!("*({outer})")),
        index if index.starts_with('[') => Some(format!("({outer}){index}")),
        member if is_name(member) => Some(format!("({outer}).{member}")),
        _ => None,
    }
}

/// Returns true if a part is shown, but is not a member: the counts of Rust's shared pointers, the contents of a
/// `std::function` or `std::any`, the entries of a set, and the structures of Zig's `MultiArrayList`.
fn is_only_shown(variable: &Variable, part: &Variable) -> bool {
    let of = |modules: &[&str]| modules.iter().any(|module| variable.type_name.starts_with(module));
    match &*part.name {
        "strong" | "weak" => of(&["alloc::rc::", "alloc::sync::"]),
        "held" => of(&["std::"]),
        name if name.starts_with('[') => {
            let is_set = variable.type_name.contains("hash_map.") && variable.type_name.contains(",void,");
            is_set || of(&["multi_array_list."])
        }
        _ => false,
    }
}

/// A scope of a frame.
pub struct Scope {
    pub name: &'static str,
    pub hint: &'static str,
    pub expensive: bool,
    pub rows: Rows,
}

/// The rows of a list.
#[derive(Clone, Debug)]
pub enum Rows {
    /// The rows that were created.
    Made(Vec<VariableRow>),
    /// The statics of the function's file, which are read when the scope is opened.
    Statics,
}

/// The scopes of a frame of the engine; `scope` is the number of the function inlined in it. Scopes without rows are
/// left out.
pub fn scopes(dump: &Dump, frame: &Frame, scope: usize) -> Vec<Scope> {
    let memory = memory::memory_of(dump, frame);
    let known = frame.variables(LIMITS);
    // Both lists come from the same debug info. Should they differ, no value is shown, rather than one of another
    // function.
    let known = known.get(scope).filter(|_| known.len() == frame.inlines().len() + 1);
    let rows = |kind: VariableKind| -> Rows {
        let variables = known.into_iter().flat_map(|scope| &scope.variables).filter(|variable| variable.kind == kind);
        Rows::Made(variables.map(|variable| VariableRow::new(variable, named(variable), memory)).collect())
    };
    let recorded = frame.recorded();
    let has_statics = known.is_some() && memory.is_some();
    let statics = if has_statics { Rows::Statics } else { Rows::Made(Vec::new()) };
    let cheap = |name, hint, rows| Scope { name, hint, expensive: false, rows };
    let dear = |name, hint, rows| Scope { name, hint, expensive: true, rows };
    let all = [
        cheap("Arguments", "arguments", rows(VariableKind::Parameter)),
        cheap("Locals", "locals", rows(VariableKind::Local)),
        dear("Statics", "globals", statics),
        dear("Wasm locals", "registers", numbered(dump, &recorded.locals, "local")),
        dear("Operand stack", "registers", numbered(dump, &recorded.stack, "")),
        dear("Globals", "globals", globals(dump, recorded)),
    ];
    all.into_iter().filter(|scope| !matches!(&scope.rows, Rows::Made(rows) if rows.is_empty())).collect()
}

/// The statics of the file that the function is in.
pub fn statics(dump: &Dump, frame: &Frame) -> Vec<VariableRow> {
    let memory = memory::memory_of(dump, frame);
    frame.statics(LIMITS).iter().map(|variable| VariableRow::new(variable, named(variable), memory)).collect()
}

/// The expression that names a variable in its own function, `name@entry` for the value at entry. `None` if the name
/// refers to another variable there, or if the value is an older one.
fn named(variable: &Variable) -> Option<String> {
    let plain = variable.name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (plain && !variable.hidden && variable.at != When::Earlier).then(|| variable.label().into_owned())
}

/// The variables of a frame of an interpreter's program.
pub fn interpreted_scopes(frame: &InterpretedFrame) -> Vec<Scope> {
    let row = |variable: &InterpretedVariable| VariableRow {
        name: escape(&variable.name).into_owned(),
        value: variable.value.as_deref().map_or("<unreadable>".into(), escape).into_owned(),
        type_name: escape(&variable.type_name).into_owned(),
        ..VariableRow::default()
    };
    locals(frame.variables.iter().map(row).collect())
}

/// The scope with these rows, if there are any.
fn locals(rows: Vec<VariableRow>) -> Vec<Scope> {
    if rows.is_empty() {
        return Vec::new();
    }
    vec![Scope { name: "Locals", hint: "locals", expensive: false, rows: Rows::Made(rows) }]
}

/// The scopes with the variables that are live where an asynchronous function waits.
pub fn await_scopes(dump: &Dump, variables: &[Variable]) -> Vec<Scope> {
    // With several memories, it is not known which one contains the variables.
    let memory = (dump.recorded().memories.len() == 1).then_some(0);
    locals(variables.iter().map(|variable| VariableRow::new(variable, None, memory)).collect())
}

fn numbered(dump: &Dump, values: &Option<Box<[Value]>>, prefix: &str) -> Rows {
    let values = values.iter().flatten().enumerate();
    let register = |index| (prefix == "local").then(|| format!("$local{index}"));
    Rows::Made(values.map(|(index, value)| row_of(dump, format!("{prefix}{index}"), register(index), value)).collect())
}

fn globals(dump: &Dump, frame: &model::Frame) -> Rows {
    let recorded = dump.recorded();
    let instance = frame.instance.and_then(|instance| recorded.instances.get(instance as usize));
    let binary = instance.and_then(|instance| dump.binaries().binary(instance.module?));
    let globals = instance.into_iter().flat_map(|instance| instance.globals.iter().enumerate());
    let rows = globals.filter_map(|(own, index)| {
        let global = recorded.globals.get((*index)? as usize)?;
        let name = binary.and_then(|binary| binary.module().global_name(u32::try_from(own).ok()?));
        let name = name.map_or_else(|| format!("global{own}"), |name| escape(name).into_owned());
        Some(row_of(dump, name, Some(format!("$global{own}")), &global.value))
    });
    Rows::Made(rows.collect())
}

/// A row of a value of the engine. `register` is the expression that names it, by which an object's parts are read.
fn row_of(dump: &Dump, name: String, register: Option<String>, value: &Value) -> VariableRow {
    let is_object = matches!(value, Value::Ref(model::Reference { target: RefTarget::Object(_), .. }));
    let text = match value {
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(bits) => f32::from_bits(*bits).to_string(),
        Value::F64(bits) => f64::from_bits(*bits).to_string(),
        Value::V128(bytes) => format!("{:#034x}", u128::from_le_bytes(*bytes)),
        Value::Missing => "<not recorded>".to_owned(),
        Value::Ref(reference) => {
            escape(&dump.objects().text(ObjectView::link(&reference.target), OBJECTS)).into_owned()
        }
    };
    let type_name = value.type_name().unwrap_or_default().to_owned();
    VariableRow {
        name,
        value: text,
        type_name,
        expression: register.filter(|_| is_object),
        may_have_parts: is_object,
        ..VariableRow::default()
    }
}

/// The lists of rows by the numbers that were sent to the editor.
#[derive(Default)]
pub struct Handles {
    rows: Vec<(VariablesOrigin, Rows)>,
    /// Number of the oldest list that is remembered, counted from 1.
    first: u64,
}

impl Handles {
    /// Adds a list, and returns its number.
    pub fn add(&mut self, origin: VariablesOrigin, rows: Rows) -> u64 {
        if self.rows.len() >= MAX_HANDLES {
            self.first += self.rows.len() as u64;
            self.rows.clear();
        }
        self.rows.push((origin, rows));
        self.first + self.rows.len() as u64
    }

    /// The list with this number.
    pub fn get(&self, number: u64) -> Option<(VariablesOrigin, Rows)> {
        let index = number.checked_sub(self.first + 1)?;
        self.rows.get(usize::try_from(index).ok()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_expressions() {
        let inner = |outer, part| inner_expression(outer, part).unwrap();
        assert_eq!(inner("node", "next"), "(node).next");
        assert_eq!(inner("(node).next", "*"), "*((node).next)");
        assert_eq!(inner("list", "[3]"), "(list)[3]");
        // These are a base class and a member without a name.
        assert_eq!(inner_expression("square", "geometry::Shape"), None);
        assert_eq!(inner_expression("colour", ""), None);
    }

    #[test]
    fn a_group_of_elements_is_followed_by_the_next_of_the_whole() {
        assert_eq!(group("(room)[100..200]"), Some(("room", 100)));
        assert_eq!(group("((a).b)[200..300]"), Some(("(a).b", 200)));
        // Lists that a person asked for have numbers of their own.
        assert!(group("(room)[2..5]").is_none() && group("room").is_none() && group("(room)[x..y]").is_none());
    }

    #[test]
    fn a_number_that_was_never_given_has_no_rows() {
        let mut handles = Handles::default();
        let number = handles.add(VariablesOrigin::Runtime, Rows::Made(vec![VariableRow::default()]));
        assert!(matches!(handles.get(number), Some((_, Rows::Made(rows))) if rows.len() == 1));
        assert!(handles.get(0).is_none() && handles.get(number + 1).is_none() && handles.get(u64::MAX).is_none());
    }
}
