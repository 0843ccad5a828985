//! The classes of Kotlin's library that are not written as a list of their fields.

use std::ops::Range;

use super::class::Class;
use super::numbers::{instant, part_text, quoted, uuid};
use super::{FieldReading, Kotlin, MESSAGE, NamedObjects, ObjectForm, Reading};
use crate::objects::{Field, Link, Object, ObjectKind};

/// The most lists, each a view of the next, that are followed.
const VIEWS: u32 = 16;
/// The most groups of a match that are written.
const GROUPS: u64 = 32;
/// The class that holds a map's entries.
const MAP: &str = "collections.HashMap";

/// Elements of a list, in the array that holds them.
#[derive(Clone, Copy)]
struct Elements<'o> {
    array: Object<'o>,
    /// Index of the first element in `array`, and the distance to the next.
    first: i64,
    step: i64,
    len: u64,
    /// True if the list wraps from the end of the array to its start.
    wraps: bool,
    reading: Reading,
}

impl Elements<'_> {
    fn get(&self, index: u64) -> Option<FieldReading> {
        let at = self.first.checked_add(self.step.checked_mul(i64::try_from(index).ok()?)?)?;
        let capacity = i64::try_from(self.array.len).ok()?;
        let at = if self.wraps && at >= capacity { at - capacity } else { at };
        let field = self.array.get(usize::try_from(at).ok()?)?;
        Some(FieldReading { field, reading: self.reading })
    }

    /// The elements of a window. An element that the dump does not hold is unknown.
    fn window(&self, window: &Range<u64>) -> Vec<FieldReading> {
        let unknown = FieldReading::new(Field::Ref(Link::Unknown));
        let end = window.end.min(self.len);
        (window.start.min(end)..end).map(|index| self.get(index).unwrap_or(unknown)).collect()
    }

    /// The elements from one of them on.
    fn from(self, first: i32, len: i32) -> Option<Self> {
        let (skipped, len) = (u64::try_from(first).ok()?, u64::try_from(len).ok()?);
        (skipped.checked_add(len)? <= self.len).then_some(Elements {
            first: self.first.checked_add(self.step.checked_mul(i64::from(first))?)?,
            len,
            ..self
        })
    }
}

/// Returns the reading of an array's elements. `outer` is the reading of the value that refers to the array, `own` is
/// the array's own.
pub fn read_as(outer: Reading, own: Reading) -> Reading {
    match (outer, own) {
        (Reading::Unsigned, _) | (Reading::Signed, Reading::Number) => outer,
        _ => own,
    }
}

impl Kotlin {
    /// Returns the form in which an object of this class of the library, or of a subclass, is written; `None` if it is
    /// written as its fields.
    pub(super) fn known(
        &self,
        view: &NamedObjects<'_>,
        object: &Object<'_>,
        class: &Class,
        name: &str,
        window: &Range<u64>,
    ) -> Option<ObjectForm> {
        let listed = |elements: Elements<'_>| ObjectForm::Elements {
            open: "[",
            parts: elements.window(window),
            len: elements.len,
            close: "]",
        };
        let Some(simple) = name.strip_prefix("kotlin.") else { return self.lambda(view, object, class) };
        let own = |name: &str| self.get(view, object, simple, name).map(FieldReading::new);
        let backing = || self.object(view, object, simple, "backing");
        Some(match simple {
            "String" => ObjectForm::Text(self.text(view, object, window.clone())?),
            "text.StringBuilder" => ObjectForm::Text(self.built(view, object, window.clone())?),
            "Unit" => ObjectForm::Plain("kotlin.Unit".to_owned()),
            "Int" | "Long" | "Float" | "Double" | "Byte" | "Short" => ObjectForm::Plain(part_text(own("value")?)?),
            "UInt" | "ULong" | "UByte" | "UShort" => {
                ObjectForm::Plain(part_text(own("data")?.read(Reading::Unsigned))?)
            }
            "Boolean" => ObjectForm::Plain(part_text(own("value")?.read(Reading::Truth))?),
            "Char" => ObjectForm::Plain(part_text(own("value")?.read(Reading::Character))?),
            "time.Duration" => ObjectForm::Plain(part_text(own("rawValue")?.read(Reading::Duration))?),
            "time.Instant" => match (own("epochSeconds")?.field, own("nanosecondsOfSecond")?.field) {
                (Field::I64(seconds), Field::I32(nanoseconds)) => ObjectForm::Plain(instant(seconds, nanoseconds)?),
                _ => return None,
            },
            "uuid.Uuid" => match (own("mostSignificantBits")?.field, own("leastSignificantBits")?.field) {
                (Field::I64(high), Field::I64(low)) => ObjectForm::Plain(uuid(high as u64, low as u64)),
                _ => return None,
            },
            "KotlinVersion" => {
                let [major, minor, patch] = ["major", "minor", "patch"].map(|name| own(name).and_then(part_text));
                ObjectForm::Plain(format!("{}.{}.{}", major?, minor?, patch?))
            }
            "text.Regex" => {
                let pattern = self.object(view, object, simple, "nativePattern")?;
                ObjectForm::Plain(self.plain_text(view, &pattern, "text.regex.Pattern", "pattern")?)
            }
            "text.regex.MatchResultImpl" => ObjectForm::Plain(self.matched(view, object, simple)?),
            "Enum" => ObjectForm::Plain(self.plain_text(view, object, simple, "name")?),
            "Throwable" => {
                let message =
                    self.object(view, object, simple, "message").and_then(|text| self.text(view, &text, 0..1 << 10));
                let message = message.map(|text| {
                    let text = String::from_utf16_lossy(&text.units);
                    format!(": {}", crate::text::escape(&text))
                });
                ObjectForm::Plain(format!("{}{}", class.simple(), message.unwrap_or_default()))
            }
            "Pair" => {
                ObjectForm::Elements { open: "(", parts: vec![own("first")?, own("second")?], len: 2, close: ")" }
            }
            "Triple" => ObjectForm::Elements {
                open: "(",
                parts: vec![own("first")?, own("second")?, own("third")?],
                len: 3,
                close: ")",
            },
            "Result" => {
                let value = own("value")?;
                match self.is_of(view, value, "kotlin.Result.Failure") {
                    true => ObjectForm::Other(value),
                    false => ObjectForm::Elements { open: "Success(", parts: vec![value], len: 1, close: ")" },
                }
            }
            "Result.Failure" => {
                ObjectForm::Elements { open: "Failure(", parts: vec![own("exception")?], len: 1, close: ")" }
            }
            "UnsafeLazyImpl" => {
                let value = own("_value")?;
                let class = match value.field {
                    Field::Ref(Link::Object(id)) => view.get(id).and_then(|object| self.class(view, &object)),
                    _ => None,
                };
                match class.is_some_and(|class| class.is("kotlin.UNINITIALIZED_VALUE")) {
                    true => ObjectForm::Plain("Lazy(not initialized)".to_owned()),
                    false => ObjectForm::Elements { open: "Lazy(", parts: vec![value], len: 1, close: ")" },
                }
            }
            "InitializedLazyImpl" => {
                ObjectForm::Elements { open: "Lazy(", parts: vec![own("value")?], len: 1, close: ")" }
            }
            "ranges.IntProgression" | "ranges.LongProgression" => {
                self.progression(view, object, simple, Reading::Signed)?
            }
            "ranges.UIntProgression" | "ranges.ULongProgression" => {
                self.progression(view, object, simple, Reading::Unsigned)?
            }
            "ranges.CharProgression" => self.progression(view, object, simple, Reading::Character)?,
            "ranges.ClosedDoubleRange" | "ranges.ClosedFloatRange" => {
                ObjectForm::Plain(format!("{}..{}", part_text(own("_start")?)?, part_text(own("_endInclusive")?)?))
            }
            "ranges.OpenEndDoubleRange" | "ranges.OpenEndFloatRange" => {
                ObjectForm::Plain(format!("{}..<{}", part_text(own("_start")?)?, part_text(own("_endExclusive")?)?))
            }
            "ranges.ComparableRange" => ObjectForm::Plain(format!(
                "{}..{}",
                self.bound_of(view, own("start")?)?,
                self.bound_of(view, own("endInclusive")?)?
            )),
            "ranges.ComparableOpenEndRange" => ObjectForm::Plain(format!(
                "{}..<{}",
                self.bound_of(view, own("start")?)?,
                self.bound_of(view, own("endExclusive")?)?
            )),
            "concurrent.atomics.AtomicInt" | "concurrent.atomics.AtomicLong" | "concurrent.atomics.AtomicReference" => {
                ObjectForm::Other(own("value")?)
            }
            "concurrent.atomics.AtomicBoolean" => ObjectForm::Other(own("value")?.read(Reading::Truth)),
            "collections.HashMap" => self.map(view, object, window)?,
            "collections.HashMapEntrySet" => match self.map(view, &backing()?, window)? {
                ObjectForm::Entries { parts, len, .. } => ObjectForm::Entries { open: "[", parts, len, close: "]" },
                other => other,
            },
            "collections.HashMap.EntryRef" => {
                let map = self.object(view, object, simple, "map")?;
                let index = u64::try_from(self.int(view, object, simple, "index")?).ok()?;
                ObjectForm::Entries { open: "", parts: vec![self.entry(view, &map)?(index)?], len: 1, close: "" }
            }
            "collections.HashSet" | "collections.HashMapKeys" => {
                self.half(view, &backing()?, window, |(key, _)| key)?
            }
            "collections.HashMapValues" => self.half(view, &backing()?, window, |(_, value)| value)?,
            "collections.EmptyList" | "collections.EmptySet" => {
                ObjectForm::Elements { open: "[", parts: Vec::new(), len: 0, close: "]" }
            }
            "collections.MapWithDefaultImpl" | "collections.MutableMapWithDefaultImpl" => {
                ObjectForm::Other(own("map")?)
            }
            "collections.EmptyMap" => ObjectForm::Entries { open: "{", parts: Vec::new(), len: 0, close: "}" },
            "wasm.internal.KClassImpl" => match own("rtti")?.field {
                Field::Ref(Link::Object(id)) => {
                    ObjectForm::Plain(format!("class {}", self.class_of_information(view, id)?.name()))
                }
                _ => return None,
            },
            "wasm.internal.KPropertyImplBase" => {
                ObjectForm::Plain(format!("::{}", self.plain_text(view, object, simple, "_name")?))
            }
            "wasm.internal.KFunctionImplNew" => {
                ObjectForm::Plain(format!("::{}", self.plain_text(view, object, simple, "name")?))
            }
            _ if simple.starts_with("internal.SharedVariableBox") => {
                let reading = match &simple["internal.SharedVariableBox".len()..] {
                    "Boolean" => Reading::Truth,
                    "Char" => Reading::Character,
                    _ => Reading::Signed,
                };
                ObjectForm::Other(FieldReading::new(object.get(*self.own(view, object).first()?)?).read(reading))
            }
            _ if simple == "Any" => return self.lambda(view, object, class),
            _ => listed(self.elements(view, object, simple, VIEWS)?),
        })
    }

    /// The value of a delegated property, if `delegate` is one of the library's that store it. `None` for other
    /// delegates, which may compute it, and for a `lazy` that was not initialised yet.
    pub fn delegated(&self, view: &NamedObjects<'_>, delegate: FieldReading) -> Option<FieldReading> {
        const KEPT: [&str; 2] = ["properties.ObservableProperty", "properties.NotNullVar"];
        let Field::Ref(Link::Object(id)) = delegate.field else { return None };
        let object = view.get(id)?;
        let class = self.class(view, &object)?;
        let is = |simple: &&&str| class.is(&format!("kotlin.{simple}"));
        if let Some(kept) = KEPT.iter().find(is) {
            let value = self.get(view, &object, kept, "value")?;
            return (value != Field::Ref(Link::Null) || *kept == KEPT[0]).then(|| FieldReading::new(value));
        }
        match self.meaning(view, &object, 0..1)?.form {
            ObjectForm::Elements { open: "Lazy(", parts, .. } => parts.first().copied(),
            _ => None,
        }
    }

    /// The elements of a list or array of the class `kotlin.SIMPLE`, however it holds them.
    fn elements<'v>(
        &self,
        view: &NamedObjects<'v>,
        object: &Object<'_>,
        simple: &str,
        depth: u32,
    ) -> Option<Elements<'v>> {
        let depth = depth.checked_sub(1)?;
        let int = |name| self.int(view, object, simple, name);
        // The elements of a list that a field of this one refers to.
        let of = |name| {
            let other = self.object(view, object, simple, name)?;
            let class = self.class(view, &other)?;
            let simples = class.names().filter_map(|name| name.strip_prefix("kotlin."));
            simples.into_iter().find_map(|simple| self.elements(view, &other, simple, depth))
        };
        let all =
            |array: Object<'v>, reading| Elements { array, first: 0, step: 1, len: array.len, wraps: false, reading };
        let stored = |reading| {
            let storage = self.object(view, object, simple, "storage")?;
            (storage.kind() == ObjectKind::Array).then(|| all(storage, reading))
        };
        let read = |elements: Elements<'v>, reading| Elements { reading, ..elements };
        let is_bare = || self.own(view, object).len() == object.held();
        Some(match simple {
            "Array" | "FloatArray" | "DoubleArray" => stored(Reading::Signed)?,
            // Of arrays without runtime type information, an optimiser has made one type of those whose elements are as
            // wide.
            "ShortArray" | "CharArray" | "ByteArray" | "BooleanArray" if is_bare() => stored(Reading::Unknown)?,
            "IntArray" | "LongArray" | "ShortArray" | "ByteArray" => stored(self.elements_reading(view, object))?,
            "CharArray" => stored(Reading::Character)?,
            "BooleanArray" => stored(Reading::Truth)?,
            "UIntArray" | "ULongArray" | "UShortArray" | "UByteArray" => read(of("storage")?, Reading::Unsigned),
            "collections.ArrayList" => of("backing")?.from(0, int("length")?)?,
            "collections.ArrayList.ArraySubList" => of("backing")?.from(int("offset")?, int("length")?)?,
            "collections.AbstractList.SubList" | "collections.AbstractMutableList.SubList" => {
                of("list")?.from(int("fromIndex")?, int("_size")?)?
            }
            "collections.ReversedList" | "collections.ReversedListReadOnly" => {
                let list = of("delegate")?;
                let last = list.first.checked_add(list.step.checked_mul(i64::try_from(list.len).ok()? - 1)?)?;
                Elements { first: last, step: list.step.checked_neg()?, ..list }
            }
            "collections.ArrayDeque" => {
                let array = of("elementData")?;
                let (head, len) = (int("head")?, u64::try_from(int("size")?).ok()?);
                let fits = len <= array.len && u64::try_from(head).is_ok_and(|head| head < array.len.max(1));
                fits.then_some(Elements { first: i64::from(head), len, wraps: true, ..array })?
            }
            "collections.ArrayAsCollection" => of("values")?,
            "concurrent.atomics.AtomicIntArray"
            | "concurrent.atomics.AtomicLongArray"
            | "concurrent.atomics.AtomicArray" => of("array")?,
            "enums.EnumEntriesList" => of("entries")?,
            // `asList` of an array is an object without a name.
            "collections.<no name provided>" => {
                let own = self.own(view, object);
                let [field] = own[..] else { return None };
                let reading = self.reading(view, object, field);
                let list = of("$this_asList")?;
                Elements { reading: read_as(reading, list.reading), ..list }
            }
            _ => return None,
        })
    }

    /// A function that gives the entry at an index of a map's arrays; `None` from it where an entry was removed.
    fn entry<'v>(
        &self,
        view: &NamedObjects<'v>,
        map: &Object<'_>,
    ) -> Option<impl Fn(u64) -> Option<(FieldReading, FieldReading)> + use<'v>> {
        let array = |name, class| self.elements(view, &self.object(view, map, MAP, name)?, class, VIEWS);
        let keys = array("keysArray", "Array")?;
        // A set's map has no values.
        let values = array("valuesArray", "Array");
        let present = array("presenceArray", "IntArray")?;
        let unknown = FieldReading::new(Field::Ref(Link::Unknown));
        Some(move |index| match present.get(index)?.field {
            Field::I32(place) if place >= 0 => {
                let value = values.as_ref().map_or(Some(unknown), |values| values.get(index));
                Some((keys.get(index)?, value.unwrap_or(unknown)))
            }
            _ => None,
        })
    }

    fn map(&self, view: &NamedObjects<'_>, map: &Object<'_>, window: &Range<u64>) -> Option<ObjectForm> {
        let used = u64::try_from(self.int(view, map, MAP, "length")?).ok()?;
        let len = u64::try_from(self.int(view, map, MAP, "_size")?).ok()?;
        let entry = self.entry(view, map)?;
        // There are no more entries than the arrays have, whatever the map's fields say.
        let places = self.object(view, map, MAP, "presenceArray");
        let places = places.and_then(|array| self.object(view, &array, "IntArray", "storage"));
        let used = used.min(places.map_or(0, |array| array.held() as u64));
        if !self.spend(used) {
            return None;
        }
        let count = usize::try_from(window.end.saturating_sub(window.start)).unwrap_or(usize::MAX);
        let skipped = usize::try_from(window.start).unwrap_or(usize::MAX);
        let parts = (0..used).filter_map(entry).skip(skipped).take(count).collect();
        Some(ObjectForm::Entries { open: "{", parts, len, close: "}" })
    }

    /// The keys or the values of a map.
    fn half(
        &self,
        view: &NamedObjects<'_>,
        map: &Object<'_>,
        window: &Range<u64>,
        half: impl Fn((FieldReading, FieldReading)) -> FieldReading,
    ) -> Option<ObjectForm> {
        let ObjectForm::Entries { parts, len, .. } = self.map(view, map, window)? else { return None };
        Some(ObjectForm::Elements { open: "[", parts: parts.into_iter().map(half).collect(), len, close: "]" })
    }

    fn progression(
        &self,
        view: &NamedObjects<'_>,
        object: &Object<'_>,
        simple: &str,
        reading: Reading,
    ) -> Option<ObjectForm> {
        let text = |name| part_text(FieldReading { field: self.get(view, object, simple, name)?, reading });
        let (first, last) = (text("first")?, text("last")?);
        let step = match self.get(view, object, simple, "step")? {
            Field::I32(step) => i64::from(step),
            Field::I64(step) => step,
            _ => return None,
        };
        Some(ObjectForm::Plain(match step {
            1 => format!("{first}..{last}"),
            2.. => format!("{first}..{last} step {step}"),
            _ => format!("{first} downTo {last} step {}", step.unsigned_abs()),
        }))
    }

    /// An end of a range, if its value is written in short, which a range itself is not.
    fn bound_of(&self, view: &NamedObjects<'_>, part: FieldReading) -> Option<String> {
        let Field::Ref(Link::Object(id)) = part.field else { return None };
        let object = view.get(id)?;
        let class = self.class(view, &object)?;
        if class.name().starts_with("kotlin.ranges.") {
            return None;
        }
        match self.meaning(view, &object, 0..MESSAGE)?.form {
            ObjectForm::Plain(text) => Some(text),
            ObjectForm::Text(text) if text.whole && text.len <= MESSAGE => Some(quoted(&text.units)),
            _ => None,
        }
    }

    /// A lambda or a local function. Those of one shape share a class, so the function that it refers to names it.
    fn lambda(&self, view: &NamedObjects<'_>, object: &Object<'_>, class: &Class) -> Option<ObjectForm> {
        let simple = class.simple();
        let shape = simple.strip_prefix("Suspend").unwrap_or(simple);
        let Some(Field::Ref(Link::Function { instance, index })) =
            self.own(view, object).first().and_then(|own| object.get(*own)).filter(|_| shape.starts_with("Function"))
        else {
            return None;
        };
        let name = view.function_in(instance, object, index);
        Some(ObjectForm::Record(match name {
            Some(name) => name.strip_suffix(".invoke").unwrap_or(name).to_owned(),
            None => format!("lambda func[{index}]"),
        }))
    }

    /// The text that a regular expression matched, where it stands, and the texts of the groups: `null` of one without.
    fn matched(&self, view: &NamedObjects<'_>, object: &Object<'_>, simple: &str) -> Option<String> {
        let input = self.object(view, object, simple, "input")?;
        let bounds = self.object(view, object, simple, "groupBounds")?;
        let bounds = self.elements(view, &bounds, "IntArray", VIEWS)?;
        let group = |number: u64| -> Option<Option<(u64, u64, String)>> {
            match (bounds.get(number * 2)?.field, bounds.get(number * 2 + 1)?.field) {
                (Field::I32(-1), Field::I32(_)) => Some(None),
                (Field::I32(start), Field::I32(end)) => {
                    let (start, end) = (u64::try_from(start).ok()?, u64::try_from(end).ok().filter(|_| start <= end)?);
                    let shown = start..end.min(start + MESSAGE);
                    let ObjectForm::Text(text) = self.meaning(view, &input, shown)?.form else { return None };
                    let more = if end - start > MESSAGE { "…" } else { "" };
                    (text.whole && end <= text.len).then(|| Some((start, end, quoted(&text.units) + more)))
                }
                _ => None,
            }
        };
        let (start, end, value) = group(0)??;
        let mut groups = Vec::new();
        for number in 1..(bounds.len / 2).min(GROUPS) {
            groups.push(group(number)?.map_or_else(|| "null".to_owned(), |(_, _, text)| text));
        }
        let groups = if groups.is_empty() { String::new() } else { format!(", groups=[{}]", groups.join(", ")) };
        Some(format!("MatchResult(value={value}, range={start}..{}{groups})", end as i64 - 1))
    }

    /// A string in a field, without quotes.
    fn plain_text(&self, view: &NamedObjects<'_>, object: &Object<'_>, class: &str, name: &str) -> Option<String> {
        let text = self.text(view, &self.object(view, object, class, name)?, 0..1 << 10)?;
        let text = String::from_utf16_lossy(&text.units);
        Some(crate::text::escape(&text).into_owned())
    }
}
