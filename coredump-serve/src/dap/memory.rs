//! Handles the references by which an editor names places in memory and code.
//!
//! An address in the first memory is a number. For another memory, its index comes first: `2:0x400`. Instructions also
//! have numbers, as editors do arithmetic with them, but such that no address has: they are made of bit 62, the
//! module's index from bit 32 on, and the offset in the module's file, as in LLDB.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use coredump_core::{Dump, Frame, Memory};
use serde_json::{Value, json};

/// The number of bytes that one request may ask for.
const MAX_MEMORY: u64 = 1 << 20;
/// The bit that is set in the number of an instruction.
const CODE: u64 = 1 << 62;

/// The place that a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryReference {
    /// A byte of a memory: the memory's index, and the address.
    Memory(u32, u64),
    /// A byte of a module's file: the module's index, and the offset.
    Code(u32, u64),
}

impl MemoryReference {
    /// Parses a reference.
    pub fn read(text: &str) -> Result<MemoryReference, String> {
        let wrong = || format!("{text:?} is no address");
        let (memory, address) = match text.split_once(':') {
            Some((memory, address)) => (memory.parse().map_err(|_| wrong())?, address),
            None => (0, text),
        };
        let address = number(address).ok_or_else(wrong)?;
        Ok(match address & CODE != 0 && !text.contains(':') {
            true => MemoryReference::Code((address >> 32 & 0x3fff_ffff) as u32, address & 0xffff_ffff),
            false => MemoryReference::Memory(memory, address),
        })
    }

    /// The place `by` bytes further.
    pub fn moved(self, by: i64) -> Result<MemoryReference, String> {
        let (MemoryReference::Memory(_, at) | MemoryReference::Code(_, at)) = self;
        let at = at.checked_add_signed(by).ok_or("there is no memory below address 0")?;
        Ok(match self {
            MemoryReference::Memory(memory, _) => MemoryReference::Memory(memory, at),
            MemoryReference::Code(module, _) => MemoryReference::Code(module, at),
        })
    }

    /// The reference as text.
    pub fn text(self) -> String {
        match self {
            MemoryReference::Memory(0, address) => format!("{address:#x}"),
            MemoryReference::Memory(memory, address) => format!("{memory}:{address:#x}"),
            MemoryReference::Code(module, offset) => {
                format!("{:#x}", CODE | u64::from(module) << 32 | offset & 0xffff_ffff)
            }
        }
    }
}

/// Parses a number in decimal, or in hexadecimal after `0x`.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        None if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    }
}

/// Index of the memory that a frame's addresses refer to; `None` if not known.
pub fn memory_of(dump: &Dump, frame: &Frame) -> Option<u32> {
    let recorded = dump.recorded();
    let instance = frame.recorded().instance.and_then(|instance| recorded.instances.get(instance as usize));
    match instance {
        Some(instance) => *instance.memories.first()?,
        None => (recorded.memories.len() == 1).then_some(0),
    }
}

/// The answer to a request for bytes from a reference on: the known bytes, and how many are not known after them.
pub fn read(dump: &Dump, arguments: &Value) -> Result<Value, String> {
    let place = MemoryReference::read(arguments["memoryReference"].as_str().unwrap_or_default())?;
    let place = place.moved(arguments["offset"].as_i64().unwrap_or(0))?;
    let count = arguments["count"].as_u64().unwrap_or(0).min(MAX_MEMORY);
    let bytes = match place {
        MemoryReference::Memory(index, address) => memory(dump, index)?.known_bytes(address, count),
        MemoryReference::Code(module, offset) => {
            let binary = dump.binaries().binary(module).ok_or("the module's binary is not known")?;
            let file = binary.module().bytes();
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
            file[start..start.saturating_add(count as usize).min(file.len())].to_vec()
        }
    };
    Ok(json!({
        "address": place.text(),
        "data": STANDARD.encode(&bytes),
        "unreadableBytes": count - bytes.len() as u64,
    }))
}

/// A memory of the dump.
pub fn memory(dump: &Dump, index: u32) -> Result<&Memory<'_>, String> {
    dump.memory(index).ok_or_else(|| match dump.recorded().memories.len() {
        0 => "the dump holds no memory".to_owned(),
        count => format!("there is no memory {index}: the dump holds {count}, counted from 0"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_was_written() {
        for place in [
            MemoryReference::Memory(0, 0x10),
            MemoryReference::Memory(3, 0x1_0001_0000),
            MemoryReference::Code(2, 0x1ad),
        ] {
            assert_eq!(MemoryReference::read(&place.text()), Ok(place));
        }
        assert_eq!(MemoryReference::read("16"), Ok(MemoryReference::Memory(0, 16)));
        for text in ["", "x", "0x", "0x+1", "+1", ":1", "1:", "-1:0", "99999999999:0"] {
            assert!(MemoryReference::read(text).is_err(), "{text}");
        }
        assert!(MemoryReference::Memory(0, 4).moved(-5).is_err());
    }
}
