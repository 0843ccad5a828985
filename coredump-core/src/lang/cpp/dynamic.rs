//! The dynamic class of an object of C++, as its vtable gives it (Itanium C++ ABI, 2.5 and 2.9).
//!
//! Three things name the class of a vtable: its variable in the debug information (clang 22 and later), the type
//! information before it, and the methods in it. Each is believed only if an object of that class has, at the offset to
//! top that the vtable gives, a subobject of the static class.

use std::collections::HashSet;

use gimli::constants::*;
use gimli::{AttributeValue, Operation};

use super::{CppValues, plain_std};
use crate::catalog::types::{Kind, Offset};
use crate::catalog::units::{Die, Units};
use crate::lang::names::path_parts;
use crate::location::parse;
use crate::location::statics;
use crate::module::Constant;
use crate::symbols::demangle;
use crate::values::{Value, sign_extend};

/// The number of methods of one vtable that are looked at.
const METHODS: u64 = 256;
/// Longest name of a class in type information, in bytes.
const NAME: u64 = 4096;
/// The number of places in a program's data that are looked at that could be vtables.
const CANDIDATES: u32 = 1 << 16;
/// The number of words that may precede the address point of a vtable.
const BEFORE: u64 = 512;

impl<'s> CppValues<'_, '_, '_, 's> {
    /// The complete object around `object`, with the dynamic class that its vtable gives; `None` where that is not
    /// known for certain.
    pub fn dynamic_object(&self, object: &Value) -> Option<Value> {
        let units = &self.frame.units;
        let (class, _) = units.class_of(object.ty)?;
        let address = object.source.address()?;
        if !units.is_polymorphic(class) {
            return None;
        }
        let vptr = self.word(address).ok()?;
        let whole = address.checked_add_signed(self.offset_to_top(vptr)?)?;
        let main = self.word(whole).ok()?;
        if self.offset_to_top(main)? != 0 {
            return None;
        }
        let found = self.vtable_class(main, Some(class))?;
        let object = Value::in_memory(Some(found), whole);
        self.frame.has_part_at(&object, class, address).then_some(object)
    }

    /// The complete object as for [`CppValues::dynamic_object`], but only if its class differs from the static one.
    pub fn other_class(&self, object: &Value) -> Option<Value> {
        let found = self.dynamic_object(object)?;
        let (class, _) = self.frame.units.class_of(object.ty)?;
        (!self.frame.units.is_same_class(found.ty?, class)).then_some(found)
    }

    /// The name of an address in a vtable, as `vtable for Horse+8`.
    pub fn vtable_name(&self, vptr: u64) -> Option<String> {
        let top = self.offset_to_top(vptr)?;
        if let Some((start, die)) = self.described_vtable(vptr) {
            let units = &self.frame.units;
            let fits = top == 0 || units.parent_class(die).is_some_and(|class| self.has_vtable_at(class, top));
            let name = units.linkage_name(die)?;
            return fits.then(|| format!("{}+{}", demangle(&name), vptr - start));
        }
        let information = self.type_information(vptr);
        let class = match &information {
            Some(name) => plain_std(name),
            None if top == 0 => self.type_name(Some(self.class_by_methods(vptr)?)),
            None => return None,
        };
        // A class without virtual bases has two words before the address point: the offset to top and the type
        // information.
        let named = || self.class_named(information.as_deref().unwrap_or(&class));
        let plain = || named().is_some_and(|class| !self.frame.units.has_virtual_base(class));
        let behind = if top == 0 && plain() { format!("+{}", 2 * self.width()) } else { String::new() };
        Some(format!("vtable for {class}{behind}"))
    }

    fn width(&self) -> u64 {
        u64::from(self.frame.address_size())
    }

    /// The offset to top of a vtable: the bytes from its subobject to the beginning of the object, never positive.
    fn offset_to_top(&self, vptr: u64) -> Option<i64> {
        let word = self.word(vptr.checked_sub(2 * self.width())?).ok()?;
        let offset = sign_extend(u128::from(word), self.width() * 8) as i64;
        (offset <= 0).then_some(offset)
    }

    /// The classes of the vtables in the program's data, each with the address point with which complete objects of the
    /// class begin.
    pub fn vtables(&self) -> Vec<(u64, Die)> {
        let width = self.width();
        let module = self.frame.binary.module();
        let mut found = Vec::new();
        let mut looked_at = 0;
        for segment in module.data_segments().filter(|segment| segment.memory == Some(0)) {
            let Some(start) = segment.offset.and_then(Constant::as_address) else { continue };
            let end = start.saturating_add(segment.bytes.len() as u64);
            let mut vptr = start.next_multiple_of(width);
            while vptr < end && looked_at < CANDIDATES {
                // The first function of the table; the words before it may lie in another segment.
                let function =
                    self.word(vptr).ok().filter(|&word| word != 0).and_then(|at| module.table_function(0, at));
                if function.is_some() && self.offset_to_top(vptr) == Some(0) {
                    looked_at += 1;
                    let class = self.vtable_class(vptr, None).or_else(|| self.function_object(vptr));
                    found.extend(
                        class.filter(|&class| self.frame.units.is_polymorphic(class)).map(|class| (vptr, class)),
                    );
                }
                vptr += width;
            }
        }
        found
    }

    /// The class of the vtable at the beginning of a complete object; it must have a subobject of class `part`.
    fn vtable_class(&self, vptr: u64, part: Option<Die>) -> Option<Die> {
        let units = &self.frame.units;
        if let Some((start, die)) = self.described_vtable(vptr) {
            let class = units.class_of(Some(units.parent_class(die)?))?.0;
            let first = start.checked_add(2 * self.width())?;
            return (vptr == first || units.has_virtual_base(class)).then_some(class);
        }
        match self.type_information(vptr) {
            Some(name) if part.is_some_and(|part| plain_std(&name) == self.type_name(Some(part))) => part,
            Some(name) => self.class_named(&name),
            None => self.class_by_methods(vptr),
        }
    }

    /// The variable that describes the vtable around an address, and the address at which the vtable begins.
    fn described_vtable(&self, vptr: u64) -> Option<(u64, Die)> {
        let vtables = self.frame.units.vtables();
        let (start, die) = *vtables.get(vtables.partition_point(|(start, _)| *start <= vptr).checked_sub(1)?)?;
        let words = (vptr - start) / self.width();
        ((2..BEFORE).contains(&words) && (vptr - start).is_multiple_of(self.width())).then_some((start, die))
    }

    /// Returns true if a class has a polymorphic subobject at the offset `-top`, whose vtable has the offset to top
    /// `top`.
    fn has_vtable_at(&self, class: Die, top: i64) -> bool {
        let units = &self.frame.units;
        units.has_virtual_base(class) || units.polymorphic_parts(class).contains(&top.unsigned_abs())
    }

    /// The class that the type information before a vtable names; `None` where it is left out (`-fno-rtti`).
    fn type_information(&self, vptr: u64) -> Option<String> {
        let information = self.word(vptr.checked_sub(self.width())?).ok().filter(|&word| word != 0)?;
        let name = self.word(information.checked_add(self.width())?).ok()?;
        let (bytes, whole) = self.frame.memory?.c_string(name, NAME).ok()?;
        let mangled = format!("_ZTS{}", str::from_utf8(&bytes).ok()?);
        let name = demangle(&mangled).strip_prefix("typeinfo name for ")?.to_owned();
        whole.then_some(name)
    }

    /// The class of that name, as the demangler writes it, with or without libc++'s own namespaces; `None` where there
    /// are several.
    fn class_named(&self, name: &str) -> Option<Die> {
        let units = &self.frame.units;
        let last = *path_parts(name).last()?;
        let plain = |name: &str| {
            let parts = path_parts(name).into_iter().filter(|part| *part != "(anonymous namespace)");
            // Of a class in a function, only one of the two names has the function's parameters.
            let parts = parts.map(|part| if part == last { part } else { part.split('(').next().unwrap_or_default() });
            parts.collect::<Vec<_>>().join("::").replace(' ', "")
        };
        let first = self.frame.function.map_or(0, |function| function.unit);
        let wanted = plain(&plain_std(name));
        let named = |name: &str| units.types_named(first, name.as_bytes());
        let mut candidates = named(last);
        if let Some(end) = last.find('<').filter(|_| candidates.is_empty()) {
            candidates = named(&last[..end]);
        }
        let mut found = candidates.into_iter().filter(|&die| {
            let class = units.type_at(die).is_some_and(|ty| matches!(ty.kind, Kind::Struct(_)));
            class && plain(&self.type_name(Some(die))) == wanted
        });
        let class = found.next()?;
        found.all(|other| units.is_same_class(class, other)).then_some(class)
    }

    /// The class whose methods are in a vtable. A derived class that overrides none of them has the same methods: the
    /// deleting destructor tells them apart, since each class has its own.
    fn class_by_methods(&self, vptr: u64) -> Option<Die> {
        let units = &self.frame.units;
        let module = self.frame.binary.module();
        let (mut class, mut certain): (Option<Die>, bool) = (None, false);
        for index in 0..METHODS {
            let method = self.word(vptr.checked_add(index * self.width())?).ok().and_then(|at| self.table_function(at));
            let method = method.and_then(|function| units.function(module, function));
            // clang writes 0 as the vtable index of a destructor, whatever its place.
            let destructor = |method| units.name(method).is_some_and(|name| name.starts_with(b"~"));
            let stands_here = |method| units.vtable_index(method) == Some(index) || destructor(method);
            let Some(method) = method.filter(|&method| stands_here(method)) else { break };
            let (own, _) = units.class_of(Some(units.parent_class(method)?))?;
            class = match class {
                None => Some(own),
                Some(known) if units.is_base(own, known) => Some(known),
                Some(known) if units.is_base(known, own) => {
                    certain = false;
                    Some(own)
                }
                Some(_) => return None,
            };
            let frees = units.linkage_name(method).is_some_and(|name| name.ends_with("D0Ev"));
            certain |= frees && class.is_some_and(|class| units.is_same_class(class, own));
        }
        class.filter(|&class| certain || !units.has_derived(class))
    }
}

impl<'s> Units<'s> {
    /// The linkage name of an entry.
    fn linkage_name(&self, die: Die) -> Option<String> {
        let (unit, value) = self.inherited(die, DW_AT_linkage_name)?;
        Some(String::from_utf8_lossy(self.text(unit, value)?).into_owned())
    }

    /// The class in which an entry is declared.
    fn parent_class(&self, die: Die) -> Option<Die> {
        let mut at = die;
        for _ in 0..4 {
            match self.entry(at).and_then(|entry| self.origin(at.unit, &entry)) {
                Some(declared) => at = declared,
                None => break,
            }
        }
        self.parent(at).filter(|&parent| self.class_of(Some(parent)).is_some())
    }

    /// The place of a virtual method in its vtable.
    fn vtable_index(&self, method: Die) -> Option<u64> {
        let (unit, value) = self.inherited(method, DW_AT_vtable_elem_location)?;
        let AttributeValue::Exprloc(expression) = value else { return None };
        match parse(&mut { expression.0 }, self.unit(unit)?.encoding()) {
            Ok(Operation::UnsignedConstant { value }) => Some(value),
            _ => None,
        }
    }

    /// Returns true if one class is another or a base of it.
    fn is_base(&self, base: Die, class: Die) -> bool {
        use crate::lang::cpp::classes::Subobject;
        !matches!(self.offset_of_part(class, base), Subobject::None)
    }

    fn has_virtual_base(&self, class: Die) -> bool {
        self.bases_of(class).iter().any(|(_, at)| at.is_none())
    }

    /// The offsets in bytes of the polymorphic subobjects of a class.
    fn polymorphic_parts(&self, class: Die) -> HashSet<u64> {
        let bases = self.bases_of(class).into_iter();
        bases.filter(|(base, _)| self.is_polymorphic(*base)).filter_map(|(_, at)| at).collect()
    }

    /// The bases of a class, direct or not, with their offsets in bytes; `None` where a virtual base is on the path.
    fn bases_of(&self, class: Die) -> Vec<(Die, Option<u64>)> {
        let mut all = vec![(class, Some(0))];
        let mut next = 0;
        while let Some(&(class, at)) = all.get(next).filter(|_| all.len() < 1000) {
            next += 1;
            let Some((_, ty)) = self.class_of(Some(class)) else { continue };
            let Kind::Struct(contents) = &ty.kind else { continue };
            for base in crate::lang::cpp::classes::bases(contents) {
                let way = match base.offset {
                    Offset::Bits(bits) => at.and_then(|at: u64| at.checked_add(bits / 8)),
                    Offset::Expression(_) | Offset::Unknown => None,
                };
                all.extend(base.ty.map(|base| (base, way)));
            }
        }
        all.split_off(1)
    }

    /// Returns true if the debug information describes any class derived from this one.
    fn has_derived(&self, class: Die) -> bool {
        let name = self.name(class);
        let derives = |die: Die| {
            let mut found = false;
            self.children(die, |child, entry| {
                if entry.tag == DW_TAG_inheritance {
                    let base = self.type_of(child);
                    found |= base.is_some_and(|base| self.name(base) == name);
                }
                !found && matches!(entry.tag, DW_TAG_inheritance | DW_TAG_member | DW_TAG_variable | DW_TAG_typedef)
            });
            found
        };
        (0..self.len()).any(|unit| self.all_types_of(unit).into_iter().any(derives))
    }

    /// The vtables that the debug information describes, by address (clang 22 and later call each `_vtable$`).
    fn vtables(&self) -> &[(u64, Die)] {
        self.cpp_vtables(|| {
            let found = self.statics_named(0, b"_vtable$").into_iter();
            let mut vtables: Vec<_> =
                found.filter_map(|die| Some((statics::written(self, die)?.address()?, die))).collect();
            vtables.retain(|(_, die)| self.linkage_name(*die).is_some_and(|name| name.starts_with("_ZTV")));
            vtables.sort();
            vtables
        })
    }
}
