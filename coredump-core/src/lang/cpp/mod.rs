//! Values of C++: the types of libc++, the only standard library of Wasm toolchains. Members are found by name through
//! whatever wrapper a release of libc++ puts around them.

mod chosen;
pub mod classes;
mod dynamic;
mod erased;
mod iterators;
mod nodes;
mod numbers;
mod sequences;
pub mod tasks;
pub mod template_names;

use std::ops::{Deref, Range};

use crate::catalog::Language;
use crate::catalog::types::{Kind, PointerKind, Struct, Type};
use crate::catalog::units::{Catalog, Die, Units};
use crate::lang::names::with_path;
use crate::lang::type_budget::TypeBudget;
use crate::lang::{Chosen, Elements, Erased, Lang, Meaning, Notation, Renderer, Shown, c, cut};
use crate::location::Missing;
use crate::location::frame::FrameContext;
use crate::values::{Limits, Source, Value, pointer_target};

/// C++.
pub struct Cpp;

/// The classes of the standard library that hold elements, or one value that stands for them.
const CONTAINERS: [&str; 22] = [
    "basic_string",
    "basic_string_view",
    "vector",
    "span",
    "initializer_list",
    "array",
    "atomic",
    "stack",
    "queue",
    "priority_queue",
    "time_point",
    "map",
    "multimap",
    "set",
    "multiset",
    "unordered_map",
    "unordered_multimap",
    "unordered_set",
    "unordered_multiset",
    "list",
    "forward_list",
    "deque",
];

/// Returns true if a class of that name, if it is the standard library's, is written in a notation of its own.
fn is_written(name: &str) -> bool {
    const OTHERS: [&str; 16] = [
        "optional",
        "expected",
        "variant",
        "tuple",
        "unique_ptr",
        "shared_ptr",
        "weak_ptr",
        "complex",
        "bitset",
        "function",
        "any",
        "duration",
        "reference_wrapper",
        "strong_ordering",
        "weak_ordering",
        "partial_ordering",
    ];
    OTHERS.contains(&name) || name.ends_with("_iter") || name.ends_with("_iterator")
}

impl Lang for Cpp {
    fn meaning<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        window: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        CppValues(renderer).meaning(value, die, contents, window)
    }

    fn pointee<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        _contents: &Struct<'s>,
    ) -> Option<Value> {
        CppValues(renderer).pointee(value, die)
    }

    fn array_pointee(&self, renderer: &Renderer<'_, '_, '_>, value: &Value) -> Option<(Option<Die>, Source)> {
        CppValues(renderer).array_pointee(value)
    }

    fn dynamic_object(&self, renderer: &Renderer<'_, '_, '_>, object: &Value) -> Option<Value> {
        CppValues(renderer).other_class(object)
    }

    fn has_bases(&self) -> bool {
        true
    }

    fn node_type(&self, units: &Units<'_>, die: Die, name: &[u8], contents: &Struct<'_>) -> Option<Die> {
        nodes::node_type(units, die, name, contents)
    }

    fn chosen(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Chosen> {
        let found = chosen::long_string(contents, units).or_else(|| chosen::engaged(contents, units));
        let found = found.or_else(|| chosen::alternative(name, contents, units));
        found.or_else(|| chosen::expected(name, contents, units))
    }

    fn erased(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Erased> {
        chosen::erased(units, name, contents)
    }

    fn stored(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<(Die, u64)> {
        chosen::shared(units, name, contents)
    }

    fn is_alone(&self, _units: &Units<'_>, _die: Die, name: &[u8]) -> bool {
        nodes::is_node(name)
    }

    fn owned(&self, units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Die> {
        let owned = contents.arguments.first().filter(|_| name.starts_with(b"unique_ptr<"))?.1?;
        let (_, ty) = units.peeled(Some(owned))?;
        (!matches!(ty.kind, Kind::Array(_))).then_some(owned)
    }

    fn is_node_base(&self, name: &[u8]) -> bool {
        nodes::is_base(name)
    }

    fn character(&self, renderer: &Renderer<'_, '_, '_>, ty: Option<Die>) -> Option<(&'static str, u64)> {
        c::character(renderer, ty)
    }

    fn written<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        depth: u32,
    ) -> Option<Shown> {
        CppValues(renderer).written(value, die, contents, depth)
    }

    fn pointer<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        _ty: &Type<'s>,
        kind: PointerKind,
        target: Option<Die>,
        address: u64,
    ) -> Option<String> {
        if let Some(text) = c::pointer_to_text(renderer, kind, target, address) {
            return Some(text);
        }
        let (_, pointed) = renderer.frame.units.peeled(target)?;
        let is_vtable = matches!(pointed.kind, Kind::Pointer(..)) && pointed.name == Some(b"__vtbl_ptr_type");
        let name = if is_vtable { CppValues(renderer).vtable_name(address)? } else { return None };
        Some(format!("{address:#x} <{name}>"))
    }

    fn notation(&self) -> &'static Notation {
        &c::NOTATION
    }

    fn escaped(&self, char: char) -> String {
        c::escaped(char)
    }

    fn escaped_number(&self, number: u32) -> String {
        c::escaped_number(number)
    }

    fn escaped_zero(&self, before_digit: bool) -> &'static str {
        c::escaped_zero(before_digit)
    }

    fn has_declarators(&self) -> bool {
        true
    }

    fn named_type(&self, units: &Units<'_>, die: Die, ty: &Type<'_>, name: &str, budget: TypeBudget<'_>) -> String {
        let mut full = with_path(units, die, ty, name);
        if matches!(ty.kind, Kind::Struct(_)) && !name.contains('<') {
            full.push_str(&template_names::arguments_within(units, die, budget).unwrap_or_default());
        }
        plain_std(&full)
    }
}

/// Takes out libc++'s inline namespace: `std::__1::vector` is what a program calls `std::vector`.
pub fn plain_std(name: &str) -> String {
    name.replace("std::__1::", "std::").replace("std::__2::", "std::")
}

/// The pointer, or `null` in its place if it is a null pointer.
fn null_or(null: &str, shown: Shown) -> Shown {
    match shown.text.as_deref() {
        Ok("0x0") => Shown::text(null),
        _ => shown,
    }
}

/// The name of an address in a vtable of a frame's program, as `vtable for Horse+8`; `None` where it is not certain.
pub fn vtable_name(frame: &FrameContext<'_, '_>, address: u64) -> Option<String> {
    CppValues(&Renderer::new(frame, Limits::default(), Language::Cpp)).vtable_name(address)
}

/// Returns true if one of these units is of C++.
pub fn describes(units: &Catalog<'_>) -> bool {
    (0..units.len()).any(|unit| units.language(unit) == Language::Cpp)
}

/// The classes whose vtables are in the data of a frame's program, each with the address point with which complete
/// objects begin.
pub fn vtables(frame: &FrameContext<'_, '_>) -> Vec<(u64, Die)> {
    CppValues(&Renderer::new(frame, Limits::default(), Language::Cpp)).vtables()
}

/// The functions in the first table of a frame's program that handle a type-erased value: the index, the value's type,
/// and whether a pointer leads to the value, where that is known.
pub fn handlers(frame: &FrameContext<'_, '_>) -> Vec<(u64, Die, Option<bool>)> {
    CppValues(&Renderer::new(frame, Limits::default(), Language::Cpp)).handlers()
}

/// A renderer with the methods that only values of C++ need.
#[derive(Clone, Copy)]
pub struct CppValues<'a, 'r, 'f, 's>(pub &'a Renderer<'r, 'f, 's>);

impl<'r, 'f, 's> Deref for CppValues<'_, 'r, 'f, 's> {
    type Target = Renderer<'r, 'f, 's>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<'s> CppValues<'_, '_, '_, 's> {
    fn meaning(
        &self,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
        window: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        let name = self.bare_name(die).filter(|name| CONTAINERS.contains(name) && self.is_std(die))?;
        if let Some(nodes) = self.nodes(value, name, contents, window.clone()) {
            return Some(nodes);
        }
        let wrapped = |inner| Some(Ok(Meaning::Wrapped(inner)));
        match name {
            "basic_string" => self.string(value, contents),
            "basic_string_view" => {
                Some(self.contiguous_elements(value, name, die, contents)?.map(|found| Meaning::Text(found.into())))
            }
            "vector" if self.is_bool(self.argument(contents, 0)) => self.bits(value, window),
            "vector" | "span" | "initializer_list" => {
                let found = self.contiguous_elements(value, name, die, contents)?;
                Some(found.map(|found| Meaning::Elements(Elements::Contiguous(found))))
            }
            // An array without elements has room for some all the same.
            "array" if self.number_argument(die, 1) == Some(0) => {
                Some(Ok(Meaning::Elements(Elements::list(Vec::new(), 0))))
            }
            "array" => wrapped(self.field(value, "__elems_")?),
            "atomic" => wrapped(self.dig(value, "__a_value")?),
            "stack" | "queue" | "priority_queue" => wrapped(self.field(value, "c")?),
            "time_point" => wrapped(self.field(value, "__d_")?),
            _ => None,
        }
    }

    /// A class of the standard library in a notation of its own; `None` for one that is shown by its members.
    fn written(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        match self.bare_name(die).filter(|name| is_written(name) && self.is_std(die))? {
            "expected" => self.expected(value, contents, depth),
            "optional" => {
                let engaged = self.unwrapped(&self.dig(value, "__engaged_")?)?.number(self.frame, false);
                match engaged {
                    Ok(0) => Some(Shown::text("nullopt")),
                    Ok(_) => Some(self.show(&self.dig(value, "__val_")?, depth)),
                    Err(missing) => Some(missing.into()),
                }
            }
            "variant" => self.variant(value, contents, depth),
            "tuple" => self.tuple(value, depth),
            "unique_ptr" => Some(null_or("nullptr", self.show(&self.smart_pointer(value)?, depth))),
            "shared_ptr" | "weak_ptr" => {
                let shown = null_or("nullptr", self.show(&self.field(value, "__ptr_")?, depth));
                Some(self.with_owners(shown, value))
            }
            "complex" => self.complex(value, depth),
            "bitset" => Some(self.bitset(value, die)?.unwrap_or_else(Shown::from)),
            "function" => self.function(value, depth),
            "any" => self.any(value, depth),
            "duration" => self.duration(value, contents, depth),
            "reference_wrapper" => self.reference_wrapper(value, depth),
            name if name.ends_with("_ordering") => self.ordering(value, name),
            name => match self.iterator(value, name)? {
                Ok(pointer) => Some(self.show(&pointer, depth)),
                Err(missing) => Some(missing.into()),
            },
        }
    }

    /// The name without arguments of a class of the standard library; `None` for other types.
    fn std_name(&self, die: Die) -> Option<&'s str> {
        self.bare_name(die).filter(|_| self.is_std(die))
    }

    fn bare_name(&self, die: Die) -> Option<&'s str> {
        let name = self.frame.units.name(die)?;
        str::from_utf8(name.split(|&byte| byte == b'<').next()?).ok()
    }

    /// Returns true if a class is the standard library's. Callers compare the name first, since this takes longer.
    fn is_std(&self, die: Die) -> bool {
        self.frame.units.path(die).first() == Some(&&b"std"[..])
    }

    /// The pointer in a smart pointer, which may be paired with a deleter.
    fn smart_pointer(&self, value: &Value) -> Option<Value> {
        let pointer = self.dig(value, "__ptr_")?;
        self.unwrapped(&pointer).or_else(|| self.unwrapped(&self.dig(&pointer, "__value_")?))
    }

    /// The alternative a variant holds.
    fn variant(&self, value: &Value, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let index = self.dig(value, "__index")?;
        let size = self.frame.units.size_of(index.ty)?;
        let index = match index.unsigned(self.frame, size) {
            Ok(index) => index,
            Err(missing) => return Some(missing.into()),
        };
        if index == (1u128 << (size * 8)) - 1 {
            return Some(Shown::text("valueless_by_exception"));
        }
        let Some(&(_, held)) = contents.arguments.get(usize::try_from(index).ok()?) else {
            return Some(Missing::Malformed(format!("alternative {index} of {}", contents.arguments.len())).into());
        };
        Some(self.show(&self.dig(value, "__data")?.with_type(held), depth))
    }

    /// The value of an `expected`, or its error, as C++ makes it of one.
    fn expected(&self, value: &Value, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        match self.unwrapped(&self.dig(value, "__has_val_")?)?.number(self.frame, false) {
            Ok(0) => {
                let error = self.show(&self.dig(value, "__unex_")?, depth);
                let text = error.text.map(|text| cut(format!("unexpected({text})")));
                Some(Shown { text, children: error.children })
            }
            // `expected<void, E>` has no value to show.
            Ok(_) if self.argument(contents, 0).is_none() => Some(Shown::text("{}")),
            Ok(_) => Some(self.show(&self.dig(value, "__val_")?, depth)),
            Err(missing) => Some(missing.into()),
        }
    }

    /// `reference_wrapper`: as a reference.
    fn reference_wrapper(&self, value: &Value, depth: u32) -> Option<Shown> {
        Some(match self.address_in(&self.field(value, "__f_")?)? {
            Ok((address, target)) => match self.frame.units.peeled(target)?.1.kind {
                Kind::Function(..) => Shown::text(self.function_pointer(address)),
                _ => self.referent(true, target, address, depth),
            },
            Err(missing) => missing.into(),
        })
    }

    fn tuple(&self, value: &Value, depth: u32) -> Option<Shown> {
        let base = self.field(value, "__base_")?;
        let (die, ty) = self.frame.units.peeled(base.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let base = base.with_type(Some(die));
        let leaves: Vec<_> = contents.members.iter().filter(|member| member.base).collect();
        let count = leaves.len() as u64;
        Some(self.sequence("{", "}", count, depth, |index, deeper| {
            let leaf = base.member(self.frame, leaves.get(index as usize)?);
            // A leaf derives from an element that is empty.
            let element = self.field(&leaf, "__value_").unwrap_or(leaf);
            Some(self.part(format!("[{index}]"), &element, deeper))
        }))
    }

    /// Returns the target of a smart pointer or an iterator, or the payload of an optional.
    fn pointee(&self, value: &Value, die: Die) -> Option<Value> {
        match self.std_name(die)? {
            "unique_ptr" | "shared_ptr" => {
                let pointer = self.smart_pointer(value)?;
                Some(match self.address_in(&pointer)? {
                    Ok((address, target)) => Value::in_memory(target, address),
                    Err(missing) => Value::missing(None, missing),
                })
            }
            "weak_ptr" if self.owners(value).is_some_and(|owners| owners > 0) => {
                let (address, target) = self.address_in(&self.field(value, "__ptr_")?)?.ok()?;
                Some(Value::in_memory(target, address))
            }
            "optional" => {
                let engaged = self.unwrapped(&self.dig(value, "__engaged_")?)?.number(self.frame, false);
                (engaged == Ok(1)).then(|| self.dig(value, "__val_")).flatten()
            }
            "expected" => {
                let held = self.unwrapped(&self.dig(value, "__has_val_")?)?.number(self.frame, false);
                let (_, ty) = self.frame.units.peeled(value.ty)?;
                let Kind::Struct(contents) = &ty.kind else { return None };
                self.argument(contents, 0).filter(|_| held == Ok(1))?;
                self.dig(value, "__val_")
            }
            name => match self.iterator(value, name)? {
                Ok(pointer) => {
                    let (target, _) = pointer_target(self.frame, pointer.ty)?;
                    Some(self.pointed(&pointer, target))
                }
                Err(missing) => Some(Value::missing(None, missing)),
            },
        }
    }

    /// The type of the elements that a smart pointer to an array owns, and where they begin.
    fn array_pointee(&self, value: &Value) -> Option<(Option<Die>, Source)> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let array = self.frame.units.peeled(self.argument(contents, 0))?;
        let Kind::Array(array) = &array.1.kind else { return None };
        let pointee = self.pointee(&value.with_type(Some(die)), die)?;
        Some((array.element, pointee.source))
    }

    /// Adds the use count of a shared pointer to its text.
    fn with_owners(&self, shown: Shown, value: &Value) -> Shown {
        match (shown.text, self.owners(value)) {
            // A use count of 0 says that the object was destroyed.
            (Ok(text), Some(0)) => Shown::text(cut(format!("{text} (use count 0)"))),
            (Ok(text), Some(owners)) => {
                Shown { text: Ok(cut(format!("{text} (use count {owners})"))), children: shown.children }
            }
            (text, _) => Shown { text, children: shown.children },
        }
    }

    /// The use count of a `shared_ptr` or `weak_ptr`: how many `shared_ptr` own the object. libc++ counts from -1.
    fn owners(&self, value: &Value) -> Option<i128> {
        let (address, target) = self.address_in(&self.field(value, "__cntrl_")?)?.ok()?;
        let control = Value::in_memory(target, address);
        let owners = self.dig(&control, "__shared_owners_")?.number(self.frame, true).ok()?;
        (address != 0).then_some(owners + 1)
    }
}
