//! A variable as plain data, as it is shown to a person or another program.

use crate::scope::VariableKind;

/// The limits on how much of a value is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of members, elements and pointed-to values that are shown.
    pub depth: u32,
    /// Elements that are shown of one array, string or container.
    pub elements: u32,
    /// True if only each variable's own text is wanted: type names and the targets of plain pointers are then left out.
    pub text_only: bool,
}

impl Limits {
    /// The most levels that are shown, since each is a level of recursion.
    pub(crate) const DEEPEST: u32 = 64;

    /// Limits from a command line, with the defaults for options that are not given.
    pub fn asked(depth: Option<u32>, elements: Option<u32>) -> Self {
        let usual = Limits::default();
        Limits { depth: depth.unwrap_or(usual.depth), elements: elements.unwrap_or(usual.elements), ..usual }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 4, elements: 32, text_only: false }
    }
}

/// The variables of one function that was active in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The function's name with its namespaces, where the debug information has it.
    pub function: Option<String>,
    /// True if it was inlined into the function of the next scope.
    pub inlined: bool,
    /// Parameters first, then variables, outer blocks first.
    pub variables: Vec<Variable>,
}

/// A variable, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name. For a part: the member's name, `[3]` for an element, `*` for what a pointer points to.
    pub name: String,
    /// Its type as the language writes it.
    pub type_name: String,
    /// Parameter, local or static.
    pub kind: VariableKind,
    /// Its location according to the debug information, for a person.
    pub location: String,
    /// Its address in linear memory, where it has one.
    pub address: Option<u64>,
    /// The status of its value: it is known, or there is a reason why it is not.
    pub status: Status,
    /// Its value in one line; `None` unless the status is [`Status::Ok`].
    pub value: Option<String>,
    /// The time at which it had that value.
    pub at: When,
    /// A sentence that says why the value is not known, or what is wrong with it.
    pub note: Option<String>,
    /// True if a variable of the same name in an inner block hides it: in the program's code, and in expressions, the
    /// name means the other one.
    pub hidden: bool,
    /// Its parts: members, elements, or what it points to.
    pub children: Vec<Variable>,
}

/// The time at which a variable had the value that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// At the point where execution stood.
    #[default]
    Now,
    /// On entry to its function. The parameter's current value is not known: it may have been assigned to since.
    Entry,
    /// Shortly before: the debug information has its value up to a branch from which all paths lead here. It may have
    /// been assigned to since, on the same source lines.
    Earlier,
}

impl When {
    /// The stable name, as it appears in JSON; `None` where execution stood.
    pub fn name(self) -> Option<&'static str> {
        match self {
            When::Now => None,
            When::Entry => Some("entry"),
            When::Earlier => Some("earlier"),
        }
    }
}

/// The status of a value: it is known, or there is a reason why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its value is known.
    Ok,
    /// The compiler did not keep it (optimised out).
    OptimizedOut,
    /// The dump does not hold it.
    NotCaptured,
    /// Its address, or what describes it, makes no sense.
    Unreadable,
}

impl Status {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::OptimizedOut => "optimized-out",
            Status::NotCaptured => "not-captured",
            Status::Unreadable => "unreadable",
        }
    }
}

impl Variable {
    /// Its name as debuggers write it: `name@entry` for the value on entry to the function, `name@earlier` for a value
    /// shortly before.
    pub fn label(&self) -> std::borrow::Cow<'_, str> {
        match self.at {
            When::Now => self.name.as_str().into(),
            // An expression has `@entry` in it already.
            When::Entry if self.name.contains("@entry") => self.name.as_str().into(),
            When::Entry => format!("{}@entry", self.name).into(),
            When::Earlier => format!("{}@earlier", self.name).into(),
        }
    }

    /// Its value, or why there is none, as `<optimized out>`.
    pub fn text(&self) -> String {
        if let Some(value) = &self.value {
            return value.clone();
        }
        match (self.status, &self.note) {
            (Status::OptimizedOut, _) => "<optimized out>".into(),
            (Status::NotCaptured, None) => "<not captured>".into(),
            (Status::NotCaptured, Some(note)) => format!("<not captured: {note}>"),
            (Status::Unreadable | Status::Ok, Some(note)) => format!("<unreadable {note}>"),
            (Status::Unreadable | Status::Ok, None) => "<unreadable>".into(),
        }
    }
}
