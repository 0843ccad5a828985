//! Hash maps and sets: the standard library's are wrappers around hashbrown's table.

use std::ops::Range;

use super::RustValues;
use crate::catalog::types::{Kind, Offset, Struct};
use crate::catalog::units::Units;
use crate::lang::HashTable;
use crate::location::Missing;
use crate::values::Value;

/// The number of buckets of a hash table that are looked at.
const BUCKETS: u64 = 1 << 20;

/// The layout of a hash table's structure.
pub(super) fn layout(units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<HashTable> {
    let entry = contents.arguments.first().filter(|_| name.starts_with(b"RawTable<"))?.1?;
    let member = |contents: &Struct<'_>, name: &[u8]| {
        let member = contents.members.iter().find(|member| member.name == Some(name))?;
        let Offset::Bits(bits) = member.offset else { return None };
        Some((bits / 8, member.ty))
    };
    let (table, ty) = member(contents, b"table")?;
    let (_, ty) = units.peeled(ty)?;
    let Kind::Struct(inner) = &ty.kind else { return None };
    let at = |name: &[u8]| member(inner, name)?.0.checked_add(table);
    Some(HashTable { control: at(b"ctrl")?, mask: at(b"bucket_mask")?, entry })
}

impl RustValues<'_, '_, '_, '_> {
    /// Returns the number of entries that a table has, and the entries of a window. The entries lie before the control
    /// bytes, in reverse order.
    pub(super) fn hash_entries(&self, value: &Value, window: Range<u64>) -> Option<Result<(u64, Vec<Value>), Missing>> {
        let table = self.dig(value, "table")?;
        let entry = self.argument_of(table.ty, 0)?;
        let size = self.frame.units.size_of(Some(entry))?;
        let items = match self.count(&table, "items")? {
            Ok(items) => items,
            Err(missing) => return Some(Err(missing)),
        };
        if items == 0 {
            return Some(Ok((0, Vec::new())));
        }
        let (mask, control) = match (self.count(&table, "bucket_mask")?, self.address_in(&self.dig(&table, "ctrl")?)?) {
            (Ok(mask), Ok((control, _))) => (mask, control),
            (Err(missing), _) | (_, Err(missing)) => return Some(Err(missing)),
        };
        let buckets = mask.checked_add(1).filter(|buckets| buckets.is_power_of_two() && items <= *buckets);
        let extent = buckets.and_then(|buckets| buckets.checked_mul(size));
        let (Some(buckets), Some(start)) = (buckets, extent.and_then(|extent| control.checked_sub(extent))) else {
            return Some(Err(Missing::Malformed(format!("a table of {items} entries in {mask:#x} + 1 buckets"))));
        };
        if let Err(missing) =
            self.check_extent(start, control - start).and_then(|()| self.check_extent(control, buckets))
        {
            return Some(Err(missing));
        }
        let controls = Value::in_memory(None, control);
        let controls = match controls.read(self.frame, buckets.min(BUCKETS)) {
            Ok(bytes) => bytes,
            Err(missing) => return Some(Err(missing)),
        };
        // A control byte with its top bit clear marks a bucket in use.
        let used = controls.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
        let skipped = window.start.min(items);
        let entries = used.skip(skipped as usize).take((window.end.min(items) - skipped) as usize);
        let entries = entries.map(|(bucket, _)| Value::in_memory(Some(entry), control - (bucket as u64 + 1) * size));
        Some(Ok((items, entries.collect())))
    }
}
