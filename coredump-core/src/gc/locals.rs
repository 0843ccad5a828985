//! The locals of a frame whose debug information says nothing of variables: by the names of the name section.

use std::collections::HashMap;
use std::ops::Range;

use super::ObjectView;
use super::assigned::{self, Assignment};
use super::meaning::{FieldReading, ObjectForm, Reading};
use super::named::clean;
use crate::lang::kotlin;
use crate::model::{Frame, Reference, Value};
use crate::module::Module;
use crate::objects::{Field, Id, Link, Object, ObjectKind};
use crate::variables::{Limits, Scope, Status, Variable, VariableKind, When};

/// Parts of the variables of one frame that are listed.
const MAX_PARTS: usize = 1 << 14;
/// Locals of a frame that are listed.
const MAX_LOCALS: usize = 10_000;

/// A local as its frame's code sees it.
pub(super) struct Local {
    /// Its number.
    pub index: usize,
    /// Its name, else none.
    pub name: Option<String>,
    /// Its value; none where the dump does not hold it.
    pub part: Option<FieldReading>,
    /// True if it is one of the function's parameters.
    pub parameter: bool,
    /// True if it may not have been assigned to, and holds the value that all locals begin with.
    pub perhaps_unset: bool,
    /// Its Wasm type.
    ty: &'static str,
}

/// The names and types of the locals of one function.
struct FunctionLocals<'d> {
    module: Option<&'d Module<'d>>,
    function: u32,
    /// The program's language, if that is known.
    language: Option<Language>,
}

struct Language {
    readings: HashMap<u32, Reading>,
    states: Option<Vec<Assignment>>,
}

impl<'d> ObjectView<'d> {
    /// The locals of a frame that have names, and those that refer to objects; parameters first. None where the dump
    /// holds no objects or no locals. If the program's language is known, only those are listed that are its variables
    /// and in scope.
    pub fn locals(&self, thread: usize, frame: usize, limits: Limits) -> Option<Scope> {
        let mut left = MAX_PARTS;
        let variables = self.local_parts(thread, frame)?.into_iter().map(|local| {
            let name = local.name.unwrap_or_else(|| format!("local[{}]", local.index));
            let mut variable = match local.part {
                Some(part) if local.perhaps_unset => {
                    let text = self.value_text(part, limits);
                    let note = format!("{text}, unless it is not set yet");
                    Variable { status: Status::NotCaptured, note: Some(note), ..empty(name) }
                }
                Some(part) => self.part(name, part, limits, limits.depth, &mut Vec::new(), &mut left),
                None => Variable { status: Status::NotCaptured, ..empty(name) },
            };
            if variable.type_name.is_empty() {
                variable.type_name = local.ty.to_owned();
            }
            variable.location = format!("local {}", local.index);
            variable.kind = if local.parameter { VariableKind::Parameter } else { VariableKind::Local };
            variable
        });
        let variables: Vec<Variable> = variables.collect();
        (!variables.is_empty()).then_some(Scope { function: None, inlined: false, variables })
    }

    /// The locals of a frame as values, which are not written out as text.
    pub(super) fn local_parts(&self, thread: usize, index: usize) -> Option<Vec<Local>> {
        self.objects()?;
        let frame = self.dump.threads.get(thread)?.frames.get(index)?;
        let locals = frame.locals.as_deref()?;
        let described = self.function_locals(thread, index, frame)?;
        let signature = described.module.and_then(|module| module.signature(described.function));
        let parameters = signature.map_or(0, |ty| ty.params.len());
        let listed = locals.iter().take(MAX_LOCALS).enumerate();
        let locals = listed.filter_map(|(index, value)| described.local(index, value, index < parameters));
        Some(locals.collect())
    }

    fn function_locals(&self, thread: usize, index: usize, frame: &Frame) -> Option<FunctionLocals<'d>> {
        let function = frame.function?;
        let number = self.binaries.module_of(self.dump, frame);
        let module = number.and_then(|module| self.named.module(module));
        let of_language = number.is_some_and(|number| self.kotlin.is_program(&self.named, number));
        let language = module.filter(|_| of_language).map(|module| {
            let place = self.binaries.code_place(self.dump, thread, index);
            let states = place.and_then(|place| assigned::states(module, function, place.module_offset));
            Language {
                readings: number.map_or_else(HashMap::new, |number| self.kotlin.locals(&self.named, number, function)),
                states,
            }
        });
        Some(FunctionLocals { module, function, language })
    }

    /// Values with their parts, as variables.
    pub(crate) fn variables(&self, values: Vec<(String, FieldReading)>, limits: Limits) -> Vec<Variable> {
        let mut left = MAX_PARTS;
        let one = |(name, part)| self.part(name, part, limits, limits.depth, &mut Vec::new(), &mut left);
        values.into_iter().map(one).collect()
    }

    /// A value with its parts. `open` are the objects that it is in.
    pub(super) fn part(
        &self,
        name: String,
        part: FieldReading,
        limits: Limits,
        depth: u32,
        open: &mut Vec<Id>,
        left: &mut usize,
    ) -> Variable {
        *left = left.saturating_sub(1);
        let mut variable = empty(name);
        variable.type_name = type_word(part).to_owned();
        variable.value = Some(self.value_text(part, Limits { depth, ..limits }));
        if let Some((class, field, inner)) = self.value_of(part) {
            variable.type_name = class.to_owned();
            if let Some(deeper) = depth.checked_sub(1).filter(|_| *left > 0 && !limits.text_only) {
                variable.children.push(self.part(field.to_owned(), inner, limits, deeper, open, left));
            }
            return variable;
        }
        let Field::Ref(Link::Object(id)) = part.field else { return variable };
        let Some(object) = self.get(id) else {
            variable.status = Status::NotCaptured;
            variable.value = None;
            variable.note = Some(format!("object #{id} is not in the dump"));
            return variable;
        };
        variable.type_name = self.class_of(&object).unwrap_or_else(|| self.type_label(object.type_index));
        if let Some(deeper) = depth.checked_sub(1)
            && !open.contains(&id)
            && !limits.text_only
        {
            open.push(id);
            let window = 0..u64::from(limits.elements);
            for (name, part) in self.parts(part, &object, window, limits).into_iter().take(limits.elements as usize) {
                if *left == 0 {
                    break;
                }
                variable.children.push(self.part(name, part, limits, deeper, open, left));
            }
            open.pop();
        }
        variable
    }

    /// The parts of an object, which `whole` refers to, by their names: fields, elements, a map's values by their keys.
    /// Of elements and entries those of a window; `limits` bound the keys.
    pub(super) fn parts(
        &self,
        whole: FieldReading,
        object: &Object<'_>,
        window: Range<u64>,
        limits: Limits,
    ) -> Vec<(String, FieldReading)> {
        let start = window.start;
        let places = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (first, count) = (places(start), places(window.end.saturating_sub(start)));
        let Some(meaning) = self.meaning_of(whole, object, window) else {
            let name = |index| match object.kind() {
                ObjectKind::Struct => self.field_name(object.type_index, index).map(str::to_owned),
                _ => None,
            };
            let fields = object.fields().enumerate().skip(first).take(count);
            let named = |(index, field)| {
                let name = name(index).unwrap_or_else(|| format!("[{index}]"));
                (name, self.plain_part(object, index, field))
            };
            return fields.map(named).collect();
        };
        match meaning.form {
            ObjectForm::Elements { parts, .. } => {
                (start..).zip(parts).map(|(index, part)| (format!("[{index}]"), part)).collect()
            }
            ObjectForm::Entries { parts, .. } => {
                let shallow = Limits { depth: 1, ..limits };
                let key = |part| format!("[{}]", self.value_text(part, shallow));
                parts.into_iter().map(|(part, value)| (key(part), value)).collect()
            }
            ObjectForm::Other(FieldReading { field: Field::Ref(Link::Object(id)), .. }) if id != object.id => {
                // The object only holds another one, whose parts are shown as its own.
                self.get(id).map(|other| self.members(&other)).unwrap_or_default()
            }
            _ => meaning.members,
        }
    }
}

impl FunctionLocals<'_> {
    /// A local, if it is to be shown.
    fn local(&self, index: usize, value: &Value, parameter: bool) -> Option<Local> {
        let number = u32::try_from(index).ok()?;
        let name = self.module.and_then(|module| module.local_name(self.function, number));
        let refers = matches!(value, Value::Ref(_));
        if name.is_none() && !refers {
            return None;
        }
        let reading = match &self.language {
            None => Reading::Raw,
            Some(language) => {
                if name.is_some_and(|name| kotlin::local_name(name).is_none()) {
                    return None;
                }
                language.readings.get(&number).copied().unwrap_or(Reading::Unknown)
            }
        };
        let states = self.language.as_ref().and_then(|language| language.states.as_deref());
        let state = states.and_then(|states| states.get(index)).copied().unwrap_or_default();
        if self.language.is_some() && !parameter && state == Assignment::Unset {
            return None;
        }
        let part = part_of(value, reading);
        let initial = part.is_none_or(|part| is_initial(part.field));
        let perhaps_unset =
            self.language.is_some() && !parameter && state == Assignment::Perhaps && initial && part.is_some();
        let name = name.map(|name| clean(kotlin::local_name(name).filter(|_| self.language.is_some()).unwrap_or(name)));
        Some(Local { index, name, part, parameter, perhaps_unset, ty: value.type_name().unwrap_or_default() })
    }
}

/// The value of a local or a global.
pub(super) fn part_of(value: &Value, reading: Reading) -> Option<FieldReading> {
    let field = match *value {
        Value::Missing => return None,
        Value::I32(value) => Field::I32(value),
        Value::I64(value) => Field::I64(value),
        Value::F32(bits) => Field::F32(bits),
        Value::F64(bits) => Field::F64(bits),
        Value::V128(bytes) => Field::V128(bytes),
        Value::Ref(Reference { ref target, .. }) => Field::Ref(ObjectView::link(target)),
    };
    // Only integers are read in one way or another, which the code decides, and the elements of arrays.
    let reading = match (field, reading) {
        (Field::I64(_), Reading::Truth | Reading::Character) => Reading::Number,
        (Field::I32(_) | Field::I64(_), _) => reading,
        (Field::Ref(_), Reading::Unsigned | Reading::Signed) | (_, Reading::Raw | Reading::Value { .. }) => reading,
        (Field::Ref(_), _) => Reading::Number,
        _ => Reading::Signed,
    };
    Some(FieldReading { field, reading })
}

/// Returns true if a value is the one that all locals begin with.
fn is_initial(field: Field) -> bool {
    matches!(
        field,
        Field::I32(0) | Field::I64(0) | Field::F32(0) | Field::F64(0) | Field::V128([0, ..]) | Field::Ref(Link::Null)
    )
}

/// The type of a number in a word.
fn type_word(part: FieldReading) -> &'static str {
    match (part.field, part.reading) {
        (_, Reading::Truth) => "Boolean",
        (_, Reading::Character) => "Char",
        (_, Reading::Duration) => "kotlin.time.Duration",
        (_, Reading::UnsignedByte) => "UByte",
        (_, Reading::UnsignedShort) => "UShort",
        (Field::I32(_), Reading::Unsigned) => "UInt",
        (Field::I64(_), Reading::Unsigned) => "ULong",
        (Field::I8(_), _) => "i8",
        (Field::I16(_), _) => "i16",
        (Field::I32(_), _) => "i32",
        (Field::I64(_), _) => "i64",
        (Field::F32(_), _) => "f32",
        (Field::F64(_), _) => "f64",
        (Field::V128(_), _) => "v128",
        (Field::Ref(_), _) => "",
    }
}

pub(super) fn empty(name: String) -> Variable {
    Variable {
        name,
        type_name: String::new(),
        kind: VariableKind::Local,
        location: String::new(),
        address: None,
        status: Status::Ok,
        value: None,
        at: When::Now,
        note: None,
        hidden: false,
        children: Vec::new(),
    }
}
