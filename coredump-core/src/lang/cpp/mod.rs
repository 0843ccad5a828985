//! Values of C++: the types of libc++, the only standard library of Wasm toolchains. Members are found by name through
//! whatever wrapper a release of libc++ puts around them.

pub mod classes;
mod dynamic;
mod elements;
mod erased;
mod iterators;
mod nodes;
mod numbers;
pub mod template_names;

use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::lang::pointer::null_or;
use crate::lang::{Contiguous, Renderer, Shown, cut};
use crate::location::Missing;
use crate::values::{Source, Value, pointer_target};

impl<'s> Renderer<'_, '_, 's> {
    /// A structure as C++'s programmers know it; `None` for one that is shown by its members.
    pub(super) fn cpp(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let (outer, name) = self.family(die);
        if outer != "std" {
            return None;
        }
        let counted = |found: Result<Shown, Missing>| Some(found.unwrap_or_else(Shown::from));
        if let Some(nodes) = self.cpp_nodes(value, &name, contents, 0..u64::from(self.limits.elements)) {
            return counted(nodes.map(|nodes| self.show_nodes(&nodes, depth)));
        }
        match name.as_str() {
            "basic_string" | "basic_string_view" => {
                let found = self.cpp_text(value, &name)?;
                let character = self.argument(contents, 0);
                counted(found.and_then(|found| self.characters(found, character)))
            }
            "vector" if self.is_bool(self.argument(contents, 0)) => counted(self.bits(value, depth)?),
            "vector" | "span" | "initializer_list" => {
                counted(self.cpp_contiguous(value, die, contents)?.map(|found| self.elements("{", "}", found, depth)))
            }
            "array" => Some(self.show(&self.field(value, "__elems_")?, depth)),
            "optional" => {
                let engaged = self.unwrapped(&self.dig(value, "__engaged_")?)?.number(self.frame, false);
                match engaged {
                    Ok(0) => Some(Shown::text("nullopt")),
                    Ok(_) => Some(self.show(&self.dig(value, "__val_")?, depth)),
                    Err(missing) => Some(missing.into()),
                }
            }
            "variant" => self.cpp_variant(value, contents, depth),
            "tuple" => self.cpp_tuple(value, depth),
            "unique_ptr" => Some(null_or("nullptr", self.show(&self.cpp_pointer(value)?, depth))),
            "shared_ptr" | "weak_ptr" => {
                let shown = null_or("nullptr", self.show(&self.field(value, "__ptr_")?, depth));
                Some(self.with_owners(shown, value))
            }
            "atomic" => Some(self.show(&self.dig(value, "__a_value")?, depth)),
            "stack" | "queue" | "priority_queue" => Some(self.show(&self.field(value, "c")?, depth)),
            "complex" => self.cpp_complex(value, depth),
            "bitset" => counted(self.cpp_bitset(value, die)?),
            "function" => self.cpp_function(value, depth),
            "any" => self.cpp_any(value, depth),
            "duration" => self.cpp_duration(value, contents, depth),
            "time_point" => Some(self.show(&self.field(value, "__d_")?, depth)),
            _ => match self.cpp_iterator(value, &name)? {
                Ok(pointer) => Some(self.show(&pointer, depth)),
                Err(missing) => Some(missing.into()),
            },
        }
    }

    /// The pointer in a smart pointer, beside which a deleter may lie.
    fn cpp_pointer(&self, value: &Value) -> Option<Value> {
        let pointer = self.dig(value, "__ptr_")?;
        self.unwrapped(&pointer).or_else(|| self.unwrapped(&self.dig(&pointer, "__value_")?))
    }

    pub(super) fn is_bool(&self, ty: Option<Die>) -> bool {
        let peeled = self.frame.units.peeled(ty);
        peeled.is_some_and(|(_, ty)| matches!(ty.kind, Kind::Base(gimli::DW_ATE_boolean)))
    }

    pub(super) fn cpp_contiguous(
        &self,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
    ) -> Option<Result<Contiguous, Missing>> {
        let (outer, name) = self.family(die);
        if outer != "std" {
            return None;
        }
        let element = self.argument(contents, 0);
        match name.as_str() {
            "vector" if !self.is_bool(element) => {
                let begin = self.address_in(&self.field(value, "__begin_")?)?;
                let end = self.address_in(&self.field(value, "__end_")?)?;
                let size = self.frame.units.size_of(element).filter(|&size| size > 0)?;
                Some(begin.and_then(|(begin, _)| {
                    let (end, _) = end?;
                    match end.checked_sub(begin) {
                        Some(extent) if extent % size == 0 => {
                            Ok(Contiguous { element, address: begin, len: extent / size })
                        }
                        _ => Err(Missing::Malformed(format!("a vector from {begin:#x} to {end:#x}"))),
                    }
                }))
            }
            "span" | "initializer_list" | "basic_string_view" => {
                let data = ["__data_", "__data", "__begin_"].iter().find_map(|name| self.field(value, name))?;
                let size = ["__size_", "__size"].iter().find_map(|name| self.field(value, name));
                let address = self.address_in(&data)?;
                let len = match size {
                    Some(size) => size.number(self.frame, false),
                    // A span of fixed extent knows its length by its type.
                    None => Ok(self.number_argument(die, 1)?),
                };
                Some(address.and_then(|(address, _)| Ok(Contiguous { element, address, len: len? as u64 })))
            }
            "array" => {
                let elements = self.field(value, "__elems_")?;
                let (_, ty) = self.frame.units.peeled(elements.ty)?;
                let Kind::Array(array) = &ty.kind else { return None };
                let (address, len) = (elements.source.address()?, (*array.dimensions.first()?)?);
                Some(Ok(Contiguous { element: array.element, address, len }))
            }
            "basic_string" => Some(self.cpp_text(value, &name)?.and_then(|text| {
                let address = text.address.ok_or_else(|| Missing::NotCaptured("in no memory".into()))?;
                Ok(Contiguous { element, address, len: text.len })
            })),
            _ => None,
        }
    }

    /// Where a string's characters are: in the object itself when they are few.
    fn cpp_text(&self, value: &Value, name: &str) -> Option<Result<Text, Missing>> {
        let frame = self.frame;
        if name == "basic_string_view" {
            let (die, ty) = frame.units.peeled(value.ty)?;
            let Kind::Struct(contents) = &ty.kind else { return None };
            let found = self.cpp_contiguous(value, die, contents)?;
            return Some(found.map(|found| Text { address: Some(found.address), source: None, len: found.len }));
        }
        let (short, long) = (self.dig(value, "__s")?, self.dig(value, "__l")?);
        let short_data = self.field(&short, "__data_")?;
        let short_size = self.field(&short, "__size_")?;
        let (is_long, len) = match self.field(&short, "__is_long_") {
            Some(flag) => (flag.number(frame, false).map(|flag| flag != 0), short_size.number(frame, false)),
            // Before LLVM 15 one bit of the size's byte is the flag: the lowest where the byte comes first, the highest
            // where it comes last (the layout of libc++'s second ABI).
            None => {
                let byte = short_size.unsigned(frame, 1);
                if value.source.address()? == short_size.source.address()? {
                    (byte.clone().map(|byte| byte & 1 == 1), byte.map(|byte| (byte >> 1) as i128))
                } else {
                    (byte.clone().map(|byte| byte & 0x80 != 0), byte.map(|byte| byte as i128))
                }
            }
        };
        Some(is_long.and_then(|is_long| {
            let unknown = || Missing::Malformed("a string of an unknown layout".into());
            if is_long {
                let len = self.field(&long, "__size_").ok_or_else(unknown)?.number(frame, false)?;
                let data = self.field(&long, "__data_").and_then(|data| self.address_in(&data)).ok_or_else(unknown)?;
                return Ok(Text { address: Some(data?.0), source: None, len: len as u64 });
            }
            let len = len? as u64;
            let room = frame.units.size_of(short_data.ty).unwrap_or(0);
            if len > room {
                return Err(Missing::Malformed(format!("length {len} in {room} bytes")));
            }
            Ok(Text { address: short_data.source.address(), source: Some(short_data.source), len })
        }))
    }

    /// A string's characters, of one, two or four bytes.
    fn characters(&self, text: Text, ty: Option<Die>) -> Result<Shown, Missing> {
        let unknown = || Missing::Malformed("a string of an unknown layout".into());
        let source = text.address.map(Source::Memory).or(text.source).ok_or_else(unknown)?;
        let prefix = self.text_prefix(ty).or_else(|| Some(("", self.frame.units.size_of(ty)?)));
        Ok(Shown::text(match prefix.ok_or_else(unknown)? {
            (_, 1) => match source.address() {
                Some(address) => self.text_at(address, text.len)?,
                None => {
                    crate::lang::text::quoted(&Value { ty: None, source }.read(self.frame, text.len)?, self.language)
                }
            },
            (prefix, size @ (2 | 4)) => self.wide_text(&source, prefix, size, Some(text.len))?,
            (_, size) => return Err(Missing::Malformed(format!("characters of {size} bytes"))),
        }))
    }

    /// `vector<bool>`: bits in words.
    fn bits(&self, value: &Value, depth: u32) -> Option<Result<Shown, Missing>> {
        Some(self.bit_vector(value)?.map(|(begin, len)| {
            self.sequence("{", "}", len, depth, |index, deeper| {
                Some(self.part(format!("[{index}]"), &self.bit_of(begin, index).ok()?, deeper))
            })
        }))
    }

    /// The alternative a variant holds.
    fn cpp_variant(&self, value: &Value, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
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

    fn cpp_tuple(&self, value: &Value, depth: u32) -> Option<Shown> {
        let base = self.field(value, "__base_")?;
        let (die, ty) = self.frame.units.peeled(base.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let base = base.with_type(Some(die));
        let leaves: Vec<_> = contents.members.iter().filter(|member| member.base).collect();
        let count = leaves.len() as u64;
        Some(self.sequence("{", "}", count, depth, |index, deeper| {
            let leaf = base.member(self.frame, leaves.get(index as usize)?);
            // An empty element is a base of its leaf.
            let element = self.field(&leaf, "__value_").unwrap_or(leaf);
            Some(self.part(format!("[{index}]"), &element, deeper))
        }))
    }

    /// What a smart pointer points to.
    pub(super) fn cpp_pointee(&self, value: &Value, die: Die, _contents: &Struct<'s>) -> Option<Value> {
        let (outer, name) = self.family(die);
        if outer != "std" {
            return None;
        }
        match name.as_str() {
            "unique_ptr" | "shared_ptr" => {
                let pointer = self.cpp_pointer(value)?;
                Some(match self.address_in(&pointer)? {
                    Ok((address, target)) => Value::in_memory(target, address),
                    Err(missing) => Value::missing(None, missing),
                })
            }
            "optional" => {
                let engaged = self.unwrapped(&self.dig(value, "__engaged_")?)?.number(self.frame, false);
                (engaged == Ok(1)).then(|| self.dig(value, "__val_")).flatten()
            }
            _ => match self.cpp_iterator(value, &name)? {
                Ok(pointer) => {
                    let (target, _) = pointer_target(self.frame, pointer.ty)?;
                    Some(self.pointed(&pointer, target))
                }
                Err(missing) => Some(Value::missing(None, missing)),
            },
        }
    }

    /// How many own what a shared pointer points to; libc++ counts from -1.
    fn with_owners(&self, shown: Shown, value: &Value) -> Shown {
        let owners = || {
            let (address, target) = self.address_in(&self.field(value, "__cntrl_")?)?.ok()?;
            let control = Value::in_memory(target, address);
            let owners = self.dig(&control, "__shared_owners_")?.number(self.frame, true).ok()?;
            (address != 0).then_some(owners + 1)
        };
        match (shown.text, owners()) {
            (Ok(text), Some(owners)) => {
                Shown { text: Ok(cut(format!("{text} (use count {owners})"))), children: shown.children }
            }
            (text, _) => Shown { text, children: shown.children },
        }
    }
}

/// Where text is.
struct Text {
    address: Option<u64>,
    source: Option<Source>,
    len: u64,
}
