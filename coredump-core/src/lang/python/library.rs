//! Objects of the standard library's types that are written in C, as `repr()` writes them.
//!
//! Offsets are in bytes, for 32-bit pointers. They are from the files that define the types: `Include/datetime.h`,
//! `Modules/arraymodule.c`, `Modules/_decimal/_decimal.c`, `Modules/_sre/sre.h`, `Objects/descrobject.c`,
//! `genericaliasobject.c`, `unionobject.c`, `moduleobject.c`, `namespaceobject.c`.

use std::fmt::Write;

use super::objects::{Limits, Objects, PythonType};
use super::text;

/// Offset of the first field after the header: it refers to what a view, a namespace, a module, an alias or a decorated
/// function holds.
const FIRST: u64 = 8;
const SECOND: u64 = 12;
/// Offsets in a `timedelta`: days, seconds, microseconds.
const TIMEDELTA: [u64; 3] = [12, 16, 20];
/// Offsets in a `date`, a `time` and a `datetime`: whether there is a time zone, and the packed fields. The zone
/// follows at a multiple of four.
const ZONED: u64 = 12;
const FIELDS: u64 = 13;
/// Offsets in an `array`: the length, the address of the elements, the address of the type's description, which begins
/// with the type code.
const ARRAY: [u64; 3] = [8, 12, 20];
/// Offsets in a `Decimal`: flags, exponent, number of digits, number of words, address of the words of nine digits
/// each.
const DECIMAL: [u64; 5] = [12, 16, 20, 24, 32];
const NEGATIVE: u64 = 1;
const INFINITE: u64 = 2;
const NOT_A_NUMBER: u64 = 4;
const SIGNALING: u64 = 8;
/// The number of words of a `Decimal` that are written.
const MAX_WORDS: u64 = 512;
/// Offsets in a compiled pattern: its text and its flags.
const PATTERN: (u64, u64) = (24, 28);
const FLAGS: [(u64, &str); 8] = [
    (2, "IGNORECASE"),
    (4, "LOCALE"),
    (8, "MULTILINE"),
    (16, "DOTALL"),
    (32, "UNICODE"),
    (64, "VERBOSE"),
    (128, "DEBUG"),
    (256, "ASCII"),
];

impl Objects<'_, '_> {
    /// The `repr()` of an object of one of these types: the outer `None` for another type, the inner where the memory
    /// contents make no sense.
    pub(super) fn library(&self, object: u64, base: &PythonType, limits: Limits) -> Option<Option<String>> {
        Some(match &*base.full {
            "datetime.timedelta" => self.duration(object),
            "datetime.date" => self.date(object).map(|date| format!("datetime.date({date})")),
            "datetime.datetime" => self.date_time(object, limits),
            "datetime.time" => self.time(object, 0, limits).map(|time| format!("datetime.time({})", &time[2..])),
            "datetime.timezone" => self.time_zone(object, limits),
            "decimal.Decimal" => self.decimal(object),
            "array.array" => self.array(object, limits),
            "re.Pattern" => self.pattern(object, limits),
            "mappingproxy" => self.pointer(object + FIRST).and_then(|mapping| {
                let mapping = self.within(object, ("", ""), limits, |inner| self.element(mapping, inner))?;
                Some(format!("mappingproxy({mapping})"))
            }),
            "dict_keys" | "dict_values" | "dict_items" | "odict_keys" | "odict_values" | "odict_items" => {
                self.view(object, &base.name, limits)
            }
            "types.SimpleNamespace" => self.namespace(object, limits),
            "types.GenericAlias" => self.alias(object, limits),
            "types.UnionType" | "typing.Union" => self.union(object, limits),
            "staticmethod" | "classmethod" => self.pointer(object + FIRST).and_then(|function| {
                let function = self.within(object, ("", ""), limits, |inner| self.element(function, inner))?;
                Some(format!("<{}({function})>", base.name))
            }),
            "module" => self.module(object),
            _ => return None,
        })
    }

    fn byte(&self, address: u64) -> Option<u64> {
        self.uint(address, 1)
    }

    fn signed(&self, address: u64) -> Option<i64> {
        self.uint(address, 4).map(|value| i64::from(value as u32 as i32))
    }

    fn duration(&self, object: u64) -> Option<String> {
        let [days, seconds, micros] = TIMEDELTA.map(|at| self.signed(object + at));
        let parts = [("days", days?), ("seconds", seconds?), ("microseconds", micros?)];
        let parts: Vec<_> =
            parts.iter().filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}={value}")).collect();
        Some(format!("datetime.timedelta({})", if parts.is_empty() { "0".to_owned() } else { parts.join(", ") }))
    }

    fn date(&self, object: u64) -> Option<String> {
        let field = |nth: u64| self.byte(object + FIELDS + nth);
        Some(format!("{}, {}, {}", field(0)? << 8 | field(1)?, field(2)?, field(3)?))
    }

    fn date_time(&self, object: u64, limits: Limits) -> Option<String> {
        Some(format!("datetime.datetime({}{})", self.date(object)?, self.time(object, 4, limits)?))
    }

    /// The time of day in the packed fields from byte `first` on: hours and minutes, and whatever else is not zero, as
    /// `, 4, 5, 6, tzinfo=…, fold=1`.
    fn time(&self, object: u64, first: u64, limits: Limits) -> Option<String> {
        let field = |nth: u64| self.byte(object + FIELDS + first + nth);
        let mut text = format!(", {}, {}", field(0)?, field(1)?);
        let micros = field(3)? << 16 | field(4)? << 8 | field(5)?;
        if field(2)? != 0 || micros != 0 {
            let _ = write!(text, ", {}", field(2)?);
        }
        if micros != 0 {
            let _ = write!(text, ", {micros}");
        }
        let fold = field(6)?;
        if self.byte(object + ZONED)? != 0 {
            let zone = (FIELDS + first + 7).next_multiple_of(4);
            let _ = write!(text, ", tzinfo={}", self.element(self.pointer(object + zone)?, limits));
        }
        if fold != 0 {
            let _ = write!(text, ", fold={fold}");
        }
        Some(text)
    }

    fn time_zone(&self, object: u64, limits: Limits) -> Option<String> {
        let (offset, name) = (self.pointer(object + FIRST)?, self.pointer(object + SECOND)?);
        let duration = self.repr(offset, limits)?;
        Some(match name {
            0 if duration == "datetime.timedelta(0)" => "datetime.timezone.utc".to_owned(),
            0 => format!("datetime.timezone({duration})"),
            name => format!("datetime.timezone({duration}, {})", self.element(name, limits)),
        })
    }

    fn decimal(&self, object: u64) -> Option<String> {
        let [bits, exponent, count, words, data] = DECIMAL.map(|at| object + at);
        let (bits, count, words) = (self.byte(bits)?, self.uint(count, 4)?, self.uint(words, 4)?);
        let sign = if bits & NEGATIVE != 0 { "-" } else { "" };
        let digits = || {
            if words > MAX_WORDS || count > 9 * words {
                return None;
            }
            let data = self.pointer(data)?;
            let words = (0..words).rev().map(|nth| self.uint(data + 4 * nth, 4));
            let text: String = words.map(|word| Some(format!("{:09}", word?))).collect::<Option<_>>()?;
            text.get(text.len() - count as usize..).map(str::to_owned)
        };
        let written = match bits {
            bits if bits & INFINITE != 0 => "Infinity".to_owned(),
            bits if bits & (NOT_A_NUMBER | SIGNALING) != 0 => {
                let name = if bits & SIGNALING != 0 { "sNaN" } else { "NaN" };
                format!("{name}{}", if count > 0 { digits()? } else { String::new() })
            }
            _ => text::scientific(&digits().filter(|digits| !digits.is_empty())?, self.signed(exponent)?),
        };
        Some(format!("Decimal('{sign}{written}')"))
    }

    fn array(&self, object: u64, limits: Limits) -> Option<String> {
        let [length, start, description] = ARRAY.map(|at| object + at);
        let letter = char::from(u8::try_from(self.byte(self.uint(description, 4)?)?).ok()?);
        let size = match letter {
            'b' | 'B' => 1,
            'h' | 'H' => 2,
            'i' | 'I' | 'l' | 'L' | 'f' => 4,
            'q' | 'Q' | 'd' => 8,
            // Arrays of characters are not read here: `repr()` shows them as a string.
            _ => return None,
        };
        let (length, start) = (self.uint(length, 4)?, self.uint(start, 4)?);
        if length == 0 {
            return Some(format!("array('{letter}')"));
        }
        let shown = length.min(limits.elements.into());
        let item = |nth: u64| {
            let bits = self.uint(start + nth * size, size)?;
            let unused = 64 - 8 * size as u32;
            Some(match letter {
                'f' => text::float(f32::from_bits(bits as u32).into()),
                'd' => text::float(f64::from_bits(bits)),
                letter if letter.is_ascii_lowercase() => ((bits << unused) as i64 >> unused).to_string(),
                _ => bits.to_string(),
            })
        };
        let items = (0..shown).map(item).collect::<Option<Vec<_>>>()?.join(", ");
        Some(format!("array('{letter}', [{items}{}])", if length > shown { ", …" } else { "" }))
    }

    fn pattern(&self, object: u64, limits: Limits) -> Option<String> {
        let (pattern, flags) = (self.pointer(object + PATTERN.0)?, self.uint(object + PATTERN.1, 4)?);
        let is_text = self.type_of(pattern)?.full == "str";
        // A `str` pattern has the Unicode flag by default, which `repr()` does not show.
        let shown = if is_text && flags & (4 | 32 | 256) == 32 { flags & !32 } else { flags };
        let names: Vec<_> =
            FLAGS.iter().filter(|(bit, _)| shown & bit != 0).map(|(_, name)| format!("re.{name}")).collect();
        let flags = if names.is_empty() { String::new() } else { format!(", {}", names.join("|")) };
        Some(format!("re.compile({}{flags})", self.element(pattern, limits)))
    }

    /// A view of a dictionary's keys, values or items.
    fn view(&self, object: u64, name: &str, limits: Limits) -> Option<String> {
        let dictionary = self.pointer(object + FIRST)?;
        let (pairs, count) = match name.starts_with('o') {
            true => self.ordered_entries(dictionary, limits.elements.into())?,
            false => self.entries(dictionary, limits.elements.into())?,
        };
        self.within(object, (&format!("{name}(["), "])"), limits, |inner| {
            let rest = if count > pairs.len() as u64 { ", …" } else { "" };
            let pairs = pairs.iter().map(|&(key, value)| match name {
                name if name.ends_with("keys") => self.element(key, inner),
                name if name.ends_with("values") => self.element(value, inner),
                _ => format!("({}, {})", self.element(key, inner), self.element(value, inner)),
            });
            format!("{}{rest}", pairs.collect::<Vec<_>>().join(", "))
        })
    }

    fn namespace(&self, object: u64, limits: Limits) -> Option<String> {
        let (pairs, count) = self.entries(self.pointer(object + FIRST)?, limits.elements.into())?;
        self.within(object, ("namespace(", ")"), limits, |inner| {
            let rest = if count > pairs.len() as u64 { ", …" } else { "" };
            let pairs = pairs.iter().filter_map(|&(key, value)| Some((self.str(key)?, value)));
            let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={}", self.element(value, inner))).collect();
            format!("{}{rest}", pairs.join(", "))
        })
    }

    /// `list[int]`.
    fn alias(&self, object: u64, limits: Limits) -> Option<String> {
        let origin = self.type_text(self.pointer(object + FIRST)?, limits)?;
        let (arguments, count) = self.tuple(self.pointer(object + SECOND)?, limits.elements.into())?;
        self.within(object, (&format!("{origin}["), "]"), limits, |inner| {
            if count == 0 {
                return "()".to_owned();
            }
            self.type_texts(&arguments, count, ", ", inner)
        })
    }

    /// `int | None`.
    fn union(&self, object: u64, limits: Limits) -> Option<String> {
        let (arguments, count) = self.tuple(self.pointer(object + FIRST)?, limits.elements.into())?;
        self.within(object, ("", ""), limits, |inner| self.type_texts(&arguments, count, " | ", inner))
    }

    fn type_texts(&self, all: &[u64], count: u64, between: &str, limits: Limits) -> String {
        let texts = all.iter().map(|&one| self.type_text(one, limits).unwrap_or_else(|| "<unreadable>".to_owned()));
        let rest = if count > all.len() as u64 { format!("{between}…") } else { String::new() };
        format!("{}{rest}", texts.collect::<Vec<_>>().join(between))
    }

    /// A type argument as `repr()` shows it within another type: by its name alone.
    fn type_text(&self, object: u64, limits: Limits) -> Option<String> {
        let written = self.repr(object, limits)?;
        Some(match &*written {
            "Ellipsis" => "...".to_owned(),
            "<class 'NoneType'>" => "None".to_owned(),
            written => match written.strip_prefix("<class '").and_then(|name| name.strip_suffix("'>")) {
                Some(name) => name.to_owned(),
                None => written.to_owned(),
            },
        })
    }

    /// `<module 'string' from '/lib/string.py'>`, from the module's `__spec__`.
    fn module(&self, object: u64) -> Option<String> {
        let (entries, _) = self.entries(self.pointer(object + FIRST)?, 4096)?;
        let entry =
            |name: &str| entries.iter().find(|(key, _)| self.str(*key).as_deref() == Some(name)).map(|one| one.1);
        let name = self.element(entry("__name__")?, Limits { depth: 1, elements: 1 });
        let attributes = entry("__spec__").and_then(|spec| self.attributes(spec, &self.type_of(spec)?, 16));
        let attributes = attributes.unwrap_or_default();
        let attribute =
            |name: &str| attributes.iter().find(|(key, _)| self.str(*key).as_deref() == Some(name)).map(|one| one.1);
        let origin = attribute("origin").and_then(|origin| self.str(origin));
        let has_location =
            attribute("_set_fileattr").and_then(|flag| self.integer(flag)).is_some_and(|flag| flag != "0");
        Some(match origin {
            Some(origin) if has_location => {
                let origin: Vec<_> = origin.chars().map(u32::from).collect();
                format!("<module {name} from {}>", text::quote(&origin))
            }
            Some(origin) => format!("<module {name} ({origin})>"),
            None => format!("<module {name}>"),
        })
    }
}
