//! `std::function` and `std::any` of libc++, which erase the type of what they hold. The function that they call for
//! it, by its index in the function table, is found in the debug information, and its template arguments give the type.

use super::CppValues;
use crate::catalog::types::Kind;
use crate::catalog::units::Die;
use crate::lang::Shown;
use crate::location::Missing;
use crate::values::Value;

/// The number of entries of a vtable that are looked at.
const SLOTS: u64 = 16;
/// The number of entries of the first table that are looked at.
const TABLE: u64 = 1 << 20;
/// The number of links that are followed from a function's definition to its declaration in a class.
const LINKS: u32 = 4;

impl CppValues<'_, '_, '_, '_> {
    /// Shows the callee of a `function`.
    pub(super) fn function(&self, value: &Value, depth: u32) -> Option<Shown> {
        let holder = self.field(value, "__f_")?;
        Some(self.held(self.callable(&holder)?, depth))
    }

    /// The value in an `any`.
    pub(super) fn any(&self, value: &Value, depth: u32) -> Option<Shown> {
        let handler = ["__h_", "__h"].iter().find_map(|name| self.field(value, name))?;
        let storage = ["__s_", "__s"].iter().find_map(|name| self.field(value, name))?;
        let read = || {
            let handler = match handler.pointer(self.frame) {
                Ok(0) => return Some(Ok(None)),
                Ok(handler) => handler,
                Err(missing) => return Some(Err(missing)),
            };
            let class = self.class_of(self.entry_in_table(handler)?)?;
            let ty = self.argument_of(Some(class), 0);
            let held = match self.std_name(class)? {
                "_SmallHandler" => self.field(&storage, "__buf")?.with_type(ty),
                "_LargeHandler" => self.pointed(&self.field(&storage, "__ptr")?, ty),
                _ => return None,
            };
            Some(Ok(Some(held)))
        };
        Some(self.held(read()?, depth))
    }

    /// The functions in the first table that an `any`, or a `function` with a policy, calls to handle its value: the
    /// index, the value's type, and whether the value lies on the heap, if the function shows that.
    pub(super) fn handlers(&self) -> Vec<(u64, Die, Option<bool>)> {
        let known = |index: u64| {
            let entry = self.entry_in_table(index)?;
            let class = self.class_of(entry)?;
            match self.std_name(class)? {
                "_SmallHandler" => Some((index, self.argument_of(Some(class), 0)?, Some(false))),
                "_LargeHandler" => Some((index, self.argument_of(Some(class), 0)?, Some(true))),
                "__policy_invoker" => Some((index, self.template_argument(entry)?, None)),
                _ => None,
            }
        };
        (1..self.table_len().min(TABLE)).filter_map(known).collect()
    }

    fn held(&self, held: Result<Option<Value>, Missing>, depth: u32) -> Shown {
        match held {
            Ok(None) => Shown::text("nullptr"),
            Ok(Some(held)) => {
                let part = self.part("held", &held, depth);
                Shown { text: Ok(part.text()), children: vec![part] }
            }
            Err(missing) => missing.into(),
        }
    }

    /// The callable in a `function`: `Ok(None)` if it is empty, `None` for a layout that is not known.
    fn callable(&self, holder: &Value) -> Option<Result<Option<Value>, Missing>> {
        let Some(policy) = self.field(holder, "__policy_") else {
            let object = match self.field(holder, "__f_")?.pointer(self.frame) {
                Ok(0) => return Some(Ok(None)),
                Ok(object) => object,
                Err(missing) => return Some(Err(missing)),
            };
            let class = self.dynamic_class(object, "__func")?;
            let object = Value::in_memory(Some(class), object);
            let held = self.field(&object, "__func_").or_else(|| self.within(&self.field(&object, "__f_")?))?;
            return Some(Ok(Some(held)));
        };
        // In libc++'s second ABI a policy says how the object is stored.
        let policy = match self.address_in(&policy)? {
            Ok((address, target)) => Value::in_memory(target, address),
            Err(missing) => return Some(Err(missing)),
        };
        match self.field(&policy, "__is_null")?.unsigned(self.frame, 1) {
            Ok(0) => {}
            Ok(_) => return Some(Ok(None)),
            Err(missing) => return Some(Err(missing)),
        }
        let invoker = self.dig(holder, "__call_").or_else(|| self.field(holder, "__func_"))?.pointer(self.frame);
        let large = self.field(&policy, "__clone")?.pointer(self.frame).map(|clone| clone != 0);
        let (invoker, large) = match invoker.and_then(|invoker| Ok((invoker, large?))) {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let held = self.template_argument(self.entry_in_table(invoker)?)?;
        let storage = self.field(holder, "__buf_")?;
        let object = match large {
            true => self.pointed(&self.field(&storage, "__large")?, Some(held)),
            false => self.field(&storage, "__small")?.with_type(Some(held)),
        };
        Some(Ok(Some(self.within(&object)?)))
    }

    /// The callable object itself, out of libc++'s pair of it and an allocator.
    fn within(&self, value: &Value) -> Option<Value> {
        let (die, _) = self.frame.units.peeled(value.ty)?;
        let name = self.std_name(die).filter(|name| matches!(*name, "__alloc_func" | "__default_alloc_func"));
        let Some(name) = name else { return Some(value.clone()) };
        let found = self.field(value, "__f_")?;
        if name == "__default_alloc_func" {
            return Some(found);
        }
        // A compressed pair has the callable as a member, or as a base class if it has no data.
        let held = self.argument_of(Some(die), 0)?;
        Some(self.field(&found, "__value_").unwrap_or(found).with_type(Some(held)))
    }

    /// Returns the target of a pointer as a value of type `ty`.
    pub(super) fn pointed(&self, pointer: &Value, ty: Option<Die>) -> Value {
        match pointer.pointer(self.frame) {
            Ok(address) => Value::in_memory(ty, address),
            Err(missing) => Value::missing(ty, missing),
        }
    }

    /// The class named `name` in `std` to which the vtable of the object at address `object` belongs: one of the
    /// vtable's functions is a member of it.
    fn dynamic_class(&self, object: u64, name: &str) -> Option<Die> {
        let width = u64::from(self.frame.address_size());
        let word = |address: u64| Some(Value::in_memory(None, address).unsigned(self.frame, width).ok()? as u64);
        let vtable = word(object)?;
        (0..SLOTS).find_map(|slot| self.in_slot(word(vtable.checked_add(slot * width)?)?, name))
    }

    /// The class of the object that a `function` calls, by its vtable. Type information does not help here, since a
    /// closure has no name to find its class by.
    pub(super) fn function_object(&self, vtable: u64) -> Option<Die> {
        let width = u64::from(self.frame.address_size());
        let slots = (0..SLOTS).map_while(|slot| self.word(vtable.checked_add(slot * width)?).ok());
        // The words before the next vtable begin with a zero.
        slots.take_while(|&index| self.table_function(index).is_some()).find_map(|index| self.in_slot(index, "__func"))
    }

    /// The class of that name in `std` of which the function at this index of the first table is a member.
    fn in_slot(&self, index: u64, name: &str) -> Option<Die> {
        let class = self.class_of(self.entry_in_table(index)?)?;
        (self.std_name(class) == Some(name)).then_some(class)
    }

    /// The entry of the function at an index of the first table.
    fn entry_in_table(&self, index: u64) -> Option<Die> {
        let function = self.table_function(index)?;
        self.frame.units.function(self.frame.binary.module(), function)
    }

    /// The class that a function is a member of, complete.
    fn class_of(&self, function: Die) -> Option<Die> {
        let units = &self.frame.units;
        let mut at = function;
        for _ in 0..LINKS {
            match units.entry(at).and_then(|entry| units.origin(at.unit, &entry)) {
                Some(origin) => at = origin,
                None => break,
            }
        }
        let class = units.parent(at)?;
        match &units.type_at(class)?.kind {
            Kind::Struct(contents) if contents.declared => Some(self.frame.units.completed(class)?.0),
            Kind::Struct(_) => Some(class),
            _ => None,
        }
    }

    /// The first template argument of a function that is a type.
    fn template_argument(&self, function: Die) -> Option<Die> {
        let units = &self.frame.units;
        let mut found = None;
        units.children(function, |child, entry| {
            if entry.tag == gimli::DW_TAG_template_type_parameter {
                found = units.type_of(child);
            }
            found.is_none()
        });
        found
    }
}
