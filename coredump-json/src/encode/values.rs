//! Values, references and numbers as documents write them.

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::{RefKind, RefTarget, Reference, Value};

use super::input::Typed;

/// An error that names the part of the document at fault.
pub fn wrong(what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Malformed, format!("{what}: {why}"))
}

/// A hexadecimal number with `0x`.
pub fn hex(text: &str, what: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").ok_or_else(|| wrong(what, format!("{text:?} does not begin with 0x")))?;
    u64::from_str_radix(digits, 16).map_err(|error| wrong(what, format!("{text:?}: {error}")))
}

/// A value; null is an unknown one.
pub fn value(typed: &Typed, what: &str) -> Result<Value> {
    let (Some(ty), json) = (typed.r#type.as_deref(), &typed.value) else { return Ok(Value::Missing) };
    if json.is_null() && typed.bits.is_none() {
        return Ok(Value::Missing);
    }
    let bad = || wrong(what, format!("{json} is no {ty}"));
    let bits = |what: &str| typed.bits.as_deref().map(|bits| hex(bits, what)).transpose();
    Ok(match ty {
        "i32" => Value::I32(json.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(bad)?),
        "i64" => Value::I64(json.as_str().and_then(|text| text.parse().ok()).or(json.as_i64()).ok_or_else(bad)?),
        "f32" => Value::F32(match bits(what)? {
            Some(bits) => u32::try_from(bits).map_err(|_| bad())?,
            None => (float(json).ok_or_else(bad)? as f32).to_bits(),
        }),
        "f64" => Value::F64(match bits(what)? {
            Some(bits) => bits,
            None => float(json).ok_or_else(bad)?.to_bits(),
        }),
        "v128" => {
            let digits = json.as_str().and_then(|text| text.strip_prefix("0x")).ok_or_else(bad)?;
            Value::V128(u128::from_str_radix(digits, 16).map_err(|_| bad())?.to_le_bytes())
        }
        _ => match kind(ty) {
            Some(kind) => Value::Ref(Reference { kind, target: target(json, what)? }),
            None => return Err(wrong(what, format!("unknown type {ty:?}"))),
        },
    })
}

fn float(json: &serde_json::Value) -> Option<f64> {
    match json.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => json.as_f64(),
    }
}

/// The hierarchy with this name in the Wasm text format.
pub fn kind(name: &str) -> Option<RefKind> {
    let kinds = [RefKind::Func, RefKind::Extern, RefKind::Any, RefKind::Exn, RefKind::Cont];
    kinds.into_iter().find(|kind| kind.name() == name)
}

/// Reads the target of a reference.
pub fn target(json: &serde_json::Value, what: &str) -> Result<RefTarget> {
    let bad = || wrong(what, format!("{json} is no reference"));
    let index = |name: &str| json[name].as_u64().and_then(|index| u32::try_from(index).ok());
    Ok(match json["kind"].as_str().ok_or_else(bad)? {
        "null" => RefTarget::Null,
        // Older versions wrote `function`.
        "func" | "function" => {
            RefTarget::Function { instance: index("instance"), index: index("function_index").ok_or_else(bad)? }
        }
        "i31" => RefTarget::I31(json["number"].as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(bad)?),
        "struct" | "array" | "exn" | "extern" | "object" => RefTarget::Object(index("id").ok_or_else(bad)?),
        "opaque" => RefTarget::Opaque(json["description"].as_str().map(str::to_owned)),
        _ => return Err(bad()),
    })
}
