//! Numbers and texts as Wasm has them, where no language says how they are written.

use crate::objects::{Field, Object, ObjectKind, Storage};

/// The text that an array is, if its elements are 8 or 16 bits wide, all of them are in the dump, and all are
/// characters that a person reads. One that ends with zeros is text up to them.
pub fn text_of(object: &Object<'_>) -> Option<String> {
    let all = object.kind() == ObjectKind::Array && object.held() as u64 == object.len;
    let bytes = object.bytes();
    let text = match object.storage(0).filter(|_| all)? {
        Storage::I8 => String::from_utf8(trimmed(bytes, 1).to_vec()).ok()?,
        Storage::I16 => {
            let units = trimmed(bytes, 2).chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            String::from_utf16(&units.collect::<Vec<_>>()).ok()?
        }
        _ => return None,
    };
    let reads = |letter: char| matches!(letter, '\n' | '\t' | '\r') || !letter.is_control();
    (!text.is_empty() && text.chars().all(reads)).then_some(text)
}

/// Elements without zeros at the end.
fn trimmed(bytes: &[u8], width: usize) -> &[u8] {
    let units = bytes.chunks_exact(width);
    let zeros = units.rev().take_while(|unit| unit.iter().all(|byte| *byte == 0)).count();
    &bytes[..bytes.len() - zeros * width]
}

/// A number as it is written. Numbers of 8 and 16 bits have no sign, as the engine reads them by default.
pub fn number(field: Field) -> String {
    match field {
        Field::I8(value) => value.to_string(),
        Field::I16(value) => value.to_string(),
        Field::I32(value) => value.to_string(),
        Field::I64(value) => value.to_string(),
        Field::F32(bits) => float(f32::from_bits(bits).is_nan(), format!("{:?}", f32::from_bits(bits)), bits),
        Field::F64(bits) => float(f64::from_bits(bits).is_nan(), format!("{:?}", f64::from_bits(bits)), bits),
        Field::V128(bytes) => format!("{:#034x}", u128::from_le_bytes(bytes)),
        Field::Ref(_) => String::new(),
    }
}

fn float(nan: bool, text: String, bits: impl std::fmt::LowerHex) -> String {
    if nan { format!("NaN ({bits:#x})") } else { text }
}
