//! Objects in one line: `struct $Order {id = 2, price = 2.5}`.

use std::fmt::Write;

use super::ObjectView;
use super::meaning::{FieldReading, Meaning, ObjectForm, ObjectText};
use super::named::clean;
use super::plain::{number, text_of};
use crate::lang::kotlin::quoted;
use crate::objects::{Field, Id, Link, Object, ObjectKind};
use crate::text::escape;
use crate::variables::Limits;

/// Characters of a text that are shown for each element of an array that is.
const CHARACTERS: u64 = 8;

/// Bytes of one line, from which on parts are left out.
const MAX_LINE: usize = 64 << 10;

impl ObjectView<'_> {
    /// Writes the target of a reference in one line. An object is shown with its fields, and the objects that these
    /// refer to, as deep as `limits` says; from there on by its id: `struct $Order #7`.
    pub fn text(&self, link: Link, limits: Limits) -> String {
        let mut line = LineWriter { view: self, limits, text: String::new(), open: Vec::new() };
        line.field(Field::Ref(link), limits.depth);
        line.text
    }

    /// A value in one line, as its language writes it.
    pub(crate) fn value_text(&self, part: FieldReading, limits: Limits) -> String {
        let mut line = LineWriter { view: self, limits, text: String::new(), open: Vec::new() };
        line.part(part, limits.depth);
        line.text
    }

    /// A field or an element of an object in one line, as its language writes it, after the id of the object that it
    /// refers to.
    pub fn field_text(&self, object: &Object<'_>, index: usize, limits: Limits) -> Option<String> {
        Some(self.text_with_id(self.field_part(object, index)?, limits))
    }

    /// A value in one line, as its language writes it, after the id of the object that it refers to: `#12 "gift card"`.
    pub fn text_with_id(&self, part: FieldReading, limits: Limits) -> String {
        let text = self.value_text(part, limits);
        match part.field {
            Field::Ref(Link::Object(id)) if self.get(id).is_some() => format!("#{id} {text}"),
            _ => text,
        }
    }

    /// An object in one line.
    pub fn object_text(&self, object: &Object<'_>, limits: Limits) -> String {
        self.text(Link::Object(object.id), limits)
    }

    /// An object's kind and its class or type, without its contents: `struct $Order`.
    pub fn head(&self, object: &Object<'_>) -> String {
        let name = self.name_of(object).map_or(String::new(), |name| format!(" {}", sigils(&name)));
        match object.kind() {
            ObjectKind::Struct => format!("struct{name}"),
            ObjectKind::Array => format!("array{name} of {}", object.len),
            ObjectKind::Exception => format!("exception{name}"),
            ObjectKind::Extern => "extern".to_owned(),
        }
    }
}

/// Names of types as the Wasm text format writes them, but for those that their language writes with a sign of its own.
fn sigils(names: &str) -> String {
    let name = |name: &str| if name.starts_with('@') { name.to_owned() } else { format!("${name}") };
    names.split(" | ").map(name).collect::<Vec<_>>().join(" | ")
}

/// A line that is being written.
struct LineWriter<'v, 'd> {
    view: &'v ObjectView<'d>,
    limits: Limits,
    text: String,
    /// The objects that the place is in, from the outside in.
    open: Vec<Id>,
}

impl LineWriter<'_, '_> {
    fn field(&mut self, field: Field, depth: u32) {
        match field {
            Field::Ref(link) => self.link(FieldReading::raw(field), link, depth),
            field => self.text.push_str(&number(field)),
        }
    }

    /// Writes the target of a value that is a reference.
    fn link(&mut self, part: FieldReading, link: Link, depth: u32) {
        match link {
            Link::Null => self.text.push_str("null"),
            Link::I31(value) => self.add(format_args!("i31 {value}")),
            Link::Function { instance, index } => match self.view.function_name(instance, index) {
                Some(name) => self.add(format_args!("func[{index}] <{}>", clean(name))),
                None => self.add(format_args!("func[{index}]")),
            },
            Link::Unknown => self.text.push_str("not null"),
            Link::Object(id) => match self.view.get(id) {
                None => self.add(format_args!("#{id}, which is not in the dump")),
                Some(object) if self.open.contains(&id) => {
                    let name = match self.view.meaning(&object, 0..0).map(|meaning| meaning.form) {
                        Some(ObjectForm::Record(name)) => escape(&name).into_owned(),
                        _ => self.view.head(&object),
                    };
                    self.add(format_args!("{name} #{id}"));
                }
                Some(object) => self.object(part, &object, depth),
            },
        }
    }

    fn object(&mut self, part: FieldReading, object: &Object<'_>, depth: u32) {
        let window = u64::from(self.limits.elements) * CHARACTERS;
        if let Some(meaning) = self.view.meaning_of(part, object, 0..window) {
            self.open.push(object.id);
            self.meaning(object, meaning, depth);
            self.open.pop();
            return;
        }
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
            ObjectKind::Extern => self.add(format_args!(" #{}", object.id)),
            ObjectKind::Array => self.array(object, deeper),
            ObjectKind::Struct | ObjectKind::Exception => {
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
                    let part = self.view.plain_part(object, index, field);
                    self.part(part, deeper);
                }
                self.text.push('}');
            }
        }
        self.open.pop();
    }

    /// Writes an array that is text. Returns true if it is text.
    fn characters(&mut self, object: &Object<'_>) -> bool {
        let Some(text) = text_of(object) else { return false };
        let shown = (self.limits.elements as usize).saturating_mul(CHARACTERS as usize);
        let whole = text.chars().count();
        let start: String = text.chars().take(shown).collect();
        let more = if start.len() < text.len() { format!("… of {whole} characters") } else { String::new() };
        self.add(format_args!(" {start:?}{more}"));
        true
    }

    /// An object as its language writes it.
    fn meaning(&mut self, object: &Object<'_>, meaning: Meaning, depth: u32) {
        let deeper = depth.checked_sub(1).filter(|_| self.text.len() < MAX_LINE);
        match (meaning.form, deeper) {
            (ObjectForm::Plain(text), _) => self.text.push_str(&text),
            (ObjectForm::Text(text), _) => self.quoted(&text),
            (ObjectForm::Other(part), _) => self.part(part, depth),
            (ObjectForm::Elements { open, len: 0, close, .. }, _) => self.add(format_args!("{open}{close}")),
            (ObjectForm::Elements { open, close, .. }, None) => self.add(format_args!("{open}…{close}")),
            (ObjectForm::Elements { open, parts, len, close }, Some(deeper)) => {
                self.text.push_str(open);
                self.parts(parts, len, |line, part| line.part(part, deeper));
                self.text.push_str(close);
            }
            (ObjectForm::Entries { open, len: 0, close, .. }, _) => self.add(format_args!("{open}{close}")),
            (ObjectForm::Entries { open, close, .. }, None) => self.add(format_args!("{open}…{close}")),
            (ObjectForm::Entries { open, parts, len, close }, Some(deeper)) => {
                self.text.push_str(open);
                self.parts(parts, len, |line, (key, value)| {
                    line.part(key, deeper);
                    line.text.push('=');
                    line.part(value, deeper);
                });
                self.text.push_str(close);
            }
            (ObjectForm::Record(name), _) if meaning.members.is_empty() => self.add(format_args!("{}", escape(&name))),
            (ObjectForm::Record(name), None) => self.add(format_args!("{} #{}", escape(&name), object.id)),
            (ObjectForm::Record(name), Some(deeper)) => {
                self.add(format_args!("{}(", escape(&name)));
                let len = meaning.members.len() as u64;
                self.parts(meaning.members, len, |line, (name, part)| {
                    line.add(format_args!("{name}="));
                    line.part(part, deeper);
                });
                self.text.push(')');
            }
        }
    }

    /// Parts with commas in between, as many as are to be shown.
    fn parts<P>(&mut self, parts: Vec<P>, len: u64, mut each: impl FnMut(&mut Self, P)) {
        let mut written = 0;
        for part in parts {
            if self.is_full(written) {
                break;
            }
            if written > 0 {
                self.text.push_str(", ");
            }
            each(self, part);
            written += 1;
        }
        if len > written as u64 {
            let comma = if written > 0 { ", " } else { "" };
            self.add(format_args!("{comma}… {} more", len - written as u64));
        }
    }

    fn part(&mut self, part: FieldReading, depth: u32) {
        let mut part = part;
        let mut open = 0;
        while let Some((class, field, inner)) = self.view.value_of(part).filter(|_| open < self.limits.depth) {
            part = inner;
            match class {
                "kotlin.Result" if self.view.is_of(inner, "kotlin.Result.Failure") => break,
                "kotlin.Result" => self.text.push_str("Success("),
                class => {
                    let class = class.rsplit('.').next().unwrap_or(class);
                    self.add(format_args!("{}({}=", escape(class), escape(field)));
                }
            }
            open += 1;
        }
        self.beneath(self.view.beneath(part), depth);
        (0..open).for_each(|_| self.text.push(')'));
    }

    fn beneath(&mut self, part: FieldReading, depth: u32) {
        match (part.field, self.view.part_text(part)) {
            (_, Some(text)) => self.text.push_str(&text),
            (Field::Ref(link), None) => self.link(part, link, depth),
            (field, None) => self.field(field, depth),
        }
    }

    fn quoted(&mut self, text: &ObjectText) {
        self.text.push_str(&quoted(&text.units));
        if !text.whole {
            self.text.push_str("… of which the rest is not known");
        } else if text.len > text.units.len() as u64 {
            self.add(format_args!("… of {} characters", text.len));
        }
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

    /// Returns true if no more parts of an object are to be shown.
    fn is_full(&self, written: usize) -> bool {
        written >= self.limits.elements as usize || self.text.len() >= MAX_LINE
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(text);
    }
}
