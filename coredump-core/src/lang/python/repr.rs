//! Python objects, written as `repr()` writes them.
//!
//! No code of the program is run. An object of a built-in type is written as that type writes it. If its class derives
//! from a built-in type and has a `__repr__` of its own, the class's name is put around that: `Counter({'a': 2})`.
//! Named tuples, members of enumerations and data classes are written as their library writes them; an object of any
//! other class is written with its attributes.

use super::objects::{EXCEPTION, Limits, MAX_TEXT, Objects, PythonType, TYPE};
use super::text;

/// The most bytes of text for one value.
const MAX_WRITTEN: usize = 1 << 16;
/// Elements of one block of a `deque` (`Modules/_collectionsmodule.c`), and how many blocks are looked at.
const BLOCK: u64 = 64;
const MAX_BLOCKS: usize = 1 << 12;

/// Offsets in objects whose layout is not in the table, in bytes; all from CPython's `Include/cpython/` and the types'
/// own files, for 32-bit pointers.
const EXCEPTION_ARGS: u64 = 12;
const COMPLEX: [u64; 2] = [8, 16];
const BYTEARRAY: (u64, u64) = (8, 20);
/// Offsets in a `slice` and a `range`: start, stop, step.
const SLICE: [u64; 3] = [8, 12, 16];
const FUNCTION_QUALNAME: u64 = 20;
const METHOD: (u64, u64) = (8, 12);
const BUILT_IN: (u64, u64) = (8, 12);
const DEFAULT_FACTORY: u64 = 32;
/// Offsets in a `deque`: its length, its first block, the index of the first element there, `maxlen`.
const DEQUE: [u64; 4] = [8, 12, 20, 32];

impl Objects<'_, '_> {
    /// An object as `repr()` writes it; `None` where no object is at the address. An object of a type that is not known
    /// is written as `<Name object at 0x…>`.
    pub fn repr(&self, object: u64, limits: Limits) -> Option<String> {
        let kind = self.type_of(object)?;
        let written = self.repr_of(object, &kind, limits)?;
        self.written.set(self.written.get() + written.len());
        Some(written)
    }

    fn is_deep(&self, limits: Limits) -> bool {
        limits.depth == 0 || self.written.get() > MAX_WRITTEN
    }

    fn repr_of(&self, object: u64, kind: &PythonType, limits: Limits) -> Option<String> {
        if kind.flags & TYPE != 0 {
            return self.class(object);
        }
        if kind.flags & EXCEPTION != 0 {
            let args = self.pointer(object + EXCEPTION_ARGS)?;
            let args = match self.is_deep(limits) {
                true => "(…)".to_owned(),
                false => self.sequence(args, ("(", ")"), self.tuple(args, limits.elements.into()), limits)?,
            };
            return Some(format!("{}{}", kind.name, args.replace(",)", ")")));
        }
        if let Some(member) = self.member_of_enumeration(object, kind, limits) {
            return Some(member);
        }
        let Some(base) = self.built_in(kind) else { return self.instance(object, kind, limits) };
        let Some(contents) = self.contents(object, &base, limits) else {
            return self.instance(object, kind, limits);
        };
        let contents = contents?;
        let inherits = |kind: &PythonType| self.uint(kind.address + self.offsets.tp_repr, 4);
        if !Objects::is_class(kind) {
            return Some(contents);
        }
        if inherits(kind) == inherits(&base) {
            return Some(renamed(contents, &base, &kind.name));
        }
        let named = self.named_tuple(object, kind, &base, limits);
        Some(named.unwrap_or_else(|| format!("{}({contents})", kind.name)))
    }

    /// The text of an object of a built-in type, or of a class derived from it; the outer `None` where the type is not
    /// known here, the inner where the memory contents make no sense.
    fn contents(&self, object: u64, base: &PythonType, limits: Limits) -> Option<Option<String>> {
        let limit = u64::from(limits.elements);
        Some(match &*base.full {
            "NoneType" => Some("None".to_owned()),
            "ellipsis" => Some("Ellipsis".to_owned()),
            "NotImplementedType" => Some("NotImplemented".to_owned()),
            "bool" => self.integer(object).map(|value| if value == "0" { "False" } else { "True" }.to_owned()),
            "int" => self.integer(object),
            "float" => self.double(object + self.offsets.float_value).map(text::float),
            "complex" => {
                let [real, imaginary] = COMPLEX.map(|at| self.double(object + at));
                real.zip(imaginary).map(|(real, imaginary)| text::complex(real, imaginary))
            }
            "str" => self.characters(object).map(|(text, whole)| cut(text::quote(&text), whole)),
            "bytes" => self.bytes(object).map(|(bytes, whole)| quoted(&bytes, false, whole)),
            "bytearray" => self.byte_array(object),
            "tuple" => self.sequence(object, ("(", ")"), self.tuple(object, limit), limits),
            "list" => self.sequence(object, ("[", "]"), self.list(object, limit), limits),
            "set" => self.sequence(object, ("{", "}"), self.set(object, limit), limits),
            "frozenset" => self.sequence(object, ("frozenset({", "})"), self.set(object, limit), limits),
            "collections.OrderedDict" if self.offsets.version < (3, 12) => self.list_of_pairs(object, limits),
            "dict" => self.mapping(object, self.entries(object, limit), limits),
            "collections.OrderedDict" => {
                let pairs = self.mapping(object, self.ordered_entries(object, limit), limits);
                pairs.map(|pairs| format!("OrderedDict({})", if pairs == "{}" { "" } else { pairs.as_str() }))
            }
            "collections.defaultdict" => self.mapping(object, self.entries(object, limit), limits).and_then(|pairs| {
                let factory = self.pointer(object + DEFAULT_FACTORY)?;
                let factory = if factory == 0 { "None".to_owned() } else { self.repr(factory, limits)? };
                Some(format!("defaultdict({factory}, {pairs})"))
            }),
            "collections.deque" => self.deque(object, limits),
            "slice" => {
                let parts = SLICE.map(|at| self.repr(self.pointer(object + at)?, limits));
                let [Some(start), Some(stop), Some(step)] = parts else { return Some(None) };
                Some(format!("slice({start}, {stop}, {step})"))
            }
            "range" => {
                let parts = SLICE.map(|at| self.repr(self.pointer(object + at)?, limits));
                let [Some(start), Some(stop), Some(step)] = parts else { return Some(None) };
                Some(match &*step {
                    "1" => format!("range({start}, {stop})"),
                    step => format!("range({start}, {stop}, {step})"),
                })
            }
            "function" => {
                let name = self.pointer(object + FUNCTION_QUALNAME).and_then(|name| self.str(name));
                name.map(|name| format!("<function {name} at {object:#x}>"))
            }
            "method" => self.method(object, limits),
            "builtin_function_or_method" => self.built_in_function(object),
            "generator" | "coroutine" | "async_generator" => {
                // The field with the qualified name follows the one with the plain name.
                let name = self.pointer(object + self.offsets.generator_name + 4).and_then(|name| self.str(name));
                name.map(|name| format!("<{} object {name} at {object:#x}>", base.name))
            }
            _ => return self.library(object, base, limits),
        })
    }

    fn double(&self, address: u64) -> Option<f64> {
        Some(f64::from_bits(self.uint(address, 8)?))
    }

    /// Elements in brackets; a container within itself is written as `[...]`.
    fn sequence(
        &self,
        object: u64,
        (open, close): (&str, &str),
        items: Option<(Vec<u64>, u64)>,
        limits: Limits,
    ) -> Option<String> {
        let (items, count) = items?;
        if count == 0 {
            return Some(match open {
                "{" => "set()".to_owned(),
                "frozenset({" => "frozenset()".to_owned(),
                _ => format!("{open}{close}"),
            });
        }
        self.within(object, (open, close), limits, |inner| {
            let rest = if count > items.len() as u64 { ", …" } else { "" };
            let single = if open == "(" && count == 1 { "," } else { "" };
            let items: Vec<_> = items.iter().map(|item| self.element(*item, inner)).collect();
            format!("{}{rest}{single}", items.join(", "))
        })
    }

    fn mapping(&self, object: u64, entries: Option<(Vec<(u64, u64)>, u64)>, limits: Limits) -> Option<String> {
        let (pairs, count) = entries?;
        if count == 0 {
            return Some("{}".to_owned());
        }
        self.within(object, ("{", "}"), limits, |inner| {
            let rest = if count > pairs.len() as u64 { ", …" } else { "" };
            let text = |(key, value)| format!("{}: {}", self.element(key, inner), self.element(value, inner));
            format!("{}{rest}", pairs.into_iter().map(text).collect::<Vec<_>>().join(", "))
        })
    }

    /// An `OrderedDict` as it was written until 3.11.
    fn list_of_pairs(&self, object: u64, limits: Limits) -> Option<String> {
        let (pairs, count) = self.ordered_entries(object, limits.elements.into())?;
        if count == 0 {
            return Some("OrderedDict()".to_owned());
        }
        self.within(object, ("OrderedDict([", "])"), limits, |inner| {
            let rest = if count > pairs.len() as u64 { ", …" } else { "" };
            let text = |(key, value)| format!("({}, {})", self.element(key, inner), self.element(value, inner));
            format!("{}{rest}", pairs.into_iter().map(text).collect::<Vec<_>>().join(", "))
        })
    }

    /// Writes the contents of a container, unless it is within itself or too deep.
    pub(super) fn within(
        &self,
        object: u64,
        (open, close): (&str, &str),
        limits: Limits,
        write: impl FnOnce(Limits) -> String,
    ) -> Option<String> {
        if self.open.borrow().contains(&object) {
            return Some(format!("{open}...{close}"));
        }
        if self.is_deep(limits) {
            return Some(format!("{open}…{close}"));
        }
        self.open.borrow_mut().push(object);
        let written = write(Limits { depth: limits.depth - 1, ..limits });
        self.open.borrow_mut().pop();
        Some(format!("{open}{written}{close}"))
    }

    pub(super) fn element(&self, object: u64, limits: Limits) -> String {
        self.repr(object, limits).unwrap_or_else(|| "<unreadable>".to_owned())
    }

    fn byte_array(&self, object: u64) -> Option<String> {
        let (length, start) = BYTEARRAY;
        let length = self.uint(object + length, 4)?;
        let shown = length.min(MAX_TEXT);
        let bytes = match shown {
            0 => Vec::new(),
            _ => self.memory.bytes(self.pointer_exact(object + start)?, shown).ok()?.into_owned(),
        };
        Some(format!("bytearray({})", quoted(&bytes, true, shown == length)))
    }

    /// A plain pointer, which may be null and is not that of an object.
    fn pointer_exact(&self, address: u64) -> Option<u64> {
        self.uint(address, 4).filter(|&value| value < self.memory.size)
    }

    fn deque(&self, object: u64, limits: Limits) -> Option<String> {
        let [length, block, first, most] = DEQUE.map(|at| self.uint(object + at, 4));
        let (length, mut block, mut at, most) = (length?, block?, first?, most?);
        let mut items = Vec::new();
        for _ in 0..MAX_BLOCKS {
            // A block is the link to the previous block, the elements, and the link to the next block.
            while at < BLOCK && (items.len() as u64) < length.min(limits.elements.into()) {
                items.push(self.pointer(block + 4 + 4 * at)?);
                at += 1;
            }
            if at < BLOCK {
                break;
            }
            (block, at) = (self.pointer_exact(block + 4 + 4 * BLOCK)?, 0);
        }
        let items = self.sequence(object, ("[", "]"), Some((items, length)), limits)?;
        Some(match most as u32 as i32 {
            most if most < 0 => format!("deque({items})"),
            most => format!("deque({items}, maxlen={most})"),
        })
    }

    fn method(&self, object: u64, limits: Limits) -> Option<String> {
        let (function, receiver) = (self.pointer(object + METHOD.0)?, self.pointer(object + METHOD.1)?);
        self.type_of(function).filter(|kind| kind.full == "function")?;
        let name = self.str(self.pointer(function + FUNCTION_QUALNAME)?)?;
        let receiver = self.within(object, ("", ""), limits, |inner| self.element(receiver, inner))?;
        Some(format!("<bound method {name} of {receiver}>"))
    }

    fn built_in_function(&self, object: u64) -> Option<String> {
        let described = self.pointer_exact(object + BUILT_IN.0)?;
        let (name, whole) = self.memory.c_string(self.pointer_exact(described)?, 256).ok()?;
        let name = String::from_utf8(name).ok().filter(|_| whole)?;
        let receiver = self.pointer(object + BUILT_IN.1)?;
        match self.type_of(receiver).filter(|kind| receiver != 0 && kind.full != "module") {
            None => Some(format!("<built-in function {name}>")),
            Some(kind) => Some(format!("<built-in method {name} of {} object at {receiver:#x}>", kind.full)),
        }
    }

    fn class(&self, object: u64) -> Option<String> {
        let kind = self.described(object)?;
        let module = self.class_attribute(object, "__module__").and_then(|module| self.str(module));
        let name = match (Objects::is_class(&kind), self.qualified(object), module) {
            (true, Some(name), Some(module)) if module != "builtins" => format!("{module}.{name}"),
            (true, Some(name), _) => name,
            _ => kind.full.clone(),
        };
        let meta = self.type_of(object)?;
        Some(match &*meta.name {
            "EnumType" | "EnumMeta" if self.offsets.version >= (3, 11) => {
                let sort = if self.derives_from(object, "Flag") { "flag" } else { "enum" };
                format!("<{sort} '{}'>", kind.name)
            }
            _ => format!("<class '{name}'>"),
        })
    }

    /// A member of an enumeration: `<Color.GREEN: 'g'>`.
    fn member_of_enumeration(&self, object: u64, kind: &PythonType, limits: Limits) -> Option<String> {
        self.type_of(kind.address).filter(|meta| matches!(&*meta.name, "EnumType" | "EnumMeta"))?;
        let attributes = self.attributes(object, kind, 16)?;
        let attribute = |name: &str| {
            let mut attributes = attributes.iter();
            attributes.find(|(key, _)| self.str(*key).as_deref() == Some(name)).map(|(_, value)| *value)
        };
        let name = attribute("_name_").and_then(|name| self.str(name));
        let name = name.map_or(String::new(), |name| format!(".{name}"));
        Some(format!("<{}{name}: {}>", kind.name, self.element(attribute("_value_")?, limits)))
    }

    /// A tuple whose class has names for its elements.
    fn named_tuple(&self, object: u64, kind: &PythonType, base: &PythonType, limits: Limits) -> Option<String> {
        if base.full != "tuple" {
            return None;
        }
        let (items, count) = self.tuple(object, limits.elements.into())?;
        let names = self.class_attribute(kind.address, "_fields")?;
        self.type_of(names).filter(|kind| kind.full == "tuple")?;
        let (names, named) = self.tuple(names, limits.elements.into())?;
        let names = names.into_iter().map(|name| self.str(name)).collect::<Option<Vec<_>>>()?;
        if named != count {
            return None;
        }
        self.within(object, (&format!("{}(", kind.name), ")"), limits, |inner| {
            let rest = if count > items.len() as u64 { ", …" } else { "" };
            let parts = names.iter().zip(&items).map(|(name, item)| format!("{name}={}", self.element(*item, inner)));
            format!("{}{rest}", parts.collect::<Vec<_>>().join(", "))
        })
    }

    /// An object with its attributes: as a data class writes them, else in angle brackets.
    fn instance(&self, object: u64, kind: &PythonType, limits: Limits) -> Option<String> {
        let plain = format!("<{} object at {object:#x}>", kind.name);
        if self.is_deep(limits) || self.open.borrow().contains(&object) {
            return Some(plain);
        }
        let inner = Limits { depth: limits.depth - 1, ..limits };
        let attributes = self.attributes(object, kind, limits.elements.into()).unwrap_or_default();
        let named = attributes.iter().filter_map(|&(key, value)| Some((self.str(key)?, value)));
        let slots = self.slots(object, kind, limits.elements as usize);
        self.open.borrow_mut().push(object);
        let shown: Vec<_> = slots
            .into_iter()
            .chain(named)
            .map(|(key, value)| format!("{key}={}", self.element(value, inner)))
            .collect();
        self.open.borrow_mut().pop();
        if shown.is_empty() {
            return Some(plain);
        }
        let is_data = Objects::is_class(kind) && self.class_attribute(kind.address, "__dataclass_fields__").is_some();
        Some(match is_data.then(|| self.qualified(kind.address)).flatten() {
            Some(name) => format!("{name}({})", shown.join(", ")),
            None => format!("<{} {}>", kind.name, shown.join(" ")),
        })
    }
}

/// The text of an object whose class inherits `__repr__` from a built-in type: most types put the name of the object's
/// class in front.
fn renamed(contents: String, base: &PythonType, class: &str) -> String {
    const NAMED: [&str; 9] = [
        "frozenset",
        "bytearray",
        "collections.deque",
        "collections.defaultdict",
        "collections.OrderedDict",
        "datetime.timedelta",
        "datetime.date",
        "datetime.time",
        "datetime.datetime",
    ];
    let in_brackets = match &*base.full {
        "set" if contents == "set()" => Some("()".to_owned()),
        "set" => Some(format!("({contents})")),
        full if NAMED.contains(&full) => {
            // `repr` writes the classes of `datetime` with their module.
            let written = if full.starts_with("datetime.") { full } else { base.name.as_str() };
            contents.strip_prefix(written).filter(|rest| rest.starts_with('(')).map(str::to_owned)
        }
        _ => None,
    };
    in_brackets.map_or(contents, |rest| format!("{class}{rest}"))
}

fn cut(text: String, whole: bool) -> String {
    if whole { text } else { text + "…" }
}

fn quoted(bytes: &[u8], is_array: bool, whole: bool) -> String {
    let shown = &bytes[..bytes.len().min(MAX_TEXT as usize)];
    cut(text::quote_bytes(shown, is_array), whole && shown.len() == bytes.len())
}
