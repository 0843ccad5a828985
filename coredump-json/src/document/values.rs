//! Wasm values.

use coredump_core::Limits;
use coredump_core::gc::View;
use coredump_core::model::{RefTarget, Value};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::text::Shown;

/// How deep objects that a value refers to are written.
const OBJECT: Limits = Limits { depth: 1, elements: 32, text_only: true };

/// A value as `{"type", "value"}`, and for floats `"bits"`.
pub struct TypedValue<'d> {
    pub value: &'d Value,
    pub objects: Option<&'d View<'d>>,
    /// Whether to leave all but its type out.
    pub hidden: bool,
}

impl Serialize for TypedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.value.type_name())?;
        entries(&mut map, if self.hidden { &Value::Missing } else { self.value }, self.objects)?;
        map.end()
    }
}

/// A value with a name, where it has one.
pub struct NamedValue<'d> {
    pub name: Option<&'d str>,
    pub value: TypedValue<'d>,
}

impl Serialize for NamedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TypedValue { value, objects, hidden } = self.value;
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = self.name {
            map.serialize_entry("name", name)?;
        }
        map.serialize_entry("type", &value.type_name())?;
        entries(&mut map, if hidden { &Value::Missing } else { value }, objects)?;
        map.end()
    }
}

/// Adds `value` and `bits` to an object. A value that is not known is null.
pub fn entries<M: SerializeMap>(map: &mut M, value: &Value, objects: Option<&View<'_>>) -> Result<(), M::Error> {
    match value {
        Value::Missing => map.serialize_entry("value", &()),
        Value::I32(number) => map.serialize_entry("value", number),
        Value::I64(number) => map.serialize_entry("value", &Shown(number)),
        Value::F32(bits) => {
            let number = f32::from_bits(*bits);
            if number.is_finite() {
                map.serialize_entry("value", &number)?;
            } else {
                map.serialize_entry("value", not_finite(f64::from(number)))?;
            }
            map.serialize_entry("bits", &Shown(format_args!("{bits:#010x}")))
        }
        Value::F64(bits) => {
            let number = f64::from_bits(*bits);
            if number.is_finite() {
                map.serialize_entry("value", &number)?;
            } else {
                map.serialize_entry("value", not_finite(number))?;
            }
            map.serialize_entry("bits", &Shown(format_args!("{bits:#018x}")))
        }
        // As one number: the byte at the lowest address is the last pair of digits.
        Value::V128(bytes) => {
            map.serialize_entry("value", &Shown(format_args!("{:#034x}", u128::from_le_bytes(*bytes))))
        }
        Value::Ref(reference) => map.serialize_entry("value", &Target { target: &reference.target, objects }),
    }
}

/// What JSON has no number for.
fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// What a reference refers to, as `{"kind", …}`. A null reference is a known value, so it is not JSON's null.
pub struct Target<'d> {
    pub target: &'d RefTarget,
    /// The objects of the dump; none, if nothing is to be told of them but their ids.
    pub objects: Option<&'d View<'d>>,
}

impl Serialize for Target<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.target {
            RefTarget::Null => map.serialize_entry("kind", "null")?,
            RefTarget::Function { instance, index } => {
                map.serialize_entry("kind", "function")?;
                map.serialize_entry("instance", instance)?;
                map.serialize_entry("function_index", index)?;
            }
            RefTarget::I31(number) => {
                map.serialize_entry("kind", "i31")?;
                map.serialize_entry("number", number)?;
            }
            RefTarget::Object(id) => {
                let known = self.objects.and_then(|objects| Some((objects, objects.get(*id)?)));
                map.serialize_entry("kind", known.map_or("object", |(_, object)| object.kind().name()))?;
                map.serialize_entry("id", id)?;
                if let Some((objects, object)) = known {
                    let name = || objects.type_name(object.type_index).map(str::to_owned);
                    map.serialize_entry("type", &objects.class_of(&object).or_else(name))?;
                    let text = objects.string(&object).unwrap_or_else(|| objects.object_text(&object, OBJECT));
                    map.serialize_entry("text", &text)?;
                }
            }
            RefTarget::Opaque(description) => {
                map.serialize_entry("kind", "opaque")?;
                map.serialize_entry("description", description)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::model::{RefKind, Reference};

    fn json(value: Value) -> String {
        serde_json::to_string(&TypedValue { value: &value, objects: None, hidden: false }).unwrap()
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
