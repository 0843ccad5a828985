//! Asks the language of the program for the meaning of its objects.

use std::ops::Range;

use super::ObjectView;
use super::meaning::{FieldReading, Meaning, ObjectForm, Reading, Thrown};
use super::plain::{number, text_of};
use crate::lang::kotlin;
use crate::objects::{Field, Link, Object, ObjectKind};

/// Value classes that are followed within each other.
const VALUES: usize = 8;

/// Longest text that is given out as a whole, in units.
const MAX_STRING: u64 = 1 << 16;

impl ObjectView<'_> {
    /// The meaning of an object in its program's language, with the elements of a window; `None` where the language is not known.
    pub fn meaning(&self, object: &Object<'_>, window: Range<u64>) -> Option<Meaning> {
        self.kotlin.meaning(&self.named, object, window)
    }

    /// The class of an object in its program's language.
    pub fn class_of(&self, object: &Object<'_>) -> Option<String> {
        Some(self.kotlin.class(&self.named, object)?.name().to_owned())
    }

    /// A number, a truth value or a character as its language writes it; none of a reference.
    pub(crate) fn part_text(&self, part: FieldReading) -> Option<String> {
        let part = self.beneath(part);
        match part.reading {
            Reading::Raw if !matches!(part.field, Field::Ref(_)) => Some(number(part.field)),
            _ => kotlin::part_text(part),
        }
    }

    /// The parts of a value of a value class: the class, the name of its only field, and that field. `None` for a value that is no
    /// such, or has its box.
    pub(super) fn value_of(&self, part: FieldReading) -> Option<(&str, &str, FieldReading)> {
        let Reading::Value { module, ty } = part.reading else { return None };
        let (class, field) = kotlin::value_class(&self.named, module, ty)?;
        // A value that may be null needs no box where what it is made of is an object that cannot be null.
        if part.field == Field::Ref(Link::Null)
            && class != "kotlin.Result"
            && !self.kotlin.may_hold_null(&self.named, module, ty)
        {
            return None;
        }
        let reading = self.kotlin.reading_in(&self.named, module, ty, part.field);
        Some((class, field, part.read(reading)))
    }

    /// The value that value classes are made of in the end.
    pub(super) fn beneath(&self, part: FieldReading) -> FieldReading {
        let mut part = part;
        // A value class may be made of another one.
        for _ in 0..VALUES {
            match self.value_of(part) {
                Some((_, _, inner)) => part = inner,
                None => return part,
            }
        }
        part.read(Reading::Unknown)
    }

    /// The name of the companion object of a class of a module, where it is declared with one.
    pub(super) fn companion(&self, module: u32, class: &str) -> Option<String> {
        self.kotlin.companion(&self.named, module, class)
    }

    /// Returns how the value of a module's global is read.
    pub(super) fn global_reading(&self, module: u32, global: u32) -> Reading {
        if self.kotlin.is_program(&self.named, module) {
            self.kotlin.global(&self.named, module, global)
        } else {
            Reading::Signed
        }
    }

    /// The value of a property that its `delegate` keeps.
    pub(super) fn delegated(&self, delegate: FieldReading) -> Option<FieldReading> {
        self.kotlin.delegated(&self.named, delegate)
    }

    /// Returns true if a value is an object of a class.
    pub(super) fn is_of(&self, part: FieldReading, class: &str) -> bool {
        self.kotlin.is_of(&self.named, part, class)
    }

    /// The meaning of the object that a value refers to. An array of numbers is read as the value says: Kotlin's arrays of unsigned
    /// numbers are objects of the others' classes, unless they are boxed.
    pub(super) fn meaning_of(&self, part: FieldReading, object: &Object<'_>, window: Range<u64>) -> Option<Meaning> {
        let mut meaning = self.meaning(object, window)?;
        if let ObjectForm::Elements { parts, .. } = &mut meaning.form {
            parts.iter_mut().for_each(|element| element.reading = kotlin::read_as(part.reading, element.reading));
        }
        Some(meaning)
    }

    /// Returns a field of an object that has no meaning in its language. Objects of Kotlin of which an optimiser has made plain
    /// structs are such, and only code shows if their numbers have a sign.
    pub(super) fn plain_part(&self, object: &Object<'_>, index: usize, field: Field) -> FieldReading {
        let is_of_program = |(module, _): &(u32, u32)| self.kotlin.is_program(&self.named, *module);
        match object.kind() {
            ObjectKind::Struct if object.ty.places.iter().any(is_of_program) => {
                FieldReading::raw(field).read(self.kotlin.reading(&self.named, object, index))
            }
            _ => FieldReading::raw(field),
        }
    }

    /// Returns a field or an element of an object with its reading: of objects of Kotlin, the fields that all of them begin with are
    /// as Wasm has them.
    pub(super) fn field_part(&self, object: &Object<'_>, index: usize) -> Option<FieldReading> {
        let field = object.get(index)?;
        if self.kotlin.class(&self.named, object).is_none() {
            return Some(self.plain_part(object, index, field));
        }
        let own = self.kotlin.fields_of(&self.named, object).into_iter().find(|(own, _)| *own == index);
        Some(own.map_or(FieldReading::raw(field), |(_, part)| part))
    }

    /// Returns the named members of an object.
    pub fn members(&self, object: &Object<'_>) -> Vec<(String, FieldReading)> {
        self.kotlin.class(&self.named, object).map(|_| self.kotlin.members(&self.named, object)).unwrap_or_else(|| {
            let name =
                |index| self.field_name(object.type_index, index).map_or_else(|| format!("[{index}]"), str::to_owned);
            let fields = object.fields().enumerate().filter(|_| object.kind() == ObjectKind::Struct);
            fields.map(|(index, field)| (name(index), self.plain_part(object, index, field))).collect()
        })
    }

    /// The text that an object is, without quotes, if it is one and all of it is in the dump.
    pub fn string(&self, object: &Object<'_>) -> Option<String> {
        match self.meaning(object, 0..MAX_STRING).map(|meaning| meaning.form) {
            Some(ObjectForm::Text(text)) => {
                (text.whole && text.len <= MAX_STRING).then(|| String::from_utf16_lossy(&text.units))
            }
            Some(_) => None,
            None => text_of(object),
        }
    }

    /// The functions of a program that wait until they are resumed, in languages that keep them as objects.
    pub(crate) fn suspended(&self) -> Vec<kotlin::Suspended> {
        self.kotlin.suspended(&self.named)
    }

    /// The exception that a reference means, if its language has such.
    pub fn thrown(&self, link: Link) -> Option<Thrown> {
        let Link::Object(id) = link else { return None };
        self.kotlin.thrown(&self.named, &self.get(id)?)
    }
}
