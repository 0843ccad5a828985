//! Values of Rust as `{:?}` writes them: enums in every layout, fat pointers, closures, and the standard library's
//! types.
//!
//! A type is recognised by its crate and name in the debug information, and its members by their names, which may
//! change with any release. A type whose members are not as expected is shown by its members as they are, never by a
//! guess.

mod cells;
mod errors;
mod hash_table;
mod plain;
mod pointers;
mod sequences;
mod strings;
mod tails;
pub mod tasks;
mod trait_objects;
mod tree;

pub use trait_objects::TraitObject;

use std::ops::{Deref, Range};

use crate::catalog::types::{Member, Struct, Type};
use crate::catalog::units::{Die, Units};
use crate::lang::aggregate::joined;
use crate::lang::names::with_path;
use crate::lang::renderer::MEMBERS;
use crate::lang::type_budget::TypeBudget;
use crate::lang::{Elements, Entries, Filled, HashTable, Lang, LargerNode, Meaning, Notation, Renderer, Shown, cut};
use crate::location::Missing;
use crate::values::{Status, Value, Variable};

/// The levels to which wrappers may be nested.
const WRAPPERS: u32 = 8;
/// The types of the standard library that hold elements.
const CONTAINERS: [&str; 12] = [
    "String",
    "PathBuf",
    "OsString",
    "CString",
    "Vec",
    "BinaryHeap",
    "VecDeque",
    "LinkedList",
    "HashMap",
    "HashSet",
    "BTreeMap",
    "BTreeSet",
];

/// Rust.
pub struct Rust;

impl Lang for Rust {
    fn meaning<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        window: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        RustValues(renderer).meaning(value, die, contents, window)
    }

    fn pointee<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        _contents: &Struct<'s>,
    ) -> Option<Value> {
        RustValues(renderer).pointee(value, die)
    }

    fn is_reference(&self, ty: &Type<'_>) -> bool {
        ty.name.is_some_and(|name| name.starts_with(b"&") || name.starts_with(b"alloc::boxed::Box<"))
    }

    fn payload(&self, renderer: &Renderer<'_, '_, '_>, value: &Value) -> Option<Result<Value, String>> {
        RustValues(renderer).option_payload(value)
    }

    fn renamed_statics(&self, units: &Units<'_>, unit: u32, name: &str, namespaces: &[String]) -> Vec<Die> {
        thread_locals(units, unit, name, namespaces)
    }

    fn base_type(&self, name: &str) -> Option<(&'static str, gimli::DwAte, u64)> {
        (name == "char").then_some(("char", gimli::DW_ATE_UTF, 4))
    }

    /// The debug information of the inner structure of `Rc` and `Arc` has only the size of the counts where the value
    /// is a slice, a string or a trait object.
    fn is_unsized(&self, name: &str) -> bool {
        let starts = ["alloc::rc::RcInner<", "alloc::sync::ArcInner<", "alloc::rc::RcBox<"];
        let inner = starts.iter().find_map(|start| name.strip_prefix(start)?.strip_suffix('>'));
        inner.is_some_and(|inner| inner == "str" || inner.starts_with("dyn ") || is_slice(inner.as_bytes()))
    }

    fn is_alone(&self, units: &Units<'_>, die: Die, name: &[u8]) -> bool {
        const TYPES: [&[u8]; 6] = [b"RcInner<", b"ArcInner<", b"RcBox<", b"Node<", b"LeafNode<", b"InternalNode<"];
        TYPES.iter().any(|start| name.starts_with(start)) && units.path(die).first() == Some(&&b"alloc"[..])
    }

    fn ends_in_slice(&self, name: &[u8]) -> bool {
        let inner = [&b"RcInner<"[..], b"ArcInner<", b"RcBox<"].iter().find_map(|start| name.strip_prefix(*start));
        inner.and_then(|inner| inner.strip_suffix(b">")).is_some_and(is_slice)
    }

    fn pointer_with_vtable<'m, 's>(
        &self,
        units: &Units<'s>,
        contents: &'m Struct<'s>,
    ) -> Option<(&'m Member<'s>, &'m Member<'s>)> {
        trait_objects::words(units, contents)
    }

    fn pointer_to_tailed<'m, 's>(
        &self,
        units: &Units<'s>,
        contents: &'m Struct<'s>,
    ) -> Option<(&'m Member<'s>, &'m Member<'s>, Die)> {
        trait_objects::tailed_words(units, contents)
    }

    fn tailed(&self, whole: &[u8], vtable: &[u8]) -> Option<Vec<u8>> {
        trait_objects::with_type(str::from_utf8(whole).ok()?, str::from_utf8(vtable).ok()?).map(String::into_bytes)
    }

    /// The debug information describes the pointer in a vector as one to bytes.
    fn buffer_element(&self, name: &[u8], contents: &Struct<'_>) -> Option<Die> {
        let vector = [&b"Vec<"[..], b"RawVec<", b"VecDeque<"].iter().any(|start| name.starts_with(start));
        contents.arguments.first().filter(|_| vector)?.1
    }

    fn hash_table(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<HashTable> {
        hash_table::layout(units, name, contents)
    }

    fn filled(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Filled> {
        tree::filled(units, name, contents)
    }

    fn larger_node(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<LargerNode> {
        tree::larger_node(units, name, contents)
    }

    fn vtable_type(&self, units: &Units<'_>, variable: Die) -> Option<Die> {
        trait_objects::described_type(units, variable)
    }

    fn written<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        depth: u32,
    ) -> Option<Shown> {
        RustValues(renderer).written(value, die, contents, depth)
    }

    fn notation(&self) -> &'static Notation {
        const NOTATION: Notation = Notation {
            array: ("[", "]"),
            structure: ("{ ", " }"),
            empty: "()",
            entry: ": ",
            no_type: "()",
            referents: true,
            character_numbers: false,
            nan: "NaN",
            least_power: -4,
            point: true,
            ..Notation::PLAIN
        };
        &NOTATION
    }

    fn structure_name(&self, units: &Units<'_>, die: Die) -> String {
        let name = units.name(die).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        let end = name.find('<').unwrap_or(name.len());
        if name.starts_with(['(', '{', '&', '[', '*']) { String::new() } else { name[..end].to_owned() }
    }

    /// Tuples and tuple structures number their members `__0`, `__1`.
    fn is_tuple(&self, contents: &Struct<'_>) -> bool {
        let is_numbered = |member: &Member<'_>| {
            let name = member.name.and_then(|name| str::from_utf8(name).ok());
            name.and_then(tuple_index).is_some()
        };
        !contents.members.is_empty() && contents.members.iter().all(is_numbered)
    }

    fn member_name<'n>(&self, name: &'n str) -> &'n str {
        tuple_index(name).unwrap_or(name)
    }

    fn member(&self, _member: &Member<'_>, name: &str, text: &str) -> String {
        format!("{name}: {text}")
    }

    fn named_type(&self, units: &Units<'_>, die: Die, ty: &Type<'_>, name: &str, _budget: TypeBudget<'_>) -> String {
        with_path(units, die, ty, name)
    }
}

/// A type's name without its generic arguments.
fn bare(name: &[u8]) -> Option<&str> {
    str::from_utf8(name.split(|&byte| byte == b'<').next()?).ok()
}

/// The index of a member in a tuple: `0` of `__0`.
fn tuple_index(name: &str) -> Option<&str> {
    let number = name.strip_prefix("__")?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// The thread-locals of that name: `thread_local!` turns the name into that of a module or closure, with a static in
/// it.
fn thread_locals(units: &Units<'_>, unit: u32, name: &str, namespaces: &[String]) -> Vec<Die> {
    let mut found = units.statics_named(unit, b"__RUST_STD_INTERNAL_VAL");
    found.retain(|&die| {
        let path = units.path(die);
        let end = path.iter().rposition(|part| !part.starts_with(b"{")).unwrap_or(0);
        let around = |namespaces: &[String]| {
            end >= namespaces.len()
                && path[end - namespaces.len()..end].iter().zip(namespaces).all(|(part, name)| *part == name.as_bytes())
        };
        path.get(end) == Some(&name.as_bytes()) && around(namespaces)
    });
    found
}

/// A renderer with the methods that only values of Rust need.
#[derive(Clone, Copy)]
pub struct RustValues<'a, 'r, 'f, 's>(pub &'a Renderer<'r, 'f, 's>);

impl<'r, 'f, 's> Deref for RustValues<'_, 'r, 'f, 's> {
    type Target = Renderer<'r, 'f, 's>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

/// A type of the standard library: the modules that it is in, and its name without generic arguments.
struct StdType<'s> {
    path: Vec<&'s [u8]>,
    name: &'s str,
}

impl StdType<'_> {
    /// Returns true if it is defined in this module or one below, as `core::slice`.
    fn is_in(&self, module: &str) -> bool {
        let mut path = self.path.iter();
        module.split("::").all(|part| path.next().is_some_and(|own| *own == part.as_bytes()))
    }
}

impl<'s> RustValues<'_, '_, '_, 's> {
    fn meaning(
        &self,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        window: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        if contents.variants.is_some() {
            return None;
        }
        if let Some(found) = self.unsized_pointee(value, die) {
            return Some(found);
        }
        if !CONTAINERS.contains(&bare(self.frame.units.name(die)?)?) {
            return None;
        }
        let known = self.std_type(die)?;
        let map = |list, len| Meaning::Entries(Entries { list, len, is_set: false });
        let set = |list, len| Meaning::Elements(Elements::set(list, len));
        match known.name {
            "String" | "PathBuf" | "OsString" | "CString" => self.string(&known, value),
            "Vec" => {
                Some(self.vector(value, &known, contents)?.map(|found| Meaning::Elements(Elements::Contiguous(found))))
            }
            "BinaryHeap" => Some(Ok(Meaning::Wrapped(self.field(value, "data")?))),
            "VecDeque" => self.ring(value, window),
            "LinkedList" => self.linked_list(value, window),
            "HashMap" => {
                let pair = |entry: &Value| Some((self.field(entry, "__0")?, self.field(entry, "__1")?));
                let entries = self.hash_entries(value, window)?;
                Some(entries.map(|(len, found)| map(found.iter().map_while(pair).collect(), len)))
            }
            "HashSet" => {
                let entries = self.hash_entries(value, window)?;
                let key = |entry: &Value| self.field(entry, "__0");
                Some(entries.map(|(len, found)| set(found.iter().map_while(key).collect(), len)))
            }
            "BTreeMap" => Some(self.tree_entries(value, window)?.map(|(len, found)| map(found, len))),
            "BTreeSet" => {
                let entries = self.tree_entries(&self.field(value, "map")?, window)?;
                Some(entries.map(|(len, found)| set(found.into_iter().map(|(key, _)| key).collect(), len)))
            }
            _ => None,
        }
    }

    /// A structure in the notation of `{:?}`; `None` for one that is shown by its members.
    fn written(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let known = self.std_type(die);
        if contents.variants.is_some() {
            return Some(match known {
                Some(known) if matches!(known.name, "Cow" | "IpAddr" | "SocketAddr") => {
                    self.show(&self.first_member(&self.active_variant(value, contents)?)?, depth)
                }
                _ => self.variant(value, contents, depth),
            });
        }
        if let Some(shown) = self.pointer_to_object(value, die, depth) {
            return Some(shown);
        }
        if let Some(shown) = self.closure(value, die, contents, depth) {
            return Some(shown);
        }
        let known = known?;
        self.iterator(&known, value, contents, depth)
            .or_else(|| self.cell(&known, value, die, depth))
            .or_else(|| self.smart_pointer(&known, value, die, depth))
            .or_else(|| self.error(&known, value, depth))
            .or_else(|| self.plain(&known, value, die, depth))
    }

    /// The standard library's type at `die`; `None` for a program's own.
    fn std_type(&self, die: Die) -> Option<StdType<'s>> {
        let units = &self.frame.units;
        let path = units.path(die);
        if !matches!(*path.first()?, b"alloc" | b"core" | b"std" | b"hashbrown") {
            return None;
        }
        Some(StdType { path, name: bare(units.name(die)?)? })
    }

    /// The standard library's type of a value.
    fn std_type_of(&self, value: &Value) -> Option<(StdType<'s>, Value)> {
        let (die, _) = self.frame.units.peeled(value.ty)?;
        Some((self.std_type(die)?, value.with_type(Some(die))))
    }

    /// The value inside of wrappers that do not change how it is shown.
    fn bare(&self, value: &Value) -> Value {
        let mut value = value.clone();
        for _ in 0..WRAPPERS {
            let Some((known, inner)) = self.std_type_of(&value) else { break };
            let inner = match known.name {
                "UnsafeCell" | "SyncUnsafeCell" | "ManuallyDrop" | "MaybeUninit" => self.field(&inner, "value"),
                "MaybeDangling" => self.field(&inner, "__0"),
                _ => None,
            };
            let Some(inner) = inner else { break };
            value = inner;
        }
        value
    }

    /// The first member of a tuple structure or of a variant.
    pub fn first_member(&self, value: &Value) -> Option<Value> {
        self.field(value, "__0")
    }

    /// Shows a wrapper by its contents: `part`'s text is that of the whole.
    fn standing_for(&self, part: Variable, mut more: Vec<Variable>) -> Shown {
        let text = match &part.value {
            Some(text) => Ok(text.clone()),
            None => Ok(part.text()),
        };
        more.insert(0, part);
        Shown { text, children: more }
    }

    /// `Name { field: inner, more }`.
    fn with_field(&self, name: &str, field: &str, inner: &Value, more: &str, depth: u32) -> Shown {
        let Some(deeper) = depth.checked_sub(1) else { return Shown::text(format!("{name} {{ ... }}")) };
        let part = self.part(field, inner, deeper);
        Shown { text: Ok(cut(format!("{name} {{ {field}: {}{more} }}", part.text()))), children: vec![part] }
    }

    /// `Name(inner)`.
    fn with_payload(&self, name: &str, inner: &Value, depth: u32) -> Shown {
        let Some(deeper) = depth.checked_sub(1) else { return Shown::text(format!("{name}(...)")) };
        let part = self.part("0", inner, deeper);
        Shown { text: Ok(cut(format!("{name}({})", part.text()))), children: vec![part] }
    }

    /// A number that is shown as a child beside a value's contents.
    fn noted(&self, name: &str, value: &Value, text: impl Into<String>) -> Variable {
        let mut told = self.part(name, value, 0);
        (told.status, told.note, told.value) = (Status::Ok, None, Some(text.into()));
        told.children.clear();
        told
    }

    /// A closure with its captured variables; `None` for another type. The name of a variable captured by reference
    /// begins with `_ref__`.
    fn closure(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let name = String::from_utf8_lossy(self.frame.units.name(die)?).into_owned();
        let number = name.strip_prefix("{closure_env#")?;
        let label = format!("{{closure#{}", &number[..=number.find('}')?]);
        if contents.members.is_empty() {
            return Some(Shown::text(label));
        }
        let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text(format!("{label} {{...}}"))) };
        let mut children = Vec::new();
        for member in contents.members.iter().take(MEMBERS) {
            let name = String::from_utf8_lossy(member.name.unwrap_or_default()).into_owned();
            let name = name.strip_prefix("_ref__").unwrap_or(&name);
            children.push(self.part(name, &value.member(self.frame, member), deeper));
        }
        let texts: Vec<_> = children.iter().map(|child| format!("{}: {}", child.name, child.text())).collect();
        Some(Shown { text: Ok(joined(&format!("{label} {{ "), " }", &texts)), children })
    }

    /// Returns the contents of a cell or the target of a pointer.
    fn pointee(&self, value: &Value, die: Die) -> Option<Value> {
        if let Some(object) = self.trait_object_parts(value, die) {
            return self.trait_object(&object.ok()?);
        }
        let known = self.std_type(die)?;
        self.cell_contents(&known, value).or_else(|| self.smart_pointee(&known, value, die))
    }

    /// Returns the payload of an `Option`, or an error if it has none; `None` for other types.
    fn option_payload(&self, value: &Value) -> Option<Result<Value, String>> {
        let (known, value) = self.std_type_of(value)?;
        if known.name != "Option" {
            return None;
        }
        let (name, variant) = self.named_variant(&value)?;
        Some(if name == "Some" { Ok(self.first_member(&variant)?) } else { Err("it is `None`".into()) })
    }
}

/// Returns true if a type of that name is a slice, and no array.
fn is_slice(name: &[u8]) -> bool {
    let inner = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
    // The `;` before an array's length is outside of all inner brackets.
    let mut depth = 0;
    inner.is_some_and(|inner| {
        inner.iter().all(|byte| {
            match byte {
                b'[' | b'(' | b'<' => depth += 1,
                b']' | b')' => depth -= 1,
                _ => {}
            }
            depth > 0 || *byte != b';'
        })
    })
}
