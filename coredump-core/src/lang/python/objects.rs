//! Python objects in memory: their types, and the contents of objects of built-in types.
//!
//! Structures that `_Py_DebugOffsets` does not describe are read as CPython 3.11 to 3.15 lay them out for 32-bit
//! pointers: the header of dictionary keys, the inline values of instances, the bits of a string's state. Layout:
//! CPython's `Include/cpython/` and `Include/internal/pycore_dict.h`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::memory::Memory;
use crate::metered::Metered;

use super::offsets::{Attributes, Integers, Offsets};
use super::text;

/// The most bytes of a name.
const MAX_NAME: u64 = 256;
/// The most bytes of a `str` or `bytes` that are read.
pub(super) const MAX_TEXT: u64 = 4096;
/// The most 30-bit digits of an integer whose decimal digits are computed.
const MAX_DIGITS: u64 = 256;
/// The number of slots of a hash table that are looked at.
const MAX_SLOTS: u64 = 1 << 16;

/// Bits of `tp_flags` (`Include/object.h`).
const INLINE_VALUES: u64 = 1 << 2;
const MANAGED_DICT: u64 = 1 << 4;
const HEAP_TYPE: u64 = 1 << 9;
const UNICODE: u64 = 1 << 28;
pub(super) const EXCEPTION: u64 = 1 << 30;
pub(super) const TYPE: u64 = 1 << 31;

/// Offsets of fields that the table does not hold.
const TP_BASICSIZE: u64 = 16;
const TP_ITEMSIZE: u64 = 20;
const TP_MEMBERS: u64 = 120;
const TP_BASE: u64 = 128;
const TP_DICT: u64 = 132;
const TP_DICTOFFSET: u64 = 144;
const MANAGED_DICT_BEFORE: u64 = 12;
const VALUES_BEFORE: u64 = 16;
const CELL_VALUE: u64 = 8;
const TP_MRO: u64 = 172;
/// Offsets of the first and the last node in an `OrderedDict`, which begins as a `dict`.
const ORDERED: (u64, u64) = (32, 36);

/// The type code of a member that is a slot (`Py_T_OBJECT_EX`).
const OBJECT_MEMBER: u64 = 16;
/// The number of base classes of a class, and of slots, that are looked at.
const MAX_BASES: usize = 32;
const MAX_MEMBERS: u64 = 64;
/// The number of attributes of a class that are looked at.
const MAX_ATTRIBUTES: u64 = 4096;
/// The number of names of class attributes that are compared, in all classes together.
const MAX_COMPARED: usize = 1 << 20;

/// The limits on how much of a value is written.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of elements and attributes.
    pub depth: u32,
    /// Elements of one container.
    pub elements: u32,
}

/// Reads objects.
pub struct Objects<'m, 'a> {
    pub memory: Metered<'m, 'a>,
    pub offsets: &'m Offsets,
    /// Bytes of text written so far for the current value.
    pub(super) written: Cell<usize>,
    /// The containers that are being written, outermost first, so that cycles are noticed.
    pub(super) open: RefCell<Vec<u64>>,
    /// Memo of class attributes, by class and name.
    attributes_of_classes: RefCell<HashMap<(u64, &'static str), Option<u64>>>,
    /// The number of names that were compared so far.
    compared: Cell<usize>,
}

/// The type of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonType {
    /// Its name without its module.
    pub name: String,
    /// `tp_name`, in which types that are written in C have their module.
    pub(super) full: String,
    pub(super) address: u64,
    pub(super) flags: u64,
}

impl<'m, 'a> Objects<'m, 'a> {
    /// A reader of the objects in this memory.
    pub fn new(memory: &'m Memory<'a>, offsets: &'m Offsets) -> Self {
        let (open, attributes_of_classes) = (RefCell::default(), RefCell::default());
        let memory = Metered::new(memory);
        Objects { memory, offsets, written: Cell::new(0), open, attributes_of_classes, compared: Cell::new(0) }
    }

    /// Resets the limits of text for the next value.
    pub(super) fn begin_value(&self) {
        self.written.set(0);
    }

    /// The pointer at an address, without the tag bits that it has on the interpreter's stack.
    pub fn pointer(&self, address: u64) -> Option<u64> {
        let value = self.memory.uint(address, 4).ok()? & !3;
        (value < self.memory.size).then_some(value)
    }

    pub(super) fn uint(&self, address: u64, size: u64) -> Option<u64> {
        self.memory.uint(address, size).ok()
    }

    /// The type of an object; `None` where no object is at the address.
    pub fn type_of(&self, object: u64) -> Option<PythonType> {
        self.described(self.pointer(object + self.offsets.ob_type)?)
    }

    /// Returns true if the objects of a type are exceptions.
    pub fn is_exception_type(&self, address: u64) -> bool {
        self.described(address).is_some_and(|kind| kind.flags & EXCEPTION != 0)
    }

    pub(super) fn described(&self, address: u64) -> Option<PythonType> {
        let name = self.uint(address + self.offsets.tp_name, 4)?;
        let (name, whole) = self.memory.c_string(name, MAX_NAME).ok()?;
        let name = String::from_utf8(name).ok().filter(|name| whole && !name.is_empty())?;
        let sensible = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '<' | '>' | '-'));
        let flags = self.uint(address + self.offsets.tp_flags, 4)?;
        let short = name.rsplit('.').next()?.to_owned();
        // The type of a type must be a metatype: its flags say that its instances are types.
        let meta = self.pointer(address + self.offsets.ob_type)?;
        let is_type = self.uint(meta + self.offsets.tp_flags, 4)? & TYPE != 0;
        (sensible && is_type).then_some(PythonType { name: short, full: name, address, flags })
    }

    /// The nearest base that is written in C, or the type itself if it is; `None` if that is only `object`.
    pub(super) fn built_in(&self, kind: &PythonType) -> Option<PythonType> {
        let mut at = kind.address;
        for _ in 0..MAX_BASES {
            let base = self.described(at)?;
            // The `tp_name` of a class that Python code made has no module.
            if base.flags & HEAP_TYPE == 0 || base.full.contains('.') {
                return Some(base).filter(|base| base.full != "object");
            }
            at = self.pointer(at + TP_BASE).filter(|&base| base != 0)?;
        }
        None
    }

    /// Returns true if a type is a class that Python code made.
    pub(super) fn is_class(kind: &PythonType) -> bool {
        kind.flags & HEAP_TYPE != 0 && !kind.full.contains('.')
    }

    /// An attribute of a class or its bases.
    pub(super) fn class_attribute(&self, class: u64, name: &'static str) -> Option<u64> {
        if let Some(known) = self.attributes_of_classes.borrow().get(&(class, name)) {
            return *known;
        }
        let found = self.find_class_attribute(class, name);
        self.attributes_of_classes.borrow_mut().insert((class, name), found);
        found
    }

    fn find_class_attribute(&self, class: u64, name: &str) -> Option<u64> {
        let mut at = class;
        for _ in 0..MAX_BASES {
            let dictionary = self.pointer(at + TP_DICT).filter(|&dictionary| dictionary != 0);
            let entries = dictionary.and_then(|dictionary| self.entries(dictionary, MAX_ATTRIBUTES));
            for (key, value) in entries.into_iter().flat_map(|(entries, _)| entries) {
                self.compared.set(self.compared.get() + 1);
                if self.compared.get() > MAX_COMPARED {
                    return None;
                }
                if self.str(key).as_deref() == Some(name) {
                    return Some(value);
                }
            }
            at = self.pointer(at + TP_BASE).filter(|&base| base != 0)?;
        }
        None
    }

    /// Returns true if a class is derived from one of this name, in any way.
    pub(super) fn derives_from(&self, class: u64, name: &str) -> bool {
        let order = self.pointer(class + TP_MRO).and_then(|order| self.tuple(order, MAX_BASES as u64));
        let mut order = order.into_iter().flat_map(|(classes, _)| classes);
        order.any(|class| self.described(class).is_some_and(|class| class.name == name))
    }

    /// The qualified name of a class that Python code made ([`Objects::is_class`]).
    pub(super) fn qualified(&self, class: u64) -> Option<String> {
        self.str(self.pointer(class + self.offsets.ht_cached_keys - 4)?)
    }

    /// The text of a `str` object.
    pub fn str(&self, object: u64) -> Option<String> {
        self.type_of(object).filter(|kind| kind.flags & UNICODE != 0)?;
        self.str_cut(object).filter(|(_, whole)| *whole).map(|(text, _)| text)
    }

    /// The text of a `str` object, and whether it is complete. A lone surrogate, which Python allows, is replaced.
    fn str_cut(&self, object: u64) -> Option<(String, bool)> {
        let (characters, whole) = self.characters(object)?;
        let characters = characters.into_iter().map(|c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER));
        Some((characters.collect(), whole))
    }

    /// The code points of a `str` object, and whether they are complete.
    pub(super) fn characters(&self, object: u64) -> Option<(Vec<u32>, bool)> {
        let state = self.uint(object + self.offsets.unicode_state, 4)?;
        let length = self.uint(object + self.offsets.unicode_length, 4)?;
        let (kind, compact, ascii) = ((state >> 2) & 7, state & 1 << 5 != 0, state & 1 << 6 != 0);
        if !matches!(kind, 1 | 2 | 4) {
            return None;
        }
        // A string that is not ASCII has the length and the address of its UTF-8 form before its characters; an
        // instance of a class derived from `str` has the address of the characters there.
        let behind = object + self.offsets.unicode_ascii_size;
        let data = match (compact, ascii) {
            (true, true) => behind,
            (true, false) => behind + self.offsets.unicode_utf8,
            (false, _) => self.uint(behind + self.offsets.unicode_utf8, 4)?,
        };
        let shown = length.min(MAX_TEXT / kind);
        let bytes = self.memory.bytes(data, shown * kind).ok()?;
        let characters = bytes.chunks_exact(kind as usize).map(|unit| {
            let mut wide = [0; 4];
            wide[..unit.len()].copy_from_slice(unit);
            u32::from_le_bytes(wide)
        });
        Some((characters.collect(), shown == length))
    }

    /// The bytes of a `bytes` object, and whether they are complete.
    pub fn bytes(&self, object: u64) -> Option<(Vec<u8>, bool)> {
        let length = self.uint(object + self.offsets.bytes_size, 4)?;
        let shown = length.min(MAX_TEXT * 64);
        Some((self.memory.bytes(object + self.offsets.bytes_data, shown).ok()?.into_owned(), shown == length))
    }

    /// The elements of a tuple, at most `limit` of them, and how many there are.
    pub fn tuple(&self, object: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        self.pointers(object + self.offsets.tuple_item, self.uint(object + self.offsets.tuple_size, 4)?, limit)
    }

    pub(super) fn list(&self, object: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        let length = self.uint(object + self.offsets.list_size, 4)?;
        if length == 0 {
            return Some((Vec::new(), 0));
        }
        self.pointers(self.pointer(object + self.offsets.list_item)?, length, limit)
    }

    /// The object addresses in the array at `start`, at most `limit` of them, and how many there are.
    pub(super) fn pointers(&self, start: u64, length: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        if length.checked_mul(4)? > self.memory.size {
            return None;
        }
        let items = (0..length.min(limit)).map(|nth| self.pointer(start + 4 * nth));
        Some((items.collect::<Option<_>>()?, length))
    }

    /// The contents of a cell, which holds a variable that is shared with an inner function; an object that is no cell
    /// is returned as it is.
    pub fn out_of_cell(&self, object: u64) -> Option<u64> {
        match self.type_of(object) {
            Some(kind) if kind.name == "cell" => self.pointer(object + CELL_VALUE).filter(|&value| value != 0),
            _ => Some(object),
        }
    }

    /// The attributes of an instance, in the order in which they were first set.
    pub(super) fn attributes(&self, object: u64, kind: &PythonType, limit: u64) -> Option<Vec<(u64, u64)>> {
        if kind.flags & MANAGED_DICT == 0 {
            let dictionary = self.pointer(object.checked_add(self.dictionary_offset(object, kind)?)?)?;
            return if dictionary == 0 { None } else { Some(self.entries(dictionary, limit)?.0) };
        }
        let before = object.checked_sub(VALUES_BEFORE)?;
        let place = object - MANAGED_DICT_BEFORE;
        let keys = || self.pointer(kind.address + self.offsets.ht_cached_keys);
        match self.offsets.attributes {
            Attributes::Tagged => {
                let (address, is_dictionary) = self.uint(place, 4).map(|word| (word, word & 1 == 0))?;
                if !is_dictionary {
                    return Some(self.split(keys()?, address + 1, limit)?.0);
                }
            }
            Attributes::Apart => {
                let values = self.pointer(before)?;
                if values != 0 {
                    return Some(self.split(keys()?, values, limit)?.0);
                }
            }
            Attributes::Inline => {}
        }
        let dictionary = self.pointer(place)?;
        if dictionary != 0 {
            return Some(self.entries(dictionary, limit)?.0);
        }
        if self.offsets.attributes != Attributes::Inline || kind.flags & INLINE_VALUES == 0 {
            return None;
        }
        let values = object + self.uint(kind.address + TP_BASICSIZE, 4)?;
        // PyDictValues: the fourth byte says whether they are valid.
        if self.uint(values + 3, 1)? != 1 {
            return None;
        }
        Some(self.split(keys()?, values, limit)?.0)
    }

    /// The address of an object's `__dict__` pointer, as its type gives it. A negative offset counts from the end of an
    /// object of variable size, as an integer is.
    fn dictionary_offset(&self, object: u64, kind: &PythonType) -> Option<u64> {
        let field = |offset: u64| self.uint(kind.address + offset, 4).map(|value| i64::from(value as u32 as i32));
        let offset = match field(TP_DICTOFFSET)? {
            0 => return None,
            offset if offset > 0 => offset,
            offset => {
                let count = i64::from(self.uint(object + 8, 4)? as u32 as i32).unsigned_abs();
                let size =
                    field(TP_BASICSIZE)?.checked_add(field(TP_ITEMSIZE)?.checked_mul(count.try_into().ok()?)?)?;
                size.checked_add(3)? / 4 * 4 + offset
            }
        };
        u64::try_from(offset).ok().filter(|&offset| offset < self.memory.size)
    }

    /// The entries of a dictionary, at most `limit` of them, as keys and values, and how many there are.
    pub(super) fn entries(&self, dictionary: u64, limit: u64) -> Option<(Vec<(u64, u64)>, u64)> {
        let keys = self.pointer(dictionary + self.offsets.dict_keys)?;
        let values = self.pointer(dictionary + self.offsets.dict_values)?;
        if values != 0 {
            return self.split(keys, values, limit);
        }
        let table = self.keys(keys)?;
        let (size, before) = if table.kind == 0 { (12, 4) } else { (8, 0) };
        let (mut found, mut count) = (Vec::new(), 0);
        for nth in 0..table.used {
            let entry = table.entries + size * nth + before;
            let pair = (self.pointer(entry)?, self.pointer(entry + 4)?);
            if pair.0 != 0 && pair.1 != 0 {
                count += 1;
                if count <= limit {
                    found.push(pair);
                }
            }
        }
        Some((found, count))
    }

    /// The entries of an `OrderedDict` in its order, which is that of a list of nodes: each has its key, the hash, the
    /// next node and the previous one. (The dictionary within it has them in the order in which they were added.)
    pub(super) fn ordered_entries(&self, object: u64, limit: u64) -> Option<(Vec<(u64, u64)>, u64)> {
        let (entries, count) = self.entries(object, MAX_SLOTS)?;
        let values: HashMap<u64, u64> = entries.into_iter().collect();
        let (mut node, last) = (self.uint(object + ORDERED.0, 4)?, self.uint(object + ORDERED.1, 4)?);
        let (mut found, mut before) = (Vec::new(), 0);
        for nth in 0..count {
            let (key, previous) = (self.pointer(node)?, self.uint(node.checked_add(12)?, 4)?);
            let value = *values.get(&key).filter(|_| previous == before)?;
            if nth < limit {
                found.push((key, value));
            }
            (before, node) = (node, self.uint(node + 8, 4)?);
        }
        (node == 0 && before == last).then_some((found, count))
    }

    /// The entries of a split dictionary, whose keys are shared by the instances of a class. Since 3.13 `PyDictValues`
    /// holds its capacity, the number of values in use and two flags, a byte each, then the values, then the order in
    /// which they were set, a byte each. Before 3.13 it is the array of values; the bytes before it, backwards, are the
    /// size of that prefix, the number of values in use, and the order.
    fn split(&self, keys: u64, values: u64, limit: u64) -> Option<(Vec<(u64, u64)>, u64)> {
        let table = self.keys(keys).filter(|table| table.kind == 2)?;
        let is_new = self.offsets.attributes == Attributes::Inline;
        let (capacity, count, first) = match is_new {
            true => (self.uint(values, 1)?, self.uint(values + 1, 1)?, values + 4),
            false => (table.used, self.uint(values.checked_sub(2)?, 1)?, values),
        };
        if count > capacity || count > table.used {
            return None;
        }
        let pair = |nth| {
            let place = if is_new { first + 4 * capacity + nth } else { values.checked_sub(3 + nth)? };
            let index = self.uint(place, 1).filter(|&index| index < capacity && index < table.used)?;
            Some((self.pointer(table.entries + 8 * index)?, self.pointer(first + 4 * index)?))
        };
        let found = (0..count.min(limit)).map(pair).collect::<Option<Vec<_>>>()?;
        found.iter().all(|pair| pair.0 != 0 && pair.1 != 0).then_some((found, count))
    }

    /// The attributes in a type's slots (`__slots__`) that are set, with their values.
    pub(super) fn slots(&self, object: u64, kind: &PythonType, limit: usize) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        let mut at = kind.address;
        for _ in 0..MAX_BASES {
            let members = self.pointer(at + TP_MEMBERS).filter(|&members| members != 0);
            // PyMemberDef: name, type, offset, flags, documentation.
            for member in members.into_iter().flat_map(|members| (0..MAX_MEMBERS).map(move |nth| members + 20 * nth)) {
                let Some(name) = self.uint(member, 4).filter(|&name| name != 0) else { break };
                let (Some(sort), Some(offset)) = (self.uint(member + 4, 4), self.uint(member + 8, 4)) else { break };
                let Ok((name, true)) = self.memory.c_string(name, MAX_NAME) else { break };
                let value = self.pointer(object + offset).filter(|&value| sort == OBJECT_MEMBER && value != 0);
                if let (Some(value), Ok(name), true) = (value, String::from_utf8(name), found.len() < limit) {
                    found.push((name, value));
                }
            }
            match self.pointer(at + TP_BASE) {
                Some(base) if base != 0 => at = base,
                _ => break,
            }
        }
        found
    }

    /// Reads a `PyDictKeysObject`. Its second word holds the binary logarithms of the table's size and of the bytes of
    /// its indices, and the kind.
    fn keys(&self, address: u64) -> Option<Keys> {
        let log_bytes = self.uint(address + 5, 1).filter(|&log| log < 24)?;
        let kind = self.uint(address + 6, 1).filter(|&kind| kind <= 2)?;
        let used = self.uint(address + 16, 4).filter(|&used| used <= MAX_SLOTS)?;
        Some(Keys { kind, used, entries: address + 20 + (1 << log_bytes) })
    }

    pub(super) fn set(&self, object: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        let used = self.uint(object + self.offsets.set_used, 4)?;
        let mask = self.uint(object + self.offsets.set_mask, 4).filter(|&mask| mask < MAX_SLOTS && used <= mask)?;
        let table = self.pointer(object + self.offsets.set_table)?;
        let mut found = Vec::new();
        let mut count = 0;
        for nth in 0..=mask {
            let (key, hash) = (self.pointer(table + 8 * nth)?, self.uint(table + 8 * nth + 4, 4)?);
            // An entry whose element was removed has the hash −1, which no element has.
            if key != 0 && hash != u64::from(u32::MAX) {
                count += 1;
                if count <= limit {
                    found.push(key);
                }
            }
        }
        (count == used).then_some((found, count))
    }

    /// An integer in decimal digits.
    pub fn integer(&self, object: u64) -> Option<String> {
        let tag = self.uint(object + self.offsets.long_tag, 4)?;
        // The tag's low bits are 0 for a positive number, 1 for zero, 2 for a negative one.
        let (count, sign) = match self.offsets.integers {
            Integers::Tagged => (tag >> 3, tag & 3),
            Integers::Sized => match tag as u32 as i32 {
                0 => (0, 1),
                size => (size.unsigned_abs().into(), if size < 0 { 2 } else { 0 }),
            },
        };
        match sign {
            1 => return Some("0".to_owned()),
            0 | 2 if count > 0 => {}
            _ => return None,
        }
        if count > MAX_DIGITS {
            return Some(format!("<int of more than {} bits>", 30 * (count - 1)));
        }
        let digits = (0..count).map(|nth| self.uint(object + self.offsets.long_digit + 4 * nth, 4));
        let digits = digits.collect::<Option<Vec<_>>>()?;
        Some(format!("{}{}", if sign == 2 { "-" } else { "" }, text::decimal(&digits)?))
    }
}

/// The keys of a dictionary.
struct Keys {
    /// The kind: 0 for keys of any type, 1 for strings only, 2 for strings only that are shared with other
    /// dictionaries.
    kind: u64,
    /// The number of entries that were ever used.
    used: u64,
    entries: u64,
}
