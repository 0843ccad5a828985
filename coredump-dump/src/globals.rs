//! Implements `--globals`, which lists the globals with their names and values.

use std::io::{self, Write};

use coredump_core::Limits;
use coredump_core::error::Result;
use coredump_core::model::{RefTarget, Reference, Value};

use crate::inspection::Inspection;
use crate::table::{RecordTable, TableStyle};

/// Writes the globals as a table.
pub fn table(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    let mut table = RecordTable::new(out, form, "Globals", "global", &[">index", "name", "type", "", "value", "hex"]);
    let names = inspection.global_names();
    for (index, (global, names)) in inspection.dump.globals.iter().zip(names).enumerate() {
        let mutable = if global.mutable { "mut" } else { "const" };
        let (mut value, hex) = describe(&global.value);
        if let Value::Ref(Reference { target: RefTarget::Object(id), .. }) = global.value
            && let Some(object) = inspection.opened.objects().get(id)
        {
            value += " ";
            value += &inspection.opened.objects().object_text(&object, Limits { depth: 1, ..Limits::default() });
        }
        table.row([index.to_string(), names.join(" "), global.ty.clone(), mutable.to_owned(), value, hex]);
    }
    table.finish()
}

/// Lists the globals.
pub fn list(inspection: &Inspection<'_>) -> Result<()> {
    inspection.write(|out| table(inspection, out, inspection.form(usize::MAX)))
}

/// A value in decimal and in hexadecimal. Integers have no sign of their own; the decimal form is signed.
pub fn describe(value: &Value) -> (String, String) {
    match value {
        Value::Missing => ("not captured".into(), String::new()),
        Value::I32(value) => (value.to_string(), format!("{value:#x}")),
        Value::I64(value) => (value.to_string(), format!("{value:#x}")),
        Value::F32(bits) => (f32::from_bits(*bits).to_string(), format!("{bits:#x}")),
        Value::F64(bits) => (f64::from_bits(*bits).to_string(), format!("{bits:#x}")),
        Value::V128(bytes) => (String::new(), format!("{:#034x}", u128::from_le_bytes(*bytes))),
        Value::Ref(reference) => (reference.target.describe(), String::new()),
    }
}
