//! Containers of Zig's standard library, and vectors. The debug information describes a container as a few words, and
//! its contents are found as the library's code finds them. A container whose layout is not known is shown by its
//! members.

use std::cmp::Reverse;
use std::ops::Range;

use super::{ZigValues, integer_bits};
use crate::catalog::types::{Array, Kind, Member, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::Shown;
use crate::lang::aggregate::joined;
use crate::location::Missing;
use crate::values::{Status, Value};

/// The number of buckets of a hash map that are looked at.
const BUCKETS: u64 = 1 << 20;
/// The most members of a `MultiArrayList`'s elements. Up to this many Zig's sort is stable, so that their order is
/// known.
const COLUMNS: usize = 20;

/// The arrays of a `MultiArrayList`, which keeps each member of its elements in an array of its own.
pub(super) struct Columns<'s> {
    element: Die,
    /// Each member, and the address of its array.
    members: Vec<(Member<'s>, u64)>,
    len: u64,
}

/// Entries of a map, key and value.
type Pairs = Vec<(Value, Value)>;

/// Returns true if a type is the result of one of these generic functions of Zig's library.
pub(super) fn is_zig_type(units: &Units<'_>, die: Die, prefixes: &[&str]) -> bool {
    let name = units.name(die).unwrap_or_default();
    // The name of a type that is declared in the result goes on after the parenthesis.
    name.ends_with(b")") && prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// The element of a `MultiArrayList`, and its members in the order of their arrays.
pub(super) fn in_columns<'s>(units: &Units<'s>, die: Die) -> Option<(Die, Vec<Member<'s>>)> {
    let element = units.name(die)?.strip_prefix(b"multi_array_list.MultiArrayList(")?.strip_suffix(b")")?;
    let element = *units.types_named(die.unit, element).first()?;
    let ty = units.type_at(element)?;
    let Kind::Struct(Struct { keyword: "struct", members, .. }) = &ty.kind else { return None };
    let is = |member: &Member<'_>, name: &str| member.name == Some(name.as_bytes());
    // A tagged union is split into a tag and a bare union, which are not the members that the debug information has.
    let tagged = members.len() == 2
        && members.iter().any(|member| is(member, "payload"))
        && members.iter().any(|member| is(member, "tag"));
    if members.is_empty() || members.len() > COLUMNS || tagged {
        return None;
    }
    let mut sorted =
        members.iter().map(|member| Some((member.alignment?, member.clone()))).collect::<Option<Vec<_>>>()?;
    sorted.sort_by_key(|(alignment, _)| Reverse(*alignment));
    Some((element, sorted.into_iter().map(|(_, member)| member).collect()))
}

impl<'s> ZigValues<'_, '_, '_, 's> {
    fn is_zig_type(&self, die: Die, prefixes: &[&str]) -> bool {
        is_zig_type(&self.frame.units, die, prefixes)
    }

    /// The unmanaged map inside of a map that stores its allocator.
    pub(super) fn managed(&self, value: &Value, die: Die) -> Option<Value> {
        let known = ["hash_map.HashMap(", "array_hash_map.ArrayHashMapWithAllocator("];
        self.is_zig_type(die, &known).then(|| self.field(value, "unmanaged"))?
    }

    /// Returns the number of entries that a map has, and the keys and values of a window; `None` for another type.
    pub(super) fn map_entries(
        &self,
        value: &Value,
        die: Die,
        window: Range<u64>,
    ) -> Option<Result<(u64, Pairs), Missing>> {
        if self.is_zig_type(die, &["hash_map.Custom(", "hash_map.HashMapUnmanaged("]) {
            return self.hash_map(value, die, window);
        }
        if !self.is_zig_type(die, &["array_hash_map.Custom(", "array_hash_map.ArrayHashMapUnmanaged("]) {
            return None;
        }
        let list = self.field(value, "entries")?;
        let (die, _) = self.frame.units.peeled(list.ty)?;
        let columns = match self.columns(&list.with_type(Some(die)), die)? {
            Ok(columns) => columns,
            Err(missing) => return Some(Err(missing)),
        };
        let column = |name: &str| columns.members.iter().position(|(member, _)| member.name == Some(name.as_bytes()));
        let (key, data) = (column("key")?, column("value"));
        let entry = |row| {
            let data = data
                .map_or(Some(Value::missing(None, Missing::OptimizedOut)), |data| self.cell_of(&columns, data, row));
            Some((self.cell_of(&columns, key, row)?, data?))
        };
        let entries = (window.start..columns.len.min(window.end)).map_while(entry).collect();
        Some(Ok((columns.len, entries)))
    }

    /// A hash map: a byte of state for each bucket, preceded by a header with the addresses of keys and values.
    fn hash_map(&self, value: &Value, die: Die, window: Range<u64>) -> Option<Result<(u64, Pairs), Missing>> {
        let units = &self.frame.units;
        let size = match self.count(value, "size")? {
            Ok(0) => return Some(Ok((0, Vec::new()))),
            Ok(size) => size,
            Err(missing) => return Some(Err(missing)),
        };
        let metadata = match self.address_in(&self.field(value, "metadata")?)? {
            Ok((metadata, _)) => metadata,
            Err(missing) => return Some(Err(missing)),
        };
        let name = [units.name(die)?, b".Header"].concat();
        let header = *units.types_named(die.unit, &name).first()?;
        let start = metadata.checked_sub(units.size_of(Some(header))?);
        let Some(start) = start else { return Some(Err(Missing::Unreadable(metadata))) };
        let header = Value::in_memory(Some(header), start);
        let buckets = match self.count(&header, "capacity")? {
            Ok(buckets) if buckets.is_power_of_two() && size < buckets => buckets,
            Ok(buckets) => return Some(Err(Missing::Malformed(format!("{size} entries in {buckets} buckets")))),
            Err(missing) => return Some(Err(missing)),
        };
        let (keys, values) = match (
            self.address_in(&self.field(&header, "keys")?)?,
            self.address_in(&self.field(&header, "values")?)?,
        ) {
            (Ok(keys), Ok(values)) => (keys, values),
            (Err(missing), _) | (_, Err(missing)) => return Some(Err(missing)),
        };
        if let Err(missing) = self.check_extent(metadata, buckets) {
            return Some(Err(missing));
        }
        let states = Value::in_memory(None, metadata);
        let states = match states.read(self.frame, buckets.min(BUCKETS)) {
            Ok(states) => states,
            Err(missing) => return Some(Err(missing)),
        };
        let at = |(address, ty): (u64, Option<Die>), bucket: u64| {
            // A type of zero bits is neither stored nor described.
            let Some(size) = units.size_of(ty) else { return Some(Value::missing(None, Missing::OptimizedOut)) };
            Some(Value::in_memory(ty, address.checked_add(bucket.checked_mul(size)?)?))
        };
        // The highest bit of a bucket's byte says that it is in use.
        let used = states.iter().zip(0..).filter(|(state, _)| **state >= 0x80).map(|(_, bucket)| bucket);
        let skipped = window.start.min(size);
        let wanted = (window.end.min(size) - skipped) as usize;
        let entries: Option<Pairs> = used
            .skip(skipped as usize)
            .take(wanted)
            .map(|bucket| Some((at(keys, bucket)?, at(values, bucket)?)))
            .collect();
        Some(Ok((size, entries?)))
    }

    /// The arrays of a `MultiArrayList`: they follow each other in one block, those of the greatest alignment first.
    pub(super) fn columns(&self, value: &Value, die: Die) -> Option<Result<Columns<'s>, Missing>> {
        let units = &self.frame.units;
        let (element, sorted) = in_columns(units, die)?;
        let (len, capacity, bytes) =
            (self.count(value, "len")?, self.count(value, "capacity")?, self.address_in(&self.field(value, "bytes")?)?);
        let (len, capacity, bytes) = match (len, capacity, bytes) {
            (Ok(len), Ok(capacity), Ok((bytes, _))) => (len, capacity, bytes),
            (Err(missing), ..) | (_, Err(missing), _) | (.., Err(missing)) => return Some(Err(missing)),
        };
        if len > capacity {
            return Some(Err(Missing::Malformed(format!("{len} elements where {capacity} have room"))));
        }
        let mut at = bytes;
        let mut found = Vec::new();
        for member in sorted {
            let size = units.size_of(member.ty)?;
            found.push((member, at));
            let Some(end) = size.checked_mul(capacity).and_then(|size| at.checked_add(size)) else {
                return Some(Err(Missing::Malformed(format!("room for {capacity} elements"))));
            };
            at = end;
        }
        if len > 0
            && let Err(missing) = self.check_extent(bytes, at - bytes)
        {
            return Some(Err(missing));
        }
        Some(Ok(Columns { element, members: found, len }))
    }

    fn cell_of(&self, columns: &Columns<'s>, column: usize, row: u64) -> Option<Value> {
        let (member, address) = columns.members.get(column)?;
        let size = self.frame.units.size_of(member.ty)?;
        Some(Value::in_memory(member.ty, address.checked_add(row.checked_mul(size)?)?))
    }

    /// The elements of a `MultiArrayList`.
    pub(super) fn rows(&self, columns: &Columns<'s>, depth: u32) -> Shown {
        let (open, close) = self.lang.notation().array;
        self.sequence(open, close, columns.len, depth, |row, deeper| {
            let mut part =
                self.part(format!("[{row}]"), &Value::missing(Some(columns.element), Missing::OptimizedOut), 0);
            part.address = None;
            (part.status, part.note, part.value) = (Status::Ok, None, Some(".{...}".into()));
            let Some(deeper) = deeper.checked_sub(1) else { return Some(part) };
            for (column, (member, _)) in columns.members.iter().enumerate() {
                let name = String::from_utf8_lossy(member.name.unwrap_or_default()).into_owned();
                part.children.push(self.part(name, &self.cell_of(columns, column, row)?, deeper));
            }
            let texts: Vec<_> = part.children.iter().map(|cell| format!(".{} = {}", cell.name, cell.text())).collect();
            part.value = Some(joined(".{ ", " }", &texts));
            Some(part)
        })
    }

    /// The width in bits of an element of a vector whose elements are packed, because they do not fill whole bytes.
    fn lane_bits(&self, array: &Array) -> Option<u64> {
        let (_, ty) = self.frame.units.peeled(array.element).filter(|_| array.vector)?;
        let bits = match ty.kind {
            Kind::Base(gimli::DW_ATE_boolean) => 1,
            // The debug information gives the elements' type the vector's name.
            Kind::Base(_) => integer_bits(ty.name.map(|name| match name.strip_prefix(b"@Vector(") {
                Some(_) => name.strip_suffix(b")").unwrap_or(name).rsplit(|&byte| byte == b' ').next().unwrap_or(name),
                None => name,
            })?)?,
            _ => return None,
        };
        (bits % 8 != 0 || bits != ty.size? * 8).then_some(bits)
    }

    /// An element of such a vector.
    pub(super) fn lane(&self, value: &Value, array: &Array, index: u64) -> Option<Value> {
        let bits = self.lane_bits(array)?;
        let first = index.checked_mul(bits)?;
        Some(value.bit_field(self.frame, array.element, first, bits))
    }

    /// A member of a tuple, or an element of a packed vector, by its index; `None` for other types.
    pub(super) fn numbered_part(&self, value: &Value, number: u64) -> Option<Value> {
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let value = value.with_type(Some(die));
        match &ty.kind {
            Kind::Array(array) => match array.dimensions.as_slice() {
                [Some(count)] if number >= *count => None,
                [_] => self.lane(&value, array, number),
                _ => None,
            },
            Kind::Struct(_) => self.field(&value, &number.to_string()),
            _ => None,
        }
    }
}
