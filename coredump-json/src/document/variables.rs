//! Variables, and their parts.

use coredump_core::{Scope, Variable};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::text::{Each, Hex, written_as};

/// A variable, or a part of one.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "variable"))]
struct VariableFields<'d> {
    /// Its name. For a part: the member's name, `[3]` for an element, or `*` for what a pointer points to.
    name: &'d str,
    /// Its type, as the language writes it.
    r#type: &'d str,
    /// The function it belongs to, the frame's or an inlined one; absent for parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Option<&'d str>>,
    /// True if that function was inlined; absent for parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    inlined: Option<bool>,
    /// Its kind; absent for parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["parameter", "local", "static"])))]
    kind: Option<&'static str>,
    /// A variable of the same name in an inner block hides it; present only if true.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<bool>,
    /// Its location according to the debug info, for a person.
    location: &'d str,
    /// Its value in one line, as the language writes it; null unless its status is `ok`.
    value: Option<&'d str>,
    /// The time at which it had this value; absent for the current value. `entry`: on entry to the function, since the parameter's current value is not known. `earlier`: shortly before, at the last place where the debug information has the value; the variable may have been assigned to since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["entry", "earlier"])))]
    at: Option<&'static str>,
    /// Its address in linear memory, where it has one.
    address: Option<Hex>,
    /// This says whether the value is known.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["ok", "optimized-out", "not-captured", "unreadable"])))]
    status: &'static str,
    /// A sentence that says why the value is not known, or what is wrong with it.
    note: Option<&'d str>,
    /// Its parts: members, elements, or what it points to.
    children: Each<'d, VariableEntry<'d>>,
}

written_as! {
    VariableEntry<'_> => VariableFields<'static>;
}

/// A variable, or (without a scope) a part of one.
pub struct VariableEntry<'d> {
    pub variable: &'d Variable,
    pub scope: Option<&'d Scope>,
    /// True if its value is to be left out.
    pub hidden: bool,
}

impl Serialize for VariableEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let VariableEntry { variable, scope, hidden } = *self;
        let child = move |variable| VariableEntry { variable, scope: None, hidden };
        let fields = VariableFields {
            name: &variable.name,
            r#type: &variable.type_name,
            function: scope.map(|scope| scope.function.as_deref()),
            inlined: scope.map(|scope| scope.inlined),
            kind: scope.map(|_| variable.kind.name()),
            hidden: (scope.is_some() && variable.hidden).then_some(true),
            location: &variable.location,
            value: variable.value.as_deref().filter(|_| !hidden),
            at: variable.at.name(),
            address: variable.address.map(Hex),
            status: variable.status.name(),
            note: variable.note.as_deref().filter(|_| !hidden),
            children: Each::new(move || variable.children.iter().map(child)),
        };
        fields.serialize(serializer)
    }
}

/// The variables of a function.
pub fn variables_of(scope: &Scope, hidden: bool) -> impl Iterator<Item = VariableEntry<'_>> {
    scope.variables.iter().map(move |variable| VariableEntry { variable, scope: Some(scope), hidden })
}
