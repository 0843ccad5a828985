//! Prints the Wasm locals and the operand stack of a frame.

use std::fmt::Write;
use std::io;

use coredump_core::gc::ObjectView;
use coredump_core::model::{RefTarget, Reference, Value};
use coredump_core::{Dump, Frame, Limits};

use crate::page::{Page, TextRole};

/// Prints locals and operands of a frame.
pub fn render(page: &mut Page, dump: &Dump, frame: &Frame) -> io::Result<()> {
    let (binaries, frame) = (dump.binaries(), frame.recorded());
    let module = binaries.module_of(dump.recorded(), frame).and_then(|module| binaries.binary(module));
    let name = |index: usize| {
        let function = frame.function?;
        module?.module().local_name(function, u32::try_from(index).ok()?)
    };
    values(page, dump.objects(), "local", frame.locals.as_deref(), name)?;
    values(page, dump.objects(), "stack", frame.stack.as_deref(), |_| None)
}

fn values<'n>(
    page: &mut Page,
    objects: &ObjectView<'_>,
    what: &str,
    values: Option<&[Value]>,
    name: impl Fn(usize) -> Option<&'n str>,
) -> io::Result<()> {
    let Some(values) = values else {
        page.plain(format_args!("    {what}: "))?;
        page.piece(TextRole::Faint, "not recorded")?;
        return page.end();
    };
    if values.is_empty() {
        page.plain(format_args!("    {what}: "))?;
        page.piece(TextRole::Faint, "empty")?;
        return page.end();
    }
    for (index, value) in values.iter().enumerate() {
        page.plain(format_args!("    {what}[{index}]"))?;
        if let Some(name) = name(index) {
            page.plain(" $")?;
            page.piece(TextRole::Function, name)?;
        }
        page.plain(" = ")?;
        page.piece(TextRole::Faint, value.type_name().unwrap_or("missing"))?;
        let text = shown(objects, value);
        if !text.is_empty() {
            page.plain(" ")?;
            page.piece(TextRole::Address, &text)?;
        }
        page.end()?;
    }
    Ok(())
}

/// An object with its fields, on one line.
fn object(objects: &ObjectView<'_>, id: u32) -> String {
    match objects.get(id) {
        Some(object) => format!("#{id} {}", objects.object_text(&object, Limits { depth: 1, ..Limits::default() })),
        None => format!("#{id}, which is not in the dump"),
    }
}

/// A value without its type; for a reference to an object, the object in short.
pub fn shown(objects: &ObjectView<'_>, value: &Value) -> String {
    match value {
        Value::Ref(Reference { target: RefTarget::Object(id), .. }) => object(objects, *id),
        value => text(value),
    }
}

/// A value without its type.
fn text(value: &Value) -> String {
    match value {
        Value::Missing => String::new(),
        Value::I32(value) if (-9..=9).contains(value) => format!("{value}"),
        Value::I32(value) => format!("{value} ({value:#x})"),
        Value::I64(value) if (-9..=9).contains(value) => format!("{value}"),
        Value::I64(value) => format!("{value} ({value:#x})"),
        Value::F32(bits) => float(f64::from(f32::from_bits(*bits)), format!("{:?}", f32::from_bits(*bits)), *bits),
        Value::F64(bits) => float(f64::from_bits(*bits), format!("{:?}", f64::from_bits(*bits)), *bits),
        Value::V128(bytes) => bytes.chunks_exact(4).fold("i32x4".to_owned(), |mut text, lane| {
            let lane = u32::from_le_bytes([lane[0], lane[1], lane[2], lane[3]]);
            let _ = write!(text, " {lane:#010x}");
            text
        }),
        Value::Ref(reference) => reference.target.describe(),
    }
}

/// A float; of what is not a number, the bits.
fn float(value: f64, text: String, bits: impl std::fmt::LowerHex) -> String {
    if value.is_nan() { format!("NaN ({bits:#x})") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::model::RefKind;

    #[test]
    fn values_keep_every_bit() {
        assert_eq!(text(&Value::I32(-2)), "-2");
        assert_eq!(text(&Value::I64(i64::MIN)), "-9223372036854775808 (0x8000000000000000)");
        assert_eq!(text(&Value::F32(2.25f32.to_bits())), "2.25");
        assert_eq!(text(&Value::F64(0x7ff8_0000_0000_0001)), "NaN (0x7ff8000000000001)");
        assert_eq!(text(&Value::F64((-0.0f64).to_bits())), "-0.0");
        let lanes = text(&Value::V128([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]));
        assert_eq!(lanes, "i32x4 0x00000001 0x00000002 0x00000003 0xffffffff");
        let null = Value::Ref(Reference { kind: RefKind::Func, target: RefTarget::Null });
        assert_eq!(text(&null), "null");
    }
}
