//! Wasm values.

use coredump_core::Limits;
use coredump_core::gc::ObjectView;
use coredump_core::model::{RefTarget, Value};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

#[cfg(feature = "schema")]
use super::text::Hex;
use super::text::written_as;

/// The limits on objects that a value refers to.
const OBJECT: Limits = Limits { depth: 1, elements: 32, text_only: true };

/// A Wasm value.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "value"))]
struct ValueFields<'d> {
    /// A local's name in the module's name section, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'d str>,
    /// Its type in the Wasm text format; null if it is not known.
    r#type: Option<&'static str>,
    /// null if it is not known. An i32 is a number; an i64 a decimal string; a float a number, or "NaN", "Infinity", "-Infinity"; a v128 one hexadecimal number with the lowest address last; a reference an object.
    value: Content<'d>,
    /// All bits of a float, in hexadecimal. NaN payloads are only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<Bits>,
}

/// A value, with its name where it has one.
pub struct ValueEntry<'d> {
    pub name: Option<&'d str>,
    pub value: &'d Value,
    pub objects: Option<&'d ObjectView<'d>>,
    /// True if everything but name and type is to be left out.
    pub hidden: bool,
}

written_as! { ValueEntry<'_> => ValueFields<'static>; }

impl Serialize for ValueEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = if self.hidden { &Value::Missing } else { self.value };
        let fields = ValueFields {
            name: self.name,
            r#type: self.value.type_name(),
            value: Content { value: shown, objects: self.objects },
            bits: Bits::from_value(shown),
        };
        fields.serialize(serializer)
    }
}

/// The value itself; null if it is not known.
pub struct Content<'d> {
    pub value: &'d Value,
    /// The objects of the dump; none, if nothing is to be shown of them but their ids.
    pub objects: Option<&'d ObjectView<'d>>,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Missing => serializer.serialize_unit(),
            Value::I32(number) => serializer.serialize_i32(*number),
            Value::I64(number) => serializer.collect_str(number),
            Value::F32(bits) => match f32::from_bits(*bits) {
                number if number.is_finite() => serializer.serialize_f32(number),
                number => serializer.serialize_str(not_finite(f64::from(number))),
            },
            Value::F64(bits) => match f64::from_bits(*bits) {
                number if number.is_finite() => serializer.serialize_f64(number),
                number => serializer.serialize_str(not_finite(number)),
            },
            // It is written as one number: the byte at the lowest address gives the last two digits.
            Value::V128(bytes) => serializer.collect_str(&format_args!("{:#034x}", u128::from_le_bytes(*bytes))),
            Value::Ref(reference) => Target { target: &reference.target, objects: self.objects }.serialize(serializer),
        }
    }
}

/// All bits of a float.
#[derive(Clone, Copy)]
pub enum Bits {
    F32(u32),
    F64(u64),
}

impl Bits {
    /// The bits of a value, if it is a float.
    pub fn from_value(value: &Value) -> Option<Bits> {
        match *value {
            Value::F32(bits) => Some(Bits::F32(bits)),
            Value::F64(bits) => Some(Bits::F64(bits)),
            _ => None,
        }
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Bits::F32(bits) => serializer.collect_str(&format_args!("{bits:#010x}")),
            Bits::F64(bits) => serializer.collect_str(&format_args!("{bits:#018x}")),
        }
    }
}

written_as! { Bits => Hex; }

#[cfg(feature = "schema")]
impl JsonSchema for Content<'_> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "content".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let reference = generator.subschema_for::<TargetFields<'static>>();
        schemars::json_schema!({ "anyOf": [{ "type": ["integer", "number", "string", "null"] }, reference] })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// The string for a float that JSON has no number for.
fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// The target of a reference.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "reference"))]
pub struct TargetFields<'d> {
    /// The kind of the target: `null` for a null reference (a known value), `object` for an object that the dump does not hold.
    #[cfg_attr(feature = "schema", schemars(example = &"struct", example = &"func", example = &"object"))]
    pub kind: &'static str,
    /// The instance of a function: index into `instances`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<Option<u32>>,
    /// A function's index in its module; imports count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_index: Option<u32>,
    /// The value of an i31.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// An object's id, the same wherever it is referred to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// An object's class where its language has classes (Kotlin), else the name of its type in the module's name section, or of an exception's tag; null if it has none. Equal types are one type, and have all their names with ` | ` in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<Option<std::borrow::Cow<'d, str>>>,
    /// The text of a string object, or another object in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The producer's description of a reference to anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<&'d str>>,
}

/// The target of a reference, which is written as `{"kind", …}`. A null reference is a known value, so it is not JSON's null.
pub struct Target<'d> {
    pub target: &'d RefTarget,
    /// The objects of the dump; none, if nothing is to be shown of them but their ids.
    pub objects: Option<&'d ObjectView<'d>>,
}

written_as! { Target<'_> => TargetFields<'static>; }

impl Target<'_> {
    fn fields(&self) -> TargetFields<'_> {
        match self.target {
            RefTarget::Null => TargetFields { kind: "null", ..TargetFields::default() },
            RefTarget::Function { instance, index } => TargetFields {
                kind: "func",
                instance: Some(*instance),
                function_index: Some(*index),
                ..TargetFields::default()
            },
            RefTarget::I31(number) => TargetFields { kind: "i31", number: Some(*number), ..TargetFields::default() },
            RefTarget::Object(id) => {
                let known = self.objects.and_then(|objects| Some((objects, objects.get(*id)?)));
                let Some((objects, object)) = known else {
                    return TargetFields { kind: "object", id: Some(*id), ..TargetFields::default() };
                };
                TargetFields {
                    kind: object.kind().name(),
                    id: Some(*id),
                    r#type: Some(objects.name_of(&object).map(Into::into)),
                    text: Some(objects.string(&object).unwrap_or_else(|| objects.object_text(&object, OBJECT))),
                    ..TargetFields::default()
                }
            }
            RefTarget::Opaque(description) => {
                TargetFields { kind: "opaque", description: Some(description.as_deref()), ..TargetFields::default() }
            }
        }
    }
}

impl Serialize for Target<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::model::{RefKind, Reference};

    fn json(value: Value) -> String {
        serde_json::to_string(&ValueEntry { name: None, value: &value, objects: None, hidden: false }).unwrap()
    }

    #[test]
    fn numbers_keep_every_bit() {
        assert_eq!(json(Value::I32(-1)), r#"{"type":"i32","value":-1}"#);
        assert_eq!(json(Value::I64(i64::MIN)), r#"{"type":"i64","value":"-9223372036854775808"}"#);
        assert_eq!(json(Value::F32(0x3dcc_cccd)), r#"{"type":"f32","value":0.1,"bits":"0x3dcccccd"}"#);
        let negative_zero = r#"{"type":"f64","value":-0.0,"bits":"0x8000000000000000"}"#;
        assert_eq!(json(Value::F64((-0.0f64).to_bits())), negative_zero);
        let payload = r#"{"type":"f64","value":"NaN","bits":"0x7ff800000000beef"}"#;
        assert_eq!(json(Value::F64(0x7ff8_0000_0000_beef)), payload);
        assert_eq!(json(Value::F32(0xff80_0000)), r#"{"type":"f32","value":"-Infinity","bits":"0xff800000"}"#);
        let mut lanes = [0; 16];
        lanes[0] = 1;
        assert_eq!(json(Value::V128(lanes)), r#"{"type":"v128","value":"0x00000000000000000000000000000001"}"#);
    }

    #[test]
    fn an_unknown_value_is_null_and_a_null_reference_is_not() {
        assert_eq!(json(Value::Missing), r#"{"type":null,"value":null}"#);
        let null = Value::Ref(Reference { kind: RefKind::Func, target: RefTarget::Null });
        assert_eq!(json(null), r#"{"type":"funcref","value":{"kind":"null"}}"#);
    }
}
