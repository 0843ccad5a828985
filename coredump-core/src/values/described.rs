//! Arrays and texts of which a descriptor says where they are and how long (DWARF 5, 5.18): Fortran's arrays that are
//! allocated, pointed to, or passed with any shape, and its texts of any length.

use gimli::AttributeValue;
use gimli::constants::*;

use super::{Source, Value, plain_number};
use crate::catalog::types::Array;
use crate::catalog::units::{Attr, Die, Entry};
use crate::location::Missing;
use crate::location::frame::FrameContext;

/// The most dimensions of an array: Fortran allows 15.
const DIMENSIONS: usize = 32;

/// The object of a descriptor.
pub enum DescribedArray {
    /// An array or a text.
    Array(Value),
    /// None: it was not allocated, or the pointer points to nothing.
    Nothing(&'static str),
}

/// One dimension.
struct Dimension {
    /// The number of its elements.
    count: u64,
    /// Bytes from one to the next, where they do not follow each other without gaps.
    stride: Option<u64>,
}

impl<'s> FrameContext<'_, 's> {
    /// The array that a value of type `array`, a descriptor, describes.
    pub fn described(&self, value: &Value, array: &Array) -> Result<DescribedArray, Missing> {
        let (die, _) = self.units.peeled(value.ty).ok_or_else(Missing::not_captured)?;
        let entry = self.units.entry(die).ok_or_else(Missing::not_captured)?;
        let object = value.source.address();
        let number = |name| entry.attr_value(name).map(|value| self.property(die.unit, &value, object));
        for (name, without) in [(DW_AT_allocated, "not allocated"), (DW_AT_associated, "not associated")] {
            if number(name).transpose()? == Some(0) {
                return Ok(DescribedArray::Nothing(without));
            }
        }
        let data = number(DW_AT_data_location).transpose()?;
        if data == Some(0) {
            return Ok(DescribedArray::Nothing("not allocated"));
        }
        let source = data.map_or_else(|| value.source.clone(), |data| Source::Memory(data as u64));
        if let Some(length) = entry.attr_value(DW_AT_string_length) {
            let length = self.length_of_text(die.unit, &entry, &length, object)?;
            let ty = self.units.array_of(array.element, vec![Some(length)]);
            return Ok(DescribedArray::Array(Value { ty: Some(ty), source }));
        }
        let size = self.units.size_of(array.element).filter(|&size| size > 0);
        let size = size.ok_or_else(|| Missing::Malformed("an array whose elements have no size".into()))?;
        let mut dimensions = self.dimensions(die, object)?;
        if !self.units.stores_columns(die.unit, &entry) {
            dimensions.reverse();
        }
        let (mut ty, mut next) = (array.element, Some(array.stride.unwrap_or(size)));
        for dimension in dimensions {
            let stride = dimension.stride.or(next).ok_or_else(unknown_shape)?;
            ty = Some(self.units.strided_array_of(ty, dimension.count, stride));
            next = stride.checked_mul(dimension.count);
        }
        Ok(DescribedArray::Array(Value { ty, source }))
    }

    /// The length of a text: that of a variable, or the number at the address that an expression gives (DWARF 5, 5.11).
    fn length_of_text(
        &self,
        unit: u32,
        text: &Entry<'s>,
        length: &Attr<'s>,
        object: Option<u64>,
    ) -> Result<u64, Missing> {
        let number = self.property(unit, length, object)?;
        if !matches!(length, AttributeValue::Exprloc(_)) {
            return u64::try_from(number).map_err(|_| unknown_shape());
        }
        let size = [DW_AT_string_length_byte_size, DW_AT_byte_size].into_iter().find_map(|name| text.attr_value(name));
        let size = size.and_then(|size| size.udata_value()).unwrap_or(u64::from(self.address_size()));
        Ok(Value::in_memory(None, number as u64).unsigned(self, size)? as u64)
    }

    /// The dimensions of an array in the order in which they are written.
    fn dimensions(&self, array: Die, object: Option<u64>) -> Result<Vec<Dimension>, Missing> {
        let mut dimensions = Vec::new();
        let mut failed = None;
        self.units.children(array, |child, entry| {
            let read = || {
                // A last index below the first one is that of no elements.
                let count = self.count(child.unit, entry, object)?.max(0);
                let stride = entry.attr_value(DW_AT_byte_stride);
                let stride = stride.map(|stride| self.property(child.unit, &stride, object)).transpose()?;
                // Backwards, or a bit after the other.
                if stride.is_some_and(|stride| stride < 0) || entry.has_attr(DW_AT_bit_stride) {
                    return Err(unknown_shape());
                }
                Ok(Dimension { count: count as u64, stride: stride.map(|stride| stride as u64) })
            };
            match entry.tag {
                DW_TAG_subrange_type => match read() {
                    Ok(dimension) => dimensions.push(dimension),
                    Err(missing) => failed = Some(missing),
                },
                DW_TAG_generic_subrange => failed = Some(unknown_shape()),
                _ => {}
            }
            failed.is_none() && dimensions.len() < DIMENSIONS
        });
        match failed {
            None if !dimensions.is_empty() => Ok(dimensions),
            failed => Err(failed.unwrap_or_else(unknown_shape)),
        }
    }

    /// The number of elements of a dimension (DWARF 5, 5.13), which may depend on variables and on the `object` that
    /// has the array's type. It is below zero where the last index is more than one below the first.
    pub(super) fn count(&self, unit: u32, dimension: &Entry<'s>, object: Option<u64>) -> Result<i128, Missing> {
        let property = |name| dimension.attr_value(name).map(|value| self.property(unit, &value, object)).transpose();
        if let Some(count) = property(DW_AT_count)? {
            return Ok(count);
        }
        let lower = property(DW_AT_lower_bound)?.unwrap_or_else(|| self.units.language(unit).first_index().into());
        let upper = property(DW_AT_upper_bound)?.ok_or_else(unknown_shape)?;
        upper.checked_sub(lower).and_then(|more| more.checked_add(1)).ok_or_else(unknown_shape)
    }

    /// A property of a type: a constant, the value of a variable, or an expression over the address of the object.
    fn property(&self, unit: u32, property: &Attr<'s>, object: Option<u64>) -> Result<i128, Missing> {
        if let AttributeValue::Exprloc(expression) = property {
            let number = self.computed(unit, expression.0, object.ok_or(Missing::OptimizedOut)?)?;
            return Ok(i128::from(number as i64));
        }
        if let Some(constant) = property.udata_value().map(i128::from).or(property.sdata_value().map(i128::from)) {
            return Ok(constant);
        }
        let variable = self.units.target(unit, property).ok_or_else(unknown_shape)?;
        plain_number(self, variable)
    }
}

fn unknown_shape() -> Missing {
    Missing::NotCaptured("the shape of the array".into())
}
