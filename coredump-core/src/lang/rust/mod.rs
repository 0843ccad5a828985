//! Values of Rust as `{:?}` writes them: enums in every layout, fat pointers, closures, and the standard library's types.
//!
//! A printer knows a type by the crate and name in its debug information, and its members by theirs: they are not
//! promised to stay. One that does not find what it knows gives way to the plain list of members, never to a guess.

mod cells;
mod enums;
mod errors;
mod hash_table;
mod plain;
mod pointers;
mod sequences;
mod strings;
mod tails;
mod trait_objects;
mod tree;

pub use trait_objects::TraitObject;

use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::lang::{Renderer, Shown, cut};
use crate::values::{Value, Variable};

/// Wrappers within each other that are looked through.
const WRAPPERS: u32 = 8;

/// A type of the standard library: its path without generic arguments.
struct Known {
    path: Vec<String>,
    name: String,
}

impl Known {
    /// Whether it is defined in this module or one below, as `core::slice`.
    fn is_in(&self, module: &str) -> bool {
        let mut path = self.path.iter();
        module.split("::").all(|part| path.next().is_some_and(|own| own == part))
    }
}

impl<'s> Renderer<'_, '_, 's> {
    /// A structure as Rust's programmers know it; `None` for one that is shown by its members.
    pub(super) fn rust(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let known = self.known(die);
        if contents.variants.is_some() {
            return Some(match known {
                Some(known) if matches!(known.name.as_str(), "Cow" | "IpAddr" | "SocketAddr") => {
                    self.show(&self.payload(&self.active_variant(value, contents)?)?, depth)
                }
                _ => self.variant(value, contents, depth),
            });
        }
        if let Some(shown) = self.fat_pointer(value, die, contents, depth) {
            return Some(shown);
        }
        if let Some(shown) = self.closure(value, die, contents, depth) {
            return Some(shown);
        }
        let known = known?;
        self.string(&known, value)
            .or_else(|| self.sequence_of(&known, value, die, contents, depth))
            .or_else(|| self.cell(&known, value, die, depth))
            .or_else(|| self.smart_pointer(&known, value, die, depth))
            .or_else(|| self.error(&known, value, depth))
            .or_else(|| self.plain(&known, value, die, depth))
            .or_else(|| match known.name.as_str() {
                "HashMap" | "HashSet" => Some(self.hash_table(value, &known.name, depth)?.unwrap_or_else(Shown::from)),
                "BTreeMap" => Some(self.tree(value, false, depth)?.unwrap_or_else(Shown::from)),
                "BTreeSet" => Some(self.tree(&self.field(value, "map")?, true, depth)?.unwrap_or_else(Shown::from)),
                _ => None,
            })
    }

    /// The standard library's type at `die`; `None` for a program's own.
    fn known(&self, die: Die) -> Option<Known> {
        let units = &self.frame.units;
        let path: Vec<_> = units.path(die).iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        if !matches!(path.first()?.as_str(), "alloc" | "core" | "std" | "hashbrown") {
            return None;
        }
        let name = String::from_utf8_lossy(units.name(die)?).into_owned();
        Some(Known { path, name: name[..name.find('<').unwrap_or(name.len())].to_owned() })
    }

    /// The standard library's type of a value.
    fn known_type(&self, value: &Value) -> Option<(Known, Value)> {
        let (die, _) = self.frame.units.peeled(value.ty)?;
        Some((self.known(die)?, value.with_type(Some(die))))
    }

    /// What is inside of wrappers that only say how their contents may be used.
    fn bare(&self, value: &Value) -> Value {
        let mut value = value.clone();
        for _ in 0..WRAPPERS {
            let Some((known, inner)) = self.known_type(&value) else { break };
            let inner = match known.name.as_str() {
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
    pub fn payload(&self, value: &Value) -> Option<Value> {
        self.field(value, "__0")
    }

    /// What a value holds that stands for it: the whole text is the part's.
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

    /// A number that is told of a value beside its contents.
    fn told(&self, name: &str, value: &Value, text: impl Into<String>) -> Variable {
        let mut told = self.part(name, value, 0);
        (told.status, told.note, told.value) = (crate::values::Status::Ok, None, Some(text.into()));
        told.children.clear();
        told
    }

    /// A closure, with what it captured, or `None` for another type. By their names, references are marked `_ref__`.
    fn closure(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let name = String::from_utf8_lossy(self.frame.units.name(die)?).into_owned();
        let number = name.strip_prefix("{closure_env#")?;
        let label = format!("{{closure#{}", &number[..=number.find('}')?]);
        if contents.members.is_empty() {
            return Some(Shown::text(label));
        }
        let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text(format!("{label} {{...}}"))) };
        let mut children = Vec::new();
        for member in contents.members.iter().take(crate::lang::MEMBERS) {
            let name = String::from_utf8_lossy(member.name.unwrap_or_default()).into_owned();
            let name = name.strip_prefix("_ref__").unwrap_or(&name);
            children.push(self.part(name, &value.member(self.frame, member), deeper));
        }
        let texts: Vec<_> = children.iter().map(|child| format!("{}: {}", child.name, child.text())).collect();
        Some(Shown { text: Ok(crate::lang::aggregate::joined(&format!("{label} {{ "), " }", &texts)), children })
    }

    /// The value that a container holds or a pointer points to, for expressions that look through it.
    pub(super) fn rust_pointee(&self, value: &Value, die: Die) -> Option<Value> {
        if let Some(object) = self.trait_object_parts(value, die) {
            return self.trait_object(&object.ok()?);
        }
        let known = self.known(die)?;
        self.cell_contents(&known, value).or_else(|| self.smart_pointee(&known, value, die))
    }

    /// An element by its number, of what does not keep its elements one behind the other; `None` for other types.
    pub(super) fn rust_element(&self, value: &Value, index: u64) -> Option<Result<Value, String>> {
        let (known, value) = self.known_type(value)?;
        match known.name.as_str() {
            "VecDeque" => Some(match self.ring(&value)? {
                Ok(ring) if index < ring.len => Ok(ring.at(index)),
                Ok(ring) => Err(format!("there are {} elements", ring.len)),
                Err(missing) => Err(missing.to_string()),
            }),
            "BinaryHeap" => self.rust_element_of(&self.field(&value, "data")?, index),
            _ => None,
        }
    }

    fn rust_element_of(&self, value: &Value, index: u64) -> Option<Result<Value, String>> {
        Some(match self.contiguous(value)? {
            Ok(found) if index < found.len => {
                let size = self.frame.units.size_of(found.element)?;
                Ok(Value::in_memory(found.element, found.address.checked_add(index.checked_mul(size)?)?))
            }
            Ok(found) => Err(format!("there are {} elements", found.len)),
            Err(missing) => Err(missing.to_string()),
        })
    }

    /// The entries of a map, key and value, as many as `limit`; `None` for what is no map.
    pub(super) fn rust_entries(&self, value: &Value, limit: u64) -> Option<Result<Vec<(Value, Value)>, String>> {
        let (known, value) = self.known_type(value)?;
        let entries = match known.name.as_str() {
            "HashMap" => self.hash_entries(&value, limit)?.map(|(_, entries)| {
                let pair = |entry: &Value| Some((self.field(entry, "__0")?, self.field(entry, "__1")?));
                entries.iter().filter_map(pair).collect()
            }),
            "BTreeMap" => self.tree_entries(&value, limit)?.map(|(_, entries)| entries),
            _ => return None,
        };
        Some(entries.map_err(|missing| missing.to_string()))
    }

    /// The structure at `die`, with its contents.
    fn structure_of(&self, value: &Value) -> Option<(Die, std::sync::Arc<crate::catalog::types::Type<'s>>)> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        matches!(ty.kind, Kind::Struct(_)).then_some((die, ty))
    }
}
