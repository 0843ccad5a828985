//! Objects of garbage-collected programs by the names that their modules give types and fields.
//!
//! The name section has them (Wasm's extended-name-section proposal, subsections 4 and 10). Types that are equal are one in
//! a program, so an object's type may have several names.

mod assigned;
mod evaluate;
mod graph;
mod groups;
mod language;
mod locals;
pub(crate) mod meaning;
pub(crate) mod named;
pub(crate) mod plain;
mod roots;
mod show;

use std::sync::OnceLock;

use crate::binaries::Binaries;
use crate::lang::kotlin::{self, Kotlin};
use crate::locked::Locked;
use crate::mapped::Bytes;
use crate::model::{CoreDump, RefTarget, Warning};
use crate::objects::{self, Id, Link, Object, ObjectKind, ObjectType, Objects};

pub use assigned::empty_locals;
pub use graph::{Dominators, Graph};
use named::{NamedObjects, clean};

pub use meaning::{FieldReading, Meaning, ObjectForm, ObjectText, Reading, Thrown};
pub use plain::text_of;
pub use roots::Root;

/// The objects of a dump, with names. Nothing is read before it is asked for.
pub struct ObjectView<'d> {
    dump: &'d CoreDump<'d>,
    binaries: &'d Binaries,
    /// The dump's file, if its pages may be let go of.
    file: Option<&'d Bytes>,
    named: NamedObjects<'d>,
    classes: OnceLock<Vec<Option<String>>>,
    /// By type: true if its objects may be of several classes.
    shared_types: OnceLock<Vec<bool>>,
    groups: Locked<groups::Groups>,
    /// By type: the class of its objects, once one of them was asked for it.
    type_classes: OnceLock<Vec<OnceLock<Option<String>>>>,
    kotlin: Kotlin,
}

impl<'d> ObjectView<'d> {
    /// The objects of `dump`, whose modules' binaries are `binaries`.
    pub fn new(dump: &'d CoreDump<'d>, binaries: &'d Binaries) -> ObjectView<'d> {
        ObjectView {
            dump,
            binaries,
            file: None,
            named: NamedObjects::new(dump, binaries),
            classes: OnceLock::new(),
            shared_types: OnceLock::new(),
            groups: Locked::default(),
            type_classes: OnceLock::new(),
            kotlin: Kotlin::default(),
        }
    }

    /// The same objects, of a dump that was read from `file`.
    pub(crate) fn of_file(self, file: &'d Bytes) -> ObjectView<'d> {
        ObjectView { file: Some(file), ..self }
    }

    /// Lets go of the memory that holds the dump's file, if that is mapped. All that is read afterwards is taken from the
    /// file again.
    pub fn release(&self) {
        if let Some(file) = self.file {
            file.release();
        }
    }

    /// The objects, if the dump has any.
    pub fn objects(&self) -> Option<&'d Objects<'d>> {
        self.named.objects()
    }

    /// The object with this id, if it is in the dump.
    pub fn get(&self, id: Id) -> Option<Object<'d>> {
        self.named.get(id)
    }

    /// The name of a field; none where it has none, or names of the same type differ.
    pub fn field_name(&self, type_index: u32, field: usize) -> Option<&str> {
        self.named.field_name(type_index, field)
    }

    /// The function that a reference means, by its name if it has one.
    pub fn function_name(&self, instance: Option<u32>, index: u32) -> Option<&str> {
        self.named.function_name(instance, index)
    }

    /// Returns warnings about the objects, if any was read: that not all are in the dump, that the section is damaged.
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
        self.named.type_name(index).or_else(|| self.classes().get(index as usize)?.as_deref())
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

    /// Converts the target of a reference in a frame, a global or a table to the form that references of objects have.
    pub fn link(target: &RefTarget) -> Link {
        match *target {
            RefTarget::Null => Link::Null,
            RefTarget::Function { instance, index } => Link::Function { instance, index },
            RefTarget::I31(value) => Link::I31(value),
            RefTarget::Object(id) => Link::Object(id),
            RefTarget::Opaque(_) => Link::Unknown,
        }
    }

    /// The classes of the types' objects, where the name section is lost and a language's objects know them.
    fn classes(&self) -> &[Option<String>] {
        self.classes.get_or_init(|| {
            let Some(objects) = self.objects() else { return Vec::new() };
            let mut classes = vec![None; objects.types().len()];
            if !kotlin::has_information(&self.named, None) {
                return classes;
            }
            let mut open: Vec<bool> = (0..).take(classes.len()).map(|ty| self.named.type_name(ty).is_none()).collect();
            for object in objects.iter() {
                let index = object.type_index as usize;
                if std::mem::replace(&mut open[index], false) {
                    classes[index] = self.class_of(&object).map(|class| clean(&class));
                }
            }
            classes
        })
    }
}

/// A type without a name, by its index.
fn nameless(ty: &ObjectType) -> String {
    let element = || ty.fields.first().map_or("?", |element| element.name());
    match (ty.kind, ty.places.first()) {
        (ObjectKind::Extern, _) => "extern".to_owned(),
        (ObjectKind::Struct, Some((_, index))) => format!("struct type {index}"),
        (ObjectKind::Array, Some((_, index))) => format!("array type {index}"),
        (ObjectKind::Exception, Some((_, index))) => format!("exception tag {index}"),
        (ObjectKind::Struct, None) => format!("struct of {} fields", ty.fields.len()),
        (ObjectKind::Array, None) => format!("array of {}", element()),
        (ObjectKind::Exception, None) => "exception".to_owned(),
    }
}
