//! One frame's state, which location descriptions refer to.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::binaries::Binary;
use crate::catalog::units::{Die, Units};
use crate::limits::Steps;
use crate::location::Missing;
use crate::location::lists::Lists;
use crate::location::parameter::{Copies, Parameters};
use crate::locked::Locked;
use crate::memory::Memory;
use crate::model::{self, CoreDump};
use crate::scope;
use crate::symbols::LineRow;
use crate::unwind::paths::Paths;
use crate::unwind::writes::Writes;
use crate::unwind::{Recovered, Stores, certain_instance};

/// Places in code of which the active functions are remembered, and variables that these have at most.
const SCOPES: usize = 1 << 10;
const VARIABLES: usize = 1 << 10;

/// The functions that are active at places in code.
pub type Scopes = HashMap<(Die, u64), Arc<Vec<scope::Function>>>;

/// The context in which DWARF expressions of a frame are evaluated (DWARF 5, 2.5.1): the frame, its binary and its
/// memory.
pub struct FrameContext<'f, 's> {
    /// The dump.
    pub dump: &'f CoreDump<'f>,
    /// The frame in the dump.
    pub frame: &'f model::Frame,
    /// The binary it ran in.
    pub binary: &'f Binary,
    /// The binary's debug information.
    pub units: Units<'s>,
    /// The memory that its addresses mean: the instance's first.
    pub memory: Option<&'f Memory<'f>>,
    /// The code address of the call or of the trap, as DWARF counts it.
    pub pc: u64,
    /// The function's entry; `None` when it has no debug information.
    pub function: Option<Die>,
    /// True if a tool rewrote the code after it was compiled: the locals in the debug information are then those of
    /// other code.
    pub rewritten: bool,
    /// The frame's state, as the function's body proves it.
    pub recovered: Arc<Recovered>,
    /// True if no frame was called from this one.
    pub youngest: bool,
    /// The number of inlined functions, from the innermost on, in which names are not looked up.
    pub scope: Cell<usize>,
    /// The memo of [`FrameContext::active`].
    pub active: OnceCell<Arc<Vec<scope::Function>>>,
    /// The memo of [`FrameContext::active`] of all frames in the binary, by the function's entry and the code address.
    pub scopes: Arc<Locked<Scopes>>,
    /// The work that is left for the variables of all frames.
    pub steps: Arc<Steps>,
    /// The memo of which active function has a variable, by its index.
    pub owners: OnceCell<HashMap<Die, usize>>,
    /// The location lists that were read.
    pub lists: Lists<'s>,
    /// The memo of how the function's parameters are passed.
    pub parameters: OnceCell<Option<Parameters>>,
    /// The memo of what the function does with objects that are passed by address.
    pub copies: Copies,
    /// The memo of whether a variable moves.
    pub moves: OnceCell<bool>,
    /// The memo of [`FrameContext::in_prologue`].
    pub prologue: OnceCell<bool>,
    /// The memo of the instructions that write the function's locals.
    pub writes: OnceCell<Option<Writes>>,
    /// The memo of the instructions that push the function's operands.
    pub operands: OnceCell<Option<Vec<u64>>>,
    /// The memo of the paths through the function.
    pub paths: OnceCell<Option<Paths>>,
    /// The memo of the function's rows in the line table.
    pub rows: OnceCell<Option<Vec<LineRow>>>,
    /// The memo of the function's writes on the stack.
    pub stores: OnceCell<Option<Stores>>,
    /// The memo of the file offsets of instructions that may have been executed before.
    pub before: OnceCell<Option<HashSet<u64>>>,
    /// The memo of the places in loops that did not run before the frame's instruction, by the active function.
    pub skipped: RefCell<HashMap<usize, Vec<u64>>>,
    /// The memo of the parameters that are described in another's place.
    pub anothers: OnceCell<HashSet<Die>>,
    /// The memo of the structures that were merged with another.
    pub merged: OnceCell<HashSet<Die>>,
    /// The variables of each block and function around the code address.
    pub blocks: OnceCell<HashMap<Die, Vec<Die>>>,
    /// The memo of [`FrameContext::turns`].
    pub turns: OnceCell<Vec<(u64, u64)>>,
    /// The memo of whether the function is optimised.
    pub optimised: OnceCell<bool>,
    /// The memo of [`FrameContext::frame_base`].
    pub base: OnceCell<Result<u64, Missing>>,
    /// The frame base is being worked out.
    pub reads_base: Cell<bool>,
    /// The memo of functions' names by index in the table.
    pub functions: Arc<Locked<HashMap<u64, Option<String>>>>,
}

impl FrameContext<'_, '_> {
    /// The functions of the source that are active in the frame, innermost first; none where debug info describes none.
    pub fn active(&self) -> &[scope::Function] {
        let find = || {
            let key = (self.function?, self.pc);
            if let Some(known) = self.scopes.lock().get(&key) {
                return Some(known.clone());
            }
            let active = Arc::new(scope::active(&self.units, key.0, self.pc, &self.steps));
            let variables = |function: &scope::Function| function.variables.len() + function.hidden.len();
            if active.iter().map(variables).sum::<usize>() <= VARIABLES {
                let mut scopes = self.scopes.lock();
                if scopes.len() >= SCOPES {
                    scopes.clear();
                }
                scopes.insert(key, active.clone());
            }
            Some(active)
        };
        self.active.get_or_init(|| find().unwrap_or_default())
    }

    /// The ways through the frame's function.
    pub fn paths(&self) -> Option<&Paths> {
        self.paths.get_or_init(|| Paths::from_function(self.binary.module(), self.frame.function?)).as_ref()
    }

    /// The active function that has a variable, and its index.
    pub fn owner(&self, die: Die) -> Option<(usize, &scope::Function)> {
        let find = || {
            let functions = self.active().iter().enumerate();
            let variables = |(index, function): (usize, &scope::Function)| {
                let all = function.variables.iter().chain(&function.hidden);
                all.map(move |(die, _)| (*die, index)).collect::<Vec<_>>()
            };
            functions.flat_map(variables).collect()
        };
        let index = *self.owners.get_or_init(find).get(&die)?;
        Some((index, self.active().get(index)?))
    }

    /// The dump's value of a global of the frame's instance.
    fn dumped_global(&self, index: u32) -> Result<model::Value, Missing> {
        let instance = certain_instance(self.dump, self.frame);
        let instance = instance.and_then(|instance| self.dump.instances.get(instance as usize));
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
        if index == u32::MAX {
            return self.dropped_base().map(|base| self.pointer_value(base));
        }
        self.dumped_global(index)
    }

    /// Returns the global that the debug info of a `.dwo` file names by this index (see `Units::is_split`).
    pub fn split_global(&self, index: u32) -> Result<model::Value, Missing> {
        let module = self.binary.module();
        match (index, self.recovered.stack_pointer_global) {
            (0, Some(index)) => self.global(index),
            // Without threads both bases are where the module's data was placed.
            (1, _) if module.memories().first().is_some_and(|memory| !memory.shared) => self.global(u32::MAX),
            _ => Err(Missing::NotCaptured("split debug information does not tell which global it means".into())),
        }
    }

    /// The value of a global that LLVM adds to addresses and the linker dropped, since no code needs it: `__tls_base`
    /// where threads have no storage of their own, `__memory_base` of position-independent objects in a program that is
    /// not.
    fn dropped_base(&self) -> Result<u64, Missing> {
        let module = self.binary.module();
        if module.memories().first().is_some_and(|memory| !memory.shared) {
            return Ok(self.memory_base()?.unwrap_or(0));
        }
        // If threads have storage of their own, the program still has the global `__tls_base`, so that the global
        // which the linker dropped is another.
        match crate::unwind::stack_pointer::global_named(module, "__tls_base") {
            Some(_) => Ok(self.memory_base()?.unwrap_or(0)),
            None => Err(Missing::NotCaptured("thread-local storage".into())),
        }
    }

    /// Returns the address from which those of position-independent code count (`__memory_base`); `None` for other
    /// code.
    pub fn memory_base(&self) -> Result<Option<u64>, Missing> {
        let Some(index) = self.binary.module().memory_base() else { return Ok(None) };
        match self.dumped_global(index)? {
            model::Value::I32(value) => Ok(Some(u64::from(value as u32))),
            model::Value::I64(value) => Ok(Some(value as u64)),
            _ => Err(Missing::not_captured()),
        }
    }

    /// Returns a value of the operand stack, 0 at the bottom.
    pub fn operand(&self, index: u32) -> Result<model::Value, Missing> {
        if let Some(value) = self.trapped_operand(index) {
            return Ok(value);
        }
        let stack = self.frame.stack.as_ref().ok_or_else(Missing::not_captured)?;
        // The operands of the instruction that trapped are off the stack already.
        let value = stack.get(index as usize).filter(|value| **value != model::Value::Missing);
        value.cloned().ok_or_else(|| Missing::NotCaptured("taken off the operand stack".into()))
    }

    /// Returns an operand of a division that trapped, which is off the operand stack already: the trap proves its
    /// value.
    fn trapped_operand(&self, index: u32) -> Option<model::Value> {
        use wasmparser::Operator as O;
        let trapped = self.dump.threads.get(self.dump.crashed_thread()?)?.frames.first()?;
        if !std::ptr::eq(trapped, self.frame) {
            return None;
        }
        // The number of operands that were pushed after this one.
        let above = self.recovered.height()?.checked_sub(index as usize + 1)?;
        let module = self.binary.module();
        let at = self.pc.checked_add(module.code_section_start()?)?;
        let operator = module.operator_at(at)?;
        let wide = match operator {
            O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => false,
            O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => true,
            _ => return None,
        };
        let number = |narrow: i32, number: i64| match wide {
            true => model::Value::I64(number),
            false => model::Value::I32(narrow),
        };
        let only_zero = !matches!(operator, O::I32DivS | O::I64DivS);
        let kind = self.dump.reason.as_ref().map(|reason| reason.kind.as_str()).filter(|kind| !kind.is_empty());
        match (kind, above) {
            (Some("integer-divide-by-zero"), 0) => Some(number(0, 0)),
            (None, 0) if only_zero => Some(number(0, 0)),
            (Some("integer-overflow"), 0) => Some(number(-1, -1)),
            (Some("integer-overflow"), 1) => Some(number(i32::MIN, i64::MIN)),
            _ => None,
        }
    }

    /// Returns the address from which offsets of thread-locals count (`__tls_base`).
    ///
    /// The linker gives each thread a copy only where a memory is shared; else they are statics, and their offsets are
    /// addresses (wasm-ld, `DefinedData::getVA`).
    pub fn tls_base(&self) -> Result<u64, Missing> {
        let module = self.binary.module();
        if module.memories().first().is_some_and(|memory| !memory.shared) {
            return Ok(self.memory_base()?.unwrap_or(0));
        }
        let none = || Missing::NotCaptured("thread-local storage".into());
        let index = crate::unwind::stack_pointer::global_named(module, "__tls_base").ok_or_else(none)?;
        match self.dumped_global(index)? {
            model::Value::I32(value) => Ok(u64::from(value as u32)),
            model::Value::I64(value) => Ok(value as u64),
            _ => Err(none()),
        }
    }
}
