//! The classes of Kotlin's objects.
//!
//! Every object begins with its vtable, its interface tables, its runtime type information and its identity hash. That
//! information (`RTTI`: interfaces, the superclass's information, the numbers of package and simple name in the pool of strings,
//! a number and flags, and the functions that load the two strings) is an object, too: so a class has its name also where the
//! name section is lost. Seen in Kotlin 2.4.20.

use std::sync::Arc;

use wasmparser::Operator;

use super::layout::{ANCESTORS, with_superclasses};
use super::{Kotlin, Named};
use crate::module::Module;
use crate::objects::{Field, Id, Kind, Link, Object, Storage};

/// How the first four fields of each object are stored, by which an object is known where fields have no names.
const HEADER: [Storage; 4] = [Storage::Ref, Storage::Ref, Storage::Ref, Storage::I32];
/// The index of the field with the runtime type information.
const RTTI: usize = 2;
/// How the fields of that information are stored, likewise.
const INFORMATION: [Storage; 8] =
    [Storage::Ref, Storage::Ref, Storage::I32, Storage::I32, Storage::I64, Storage::I32, Storage::Ref, Storage::Ref];
/// Fields of that information, by name and by index.
const SUPERCLASS: (&str, usize) = ("superClassRtti", 1);
const PACKAGE: [(&str, usize); 2] = [("packageNamePoolId", 2), ("qualifierStringLoader", 6)];
const NAME: [(&str, usize); 2] = [("simpleNamePoolId", 3), ("simpleNameStringLoader", 7)];

/// Longest name, in UTF-16 code units.
const LONGEST: usize = 1024;

/// A class: its name, then those of its superclasses, with their packages.
#[derive(Debug)]
pub struct Class(Vec<String>);

impl Class {
    /// Its name, with the package.
    pub fn name(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Its name without the package.
    pub fn simple(&self) -> &str {
        self.name().rsplit('.').next().unwrap_or_default()
    }

    /// The name of the class, then those of its superclasses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether it is that class or a subclass of it.
    pub fn is(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}

/// Whether a type is laid out as runtime type information.
pub fn is_information(fields: &[Storage]) -> bool {
    fields == INFORMATION
}

/// The pool of the program's strings: one text, and for each string its start and length in the text.
#[derive(Debug)]
pub struct Pool {
    text: Box<[u8]>,
    places: Box<[u8]>,
    /// Whether a character takes two bytes.
    wide: bool,
}

impl Pool {
    /// The pool from which the function `loader` loads strings. Its `array.new_data` names the segment of the text; the
    /// segment of starts and lengths is the one in which every pair lies within the text.
    fn from_loader(module: &Module<'_>, loader: u32) -> Option<Pool> {
        let mut operators = module.operators(loader)?;
        let (array, text) = loop {
            if operators.eof() {
                return None;
            }
            if let Operator::ArrayNewData { array_type_index, array_data_index } = operators.read().ok()? {
                break (array_type_index, array_data_index as usize);
            }
        };
        let wide = match module.element_size(array)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let segments: Vec<_> = module.data_segments().take(1 << 10).collect();
        let text = segments.get(text).filter(|segment| segment.memory.is_none())?.bytes;
        let all_within = |places: &[u8]| {
            let places = places.chunks_exact(8).map(pair);
            places.clone().next().is_some_and(|(start, _)| start == 0)
                && places.into_iter().all(|(start, len)| start.saturating_add(len) <= text.len())
        };
        let tables = segments.iter().filter(|segment| segment.memory.is_none()).map(|segment| segment.bytes);
        let mut tables = tables.filter(|bytes| bytes.len() % 8 == 0 && !std::ptr::eq(*bytes, text));
        let places = tables.find(|bytes| all_within(bytes))?;
        Some(Pool { text: text.into(), places: places.into(), wide })
    }

    fn get(&self, number: i32) -> Option<String> {
        let at = usize::try_from(number).ok()?.checked_mul(8)?;
        let (start, len) = pair(self.places.get(at..at.checked_add(8)?)?);
        let len = len.min(LONGEST);
        let size = if self.wide { len * 2 } else { len };
        let bytes = self.text.get(start..start.checked_add(size)?)?;
        Some(match self.wide {
            true => String::from_utf16_lossy(&units(bytes).collect::<Vec<_>>()),
            false => bytes.iter().map(|&byte| char::from(byte)).collect(),
        })
    }
}

/// Start and length of a string in the pool's text.
fn pair(bytes: &[u8]) -> (usize, usize) {
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .map_or(0, |word| word.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    (word(0), word(4))
}

/// UTF-16 code units in the byte order in which a dump and a module hold them.
pub fn units(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
}

impl Kotlin {
    /// The class of an object; `None` if the object is not Kotlin's.
    pub fn class(&self, view: &Named<'_>, object: &Object<'_>) -> Option<Arc<Class>> {
        if object.kind() != Kind::Struct {
            return None;
        }
        let begins = || object.ty.fields.starts_with(&HEADER).then(|| object.get(RTTI));
        let named = (0..=RTTI).find(|index| view.field_name(object.type_index, *index) == Some("rtti"));
        let field = named.map_or_else(begins, |index| Some(object.get(index)))??;
        let information = match field {
            Field::Ref(Link::Object(information)) => self.class_of_information(view, information),
            _ => None,
        };
        information.or_else(|| self.class_of_type(view, object.ty.places.first()?))
    }

    /// The class according to the names of a type and its supertypes: an engine without instrumentation does not reveal
    /// the functions that load strings.
    fn class_of_type(&self, view: &Named<'_>, &(number, ty): &(u32, u32)) -> Option<Arc<Class>> {
        if let Some(known) = self.named.lock().get(&(number, ty)) {
            return known.clone();
        }
        let module = view.module(number)?;
        let names = with_superclasses(module, ty).map(|ty| module.type_name(ty).map(with_outer));
        let names: Option<Vec<String>> = names.collect();
        let names = names.filter(|names| names.last().is_some_and(|name| name == "kotlin.Any"));
        let class = names.map(|names| Arc::new(Class(names)));
        self.named.lock().insert((number, ty), class.clone());
        class
    }

    /// The class that an object of runtime type information describes.
    pub fn class_of_information(&self, view: &Named<'_>, information: Id) -> Option<Arc<Class>> {
        if let Some(known) = self.classes.lock().get(&information) {
            return known.clone();
        }
        let mut names = Vec::new();
        let mut next = Some(information);
        while let Some(id) = next.filter(|_| names.len() < ANCESTORS) {
            let object =
                view.get(id).filter(|object| object.kind() == Kind::Struct && is_information(&object.ty.fields));
            let Some((name, object)) = object.and_then(|object| Some((self.name_of(view, &object)?, object))) else {
                break;
            };
            names.push(name);
            next = match field(view, &object, SUPERCLASS) {
                Some(Field::Ref(Link::Object(id))) => Some(id),
                _ => None,
            };
        }
        let class = (!names.is_empty()).then(|| Arc::new(Class(names)));
        self.classes.lock().insert(information, class.clone());
        class
    }

    fn name_of(&self, view: &Named<'_>, information: &Object<'_>) -> Option<String> {
        let name = self.string(view, information, NAME)?;
        match self.string(view, information, PACKAGE)? {
            package if package.is_empty() => Some(name),
            package => Some(format!("{package}.{name}")),
        }
    }

    /// A string of the pool: one of the two fields holds its number, the other the function that loads it.
    fn string(&self, view: &Named<'_>, information: &Object<'_>, fields: [(&str, usize); 2]) -> Option<String> {
        let [number, loader] = fields.map(|wanted| field(view, information, wanted));
        let (Some(Field::I32(number)), Some(Field::Ref(Link::Function { instance, index }))) = (number, loader) else {
            return None;
        };
        let module = view.module_of(instance, information)?;
        let known = self.pools.lock().get(&(module, index)).cloned();
        let pool = match known {
            Some(known) => known,
            None => {
                let pool = view.module(module).and_then(|module| Pool::from_loader(module, index)).map(Arc::new);
                self.pools.lock().insert((module, index), pool.clone());
                pool
            }
        };
        pool?.get(number)
    }
}

/// A field of runtime type information, by its name, or by its index where fields have no names.
fn field(view: &Named<'_>, information: &Object<'_>, (name, place): (&str, usize)) -> Option<Field> {
    let own = |index: usize| view.field_name(information.type_index, index);
    let named = (0..information.held()).find(|index| own(*index) == Some(name));
    let nameless =
        || is_information(&information.ty.fields) && (0..information.held()).all(|index| own(index).is_none());
    information.get(named.or_else(|| nameless().then_some(place))?)
}

/// The name of a class from the name of its type, which leaves out the enclosing class: it is added for the classes of
/// the library that are known to be nested.
fn with_outer(name: &str) -> String {
    let outer = match name {
        "kotlin.Failure" => "kotlin.Result.Failure",
        "kotlin.collections.ArraySubList" => "kotlin.collections.ArrayList.ArraySubList",
        "kotlin.collections.EntryRef" => "kotlin.collections.HashMap.EntryRef",
        name => name,
    };
    outer.to_owned()
}
