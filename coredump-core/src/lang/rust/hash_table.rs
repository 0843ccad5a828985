//! Hash maps and sets: hashbrown's table, which the standard library's are made of.

use crate::lang::{Renderer, Shown};
use crate::location::Missing;
use crate::values::Value;

/// Buckets of a hash table that are looked at.
const BUCKETS: u64 = 1 << 20;

impl<'s> Renderer<'_, '_, 's> {
    pub(super) fn hash_table(&self, value: &Value, name: &str, depth: u32) -> Option<Result<Shown, Missing>> {
        let (items, found) = match self.hash_entries(value, u64::from(self.limits.elements))? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        if items == 0 {
            return Some(Ok(Shown::text("{}")));
        }
        let get = |index: u64| found.get(index as usize);
        Some(Ok(if name == "HashSet" {
            self.sequence("{", "}", items, depth, |index, deeper| {
                Some(self.part(format!("[{index}]"), &self.field(get(index)?, "__0")?, deeper))
            })
        } else {
            self.map(items, depth, |index| {
                let entry = get(index)?;
                Some((self.field(entry, "__0")?, self.field(entry, "__1")?))
            })
        }))
    }

    /// How many entries a table has, and the first of them: control bytes, and before them the entries, backwards.
    pub(super) fn hash_entries(&self, value: &Value, limit: u64) -> Option<Result<(u64, Vec<Value>), Missing>> {
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
        let entries = used.take(limit.min(items) as usize);
        let entries = entries.map(|(bucket, _)| Value::in_memory(Some(entry), control - (bucket as u64 + 1) * size));
        Some(Ok((items, entries.collect())))
    }
}
