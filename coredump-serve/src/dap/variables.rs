//! Variables as an editor shows them: rows that can be opened.

use coredump_core::Dump;
use coredump_core::model::{self, Value};
use coredump_core::runtimes::cpython::PythonFrame;
use coredump_core::variables::{Variable, VariableKind};

use super::opened::LIMITS;
use super::stack::Origin;

/// Lists of rows that are remembered; the oldest requests of a long session are forgotten first.
const MAX_HANDLES: usize = 1 << 20;

/// A row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its value, or why there is none.
    pub value: String,
    /// Its type.
    pub type_name: String,
    /// The expression that gives it, where there is one.
    pub expression: Option<String>,
    /// Its address in linear memory.
    pub address: Option<u64>,
    /// Its parts, as far as they were read.
    pub parts: Vec<Row>,
    /// There may be parts that were not read.
    pub may_have_parts: bool,
}

impl Row {
    /// A row of a variable that `expression` names.
    pub fn of(variable: &Variable, expression: Option<String>) -> Row {
        let part = |child: &Variable| {
            let inner = expression.as_ref().map(|outer| inner_expression(outer, &child.name));
            Row::of(child, inner)
        };
        let value = variable.text();
        let may_have_parts = value.starts_with(['{', '[']) || value.starts_with("0x") && value != "0x0";
        Row {
            name: variable.name.clone(),
            value,
            type_name: variable.type_name.clone(),
            address: variable.address,
            parts: variable.children.iter().map(part).collect(),
            expression,
            may_have_parts,
        }
    }
}

/// The expression of a part of what another expression names.
fn inner_expression(outer: &str, part: &str) -> String {
    match part {
        "*" => format!("*({outer})"),
        index if index.starts_with('[') => format!("({outer}){index}"),
        member => format!("({outer}).{member}"),
    }
}

/// A scope of a frame.
pub struct Scope {
    pub name: &'static str,
    pub hint: &'static str,
    pub expensive: bool,
    pub rows: Vec<Row>,
}

/// The scopes of a frame of the engine, `scope` the number of the function inlined in it. Scopes without rows are left out.
pub fn scopes(dump: &Dump, thread: usize, frame: usize, scope: usize) -> Vec<Scope> {
    let Some(frame) = dump.thread(thread).and_then(|thread| thread.frame(frame)) else { return Vec::new() };
    let known = frame.variables(LIMITS);
    // The two read the same debug info; should they differ, no value is shown rather than another function's.
    let known = known.get(scope).filter(|_| known.len() == frame.inlines().len() + 1);
    let rows = |kind: VariableKind| -> Vec<Row> {
        let variables = known.into_iter().flat_map(|scope| &scope.variables).filter(|variable| variable.kind == kind);
        variables.map(|variable| Row::of(variable, Some(variable.name.clone()))).collect()
    };
    let statics = frame.statics(LIMITS).iter().map(|variable| Row::of(variable, Some(variable.name.clone()))).collect();
    let recorded = frame.recorded();
    let all = [
        Scope { name: "Arguments", hint: "arguments", expensive: false, rows: rows(VariableKind::Parameter) },
        Scope { name: "Locals", hint: "locals", expensive: false, rows: rows(VariableKind::Local) },
        Scope { name: "Statics", hint: "globals", expensive: true, rows: statics },
        Scope { name: "Wasm locals", hint: "registers", expensive: true, rows: numbered(&recorded.locals, "local") },
        Scope { name: "Operand stack", hint: "registers", expensive: true, rows: numbered(&recorded.stack, "") },
        Scope { name: "Globals", hint: "globals", expensive: true, rows: globals(dump, recorded) },
    ];
    all.into_iter().filter(|scope| !scope.rows.is_empty()).collect()
}

/// The variables of a Python frame.
pub fn python_scope(frame: &PythonFrame) -> Scope {
    let row = |variable: &coredump_core::runtimes::cpython::PythonVariable| Row {
        name: variable.name.clone(),
        value: variable.value.clone().unwrap_or_else(|| "<unreadable>".to_owned()),
        type_name: variable.type_name.clone(),
        address: Some(variable.address),
        ..Row::default()
    };
    Scope { name: "Locals", hint: "locals", expensive: false, rows: frame.variables.iter().map(row).collect() }
}

fn numbered(values: &Option<Box<[Value]>>, prefix: &str) -> Vec<Row> {
    let values = values.iter().flatten().enumerate();
    values.map(|(index, value)| row_of(format!("{prefix}{index}"), value)).collect()
}

fn globals(dump: &Dump, frame: &model::Frame) -> Vec<Row> {
    let recorded = dump.recorded();
    let instance = frame.instance.and_then(|instance| recorded.instances.get(instance as usize));
    let binary = instance.and_then(|instance| dump.binaries().binary(instance.module?));
    let globals = instance.into_iter().flat_map(|instance| instance.globals.iter().enumerate());
    let rows = globals.filter_map(|(own, index)| {
        let global = recorded.globals.get((*index)? as usize)?;
        let name = binary.and_then(|binary| binary.module().global_name(u32::try_from(own).ok()?).map(str::to_owned));
        Some(row_of(name.unwrap_or_else(|| format!("global{own}")), &global.value))
    });
    rows.collect()
}

fn row_of(name: String, value: &Value) -> Row {
    let text = match value {
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(bits) => f32::from_bits(*bits).to_string(),
        Value::F64(bits) => f64::from_bits(*bits).to_string(),
        Value::V128(bytes) => format!("{:#034x}", u128::from_le_bytes(*bytes)),
        Value::Missing => "<not recorded>".to_owned(),
        Value::Ref(reference) => format!("{reference:?}"),
    };
    let type_name = value.type_name().unwrap_or_default().to_owned();
    Row { name, value: text, type_name, ..Row::default() }
}

/// Lists of rows by the numbers that the editor was given.
#[derive(Default)]
pub struct Handles {
    rows: Vec<(Origin, Vec<Row>)>,
    /// Number of the first that is remembered, from 1.
    first: u64,
}

impl Handles {
    /// Remembers a list, and gives its number.
    pub fn add(&mut self, origin: Origin, rows: Vec<Row>) -> u64 {
        if self.rows.len() >= MAX_HANDLES {
            self.first += self.rows.len() as u64;
            self.rows.clear();
        }
        self.rows.push((origin, rows));
        self.first + self.rows.len() as u64
    }

    /// The list with this number.
    pub fn get(&self, number: u64) -> Option<(Origin, Vec<Row>)> {
        let index = number.checked_sub(self.first + 1)?;
        self.rows.get(usize::try_from(index).ok()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_expressions() {
        assert_eq!(inner_expression("node", "next"), "(node).next");
        assert_eq!(inner_expression("(node).next", "*"), "*((node).next)");
        assert_eq!(inner_expression("list", "[3]"), "(list)[3]");
    }

    #[test]
    fn a_number_that_was_never_given_has_no_rows() {
        let mut handles = Handles::default();
        let number = handles.add(Origin::Runtime, vec![Row::default()]);
        assert_eq!(handles.get(number).map(|(_, rows)| rows.len()), Some(1));
        assert!(handles.get(0).is_none() && handles.get(number + 1).is_none() && handles.get(u64::MAX).is_none());
    }
}
