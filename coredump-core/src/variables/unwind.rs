//! The shadow stack of a thread: each frame's stack pointer, and with it the locals that a dump leaves out.
//!
//! C, C++, Rust and Zig keep what has an address on a stack in linear memory; a global holds its pointer, which a
//! function puts back before it returns (tool-conventions `BasicCABI.md`). So a frame's stack pointer at its call is
//! its callee's at entry, and the youngest frame's is the dump's value of the global. A function that takes a variable
//! amount of stack breaks that chain; the frames behind it are counted from the stack's other end where that is certain.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use wasmparser::Operator;

use super::symbolic::{self, Abstract, Base, State, Sum};
use crate::model::{CoreDump, Frame, Value};
use crate::module::{ItemKind, Module, ValueType};

/// What a function's body, and the frames below, tell of one frame's state.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Index of the stack pointer global in the frame's module.
    pub stack_pointer_global: Option<u32>,
    /// The global was found by how functions use it: no name says what it is.
    pub inferred: bool,
    /// The stack pointer at the frame's code offset.
    pub stack_pointer: Option<u64>,
    /// The stack pointer when the function was entered.
    pub entry_stack_pointer: Option<u64>,
    /// Why the stack pointer is not known.
    why_not: Option<&'static str>,
    /// The parameters at entry that the caller's body proves.
    parameters: Vec<Option<u64>>,
    state: Option<Rc<State>>,
    types: Vec<ValueType>,
}

impl Recovered {
    /// Why [`Recovered::stack_pointer`] is not known, for a person.
    pub fn why_not(&self) -> &'static str {
        self.why_not.unwrap_or("the stack pointer of this frame")
    }

    /// What is proved of a Wasm local.
    fn proved(&self, index: u32) -> Abstract {
        self.state.as_ref()?.locals.get(index as usize).copied().flatten()
    }

    /// A proved value, where what it is counted from is known.
    fn resolve(&self, proved: Sum) -> Option<u64> {
        Some(match proved.base {
            Base::Zero => proved.constant,
            Base::StackPointer => self.entry_stack_pointer?.wrapping_add(proved.constant),
            Base::Parameter(index) if self.parameters.get(index as usize).is_some_and(Option::is_some) => {
                self.parameters[index as usize]?.wrapping_add(proved.constant)
            }
            // The same unknown as in the stack pointer: an aligned frame.
            base => {
                let pointer = self.state.as_ref()?.stack_pointer?;
                if pointer.base != base {
                    return None;
                }
                self.stack_pointer?.wrapping_sub(pointer.constant).wrapping_add(proved.constant)
            }
        })
    }

    /// A Wasm local's value, where the body and the stack pointer prove it.
    pub fn local(&self, index: u32) -> Option<Value> {
        let proved = self.proved(index)?;
        let value = self.resolve(proved)?;
        Some(match self.types.get(index as usize)? {
            ValueType::I32 => Value::I32(value as u32 as i32),
            ValueType::I64 => Value::I64(value as i64),
            ValueType::F32 if proved.base == Base::Zero => Value::F32(value as u32),
            ValueType::F64 if proved.base == Base::Zero => Value::F64(value),
            _ => return None,
        })
    }

    /// A local that still holds what parameter `index` was at entry.
    pub fn unchanged(&self, index: u32) -> Option<u32> {
        let entry = Some(Sum { base: Base::Parameter(index), constant: 0 });
        let locals = &self.state.as_ref()?.locals;
        locals.iter().position(|&local| local == entry).map(|at| at as u32)
    }

    /// Whether a parameter's local is proved to hold the parameter still.
    pub fn is_parameter(&self, index: u32) -> bool {
        self.proved(index) == Some(Sum { base: Base::Parameter(index), constant: 0 })
    }

    /// Whether a local is proved to point into the frame: a fixed distance from the stack pointer, now or at entry.
    pub fn is_in_stack(&self, index: u32) -> bool {
        let pointer = self.state.as_ref().and_then(|state| state.stack_pointer);
        self.proved(index).is_some_and(|local| {
            local.base == Base::StackPointer || pointer.is_some_and(|pointer| pointer.base == local.base)
        })
    }

    /// Whether a local is proved to hold what the stack pointer holds.
    pub fn is_stack_pointer(&self, index: u32) -> bool {
        let local = self.proved(index);
        local.is_some() && local == self.state.as_ref().and_then(|state| state.stack_pointer)
    }

    /// A local that holds the frame base once it is set up, and does not hold it yet.
    pub fn before_prologue(&self, index: u32) -> bool {
        match self.proved(index) {
            Some(Sum { base: Base::Zero, constant }) => constant == 0,
            Some(Sum { base: Base::Parameter(_), .. }) => true,
            _ => false,
        }
    }
}

/// Where a frame stands in its module.
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

/// Recovers the frames of threads, one memo for all of them.
#[derive(Default)]
pub struct Unwinder {
    states: RefCell<HashMap<Point, Option<Rc<State>>>>,
    restores: RefCell<HashMap<(usize, u32), bool>>,
    tail_calls: RefCell<HashMap<(usize, u32), bool>>,
    pointers: RefCell<HashMap<usize, Option<(u32, bool)>>>,
}

impl Unwinder {
    /// Every frame of a thread, youngest first; `position` gives where it stands, where that is known.
    pub fn thread<'m, 's: 'm>(
        &self,
        dump: &CoreDump<'_>,
        frames: &[Frame],
        position: impl Fn(usize) -> Option<Position<'m, 's>>,
    ) -> Vec<Rc<Recovered>> {
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
                        let moved = recovered.state.as_ref().and_then(|state| state.stack_pointer);
                        if let Some(Sum { base: Base::StackPointer, constant }) = moved {
                            let entry = wrap(at.module, pointer, now.wrapping_sub(constant));
                            recovered.entry_stack_pointer = Some(entry);
                        }
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
        from_the_base(dump, frames, &position, &mut all);
        for callee in (0..frames.len().saturating_sub(1)).rev() {
            if let (Some(at), Some(caller)) = (position(callee), position(callee + 1))
                && frames[callee].instance == frames[callee + 1].instance
            {
                all[callee].parameters = self.arguments(at, caller, &all[callee + 1]).unwrap_or_default();
            }
        }
        all.into_iter().map(Rc::new).collect()
    }

    /// The arguments of a direct call, as far as the caller's body proves them.
    fn arguments(
        &self,
        callee: Position<'_, '_>,
        caller: Position<'_, '_>,
        known: &Recovered,
    ) -> Option<Vec<Option<u64>>> {
        if module_key(callee.module) != module_key(caller.module) || self.tail_calls(callee.module, callee.function) {
            return None;
        }
        // The state was evaluated up to here, so an instruction does begin here.
        let code = caller.module.bytes().get(usize::try_from(caller.offset).ok()?..)?;
        let mut operators = wasmparser::OperatorsReader::new(wasmparser::BinaryReader::new(code, 0));
        match operators.read().ok()? {
            Operator::Call { function_index } if function_index == callee.function => {}
            _ => return None,
        }
        let operands = &known.state.as_ref()?.operands;
        let count = callee.module.signature(callee.function)?.params.len();
        let arguments = operands.get(operands.len().checked_sub(count)?..)?;
        Some(arguments.iter().map(|argument| known.resolve((*argument)?)).collect())
    }

    /// Whether a function may have been replaced by a tail call, and come back by another: its parameters are then
    /// not its first caller's.
    fn tail_calls(&self, module: &Module<'_>, function: u32) -> bool {
        let key = (module_key(module), function);
        *self.tail_calls.borrow_mut().entry(key).or_insert_with(|| {
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

    fn state(&self, at: Position<'_, '_>, pointer: Option<u32>) -> Option<Rc<State>> {
        let key = (module_key(at.module), at.function, at.offset);
        if let Some(known) = self.states.borrow().get(&key) {
            return known.clone();
        }
        let restores = |callee| self.restores(at.module, callee, pointer);
        let summary = symbolic::evaluate(at.module, at.function, pointer, Some(at.offset), &restores);
        let state = summary.and_then(|summary| summary.at).map(Rc::new);
        self.states.borrow_mut().insert(key, state.clone());
        state
    }

    /// Whether calling a function leaves the stack pointer as it was, as the ABI demands: `stackRestore` of Emscripten
    /// and its like do not.
    ///
    /// Only the function itself is looked at: what it calls is taken to keep to the ABI.
    fn restores(&self, module: &Module<'_>, function: u32, pointer: Option<u32>) -> bool {
        let Some(pointer) = pointer else { return true };
        let key = (module_key(module), function);
        if let Some(&known) = self.restores.borrow().get(&key) {
            return known;
        }
        let restores = !sets(module, function, pointer)
            || symbolic::evaluate(module, function, Some(pointer), None, &|_| true)
                .is_some_and(|summary| summary.balanced);
        self.restores.borrow_mut().insert(key, restores);
        restores
    }

    /// The module's stack pointer global, and whether it was inferred.
    fn stack_pointer(&self, module: &Module<'_>) -> Option<(u32, bool)> {
        let mut pointers = self.pointers.borrow_mut();
        *pointers.entry(module_key(module)).or_insert_with(|| {
            let named = global_named(module, "__stack_pointer").map(|index| (index, false));
            named.or_else(|| infer(module).map(|index| (index, true)))
        })
    }
}

/// Fills in what the younger end could not tell, from the oldest frame on: a WASI command's `_start` is called once, on
/// a fresh instance (WASI application ABI), so its stack pointer at entry is the global's initial value.
fn from_the_base<'m, 's: 'm>(
    dump: &CoreDump<'_>,
    frames: &[Frame],
    position: impl Fn(usize) -> Option<Position<'m, 's>>,
    all: &mut [Recovered],
) {
    let Some(last) = all.len().checked_sub(1) else { return };
    let start = || {
        let oldest = position(last)?;
        let mut exports = oldest.module.exports().iter();
        exports.find(|export| {
            export.kind == ItemKind::Function && export.name == "_start" && export.index == oldest.function
        })?;
        let pointer = all[last].stack_pointer_global?;
        let initial = oldest.module.globals().get(pointer as usize)?.init?.as_address()?;
        Some((instance_global(dump, &frames[last], pointer)?, initial))
    };
    let Some((global, mut entry)) = start() else { return };
    let mut found = Vec::new();
    for index in (0..=last).rev() {
        let (frame, known) = (&frames[index], &all[index]);
        // A frame that is not known might be any.
        let Some(at) = position(index) else { break };
        let Some(pointer) = known.stack_pointer_global else { continue };
        match instance_global(dump, frame, pointer) {
            Some(other) if other == global => {}
            Some(_) => continue,
            None => break,
        }
        let moved = known.state.as_ref().and_then(|state| state.stack_pointer);
        let now = match moved {
            Some(Sum { base: Base::StackPointer, constant }) => {
                Some(wrap(at.module, pointer, entry.wrapping_add(constant)))
            }
            _ => known.stack_pointer,
        };
        // Where both ends tell, they must tell the same: else the program moved its stack.
        let differs = |one: Option<u64>, other: Option<u64>| one.zip(other).is_some_and(|(one, other)| one != other);
        if differs(known.stack_pointer, now) || differs(known.entry_stack_pointer, Some(entry)) {
            return;
        }
        found.push((index, entry, now));
        let Some(now) = now else { break };
        entry = now;
    }
    for (index, entry, now) in found {
        all[index].entry_stack_pointer = Some(entry);
        all[index].stack_pointer = now;
    }
}

/// Whether a tool rewrote the code after the linker made it. wasm-ld leaves room for the largest index in every call and
/// access of a global (five bytes); a tool that decodes and writes the code again does not. What debug information says
/// of locals is then true of other code: Binaryen moves addresses, and leaves the locals' numbers as they were.
pub fn is_rewritten(module: &Module<'_>) -> bool {
    let mut short = false;
    for function in (module.imported_functions()..module.function_count()).take(500) {
        let Some(mut operators) = module.operators(function) else { continue };
        while !operators.eof() {
            let start = operators.original_position();
            match operators.read() {
                Ok(Operator::Call { .. } | Operator::GlobalGet { .. } | Operator::GlobalSet { .. }) => {
                    if operators.original_position() - start >= 6 {
                        return false;
                    }
                    short = true;
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    short
}

/// Modules do not move while a dump is looked at: their bytes' address tells them apart.
fn module_key(module: &Module<'_>) -> usize {
    module.bytes().as_ptr() as usize
}

/// The index of the mutable global of that name.
pub fn global_named(module: &Module<'_>, name: &str) -> Option<u32> {
    let globals = module.globals().iter().enumerate().take(1000);
    let named = globals.filter(|(_, global)| global.mutable).map(|(index, _)| index as u32);
    named.into_iter().find(|&index| module.global_name(index) == Some(name))
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

fn dumped(dump: &CoreDump<'_>, global: u32) -> Option<u64> {
    match dump.globals.get(global as usize)?.value {
        Value::I32(value) => Some(u64::from(value as u32)),
        Value::I64(value) => Some(value as u64),
        _ => None,
    }
}

/// The stack pointer is as wide as its global.
fn wrap(module: &Module<'_>, global: u32, value: u64) -> u64 {
    match module.globals().get(global as usize).map(|global| global.ty) {
        Some(ValueType::I64) => value,
        _ => value & u64::from(u32::MAX),
    }
}

fn sets(module: &Module<'_>, function: u32, pointer: u32) -> bool {
    let Some(mut operators) = module.operators(function) else { return false };
    while !operators.eof() {
        match operators.read() {
            Ok(Operator::GlobalSet { global_index }) if global_index == pointer => return true,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
    false
}

/// The one mutable global from which functions take their frames: `global.get G; i32.const N; i32.sub` at the start.
fn infer(module: &Module<'_>) -> Option<u32> {
    let mut found = None;
    let first = module.imported_functions();
    for function in (first..module.function_count()).take(2_000) {
        let Some(mut operators) = module.operators(function) else { continue };
        let mut next = || operators.read().ok();
        let (Some(Operator::GlobalGet { global_index }), Some(constant), Some(subtract)) = (next(), next(), next())
        else {
            continue;
        };
        let pointer = match (constant, subtract) {
            (Operator::I32Const { .. }, Operator::I32Sub) | (Operator::I64Const { .. }, Operator::I64Sub) => {
                global_index
            }
            _ => continue,
        };
        let mutable = module.globals().get(pointer as usize).is_some_and(|global| global.mutable);
        if !mutable || found.is_some_and(|found| found != pointer) {
            return None;
        }
        found = Some(pointer);
    }
    found
}
