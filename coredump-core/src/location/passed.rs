//! Finds parameters that debug information gives no place: which Wasm parameters they are passed in.
//!
//! LLVM 14 loses structures passed by value, complex numbers and small integers where it optimises, and all versions
//! describe some parameters as beginning on the operand stack, which is empty when a function begins. For C the calling
//! convention says where they are (tool-conventions `BasicCABI.md`); for others, the parameters around them do. A
//! function whose parameters an optimiser replaced has others than the convention says, or loses the places of its
//! pointers too: its parameters stay unknown.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

use std::collections::HashSet;
use std::rc::Rc;

use gimli::constants::*;
use gimli::{AttributeValue, UnitOffset};
use wasmparser::Operator;

use super::forms::{DescriptionForm, form, is_operand, locals_only};
use super::frame::FrameContext;
use super::parameter::{Described, Parameter, Parameters, Passed};
use crate::catalog::types::{Kind, Offset, Struct};
use crate::catalog::units::Die;
use crate::location::{Missing, ObjectLocation, Piece, Place};
use crate::model;
use crate::module::{Module, ValueType};
use crate::scope::VariableKind;
use crate::unwind::{Read, Stores, beside};

/// Types in types that are looked at.
const LEVELS: u32 = 16;

/// Members of a structure, and entries of a function, that are looked at.
const PARTS: usize = 1_000;

/// Bytes of code of one function that are looked at for what it does with objects that are passed by address.
const CODE: u64 = 1 << 22;

impl<'s> FrameContext<'_, 's> {
    /// Locates a parameter of the frame's own function that has no place in the debug information, as it was when the
    /// function was entered.
    pub(super) fn passed(&self, die: Die) -> Option<(ObjectLocation, String)> {
        let parameters = self.parameters.get_or_init(|| self.all_passed()).as_ref()?;
        let nth = parameters.all.binary_search_by_key(&die.offset, |own| own.die.offset).ok()?;
        let own = &parameters.all[nth];
        if own.die != die || own.described == Described::Constant {
            return None;
        }
        let (local, why) = (parameters.first[nth]?, parameters.why);
        let ty = self.units.type_of(die);
        let reads = |local| parameters.read_first.contains(&local);
        let location = match own.passed? {
            // A caller may leave anything in the place of a parameter that nobody reads.
            Passed::Value(_) if reads(local) => ObjectLocation::whole(self.bytes_at_entry(local)),
            Passed::Halves if reads(local) && reads(local.checked_add(1)?) => {
                let half = |local| Piece { bits: Some(64), first_bit: 0, place: self.bytes_at_entry(local) };
                ObjectLocation { pieces: vec![half(local), half(local + 1)] }
            }
            Passed::Address => self.as_passed(local, self.units.size_of(ty)?)?,
            _ => return None,
        };
        Some((location, format!("local {local} at entry, {why}")))
    }

    /// Returns all parameters of the frame's own function, in the order of their entries.
    fn all_passed(&self) -> Option<Parameters> {
        let own = self.active().last()?.all();
        let parameters = own.iter().filter(|(_, kind, _)| *kind == VariableKind::Parameter).map(|(die, ..)| *die);
        let all: Vec<Parameter> = parameters
            .map(|die| {
                let passed = self.how_passed(self.units.type_of(die), LEVELS);
                Parameter { die, passed, described: self.first_described(die) }
            })
            .collect();
        let (first, why) = match self.is_c(self.function?.unit) {
            true => (self.by_convention(&all)?.into_iter().map(Some).collect(), "by the calling convention"),
            false => (self.by_neighbours(&all)?, "by those beside it"),
        };
        let read_first = read_first(self.binary.module(), self.frame.function?);
        Some(Parameters { all, first, why, read_first })
    }

    /// Locates an object of `size` bytes whose address is passed in a Wasm parameter, except the parts that the
    /// function writes.
    pub(super) fn as_passed(&self, local: u32, size: u64) -> Option<ObjectLocation> {
        let written = self.copy(local, size)?.written(0, size)?;
        let address = match self.entry_local(local).ok()? {
            model::Value::I32(address) => u64::from(address as u32),
            model::Value::I64(address) => address as u64,
            _ => return None,
        };
        Some(kept_of(address, size, &written))
    }

    /// Returns the accesses of the function to an object of `size` bytes whose address is passed: the copy is its own.
    /// `None` if the function does not read the object, or does anything else with the address.
    fn copy(&self, local: u32, size: u64) -> Option<Rc<Stores>> {
        let look = || {
            let (module, function) = (self.binary.module(), self.frame.function?);
            let body = module.body(function)?;
            let looked_at = self.copies.looked_at.get() + (body.end - body.start);
            self.copies.looked_at.set(looked_at);
            let stores = || Stores::through_parameter(module, function, local).map(Rc::new);
            if looked_at <= CODE { stores() } else { None }
        };
        let stores = self.copies.known.borrow_mut().entry(local).or_insert_with(look).clone()?;
        let inside = (1..=i64::try_from(size).ok()?).contains(&stores.read_end()?);
        (inside && stores.written(0, size).is_some()).then_some(stores)
    }

    pub(super) fn bytes_at_entry(&self, local: u32) -> Place {
        Place::of_value(self.entry_local(local))
    }

    /// Returns the first Wasm parameter of each parameter of the function; `None` if the convention, the function's
    /// type and the debug information of the other parameters do not agree.
    fn by_convention(&self, parameters: &[Parameter]) -> Option<Vec<u32>> {
        let function = self.function?;
        if self.rewritten {
            return None;
        }
        // Newer LLVMs mark a function whose parameters or result an optimiser changed: it follows no convention.
        let convention = self.units.inherited(function, DW_AT_calling_convention);
        let convention = convention.map_or(Some(DW_CC_normal), |(_, value)| convention_code(value))?;
        if !matches!(convention, DW_CC_normal | DW_CC_nocall) {
            return None;
        }
        // The parameters of a function that others call, or call by a pointer, are as written.
        let external = self.units.inherited(function, DW_AT_external).is_some();
        let pointed = || self.frame.function.is_some_and(|own| self.binary.module().has_pointer_to(own));
        let external = convention == DW_CC_normal && (external || pointed());
        let pointer = if self.address_size() == 8 { ValueType::I64 } else { ValueType::I32 };
        let mut expected: Vec<Option<ValueType>> = Vec::new();
        if let Some(result) = self.units.type_of(function)
            && self.units.peeled(Some(result)).is_some()
            && matches!(self.how_passed(Some(result), LEVELS)?, Passed::Address | Passed::Halves)
        {
            expected.push(Some(pointer));
        }
        let actual = &self.binary.module().signature(self.frame.function?)?.params;
        if self.takes_more(function) {
            return self.in_order(parameters, expected, actual.strip_suffix(&[pointer])?, external, false);
        }
        let all = self.in_order(parameters, expected.clone(), actual, external, false);
        all.or_else(|| self.in_order(parameters, expected, actual, external, true).filter(|_| !external))
    }

    /// Returns where parameters begin that follow each other, if they add up to the `actual` Wasm parameters and agree
    /// with the descriptions. With `shortened`, constant parameters are left out.
    fn in_order(
        &self,
        parameters: &[Parameter],
        mut expected: Vec<Option<ValueType>>,
        actual: &[ValueType],
        external: bool,
        shortened: bool,
    ) -> Option<Vec<u32>> {
        let pointer = if self.address_size() == 8 { ValueType::I64 } else { ValueType::I32 };
        let removed = |parameter: &Parameter| shortened && parameter.described == Described::Constant;
        // At most one is of a type whose passing is not known: it takes the Wasm parameters that the others leave.
        let width = |parameter: &Parameter| match removed(parameter) {
            true => Some(0),
            false => parameter.passed.map(Passed::width),
        };
        let unknown = parameters.iter().filter(|parameter| width(parameter).is_none()).count();
        let others: u32 = parameters.iter().filter_map(width).sum();
        let left = (actual.len() as u32).checked_sub(expected.len() as u32 + others)?;
        if unknown > 1 {
            return None;
        }
        let mut first = Vec::new();
        for parameter in parameters {
            first.push(expected.len() as u32);
            match parameter.passed {
                _ if removed(parameter) => {}
                Some(Passed::Nothing) => {}
                Some(Passed::Value(ty)) => expected.push(Some(ty)),
                Some(Passed::Halves) => expected.extend([Some(ValueType::I64); 2]),
                Some(Passed::Address) => expected.push(Some(pointer)),
                None => expected.extend(std::iter::repeat_n(None, left as usize)),
            }
        }
        let equal = |(expected, actual): (&Option<ValueType>, &ValueType)| expected.is_none_or(|ty| ty == *actual);
        if expected.len() != actual.len() || !expected.iter().zip(actual).all(equal) {
            return None;
        }
        let replaced = |parameter: &Parameter, local| {
            parameter.passed.is_none_or(|passed| self.may_be_replaced(parameter.die, passed, local))
        };
        let agree = parameters.iter().zip(&first).all(|(parameter, &local)| match &parameter.described {
            Described::In(locals) => match parameter.passed {
                Some(Passed::Halves) => *locals == [local, local + 1] || *locals == [local],
                Some(Passed::Nothing) => false,
                Some(Passed::Value(_) | Passed::Address) => *locals == [local],
                None => locals.first() == Some(&local) && locals.len() == left as usize,
            },
            Described::Somewhere => true,
            Described::Constant if shortened => true,
            Described::Constant | Described::Nowhere => external || !replaced(parameter, local),
        });
        agree.then_some(first)
    }

    /// Returns the Wasm parameter of each of the function's, in a language whose convention is not known: parameters
    /// keep their order, and numbers and pointers take one each. So one is known between two that have descriptions, if
    /// nothing else can be there; at either end, if none of those beside it can have been removed.
    fn by_neighbours(&self, parameters: &[Parameter]) -> Option<Vec<Option<u32>>> {
        let actual = &self.binary.module().signature(self.frame.function?)?.params;
        let placed = |parameter: &Parameter| match &parameter.described {
            Described::In(locals) => Some((*locals.first()?, locals.last()?.checked_add(1)?)),
            _ => None,
        };
        let single =
            |parameter: &Parameter| self.is_single(parameter.die) && matches!(parameter.passed, Some(Passed::Value(_)));
        let mut found = vec![None; parameters.len()];
        // The first parameter after the last one with a place, and the local from which on it may be.
        let (mut first, mut start) = (0, 0);
        while first < parameters.len() && !self.rewritten {
            let next = parameters[first..].iter().zip(first..).find_map(|(own, at)| Some((at, placed(own)?)));
            let (behind, end) = next.map_or((parameters.len(), actual.len() as u32), |(at, (local, _))| (at, local));
            let between = &parameters[first..behind];
            let kept = || between.iter().all(|parameter| parameter.described == Described::Somewhere);
            let fits = end.checked_sub(start).is_some_and(|room| room as usize == between.len());
            if fits && between.iter().all(single) && (next.is_some() || kept()) {
                for (nth, own) in parameters.iter().enumerate().take(behind + 1).skip(first) {
                    let local = start + (nth - first) as u32;
                    let same = |ty| actual.get(local as usize) == Some(&ty);
                    found[nth] = matches!(own.passed, Some(Passed::Value(ty)) if same(ty)).then_some(local);
                }
            }
            let Some((at, (_, after))) = next else { break };
            (first, start) = (at + 1, after);
        }
        Some(found)
    }

    /// Returns true if a parameter is a number or a pointer.
    fn is_single(&self, die: Die) -> bool {
        let ty = self.units.peeled(self.units.type_of(die));
        ty.is_some_and(|(_, ty)| matches!(ty.kind, Kind::Base(_) | Kind::Enum(_) | Kind::Pointer(..)))
    }

    /// Returns true if a function takes arguments beyond those of its type (`...`).
    fn takes_more(&self, function: Die) -> bool {
        let find = || {
            let unit = self.units.unit(function.unit)?;
            let mut tree = unit.entries_tree(Some(UnitOffset(function.offset))).ok()?;
            let mut children = tree.root().ok()?.children();
            for _ in 0..PARTS {
                if children.next().ok()??.entry().tag() == DW_TAG_unspecified_parameters {
                    return Some(());
                }
            }
            None
        };
        find().is_some()
            || self.units.inherited(function, DW_AT_abstract_origin).is_some_and(|(unit, value)| {
                self.units.target(unit, &value).is_some_and(|origin| origin != function && self.takes_more(origin))
            })
    }

    /// Returns true if an optimiser that may change a function's parameters can have passed the target of this pointer
    /// instead of the pointer itself: then the parameter is without a place, too. A Wasm parameter that is used as an
    /// address for a type that is no pointer is the address of a copy.
    fn may_be_replaced(&self, die: Die, passed: Passed, local: u32) -> bool {
        let ty = self.units.type_of(die);
        match passed {
            Passed::Address => {
                let size = self.units.size_of(ty);
                let copy = size.and_then(|size| self.copy(local, size));
                copy.is_none_or(|copy| self.may_point(ty, LEVELS) && !self.is_read_as(ty, &copy))
            }
            _ => self.may_point(ty, LEVELS),
        }
    }

    /// Returns true if a function's reads at an address are reads of that structure's members and cannot be reads of
    /// the target of a pointer in it: a read needs an alignment that the target is not known to have.
    fn is_read_as(&self, ty: Option<Die>, copy: &Stores) -> bool {
        let (mut members, mut targets) = (Vec::new(), Vec::new());
        if self.flatten(ty, 0, LEVELS, &mut members, &mut targets).is_none() {
            return false;
        }
        // Members that are copied may be read together.
        let member = |read: &Read| {
            let end = read.start.saturating_add_unsigned(read.size);
            let begins = |&&(start, ..): &&(u64, u64, bool)| i64::try_from(start) == Ok(read.start);
            let ends = |&(start, size, _): &(u64, u64, bool)| i64::try_from(start + size) == Ok(end);
            let alone = |&(_, size, float): &(u64, u64, bool)| size == read.size && float;
            members.iter().filter(begins).any(|first| !read.float || alone(first)) && members.iter().any(ends)
        };
        let reads: Vec<Read> = copy.reads().collect();
        let elsewhere = |target: &Option<u64>| target.is_some_and(|align| reads.iter().any(|read| read.align > align));
        reads.iter().all(member) && targets.iter().all(elsewhere)
    }

    /// Lists the numbers and pointers of a type: the offset of each, its size, and whether it is of floating point; and
    /// the alignment of the targets of its pointers, as far as it is known and they hold no pointers themselves. `None`
    /// for types that are not handled.
    fn flatten(
        &self,
        ty: Option<Die>,
        at: u64,
        levels: u32,
        members: &mut Vec<(u64, u64, bool)>,
        targets: &mut Vec<Option<u64>>,
    ) -> Option<()> {
        let levels = levels.checked_sub(1)?;
        let (die, ty) = self.units.peeled(ty)?;
        if members.len() > PARTS {
            return None;
        }
        match &ty.kind {
            Kind::Base(encoding) => {
                let float = *encoding == DW_ATE_float;
                members.push((at, self.units.size_of(Some(die))?, float));
            }
            Kind::Enum(_) => members.push((at, self.units.size_of(Some(die))?, false)),
            Kind::Pointer(_, target) => {
                members.push((at, u64::from(self.address_size()), false));
                let plain = !self.may_point(*target, levels);
                targets.push(if plain { self.alignment(*target, levels) } else { None });
            }
            Kind::Struct(contents)
                if !contents.declared && contents.keyword != "union" && contents.variants.is_none() =>
            {
                for member in &contents.members {
                    let Offset::Bits(bits) = member.offset else { return None };
                    if member.bits.is_some() || bits % 8 != 0 {
                        return None;
                    }
                    self.flatten(member.ty, at + bits / 8, levels, members, targets)?;
                }
            }
            Kind::Array(array) => {
                let [Some(count @ 0..=64)] = array.dimensions[..] else { return None };
                let size = self.units.size_of(array.element)?;
                for nth in 0..count {
                    self.flatten(array.element, at + nth * size, levels, members, targets)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Returns the greatest alignment that a compiler gives an object of a type without an alignment of its own.
    fn alignment(&self, ty: Option<Die>, levels: u32) -> Option<u64> {
        let levels = levels.checked_sub(1)?;
        let (die, ty) = self.units.peeled(ty)?;
        match &ty.kind {
            Kind::Base(_) | Kind::Enum(_) | Kind::Pointer(..) => self.units.size_of(Some(die)),
            Kind::Array(array) if !array.vector => self.alignment(array.element, levels),
            Kind::Struct(contents) if !contents.declared => {
                let aligned = |member: &crate::catalog::types::Member<'_>| {
                    member.alignment.map_or_else(
                        || self.alignment(member.ty, levels),
                        |align| Some(align.max(self.alignment(member.ty, levels)?)),
                    )
                };
                contents.members.iter().map(aligned).try_fold(1, |most, next| Some(most.max(next?)))
            }
            _ => None,
        }
    }

    /// Returns where a parameter is at the function's beginning according to debug information.
    fn first_described(&self, die: Die) -> Described {
        let find = || {
            let Some((number, value)) = self.units.inherited(die, DW_AT_location) else {
                return self.units.inherited(die, DW_AT_const_value).map(|_| Described::Constant);
            };
            let unit = self.units.unit(number)?;
            let expression = self.at_beginning(unit, value)?;
            // LLVM 14 describes some in the place of another.
            let elsewhere = self.doubt(die, number, value).is_some();
            if matches!(form(&expression, unit.encoding()), Some(DescriptionForm::Number)) {
                return Some(Described::Constant);
            }
            match locals_only(&expression, unit.encoding()) {
                Some(locals) if !elsewhere => Some(Described::In(locals)),
                Some(locals) => (locals.len() == 1).then_some(Described::Somewhere),
                None => is_operand(&expression, unit.encoding()).then_some(Described::Somewhere),
            }
        };
        find().unwrap_or(Described::Nowhere)
    }

    fn is_c(&self, unit: u32) -> bool {
        let language = || {
            let unit = self.units.unit(unit)?;
            match unit.entry(unit.header.root_offset()).ok()?.attr_value(DW_AT_language)? {
                AttributeValue::Language(language) => Some(language),
                _ => None,
            }
        };
        let known = matches!(
            language(),
            Some(
                DW_LANG_C89
                    | DW_LANG_C
                    | DW_LANG_C99
                    | DW_LANG_C11
                    | DW_LANG_C17
                    | DW_LANG_C_plus_plus
                    | DW_LANG_C_plus_plus_03
                    | DW_LANG_C_plus_plus_11
                    | DW_LANG_C_plus_plus_14
                    | DW_LANG_C_plus_plus_17
                    | DW_LANG_C_plus_plus_20
            )
        );
        known && self.units.language(unit).passes_as_c()
    }

    /// Returns how the convention passes a value of that type; `None` for types that are not handled.
    fn how_passed(&self, ty: Option<Die>, levels: u32) -> Option<Passed> {
        let levels = levels.checked_sub(1)?;
        let (die, ty) = self.units.peeled(ty)?;
        let size = self.units.size_of(Some(die));
        let integer = |size| match size {
            Some(1..=4) => Some(Passed::Value(ValueType::I32)),
            Some(8) => Some(Passed::Value(ValueType::I64)),
            Some(16) => Some(Passed::Halves),
            _ => None,
        };
        match &ty.kind {
            Kind::Base(DW_ATE_float) => match size? {
                4 => Some(Passed::Value(ValueType::F32)),
                8 => Some(Passed::Value(ValueType::F64)),
                16 => Some(Passed::Halves),
                _ => None,
            },
            Kind::Base(DW_ATE_complex_float) => Some(Passed::Address),
            Kind::Base(
                DW_ATE_boolean | DW_ATE_signed | DW_ATE_signed_char | DW_ATE_unsigned | DW_ATE_unsigned_char
                | DW_ATE_UTF,
            )
            | Kind::Enum(_) => integer(size),
            Kind::Pointer(..) => integer(Some(u64::from(self.address_size()))),
            Kind::Struct(contents) if !contents.declared && contents.variants.is_none() => {
                self.how_passed_whole(die, contents, size?, levels)
            }
            _ => None,
        }
    }

    /// Returns how a structure is passed: one number, however wrapped, as such; anything else by address.
    fn how_passed_whole(&self, die: Die, contents: &Struct<'s>, size: u64, levels: u32) -> Option<Passed> {
        let by_reference = self.units.entry(die)?.attr_value(DW_AT_calling_convention).and_then(convention_code);
        let cpp = self.units.language(die.unit).has_constructors();
        match (by_reference, contents.members.as_slice()) {
            (Some(DW_CC_pass_by_reference), _) => Some(Passed::Address),
            // C++ passes a class of one member by value or by address, which depends on its constructors.
            (None, [] | [_]) if cpp => None,
            (_, []) => Some(Passed::Nothing),
            (_, [member]) if member.bits.is_some() => None,
            (_, [member]) => {
                let (inner, ty) = self.units.peeled(member.ty)?;
                if self.units.size_of(Some(inner))? != size {
                    return None;
                }
                match &ty.kind {
                    Kind::Array(array) if array.vector => None,
                    Kind::Array(array) => match array.dimensions.as_slice() {
                        [Some(1)] => self.how_passed(array.element, levels),
                        [Some(2..)] => Some(Passed::Address),
                        _ => None,
                    },
                    _ => self.how_passed(member.ty, levels),
                }
            }
            (_, members) => {
                let sized = members.iter().all(|member| self.units.size_of(member.ty).is_some_and(|size| size > 0));
                sized.then_some(Passed::Address)
            }
        }
    }

    /// Returns true if a value of that type may contain a pointer. It is also true if the type is unknown or nested too
    /// deeply.
    fn may_point(&self, ty: Option<Die>, levels: u32) -> bool {
        let (Some((_, ty)), Some(levels)) = (self.units.peeled(ty), levels.checked_sub(1)) else { return true };
        match &ty.kind {
            Kind::Base(_) | Kind::Enum(_) => false,
            Kind::Array(array) => self.may_point(array.element, levels),
            Kind::Struct(contents) => {
                contents.declared || contents.members.iter().any(|member| self.may_point(member.ty, levels))
            }
            _ => true,
        }
    }
}

/// Locates an object at an address, except these parts, which changed.
fn kept_of(address: u64, size: u64, changed: &[(u64, u64)]) -> ObjectLocation {
    let kept = beside(changed, size);
    if kept == [(0, size)] {
        return ObjectLocation::whole(Place::Memory(address));
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut cut = |to: u64, place: Place| {
        if to > at {
            pieces.push(Piece { bits: Some((to - at) * 8), first_bit: 0, place });
            at = to;
        }
    };
    for (from, to) in kept {
        cut(from, Place::Missing(Missing::OptimizedOut));
        cut(to, Place::Memory(address.saturating_add(from)));
    }
    cut(size, Place::Missing(Missing::OptimizedOut));
    ObjectLocation { pieces }
}

fn convention_code(value: crate::catalog::units::Attr<'_>) -> Option<gimli::DwCc> {
    match value {
        AttributeValue::CallingConvention(code) => Some(code),
        value => value.udata_value().and_then(|code| u8::try_from(code).ok()).map(gimli::DwCc),
    }
}

/// The locals that a function reads before it writes them, as the code stands.
fn read_first(module: &Module<'_>, function: u32) -> HashSet<u32> {
    let (mut read, mut written) = (HashSet::new(), HashSet::new());
    let Some(mut operators) = module.operators(function) else { return read };
    while !operators.eof() {
        match operators.read() {
            Ok(Operator::LocalGet { local_index }) if !written.contains(&local_index) => {
                read.insert(local_index);
            }
            Ok(Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) => {
                written.insert(local_index);
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_counts_if_it_is_read_before_it_is_written() {
        let ask = |body: &str| {
            let text = format!("(module (func (param i32) (local i32) {body}))");
            read_first(&Module::parse(&wat::parse_str(text).unwrap()).unwrap(), 0).contains(&0)
        };
        assert!(ask("local.get 0 local.set 1 i32.const 1 local.set 0"));
        assert!(!ask("i32.const 1 local.tee 0 drop local.get 0 drop"));
        assert!(!ask("local.get 1 drop"));
    }
}
