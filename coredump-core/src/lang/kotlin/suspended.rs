//! Suspended functions: the objects that hold the state of suspend functions while they wait.
//!
//! Such an object refers to that of its caller, which is resumed when it ends. The function stores the number of the
//! suspension point in the object just before the call at which it waits, so its code shows where that is. Seen in
//! Kotlin 2.4.20.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use wasmparser::{Operator, OperatorsReader};

use super::layout::with_superclasses;
use super::{Class, Kotlin, NamedObjects};
use crate::gc::meaning::FieldReading;
use crate::objects::{Field, Id, Link, Object, ObjectKind};

/// The most suspended functions that are listed.
const MOST: usize = 1 << 16;
/// The most methods of one class that are searched for the one that resumes it.
const FUNCTIONS: usize = 256;
/// The most instructions that are read to find the suspension points of all objects together.
const INSTRUCTIONS: u64 = 1 << 26;

/// A suspend function that waits, or of which it is not known whether it still waits.
#[derive(Clone, Debug)]
pub struct Suspended {
    /// The object that keeps its state.
    pub id: Id,
    /// The function.
    pub function: String,
    /// The number of its suspension point.
    pub state: i32,
    /// The object of its caller, which waits for it.
    pub caller: Option<Id>,
    /// The place where it waits; `None` if the code does not show it.
    pub place: Option<SuspendPoint>,
    /// The kind of event that will resume it.
    pub held: ResumedBy,
    /// The parameters and variables that live across the suspension point.
    pub variables: Vec<(String, FieldReading)>,
}

/// The place where a suspended function waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspendPoint {
    /// The module.
    pub module: u32,
    /// The function that resumes it.
    pub function: u32,
    /// The call at which it waits: a byte offset in the module's file.
    pub offset: u64,
}

/// The kind of event that will resume a suspended function that waits for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumedBy {
    /// A continuation that was not resumed yet.
    Continuation,
    /// A sequence or an iterator, when its next element is asked for.
    Sequence,
    /// Nothing says whether it waits.
    Unknown,
}

impl Kotlin {
    /// All suspended functions of a dump, by the ids of their objects.
    pub fn suspended(&self, view: &NamedObjects<'_>) -> Vec<Suspended> {
        let Some(objects) = view.objects() else { return Vec::new() };
        if !super::has_information(view, None) {
            return Vec::new();
        }
        let mut roles: Vec<Option<Role>> = vec![None; objects.types().len()];
        let (mut found, mut holders) = (Vec::new(), Vec::new());
        let left = Cell::new(INSTRUCTIONS);
        for object in objects.iter().filter(|object| object.kind() == ObjectKind::Struct) {
            let role = roles[object.type_index as usize].get_or_insert_with(|| {
                let class = self.class(view, &object);
                class.map_or(Role::Other, |class| Role::from_class(&class))
            });
            match role {
                Role::Other => {}
                Role::Suspended if found.len() < MOST => found.extend(self.suspended_in(view, &object, &left)),
                Role::Suspended => {}
                role => holders.extend(self.holder(view, &object, *role)),
            }
        }
        // A function whose continuation has been resumed has gone on.
        let gone: HashSet<Id> = holders.iter().filter(|(_, held)| held.is_none()).map(|(id, _)| *id).collect();
        // If several objects will resume a function, the first counts.
        let held = holders.iter().rev().filter_map(|&(id, held)| Some((id, held?)));
        let held: HashMap<Id, ResumedBy> = held.collect();
        found.retain(|one: &Suspended| !gone.contains(&one.id));
        for one in &mut found {
            one.held = held.get(&one.id).copied().unwrap_or(ResumedBy::Unknown);
        }
        found
    }

    fn suspended_in(&self, view: &NamedObjects<'_>, object: &Object<'_>, left: &Cell<u64>) -> Option<Suspended> {
        const CLASS: &str = "coroutines.CoroutineImpl";
        let class = self.class(view, object)?;
        let state = self.int(view, object, CLASS, "state").filter(|&state| state > 0)?;
        // A continuation that has ended has released its interceptor.
        let intercepted = self.object(view, object, CLASS, "intercepted_").and_then(|held| self.class(view, &held));
        if intercepted.is_some_and(|class| class.is("kotlin.coroutines.CompletedContinuation")) {
            return None;
        }
        let (_, members) = self.coroutine(&class, &self.members(view, object))?;
        Some(Suspended {
            id: object.id,
            function: class.simple_of_coroutine()?.to_owned(),
            state,
            caller: self.object(view, object, CLASS, "resultContinuation").map(|caller| caller.id),
            place: self.suspend_point(view, object, state, left),
            held: ResumedBy::Unknown,
            variables: members.into_iter().filter(|(name, _)| name != "state").collect(),
        })
    }

    /// The suspended function that an object will resume, and how; the inner `None` says that it has been resumed.
    fn holder(&self, view: &NamedObjects<'_>, object: &Object<'_>, role: Role) -> Option<(Id, Option<ResumedBy>)> {
        if role == Role::Sequence {
            let next = self.object(view, object, "sequences.SequenceBuilderIterator", "nextStep")?;
            return Some((next.id, Some(ResumedBy::Sequence)));
        }
        const CLASS: &str = "coroutines.SafeContinuation";
        let waits = self.object(view, object, CLASS, "delegate")?;
        // The field holds an enumeration entry, or the value that the function was resumed with.
        let result = self.object(view, object, CLASS, "result")?;
        let entry = self.object(view, &result, "Enum", "name").and_then(|name| self.whole_text(view, &name));
        match entry.as_deref() {
            Some("COROUTINE_SUSPENDED") => Some((waits.id, Some(ResumedBy::Continuation))),
            Some("RESUMED") => Some((waits.id, None)),
            _ => None,
        }
    }

    /// The suspension point of an object with this state: one of its class's methods stores the number just before the
    /// call at which it waits.
    fn suspend_point(
        &self,
        view: &NamedObjects<'_>,
        object: &Object<'_>,
        state: i32,
        left: &Cell<u64>,
    ) -> Option<SuspendPoint> {
        let own = self.own(view, object);
        let field = own.iter().position(|index| view.field_name(object.type_index, *index) == Some("state"));
        let field = *own.get(field.unwrap_or(1))? as u32;
        let Field::Ref(Link::Object(vtable)) = object.get(0)? else { return None };
        let vtable = view.get(vtable)?;
        let mut places = vtable.fields().take(FUNCTIONS).filter_map(|function| {
            let Field::Ref(Link::Function { instance, index }) = function else { return None };
            let number = view.module_of(instance, object)?;
            let module = view.module(number)?;
            // The field is declared by the superclass. Several equal types of a module are one to the engine.
            let places = object.ty.places.iter().filter(|place| place.0 == number);
            let types: Vec<u32> = places.flat_map(|&(_, ty)| with_superclasses(module, ty)).collect();
            let is_helper = |function| module.function_name(function) == Some("kotlin.wasm.internal.returnIfSuspended");
            let is_field = |ty: u32, at: u32| at == field && types.contains(&ty);
            let offset = call_at(module.operators(index)?, is_field, is_helper, state, left)?;
            Some(SuspendPoint { module: number, function: index, offset })
        });
        let first = places.next()?;
        // If the limit was reached, it is not known whether the point is the only one.
        (places.all(|other| other == first) && left.get() > 0).then_some(first)
    }
}

/// The call at which a function waits after it has stored `state` in a field: the last call before the comparison of
/// its result with `COROUTINE_SUSPENDED`. `None` unless the number is stored exactly once. `is_helper` recognises the
/// library's own calls in between.
fn call_at(
    mut operators: OperatorsReader<'_>,
    is_field: impl Fn(u32, u32) -> bool,
    is_helper: impl Fn(u32) -> bool,
    state: i32,
    left: &Cell<u64>,
) -> Option<u64> {
    let (mut constant, mut stores) = (None, 0);
    // The calls since the number was stored; the last one loads `COROUTINE_SUSPENDED`.
    let (mut calls, mut found): (Vec<u64>, Option<u64>) = (Vec::new(), None);
    while !operators.eof() {
        left.set(left.get().checked_sub(1)?);
        let offset = operators.original_position() as u64;
        let operator = operators.read().ok()?;
        match operator {
            Operator::StructSet { struct_type_index, field_index }
                if constant == Some(state) && is_field(struct_type_index, field_index) =>
            {
                stores += 1;
                calls.clear();
            }
            Operator::RefEq if stores > 0 && found.is_none() => {
                calls.pop();
                found = calls.pop();
            }
            Operator::Call { function_index } if !is_helper(function_index) => calls.push(offset),
            Operator::CallRef { .. } | Operator::CallIndirect { .. } => calls.push(offset),
            _ => {}
        }
        constant = if let Operator::I32Const { value } = operator { Some(value) } else { None };
    }
    found.filter(|_| stores == 1)
}

/// The role that objects of a type have for suspended functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Suspended,
    Continuation,
    Sequence,
    Other,
}

impl Role {
    fn from_class(class: &Class) -> Role {
        match () {
            () if class.is("kotlin.coroutines.CoroutineImpl") => Role::Suspended,
            () if class.is("kotlin.coroutines.SafeContinuation") => Role::Continuation,
            () if class.is("kotlin.sequences.SequenceBuilderIterator") => Role::Sequence,
            () => Role::Other,
        }
    }
}
