//! One frame's state, as location descriptions refer to it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use gimli::constants::*;
use gimli::{AttributeValue, DieReference, UnitOffset};

use super::location::{self, Location, Machine, Missing, Place};
use super::types::wide_constant;
use super::units::{Attr, Bytes, Die, UnitRef, Units};
use super::unwind::Recovered;
use super::writes::Writes;
use crate::binaries::Binary;
use crate::memory::Memory;
use crate::model::{self, CoreDump};

/// What is known of a frame, and of the binary it ran in.
pub struct Frame<'f, 's> {
    /// The dump.
    pub dump: &'f CoreDump<'f>,
    /// The frame in the dump.
    pub frame: &'f model::Frame,
    /// The binary it ran in.
    pub binary: &'s Binary<'s>,
    /// The binary's debug information.
    pub units: Rc<Units<'s>>,
    /// The memory that its addresses mean: the instance's first.
    pub memory: Option<&'f Memory<'f>>,
    /// The code address of the call or of the trap, as DWARF counts it.
    pub pc: u64,
    /// The function's entry; `None` when it has no debug information.
    pub function: Option<Die>,
    /// A tool rewrote the code: what the debug information says of Wasm's locals is true of other code.
    pub rewritten: bool,
    /// What the function's body tells of its state.
    pub recovered: Rc<Recovered>,
    /// The memo of which instructions write the function's locals.
    pub writes: OnceCell<Option<Writes>>,
    /// The memo of [`Machine::frame_base`].
    pub base: OnceCell<Result<u64, Missing>>,
    /// The memo of functions' names by index in the table.
    pub functions: Rc<RefCell<HashMap<u64, Option<String>>>>,
}

impl<'s> Frame<'_, 's> {
    /// The dump's value of a global of the frame's instance.
    fn dumped_global(&self, index: u32) -> Result<model::Value, Missing> {
        let instance = self.frame.instance.and_then(|instance| self.dump.instances.get(instance as usize));
        let instance = instance.or(match self.dump.instances.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        let global = instance.and_then(|instance| instance.globals.get(index as usize).copied().flatten());
        match global.and_then(|global| self.dump.globals.get(global as usize)) {
            Some(model::Global { value: model::Value::Missing, .. }) | None => Err(Missing::not_captured()),
            Some(global) => Ok(global.value.clone()),
        }
    }

    /// A 32-bit or 64-bit Wasm integer, as wide as an address.
    pub fn pointer_value(&self, value: u64) -> model::Value {
        if self.address_size() == 8 { model::Value::I64(value as i64) } else { model::Value::I32(value as u32 as i32) }
    }

    /// Bytes a pointer has.
    pub fn address_size(&self) -> u8 {
        if self.memory.is_some_and(|memory| memory.memory64) { 8 } else { 4 }
    }

    /// Where the object that `die` describes is, at this frame's code address.
    ///
    /// `None` when the entry gives no location at all and no constant: a declaration.
    pub fn locate(&self, die: Die) -> Option<(Location, String)> {
        if let Some((unit, value)) = self.units.inherited(die, DW_AT_location) {
            return Some(self.locate_attribute(unit, value));
        }
        let (_, value) = self.units.inherited(die, DW_AT_const_value)?;
        let bytes = match value {
            AttributeValue::Block(bytes) => bytes.slice().to_vec(),
            AttributeValue::String(bytes) => bytes.slice().to_vec(),
            value => wide_constant(&value)?.to_le_bytes().to_vec(),
        };
        Some((Location::whole(Place::Bytes(bytes)), "constant".into()))
    }

    fn locate_attribute(&self, number: u32, value: Attr<'s>) -> (Location, String) {
        let missing = |missing| (Location::whole(Place::Missing(missing)), String::new());
        let Some(unit) = self.units.unit(number) else {
            return missing(Missing::Malformed("unit".into()));
        };
        let found = match value {
            AttributeValue::Exprloc(expression) => Some((expression.0, Trust::Unwritten)),
            AttributeValue::Block(bytes) => Some((bytes, Trust::Unwritten)),
            list => match self.listed(unit, list) {
                Ok(found) => found.map(|(expression, range)| (expression, Trust::Within(range))),
                Err(error) => return missing(error),
            },
        };
        let Some((expression, trust)) = found else { return missing(Missing::OptimizedOut) };
        let trust = if self.rewritten { Trust::Nothing } else { trust };
        let machine = At { frame: self, unit: number, trust };
        let location = location::evaluate(&machine, unit.encoding(), expression, None);
        (location, super::describe::description(expression, unit.encoding()))
    }

    /// The description that a location list gives for this frame's code address (DWARF 5, 2.6.2).
    fn listed(&self, unit: UnitRef<'_, 's>, list: Attr<'s>) -> Result<Option<(Bytes<'s>, Range<u64>)>, Missing> {
        if self.rewritten {
            return Err(rewritten());
        }
        let Some(mut entries) = unit.attr_locations(list)? else {
            return Err(Missing::Malformed("location: of an unknown form".into()));
        };
        let mut default = None;
        while let Some(entry) = entries.next()? {
            if (entry.range.begin, entry.range.end) == (0, u64::MAX) {
                default = Some((entry.data.0, 0..u64::MAX));
            } else if (entry.range.begin..entry.range.end).contains(&self.pc) {
                return Ok(Some((entry.data.0, entry.range.begin..entry.range.end)));
            }
        }
        Ok(default)
    }

    fn read_frame_base(&self) -> Result<u64, Missing> {
        let none = || Missing::NotCaptured("no frame base".into());
        let function = self.function.ok_or_else(none)?;
        let (number, value) = self.units.inherited(function, DW_AT_frame_base).ok_or_else(none)?;
        let unit = self.units.unit(number).ok_or_else(none)?;
        let expression = match value {
            AttributeValue::Exprloc(expression) => expression.0,
            AttributeValue::Block(bytes) => bytes,
            list => self.listed(unit, list)?.ok_or(Missing::OptimizedOut)?.0,
        };
        let mut first = expression;
        if let Ok(gimli::Operation::WasmLocal { index }) = gimli::Operation::parse(&mut first, unit.encoding()) {
            if self.recovered.before_prologue(index) {
                return Err(Missing::NotCaptured("the function had not set up its frame yet".into()));
            }
            if self.rewritten && !self.recovered.is_stack_pointer(index) {
                return Err(rewritten());
            }
            // A frame that is not needed any more may have left its local to another value.
            let once = || self.writes().is_some_and(|writes| writes.values(index) == 1);
            if !self.recovered.is_in_stack(index) && !once() {
                return Err(overwritten());
            }
        }
        let machine = At { frame: self, unit: number, trust: Trust::All };
        let base = location::number(&machine, unit.encoding(), expression, None)?;
        Ok(if unit.encoding().address_size >= 8 { base } else { base & u64::from(u32::MAX) })
    }

    fn writes(&self) -> Option<&Writes> {
        let function = self.frame.function;
        self.writes.get_or_init(|| Writes::of(self.binary.module(), function?)).as_ref()
    }

    /// Whether a local still holds what a description says is in it.
    fn is_current(&self, local: u32, trust: &Trust) -> Result<(), Missing> {
        let code = self.binary.module().code_section_start().unwrap_or(0);
        let current = match trust {
            // On every path here the parameter is what it was at entry.
            Trust::Within(_) | Trust::Unwritten if self.recovered.is_parameter(local) => true,
            Trust::All => return Ok(()),
            Trust::Nothing => return Err(rewritten()),
            Trust::Unwritten => self.writes().is_some_and(|writes| writes.values(local) == 1),
            Trust::Within(range) => {
                let range = range.start.saturating_add(code)..range.end.saturating_add(code);
                self.writes().is_some_and(|writes| writes.unchanged(local, &range, self.pc.saturating_add(code)))
            }
        };
        if current { Ok(()) } else { Err(overwritten()) }
    }

    /// The frame base, evaluated once.
    pub fn frame_base(&self) -> Result<u64, Missing> {
        self.base.get_or_init(|| self.read_frame_base()).clone()
    }

    /// A member's offset, or anything else that is an expression over an address.
    pub fn computed(&self, unit: u32, expression: Bytes<'s>, initial: u64) -> Result<u64, Missing> {
        let encoding = self.units.unit(unit).ok_or_else(Missing::not_captured)?.encoding();
        location::number(&At { frame: self, unit, trust: Trust::Nothing }, encoding, expression, Some(initial))
    }

    /// A Wasm local: as the dump has it, else as the body proves it.
    pub fn local(&self, index: u32) -> Result<model::Value, Missing> {
        if let Some(locals) = &self.frame.locals {
            match locals.get(index as usize) {
                Some(model::Value::Missing) => {}
                Some(value) => return Ok(value.clone()),
                None => return Err(Missing::Malformed(format!("location: no local {index}"))),
            }
        }
        self.recovered.local(index).ok_or_else(Missing::not_captured)
    }

    /// A Wasm global, the stack pointer as it was in this frame.
    pub fn global(&self, index: u32) -> Result<model::Value, Missing> {
        if self.recovered.stack_pointer_global == Some(index) {
            let why = || Missing::NotCaptured(self.recovered.why_not().into());
            return self.recovered.stack_pointer.map(|value| self.pointer_value(value)).ok_or_else(why);
        }
        self.dumped_global(index)
    }

    /// A value of the operand stack, 0 at the bottom.
    pub fn operand(&self, index: u32) -> Result<model::Value, Missing> {
        let stack = self.frame.stack.as_ref().ok_or_else(Missing::not_captured)?;
        // The operands of the instruction that trapped are off the stack already.
        let value = stack.get(index as usize).filter(|value| **value != model::Value::Missing);
        value.cloned().ok_or_else(|| Missing::NotCaptured("taken off the operand stack".into()))
    }

    /// Base of the thread's local storage.
    fn tls(&self) -> Result<u64, Missing> {
        let none = || Missing::NotCaptured("thread-local storage".into());
        let index = super::unwind::global_named(self.binary.module(), "__tls_base").ok_or_else(none)?;
        match self.dumped_global(index)? {
            model::Value::I32(value) => Ok(u64::from(value as u32)),
            model::Value::I64(value) => Ok(value as u64),
            _ => Err(none()),
        }
    }
}

/// The frame, seen from the unit an expression stands in.
struct At<'f, 'g, 's> {
    frame: &'f Frame<'g, 's>,
    unit: u32,
    trust: Trust,
}

/// When what a description says of Wasm's locals is believed.
enum Trust {
    /// Always: it was checked elsewhere.
    All,
    /// As long as the local has not been written since the addresses for which it is said began.
    Within(Range<u64>),
    /// It is said of the whole function: if the local gets a value once.
    Unwritten,
    /// Never: it was said of other code.
    Nothing,
}

fn overwritten() -> Missing {
    // The compiler kept the variable only until it needed the local for something else.
    Missing::OptimizedOut
}

fn rewritten() -> Missing {
    Missing::NotCaptured("the code was rewritten after its debug information was made".into())
}

impl<'s> Machine<'s> for At<'_, '_, 's> {
    fn local(&self, index: u32) -> Result<model::Value, Missing> {
        self.frame.is_current(index, &self.trust)?;
        self.frame.local(index)
    }

    fn global(&self, index: u32) -> Result<model::Value, Missing> {
        self.frame.global(index)
    }

    fn operand(&self, index: u32) -> Result<model::Value, Missing> {
        match self.trust {
            Trust::Nothing => Err(rewritten()),
            _ => self.frame.operand(index),
        }
    }

    fn entry_local(&self, index: u32) -> Result<model::Value, Missing> {
        let now = self.frame.recovered.unchanged(index);
        let now = now.ok_or_else(|| Missing::NotCaptured("a value at the function's entry".into()))?;
        self.frame.local(now)
    }

    fn frame_base(&self) -> Result<u64, Missing> {
        self.frame.frame_base()
    }

    fn read(&self, address: u64, size: u64) -> Result<u64, Missing> {
        let memory = self.frame.memory.ok_or_else(Missing::not_captured)?;
        Ok(memory.uint(address, size)?)
    }

    fn tls_base(&self) -> Result<u64, Missing> {
        self.frame.tls()
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
