//! Reconstructs the operand stack before an instruction, as far as code and dump prove it.
//!
//! A trapping instruction has already popped its operands, so a dump does not hold them. But the code that pushed them
//! is there: constants are what they are, and a local, a global or a byte of memory still has the value it was read
//! with unless something between its reading and the trap wrote to it. Only the straight line of code before the
//! instruction is followed; where control flow may join, nothing is known.

use std::collections::HashMap;

use wasmparser::{MemArg, Operator};

use crate::binaries::Binary;
use crate::memory::Memory;
use crate::model::{CoreDump, Frame, Value};
use crate::module::constant_bits;
use crate::unwind::moved::may_be_joined_after;

/// The number of instructions of one straight line that are followed.
const MAX_LINE: usize = 100_000;

/// An instruction and its operands.
pub struct Stopped<'s> {
    /// The instruction.
    pub operator: Operator<'s>,
    /// Its operands as bits, the last pushed first; `None` for an unknown one. The list may be shorter than the
    /// instruction needs.
    operands: Vec<Option<u64>>,
}

impl Stopped<'_> {
    /// The operand pushed `depth` operands before the last one.
    pub fn operand(&self, depth: usize) -> Option<u64> {
        self.operands.get(depth).copied().flatten()
    }
}

/// The state that a frame has in the dump: locals, globals and memories.
pub struct FrameState<'f, 'd> {
    /// The dump.
    pub dump: &'f CoreDump<'d>,
    /// The frame.
    pub frame: &'f Frame,
    /// True if it is the youngest frame, so that nothing ran after it stopped.
    pub youngest: bool,
    /// Gives the value of a Wasm local that the dump leaves out, where the code proves it.
    pub proved: Box<dyn Fn(u32) -> Option<Value> + 'f>,
}

impl<'d> FrameState<'_, 'd> {
    /// A memory, by its index in the frame's module.
    pub fn memory(&self, index: u32) -> Option<&Memory<'d>> {
        if self.dump.instances.is_empty() {
            // Older layouts list no instances: then there is one, and the dump's memories are its own.
            return self.dump.memories.get(index as usize);
        }
        let instance = self.dump.instances.get(self.frame.instance? as usize)?;
        let memory = instance.memories.get(index as usize).copied()??;
        self.dump.memories.get(memory as usize)
    }

    /// The value of a Wasm local, as bits: as the dump has it, else as the code proves it.
    pub fn local(&self, index: u32) -> Option<u64> {
        match self.frame.locals.as_ref().and_then(|locals| locals.get(index as usize)) {
            None | Some(Value::Missing) => bits(&(self.proved)(index)?),
            Some(value) => bits(value),
        }
    }

    fn global(&self, index: u32) -> Option<u64> {
        let instance = self.dump.instances.get(self.frame.instance? as usize)?;
        let global = instance.globals.get(index as usize).copied()??;
        bits(&self.dump.globals.get(global as usize)?.value)
    }
}

fn bits(value: &Value) -> Option<u64> {
    match value {
        Value::I32(value) => Some(u64::from(*value as u32)),
        Value::I64(value) => Some(*value as u64),
        Value::F32(bits) => Some(u64::from(*bits)),
        Value::F64(bits) => Some(*bits),
        Value::Missing | Value::V128(_) | Value::Ref(_) => None,
    }
}

/// The instruction of `function` at `offset` (in the module's file) with its operands.
pub fn stopped_at<'s>(
    binary: &'s Binary,
    function: u32,
    offset: u64,
    scene: &FrameState<'_, '_>,
) -> Option<Stopped<'s>> {
    let mut operators = binary.module().operators(function)?;
    let mut line = Vec::new();
    loop {
        let (operator, at) = operators.read_with_offset().ok()?;
        if at as u64 == offset {
            let operands = evaluate(&line, scene);
            return Some(Stopped { operator, operands });
        }
        if at as u64 > offset {
            return None;
        }
        if may_be_joined_after(&operator) || line.len() == MAX_LINE {
            line.clear();
        } else {
            line.push(operator);
        }
    }
}

/// The operand stack after a straight line, last pushed first.
fn evaluate(line: &[Operator<'_>], scene: &FrameState<'_, '_>) -> Vec<Option<u64>> {
    let last = LastWrites::from_line(line);
    let mut known: HashMap<u32, Option<u64>> = HashMap::new();
    let mut stack: Vec<Option<u64>> = Vec::new();
    for (position, operator) in line.iter().enumerate() {
        use Operator as O;
        // In an older frame, a callee may have written memory and globals since.
        let memory_kept = scene.youngest && last.memory.is_none_or(|write| write < position);
        let globals_kept = scene.youngest && last.global.is_none_or(|write| write < position);
        match *operator {
            O::Nop | O::Block { .. } => {}
            O::If { .. } | O::BrIf { .. } | O::Drop => {
                stack.pop();
            }
            O::I32Const { .. } | O::I64Const { .. } | O::F32Const { .. } | O::F64Const { .. } => {
                stack.push(constant_bits(operator));
            }
            O::LocalGet { local_index } => {
                let kept = last.locals.get(&local_index).is_none_or(|&write| write < position);
                let recorded = kept.then(|| scene.local(local_index)).flatten();
                stack.push(known.get(&local_index).copied().flatten().or(recorded));
            }
            O::LocalSet { local_index } => {
                known.insert(local_index, stack.pop().flatten());
            }
            O::LocalTee { local_index } => {
                known.insert(local_index, stack.last().copied().flatten());
            }
            O::GlobalGet { global_index } if globals_kept => stack.push(scene.global(global_index)),
            O::GlobalGet { .. } => stack.push(None),
            O::GlobalSet { .. } => {
                stack.pop();
            }
            O::I32Add => binary(&mut stack, |a, b| u64::from((a as u32).wrapping_add(b as u32))),
            O::I32Sub => binary(&mut stack, |a, b| u64::from((a as u32).wrapping_sub(b as u32))),
            O::I32Mul => binary(&mut stack, |a, b| u64::from((a as u32).wrapping_mul(b as u32))),
            O::I32And => binary(&mut stack, |a, b| a & b),
            O::I32Or => binary(&mut stack, |a, b| a | b),
            O::I32Shl => binary(&mut stack, |a, b| u64::from((a as u32).wrapping_shl(b as u32))),
            O::I64Add => binary(&mut stack, u64::wrapping_add),
            O::I64Sub => binary(&mut stack, u64::wrapping_sub),
            O::I32WrapI64 => unary(&mut stack, |a| a & 0xffff_ffff),
            O::I64ExtendI32U => unary(&mut stack, |a| a),
            O::I64ExtendI32S => unary(&mut stack, |a| i64::from(a as u32 as i32) as u64),
            O::I32Load { memarg } | O::F32Load { memarg } => load(&mut stack, scene, memarg, 4, memory_kept),
            O::I64Load { memarg } | O::F64Load { memarg } => load(&mut stack, scene, memarg, 8, memory_kept),
            O::I32Load8U { memarg } => load(&mut stack, scene, memarg, 1, memory_kept),
            O::I32Load16U { memarg } => load(&mut stack, scene, memarg, 2, memory_kept),
            O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. } => {
                stack.pop();
                stack.pop();
            }
            // However many operands it pops, nothing is known of the stack below what is pushed from here on.
            _ => stack.clear(),
        }
    }
    stack.reverse();
    stack
}

fn unary(stack: &mut Vec<Option<u64>>, compute: impl Fn(u64) -> u64) {
    let operand = stack.pop().flatten();
    stack.push(operand.map(compute));
}

fn binary(stack: &mut Vec<Option<u64>>, compute: impl Fn(u64, u64) -> u64) {
    let right = stack.pop().flatten();
    let left = stack.pop().flatten();
    stack.push(left.zip(right).map(|(left, right)| compute(left, right)));
}

fn load(stack: &mut Vec<Option<u64>>, scene: &FrameState<'_, '_>, memarg: MemArg, size: u64, kept: bool) {
    let base = stack.pop().flatten().filter(|_| kept);
    let loaded = base.and_then(|base| {
        let memory = scene.memory(memarg.memory)?;
        memory.uint(base.checked_add(memarg.offset)?, size).ok()
    });
    stack.push(loaded);
}

/// The last write to each local, global and memory in a straight line of code.
#[derive(Default)]
struct LastWrites {
    locals: HashMap<u32, usize>,
    memory: Option<usize>,
    global: Option<usize>,
}

impl LastWrites {
    fn from_line(line: &[Operator<'_>]) -> Self {
        let mut last = LastWrites::default();
        for (position, operator) in line.iter().enumerate() {
            use Operator as O;
            match operator {
                O::LocalSet { local_index } | O::LocalTee { local_index } => {
                    last.locals.insert(*local_index, position);
                }
                O::GlobalSet { .. } => last.global = Some(position),
                O::LocalGet { .. }
                | O::GlobalGet { .. }
                | O::I32Const { .. }
                | O::I64Const { .. }
                | O::I32Load { .. }
                | O::I64Load { .. }
                | O::I32Add
                | O::I32Sub
                | O::Drop
                | O::Block { .. }
                | O::If { .. }
                | O::BrIf { .. } => {}
                O::Call { .. } | O::CallIndirect { .. } | O::CallRef { .. } => {
                    (last.memory, last.global) = (Some(position), Some(position));
                }
                // Any other instruction may write memory.
                _ => last.memory = Some(position),
            }
        }
        last
    }
}

/// The name of an instruction in the Wasm text format.
pub fn name(operator: &Operator<'_>) -> String {
    const DOTTED: [&str; 17] = [
        "I32", "I64", "F32", "F64", "V128", "I8x16", "I16x8", "I32x4", "I64x2", "F32x4", "F64x2", "Memory", "Table",
        "Ref", "Struct", "Array", "I31",
    ];
    let debug = format!("{operator:?}");
    let camel = debug.split([' ', '{', '(']).next().unwrap_or_default();
    let (prefix, rest) = match DOTTED.iter().find(|prefix| camel.starts_with(**prefix) && camel.len() > prefix.len()) {
        Some(prefix) => (format!("{}.", prefix.to_lowercase()), &camel[prefix.len()..]),
        None => (String::new(), camel),
    };
    let mut name = prefix;
    for (index, letter) in rest.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name.replace(".atomic_", ".atomic.").replace(".cast_nullable", ".cast")
}
