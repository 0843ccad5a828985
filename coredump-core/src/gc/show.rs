//! Objects in one line: `struct $Order {id = 2, price = 2.5}`.

use std::fmt::Write;

use super::View;
use crate::objects::{Field, Id, Kind, Link, Object, Storage};
use crate::variables::Limits;

/// Bytes of one line, from which on parts are left out.
const MAX_LINE: usize = 64 << 10;

impl View<'_> {
    /// What a reference refers to, in one line. An object is shown with its fields, and the objects that these refer to, as
    /// deep as `limits` says; from there on by its id: `struct $Order #7`.
    pub fn text(&self, link: Link, limits: Limits) -> String {
        let mut line = Line { view: self, limits, text: String::new(), open: Vec::new() };
        line.link(link, limits.depth);
        line.text
    }

    /// A field's or element's value in one line.
    pub fn field_text(&self, field: Field, limits: Limits) -> String {
        let mut line = Line { view: self, limits, text: String::new(), open: Vec::new() };
        line.field(field, limits.depth);
        line.text
    }

    /// An object in one line.
    pub fn object_text(&self, object: &Object<'_>, limits: Limits) -> String {
        let mut line = Line { view: self, limits, text: String::new(), open: Vec::new() };
        line.object(object, limits.depth);
        line.text
    }

    /// What an object is, without what it holds: `struct $Order`.
    pub fn head(&self, object: &Object<'_>) -> String {
        let name = self.type_name(object.type_index);
        let name = name.map_or(String::new(), |name| format!(" {}", sigils(name)));
        match object.kind() {
            Kind::Struct => format!("struct{name}"),
            Kind::Array => format!("array{name} of {}", object.len),
            Kind::Exception => format!("exception{name}"),
            Kind::Extern => "extern".to_owned(),
        }
    }
}

/// Names of types as the Wasm text format writes them, but for those that their language writes with a sign of its own.
fn sigils(names: &str) -> String {
    let name = |name: &str| if name.starts_with('@') { name.to_owned() } else { format!("${name}") };
    names.split(" | ").map(name).collect::<Vec<_>>().join(" | ")
}

/// The text that an array is, if its elements are 8 or 16 bits wide, all of them are in the dump, and all are characters
/// that a person reads. One that ends with zeros is text up to them.
pub fn text_of(object: &Object<'_>) -> Option<String> {
    let all = object.kind() == Kind::Array && object.held() as u64 == object.len;
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

/// A line that is being written.
struct Line<'v, 'd> {
    view: &'v View<'d>,
    limits: Limits,
    text: String,
    /// The objects that the place is in, from the outside in.
    open: Vec<Id>,
}

impl Line<'_, '_> {
    fn field(&mut self, field: Field, depth: u32) {
        match field {
            Field::Ref(link) => self.link(link, depth),
            field => self.text.push_str(&number(field)),
        }
    }

    fn link(&mut self, link: Link, depth: u32) {
        match link {
            Link::Null => self.text.push_str("null"),
            Link::I31(value) => self.add(format_args!("i31 {value}")),
            Link::Function { instance, index } => match self.view.function_name(instance, index) {
                Some(name) => self.add(format_args!("func[{index}] <{}>", super::clean(name))),
                None => self.add(format_args!("func[{index}]")),
            },
            Link::Unknown => self.text.push_str("not null"),
            Link::Object(id) => match self.view.get(id) {
                None => self.add(format_args!("#{id}, which is not in the dump")),
                Some(_) if self.open.contains(&id) => self.add(format_args!("#{id}")),
                Some(object) => self.object(&object, depth),
            },
        }
    }

    fn object(&mut self, object: &Object<'_>, depth: u32) {
        let head = self.view.head(object);
        self.text.push_str(&head);
        if self.text.len() < MAX_LINE && self.characters(object) {
            return;
        }
        let Some(deeper) = depth.checked_sub(1).filter(|_| self.text.len() < MAX_LINE) else {
            self.add(format_args!(" #{}", object.id));
            return;
        };
        self.open.push(object.id);
        match object.kind() {
            Kind::Extern => self.add(format_args!(" #{}", object.id)),
            Kind::Array => self.array(object, deeper),
            Kind::Struct | Kind::Exception => {
                self.text.push_str(" {");
                for (index, field) in object.fields().enumerate() {
                    if index > 0 {
                        self.text.push_str(", ");
                    }
                    if self.is_full(index) {
                        self.text.push('…');
                        break;
                    }
                    match self.view.field_name(object.type_index, index) {
                        Some(name) => self.add(format_args!("{name} = ")),
                        None => self.add(format_args!("{index} = ")),
                    }
                    self.field(field, deeper);
                }
                self.text.push('}');
            }
        }
        self.open.pop();
    }

    /// Writes an array that is text. Whether it is.
    fn characters(&mut self, object: &Object<'_>) -> bool {
        let Some(text) = text_of(object) else { return false };
        let shown = (self.limits.elements as usize).saturating_mul(8);
        let whole = text.chars().count();
        let start: String = text.chars().take(shown).collect();
        let more = if start.len() < text.len() { format!("… of {whole} characters") } else { String::new() };
        self.add(format_args!(" {start:?}{more}"));
        true
    }

    fn array(&mut self, object: &Object<'_>, deeper: u32) {
        self.text.push_str(" [");
        let mut written = 0;
        for field in object.fields() {
            if self.is_full(written) {
                break;
            }
            if written > 0 {
                self.text.push_str(", ");
            }
            self.field(field, deeper);
            written += 1;
        }
        let (more, lost) = (object.held() - written, object.len - object.held() as u64);
        let comma = if written > 0 { ", " } else { "" };
        if more > 0 {
            self.add(format_args!("{comma}… {more} more"));
        }
        if lost > 0 {
            let comma = if written > 0 || more > 0 { ", " } else { "" };
            self.add(format_args!("{comma}{lost} that are not in the dump"));
        }
        self.text.push(']');
    }

    /// Whether no more parts of an object are to be shown.
    fn is_full(&self, written: usize) -> bool {
        written >= self.limits.elements as usize || self.text.len() >= MAX_LINE
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(text);
    }
}

/// A number as it is written: of 8 and 16 bits without a sign, as the engine reads them unless it is told otherwise.
pub(super) fn number(field: Field) -> String {
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
