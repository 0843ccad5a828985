//! libc++'s strings, and the containers whose elements lie one after the other.

use std::ops::Range;

use super::CppValues;
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::lang::{Contiguous, Elements, Meaning, StringData};
use crate::location::Missing;
use crate::values::{Source, Value};

impl<'s> CppValues<'_, '_, '_, 's> {
    /// The elements of a class that keeps them contiguously; `None` for another class.
    pub(super) fn contiguous_elements(
        &self,
        value: &Value,
        name: &str,
        die: Die,
        contents: &Struct<'s>,
    ) -> Option<Result<Contiguous, Missing>> {
        let element = self.argument(contents, 0);
        match name {
            "vector" => {
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
                    // A span of fixed extent has its length in its type.
                    None => Ok(self.number_argument(die, 1)?),
                };
                Some(address.and_then(|(address, _)| Ok(Contiguous { element, address, len: len? as u64 })))
            }
            _ => None,
        }
    }

    /// A string, whose characters are in the object itself when they are few.
    pub(super) fn string(&self, value: &Value, contents: &Struct<'s>) -> Option<Result<Meaning, Missing>> {
        let frame = self.frame;
        let character = self.argument(contents, 0);
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
                return Ok(Meaning::Text(StringData { source: Source::Memory(data?.0), len: len as u64, character }));
            }
            let len = len? as u64;
            let room = frame.units.size_of(short_data.ty).unwrap_or(0);
            if len > room {
                return Err(Missing::Malformed(format!("length {len} in {room} bytes")));
            }
            Ok(Meaning::Text(StringData { source: short_data.source, len, character }))
        }))
    }

    /// `vector<bool>`: bits in words.
    pub(super) fn bits(&self, value: &Value, window: Range<u64>) -> Option<Result<Meaning, Missing>> {
        let begin = self.address_in(&self.field(value, "__begin_")?)?;
        let len = self.unwrapped(&self.field(value, "__size_")?)?.number(self.frame, false);
        Some(begin.and_then(|(begin, _)| {
            let len = len? as u64;
            if len > 0 {
                self.check_extent(begin, len.div_ceil(8))?;
            }
            let shown = window.start..window.end.min(len);
            let list = shown.map_while(|index| self.bit(begin, index).ok()).collect();
            Ok(Meaning::Elements(Elements::list(list, len)))
        }))
    }

    /// One bit, as a truth value.
    fn bit(&self, begin: u64, index: u64) -> Result<Value, Missing> {
        let byte = Value::in_memory(None, begin.saturating_add(index / 8));
        let bit = byte.unsigned(self.frame, 1)? >> (index % 8) & 1;
        let ty = Some(self.frame.units.base_type("bool", gimli::DW_ATE_boolean, 1));
        Ok(Value { ty, source: Source::bytes(vec![bit as u8]) })
    }

    /// Returns true if a type is that of truth values, of which a vector keeps bits.
    pub(super) fn is_bool(&self, ty: Option<Die>) -> bool {
        let peeled = self.frame.units.peeled(ty);
        peeled.is_some_and(|(_, ty)| matches!(ty.kind, Kind::Base(gimli::DW_ATE_boolean)))
    }
}
