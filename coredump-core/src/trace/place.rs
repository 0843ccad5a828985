//! Places the frames of a trace in a file, under a rule for what its offsets mean.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wasmparser::Operator;

use super::names::{self, FunctionsByName};
use super::{Printed, Rule, Stand, TraceBase};
use crate::binaries::Binary;
use crate::module::Module;

/// A frame's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CodePlace {
    /// Index among the file's core modules.
    pub module: usize,
    /// The function; `None` where several may be meant.
    pub function: Option<u32>,
    /// Offset in bytes from the body's start, of the instruction or call; `None` where the trace has no offset.
    pub code_offset: Option<u32>,
    /// The functions with the printed name, if there are several and nothing else identifies the function.
    pub candidates: Vec<u32>,
    /// True if the printed name is that of the function; `None` if there is nothing to compare.
    pub name: Option<bool>,
}

/// From which byte a file offset counts, if the file is a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// From the start of the component.
    InFile,
    /// From the start of the core module in it, which was run by itself.
    InModule,
}

/// The core modules of a file.
pub(super) struct File<'f> {
    pub modules: &'f [Arc<Binary>],
    pub counted: Counted,
    pub names: &'f mut HashMap<String, FunctionsByName>,
}

impl File<'_> {
    /// Places a frame. `Err` says why it cannot stand in this file.
    pub fn code_place(&mut self, frame: &Printed, rule: Rule, caller: bool) -> Result<CodePlace, String> {
        let Some(offset) = frame.offset else { return self.unplaced(frame) };
        let (module, function, relative) = match rule.base {
            TraceBase::File => self.in_file(offset)?,
            TraceBase::CodeSection => {
                let start = self.only()?.module().code_section_start().ok_or("it has no code")?;
                self.in_file(offset + start)?
            }
            TraceBase::Function => {
                let place = self.unplaced(frame)?;
                (place.module, place.function.ok_or("several functions have that name")?, offset as u32)
            }
        };
        let binary = &self.modules[module];
        if let Some(index) = frame.index.filter(|&index| index != function) {
            return Err(format!("offset {offset:#x} is in function {function}, not in function {index}"));
        }
        let printed = frame.function.as_deref().filter(|_| !frame.source_name);
        let name = printed.and_then(|printed| names::is_called(binary, function, printed));
        let stand = if caller { rule.caller } else { rule.youngest };
        let code_offset = match stand {
            Stand::On => relative,
            Stand::Behind if caller => {
                let call = binary.instructions(function).and_then(|instructions| instructions.call_before(relative));
                call.ok_or_else(|| format!("no call ends at offset {offset:#x}"))?.start
            }
            Stand::Behind => instruction_before(binary.module(), function, relative)
                .ok_or_else(|| format!("no instruction ends at offset {offset:#x}"))?,
        };
        Ok(CodePlace { module, function: Some(function), code_offset: Some(code_offset), candidates: Vec::new(), name })
    }

    /// The core module and the function at an offset in the file, and the offset in the function's body.
    fn in_file(&self, offset: u64) -> Result<(usize, u32, u32), String> {
        for (index, binary) in self.modules.iter().enumerate() {
            let start = if self.counted == Counted::InFile { binary.start() } else { 0 };
            let module = binary.module();
            let Some(own) = offset.checked_sub(start).filter(|&own| own < module.bytes().len() as u64) else {
                continue;
            };
            let found = module.function_at(own).and_then(|function| {
                // The offset may be on the size field of the body, if the function was about to be entered.
                let relative = own.saturating_sub(module.body(function)?.start);
                Some((index, function, u32::try_from(relative).ok()?))
            });
            return found.ok_or_else(|| format!("no function stands at offset {offset:#x}"));
        }
        Err(format!("offset {offset:#x} is past its end"))
    }

    fn only(&self) -> Result<&Arc<Binary>, String> {
        match self.modules {
            [only] => Ok(only),
            _ => Err("offsets that count from a code section tell nothing in a component".to_owned()),
        }
    }

    /// Places a frame of which only the function is known.
    fn unplaced(&mut self, frame: &Printed) -> Result<CodePlace, String> {
        let place = |module, function| CodePlace { module, function: Some(function), ..CodePlace::default() };
        if let Some(index) = frame.index {
            let binary = self.only()?;
            if index >= binary.module().function_count() {
                return Err(format!(
                    "function {index} does not exist (the module has {})",
                    binary.module().function_count()
                ));
            }
            let name = frame.function.as_deref().and_then(|printed| names::is_called(binary, index, printed));
            return Ok(CodePlace { name, ..place(0, index) });
        }
        // Its line was cut off.
        let Some(printed) = frame.function.as_deref() else { return Ok(CodePlace::default()) };
        let mut found = Vec::new();
        for (module, binary) in self.modules.iter().enumerate() {
            let names = self.names.entry(binary.describe()).or_insert_with(|| FunctionsByName::from_binary(binary));
            found.extend(names.called(printed).iter().map(|&function| (module, function)));
        }
        match found[..] {
            [] => Err(format!("it has no function {printed}")),
            [(module, function)] => Ok(CodePlace { name: Some(true), ..place(module, function) }),
            [(module, _), ..] => {
                let same = found.iter().filter(|(other, _)| *other == module);
                let candidates = same.map(|(_, function)| *function).collect();
                Ok(CodePlace { module, candidates, name: Some(true), ..CodePlace::default() })
            }
        }
    }
}

/// The first byte of the instruction that ends at an offset; offsets count from the body's start.
fn instruction_before(module: &Module<'_>, function: u32, offset: u32) -> Option<u32> {
    let body = module.body(function)?;
    let mut operators = module.operators(function)?;
    while !operators.eof() {
        let start = operators.original_position() as u64 - body.start;
        operators.read().ok()?;
        let end = operators.original_position() as u64 - body.start;
        if end >= offset.into() {
            return (end == u64::from(offset)).then_some(start as u32);
        }
    }
    None
}

/// The functions that a function calls directly.
pub(super) fn calls(module: &Module<'_>, function: u32) -> HashSet<u32> {
    let mut targets = HashSet::new();
    let Some(mut operators) = module.operators(function) else { return targets };
    while !operators.eof() {
        match operators.read() {
            Ok(Operator::Call { function_index } | Operator::ReturnCall { function_index }) => {
                targets.insert(function_index);
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    targets
}
