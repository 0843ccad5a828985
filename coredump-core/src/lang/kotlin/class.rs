//! The classes of Kotlin's objects.
//!
//! Every object begins with its vtable, its interface tables, its runtime type information and its identity hash. That
//! information (`RTTI`: interfaces, the superclass's information, the numbers of package and simple name in the pool of
//! strings, a number and flags, and the functions that load the two strings) is an object, too: so a class has its name
//! also where the name section is lost, and where an optimiser made one type of several classes. Seen in Kotlin 2.4.20.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wasmparser::Operator;

use super::layout::{ANCESTORS, with_superclasses};
use super::{Kotlin, NamedObjects};
use crate::module::{Module, ValueType};
use crate::objects::{Field, Id, Link, Object, ObjectKind, Storage};

/// The storage of the first four fields of each object. Where fields have no names, an object is recognised by it.
const HEADER: [Storage; 4] = [Storage::Ref, Storage::Ref, Storage::Ref, Storage::I32];
/// The index of the field with the runtime type information.
pub const RTTI: usize = 2;
/// The storage of the fields of runtime type information, which is recognised in the same way.
const INFORMATION: [Storage; 8] =
    [Storage::Ref, Storage::Ref, Storage::I32, Storage::I32, Storage::I64, Storage::I32, Storage::Ref, Storage::Ref];
/// Fields of that information, by name and by index.
const SUPERCLASS: (&str, usize) = ("superClassRtti", 1);
const PACKAGE: [(&str, usize); 2] = [("packageNamePoolId", 2), ("qualifierStringLoader", 6)];
const NAME: [(&str, usize); 2] = [("simpleNamePoolId", 3), ("simpleNameStringLoader", 7)];

/// Methods of an object that are looked at.
const METHODS: usize = 256;
/// Operators of a function that returns a constant.
const SHORT: usize = 2;
/// Longest name, in UTF-16 code units.
const LONGEST: usize = 1024;

/// The most operators of a constructor that are read.
const CONSTRUCTOR: usize = 512;
/// The end of the names of functions that return the only instance of a class.
const GETTER: &str = "_getInstance";

/// A method that the compiler writes for each `data object`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataMethod {
    /// Returns the simple name of the class.
    ToString,
    /// Returns a constant.
    HashCode,
}

/// A class.
#[derive(Debug)]
pub struct Class {
    /// Its name, then those of its superclasses, with their packages.
    names: Vec<String>,
    /// The number of fields of its objects, from the first on, that have the names which this class gives them.
    named_fields: usize,
}

impl Class {
    fn new(names: Vec<String>) -> Class {
        Class { names, named_fields: usize::MAX }
    }

    /// A class with the name that its runtime type information has and the superclasses that its type has. An optimiser
    /// may have made one type of those of several classes that have fields of the same types, with the names that one
    /// of them has for itself and its fields. It makes subtypes for the objects that single places make, and cuts
    /// supertypes off that nothing needs. `has_function_of` says whether the objects' methods are, some of them,
    /// another class's, which is a superclass then.
    fn from_both(own: &str, module: &Module<'_>, ty: u32, has_function_of: impl Fn(&str) -> bool) -> Class {
        let mut class = Class::new(vec![own.to_owned()]);
        let simple = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let name = |ty: u32| module.type_name(ty).map(unnumbered);
        let Some(first) = module.type_name(ty) else { return class };
        let is_own = [first, unnumbered(first)].iter().any(|name| simple(name) == simple(own));
        let is_superclass = !is_own && has_function_of(unnumbered(first));
        let others = || with_superclasses(module, ty).filter(|of| name(*of) != Some(unnumbered(first)));
        class.names.extend(is_superclass.then(|| with_outer(unnumbered(first))));
        class.names.extend(others().map_while(name).map(with_outer));
        if !is_own && !is_superclass {
            let inherited = others().next().and_then(|superclass| module.field_count(superclass));
            class.named_fields = inherited.map_or(0, |count| count as usize);
        }
        class
    }

    /// Returns true if the name that its objects' type has for this field is the name that the class gives it.
    pub fn names_field(&self, index: usize) -> bool {
        index < self.named_fields
    }

    /// Its name, with the package.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Its name without the package.
    pub fn simple(&self) -> &str {
        self.name().rsplit('.').next().unwrap_or_default()
    }

    /// The name of the class, then those of its superclasses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Returns true if this is the class of that name or a subclass of it.
    pub fn is(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}

/// Returns true if objects of the type with this index are runtime type information. It is recognised by the layout, or
/// by the names of the fields that an optimiser has left.
pub fn is_information(view: &NamedObjects<'_>, index: usize) -> bool {
    let Some(ty) = view.objects().and_then(|objects| objects.types().get(index)) else { return false };
    let has = |wanted: (&str, usize)| {
        (0..ty.fields.len().min(INFORMATION.len())).any(|field| view.field_name(index as u32, field) == Some(wanted.0))
    };
    ty.kind == ObjectKind::Struct && (ty.fields == INFORMATION || has(NAME[0]) && has(PACKAGE[0]))
}

/// Returns true if a dump holds runtime type information; if a module is given, only types of that module count.
pub fn has_information(view: &NamedObjects<'_>, module: Option<u32>) -> bool {
    let types = view.objects().map_or(&[][..], |objects| objects.types());
    types.iter().enumerate().any(|(index, ty)| {
        module.is_none_or(|module| ty.places.iter().any(|(place, _)| *place == module)) && is_information(view, index)
    })
}

/// The pool of the program's strings: one text, and for each string its start and length in the text.
#[derive(Debug)]
pub struct Pool {
    text: Box<[u8]>,
    places: Box<[u8]>,
    /// True if a character takes two bytes.
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

    /// The pool of strings whose units are bytes. Where all strings of the runtime type information are in it,
    /// optimisers take the functions out of that, as they are all the same.
    fn of_bytes(module: &Module<'_>) -> Option<Pool> {
        let loads = |function: &u32| {
            module
                .signature(*function)
                .is_some_and(|signature| signature.params == [ValueType::I32] && signature.results == [ValueType::Ref])
        };
        let loaders = (module.imported_functions()..module.function_count()).filter(loads);
        loaders.filter_map(|loader| Pool::from_loader(module, loader)).find(|pool| !pool.wide)
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
    pub fn class(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Option<Arc<Class>> {
        if object.kind() != ObjectKind::Struct {
            return None;
        }
        let Some(index) = information_index(view, object) else { return self.class_of_array(view, object) };
        let field = object.get(index)?;
        // Types that are equal are one, and some of them may have no name.
        let of_type = || object.ty.places.iter().find_map(|place| self.class_of_type(view, place));
        let Field::Ref(Link::Object(information)) = field else { return of_type() };
        let Some(class) = self.class_of_information(view, information) else { return of_type() };
        // If an optimiser took the superclasses out of the runtime type information, they are taken from the types.
        match &class.names[..] {
            [own] if own != "kotlin.Any" => {
                let key = (information, object.type_index);
                if let Some(known) = self.typed.lock().get(&key) {
                    return Some(known.clone());
                }
                let mut places = object.ty.places.iter().filter_map(|place| Some((view.module(place.0)?, place.1)));
                let named = places.find(|(module, ty)| module.type_name(*ty).is_some());
                let class = named.map_or(class.clone(), |(module, ty)| {
                    let has_function_of = |class: &str| self.has_function_of(view, object, class);
                    Arc::new(Class::from_both(own, module, ty, has_function_of))
                });
                self.typed.lock().insert(key, class.clone());
                Some(class)
            }
            _ => Some(class),
        }
    }

    /// The object of runtime type information that an object refers to.
    pub fn information(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Option<Id> {
        match object.get(information_index(view, object)?)? {
            Field::Ref(Link::Object(information)) => Some(information),
            _ => None,
        }
    }

    /// The names of an object's fields, as its class has them.
    pub fn field_names<'v>(
        &self,
        view: &'v NamedObjects<'_>,
        object: &Object<'_>,
    ) -> impl Fn(usize) -> Option<&'v str> {
        let (class, ty) = (self.class(view, object), object.type_index);
        move |index| {
            let is_own = class.as_ref().is_none_or(|class| class.names_field(index));
            view.field_name(ty, index).filter(|_| is_own)
        }
    }

    /// An array of the library, from which an optimiser took the fields that all objects begin with. It alone refers to
    /// an array of Wasm, so its type has been made one with no other.
    fn class_of_array(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Option<Arc<Class>> {
        let name = view.type_name(object.type_index)?;
        let is_array = name.starts_with("kotlin.") && name.ends_with("Array") && !name.contains(" | ");
        let Some(Field::Ref(Link::Object(storage))) = object.get(0).filter(|_| is_array && object.held() == 1) else {
            return None;
        };
        let (module, _) = object.ty.places.first()?;
        (view.get(storage)?.kind() == ObjectKind::Array && has_information(view, Some(*module)))
            .then(|| Arc::new(Class::new(vec![name.to_owned()])))
    }

    /// Returns true if one of an object's methods is a function of this class.
    fn has_function_of(&self, view: &NamedObjects<'_>, object: &Object<'_>, class: &str) -> bool {
        let named = |(module, index): (u32, u32)| view.module(module)?.function_name(index)?.rsplit_once('.');
        methods(view, object).any(|method| named(method).is_some_and(|(of, _)| of == class))
    }

    /// Returns true if an object is a `data object`, for which the compiler writes a `toString` that returns the name
    /// of its class and a `hashCode` that returns a constant.
    pub(super) fn is_data_object(&self, view: &NamedObjects<'_>, object: &Object<'_>, class: &Class) -> bool {
        let Some(Field::Ref(Link::Object(vtable))) = object.get(0) else { return false };
        if let Some(known) = self.data_objects.lock().get(&vtable) {
            return *known;
        }
        let mut methods = methods(view, object).peekable();
        let known = match methods.peek() {
            Some(_) => {
                let (mut is_named, mut has_constant) = (false, false);
                for (number, index) in methods {
                    match self.method_of_data_object(view, number, index, class.simple()) {
                        Some(DataMethod::ToString) => is_named = true,
                        Some(DataMethod::HashCode) => has_constant = true,
                        None => {}
                    }
                }
                is_named && has_constant
            }
            // An engine without instrumentation does not reveal the functions.
            None => object.ty.places.iter().any(|(number, ty)| {
                let name = view.module(*number).and_then(|module| module.type_name(*ty));
                name.is_some_and(|name| self.data_classes(view, *number).contains(name))
            }),
        };
        self.data_objects.lock().insert(vtable, known);
        known
    }

    /// Returns which of the two methods of a `data object` with this simple name a function is.
    fn method_of_data_object(
        &self,
        view: &NamedObjects<'_>,
        number: u32,
        function: u32,
        simple: &str,
    ) -> Option<DataMethod> {
        let module = view.module(number)?;
        let (_, method) = module.function_name(function)?.rsplit_once('.')?;
        let is_own = method == "toString" || method == "hashCode";
        let body = is_own.then(|| short_body(module, function))??;
        match (method, &body[..]) {
            ("toString", [Operator::I32Const { value }, Operator::Call { function_index }]) => {
                let name = self.pool(view, number, Some(*function_index))?.get(*value)?;
                (name == simple).then_some(DataMethod::ToString)
            }
            ("hashCode", [Operator::I32Const { .. }]) => Some(DataMethod::HashCode),
            _ => None,
        }
    }

    /// The names of the types of a module's `data object`s, as far as the names of its functions show them. No other type
    /// has such a name.
    fn data_classes(&self, view: &NamedObjects<'_>, number: u32) -> Arc<HashSet<String>> {
        if let Some(known) = self.data_classes.lock().get(&number) {
            return known.clone();
        }
        let mut found = HashSet::new();
        if let Some(module) = view.module(number) {
            let mut named: HashMap<&str, [bool; 2]> = HashMap::new();
            for (function, name) in module.function_names() {
                let Some((class, _)) = name.rsplit_once('.') else { continue };
                let simple = class.rsplit('.').next().unwrap_or(class);
                if let Some(method) = self.method_of_data_object(view, number, function, simple) {
                    named.entry(class).or_default()[usize::from(method == DataMethod::HashCode)] = true;
                }
            }
            let mut types: HashMap<&str, u32> = HashMap::new();
            for name in (0..module.type_kinds().len() as u32).filter_map(|ty| module.type_name(ty)) {
                *types.entry(name).or_default() += 1;
            }
            let is_data = |(name, has): &(&str, [bool; 2])| *has == [true; 2] && types.get(name) == Some(&1);
            found.extend(named.into_iter().filter(is_data).map(|(name, _)| name.to_owned()));
        }
        let found = Arc::new(found);
        self.data_classes.lock().insert(number, found.clone());
        found
    }

    /// The name of the companion object of a class, without the classes around it: the constructors of the class make sure
    /// that it is there. `None` where no constructor does, or they name several.
    pub fn companion(&self, view: &NamedObjects<'_>, number: u32, class: &str) -> Option<String> {
        let module = view.module(number)?;
        let mut found: Option<&str> = None;
        for (function, name) in module.function_names() {
            // The names of functions leave out the classes around the class.
            let is_constructor = name
                .strip_suffix(".<init>")
                .is_some_and(|of| class == of || class.strip_suffix(of).is_some_and(|before| before.ends_with('.')));
            let Some(mut operators) = is_constructor.then(|| module.operators(function)).flatten() else { continue };
            let mut called = None;
            for _ in 0..CONSTRUCTOR {
                let Ok(operator) = operators.read() else { break };
                let getter = called.take().and_then(|callee| module.function_name(callee)?.strip_suffix(GETTER));
                match (getter, operator) {
                    (Some(getter), Operator::Drop) if found.is_none_or(|found| found == getter) => found = Some(getter),
                    (Some(_), Operator::Drop) => return None,
                    (_, Operator::Call { function_index }) => called = Some(function_index),
                    _ => {}
                }
            }
        }
        Some(found?.rsplit('.').next()?.to_owned())
    }

    /// The class according to the names of a type and its supertypes: an engine without instrumentation does not reveal
    /// the functions that load strings.
    fn class_of_type(&self, view: &NamedObjects<'_>, &(number, ty): &(u32, u32)) -> Option<Arc<Class>> {
        if let Some(known) = self.named.lock().get(&(number, ty)) {
            return known.clone();
        }
        let module = view.module(number)?;
        let names = with_superclasses(module, ty).map(|ty| module.type_name(ty).map(with_outer));
        let names: Option<Vec<String>> = names.collect();
        let names = names.filter(|names| names.last().is_some_and(|name| name == "kotlin.Any"));
        let class = names.map(|names| Arc::new(Class::new(names)));
        self.named.lock().insert((number, ty), class.clone());
        class
    }

    /// The class that an object of runtime type information describes.
    pub fn class_of_information(&self, view: &NamedObjects<'_>, information: Id) -> Option<Arc<Class>> {
        if let Some(known) = self.classes.lock().get(&information) {
            return known.clone();
        }
        let mut names = Vec::new();
        let mut next = Some(information);
        while let Some(id) = next.filter(|_| names.len() < ANCESTORS) {
            let object = view.get(id).filter(|object| is_information(view, object.type_index as usize));
            let Some((name, object)) = object.and_then(|object| Some((self.name_of(view, &object)?, object))) else {
                break;
            };
            names.push(name);
            next = match field(view, &object, SUPERCLASS) {
                Some(Field::Ref(Link::Object(id))) => Some(id),
                _ => None,
            };
        }
        let class = (!names.is_empty()).then(|| Arc::new(Class::new(names)));
        self.classes.lock().insert(information, class.clone());
        class
    }

    fn name_of(&self, view: &NamedObjects<'_>, information: &Object<'_>) -> Option<String> {
        let name = self.string(view, information, NAME)?;
        match self.string(view, information, PACKAGE)? {
            package if package.is_empty() => Some(name),
            package => Some(format!("{package}.{name}")),
        }
    }

    /// A string of the pool: one of the two fields holds its number, the other the function that loads it.
    fn string(&self, view: &NamedObjects<'_>, information: &Object<'_>, fields: [(&str, usize); 2]) -> Option<String> {
        let [number, loader] = fields.map(|wanted| field(view, information, wanted));
        let Some(Field::I32(number)) = number else { return None };
        let (instance, loader) = match loader {
            Some(Field::Ref(Link::Function { instance, index })) => (instance, Some(index)),
            None => (None, None),
            Some(_) => return None,
        };
        self.pool(view, view.module_of(instance, information)?, loader)?.get(number)
    }

    /// The pool of a module's strings from which a function loads.
    fn pool(&self, view: &NamedObjects<'_>, module: u32, loader: Option<u32>) -> Option<Arc<Pool>> {
        if let Some(known) = self.pools.lock().get(&(module, loader)) {
            return known.clone();
        }
        let pool = view.module(module).and_then(|module| match loader {
            Some(loader) => Pool::from_loader(module, loader),
            None => Pool::of_bytes(module),
        });
        let pool = pool.map(Arc::new);
        self.pools.lock().insert((module, loader), pool.clone());
        pool
    }
}

/// The index of an object's field that refers to its runtime type information.
fn information_index(view: &NamedObjects<'_>, object: &Object<'_>) -> Option<usize> {
    let named = (0..=RTTI).find(|index| view.field_name(object.type_index, *index) == Some("rtti"));
    named.or_else(|| object.ty.fields.starts_with(&HEADER).then_some(RTTI))
}

/// The functions in an object's vtable, each with the number of its module.
fn methods<'v>(view: &'v NamedObjects<'_>, object: &Object<'_>) -> impl Iterator<Item = (u32, u32)> + use<'v> {
    let vtable = match object.get(0) {
        Some(Field::Ref(Link::Object(vtable))) => view.get(vtable),
        _ => None,
    };
    let vtable = vtable.filter(|vtable| vtable.kind() == ObjectKind::Struct);
    vtable.into_iter().flat_map(move |vtable| {
        (0..vtable.held().min(METHODS)).filter_map(move |index| match vtable.get(index)? {
            Field::Ref(Link::Function { instance, index }) => Some((view.module_of(instance, &vtable)?, index)),
            _ => None,
        })
    })
}

/// The operators of a function that has only a few, without the `return` and the end.
fn short_body<'m>(module: &Module<'m>, function: u32) -> Option<Vec<Operator<'m>>> {
    let mut operators = module.operators(function)?;
    let mut body = Vec::new();
    while !operators.eof() {
        match operators.read().ok()? {
            Operator::Return | Operator::End => {}
            operator if body.len() < SHORT => body.push(operator),
            _ => return None,
        }
    }
    Some(body)
}

/// A field of runtime type information, by its name, or by its index where fields have no names.
fn field(view: &NamedObjects<'_>, information: &Object<'_>, (name, place): (&str, usize)) -> Option<Field> {
    let own = |index: usize| view.field_name(information.type_index, index);
    let named = (0..information.held()).find(|index| own(*index) == Some(name));
    let nameless = || information.ty.fields == INFORMATION && (0..information.held()).all(|index| own(index).is_none());
    information.get(named.or_else(|| nameless().then_some(place))?)
}

/// The name of a type without the numbers that an optimiser appends, as it makes further types for the objects of
/// single places.
pub(super) fn unnumbered(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((start, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            unnumbered(start)
        }
        _ => name,
    }
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
