//! Pointers, references, function pointers.

use super::renderer::{Renderer, Shown, cut};
use crate::catalog::types::{Kind, PointerKind, Type};
use crate::catalog::units::Die;
use crate::location::Missing;
use crate::model::RefTarget;
use crate::unwind::certain_instance;
use crate::values::Value;

impl<'s> Renderer<'_, '_, 's> {
    /// A pointer: its address, the text or function that it points to, and the value there as a child.
    pub(super) fn pointer(
        &self,
        value: &Value,
        ty: &Type<'s>,
        kind: PointerKind,
        target: Option<Die>,
        depth: u32,
    ) -> Shown {
        let address = match value.pointer(self.frame) {
            Ok(address) => address,
            Err(missing) => return missing.into(),
        };
        let Some((_, pointed)) = self.frame.units.peeled(target) else {
            return Shown::text(format!("{address:#x}"));
        };
        if let Kind::Function(..) = pointed.kind {
            return Shown::text(self.function_pointer(address));
        }
        if address == 0 && kind == PointerKind::Pointer {
            return Shown::text(self.lang.notation().null);
        }
        if let Some(text) = self.lang.pointer(self, ty, kind, target, address) {
            return Shown::text(text);
        }
        let reference = kind != PointerKind::Pointer || self.lang.notation().referents && self.lang.is_reference(ty);
        self.referent(reference, target, address, depth)
    }

    /// A pointer or a reference to an object of type `target` at an address, with the object.
    pub(super) fn referent(&self, reference: bool, target: Option<Die>, address: u64, depth: u32) -> Shown {
        let unseen = self.limits.text_only && !reference;
        let Some(deeper) = depth.checked_sub(1).filter(|_| !unseen) else {
            return Shown::text(format!("{address:#x}"));
        };
        let pointee = Value::in_memory(target, address);
        let whole = self.lang.dynamic_object(self, &pointee);
        let class = whole.as_ref().map_or(String::new(), |whole| format!("({}) ", self.type_name(whole.ty)));
        let pointee = self.part("*", &whole.unwrap_or(pointee), deeper);
        let text = match (reference, self.lang.notation().referents) {
            (true, true) => pointee.text(),
            (true, false) => format!("@{address:#x}: {class}{}", pointee.text()),
            (false, _) => format!("{address:#x}"),
        };
        Shown { text: Ok(cut(text)), children: vec![pointee] }
    }

    /// A pointer to a function: an index in the module's first table, and the function there.
    pub(super) fn function_pointer(&self, index: u64) -> String {
        match self.function_in_table(index) {
            Some(name) => format!("{index:#x} <{name}>"),
            None => format!("{index:#x}"),
        }
    }

    /// The name of the function in the first table: as the dump has it, else as the module's segments fill it.
    pub(super) fn function_in_table(&self, index: u64) -> Option<String> {
        // Entry 0 is left empty, so that no function pointer is null.
        if index == 0 {
            return None;
        }
        if let Some(known) = self.frame.functions.lock().get(&index) {
            return known.clone();
        }
        let name = self.table_function(index).map(|function| match self.frame.binary.function_name(function) {
            Some(name) => crate::symbols::demangle(name).into_owned(),
            None => format!("func[{function}]"),
        });
        self.frame.functions.lock().insert(index, name.clone());
        name
    }

    /// The function at an index of the first table.
    pub fn table_function(&self, index: u64) -> Option<u32> {
        let module = || self.frame.binary.module().table_function(0, index);
        self.recorded_function(index).unwrap_or_else(module).filter(|_| index != 0)
    }

    /// Returns the number of entries that the first table has, as far as the dump or the binary shows it.
    pub fn table_len(&self) -> u64 {
        let dump = self.frame.dump;
        let recorded = || {
            let instance = dump.instances.get(certain_instance(dump, self.frame.frame)? as usize)?;
            let table = dump.tables.get((*instance.tables.as_ref()?.first()?)? as usize)?;
            Some(table.elements.len() as u64)
        };
        recorded().unwrap_or_else(|| self.frame.binary.module().table_end(0))
    }

    /// The function that the dump's record of the table names; the outer `None` when the dump has no record of the
    /// element.
    fn recorded_function(&self, index: u64) -> Option<Option<u32>> {
        let dump = self.frame.dump;
        let instance = certain_instance(dump, self.frame.frame)?;
        let table = (*dump.instances.get(instance as usize)?.tables.as_ref()?.first()?)?;
        match dump.tables.get(table as usize)?.elements.get(usize::try_from(index).ok()?)? {
            RefTarget::Function { instance: other, index } => {
                Some((other.is_none_or(|other| other == instance)).then_some(*index))
            }
            _ => Some(None),
        }
    }

    /// A pointer to a member: to data an offset, to a method its function (Itanium C++ ABI, 2.3).
    pub(super) fn member_pointer(&self, value: &Value, target: Option<Die>) -> Shown {
        let width = u64::from(self.frame.address_size());
        let method = self.frame.units.peeled(target).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Function(..)));
        let read = |at: u64| -> Result<u64, Missing> {
            Ok(Value { ty: None, source: value.source.moved_by(at) }.unsigned(self.frame, width)? as u64)
        };
        let first = match read(0) {
            Ok(first) => first,
            Err(missing) => return missing.into(),
        };
        if !method {
            let null = if width == 8 { u64::MAX } else { u64::from(u32::MAX) };
            return Shown::text(if first == null { "null".into() } else { format!("offset {first}") });
        }
        let second = match read(width) {
            Ok(second) => second,
            Err(missing) => return missing.into(),
        };
        // Function pointers of Wasm need not be even, so the virtual flag is in the second word, as on ARM.
        let text = match second & 1 {
            1 => format!("virtual, vtable offset {first}"),
            _ if first == 0 => return Shown::text("null"),
            _ => self.function_pointer(first),
        };
        // The adjustment to the object's address: the offset of the method's class in the object.
        let moved = if width == 8 { second as i64 >> 1 } else { i64::from(second as u32 as i32 >> 1) };
        Shown::text(if moved == 0 { text } else { format!("{text}, this adjustment {moved}") })
    }
}
