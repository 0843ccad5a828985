//! The places where a program holds its objects: locals and operands of frames, an exception, globals and tables.

use std::collections::HashMap;

use super::ObjectView;
use super::named::clean;
use crate::model::{RefTarget, Reference, Value};
use crate::objects::Id;

/// Roots of which the names are kept; more of a program are still roots.
const MAX_NAMED: usize = 1 << 20;

/// A place that holds an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// A description of the place: `frame 0 draw, local $things`.
    pub place: String,
    /// The object.
    pub id: Id,
}

/// A place that holds an object, still without words for it.
enum Holder {
    Local(usize, usize, usize),
    Operand(usize, usize, usize),
    Exception(usize),
    Global(usize),
    Element(usize, usize),
}

impl ObjectView<'_> {
    /// All objects that a root holds, each once, those that frames hold first; a root of each.
    pub fn roots(&self) -> Vec<Root> {
        let mut places: Vec<(Holder, Id)> = Vec::new();
        let mut seen: HashMap<Id, ()> = HashMap::new();
        let mut add = |place: Holder, target: Option<&RefTarget>| {
            if let Some(RefTarget::Object(id)) = target
                && seen.insert(*id, ()).is_none()
            {
                places.push((place, *id));
            }
        };
        for (number, thread) in self.dump.threads.iter().enumerate() {
            for (index, frame) in thread.frames.iter().enumerate() {
                for (local, value) in frame.locals.iter().flat_map(|list| list.iter()).enumerate() {
                    add(Holder::Local(number, index, local), target(value));
                }
                for (operand, value) in frame.stack.iter().flat_map(|list| list.iter()).enumerate() {
                    add(Holder::Operand(number, index, operand), target(value));
                }
            }
        }
        let thrown = self.dump.reason.as_ref().and_then(|reason| reason.exception.as_ref());
        for (index, value) in thrown.iter().flat_map(|thrown| &thrown.values).enumerate() {
            add(Holder::Exception(index), value.reference.as_ref());
        }
        for (index, global) in self.dump.globals.iter().enumerate() {
            add(Holder::Global(index), target(&global.value));
        }
        for (index, table) in self.dump.tables.iter().enumerate() {
            for (element, target) in table.elements.iter().enumerate() {
                add(Holder::Element(index, element), Some(target));
            }
        }
        let globals = self.global_names();
        let named = places.into_iter().enumerate().map(|(number, (place, id))| Root {
            place: if number < MAX_NAMED { self.words(&place, &globals) } else { String::new() },
            id,
        });
        named.collect()
    }

    fn words(&self, place: &Holder, globals: &HashMap<usize, String>) -> String {
        let several = self.dump.threads.len() > 1;
        let frame = |thread: usize, index: usize| {
            let thread_name = if several { format!("thread {thread}, ") } else { String::new() };
            let frame = &self.dump.threads[thread].frames[index];
            let module = self.binaries.module_of(self.dump, frame).and_then(|module| self.binaries.binary(module));
            let name = frame.function.and_then(|function| module?.module().function_name(function));
            let name = name.map_or(String::new(), |name| format!(" {}", clean(name)));
            (format!("{thread_name}frame {index}{name}"), frame, module)
        };
        match *place {
            Holder::Local(thread, index, local) => {
                let (text, frame, module) = frame(thread, index);
                let name =
                    u32::try_from(local).ok().and_then(|local| module?.module().local_name(frame.function?, local));
                match name {
                    Some(name) => format!("{text}, local {}", clean(name)),
                    None => format!("{text}, local {local}"),
                }
            }
            Holder::Operand(thread, index, operand) => format!("{}, operand {operand}", frame(thread, index).0),
            Holder::Exception(index) => format!("the exception, value {index}"),
            Holder::Global(index) => match globals.get(&index) {
                Some(name) => format!("global {name}"),
                None => format!("global {index}"),
            },
            Holder::Element(table, element) => format!("table {table}, element {element}"),
        }
    }

    /// The names of globals, by the dump's index.
    fn global_names(&self) -> HashMap<usize, String> {
        let mut names = HashMap::new();
        for instance in &self.dump.instances {
            let Some(binary) = instance.module.and_then(|module| self.binaries.binary(module)) else { continue };
            for (own, global) in (0u32..).zip(&instance.globals) {
                if let (Some(index), Some(name)) = (global, binary.module().global_name(own)) {
                    names.entry(*index as usize).or_insert_with(|| clean(name));
                }
            }
        }
        names
    }
}

fn target(value: &Value) -> Option<&RefTarget> {
    match value {
        Value::Ref(Reference { target, .. }) => Some(target),
        _ => None,
    }
}
