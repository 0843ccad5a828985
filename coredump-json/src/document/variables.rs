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
    /// Its name; of a part the member, `[3]`, or `*` for what a pointer points to.
    name: &'d str,
    /// Its type, as the language writes it.
    r#type: &'d str,
    /// The function it belongs to: the frame's or an inlined one. Not of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Option<&'d str>>,
    /// That function was inlined. Not of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    inlined: Option<bool>,
    /// Not of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["parameter", "local", "static"])))]
    kind: Option<&'static str>,
    /// A variable of an inner block has its name, and is what the name means. Only with true.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<bool>,
    /// Where the debug info says it is, for a person.
    location: &'d str,
    /// Its value in one line, as the language writes it; null unless its status is `ok`.
    value: Option<&'d str>,
    /// `entry`: the value is that of the function's entry; what the parameter is now is not known. `earlier`: it is that of shortly before, where the debug information tells it last; the variable may have been assigned to since. Absent where it is what it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["entry", "earlier"])))]
    at: Option<&'static str>,
    /// Its address in linear memory, where it has one.
    address: Option<Hex>,
    /// Whether its value is known.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["ok", "optimized-out", "not-captured", "unreadable"])))]
    status: &'static str,
    /// Why not, or what is wrong with it.
    note: Option<&'d str>,
    /// Members, elements, what it points to.
    children: Each<'d, VariableEntry<'d>>,
}

written_as! {
    VariableEntry<'_> => VariableFields<'static>;
}

/// A variable, or (without a scope) a part of one.
pub struct VariableEntry<'d> {
    pub variable: &'d Variable,
    pub scope: Option<&'d Scope>,
    /// Whether to leave its value out.
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
