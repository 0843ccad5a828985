//! Finds where an object of a frame is: the location that its entry gives for the frame's code address, as far as it
//! can be believed.

use gimli::constants::*;
use gimli::{AttributeValue, DieReference, UnitOffset};

use super::forms::{DescriptionForm, ValueForm, base_of_sum, form, locals, locals_only, value_form};
use super::listed::inexact;
use super::statics;
use super::trust::{Object, Trust, rewritten};
use crate::catalog::types::{Kind, PointerKind};
use crate::catalog::units::{Attr, Bytes, Die, UnitRef};
use crate::catalog::wide_constant;
use crate::location::frame::FrameContext;
use crate::location::{self, Machine, Missing, ObjectLocation, Piece, Place};
use crate::model;
use crate::unwind::operands;
use crate::unwind::writes::Writes;

/// Bytes of a description that count as one step of work.
const BYTES_A_STEP: usize = 16;

impl<'s> FrameContext<'_, 's> {
    /// Finds the object that `die` describes, at this frame's code address.
    ///
    /// `None` when the entry gives no location at all and no constant: a declaration.
    pub fn locate(&self, die: Die) -> Option<(ObjectLocation, String)> {
        match self.find(die) {
            // The reasons to doubt it may not have been seen.
            Some(_) if self.units.gave_up() || self.steps.are_spent() => {
                let why = "location: the debug info asks for more work than is sound".to_owned();
                Some((ObjectLocation::whole(Place::Missing(Missing::Malformed(why))), String::new()))
            }
            found => found.map(|(location, text)| (self.as_meant(die, location), text)),
        }
    }

    fn find(&self, die: Die) -> Option<(ObjectLocation, String)> {
        if self.owner(die).is_some_and(|(_, function)| function.doubtful.contains(&die)) {
            let why = "another of this name may be meant, whose block of the source a tool lost".to_owned();
            return Some((ObjectLocation::whole(Place::Missing(Missing::NotCaptured(why))), String::new()));
        }
        if let Some(unknown) = self.perhaps_assigned(die) {
            return Some(unknown);
        }
        if let Some(index) = statics::in_global(&self.units, self.binary.module(), die) {
            let value = self.machine(die.unit, Trust::Nothing).global(index);
            return Some((ObjectLocation::whole(Place::of_value(value)), format!("global {index}")));
        }
        if let Some((unit, value)) = self.units.inherited(die, DW_AT_location) {
            // Many entries may share a long description.
            self.steps.spend(self.size_of_description(unit, value) / BYTES_A_STEP);
            if self.steps.are_spent() {
                return Some((ObjectLocation::whole(Place::Missing(Missing::not_captured())), String::new()));
            }
            if let Some(doubt) = self.doubt(die, unit, value) {
                return Some((ObjectLocation::whole(Place::Missing(doubt)), String::new()));
            }
            let mut found = self.locate_attribute(unit, value, self.object(die), self.is_wide(die));
            if self.units.unit(unit).is_some_and(|unit| unit.encoding().version < 4) {
                found.0 = self.by_reference(self.units.type_of(die), found.0);
            }
            if self.in_prologue()
                && let Some(stored) = self.not_stored_yet(die, unit, value)
            {
                return Some(stored);
            }
            if matches!(found.0.pieces.as_slice(), [Piece { place: Place::Missing(Missing::OptimizedOut), .. }])
                && let kept = self.kept_parameter(die, unit, value).or_else(|| self.constant_parameter(die))
                && let Some(kept) = kept.or_else(|| self.kept_address(die, unit, value))
            {
                return Some(kept);
            }
            return Some(found);
        }
        self.fixed(die)
    }

    /// Returns the value that an entry gives for the whole of its scope.
    fn fixed(&self, die: Die) -> Option<(ObjectLocation, String)> {
        let (_, value) = self.units.inherited(die, DW_AT_const_value)?;
        let bytes = match value {
            AttributeValue::Block(bytes) => bytes.slice().to_vec(),
            AttributeValue::String(bytes) => bytes.slice().to_vec(),
            value => wide_constant(&value)?.to_le_bytes().to_vec(),
        };
        Some((ObjectLocation::whole(Place::Bytes(bytes)), "constant".into()))
    }

    /// Locates a variable that may have been assigned to without a trace: a counter that is described only by numbers
    /// has no value; a parameter that is a number wherever its function is called, or a copy of the function's own, has
    /// the value that it was given.
    fn perhaps_assigned(&self, die: Die) -> Option<(ObjectLocation, String)> {
        if self.rewritten || self.is_constant(die) || self.function.is_none_or(|own| own.unit != die.unit) {
            return None;
        }
        if self.may_count(die) {
            return Some((ObjectLocation::whole(Place::Missing(inexact())), String::new()));
        }
        let assigned = self.is_own_parameter(die) && !self.units.language(die.unit).has_constant_parameters();
        let given = || match self.units.inherited(die, DW_AT_location) {
            Some(_) => self.given_number(die).is_some(),
            None => self.units.inherited(die, DW_AT_const_value).is_some(),
        };
        let given = assigned && (given() || self.copied(die).is_some());
        given.then(|| (ObjectLocation::whole(Place::Missing(Missing::OptimizedOut)), String::new()))
    }

    /// The bytes of a location description, or of those in a list.
    fn size_of_description(&self, number: u32, value: Attr<'s>) -> usize {
        match value {
            AttributeValue::Exprloc(expression) => expression.0.len(),
            AttributeValue::Block(bytes) => bytes.len(),
            list => {
                let list = self.units.unit(number).and_then(|unit| self.lists.list(unit, list).ok());
                list.map_or(0, |list| list.bytes)
            }
        }
    }

    fn locate_attribute(&self, number: u32, value: Attr<'s>, object: Object, wide: bool) -> (ObjectLocation, String) {
        let missing = |missing| (ObjectLocation::whole(Place::Missing(missing)), String::new());
        let Some(unit) = self.units.unit(number) else {
            return missing(Missing::Malformed("unit".into()));
        };
        let counted = |expression: Bytes<'s>| {
            object != Object::Constant && value_form(&expression, unit.encoding()) == Some(ValueForm::Counted)
        };
        let found = match value {
            AttributeValue::Exprloc(expression) if counted(expression.0) => return missing(inexact()),
            AttributeValue::Exprloc(expression) => Some((expression.0, Trust::Unwritten)),
            AttributeValue::Block(bytes) => Some((bytes, Trust::Unwritten)),
            list => match self.listed(unit, list, object) {
                Ok(found) => found,
                Err(error) => return missing(error),
            },
        };
        let Some((expression, trust)) = found else { return missing(Missing::OptimizedOut) };
        let trust = if self.rewritten { Trust::Nothing } else { trust };
        let machine = At { wide, ..self.machine(number, trust) };
        // LLVM writes this for a variable that lies exactly at `unnamed_base`; for a removed variable it writes
        // nothing.
        let at_base = || match value {
            AttributeValue::Exprloc(expression) if expression.0.is_empty() && !self.rewritten => {
                machine.unnamed_base().ok()
            }
            _ => None,
        };
        let place = at_base();
        let unnamed = place.is_some();
        let location = match place {
            Some(base) => ObjectLocation::whole(Place::Memory(base)),
            None => location::evaluate(&machine, unit.encoding(), expression, None),
        };
        let location = if object == Object::Constant { location } else { self.without_cleared(unit, value, location) };
        // A frame base that the dump does not hold is found by what the code says of the stack pointer.
        let base = match (&self.frame.locals, self.recovered.inferred) {
            (Some(_), _) => "frame base",
            (None, false) => "recovered frame base",
            (None, true) => "guessed frame base",
        };
        let described = crate::location::describe::description(expression, unit.encoding(), base);
        let unnamed = unnamed || described.starts_with('+');
        (location, if unnamed { format!("{base} {described}").trim_end().to_owned() } else { described })
    }

    /// Leaves out the parts of an object that debug information gives as zero though they may have changed.
    fn without_cleared(&self, unit: UnitRef<'_, 's>, value: Attr<'s>, mut location: ObjectLocation) -> ObjectLocation {
        let cleared = if location.pieces.len() > 1 { self.cleared_parts(unit, value) } else { Vec::new() };
        let mut start = 0u64;
        for piece in &mut location.pieces {
            if cleared.iter().any(|part| part.start == start) {
                piece.place = Place::Missing(inexact());
            }
            start = start.saturating_add(piece.bits.unwrap_or(0));
        }
        location
    }

    /// Finds an object that debug information no longer describes, by its last description on the way here. A variable
    /// may have been assigned to since, though no line of the source with code is between.
    pub fn locate_earlier(&self, die: Die) -> Option<(ObjectLocation, String)> {
        let (number, list) = self.units.inherited(die, DW_AT_location)?;
        if self.rewritten || self.doubt(die, number, list).is_some() {
            return None;
        }
        let unit = self.units.unit(number)?;
        let (expression, trust) = self.ended(die, unit, list)?;
        let perhaps_address = self.units.language(die.unit).confuses_addresses();
        if perhaps_address && base_of_sum(&expression, unit.encoding()).is_some() {
            return None;
        }
        self.evaluated(die, number, expression, trust)
    }

    /// Evaluates an expression, as far as `trust` goes. Also returns it as text.
    fn evaluated(&self, die: Die, unit: u32, expression: Bytes<'s>, trust: Trust) -> Option<(ObjectLocation, String)> {
        let encoding = self.units.unit(unit)?.encoding();
        let machine = At { wide: self.is_wide(die), ..self.machine(unit, trust) };
        let location = location::evaluate(&machine, encoding, expression, None);
        Some((location, location::describe::description(expression, encoding, "")))
    }

    /// Returns the machine that evaluates the expressions of a unit in this frame, for objects of at most four bytes.
    fn machine(&self, unit: u32, trust: Trust) -> At<'_, '_, 's> {
        At { frame: self, unit, trust, wide: false }
    }

    /// Returns the bytes of an object whose description does not refer to the frame.
    pub(super) fn constant(&self, unit: UnitRef<'_, 's>, expression: Bytes<'s>) -> Option<Vec<u8>> {
        let machine = self.machine(self.function?.unit, Trust::Nothing);
        match location::evaluate(&machine, unit.encoding(), expression, None).pieces.as_slice() {
            [Piece { bits: None, place: Place::Bytes(bytes), .. }] => Some(bytes.clone()),
            _ => None,
        }
    }

    fn is_wide(&self, die: Die) -> bool {
        self.units.size_of(self.units.type_of(die)).is_some_and(|size| size > 4)
    }

    /// Classifies a variable by where it may be.
    fn object(&self, die: Die) -> Object {
        let ty = self.units.type_of(die);
        let size = self.units.size_of(ty);
        let parts = self.units.peeled(ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Struct(_) | Kind::Array(_)));
        if parts && size.is_none_or(|size| size > u64::from(self.address_size())) {
            Object::Large
        } else if self.is_constant(die) {
            Object::Constant
        } else {
            Object::Other
        }
    }

    /// Returns true if a variable keeps its initial value: it is a reference, `this`, or declared `const`.
    pub(super) fn is_constant(&self, die: Die) -> bool {
        let mut at = self.units.type_of(die);
        for _ in 0..8 {
            let Some(ty) = at.and_then(|at| self.units.type_at(at)) else { return false };
            match &ty.kind {
                Kind::Qualified("const", _) => return true,
                Kind::Qualified("restrict", target) | Kind::Typedef(target) => at = *target,
                Kind::Pointer(PointerKind::Reference | PointerKind::RvalueReference, _) => return true,
                Kind::Pointer(..) => return self.units.name(die) == Some(b"this"),
                _ => return false,
            }
        }
        false
    }

    /// Locates a parameter of a language where nothing can assign to one, if some entry has it in Wasm parameters that
    /// nothing writes: it is there from beginning to end.
    fn kept_parameter(&self, die: Die, number: u32, list: Attr<'s>) -> Option<(ObjectLocation, String)> {
        let constant = self.units.language(die.unit).has_constant_parameters();
        if !constant || self.rewritten || !self.is_own_parameter(die) {
            return None;
        }
        let unit = self.units.unit(number)?;
        let parameters = self.binary.module().signature(self.frame.function?)?.params.len() as u32;
        let kept = |local: u32| local < parameters && self.writes().is_some_and(|writes| writes.values(local) == 1);
        let list = self.lists.list(unit, list).ok()?;
        let kept_in = |expression: &Bytes<'s>| {
            locals_only(expression, unit.encoding()).is_some_and(|locals| locals.into_iter().all(kept))
        };
        let find =
            || list.default.iter().chain(list.all.iter().map(|(_, expression)| expression)).copied().find(kept_in);
        self.evaluated(die, number, *list.kept.get_or_init(find).as_ref()?, Trust::Unwritten)
    }

    /// Locates a parameter that is described in memory for the whole function, at the address in a Wasm parameter: it
    /// does not move, even if the local has another value by now.
    fn kept_address(&self, die: Die, number: u32, value: Attr<'s>) -> Option<(ObjectLocation, String)> {
        let AttributeValue::Exprloc(expression) = value else { return None };
        let encoding = self.units.unit(number)?.encoding();
        let parameters = self.binary.module().signature(self.frame.function?)?.params.len() as u32;
        let mut rest = expression.0;
        let gimli::Operation::WasmLocal { index } = location::parse(&mut rest, encoding).ok()? else { return None };
        let leads =
            matches!(form(&expression.0, encoding), Some(DescriptionForm::AddressInLocal)) && index < parameters;
        if !leads || self.rewritten || !self.is_own_parameter(die) {
            return None;
        }
        let found = self.evaluated(die, number, expression.0, Trust::Entry)?;
        found.0.pieces.iter().all(|piece| matches!(piece.place, Place::Memory(_))).then_some(found)
    }

    /// Returns true if this is a parameter of the frame's own function. A parameter of an inlined function had other
    /// values in other calls, which the same entry may describe.
    pub(super) fn is_own_parameter(&self, die: Die) -> bool {
        self.active().last().is_some_and(|own| own.has_parameter(die))
    }

    /// Locates a parameter that nothing can assign to (a reference, `this`, one declared `const`) by its value when the
    /// function was entered.
    fn constant_parameter(&self, die: Die) -> Option<(ObjectLocation, String)> {
        let language = self.units.language(die.unit);
        let kept = self.is_constant(die) || language.has_constant_parameters();
        let found = if kept { self.locate_at_entry(die)? } else { return None };
        let known = !found.0.pieces.iter().any(|piece| matches!(piece.place, Place::Missing(_)));
        known.then_some(found)
    }

    /// Locates a parameter as it was when the function was entered, if it was in Wasm parameters whose values at entry
    /// are known.
    pub fn locate_at_entry(&self, die: Die) -> Option<(ObjectLocation, String)> {
        if self.rewritten || !self.is_own_parameter(die) {
            return None;
        }
        self.described_at_entry(die).or_else(|| self.passed(die))
    }

    fn described_at_entry(&self, die: Die) -> Option<(ObjectLocation, String)> {
        let Some((number, list)) = self.units.inherited(die, DW_AT_location) else { return self.fixed(die) };
        if let Some(expression) = self.given_number(die) {
            return self.evaluated(die, number, expression, Trust::Nothing);
        }
        if let Some(copied) = self.copied(die) {
            return Some(copied);
        }
        if self.doubt(die, number, list).is_some() {
            return None;
        }
        let unit = self.units.unit(number)?;
        let parameters = self.binary.module().signature(self.frame.function?)?.params.len() as u32;
        let expression = self.at_beginning(unit, list)?;
        if !locals_only(&expression, unit.encoding())?.into_iter().all(|local| local < parameters) {
            return None;
        }
        self.evaluated(die, number, expression, Trust::Entry)
    }

    /// Locates a structure whose address is passed in a Wasm parameter, if the function does nothing with it but read
    /// and write parts: the copy is its own, and an optimiser leaves out writes that are not read again. The structure
    /// is as it was passed, except the parts that are written.
    fn copied(&self, die: Die) -> Option<(ObjectLocation, String)> {
        let (number, value) = self.units.inherited(die, DW_AT_location)?;
        let unit = self.units.unit(number)?;
        let expression = self.at_beginning(unit, value)?;
        let leads = unit.encoding().version >= 4
            && matches!(form(&expression, unit.encoding()), Some(DescriptionForm::AddressInLocal));
        let ty = self.units.type_of(die);
        let structure = self.units.peeled(ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Struct(_)));
        let local = *locals(&expression, unit.encoding()).first()?;
        let parameters = self.binary.module().signature(self.frame.function?)?.params.len() as u32;
        if !leads || !structure || local >= parameters || !self.is_own_parameter(die) || !self.moves_variables() {
            return None;
        }
        let location = self.as_passed(local, self.units.size_of(ty)?)?;
        Some((location, format!("[local {local}] at entry")))
    }

    /// Returns a Wasm parameter as it was when the function was entered.
    pub(super) fn entry_local(&self, index: u32) -> Result<model::Value, Missing> {
        let unwritten = || {
            let parameters = self.binary.module().signature(self.frame.function?)?.params.len() as u32;
            (index < parameters && self.writes()?.values(index) == 1).then_some(index)
        };
        if let Some(now) = self.recovered.unchanged(index).or_else(unwritten)
            && let Ok(value) = self.local(now)
        {
            return Ok(value);
        }
        let passed = self.recovered.parameter(index);
        passed.ok_or_else(|| Missing::NotCaptured("a value at the function's entry".into()))
    }

    fn read_frame_base(&self) -> Result<u64, Missing> {
        let none = || Missing::NotCaptured("no frame base".into());
        let function = self.function.ok_or_else(none)?;
        let (number, value) = self.units.inherited(function, DW_AT_frame_base).ok_or_else(none)?;
        let unit = self.units.unit(number).ok_or_else(none)?;
        let expression = match value {
            AttributeValue::Exprloc(expression) => expression.0,
            AttributeValue::Block(bytes) => bytes,
            list => self.listed(unit, list, Object::Other)?.ok_or(Missing::OptimizedOut)?.0,
        };
        let mut first = expression;
        if let Ok(gimli::Operation::WasmLocal { index }) = location::parse(&mut first, unit.encoding()) {
            // In code that was rewritten the local may be another.
            if self.rewritten && !self.recovered.is_stack_pointer(index) {
                return self.rewritten_frame_base().ok_or_else(rewritten);
            }
            if self.recovered.before_prologue(index) {
                return Err(if self.youngest { not_set_up() } else { elsewhere() });
            }
            // In a frame that is not needed any more, the local may hold another value.
            let once = || self.writes().is_some_and(|writes| writes.values(index) == 1);
            if !self.recovered.is_in_stack(index) && !once() {
                return Err(overwritten());
            }
        }
        let machine = self.machine(number, Trust::All);
        let base = location::number(&machine, unit.encoding(), expression, None)?;
        Ok(if unit.encoding().address_size >= 8 { base } else { base & u64::from(u32::MAX) })
    }

    /// Returns the frame base of a function that a tool rewrote: locals have other numbers then, but the frame is where
    /// it was. A function that moved the stack pointer once, and down, has its frame above it.
    fn rewritten_frame_base(&self) -> Option<u64> {
        let global = self.recovered.stack_pointer_global.filter(|_| !self.recovered.inferred)?;
        let (now, entry) = (self.recovered.stack_pointer?, self.recovered.entry_stack_pointer?);
        (now < entry && self.is_set_once(global)).then_some(now)
    }

    /// The global that is the function's frame base: a frame without a local for it.
    fn base_global(&self) -> Option<u32> {
        match self.frame_base_operation()? {
            gimli::Operation::WasmGlobal { index } => {
                (self.recovered.stack_pointer_global == Some(index)).then_some(index)
            }
            _ => None,
        }
    }

    /// Returns the first operation of the function's frame base.
    pub(super) fn frame_base_operation(&self) -> Option<gimli::Operation<Bytes<'s>>> {
        let (number, value) = self.units.inherited(self.function?, DW_AT_frame_base)?;
        let AttributeValue::Exprloc(expression) = value else { return None };
        let mut first = expression.0;
        location::parse(&mut first, self.units.unit(number)?.encoding()).ok()
    }

    /// Returns true if the function wrote a global exactly once before this frame's code address, as it writes the
    /// stack pointer when it makes its stack frame. A function that makes room a second time has its variables
    /// elsewhere.
    fn is_set_once(&self, global: u32) -> bool {
        let code = self.binary.module().code_section_start().unwrap_or(0);
        self.writes().is_some_and(|writes| writes.global_before(global, self.pc.saturating_add(code)) == 1)
    }

    /// Returns true if an operand has been on the stack since before the code address `start`, so that a description
    /// which begins there means it.
    fn keeps_operand(&self, index: u32, start: u64) -> bool {
        let module = self.binary.module();
        let code = module.code_section_start().unwrap_or(0);
        let at = self.pc.saturating_add(code);
        let operands = self.operands.get_or_init(|| operands::since(module, self.frame.function?, at));
        let since = operands.as_ref().and_then(|operands| operands.get(index as usize));
        since.is_some_and(|&since| since < start.saturating_add(code))
    }

    pub(super) fn writes(&self) -> Option<&Writes> {
        let function = self.frame.function;
        self.writes.get_or_init(|| Writes::from_function(self.binary.module(), function?)).as_ref()
    }

    /// Checks that a local still holds the value which a description says is in it; the error says why it does not.
    fn is_current(&self, local: u32, trust: &Trust) -> Result<(), Missing> {
        let code = self.binary.module().code_section_start().unwrap_or(0);
        let current = match trust {
            // On every path here the parameter is what it was at entry.
            Trust::Within(..) | Trust::Unwritten if self.recovered.is_parameter(local) => true,
            Trust::All => return Ok(()),
            Trust::Nothing | Trust::Entry => return Err(rewritten()),
            Trust::Kept(locals) => locals.contains(&local),
            Trust::Unwritten => self.writes().is_some_and(|writes| writes.values(local) == 1),
            Trust::Within(range, since) => {
                let start = since.start(local).unwrap_or(range.start);
                let range = start.saturating_add(code)..range.end.saturating_add(code);
                self.writes().is_some_and(|writes| writes.unchanged(local, &range, self.pc.saturating_add(code)))
            }
        };
        if current { Ok(()) } else { Err(overwritten()) }
    }

    /// The frame base, evaluated once.
    pub fn frame_base(&self) -> Result<u64, Missing> {
        if let Some(known) = self.base.get() {
            return known.clone();
        }
        if self.reads_base.replace(true) {
            return Err(Missing::Malformed("location: the frame base needs itself".into()));
        }
        let base = self.read_frame_base();
        self.reads_base.set(false);
        self.base.get_or_init(|| base).clone()
    }

    /// Evaluates a member's offset, or another expression over an address.
    pub fn computed(&self, unit: u32, expression: Bytes<'s>, initial: u64) -> Result<u64, Missing> {
        let encoding = self.units.unit(unit).ok_or_else(Missing::not_captured)?.encoding();
        location::number(&self.machine(unit, Trust::Nothing), encoding, expression, Some(initial))
    }
}

/// The frame, as a unit's expressions see it.
struct At<'f, 'g, 's> {
    frame: &'f FrameContext<'g, 's>,
    unit: u32,
    trust: Trust,
    /// True if the object has more than four bytes.
    wide: bool,
}

fn not_set_up() -> Missing {
    Missing::NotCaptured("the function had not set up its frame yet".into())
}

/// The reason for a frame base in a local that does not point to the frame: a function that called another has its
/// frame.
fn elsewhere() -> Missing {
    Missing::NotCaptured("the frame is not where the debug information says".into())
}

fn overwritten() -> Missing {
    // The compiler kept the variable only until it needed the local for something else.
    Missing::OptimizedOut
}

impl<'s> Machine<'s> for At<'_, '_, 's> {
    fn local(&self, index: u32) -> Result<model::Value, Missing> {
        if matches!(self.trust, Trust::Entry) {
            return self.frame.entry_local(index);
        }
        self.frame.is_current(index, &self.trust)?;
        self.frame.local(index)
    }

    fn global(&self, index: u32) -> Result<model::Value, Missing> {
        if self.frame.units.is_split(self.unit) { self.frame.split_global(index) } else { self.frame.global(index) }
    }

    fn operand(&self, index: u32) -> Result<model::Value, Missing> {
        match &self.trust {
            Trust::Nothing => Err(rewritten()),
            Trust::Within(range, _) if self.frame.keeps_operand(index, range.start) => self.frame.operand(index),
            // No operand stays on the stack from the beginning of a function to its end.
            Trust::Within(..) | Trust::Kept(_) | Trust::Unwritten | Trust::All | Trust::Entry => Err(overwritten()),
        }
    }

    fn entry_local(&self, index: u32) -> Result<model::Value, Missing> {
        self.frame.entry_local(index)
    }

    fn frame_base(&self) -> Result<u64, Missing> {
        if self.frame.in_prologue() {
            return Err(not_set_up());
        }
        self.frame.frame_base()
    }

    fn unnamed_base(&self) -> Result<u64, Missing> {
        match self.frame.base_global() {
            Some(global) if self.frame.is_set_once(global) => self.frame_base(),
            _ => Err(Missing::Malformed("location: it adds to nothing".into())),
        }
    }

    fn read(&self, address: u64, size: u64) -> Result<u64, Missing> {
        let memory = self.frame.memory.ok_or_else(Missing::not_captured)?;
        Ok(memory.uint(address, size)?)
    }

    fn memory_base(&self) -> Result<Option<u64>, Missing> {
        self.frame.memory_base()
    }

    fn tls_base(&self) -> Result<u64, Missing> {
        self.frame.tls_base()
    }

    fn indexed_address(&self, index: gimli::DebugAddrIndex<usize>) -> Result<u64, Missing> {
        let unit = self.frame.units.unit(self.unit).ok_or_else(Missing::not_captured)?;
        Ok(unit.address(index)?)
    }

    fn base_type(&self, entry: UnitOffset<usize>) -> Result<gimli::ValueType, Missing> {
        let entry = self.frame.units.entry(Die { unit: self.unit, offset: entry.0 });
        let ty = entry.and_then(|entry| gimli::ValueType::from_entry(&entry).ok().flatten());
        ty.ok_or_else(|| Missing::Malformed("location: of an unknown type".into()))
    }

    fn is_wide(&self) -> bool {
        self.wide
    }

    fn called(&self, entry: DieReference<usize>) -> Result<Option<Bytes<'s>>, Missing> {
        let die = match entry {
            DieReference::UnitRef(offset) => Some(Die { unit: self.unit, offset: offset.0 }),
            DieReference::DebugInfoRef(offset) => self.frame.units.at_info_offset(self.unit, offset.0),
        };
        match die.and_then(|die| self.frame.units.inherited(die, DW_AT_location)) {
            Some((_, AttributeValue::Exprloc(expression))) => Ok(Some(expression.0)),
            Some(_) => Err(Missing::Malformed("location: calls a list".into())),
            None => Ok(None),
        }
    }
}
