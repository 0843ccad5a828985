//! The effects of single instructions on the state.

use wasmparser::Operator;

use super::body::{Body, LoopHead, join_into};
use super::{Abstract, Sum, SymbolicBase};
use crate::module::constant_bits;
use crate::unwind::arity::{arity, block_arity};

impl Body<'_, '_> {
    fn call(&mut self, offset: u64, parameters: usize, results: usize, callee: Option<u32>) -> Option<()> {
        self.may_throw()?;
        self.drop_many(parameters);
        if callee.is_some_and(|callee| !(self.restores)(callee))
            && let Some(now) = &mut self.now
        {
            now.stack_pointer = None;
        }
        self.push_results(offset, results)
    }

    fn add(&mut self, minus: bool, mask: u64) -> Option<()> {
        let right = self.pop();
        let left = self.pop();
        let sum = match (left, right) {
            (Some(left), Some(Sum { base: SymbolicBase::Zero, constant })) => {
                let constant = if minus { constant.wrapping_neg() } else { constant };
                Some(Sum { base: left.base, constant: left.constant.wrapping_add(constant) & mask })
            }
            (Some(Sum { base: SymbolicBase::Zero, constant }), Some(right)) if !minus => {
                Some(Sum { base: right.base, constant: right.constant.wrapping_add(constant) & mask })
            }
            _ => None,
        };
        self.push(sum)
    }

    /// Executes one instruction.
    pub(super) fn step(&mut self, offset: u64, operator: &Operator<'_>) -> Option<()> {
        let narrow = u64::from(u32::MAX);
        match *operator {
            Operator::Block { blockty } => drop(self.open(blockty)?),
            Operator::Loop { blockty } => {
                let params = block_arity(self.module, blockty)?.0;
                let operators = self.operators.clone();
                let control = self.open(blockty)?;
                control.head = Some(LoopHead { offset, operators, changed: false });
                control.carries = params;
                self.loops += 1;
                if let Some(now) = self.now.take() {
                    self.work(now.locals.len())?;
                    match self.headers.get_mut(&offset) {
                        Some(known) => {
                            join_into(known, &now)?;
                            self.now = Some(known.clone());
                        }
                        None => {
                            self.headers.insert(offset, now.clone());
                            self.now = Some(now);
                        }
                    }
                }
            }
            Operator::If { blockty } => {
                self.pop();
                let now = self.now.clone();
                self.work(now.as_ref().map_or(0, |now| now.locals.len()))?;
                self.open(blockty)?.otherwise = now;
            }
            Operator::Else => {
                // The values that the first arm leaves arrive at the end, as those of a branch there would.
                self.branch(0)?;
                self.now = self.controls.last_mut()?.otherwise.take();
            }
            Operator::Try { blockty } => {
                self.handles = true;
                self.open(blockty)?.catches = true;
            }
            Operator::Catch { .. } | Operator::CatchAll => {
                self.branch(0)?;
                let control = self.controls.last_mut()?;
                control.catches = false;
                self.now = control.caught.clone();
                if matches!(operator, Operator::Catch { .. }) {
                    self.push(None)?;
                }
            }
            Operator::Delegate { .. } => self.end()?,
            Operator::TryTable { ref try_table } => {
                let handlers = try_table.catches.iter().map(|catch| match *catch {
                    wasmparser::Catch::One { label, .. }
                    | wasmparser::Catch::OneRef { label, .. }
                    | wasmparser::Catch::All { label }
                    | wasmparser::Catch::AllRef { label } => label,
                });
                self.handles = true;
                self.open(try_table.ty)?.handlers = handlers.collect();
            }
            Operator::End => self.end()?,
            Operator::Br { relative_depth } => {
                self.branch(relative_depth)?;
                self.now = None;
            }
            Operator::BrIf { relative_depth } => {
                self.pop();
                self.branch(relative_depth)?;
            }
            Operator::BrTable { ref targets } => {
                self.pop();
                self.branch(targets.default())?;
                let mut seen = vec![targets.default()];
                for target in targets.targets() {
                    let target = target.ok()?;
                    if !seen.contains(&target) {
                        self.branch(target)?;
                        seen.push(target);
                    }
                }
                self.now = None;
            }
            Operator::BrOnNull { relative_depth } => {
                self.pop();
                self.branch(relative_depth)?;
                self.push(None)?;
            }
            Operator::BrOnNonNull { relative_depth } => {
                self.branch(relative_depth)?;
                self.pop();
            }
            Operator::BrOnCast { relative_depth, .. } | Operator::BrOnCastFail { relative_depth, .. } => {
                self.branch(relative_depth)?;
            }
            Operator::Return => {
                if let Some(now) = self.now.take() {
                    self.leave(now.stack_pointer);
                }
            }
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. } => {
                if let Some(now) = self.now.take() {
                    self.leave(now.stack_pointer);
                }
            }
            Operator::Unreachable => self.now = None,
            Operator::Throw { .. } | Operator::ThrowRef | Operator::Rethrow { .. } => {
                self.may_throw()?;
                self.now = None;
            }
            Operator::Call { function_index } => {
                let (parameters, results) = arity(self.module, operator)?;
                self.call(offset, parameters, results, Some(function_index))?;
            }
            Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                let (parameters, results) = arity(self.module, operator)?;
                self.call(offset, parameters, results, None)?;
            }
            Operator::LocalGet { local_index } => {
                let value = self.now.as_ref().and_then(|now| now.locals.get(local_index as usize).copied().flatten());
                self.push(value)?;
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.set_local(local_index, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.pop();
                self.set_local(local_index, value);
                self.push(value)?;
            }
            Operator::GlobalGet { global_index } if self.pointer == Some(global_index) => {
                let value = self.now.as_ref().and_then(|now| now.stack_pointer);
                self.push(value)?;
            }
            Operator::GlobalSet { global_index } if self.pointer == Some(global_index) => {
                let value = self.pop();
                if let Some(now) = &mut self.now {
                    now.stack_pointer = value;
                }
            }
            Operator::I32Const { .. }
            | Operator::I64Const { .. }
            | Operator::F32Const { .. }
            | Operator::F64Const { .. } => self.push(Sum::constant(constant_bits(operator)?))?,
            Operator::I32Add | Operator::I32Sub => {
                let minus = matches!(operator, Operator::I32Sub);
                self.sum(offset, minus, narrow)?;
            }
            Operator::I64Add | Operator::I64Sub => {
                let minus = matches!(operator, Operator::I64Sub);
                self.sum(offset, minus, u64::MAX)?;
            }
            Operator::I32And => self.and(offset, narrow)?,
            Operator::I64And => self.and(offset, u64::MAX)?,
            ref other => {
                let (parameters, results) = arity(self.module, other)?;
                self.drop_many(parameters);
                self.push_results(offset, results)?;
            }
        }
        Some(())
    }

    /// An addition; where it gives nothing known, the result is at least a value of its own.
    fn sum(&mut self, offset: u64, minus: bool, mask: u64) -> Option<()> {
        self.add(minus, mask)?;
        if let Some(top) = self.now.as_mut().and_then(|now| now.operands.last_mut())
            && top.is_none()
            && self.loops == 0
        {
            *top = Sum::start(SymbolicBase::Computed(offset));
        }
        Some(())
    }

    /// A mask over a constant, or over the stack pointer where its value at entry is known.
    fn and(&mut self, offset: u64, width: u64) -> Option<()> {
        let constant = |sum: Sum| (sum.base == SymbolicBase::Zero).then_some(sum.constant);
        let (right, left) = (self.pop(), self.pop());
        let masked = left.zip(right).and_then(|(left, right)| {
            let (sum, mask) = constant(right).map(|mask| (left, mask)).or(constant(left).map(|mask| (right, mask)))?;
            let start = match sum.base {
                SymbolicBase::Zero => 0,
                SymbolicBase::StackPointer => self.entry?,
                _ => return None,
            };
            let value = start.wrapping_add(sum.constant) & mask;
            Some(Sum { base: sum.base, constant: value.wrapping_sub(start) & width })
        });
        match masked {
            Some(_) => self.push(masked),
            None => self.push_results(offset, 1),
        }
    }

    fn set_local(&mut self, index: u32, value: Abstract) {
        if let Some(local) = self.now.as_mut().and_then(|now| now.locals.get_mut(index as usize)) {
            *local = value;
        }
    }
}
