//! The objects of a dump by the names that their modules give types and fields.
//!
//! The name section has them (Wasm's extended-name-section proposal, subsections 4 and 10). Types that are equal are
//! one in a program, so an object's type may have several names.

use std::sync::OnceLock;

use crate::binaries::Binaries;
use crate::limits::shorten;
use crate::model::CoreDump;
use crate::module::Module;
use crate::objects::{Id, Object, ObjectKind, ObjectType, Objects};
use crate::symbols::demangle;
use crate::text;

/// Names of one type that are joined.
const MAX_NAMES: usize = 4;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 256;

/// The objects of a dump, with names, whatever their language. Nothing is read before it is asked for.
pub struct NamedObjects<'d> {
    dump: &'d CoreDump<'d>,
    binaries: &'d Binaries,
    names: OnceLock<Vec<TypeNames>>,
}

/// The names of a type and its fields.
#[derive(Debug, Default)]
struct TypeNames {
    own: Option<String>,
    fields: Vec<Option<String>>,
}

impl<'d> NamedObjects<'d> {
    /// The objects of `dump`, whose modules' binaries are `binaries`.
    pub fn new(dump: &'d CoreDump<'d>, binaries: &'d Binaries) -> NamedObjects<'d> {
        NamedObjects { dump, binaries, names: OnceLock::new() }
    }

    /// The objects, if the dump has any.
    pub fn objects(&self) -> Option<&'d Objects<'d>> {
        self.dump.objects.as_ref()
    }

    /// The object with this id, if it is in the dump.
    pub fn get(&self, id: Id) -> Option<Object<'d>> {
        self.objects()?.get(id)
    }

    /// The name of the type with this index; of an exception, the tag's. Several names of one type have ` | ` in
    /// between.
    pub fn type_name(&self, index: u32) -> Option<&str> {
        self.names().get(index as usize)?.own.as_deref()
    }

    /// The name of a field; none where it has none, or names of the same type differ.
    pub fn field_name(&self, type_index: u32, field: usize) -> Option<&str> {
        self.names().get(type_index as usize)?.fields.get(field)?.as_deref()
    }

    /// The function that a reference means, by its name if it has one.
    pub fn function_name(&self, instance: Option<u32>, index: u32) -> Option<&str> {
        let instance = self.dump.instances.get(instance? as usize)?;
        self.binaries.binary(instance.module?)?.module().function_name(index)
    }

    /// The module of that index, if its binary is certain.
    pub fn module(&self, module: u32) -> Option<&'d Module<'d>> {
        let found = self.binaries.found(module)?;
        found.verification.is_verified().then(|| found.binary.module())
    }

    /// The index of the module of an instance, or, where that is not known, of an object's type.
    pub fn module_of(&self, instance: Option<u32>, object: &Object<'_>) -> Option<u32> {
        match instance {
            Some(instance) => self.dump.instances.get(instance as usize)?.module,
            None => object.ty.places.first().map(|(module, _)| *module),
        }
    }

    /// The name of a function that an object refers to.
    pub fn function_in(&self, instance: Option<u32>, object: &Object<'_>, index: u32) -> Option<&'d str> {
        self.module(self.module_of(instance, object)?)?.function_name(index)
    }

    fn names(&self) -> &[TypeNames] {
        self.names.get_or_init(|| {
            let types = self.objects().map_or(&[][..], Objects::types);
            types.iter().map(|ty| self.names_of(ty)).collect()
        })
    }

    fn names_of(&self, ty: &ObjectType) -> TypeNames {
        let modules = ty.places.iter().filter_map(|&(module, index)| {
            // A name from a file that only bears the right name is none.
            let found = self.binaries.found(module)?;
            found.verification.is_verified().then_some((found.binary.module(), index))
        });
        let modules: Vec<(&Module<'_>, u32)> = modules.collect();
        let own = modules.iter().filter_map(|(module, index)| match ty.kind {
            ObjectKind::Exception => module.tag_name(*index),
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
            ObjectKind::Struct => (0..ty.fields.len()).map(field).collect(),
            _ => Vec::new(),
        };
        TypeNames { own: (!own.is_empty()).then(|| own.join(" | ")), fields }
    }
}

/// A name as its language writes it, safe to print and not too long.
pub fn clean(name: &str) -> String {
    text::escape(&shorten(&demangle(name), MAX_NAME)).into_owned()
}
