//! `heap.objects`: the objects of a garbage-collected program, and how many there are of each type.

use coredump_core::gc::{View, text_of};
use coredump_core::model::{RefTarget, Value};
use coredump_core::objects::{Field, Kind, Link, Object, Storage};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::heap::TypeEntry;
use super::text::Each;
use super::values::{self, Target, TypedValue};

/// Elements of one array that are written.
const MAX_ELEMENTS: usize = 1 << 16;

/// How many objects there are of each type, the most bytes first.
pub fn types(view: &View<'_>) -> Vec<TypeEntry> {
    let Some(objects) = view.objects() else { return Vec::new() };
    let mut entries: Vec<TypeEntry> = (0u32..)
        .zip(objects.types())
        .map(|(index, ty)| TypeEntry::of_objects(view.type_label(index), ty.kind))
        .collect();
    for object in objects.iter() {
        entries[object.type_index as usize].add(object.size());
    }
    entries.retain(|entry| entry.count > 0);
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
    entries
}

/// All objects, by their ids.
pub struct ObjectEntries<'d>(pub &'d View<'d>);

impl Serialize for ObjectEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = |object| ObjectEntry { object, view: self.0 };
        serializer.collect_seq(self.0.objects().into_iter().flat_map(|objects| objects.iter().map(entry)))
    }
}

/// An object.
struct ObjectEntry<'d> {
    object: Object<'d>,
    view: &'d View<'d>,
}

impl Serialize for ObjectEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (object, view) = (&self.object, self.view);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &object.id)?;
        map.serialize_entry("type", &view.type_name(object.type_index))?;
        map.serialize_entry("kind", object.kind().name())?;
        map.serialize_entry("bytes", &object.size())?;
        if let Some(text) = text_of(object) {
            map.serialize_entry("text", &text)?;
        }
        match object.kind() {
            Kind::Array => {
                map.serialize_entry("length", &object.len)?;
                let element = |field| ValueOf { field, view };
                map.serialize_entry("elements", &Each(|| object.fields().take(MAX_ELEMENTS).map(element)))?;
                let left_out = object.len - object.held().min(MAX_ELEMENTS) as u64;
                if left_out > 0 {
                    map.serialize_entry("elements_omitted", &left_out)?;
                }
            }
            Kind::Struct | Kind::Exception => {
                let field = |(index, field)| FieldEntry {
                    name: view.field_name(object.type_index, index),
                    storage: object.storage(index),
                    value: ValueOf { field, view },
                };
                map.serialize_entry("fields", &Each(|| object.fields().enumerate().map(field)))?;
            }
            Kind::Extern => {}
        }
        map.end()
    }
}

/// A field of a struct or an exception.
struct FieldEntry<'d> {
    name: Option<&'d str>,
    storage: Option<Storage>,
    value: ValueOf<'d>,
}

impl Serialize for FieldEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("type", &self.storage.map(Storage::name))?;
        match self.value.field {
            Field::Ref(link) => map.serialize_entry("value", &LinkEntry { link, view: self.value.view })?,
            _ => values::entries(&mut map, &self.value.value(), None)?,
        }
        map.end()
    }
}

/// The value of a field or an element.
struct ValueOf<'d> {
    field: Field,
    view: &'d View<'d>,
}

impl ValueOf<'_> {
    fn value(&self) -> Value {
        match self.field {
            Field::I8(bits) => Value::I32(bits.into()),
            Field::I16(bits) => Value::I32(bits.into()),
            Field::I32(value) => Value::I32(value),
            Field::I64(value) => Value::I64(value),
            Field::F32(bits) => Value::F32(bits),
            Field::F64(bits) => Value::F64(bits),
            Field::V128(bytes) => Value::V128(bytes),
            Field::Ref(_) => Value::Missing,
        }
    }
}

impl Serialize for ValueOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.field, self.value()) {
            (Field::Ref(link), _) => LinkEntry { link, view: self.view }.serialize(serializer),
            // All bits of a float do not fit into a number.
            (_, value @ (Value::F32(_) | Value::F64(_))) => {
                TypedValue { value: &value, objects: None, hidden: false }.serialize(serializer)
            }
            (_, Value::I32(value)) => value.serialize(serializer),
            (_, Value::I64(value)) => serializer.collect_str(&value),
            (_, Value::V128(bytes)) => serializer.collect_str(&format_args!("{:#034x}", u128::from_le_bytes(bytes))),
            (_, Value::Missing | Value::Ref(_)) => serializer.serialize_none(),
        }
    }
}

/// What a reference of an object refers to. An object is listed itself: here only what it is, and of a string the text.
struct LinkEntry<'d> {
    link: Link,
    view: &'d View<'d>,
}

impl Serialize for LinkEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = if let Link::Object(id) = self.link { self.view.get(id) } else { None };
        let Some(object) = object else {
            return Target { target: &target(self.link), objects: None }.serialize(serializer);
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", object.kind().name())?;
        map.serialize_entry("id", &object.id)?;
        map.serialize_entry("type", &self.view.type_name(object.type_index))?;
        if let Some(text) = text_of(&object) {
            map.serialize_entry("text", &text)?;
        }
        map.end()
    }
}

fn target(link: Link) -> RefTarget {
    match link {
        Link::Null => RefTarget::Null,
        Link::I31(value) => RefTarget::I31(value),
        Link::Object(id) => RefTarget::Object(id),
        Link::Function { instance, index } => RefTarget::Function { instance, index },
        Link::Unknown => RefTarget::Opaque(None),
    }
}
