//! Elements of libc++'s containers by number and by key, for expressions.

use crate::catalog::types::Kind;
use crate::catalog::units::{Die, Language};
use crate::lang::Renderer;
use crate::location::Missing;
use crate::values::{Source, Value};

impl<'s> Renderer<'_, '_, 's> {
    /// An element by its number, of what does not keep its elements one behind the other; `None` for other types.
    pub(in crate::lang) fn cpp_element(&self, value: &Value, index: u64) -> Option<Result<Value, String>> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let (outer, name) = self.family(die);
        if outer != "std" {
            return None;
        }
        let value = &value.with_type(Some(die));
        let found = match name.as_str() {
            "vector" if self.is_bool(self.argument(contents, 0)) => self.bit_vector(value)?.and_then(|(begin, len)| {
                let bit = if index < len { Some(self.bit_of(begin, index)?) } else { None };
                Ok((bit, len))
            }),
            "stack" | "queue" | "priority_queue" => return self.cpp_element(&self.field(value, "c")?, index),
            _ => {
                let nodes = self.cpp_nodes(value, &name, contents, index..index.checked_add(1)?)?;
                if nodes.as_ref().is_ok_and(|nodes| nodes.map) {
                    return None;
                }
                nodes.map(|nodes| (nodes.get(0), nodes.len))
            }
        };
        Some(match found {
            Ok((Some(element), _)) => Ok(element),
            Ok((None, len)) => Err(format!("there are {len} elements")),
            Err(missing) => Err(missing.to_string()),
        })
    }

    /// The entries of a map, key and value, as many as `limit`; `None` for what is no map.
    pub(in crate::lang) fn cpp_entries(
        &self,
        value: &Value,
        limit: u64,
    ) -> Option<Result<Vec<(Value, Value)>, String>> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let (outer, name) = self.family(die);
        if outer != "std" || !matches!(name.as_str(), "map" | "multimap" | "unordered_map" | "unordered_multimap") {
            return None;
        }
        let nodes = match self.cpp_nodes(&value.with_type(Some(die)), &name, contents, 0..limit)? {
            Ok(nodes) => nodes,
            Err(missing) => return Some(Err(missing.to_string())),
        };
        Some(Ok((0..limit).map_while(|index| self.pair(&nodes.get(index)?)).collect()))
    }

    /// Where the elements begin that a smart pointer to an array owns, and their type; how many there are it does not
    /// know.
    pub fn array_pointer(&self, value: &Value) -> Option<(Option<Die>, Source)> {
        let (die, ty) = self.frame.units.peeled(value.ty).filter(|_| self.language == Language::Cpp)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let array = self.frame.units.peeled(self.argument(contents, 0))?;
        let Kind::Array(array) = &array.1.kind else { return None };
        let pointee = self.cpp_pointee(&value.with_type(Some(die)), die, contents)?;
        Some((array.element, pointee.source))
    }

    /// Where the bits of a `vector<bool>` are, and how many.
    pub(in crate::lang) fn bit_vector(&self, value: &Value) -> Option<Result<(u64, u64), Missing>> {
        let begin = self.address_in(&self.field(value, "__begin_")?)?;
        let len = self.unwrapped(&self.field(value, "__size_")?)?.number(self.frame, false);
        Some(begin.and_then(|(begin, _)| {
            let len = len? as u64;
            if len > 0 {
                self.check_extent(begin, len.div_ceil(8))?;
            }
            Ok((begin, len))
        }))
    }

    /// One bit, as a truth value.
    pub(in crate::lang) fn bit_of(&self, begin: u64, index: u64) -> Result<Value, Missing> {
        let byte = Value::in_memory(None, begin.saturating_add(index / 8));
        let bit = byte.unsigned(self.frame, 1)? >> (index % 8) & 1;
        let ty = Some(self.frame.units.base_type("bool", gimli::DW_ATE_boolean, 1));
        Ok(Value { ty, source: Source::bytes(vec![bit as u8]) })
    }
}
