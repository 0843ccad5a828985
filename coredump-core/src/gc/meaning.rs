//! What an object is in the language of its program: what a language says of it, and those who print it ask for.

use std::ops::Range;

use super::{View, kotlin};
use crate::objects::{Field, Kind, Link, Object};

/// Longest text that is given out as a whole, in units.
const MAX_STRING: u64 = 1 << 16;

/// An object as its language sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Meaning {
    /// Its class, with the package.
    pub class: String,
    /// How it is written.
    pub form: Form,
    /// What it holds by name; elements are in the form.
    pub members: Vec<(String, Part)>,
}

/// How an object is written. Of elements and entries only those of a window are here.
#[derive(Clone, Debug)]
pub enum Form {
    /// As it is: `7`, `'x'`, `GREEN`.
    Plain(String),
    /// In quotes.
    Text(Text),
    /// Elements between `open` and `close`.
    Elements {
        /// What comes before them.
        open: &'static str,
        /// The elements of the window.
        parts: Vec<Part>,
        /// How many there are in all.
        len: u64,
        /// What comes after them.
        close: &'static str,
    },
    /// Keys and values.
    Entries {
        /// The entries of the window.
        parts: Vec<(Part, Part)>,
        /// How many there are in all.
        len: u64,
    },
    /// The name, and the members in parentheses.
    Record(String),
    /// It is only the place of another value: of a variable that a lambda captured.
    Other(Part),
}

/// A text, as far as it was asked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Text {
    /// The characters, in UTF-16.
    pub units: Vec<u16>,
    /// The length of the whole text, in such units.
    pub len: u64,
    /// Whether all that was asked for is here: objects that hold the rest may not be in the dump.
    pub whole: bool,
}

/// A value, and how its bits are read.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The value.
    pub field: Field,
    /// How a number is to be read.
    pub reading: Reading,
}

/// How the bits of an integer are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As Wasm has it; the language is not known.
    Raw,
    /// A number with a sign.
    Signed,
    /// A number without.
    Unsigned,
    /// A number of 8 bits without a sign, whatever holds it.
    UnsignedByte,
    /// A number of 16 bits without a sign, whatever holds it.
    UnsignedShort,
    /// A truth value.
    Truth,
    /// A character: a unit of UTF-16.
    Character,
    /// The program does not tell.
    Unknown,
}

impl Part {
    /// A value of which no language is known.
    pub fn raw(field: Field) -> Part {
        Part { field, reading: Reading::Raw }
    }

    /// A value of Kotlin that reads as a number with a sign, if it is one.
    pub fn new(field: Field) -> Part {
        Part { field, reading: Reading::Signed }
    }

    /// The same value, which reads in another way.
    pub fn read(self, reading: Reading) -> Part {
        Part { reading, ..self }
    }
}

/// An exception as its language sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thrown {
    /// Its class.
    pub class: String,
    /// What it says.
    pub message: Option<String>,
    /// What caused it.
    pub cause: Option<Box<Thrown>>,
    /// The exceptions that were thrown while it was under way.
    pub suppressed: Vec<Thrown>,
}

impl Thrown {
    /// Type and message in one line.
    pub fn summary(&self) -> String {
        match &self.message {
            Some(message) => format!("{}: {message}", self.class),
            None => self.class.clone(),
        }
    }
}

impl View<'_> {
    /// What an object is in its program's language, with the elements of a window; none where the language is not known.
    pub fn meaning(&self, object: &Object<'_>, window: Range<u64>) -> Option<Meaning> {
        self.kotlin.meaning(self, object, window)
    }

    /// The class of an object in its program's language.
    pub fn class_of(&self, object: &Object<'_>) -> Option<String> {
        Some(self.kotlin.class(self, object)?.name().to_owned())
    }

    /// A number, a truth value or a character as its language writes it; none of a reference.
    pub fn part_text(&self, part: Part) -> Option<String> {
        let unsigned = |bits: u64| match part.reading {
            Reading::Truth if bits <= 1 => (bits == 1).to_string(),
            Reading::Character => u16::try_from(bits).map_or_else(|_| bits.to_string(), kotlin::character),
            Reading::UnsignedByte => (bits as u8).to_string(),
            Reading::UnsignedShort => (bits as u16).to_string(),
            _ => bits.to_string(),
        };
        let integer = |signed: i64, bits: u64| match part.reading {
            Reading::Signed => signed.to_string(),
            // What reads alike either way is known all the same.
            Reading::Unknown if signed < 0 => format!("{bits:#x}"),
            _ => unsigned(bits),
        };
        Some(match part.field {
            Field::Ref(_) => return None,
            field if part.reading == Reading::Raw => super::show::number(field),
            Field::I8(bits) => integer(i64::from(bits as i8), bits.into()),
            Field::I16(bits) => integer(i64::from(bits as i16), bits.into()),
            Field::I32(value) if part.reading == Reading::Unknown => value.to_string(),
            Field::I32(value) => integer(value.into(), (value as u32).into()),
            Field::I64(value) => integer(value, value as u64),
            Field::F32(bits) => kotlin::float(f32::from_bits(bits)),
            Field::F64(bits) => kotlin::double(f64::from_bits(bits)),
            field @ Field::V128(_) => super::show::number(field),
        })
    }

    /// What an object holds by name.
    pub fn members(&self, object: &Object<'_>) -> Vec<(String, Part)> {
        self.kotlin.class(self, object).map(|_| self.kotlin.members(self, object)).unwrap_or_else(|| {
            let name =
                |index| self.field_name(object.type_index, index).map_or_else(|| format!("[{index}]"), str::to_owned);
            let fields = object.fields().enumerate().filter(|_| object.kind() == Kind::Struct);
            fields.map(|(index, field)| (name(index), Part::raw(field))).collect()
        })
    }

    /// The text that an object is, without quotes, if it is one and all of it is in the dump.
    pub fn string(&self, object: &Object<'_>) -> Option<String> {
        match self.meaning(object, 0..MAX_STRING).map(|meaning| meaning.form) {
            Some(Form::Text(text)) => {
                (text.whole && text.len <= MAX_STRING).then(|| String::from_utf16_lossy(&text.units))
            }
            Some(_) => None,
            None => super::text_of(object),
        }
    }

    /// The functions of a program that wait until they are resumed, in languages that keep them as objects.
    pub(crate) fn suspended(&self) -> Vec<kotlin::Suspended> {
        self.kotlin.suspended(self)
    }

    /// The exception that a reference means, if its language has such.
    pub fn thrown(&self, link: Link) -> Option<Thrown> {
        let Link::Object(id) = link else { return None };
        self.kotlin.thrown(self, &self.get(id)?)
    }
}
