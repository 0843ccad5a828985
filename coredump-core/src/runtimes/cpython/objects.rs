//! Python objects in memory, written as `repr()` writes them.
//!
//! What `_Py_DebugOffsets` does not describe is laid out as in CPython 3.14 and 3.15 for 32-bit pointers: the header of
//! dictionary keys, values that instances keep inline, bits of a string's state. Layout: CPython's `Include/cpython/` and
//! `Include/internal/pycore_dict.h`.

use std::cell::Cell;

use crate::memory::Memory;

use super::offsets::Offsets;
use super::text;

/// Bytes of a name.
const MAX_NAME: u64 = 256;
/// Bytes of a text or of bytes that are read.
const MAX_TEXT: u64 = 4096;
/// Decimal digits of an integer are computed from at most so many digits of 30 bits.
const MAX_DIGITS: u64 = 256;
/// Slots of a hash table that are looked at.
const MAX_SLOTS: u64 = 1 << 16;
/// Bytes of text that one value may become.
const MAX_WRITTEN: usize = 1 << 16;

/// Bits of `tp_flags` (`Include/object.h`).
const INLINE_VALUES: u64 = 1 << 2;
const MANAGED_DICT: u64 = 1 << 4;
const LONG: u64 = 1 << 24;
const LIST: u64 = 1 << 25;
const TUPLE: u64 = 1 << 26;
const BYTES: u64 = 1 << 27;
const UNICODE: u64 = 1 << 28;
const DICT: u64 = 1 << 29;
const EXCEPTION: u64 = 1 << 30;
const TYPE: u64 = 1 << 31;

/// Offsets that the table does not hold.
const TP_BASICSIZE: u64 = 16;
const HT_CACHED_KEYS: [(u8, u64); 2] = [(14, 440), (15, 444)];
const TP_MEMBERS: u64 = 120;
const TP_BASE: u64 = 128;
const MANAGED_DICT_BEFORE: u64 = 12;
const EXCEPTION_ARGS: u64 = 12;
const CELL_VALUE: u64 = 8;

/// The type of a member that is a slot (`Py_T_OBJECT_EX`).
const OBJECT_MEMBER: u64 = 16;
/// Classes above a class, and slots of one, that are looked at.
const MAX_BASES: usize = 32;
const MAX_MEMBERS: u64 = 64;

/// How much of a value is written.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of elements and attributes.
    pub depth: u32,
    /// Elements of one container.
    pub elements: u32,
}

/// Reads objects.
pub struct Objects<'m, 'a> {
    pub memory: &'m Memory<'a>,
    pub offsets: &'m Offsets,
    written: Cell<usize>,
}

/// The type of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Its name without its module.
    pub name: String,
    address: u64,
    flags: u64,
}

impl<'m, 'a> Objects<'m, 'a> {
    /// A reader of the objects in this memory.
    pub fn new(memory: &'m Memory<'a>, offsets: &'m Offsets) -> Self {
        Objects { memory, offsets, written: Cell::new(0) }
    }

    /// A pointer, without the bits that mark it on the interpreter's stack.
    pub fn pointer(&self, address: u64) -> Option<u64> {
        let value = self.memory.uint(address, 4).ok()? & !3;
        (value < self.memory.size).then_some(value)
    }

    fn uint(&self, address: u64, size: u64) -> Option<u64> {
        self.memory.uint(address, size).ok()
    }

    /// The type of an object; `None` where the object is none.
    pub fn type_of(&self, object: u64) -> Option<Type> {
        self.described(self.pointer(object + self.offsets.ob_type)?)
    }

    /// Whether the objects of a type are exceptions.
    pub fn is_exception_type(&self, address: u64) -> bool {
        self.described(address).is_some_and(|kind| kind.flags & EXCEPTION != 0)
    }

    fn described(&self, address: u64) -> Option<Type> {
        let name = self.uint(address + self.offsets.tp_name, 4)?;
        let (name, whole) = self.memory.c_string(name, MAX_NAME).ok()?;
        let name = String::from_utf8(name).ok().filter(|name| whole && !name.is_empty())?;
        let sensible = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '<' | '>' | '-'));
        let flags = self.uint(address + self.offsets.tp_flags, 4)?;
        let name = name.rsplit('.').next()?.to_owned();
        // The type of a type is `type`, or derived from it: its own flags say that it is one.
        let meta = self.pointer(address + self.offsets.ob_type)?;
        let is_type = self.uint(meta + self.offsets.tp_flags, 4)? & TYPE != 0;
        (sensible && is_type).then_some(Type { name, address, flags })
    }

    /// The text of a `str` object.
    pub fn str(&self, object: u64) -> Option<String> {
        self.type_of(object).filter(|kind| kind.flags & UNICODE != 0)?;
        self.str_cut(object).filter(|(_, whole)| *whole).map(|(text, _)| text)
    }

    /// The text of a `str` object, and whether all of it is there.
    fn str_cut(&self, object: u64) -> Option<(String, bool)> {
        let state = self.uint(object + self.offsets.unicode_state, 4)?;
        let length = self.uint(object + self.offsets.unicode_length, 4)?;
        let (kind, compact, ascii) = ((state >> 2) & 7, state & 1 << 5 != 0, state & 1 << 6 != 0);
        if !compact || !matches!(kind, 1 | 2 | 4) {
            return None;
        }
        // A compact string that is not ASCII has the length and the address of its UTF-8 before its characters.
        let data = object + self.offsets.unicode_ascii_size + if ascii { 0 } else { 8 };
        let shown = length.min(MAX_TEXT / kind);
        let bytes = self.memory.bytes(data, shown * kind).ok()?;
        let characters = bytes.chunks_exact(kind as usize).map(|unit| {
            let mut wide = [0; 4];
            wide[..unit.len()].copy_from_slice(unit);
            u32::from_le_bytes(wide)
        });
        // A lone surrogate is valid in Python; it is replaced here.
        let text = characters.map(|c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Some((text, shown == length))
    }

    /// The bytes of a `bytes` object, and whether all of them are there.
    pub fn bytes(&self, object: u64) -> Option<(Vec<u8>, bool)> {
        let length = self.uint(object + self.offsets.bytes_size, 4)?;
        let shown = length.min(MAX_TEXT * 64);
        Some((self.memory.bytes(object + self.offsets.bytes_data, shown).ok()?.into_owned(), shown == length))
    }

    /// The elements of a tuple.
    pub fn tuple(&self, object: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        self.pointers(object + self.offsets.tuple_item, self.uint(object + self.offsets.tuple_size, 4)?, limit)
    }

    fn list(&self, object: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        let length = self.uint(object + self.offsets.list_size, 4)?;
        if length == 0 {
            return Some((Vec::new(), 0));
        }
        self.pointers(self.pointer(object + self.offsets.list_item)?, length, limit)
    }

    /// Objects at `start`, at most `limit` of them, and how many there are.
    fn pointers(&self, start: u64, length: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        if length.checked_mul(4)? > self.memory.size {
            return None;
        }
        let items = (0..length.min(limit)).map(|nth| self.pointer(start + 4 * nth));
        Some((items.collect::<Option<_>>()?, length))
    }

    /// What a cell holds, of which a variable is shared with an inner function; the object itself if it is none.
    pub fn out_of_cell(&self, object: u64) -> Option<u64> {
        match self.type_of(object) {
            Some(kind) if kind.name == "cell" => self.pointer(object + CELL_VALUE).filter(|&value| value != 0),
            _ => Some(object),
        }
    }

    /// The attributes that an instance keeps for itself, in the order in which they were first set.
    fn attributes(&self, object: u64, kind: &Type, limit: u64) -> Option<Vec<(u64, u64)>> {
        if kind.flags & MANAGED_DICT == 0 {
            return None;
        }
        let dictionary = self.pointer(object.checked_sub(MANAGED_DICT_BEFORE)?)?;
        if dictionary != 0 {
            return Some(self.entries(dictionary, limit)?.0);
        }
        if kind.flags & INLINE_VALUES == 0 {
            return None;
        }
        let cached = HT_CACHED_KEYS.iter().find(|(minor, _)| *minor == self.offsets.version.1)?.1;
        let keys = self.pointer(kind.address + cached)?;
        let values = object + self.uint(kind.address + TP_BASICSIZE, 4)?;
        // PyDictValues: the fourth byte says whether they are valid.
        if self.uint(values + 3, 1)? != 1 {
            return None;
        }
        Some(self.split(keys, values, limit)?.0)
    }

    /// The entries of a dictionary as keys and values, and how many there are.
    fn entries(&self, dictionary: u64, limit: u64) -> Option<(Vec<(u64, u64)>, u64)> {
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

    /// Entries whose keys are shared with other objects of a type. `PyDictValues` has its capacity, the number of values in
    /// use, two flags, the values, and the order in which they were set: a byte each.
    fn split(&self, keys: u64, values: u64, limit: u64) -> Option<(Vec<(u64, u64)>, u64)> {
        let table = self.keys(keys).filter(|table| table.kind == 2)?;
        let (capacity, count) = (self.uint(values, 1)?, self.uint(values + 1, 1)?);
        if count > capacity || count > table.used {
            return None;
        }
        let order = values + 4 + 4 * capacity;
        let pair = |nth| {
            let index = self.uint(order + nth, 1).filter(|&index| index < capacity && index < table.used)?;
            Some((self.pointer(table.entries + 8 * index)?, self.pointer(values + 4 + 4 * index)?))
        };
        let found = (0..count.min(limit)).map(pair).collect::<Option<Vec<_>>>()?;
        found.iter().all(|pair| pair.0 != 0 && pair.1 != 0).then_some((found, count))
    }

    /// The attributes that a type has a slot for, and their values, as far as they are set.
    fn slots(&self, object: u64, kind: &Type, limit: usize) -> Vec<(String, u64)> {
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

    /// PyDictKeysObject: its second word holds the log of the size, that of the bytes of indices, and the kind.
    fn keys(&self, address: u64) -> Option<Keys> {
        let log_bytes = self.uint(address + 5, 1).filter(|&log| log < 24)?;
        let kind = self.uint(address + 6, 1).filter(|&kind| kind <= 2)?;
        let used = self.uint(address + 16, 4).filter(|&used| used <= MAX_SLOTS)?;
        Some(Keys { kind, used, entries: address + 20 + (1 << log_bytes) })
    }

    fn set(&self, object: u64, limit: u64) -> Option<(Vec<u64>, u64)> {
        let used = self.uint(object + self.offsets.set_used, 4)?;
        let mask = self.uint(object + self.offsets.set_mask, 4).filter(|&mask| mask < MAX_SLOTS && used <= mask)?;
        let table = self.pointer(object + self.offsets.set_table)?;
        let mut found = Vec::new();
        let mut count = 0;
        for nth in 0..=mask {
            let (key, hash) = (self.pointer(table + 8 * nth)?, self.uint(table + 8 * nth + 4, 4)?);
            // A place from which an element was removed has the hash −1, which no element has.
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
        let (count, sign) = (tag >> 3, tag & 3);
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

    /// An object as `repr()` writes it; `None` where what stands there is no object. A type that is not known is written as
    /// `<Name object at 0x…>`.
    pub fn repr(&self, object: u64, limits: Limits) -> Option<String> {
        let kind = self.type_of(object)?;
        let written = self.repr_of(object, &kind, limits)?;
        self.written.set(self.written.get() + written.len());
        Some(written)
    }

    fn repr_of(&self, object: u64, kind: &Type, limits: Limits) -> Option<String> {
        let is = |flag: u64, name: &str| kind.flags & flag != 0 && kind.name == name;
        let inner = Limits { depth: limits.depth.saturating_sub(1), ..limits };
        let limit = u64::from(limits.elements);
        let deep = limits.depth == 0 || self.written.get() > MAX_WRITTEN;
        let element = |item: &u64| self.repr(*item, inner).unwrap_or_else(|| "<unreadable>".to_owned());
        let list = |open: &str, items: Option<(Vec<u64>, u64)>, close: &str, none: &str| {
            let (items, count) = items?;
            if count == 0 {
                return Some(none.to_owned());
            }
            if deep {
                return Some(format!("{open}…{close}"));
            }
            let rest = if count > items.len() as u64 { ", …" } else { "" };
            let single = if open == "(" && count == 1 { "," } else { "" };
            Some(format!("{open}{}{rest}{single}{close}", items.iter().map(element).collect::<Vec<_>>().join(", ")))
        };
        let pairs = |pairs: Option<(Vec<(u64, u64)>, u64)>| {
            let (pairs, count) = pairs?;
            if deep && count > 0 {
                return Some("{…}".to_owned());
            }
            let rest = if count > pairs.len() as u64 { ", …" } else { "" };
            let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", element(key), element(value)));
            Some(format!("{{{}{rest}}}", pairs.collect::<Vec<_>>().join(", ")))
        };
        match &*kind.name {
            "NoneType" => Some("None".to_owned()),
            "bool" if kind.flags & LONG != 0 => match &*self.integer(object)? {
                "0" => Some("False".to_owned()),
                _ => Some("True".to_owned()),
            },
            "ellipsis" => Some("Ellipsis".to_owned()),
            "float" => Some(text::float(f64::from_bits(self.uint(object + self.offsets.float_value, 8)?))),
            "set" => list("{", self.set(object, limit), "}", "set()"),
            "frozenset" => list("frozenset({", self.set(object, limit), "})", "frozenset()"),
            _ if is(LONG, "int") => self.integer(object),
            _ if is(UNICODE, "str") => {
                let (text, whole) = self.str_cut(object)?;
                Some(format!("{}{}", text::quote(&text), if whole { "" } else { "…" }))
            }
            _ if is(BYTES, "bytes") => {
                let (bytes, whole) = self.bytes(object)?;
                let shown = &bytes[..bytes.len().min(MAX_TEXT as usize)];
                let cut = !whole || shown.len() < bytes.len();
                Some(format!("{}{}", text::quote_bytes(shown), if cut { "…" } else { "" }))
            }
            _ if is(TUPLE, "tuple") => list("(", self.tuple(object, limit), ")", "()"),
            _ if is(LIST, "list") => list("[", self.list(object, limit), "]", "[]"),
            _ if is(DICT, "dict") => pairs(self.entries(object, limit)),
            _ if kind.flags & TYPE != 0 => Some(format!("<class '{}'>", self.described(object)?.name)),
            _ if kind.flags & EXCEPTION != 0 => {
                let args = self.pointer(object + EXCEPTION_ARGS)?;
                let args = if deep { "(…)".to_owned() } else { list("(", self.tuple(args, limit), ")", "()")? };
                Some(format!("{}{}", kind.name, args.replace(",)", ")")))
            }
            name => {
                let address = format!("<{name} object at {object:#x}>");
                if deep {
                    return Some(address);
                }
                let attributes = self.attributes(object, kind, limit).unwrap_or_default();
                let named = attributes.iter().filter_map(|&(key, value)| Some((self.str(key)?, value)));
                let named = self.slots(object, kind, limits.elements as usize).into_iter().chain(named);
                let shown: Vec<_> = named.map(|(key, value)| format!("{key}={}", element(&value))).collect();
                Some(if shown.is_empty() { address } else { format!("<{name} {}>", shown.join(" ")) })
            }
        }
    }
}

/// The keys of a dictionary.
struct Keys {
    /// 0 of any type, 1 all texts, 2 all texts and shared with other dictionaries.
    kind: u64,
    /// Entries that were ever used.
    used: u64,
    entries: u64,
}
