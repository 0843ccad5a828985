//! The fields of classes of Kotlin's library. A field is found by its name; where names are lost, by its index in these
//! layouts of Kotlin 2.4.20, provided that the object's fields have the storage types listed, because optimisers remove
//! fields.

use super::{Kotlin, NamedObjects};
use crate::module::Module;
use crate::objects::Storage::{self, F32, F64, I8, I16, I32, I64, Ref};
use crate::objects::{Field, Link, Object};

/// The fields that every object begins with.
pub(super) const HEADER: [(&str, Storage); 4] = [("vtable", Ref), ("itable", Ref), ("rtti", Ref), ("_hashCode", I32)];

type Fields = &'static [(&'static str, Storage)];

/// For each class its fields after those, superclasses' first.
const LAYOUTS: &[(&str, Fields)] = &[
    ("String", &[("leftIfInSum", Ref), ("length", I32), ("_chars", Ref)]),
    ("text.Regex", &[("nativePattern", Ref), ("startNode", Ref)]),
    (
        "text.regex.MatchResultImpl",
        &[("input", Ref), ("regex", Ref), ("nativePattern", Ref), ("groupCount", I32), ("groupBounds", Ref)],
    ),
    ("text.regex.Pattern", &[("pattern", Ref), ("flags", I32)]),
    ("text.StringBuilder", &[("array", Ref), ("_length", I32)]),
    ("Int", &[("value", I32)]),
    ("Long", &[("value", I64)]),
    ("Short", &[("value", I16)]),
    ("Byte", &[("value", I8)]),
    ("Float", &[("value", F32)]),
    ("Double", &[("value", F64)]),
    ("Boolean", &[("value", I8)]),
    ("Char", &[("value", I16)]),
    ("UInt", &[("data", I32)]),
    ("ULong", &[("data", I64)]),
    ("UShort", &[("data", I16)]),
    ("UByte", &[("data", I8)]),
    ("Enum", &[("name", Ref), ("ordinal", I32)]),
    ("Throwable", &[("message", Ref), ("cause", Ref), ("suppressedExceptionsList", Ref)]),
    ("Pair", &[("first", Ref), ("second", Ref)]),
    ("Triple", &[("first", Ref), ("second", Ref), ("third", Ref)]),
    ("Result", &[("value", Ref)]),
    ("Result.Failure", &[("exception", Ref)]),
    ("UnsafeLazyImpl", &[("initializer", Ref), ("_value", Ref)]),
    ("InitializedLazyImpl", &[("value", Ref)]),
    ("ranges.IntProgression", &[("first", I32), ("last", I32), ("step", I32)]),
    ("ranges.UIntProgression", &[("first", I32), ("last", I32), ("step", I32)]),
    ("ranges.LongProgression", &[("first", I64), ("last", I64), ("step", I64)]),
    ("ranges.ULongProgression", &[("first", I64), ("last", I64), ("step", I64)]),
    ("ranges.CharProgression", &[("first", I16), ("last", I16), ("step", I32)]),
    ("ranges.ClosedDoubleRange", &[("_start", F64), ("_endInclusive", F64)]),
    ("ranges.ClosedFloatRange", &[("_start", F32), ("_endInclusive", F32)]),
    ("ranges.OpenEndDoubleRange", &[("_start", F64), ("_endExclusive", F64)]),
    ("ranges.OpenEndFloatRange", &[("_start", F32), ("_endExclusive", F32)]),
    ("ranges.ComparableRange", &[("start", Ref), ("endInclusive", Ref)]),
    ("ranges.ComparableOpenEndRange", &[("start", Ref), ("endExclusive", Ref)]),
    ("concurrent.atomics.AtomicInt", &[("value", I32)]),
    ("concurrent.atomics.AtomicLong", &[("value", I64)]),
    ("concurrent.atomics.AtomicBoolean", &[("value", I8)]),
    ("concurrent.atomics.AtomicReference", &[("value", Ref)]),
    ("concurrent.atomics.AtomicIntArray", &[("array", Ref)]),
    ("concurrent.atomics.AtomicLongArray", &[("array", Ref)]),
    ("concurrent.atomics.AtomicArray", &[("array", Ref)]),
    ("Array", STORAGE),
    ("IntArray", STORAGE),
    ("LongArray", STORAGE),
    ("ShortArray", STORAGE),
    ("ByteArray", STORAGE),
    ("FloatArray", STORAGE),
    ("DoubleArray", STORAGE),
    ("CharArray", STORAGE),
    ("BooleanArray", STORAGE),
    ("UIntArray", STORAGE),
    ("ULongArray", STORAGE),
    ("UShortArray", STORAGE),
    ("UByteArray", STORAGE),
    ("collections.ArrayList", &[("modCount", I32), ("backing", Ref), ("length", I32), ("isReadOnly", I8)]),
    (
        "collections.ArrayList.ArraySubList",
        &[("modCount", I32), ("backing", Ref), ("offset", I32), ("length", I32), ("parent", Ref), ("root", Ref)],
    ),
    (
        "collections.AbstractMutableList.SubList",
        &[("modCount", I32), ("list", Ref), ("fromIndex", I32), ("_size", I32)],
    ),
    ("collections.AbstractList.SubList", &[("list", Ref), ("fromIndex", I32), ("_size", I32)]),
    ("collections.ReversedList", &[("modCount", I32), ("delegate", Ref)]),
    ("collections.ReversedListReadOnly", &[("delegate", Ref)]),
    ("collections.ArrayDeque", &[("modCount", I32), ("head", I32), ("elementData", Ref), ("size", I32)]),
    ("collections.ArrayAsCollection", &[("values", Ref), ("isVarargs", I8)]),
    ("collections.<no name provided>", &[("$this_asList", Ref)]),
    ("enums.EnumEntriesList", &[("entries", Ref)]),
    (
        "collections.HashMap",
        &[
            ("keysArray", Ref),
            ("valuesArray", Ref),
            ("presenceArray", Ref),
            ("hashArray", Ref),
            ("maxProbeDistance", I32),
            ("length", I32),
            ("hashShift", I32),
            ("modCount", I32),
            ("_size", I32),
            ("keysView", Ref),
        ],
    ),
    ("collections.HashMapEntrySet", &[("backing", Ref)]),
    ("collections.HashMapKeys", &[("backing", Ref)]),
    ("collections.HashMapValues", &[("backing", Ref)]),
    ("collections.HashSet", &[("backing", Ref)]),
    ("collections.HashMap.EntryRef", &[("map", Ref), ("index", I32)]),
    (
        "coroutines.CoroutineImpl",
        &[
            ("resultContinuation", Ref),
            ("state", I32),
            ("exceptionState", I32),
            ("result", Ref),
            ("exception", Ref),
            ("_context", Ref),
            ("intercepted_", Ref),
        ],
    ),
    ("coroutines.SafeContinuation", &[("delegate", Ref), ("result", Ref)]),
    (
        "sequences.SequenceBuilderIterator",
        &[("state", I32), ("nextValue", Ref), ("nextIterator", Ref), ("nextStep", Ref)],
    ),
    ("time.Duration", &[("rawValue", I64)]),
    ("time.Instant", &[("epochSeconds", I64), ("nanosecondsOfSecond", I32)]),
    ("uuid.Uuid", &[("mostSignificantBits", I64), ("leastSignificantBits", I64)]),
    ("KotlinVersion", &[("major", I32), ("minor", I32), ("patch", I32), ("version", I32)]),
    ("collections.MapWithDefaultImpl", &[("map", Ref), ("default", Ref)]),
    ("collections.MutableMapWithDefaultImpl", &[("map", Ref), ("default", Ref)]),
    ("wasm.internal.KClassImpl", &[("rtti", Ref)]),
    ("wasm.internal.KPropertyImplBase", &[("reflectionTargetLinkageError", Ref), ("_name", Ref)]),
    (
        "wasm.internal.KFunctionImplNew",
        &[("flags", I32), ("arity", I32), ("id", Ref), ("receiver", Ref), ("name", Ref)],
    ),
];

const STORAGE: Fields = &[("storage", Ref)];

/// The most superclasses that are followed.
pub(super) const ANCESTORS: usize = 64;

/// The type of a class and those of its superclasses, itself first.
pub(super) fn with_superclasses(module: &Module<'_>, ty: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(ty), |ty| module.supertype(*ty)).take(ANCESTORS)
}

impl Kotlin {
    /// A field of an object of the library's class `kotlin.CLASS`, or of a subclass of it.
    pub(super) fn get(&self, view: &NamedObjects<'_>, object: &Object<'_>, class: &str, name: &str) -> Option<Field> {
        let own = self.own(view, object);
        let named = self.field_names(view, object);
        if let Some(index) = own.iter().find(|index| named(**index) == Some(name)) {
            return object.get(*index);
        }
        if own.iter().any(|index| named(*index).is_some()) {
            return None;
        }
        let stored = |fields: Fields| {
            fields.len() <= own.len()
                && fields.iter().zip(&own).all(|((_, storage), own)| object.storage(*own) == Some(*storage))
        };
        let (_, fields) = LAYOUTS.iter().find(|(own, fields)| *own == class && stored(fields))?;
        object.get(*own.get(fields.iter().position(|(own, _)| *own == name)?)?)
    }

    /// The object that such a field refers to.
    pub(super) fn object<'v>(
        &self,
        view: &NamedObjects<'v>,
        object: &Object<'_>,
        class: &str,
        name: &str,
    ) -> Option<Object<'v>> {
        match self.get(view, object, class, name)? {
            Field::Ref(Link::Object(id)) => view.get(id),
            _ => None,
        }
    }

    /// A number in such a field.
    pub(super) fn int(&self, view: &NamedObjects<'_>, object: &Object<'_>, class: &str, name: &str) -> Option<i32> {
        match self.get(view, object, class, name)? {
            Field::I32(value) => Some(value),
            _ => None,
        }
    }

    /// The indices of an object's fields after the four that all objects have.
    pub(super) fn own(&self, view: &NamedObjects<'_>, object: &Object<'_>) -> Vec<usize> {
        let name = |index: usize| view.field_name(object.type_index, index);
        if (0..object.held()).all(|index| name(index).is_none()) {
            return (HEADER.len()..object.held()).collect();
        }
        // An optimised program's objects need not have all four, and a class may have a field of its own with such a
        // name.
        let begins =
            HEADER.iter().filter(|(header, _)| (0..HEADER.len()).any(|index| name(index) == Some(header))).count();
        (begins..object.held()).collect()
    }
}
