//! `heap.objects`: the objects of a garbage-collected program, and how many there are of each type.

use std::collections::HashMap;

use coredump_core::gc::{ObjectView, text_of};
use coredump_core::model::{RefTarget, Value};
use coredump_core::objects::{Field, Link, Object, ObjectKind, Objects, Storage};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::memories::Base64;
use super::text::{Each, written_as};
use super::types::TypeEntry;
use super::values::{Bits, Content, Target, TargetFields, ValueEntry};

/// The number of elements of one array that are written at most.
const MAX_ELEMENTS: usize = 1 << 16;

/// Counts the objects of each type. The type with the most bytes comes first.
pub fn types(view: &ObjectView<'_>) -> Vec<TypeEntry> {
    let Some(objects) = view.objects() else { return Vec::new() };
    let mut groups: HashMap<u32, TypeEntry> = HashMap::new();
    for object in objects.iter() {
        let group = view.group_of(&object);
        let entry =
            groups.entry(group).or_insert_with(|| TypeEntry::of_objects(view.group_label(group), object.kind()));
        entry.add(object.size());
    }
    let mut entries: Vec<(u32, TypeEntry)> = groups.into_iter().collect();
    entries.sort_by_key(|(group, _)| *group);
    let mut entries: Vec<TypeEntry> = entries.into_iter().map(|(_, entry)| entry).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
    entries
}

/// The objects of a garbage-collected program, as the dump has them.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "objects"))]
pub struct ObjectsEntry<'d> {
    /// The number of them.
    count: u32,
    /// Size of their section in bytes.
    size: usize,
    /// The section's contents in base64, which `--encode` writes again; docs/format.md describes them.
    data: Base64<'d>,
}

impl<'d> ObjectsEntry<'d> {
    pub fn new(objects: &'d Objects<'d>) -> Self {
        // In a dump that was read, the whole section is one part.
        let [section, _] = objects.parts();
        ObjectsEntry { count: objects.count(), size: section.len(), data: Base64(section) }
    }
}

/// All objects, by their ids.
pub fn entries<'d>(view: &'d ObjectView<'d>) -> Each<'d, ObjectEntry<'d>> {
    let entry = move |object| ObjectEntry { object, view };
    Each::new(move || view.objects().into_iter().flat_map(move |objects| objects.iter().map(entry)))
}

/// An object.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "object"))]
struct ObjectFields<'d> {
    /// Its id.
    id: u32,
    /// The type, as that of a reference.
    r#type: Option<String>,
    /// This says whether the object is a struct, an array, an exception or something of the host.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["struct", "array", "exn", "extern"])))]
    kind: &'static str,
    /// Bytes of its fields or elements, where a reference counts four.
    bytes: u64,
    /// The text in an array of 8-bit or 16-bit elements, if it looks like text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The number of elements, of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// The elements of an array. Integers are numbers (8 and 16 bits without a sign), i64 decimal strings, v128 as of a value, floats values, references as of a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    elements: Option<Each<'d, ValueOf<'d>>>,
    /// Elements at an array's end that are not listed; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    elements_omitted: Option<u64>,
    /// The fields of a struct, or the values that an exception carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Each<'d, FieldEntry<'d>>>,
}

/// An object.
pub struct ObjectEntry<'d> {
    object: Object<'d>,
    view: &'d ObjectView<'d>,
}

written_as! { ObjectEntry<'_> => ObjectFields<'static>; }

impl Serialize for ObjectEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (object, view) = (&self.object, self.view);
        let is_array = object.kind() == ObjectKind::Array;
        let left_out = object.len.saturating_sub(object.held().min(MAX_ELEMENTS) as u64);
        let element = move |field| ValueOf { field, view };
        let field = move |(index, field)| FieldEntry {
            name: view.field_name(object.type_index, index),
            storage: object.storage(index),
            value: ValueOf { field, view },
        };
        let fields = ObjectFields {
            id: object.id,
            r#type: view.name_of(object),
            kind: object.kind().name(),
            bytes: object.size(),
            text: text_of(object),
            length: is_array.then_some(object.len),
            elements: is_array.then(|| Each::new(move || object.fields().take(MAX_ELEMENTS).map(element))),
            elements_omitted: (is_array && left_out > 0).then_some(left_out),
            fields: matches!(object.kind(), ObjectKind::Struct | ObjectKind::Exception)
                .then(|| Each::new(move || object.fields().enumerate().map(field))),
        };
        fields.serialize(serializer)
    }
}

/// A field of a struct or an exception.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "field"))]
struct FieldFields<'d> {
    /// Its name in the module's name section.
    name: Option<&'d str>,
    /// Its storage type.
    r#type: Option<&'static str>,
    /// Its value, as that of any value.
    value: FieldContent<'d>,
    /// All bits of a float, in hexadecimal. NaN payloads are only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<Bits>,
}

/// A field of a struct or an exception.
struct FieldEntry<'d> {
    name: Option<&'d str>,
    storage: Option<Storage>,
    value: ValueOf<'d>,
}

written_as! { FieldEntry<'_> => FieldFields<'static>; }

impl Serialize for FieldEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.value.value();
        let fields = FieldFields {
            name: self.name,
            r#type: self.storage.map(Storage::name),
            value: match self.value.field {
                Field::Ref(link) => FieldContent::Link(LinkEntry { link, view: self.value.view }),
                _ => FieldContent::Value(Content { value: &value, objects: None }),
            },
            bits: Bits::from_value(&value),
        };
        fields.serialize(serializer)
    }
}

/// The value of a field.
#[derive(Serialize)]
#[serde(untagged)]
enum FieldContent<'d> {
    Link(LinkEntry<'d>),
    Value(Content<'d>),
}

written_as! {
    FieldContent<'_> => Content<'static>;
    LinkEntry<'_> => TargetFields<'static>;
}

/// The value of a field or an element.
struct ValueOf<'d> {
    field: Field,
    view: &'d ObjectView<'d>,
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
                ValueEntry { name: None, value: &value, objects: None, hidden: false }.serialize(serializer)
            }
            (_, Value::I32(value)) => value.serialize(serializer),
            (_, Value::I64(value)) => serializer.collect_str(&value),
            (_, Value::V128(bytes)) => serializer.collect_str(&format_args!("{:#034x}", u128::from_le_bytes(bytes))),
            (_, Value::Missing | Value::Ref(_)) => serializer.serialize_none(),
        }
    }
}

#[cfg(feature = "schema")]
impl JsonSchema for ValueOf<'_> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "element".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let value = generator.subschema_for::<ValueEntry<'static>>();
        let reference = generator.subschema_for::<TargetFields<'static>>();
        schemars::json_schema!({ "anyOf": [{ "type": ["integer", "string", "null"] }, value, reference] })
    }
}

/// A reference that an object holds. It is written as its target. Another object is listed itself, so that only its kind and type are given here, and the text of a string.
struct LinkEntry<'d> {
    link: Link,
    view: &'d ObjectView<'d>,
}

impl Serialize for LinkEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = if let Link::Object(id) = self.link { self.view.get(id) } else { None };
        let Some(object) = object else {
            return Target { target: &target(self.link), objects: None }.serialize(serializer);
        };
        let fields = TargetFields {
            kind: object.kind().name(),
            id: Some(object.id),
            r#type: Some(self.view.name_of(&object).map(Into::into)),
            text: text_of(&object),
            ..TargetFields::default()
        };
        fields.serialize(serializer)
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
