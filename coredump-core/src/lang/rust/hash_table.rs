//! Hash maps and sets: hashbrown's table, which the standard library's are made of.

use std::ops::Range;

use super::RustValues;
use crate::location::Missing;
use crate::values::Value;

/// Buckets of a hash table that are looked at.
const BUCKETS: u64 = 1 << 20;

impl RustValues<'_, '_, '_, '_> {
    /// How many entries a table has, and those of a window: control bytes, and before them the entries, backwards.
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
