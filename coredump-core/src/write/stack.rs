//! The `corestack` section: a thread, youngest frame first.

use wasm_encoder::Encode;

use super::UNKNOWN_INDEX;
use crate::model::{Thread, Value};

/// The contents of the section.
pub(super) fn thread(thread: &Thread) -> Vec<u8> {
    let mut body = vec![0];
    thread.name.as_str().encode(&mut body);
    thread.frames.len().encode(&mut body);
    for frame in &thread.frames {
        body.push(0);
        frame.instance.unwrap_or(UNKNOWN_INDEX).encode(&mut body);
        frame.function.unwrap_or(UNKNOWN_INDEX).encode(&mut body);
        frame.code_offset.unwrap_or(UNKNOWN_INDEX).encode(&mut body);
        for list in [&frame.locals, &frame.stack] {
            let values = list.as_deref().unwrap_or_default();
            values.len().encode(&mut body);
            for value in values {
                encode(value, &mut body);
            }
        }
    }
    body
}

/// A value in the standard's encoding, which has no vectors and no references.
fn encode(value: &Value, body: &mut Vec<u8>) {
    match value {
        Value::Missing | Value::V128(_) | Value::Ref(_) => body.push(0x01),
        Value::I32(value) => {
            body.push(0x7F);
            value.encode(body);
        }
        Value::I64(value) => {
            body.push(0x7E);
            value.encode(body);
        }
        Value::F32(bits) => {
            body.push(0x7D);
            body.extend(bits.to_le_bytes());
        }
        Value::F64(bits) => {
            body.push(0x7C);
            body.extend(bits.to_le_bytes());
        }
    }
}
