//! Objects of garbage-collected programs by the names that their modules give types and fields.
//!
//! The name section has them (Wasm's extended-name-section proposal, subsections 4 and 10). Types that are equal are one in
//! a program, so an object's type may have several names.

mod assigned;
mod evaluate;
mod graph;
mod kotlin;
mod locals;
mod meaning;
mod roots;
mod show;

use std::sync::OnceLock;

use crate::binaries::Binaries;
use crate::limits::shorten;
use crate::model::{CoreDump, RefTarget, Warning};
use crate::module::Module;
use crate::objects::{self, Id, Kind, Link, Object, Objects, Type};
use crate::symbols::demangle;
use crate::text;

pub use assigned::empty_locals;
pub use graph::{Dominators, Graph};
pub(crate) use kotlin::{Held, Place, Suspended};
pub use meaning::{Form, Meaning, Part, Reading, Text, Thrown};
pub use roots::Root;
pub use show::text_of;

/// Names of one type that are joined.
const MAX_NAMES: usize = 4;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 256;

/// The objects of a dump, with names. Nothing is read before it is asked for.
pub struct View<'d> {
    dump: &'d CoreDump<'d>,
    binaries: &'d Binaries,
    names: OnceLock<Vec<Names>>,
    classes: OnceLock<Vec<Option<String>>>,
    kotlin: kotlin::Kotlin,
}

/// The names of a type and its fields.
#[derive(Debug, Default)]
struct Names {
    own: Option<String>,
    fields: Vec<Option<String>>,
}

impl<'d> View<'d> {
    /// The objects of `dump`, whose modules' binaries are `binaries`.
    pub fn new(dump: &'d CoreDump<'d>, binaries: &'d Binaries) -> View<'d> {
        View { dump, binaries, names: OnceLock::new(), classes: OnceLock::new(), kotlin: kotlin::Kotlin::default() }
    }

    /// The objects, if the dump has any.
    pub fn objects(&self) -> Option<&'d Objects<'d>> {
        self.dump.objects.as_ref()
    }

    /// The object with this id, if it is in the dump.
    pub fn get(&self, id: Id) -> Option<Object<'d>> {
        self.objects()?.get(id)
    }

    /// What is to be said of the objects, if anything was asked of them: that not all are there, that the section is damaged.
    pub fn warnings(&self) -> Vec<Warning> {
        let Some(objects) = self.objects().filter(|objects| objects.is_read()) else { return Vec::new() };
        let damage = objects.problem().map(|(message, offset)| Warning {
            message: format!("{}: {message}: what comes after is not read", objects::SECTION),
            offset: Some(offset),
        });
        let limit = objects.limit().map(|limit| Warning {
            message: format!(
                "the {} objects nearest to the frames are here: what goes beyond {limit} bytes was not captured (--heap-limit)",
                objects.count()
            ),
            offset: None,
        });
        damage.into_iter().chain(limit).collect()
    }

    /// The name of the type with this index in [`Objects::types`]; of an exception, the tag's. Several names of one type
    /// have ` | ` in between.
    pub fn type_name(&self, index: u32) -> Option<&str> {
        let index = index as usize;
        self.names().get(index)?.own.as_deref().or_else(|| self.classes().get(index)?.as_deref())
    }

    /// The name of a field; none where it has none, or names of the same type differ.
    pub fn field_name(&self, type_index: u32, field: usize) -> Option<&str> {
        self.names().get(type_index as usize)?.fields.get(field)?.as_deref()
    }

    /// The type of a dump's object in one word or two: its name, else what it is.
    pub fn type_label(&self, index: u32) -> String {
        let ty = self.objects().and_then(|objects| objects.types().get(index as usize));
        match (self.type_name(index), ty) {
            (Some(name), _) => name.to_owned(),
            (None, Some(ty)) => nameless(ty),
            (None, None) => "unknown".to_owned(),
        }
    }

    /// The function that a reference means, by its name if it has one.
    pub fn function_name(&self, instance: Option<u32>, index: u32) -> Option<&str> {
        let instance = self.dump.instances.get(instance? as usize)?;
        self.binaries.binary(instance.module?)?.module().function_name(index)
    }

    /// The module of that index, if its binary is certain.
    pub(crate) fn module(&self, module: u32) -> Option<&'d Module<'d>> {
        let found = self.binaries.found(module)?;
        found.verification.is_verified().then(|| found.binary.module())
    }

    /// The index of the module of an instance, or, where that is not known, of an object's type.
    pub(crate) fn module_of(&self, instance: Option<u32>, object: &Object<'_>) -> Option<u32> {
        match instance {
            Some(instance) => self.dump.instances.get(instance as usize)?.module,
            None => object.ty.places.first().map(|(module, _)| *module),
        }
    }

    /// The name of a function that an object refers to.
    pub(crate) fn function_in(&self, instance: Option<u32>, object: &Object<'_>, index: u32) -> Option<&'d str> {
        self.module(self.module_of(instance, object)?)?.function_name(index)
    }

    /// What a reference in a frame, a global or a table refers to, as references of objects do.
    pub fn link(target: &RefTarget) -> Link {
        match *target {
            RefTarget::Null => Link::Null,
            RefTarget::Function { instance, index } => Link::Function { instance, index },
            RefTarget::I31(value) => Link::I31(value),
            RefTarget::Object(id) => Link::Object(id),
            RefTarget::Opaque(_) => Link::Unknown,
        }
    }

    fn names(&self) -> &[Names] {
        self.names.get_or_init(|| {
            let types = self.objects().map_or(&[][..], Objects::types);
            types.iter().map(|ty| self.names_of(ty)).collect()
        })
    }

    /// The classes of the types' objects, where the name section is lost and a language's objects know them.
    fn classes(&self) -> &[Option<String>] {
        self.classes.get_or_init(|| {
            let Some(objects) = self.objects() else { return Vec::new() };
            let mut classes = vec![None; objects.types().len()];
            if !objects.types().iter().any(|ty| kotlin::is_information(&ty.fields)) {
                return classes;
            }
            let mut open: Vec<bool> = self.names().iter().map(|names| names.own.is_none()).collect();
            for object in objects.iter() {
                let index = object.type_index as usize;
                if std::mem::replace(&mut open[index], false) {
                    classes[index] = self.class_of(&object).map(|class| clean(&class));
                }
            }
            classes
        })
    }

    fn names_of(&self, ty: &Type) -> Names {
        let modules = ty.places.iter().filter_map(|&(module, index)| {
            // A name from a file that only bears the right name is none.
            let found = self.binaries.found(module)?;
            found.verification.is_verified().then_some((found.binary.module(), index))
        });
        let modules: Vec<(&Module<'_>, u32)> = modules.collect();
        let own = modules.iter().filter_map(|(module, index)| match ty.kind {
            Kind::Exception => module.tag_name(*index),
            _ => module.type_name(*index),
        });
        let mut distinct: Vec<&str> = Vec::new();
        for name in own {
            if !distinct.contains(&name) && distinct.len() <= MAX_NAMES {
                distinct.push(name);
            }
        }
        let more = distinct.len() > MAX_NAMES;
        distinct.truncate(MAX_NAMES);
        let mut own: Vec<String> = distinct.into_iter().map(clean).collect();
        if more {
            own.push("…".to_owned());
        }
        let field = |field: usize| {
            let field = u32::try_from(field).ok()?;
            let mut names = modules.iter().filter_map(|(module, index)| module.field_name(*index, field));
            let first = names.next()?;
            names.all(|name| name == first).then(|| clean(first))
        };
        let fields = match ty.kind {
            Kind::Struct => (0..ty.fields.len()).map(field).collect(),
            _ => Vec::new(),
        };
        Names { own: (!own.is_empty()).then(|| own.join(" | ")), fields }
    }
}

/// A name as its language writes it, safe to print and not too long.
fn clean(name: &str) -> String {
    text::escape(&shorten(&demangle(name), MAX_NAME)).into_owned()
}

/// A type without a name, by its index.
fn nameless(ty: &Type) -> String {
    let element = || ty.fields.first().map_or("?", |element| element.name());
    match (ty.kind, ty.places.first()) {
        (Kind::Extern, _) => "extern".to_owned(),
        (Kind::Struct, Some((_, index))) => format!("struct type {index}"),
        (Kind::Array, Some((_, index))) => format!("array type {index}"),
        (Kind::Exception, Some((_, index))) => format!("exception tag {index}"),
        (Kind::Struct, None) => format!("struct of {} fields", ty.fields.len()),
        (Kind::Array, None) => format!("array of {}", element()),
        (Kind::Exception, None) => "exception".to_owned(),
    }
}
