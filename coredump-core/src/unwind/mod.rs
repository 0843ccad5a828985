//! The shadow stack of a thread: each frame's stack pointer, and with it the locals that a dump leaves out.
//!
//! C, C++, Rust and Zig keep what has an address on a stack in linear memory; a global holds its pointer, which a
//! function puts back before it returns (tool-conventions `BasicCABI.md`). So a frame's stack pointer at its call is
//! its callee's at entry, and the youngest frame's is the dump's value of the global. A function that takes a variable
//! amount of stack breaks that chain; the frames after it are counted from the stack's other end where that is certain.

mod arity;
mod indirect;
pub mod moved;
mod oldest;
pub mod operands;
pub mod paths;
mod recovered;
pub mod rewritten;
pub mod stack_pointer;
mod symbolic;
pub mod writes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wasmparser::Operator;

pub use self::arity::{arity, block_arity};
pub use self::recovered::Recovered;
use crate::locked::Locked;
use crate::model::{CoreDump, Frame, Value};
use crate::module::Module;
use stack_pointer::{global_named, infer, wrap};
use symbolic::{AbstractState, Question};
pub use symbolic::{Read, Stores, beside, write_at};

/// The place at which a frame stands in its module.
#[derive(Clone, Copy)]
pub struct Position<'m, 's> {
    /// The frame's module: of its verified binary.
    pub module: &'m Module<'s>,
    /// Function index, imports counted.
    pub function: u32,
    /// File offset of the instruction: the call, or what trapped.
    pub offset: u64,
}

/// A place in code: the module, a function of it, and an offset in that.
type Point = (usize, u32, u64);

/// The functions that an indirect call can have called.
type Candidates = Arc<HashSet<u32>>;

/// Recovers the frames of threads, one memo for all of them.
#[derive(Default)]
pub struct Unwinder {
    states: Locked<HashMap<Point, Option<Arc<AbstractState>>>>,
    restores: Locked<HashMap<(usize, u32), bool>>,
    tail_calls: Locked<HashMap<(usize, u32), bool>>,
    pointers: Locked<HashMap<usize, Option<(u32, bool)>>>,
    /// By instance, table and type.
    indirect: Locked<HashMap<(u32, u32, u32), Option<Candidates>>>,
}

impl Unwinder {
    /// Every frame of a thread, youngest first; `position` gives where it stands, where that is known.
    pub fn thread<'m, 's: 'm>(
        &self,
        dump: &CoreDump<'_>,
        frames: &[Frame],
        position: impl Fn(usize) -> Option<Position<'m, 's>>,
    ) -> Vec<Arc<Recovered>> {
        // Each is asked for several times.
        let positions: Vec<_> = (0..frames.len()).map(position).collect();
        let position = |index: usize| positions.get(index).copied().flatten();
        // The stack pointers by the dump's index of their global; one that is not here has its value in the dump.
        let mut pointers: HashMap<u32, Result<u64, &'static str>> = HashMap::new();
        let mut lost: Option<&'static str> = None;
        let mut all = Vec::with_capacity(frames.len());
        for (index, frame) in frames.iter().enumerate() {
            let Some(at) = position(index) else {
                // It may have moved any stack pointer.
                lost = Some("a younger frame's function is not known");
                all.push(Recovered::default());
                continue;
            };
            let mut recovered =
                Recovered { types: at.module.local_types(at.function).unwrap_or_default(), ..Recovered::default() };
            if let Some((pointer, inferred)) = self.stack_pointer(at.module) {
                recovered.stack_pointer_global = Some(pointer);
                recovered.inferred = inferred;
                recovered.state = self.state(at, Some(pointer));
                let global = instance_global(dump, frame, pointer);
                let now = match (lost, global) {
                    (Some(why), _) => Err(why),
                    (None, None) => Err("which instance it ran in"),
                    (None, Some(global)) => match pointers.get(&global) {
                        Some(known) => *known,
                        None => dumped(dump, global).ok_or("the stack pointer is not in the dump"),
                    },
                };
                match now {
                    Ok(now) => {
                        let now = wrap(at.module, pointer, now);
                        recovered.stack_pointer = Some(now);
                        let entry = recovered.moved().map(|moved| now.wrapping_sub(moved));
                        recovered.entry_stack_pointer = entry.map(|entry| wrap(at.module, pointer, entry));
                    }
                    Err(why) => recovered.why_not = Some(why),
                }
                if let Some(global) = global {
                    let entry = recovered.entry_stack_pointer;
                    let why =
                        recovered.why_not.unwrap_or("a younger frame moves its stack pointer by an unknown amount");
                    pointers.insert(global, entry.ok_or(why));
                } else {
                    lost = lost.or(Some("a younger frame's instance is not known"));
                }
            } else {
                recovered.state = self.state(at, None);
                recovered.why_not = Some("the module has no stack pointer");
            }
            all.push(recovered);
        }
        oldest::from_the_base(self, dump, frames, &position, &mut all);
        for callee in (0..frames.len().saturating_sub(1)).rev() {
            if let (Some(at), Some(caller)) = (position(callee), position(callee + 1))
                && frames[callee].instance == frames[callee + 1].instance
            {
                let (known, waiting) = (&all[callee + 1], &frames[callee + 1]);
                all[callee].parameters = self.arguments(dump, at, caller, known, waiting).unwrap_or_default();
            }
        }
        all.into_iter().map(Arc::new).collect()
    }

    /// The arguments of a call, as far as the body of the `waiting` caller proves them or its operand stack was
    /// recorded, which is as it was before the call, but for the element of the table that an indirect call takes
    /// first.
    fn arguments(
        &self,
        dump: &CoreDump<'_>,
        callee: Position<'_, '_>,
        caller: Position<'_, '_>,
        known: &Recovered,
        waiting: &Frame,
    ) -> Option<Vec<Option<u64>>> {
        if module_key(callee.module) != module_key(caller.module) || self.tail_calls(callee.module, callee.function) {
            return None;
        }
        // The state was evaluated up to here, so an instruction does begin here.
        let operands = &known.state.as_ref()?.operands[..];
        let operands = match caller.module.operator_at(caller.offset)? {
            Operator::Call { function_index } if function_index == callee.function => operands,
            Operator::CallIndirect { type_index, table_index } => {
                let instance = waiting.instance.filter(|_| waiting.locals.is_some())?;
                let key = (instance, table_index, type_index);
                let find = || {
                    let called = indirect::candidates(dump, caller.module, instance, table_index, type_index)?;
                    called.iter().all(|&function| !self.tail_calls(caller.module, function)).then(|| Arc::new(called))
                };
                let called = self.indirect.lock().entry(key).or_insert_with(find).clone()?;
                if !called.contains(&callee.function) {
                    return None;
                }
                operands.split_last()?.1
            }
            _ => return None,
        };
        let count = callee.module.signature(callee.function)?.params.len();
        let first = operands.len().checked_sub(count)?;
        let recorded = waiting.stack.as_deref().filter(|recorded| recorded.len() == operands.len());
        let arguments = operands.iter().enumerate().skip(first);
        let known = arguments.map(|(index, argument)| {
            let proved = argument.and_then(|argument| known.resolve(argument));
            proved.or_else(|| bits(&recorded?[index]))
        });
        Some(known.collect())
    }

    /// Returns true if a tail call may have replaced a function, and a later one brought it back: its parameters are
    /// then not the ones that its first caller passed.
    fn tail_calls(&self, module: &Module<'_>, function: u32) -> bool {
        let key = (module_key(module), function);
        *self.tail_calls.lock().entry(key).or_insert_with(|| {
            let Some(mut operators) = module.operators(function) else { return true };
            while !operators.eof() {
                match operators.read() {
                    Ok(
                        Operator::ReturnCall { .. }
                        | Operator::ReturnCallIndirect { .. }
                        | Operator::ReturnCallRef { .. },
                    )
                    | Err(_) => return true,
                    Ok(_) => {}
                }
            }
            false
        })
    }

    fn state(&self, at: Position<'_, '_>, pointer: Option<u32>) -> Option<Arc<AbstractState>> {
        let key = (module_key(at.module), at.function, at.offset);
        if let Some(known) = self.states.lock().get(&key) {
            return known.clone();
        }
        let restores = |callee| self.restores(at.module, callee, pointer);
        let question = Question { pointer, target: Some(at.offset), ..Question::new(at.module, at.function) };
        let summary = symbolic::evaluate(&question, &restores);
        let state = summary.and_then(|summary| summary.at).map(Arc::new);
        self.states.lock().insert(key, state.clone());
        state
    }

    /// The state at a place for one value of the stack pointer at entry: a mask, which aligns a frame, can be applied
    /// to it.
    fn aligned(&self, at: Position<'_, '_>, pointer: u32, entry: u64) -> Option<AbstractState> {
        let restores = |callee| self.restores(at.module, callee, Some(pointer));
        let known = Question::new(at.module, at.function);
        let question = Question { pointer: Some(pointer), entry: Some(entry), target: Some(at.offset), ..known };
        symbolic::evaluate(&question, &restores)?.at
    }

    /// Returns true if calling a function leaves the stack pointer as it was.
    fn restores(&self, module: &Module<'_>, function: u32, pointer: Option<u32>) -> bool {
        let Some(pointer) = pointer else { return true };
        let key = (module_key(module), function);
        if let Some(&known) = self.restores.lock().get(&key) {
            return known;
        }
        let restores = symbolic::restores(module, function, pointer);
        self.restores.lock().insert(key, restores);
        restores
    }

    /// The module's stack pointer global, and whether it was inferred.
    fn stack_pointer(&self, module: &Module<'_>) -> Option<(u32, bool)> {
        let mut pointers = self.pointers.lock();
        *pointers.entry(module_key(module)).or_insert_with(|| {
            let named = global_named(module, "__stack_pointer").map(|index| (index, false));
            named.or_else(|| infer(module).map(|index| (index, true)))
        })
    }
}

/// The bits that the code proves a local to have before the instruction at a file offset, on every way there.
pub fn constant_at(module: &Module<'_>, function: u32, local: u32, at: u64) -> Option<u64> {
    let question = Question { target: Some(at), ..Question::new(module, function) };
    let state = symbolic::evaluate(&question, &|_| true)?.at?;
    let proved = state.locals.get(local as usize).copied().flatten()?;
    (proved.base == symbolic::SymbolicBase::Zero).then_some(proved.constant)
}

/// Modules do not move while a dump is looked at: their bytes' address tells them apart.
fn module_key(module: &Module<'_>) -> usize {
    module.bytes().as_ptr() as usize
}

/// The dump's index of a global of the frame's instance, where it is certain which instance that is.
fn instance_global(dump: &CoreDump<'_>, frame: &Frame, index: u32) -> Option<u32> {
    dump.instances.get(certain_instance(dump, frame)? as usize)?.globals.get(index as usize).copied().flatten()
}

/// The frame's instance. An engine's own dump names the last instance of the module for every frame (FORMAT.md), so
/// where a module has several, only a dump with the frame's locals, made by a debugger, knows which it was.
pub fn certain_instance(dump: &CoreDump<'_>, frame: &Frame) -> Option<u32> {
    let index = frame.instance.or((dump.instances.len() == 1).then_some(0))?;
    let instance = dump.instances.get(index as usize)?;
    let same = dump.instances.iter().filter(|other| other.module == instance.module).count();
    (same == 1 || frame.locals.is_some()).then_some(index)
}

/// A number's bits.
fn bits(value: &Value) -> Option<u64> {
    match *value {
        Value::I32(value) => Some(u64::from(value as u32)),
        Value::I64(value) => Some(value as u64),
        Value::F32(bits) => Some(u64::from(bits)),
        Value::F64(bits) => Some(bits),
        _ => None,
    }
}

fn dumped(dump: &CoreDump<'_>, global: u32) -> Option<u64> {
    match dump.globals.get(global as usize)?.value {
        Value::I32(value) => Some(u64::from(value as u32)),
        Value::I64(value) => Some(value as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
