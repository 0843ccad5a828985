//! Objects of Kotlin, as Kotlin/Wasm 2.4 lays them out: see `class`.

mod bound;
mod class;
mod flows;
mod kinds;
mod layout;
mod library;
mod numbers;
mod suspended;
pub mod tasks;
mod text;
mod values;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use class::{Class, Pool};
use flows::{Flows, ValueHolder};
use kinds::Fields;

use crate::gc::meaning::{FieldReading, Meaning, ObjectForm, ObjectText, Reading, Thrown};
use crate::gc::named::NamedObjects;
use crate::locked::Locked;
use crate::objects::{Field, Id, Link, Object, Storage};

pub use class::has_information;
pub use kinds::is_optimised;
pub use library::read_as;
pub use numbers::{part_text, quoted};
pub use suspended::{ResumedBy, SuspendPoint, Suspended};

/// The most causes of an exception that are followed, and the most suppressed exceptions that are listed.
const CAUSES: u32 = 8;
const SUPPRESSED: u64 = 16;
/// The most UTF-16 code units of a message.
const MESSAGE: u64 = 4096;
/// The most parts of strings and entries of maps that are read in one dump: more than a sound dump needs.
const WORK: u64 = 1 << 25;

/// Results of searches; `None` for a key that was not found.
type Lookups<K, T> = HashMap<K, Option<Arc<T>>>;

/// The Kotlin program of a dump; empty if the dump has none.
#[derive(Debug, Default)]
pub struct Kotlin {
    /// The number of parts of strings and entries of maps that were read.
    work: AtomicU64,
    classes: Locked<Lookups<Id, Class>>,
    /// Classes by module and type index.
    named: Locked<Lookups<(u32, u32), Class>>,
    /// By the object that is the vtable of a class: true if the class is a `data object`.
    data_objects: Locked<HashMap<Id, bool>>,
    /// The classes of a module's `data object`s, by the names of their types.
    data_classes: Locked<HashMap<u32, Arc<HashSet<String>>>>,
    /// By runtime type information and type of the dump.
    typed: Locked<HashMap<(Id, u32), Arc<Class>>>,
    /// By module and the function that loads from it.
    pools: Locked<Lookups<(u32, Option<u32>), Pool>>,
    fields: Locked<HashMap<u32, Arc<Fields>>>,
    flows: Locked<HashMap<u32, Arc<Flows>>>,
    /// By module: true if the objects of its types are Kotlin's.
    programs: Locked<HashMap<u32, bool>>,
}

impl Kotlin {
    /// The meaning of an object, with the elements of a window; `None` if it is not an object of Kotlin.
    pub fn meaning(&self, view: &NamedObjects<'_>, object: &Object<'_>, window: Range<u64>) -> Option<Meaning> {
        let class = self.class(view, object)?;
        let known = class.names().find_map(|name| self.known(view, object, &class, name, &window));
        let is_own = known.is_none();
        let form = known.unwrap_or_else(|| {
            let simple = class.simple();
            match self.is_data_object(view, object, &class) {
                true => ObjectForm::Plain(crate::text::escape(simple).into_owned()),
                false if simple == "<no name provided>" => ObjectForm::Record("object".to_owned()),
                false => ObjectForm::Record(simple.to_owned()),
            }
        });
        let mut members = match form {
            ObjectForm::Record(_) => self.members(view, object),
            ObjectForm::Plain(_) if is_own || class.is("kotlin.Enum") || class.is("kotlin.Throwable") => {
                self.members(view, object)
            }
            _ => Vec::new(),
        };
        // A lambda's function is shown as its name, not as a member.
        members.retain(|(_, part)| !matches!(part.field, Field::Ref(Link::Function { .. })));
        let (form, members) = match (form, self.coroutine(&class, &members)) {
            (ObjectForm::Record(_), Some((name, members))) => (ObjectForm::Record(name), members),
            (form, _) => (form, members),
        };
        Some(Meaning { class: class.name().to_owned(), form, members })
    }

    /// Counts work as done; returns whether the limit still allows it.
    fn spend(&self, work: u64) -> bool {
        self.work.fetch_add(work, Ordering::Relaxed).saturating_add(work) <= WORK
    }

    /// The fields of an object after the four that all objects have, with their names.
    pub fn members(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Vec<(String, FieldReading)> {
        let names = self.field_names(view, object);
        let name = |index| names(index).map_or_else(|| format!("[{index}]"), str::to_owned);
        self.fields_of(view, object).into_iter().map(|(index, part)| (name(index), part)).collect()
    }

    /// The fields of an object after the four that all objects have, by their indices.
    pub fn fields_of(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Vec<(usize, FieldReading)> {
        let fields = self.own(view, object).into_iter().filter_map(|index| Some((index, object.get(index)?)));
        let read = |(index, field)| (index, FieldReading { field, reading: self.reading(view, object, index) });
        let mut fields: Vec<_> = fields.map(read).collect();
        let bound = self.bound(view, object).unwrap_or_default();
        // The values that a lambda captured are its last fields.
        for ((_, part), reading) in fields.iter_mut().rev().zip(bound.into_iter().rev()) {
            part.reading = reading.unwrap_or(part.reading);
        }
        fields
    }

    /// Returns the readings of the values that a lambda captured; `None` if the name of its class does not say.
    fn bound(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Option<Vec<Option<Reading>>> {
        let class = self.class(view, object).filter(|class| class.name().contains(bound::BOUND))?;
        let (number, _) = *object.ty.places.first()?;
        bound::readings(class.name(), &self.fields(view, number)?.values(number))
    }

    /// An exception with its message, causes and suppressed exceptions.
    pub fn thrown(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Option<Thrown> {
        self.thrown_within(view, object, CAUSES)
    }

    fn thrown_within(&self, view: &NamedObjects<'_>, object: &Object<'_>, depth: u32) -> Option<Thrown> {
        let class = self.class(view, object).filter(|class| class.is("kotlin.Throwable"))?;
        let message =
            self.object(view, object, "Throwable", "message").and_then(|text| self.text(view, &text, 0..MESSAGE));
        let mut thrown = Thrown {
            class: class.name().to_owned(),
            message: message.map(|text| {
                let more = if text.whole && text.len <= MESSAGE { "" } else { "…" };
                String::from_utf16_lossy(&text.units) + more
            }),
            ..Thrown::default()
        };
        let Some(depth) = depth.checked_sub(1) else { return Some(thrown) };
        let cause = self.object(view, object, "Throwable", "cause").filter(|cause| cause.id != object.id);
        thrown.cause = cause.and_then(|cause| self.thrown_within(view, &cause, depth)).map(Box::new);
        let list = self.object(view, object, "Throwable", "suppressedExceptionsList");
        if let Some(Meaning { form: ObjectForm::Elements { parts, .. }, .. }) =
            list.and_then(|list| self.meaning(view, &list, 0..SUPPRESSED))
        {
            let objects = parts.iter().filter_map(|part| match part.field {
                Field::Ref(Link::Object(id)) => view.get(id),
                _ => None,
            });
            // Only one level of suppressed exceptions is listed, since exceptions may suppress each other without end.
            thrown.suppressed = objects.filter_map(|object| self.thrown_within(view, &object, depth.min(1))).collect();
        }
        Some(thrown)
    }

    /// Returns the reading of a field's bits. For integers and the elements of arrays, the program's code shows it.
    pub fn reading(&self, view: &NamedObjects<'_>, object: &Object<'_>, index: usize) -> Reading {
        use Storage::{I8, I16, I32, I64, Ref};
        let Some(storage) = object.storage(index) else { return Reading::Signed };
        let readings = object.ty.places.iter().filter_map(|&(number, ty)| {
            let (fields, field) = (self.fields(view, number)?, index as u32);
            let moved = || self.moved(view, number, ValueHolder::Field(ty, field));
            Some(fields.reading(view.module(number)?, ty, field, storage, moved))
        });
        let unknown = match storage {
            I8 | I16 => Reading::Unknown,
            I32 | I64 | Ref => Reading::Number,
            _ => Reading::Signed,
        };
        // Code that uses the field of another class says nothing of this one.
        if self.class(view, object).is_some_and(|class| !class.names_field(index)) {
            return unknown;
        }
        readings.into_iter().find(|reading| *reading != unknown).unwrap_or(unknown)
    }

    /// The Kotlin types of the fields in a module's types, as its code shows them.
    fn fields(&self, view: &NamedObjects<'_>, number: u32) -> Option<Arc<Fields>> {
        let module = view.module(number)?;
        let known = self.fields.lock().get(&number).cloned();
        Some(known.unwrap_or_else(|| {
            let fields = Arc::new(Fields::from_code(module, number));
            self.fields.lock().insert(number, fields.clone());
            fields
        }))
    }

    /// Returns the reading of a slot of a module that data flow shows.
    fn moved(&self, view: &NamedObjects<'_>, number: u32, slot: ValueHolder) -> Option<Reading> {
        let module = view.module(number)?;
        let known = self.flows.lock().get(&number).cloned();
        let flows = match known {
            Some(flows) => flows,
            None => {
                let fields = self.fields(view, number)?;
                let flows = Arc::new(Flows::from_code(module, &fields.declarations(module, number)));
                self.flows.lock().insert(number, flows.clone());
                flows
            }
        };
        flows.reading_of(module, slot)
    }

    /// Returns the readings of a function's locals that hold numbers or unboxed value classes, by the local's index, as
    /// far as code shows them.
    pub fn locals(&self, view: &NamedObjects<'_>, number: u32, function: u32) -> HashMap<u32, Reading> {
        let Some((module, fields)) = view.module(number).zip(self.fields(view, number)) else { return HashMap::new() };
        let mut known = fields.locals(module, number, function);
        for local in 0..module.local_types(function).map_or(0, |types| types.len() as u32) {
            if !known.contains_key(&local)
                && let Some(reading) = self.moved(view, number, ValueHolder::Local(function, local))
            {
                known.insert(local, reading);
            }
        }
        known
    }

    /// Returns the reading of a global's value.
    pub fn global(&self, view: &NamedObjects<'_>, number: u32, global: u32) -> Reading {
        self.moved(view, number, ValueHolder::Global(global)).unwrap_or(Reading::Number)
    }

    /// Returns the reading of the only field of a value class.
    pub fn reading_in(&self, view: &NamedObjects<'_>, number: u32, ty: u32, field: Field) -> Reading {
        let known = view.module(number).zip(self.fields(view, number));
        let moved = || self.moved(view, number, ValueHolder::Field(ty, layout::HEADER.len() as u32));
        known.map_or(Reading::Unknown, |(module, fields)| fields.within(module, ty, field, moved))
    }

    /// Returns true if a value of the value class that is boxed in a type may be null where it has no box.
    pub fn may_hold_null(&self, view: &NamedObjects<'_>, number: u32, ty: u32) -> bool {
        self.fields(view, number).is_some_and(|fields| fields.may_hold_null(ty))
    }

    /// Returns true if a value is an object of a class, or of a subclass of it.
    pub fn is_of(&self, view: &NamedObjects<'_>, part: FieldReading, class: &str) -> bool {
        let Field::Ref(Link::Object(id)) = part.field else { return false };
        let found = view.get(id).and_then(|object| self.class(view, &object));
        found.is_some_and(|found| found.is(class))
    }

    /// Returns true if the objects of a dump that are of a module's types are Kotlin's.
    pub fn is_program(&self, view: &NamedObjects<'_>, module: u32) -> bool {
        let known = self.programs.lock().get(&module).copied();
        known.unwrap_or_else(|| {
            let known = class::has_information(view, Some(module));
            self.programs.lock().insert(module, known);
            known
        })
    }

    /// Returns the reading of the elements of an array of numbers, which may be an array of unsigned numbers without
    /// its box.
    fn elements_reading(&self, view: &NamedObjects<'_>, array: &Object<'_>) -> Reading {
        let number = array.ty.places.first().map(|(number, _)| *number);
        number.and_then(|number| self.fields(view, number)).map_or(Reading::Number, |fields| fields.elements())
    }

    /// The name of a suspended function, and those members of its state that are variables of the source. Parameters
    /// come first; the compiler appends a number to the name of a local that lives across a suspension.
    fn coroutine(
        &self,
        class: &Class,
        members: &[(String, FieldReading)],
    ) -> Option<(String, Vec<(String, FieldReading)>)> {
        if !class.is("kotlin.coroutines.CoroutineImpl") {
            return None;
        }
        let function = class.simple_of_coroutine()?;
        let own = members.iter().position(|(name, _)| name == "intercepted_")? + 1;
        let mut shown: Vec<_> = members.iter().filter(|(name, _)| name == "state").cloned().collect();
        let mut number = 0;
        for (name, part) in &members[own..] {
            match name.strip_suffix(&number.to_string()).filter(|name| !name.is_empty()) {
                Some(local) => {
                    number += 1;
                    if !local.starts_with("tmp") && !local.starts_with('<') && local_name(local).is_some() {
                        shown.push((local.to_owned(), *part));
                    }
                }
                None => shown.push((name.clone(), *part)),
            }
        }
        Some((format!("suspended {function}"), shown))
    }
}

impl Class {
    /// The suspend function whose state an object of this class is: `$receiveCOROUTINE$` is that of `receive`.
    pub fn simple_of_coroutine(&self) -> Option<&str> {
        let name = self.name();
        let at = name.rfind("COROUTINE$")?;
        let function = &name[..at];
        let start = function.find('$').map_or(0, |dollar| dollar + 1);
        Some(&function[start..]).filter(|function| !function.is_empty())
    }
}

/// The name of the value class that is boxed in a type, and that of its only field.
pub fn value_class<'v>(view: &NamedObjects<'v>, number: u32, ty: u32) -> Option<(&'v str, &'v str)> {
    let module = view.module(number)?;
    Some((module.type_name(ty)?, module.field_name(ty, layout::HEADER.len() as u32)?))
}

/// A local's name as the program has it; `None` for a local that the compiler made.
pub fn local_name(name: &str) -> Option<&str> {
    match name {
        "<this>" => Some("this"),
        "merged_catch_param"
        | "TABLE_SWITCH_SELECTOR"
        | "tmp_int_when_subject"
        | "IS_INTERFACE_PARAMETER"
        | "TRY_RESULT" => None,
        name => (!name.contains('~') && !name.starts_with('<')).then_some(name),
    }
}
