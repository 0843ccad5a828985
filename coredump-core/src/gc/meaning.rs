//! The meaning of an object in the language of its program: a language gives it, and the printers ask for it.

use crate::objects::Field;

/// An object as its language sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Meaning {
    /// Its class, with the package.
    pub class: String,
    /// The form in which it is written.
    pub form: ObjectForm,
    /// Its named members; elements are in the form.
    pub members: Vec<(String, FieldReading)>,
}

/// The form in which an object is written. Of elements and entries only those of a window are here.
#[derive(Clone, Debug)]
pub enum ObjectForm {
    /// As it is: `7`, `'x'`, `GREEN`.
    Plain(String),
    /// In quotes.
    Text(ObjectText),
    /// Elements between `open` and `close`.
    Elements {
        /// The text before them.
        open: &'static str,
        /// The elements of the window.
        parts: Vec<FieldReading>,
        /// The number of elements in all.
        len: u64,
        /// The text after them.
        close: &'static str,
    },
    /// Keys and values between `open` and `close`; of a single entry, which is no map, nothing is around it.
    Entries {
        /// The text before them.
        open: &'static str,
        /// The entries of the window.
        parts: Vec<(FieldReading, FieldReading)>,
        /// The number of entries in all.
        len: u64,
        /// The text after them.
        close: &'static str,
    },
    /// The name, and the members in parentheses.
    Record(String),
    /// It is only the place of another value: of a variable that a lambda captured.
    Other(FieldReading),
}

/// A text, as far as it was asked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ObjectText {
    /// The characters, in UTF-16.
    pub units: Vec<u16>,
    /// The length of the whole text, in such units.
    pub len: u64,
    /// True if all that was asked for is here: objects that hold the rest may not be in the dump.
    pub whole: bool,
}

/// A value, and how its bits are read.
#[derive(Clone, Copy, Debug)]
pub struct FieldReading {
    /// The value.
    pub field: Field,
    /// The way to read its bits, if it is a number.
    pub reading: Reading,
}

/// The way to read the bits of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As Wasm has it; the language is not known.
    Raw,
    /// A number with a sign.
    Signed,
    /// A number with or without a sign: the program does not show which.
    Number,
    /// A number without a sign.
    Unsigned,
    /// A number of 8 bits without a sign, whatever holds it.
    UnsignedByte,
    /// A number of 16 bits without a sign, whatever holds it.
    UnsignedShort,
    /// A `kotlin.time.Duration` without its box.
    Duration,
    /// A value class without its box: a type of a module that the dump lists, and its index there.
    Value {
        /// The module.
        module: u32,
        /// The type of the boxes.
        ty: u32,
    },
    /// A truth value.
    Truth,
    /// A character: a unit of UTF-16.
    Character,
    /// The program does not show how to read it.
    Unknown,
}

impl FieldReading {
    /// A value of which no language is known.
    pub fn raw(field: Field) -> FieldReading {
        FieldReading { field, reading: Reading::Raw }
    }

    /// A value of Kotlin that reads as a number with a sign, if it is one.
    pub fn new(field: Field) -> FieldReading {
        FieldReading { field, reading: Reading::Signed }
    }

    /// Replaces the way in which the number is read.
    pub fn read(self, reading: Reading) -> FieldReading {
        FieldReading { reading, ..self }
    }
}

/// An exception as its language sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thrown {
    /// Its class.
    pub class: String,
    /// Its message.
    pub message: Option<String>,
    /// Its cause.
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
