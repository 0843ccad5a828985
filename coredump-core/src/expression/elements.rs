//! Elements in expressions: of arrays, pointers and containers by their index, and of maps by their keys.

use super::ExpressionError;
use super::eval::Evaluator;
use super::tree::{Node, NodeKind};
use crate::catalog::types::Kind;
use crate::catalog::units::Die;
use crate::lang::{Meaning, quoted};
use crate::values::{DescribedArray, Source, Value, is_signed};

/// The most elements of one slice.
const SLICE: u64 = 1 << 20;
/// The most entries of a map that are compared with a key.
const ENTRIES: u64 = 1 << 16;
/// The most references and smart pointers that are followed to a value that has elements.
const FOLLOWED: u32 = 8;

/// Elements that follow each other.
struct ElementRun {
    /// Their type.
    element: Option<Die>,
    /// The place of the first one.
    base: Source,
    /// Their number, where it is known.
    len: Option<u64>,
    /// Bytes from one to the next, where that is not the size of an element.
    stride: Option<u64>,
}

impl Evaluator<'_, '_, '_, '_> {
    pub(super) fn element(&self, inner: &Node, index: &Node) -> Result<Value, ExpressionError> {
        let fail = |message| ExpressionError::new(index.column, message);
        let value = self.indexed(self.value(inner)?);
        if let NodeKind::Text(text) = &index.kind {
            let written = quoted(text.as_bytes(), self.renderer.lang);
            let is_it = |key: &Value| self.renderer.variable("", key).value.as_ref() == Some(&written);
            return self.entry(&value, is_it, &format!("{text:?}")).map_err(fail);
        }
        let at = self.integer(index)?;
        if let Some(Ok(Meaning::Entries(_))) = self.renderer.meaning(&value, 0..0) {
            let is_it = |key: &Value| key.number(self.frame, is_signed(self.frame, key.ty)) == Ok(at);
            return self.entry(&value, is_it, &at.to_string()).map_err(fail);
        }
        self.element_of(&value, at).map_err(fail)
    }

    /// The value of the first entry whose key is the one that is asked for.
    fn entry(&self, value: &Value, is_it: impl Fn(&Value) -> bool, key: &str) -> Result<Value, String> {
        let none = || format!("`{}` is not a map with keys", self.renderer.type_name(value.ty));
        let entries = self.renderer.entries(value, ENTRIES).ok_or_else(none)?;
        let entries = entries.map_err(|missing| format!("its entries are not known: {missing}"))?;
        let found = entries.into_iter().find(|(key, _)| is_it(key));
        found.map(|(_, value)| value).ok_or_else(|| format!("no entry has the key {key}"))
    }

    /// The value that an index applies to: a reference stands for what it refers to, and a wrapper for what it holds.
    fn indexed(&self, value: Value) -> Value {
        let renderer = self.renderer;
        let mut value = value;
        for _ in 0..FOLLOWED {
            let inner = match renderer.meaning(&value, 0..0) {
                Some(Ok(Meaning::Wrapped(inner))) => Some(inner),
                Some(_) => break,
                None if renderer.lang.part(renderer, &value, 0).is_some() => break,
                None if renderer.lang.array_pointee(renderer, &value).is_some() => break,
                None => renderer.reference_target(&value).or_else(|| renderer.pointee(&value)),
            };
            match inner {
                Some(inner) => value = inner,
                None => break,
            }
        }
        value
    }

    /// An element by its number.
    pub(super) fn element_of(&self, value: &Value, index: i128) -> Result<Value, String> {
        if let Some(found) = u64::try_from(index).ok().and_then(|index| self.renderer.element(value, index)) {
            return found;
        }
        let ElementRun { element, base, len, stride } = self.elements(value)?;
        let stride = stride.or_else(|| self.frame.units.size_of(element)).ok_or("its elements have no size")?;
        if let Some(len) = len
            && !(0..i128::from(len)).contains(&index)
        {
            return Err(format!("there are {len} elements"));
        }
        let offset = i128::from(stride).checked_mul(index).ok_or("the offset is too large")?;
        if let Source::Memory(address) = base {
            // An index from a pointer may be negative.
            let address = i128::from(address).checked_add(offset).and_then(|at| u64::try_from(at).ok());
            return Ok(Value::in_memory(element, address.ok_or("outside of the memory")?));
        }
        Ok(Value { ty: element, source: base.moved_by(u64::try_from(offset).map_err(|_| "outside of it")?) })
    }

    fn elements(&self, value: &Value) -> Result<ElementRun, String> {
        let row = |element, base, len| Ok(ElementRun { element, base, len, stride: None });
        let peeled = self.frame.units.peeled(value.ty);
        match peeled.as_ref().map(|(_, ty)| &ty.kind) {
            Some(Kind::Pointer(_, target @ Some(_))) => row(*target, self.pointee(value, *target).source, None),
            Some(Kind::Array(array)) if array.described => match self.frame.described(value, array) {
                Ok(DescribedArray::Array(value)) => self.elements(&value),
                Ok(DescribedArray::Nothing(why)) => Err(format!("the array is {why}")),
                Err(missing) => Err(format!("its elements are not known: {missing}")),
            },
            Some(Kind::Array(array)) => match array.dimensions.split_first() {
                Some((count, [])) => {
                    let (base, stride) = (value.source.clone(), array.stride.filter(|&stride| stride > 0));
                    Ok(ElementRun { element: array.element, base, len: *count, stride })
                }
                Some((count, rest)) => {
                    let inner = self.frame.units.array_of(array.element, rest.to_vec());
                    row(Some(inner), value.source.clone(), *count)
                }
                None => Err("an array without dimensions".into()),
            },
            _ => match self.renderer.contiguous(value) {
                Some(Ok(found)) => row(found.element, Source::Memory(found.address), Some(found.len)),
                Some(Err(missing)) => Err(format!("its elements are not known: {missing}")),
                None => match self.renderer.lang.array_pointee(self.renderer, value) {
                    Some((element, source)) => row(element, source, None),
                    None => Err(format!("`{}` has no elements", self.renderer.type_name(value.ty))),
                },
            },
        }
    }

    pub(super) fn slice(&self, inner: &Node, from: &Node, to: &Node) -> Result<Value, ExpressionError> {
        let (first, last) = (self.integer(from)?, self.integer(to)?);
        let count = last.checked_sub(first).and_then(|count| u64::try_from(count).ok());
        let count = count.filter(|&count| count <= SLICE);
        let count = count.ok_or_else(|| ExpressionError::new(to.column, "no such range of elements"))?;
        let value = self.indexed(self.value(inner)?);
        let fail = |message| ExpressionError::new(from.column, message);
        let ElementRun { element, base, len, stride } = self.elements(&value).map_err(fail)?;
        if len.is_some_and(|len| last > i128::from(len)) {
            return Err(ExpressionError::new(to.column, format!("there are {} elements", len.unwrap_or_default())));
        }
        let source = if count == 0 { base } else { self.element_of(&value, first).map_err(fail)?.source };
        let ty = match stride {
            Some(stride) => self.frame.units.strided_array_of(element, count, stride),
            None => self.frame.units.array_of(element, vec![Some(count)]),
        };
        Ok(Value { ty: Some(ty), source })
    }
}
