//! What a function's body proves about its locals and its stack pointer at one instruction.
//!
//! The body is evaluated from its entry over values of the form `base + constant`, where a base is something that is
//! unknown but the same wherever it appears: the stack pointer or a parameter at entry, or what one instruction outside
//! of loops computed. Where paths meet, values that differ become unknown; loops are repeated until nothing changes.

use std::collections::HashMap;

use wasmparser::{BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

use crate::module::{Module, ValueType};

/// Work for one function: instructions and values copied where paths part. A body of 1 MB takes a tenth of it.
const EFFORT: u64 = 40_000_000;
/// Times a body is gone through until its loops are stable.
const PASSES: u32 = 32;
/// Values one instruction or block may produce: the limit of engines.
const RESULTS: usize = 1_000;
/// The greatest height of the operand stack that is followed.
const HEIGHT: usize = 100_000;

/// Something unknown that is the same wherever it appears in one activation of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Zero: the value is its constant.
    Zero,
    /// The stack pointer at entry.
    StackPointer,
    /// A parameter at entry.
    Parameter(u32),
    /// What the instruction at this file offset computed, outside of any loop.
    Computed(u64),
}

/// A value; `None` is one of which nothing is known.
pub type Abstract = Option<Sum>;

/// A base and a constant, added in the arithmetic of the value's own width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The unknown part.
    pub base: Base,
    /// What is added to it.
    pub constant: u64,
}

impl Sum {
    fn constant(constant: u64) -> Abstract {
        Some(Sum { base: Base::Zero, constant })
    }

    fn start(base: Base) -> Abstract {
        Some(Sum { base, constant: 0 })
    }
}

/// What is known before one instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Locals, parameters first.
    pub locals: Vec<Abstract>,
    /// The stack pointer global.
    pub stack_pointer: Abstract,
    /// The operand stack, bottom first.
    pub operands: Vec<Abstract>,
}

/// What a function does to the stack pointer, seen from outside.
pub struct Summary {
    /// The state before the instruction that was asked for; `None` when no path leads there.
    pub at: Option<State>,
    /// On every path that returns, the stack pointer is what it was at entry.
    pub balanced: bool,
}

/// Evaluates `function`. `restores(f)` tells whether a call of `f` leaves the stack pointer as it was.
///
/// `target` is the file offset of the instruction asked for, `pointer` the index of the stack pointer global. `None`
/// when the body is damaged, uses what this evaluation does not follow, or takes too much work.
pub fn evaluate(
    module: &Module<'_>,
    function: u32,
    pointer: Option<u32>,
    target: Option<u64>,
    restores: &dyn Fn(u32) -> bool,
) -> Option<Summary> {
    let parameters = module.signature(function)?.params.len();
    let results = module.signature(function)?.results.len();
    let types = module.local_types(function)?;
    let locals = types.iter().enumerate().map(|(index, ty)| {
        if index < parameters {
            return Sum::start(Base::Parameter(index as u32));
        }
        match ty {
            ValueType::V128 | ValueType::Ref => None,
            _ => Sum::constant(0),
        }
    });
    let entry = State {
        locals: locals.collect(),
        stack_pointer: pointer.and_then(|_| Sum::start(Base::StackPointer)),
        operands: Vec::new(),
    };
    let mut body = Body {
        module,
        pointer,
        target,
        restores,
        effort: EFFORT,
        headers: HashMap::new(),
        changed: false,
        controls: Vec::new(),
        loops: 0,
        now: None,
        at: None,
        exits: None,
    };
    for _ in 0..PASSES {
        body.pass(function, entry.clone(), results)?;
        if !body.changed {
            let balanced = body.exits.is_none_or(|pointer| pointer == Sum::start(Base::StackPointer));
            return Some(Summary { at: body.at, balanced });
        }
    }
    None
}

/// One structured control instruction that is open.
struct Control {
    /// Height of the operand stack below its parameters.
    height: usize,
    /// Values a branch to it carries.
    carries: usize,
    /// Values it leaves at its end.
    results: usize,
    /// Of a loop: its header's file offset.
    header: Option<u64>,
    /// What the branches to its end bring.
    end: Option<State>,
    /// Of an `if`: the state at its `else`.
    otherwise: Option<State>,
    /// Of a `try`: what its handlers may find.
    caught: Option<State>,
    /// It collects `caught` (a legacy `try` before its first handler).
    catches: bool,
    /// The labels of a `try_table`'s handlers, counted from outside of it.
    handlers: Vec<u32>,
}

struct Body<'m, 's> {
    module: &'m Module<'s>,
    pointer: Option<u32>,
    target: Option<u64>,
    restores: &'m dyn Fn(u32) -> bool,
    effort: u64,
    /// States at loop headers, kept from pass to pass.
    headers: HashMap<u64, State>,
    changed: bool,
    controls: Vec<Control>,
    loops: u32,
    /// The current state; `None` behind a branch.
    now: Option<State>,
    at: Option<State>,
    /// The stack pointer where the function returns, over all paths.
    exits: Option<Abstract>,
}

impl Body<'_, '_> {
    fn work(&mut self, amount: usize) -> Option<()> {
        self.effort = self.effort.checked_sub(amount as u64)?;
        Some(())
    }

    fn pass(&mut self, function: u32, entry: State, results: usize) -> Option<()> {
        self.changed = false;
        self.loops = 0;
        self.at = None;
        self.exits = None;
        self.now = Some(entry);
        self.controls = vec![control(0, results, results)];
        let mut operators = self.module.operators(function)?;
        while !self.controls.is_empty() {
            let offset = operators.original_position() as u64;
            let operator = operators.read().ok()?;
            if self.target == Some(offset) {
                self.at = self.now.clone();
            }
            self.work(1)?;
            self.step(offset, &operator)?;
        }
        Some(())
    }

    fn pop(&mut self) -> Abstract {
        let floor = self.controls.last().map_or(0, |control| control.height);
        let operands = &mut self.now.as_mut()?.operands;
        if operands.len() > floor { operands.pop()? } else { None }
    }

    fn drop_many(&mut self, count: usize) {
        let floor = self.controls.last().map_or(0, |control| control.height);
        if let Some(now) = &mut self.now {
            let keep = now.operands.len().saturating_sub(count).max(floor);
            now.operands.truncate(keep);
        }
    }

    fn push(&mut self, value: Abstract) -> Option<()> {
        if let Some(now) = &mut self.now {
            if now.operands.len() >= HEIGHT {
                return None;
            }
            now.operands.push(value);
        }
        Some(())
    }

    /// Pushes what the instruction at `offset` computed.
    fn push_results(&mut self, offset: u64, count: usize) -> Option<()> {
        if count > RESULTS {
            return None;
        }
        match count {
            1 if self.loops == 0 => self.push(Sum::start(Base::Computed(offset)))?,
            _ => {
                for _ in 0..count {
                    self.push(None)?;
                }
            }
        }
        Some(())
    }

    fn block_arity(&self, ty: BlockType) -> Option<(usize, usize)> {
        Some(match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => {
                let signature = self.module.signature_of_type(index)?;
                (signature.params.len(), signature.results.len())
            }
        })
    }

    fn open(&mut self, ty: BlockType) -> Option<&mut Control> {
        let (params, results) = self.block_arity(ty)?;
        let height = self.now.as_ref().map_or(0, |now| now.operands.len().saturating_sub(params));
        let floor = self.controls.last().map_or(0, |control| control.height);
        self.controls.push(control(height.max(floor), results, results));
        self.controls.last_mut()
    }

    /// The state a branch to the label brings there, with the values it carries.
    fn branch(&mut self, depth: u32) -> Option<()> {
        let Some(now) = &self.now else { return Some(()) };
        let at = self.controls.len().checked_sub(depth as usize + 1)?;
        let target = &self.controls[at];
        let floor = self.controls.last().map_or(0, |control| control.height);
        let carried = now.operands.len().saturating_sub(floor).min(target.carries);
        let mut operands = now.operands[..target.height.min(now.operands.len())].to_vec();
        operands.resize(target.height + (target.carries - carried), None);
        operands.extend_from_slice(&now.operands[now.operands.len() - carried..]);
        let state = State { locals: now.locals.clone(), stack_pointer: now.stack_pointer, operands };
        self.arrive(at, state)
    }

    fn arrive(&mut self, at: usize, state: State) -> Option<()> {
        self.work(state.locals.len() + state.operands.len())?;
        if at == 0 {
            self.leave(state.stack_pointer);
        }
        match self.controls[at].header {
            Some(header) => {
                let known = self.headers.get_mut(&header)?;
                self.changed |= join_into(known, &state)?;
            }
            None => join(&mut self.controls[at].end, state)?,
        }
        Some(())
    }

    fn leave(&mut self, pointer: Abstract) {
        self.exits = match self.exits {
            None => Some(pointer),
            Some(known) if known == pointer => Some(known),
            Some(_) => Some(None),
        };
    }

    /// An instruction that may throw: every handler around may be entered from here.
    ///
    /// The function that threw has not put the stack pointer back.
    fn may_throw(&mut self) -> Option<()> {
        let Some(now) = &self.now else { return Some(()) };
        if !self.controls.iter().any(|control| control.catches || !control.handlers.is_empty()) {
            return Some(());
        }
        let thrown = State { locals: now.locals.clone(), stack_pointer: None, operands: now.operands.clone() };
        for at in (0..self.controls.len()).rev() {
            let height = self.controls[at].height;
            if self.controls[at].catches {
                self.work(thrown.locals.len())?;
                let mut state = thrown.clone();
                state.operands.truncate(height);
                join(&mut self.controls[at].caught, state)?;
            }
            for handler in self.controls[at].handlers.clone() {
                let target = at.checked_sub(handler as usize + 1)?;
                let mut state = thrown.clone();
                state.operands.truncate(self.controls[target].height);
                state.operands.resize(self.controls[target].height + self.controls[target].carries, None);
                self.arrive(target, state)?;
            }
        }
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let mut closed = self.controls.pop()?;
        // An `if` without `else` goes on with what it took.
        if let Some(skipped) = closed.otherwise.take() {
            join(&mut closed.end, skipped)?;
        }
        if let Some(mut now) = self.now.take() {
            let take = now.operands.len().saturating_sub(closed.height).min(closed.results);
            let results = now.operands.split_off(now.operands.len() - take);
            now.operands.truncate(closed.height);
            now.operands.resize(closed.height + (closed.results - take), None);
            now.operands.extend(results);
            if self.controls.is_empty() {
                self.leave(now.stack_pointer);
            }
            self.work(now.locals.len())?;
            join(&mut closed.end, now)?;
        }
        self.now = closed.end;
        if closed.header.is_some() {
            self.loops -= 1;
        }
        Some(())
    }

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
            (Some(left), Some(Sum { base: Base::Zero, constant })) => {
                let constant = if minus { constant.wrapping_neg() } else { constant };
                Some(Sum { base: left.base, constant: left.constant.wrapping_add(constant) & mask })
            }
            (Some(Sum { base: Base::Zero, constant }), Some(right)) if !minus => {
                Some(Sum { base: right.base, constant: right.constant.wrapping_add(constant) & mask })
            }
            _ => None,
        };
        self.push(sum)
    }

    fn step(&mut self, offset: u64, operator: &Operator<'_>) -> Option<()> {
        let narrow = u64::from(u32::MAX);
        match *operator {
            Operator::Block { blockty } => drop(self.open(blockty)?),
            Operator::Loop { blockty } => {
                let params = self.block_arity(blockty)?.0;
                let control = self.open(blockty)?;
                control.header = Some(offset);
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
                // What the first arm leaves arrives at the end, as a branch there would.
                self.branch(0)?;
                self.now = self.controls.last_mut()?.otherwise.take();
            }
            Operator::Try { blockty } => self.open(blockty)?.catches = true,
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
                let signature = self.module.signature(function_index)?;
                let (parameters, results) = (signature.params.len(), signature.results.len());
                self.call(offset, parameters, results, Some(function_index))?;
            }
            Operator::CallIndirect { type_index, .. } | Operator::CallRef { type_index } => {
                let signature = self.module.signature_of_type(type_index)?;
                let (parameters, results) = (signature.params.len() + 1, signature.results.len());
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
            Operator::I32Const { value } => self.push(Sum::constant(u64::from(value as u32)))?,
            Operator::I64Const { value } => self.push(Sum::constant(value as u64))?,
            Operator::F32Const { value } => self.push(Sum::constant(u64::from(value.bits())))?,
            Operator::F64Const { value } => self.push(Sum::constant(value.bits()))?,
            Operator::I32Add | Operator::I32Sub => {
                let minus = matches!(operator, Operator::I32Sub);
                self.sum(offset, minus, narrow)?;
            }
            Operator::I64Add | Operator::I64Sub => {
                let minus = matches!(operator, Operator::I64Sub);
                self.sum(offset, minus, u64::MAX)?;
            }
            ref other => {
                let (parameters, results) = other.operator_arity(&NoTypes)?;
                self.drop_many(parameters as usize);
                self.push_results(offset, results as usize)?;
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
            *top = Sum::start(Base::Computed(offset));
        }
        Some(())
    }

    fn set_local(&mut self, index: u32, value: Abstract) {
        if let Some(local) = self.now.as_mut().and_then(|now| now.locals.get_mut(index as usize)) {
            *local = value;
        }
    }
}

fn control(height: usize, carries: usize, results: usize) -> Control {
    Control {
        height,
        carries,
        results,
        header: None,
        end: None,
        otherwise: None,
        caught: None,
        catches: false,
        handlers: Vec::new(),
    }
}

fn join(into: &mut Option<State>, state: State) -> Option<()> {
    match into {
        Some(known) => {
            join_into(known, &state)?;
        }
        None => *into = Some(state),
    }
    Some(())
}

/// Keeps what both states agree on; tells whether anything was lost. `None` for heights that no valid code has.
fn join_into(known: &mut State, state: &State) -> Option<bool> {
    if known.operands.len() != state.operands.len() {
        return None;
    }
    let mut lost = false;
    let mut meet = |known: &mut Abstract, other: Abstract| {
        if known.is_some() && *known != other {
            *known = None;
            lost = true;
        }
    };
    for (known, &other) in known.locals.iter_mut().zip(&state.locals) {
        meet(known, other);
    }
    for (known, &other) in known.operands.iter_mut().zip(&state.operands) {
        meet(known, other);
    }
    meet(&mut known.stack_pointer, state.stack_pointer);
    Some(lost)
}

/// For instructions whose arity does not depend on the module's types: the others are handled above or not followed.
struct NoTypes;

impl ModuleArity for NoTypes {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }
    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }
    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }
    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }
    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }
    fn control_stack_height(&self) -> u32 {
        0
    }
    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}
