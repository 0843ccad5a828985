//! The paths through a function's body: blocks, loops, branches, handlers, and the states that meet at them.

use std::collections::HashMap;

use wasmparser::{BlockType, Operator, OperatorsReader};

use super::{Abstract, AbstractState, Question, Sum, SymbolicBase};
use crate::module::Module;
use crate::unwind::arity::block_arity;

/// Work for one function: instructions and values copied where paths part. A body of 1 MB takes a tenth of it.
const EFFORT: u64 = 40_000_000;
/// Values one instruction or block may produce: the limit of engines.
const RESULTS: usize = 1_000;
/// The greatest height of the operand stack that is followed.
const HEIGHT: usize = 100_000;
/// Blocks open at once: more is none of a compiler's.
const DEPTH: usize = 50_000;

/// One structured control instruction that is open.
pub struct Control<'s> {
    /// Height of the operand stack below its parameters.
    height: usize,
    /// Values a branch to it carries.
    pub carries: usize,
    /// Values it leaves at its end.
    results: usize,
    /// The header, of a loop.
    pub head: Option<LoopHead<'s>>,
    /// The joined state of the branches to its end.
    end: Option<AbstractState>,
    /// The state at the `else`, of an `if`.
    pub otherwise: Option<AbstractState>,
    /// For a `try`, the state that its handlers may find.
    pub caught: Option<AbstractState>,
    /// True if it collects `caught` (a legacy `try` before its first handler).
    pub catches: bool,
    /// The labels of a `try_table`'s handlers, counted from outside of it.
    pub handlers: Vec<u32>,
}

/// The place where a loop begins.
pub struct LoopHead<'s> {
    /// Its file offset.
    pub offset: u64,
    /// The instructions from there on.
    pub operators: OperatorsReader<'s>,
    /// Less is known there than what this round began with.
    pub changed: bool,
}

/// An observer of the evaluation of a body.
pub trait Watch {
    /// Notes what an instruction does, before it does it. `next` is the one after it, `carried` the number of values
    /// that a branch takes along, `at` the file offset.
    fn note(
        &mut self,
        now: &AbstractState,
        operator: &Operator<'_>,
        next: Option<&Operator<'_>>,
        carried: usize,
        module: &Module<'_>,
        at: u64,
    );
}

/// A function's body that is being evaluated.
pub struct Body<'m, 's> {
    pub(super) module: &'m Module<'s>,
    pub(super) pointer: Option<u32>,
    pub(super) entry: Option<u64>,
    target: Option<u64>,
    pub(super) restores: &'m dyn Fn(u32) -> bool,
    effort: u64,
    /// States at loop headers, kept for when a loop around is repeated.
    pub(super) headers: HashMap<u64, AbstractState>,
    pub(super) operators: OperatorsReader<'s>,
    pub(super) controls: Vec<Control<'s>>,
    /// True if there are exception handlers in it.
    pub(super) handles: bool,
    pub(super) loops: u32,
    /// The current state; `None` after a branch.
    pub(super) now: Option<AbstractState>,
    pub at: Option<AbstractState>,
    /// The stack pointer where the function returns, over all paths.
    pub exits: Option<Abstract>,
    /// Sees each instruction that a path leads to, before it is evaluated.
    pub watch: Option<&'m mut dyn Watch>,
}

impl<'m, 's> Body<'m, 's> {
    /// Nothing of it is evaluated yet.
    pub fn new(question: &Question<'m, 's>, operators: OperatorsReader<'s>, restores: &'m dyn Fn(u32) -> bool) -> Self {
        Body {
            module: question.module,
            pointer: question.pointer,
            entry: question.entry,
            target: question.target,
            restores,
            effort: EFFORT,
            headers: HashMap::new(),
            operators,
            controls: Vec::new(),
            handles: false,
            loops: 0,
            now: None,
            at: None,
            exits: None,
            watch: None,
        }
    }

    pub(super) fn work(&mut self, amount: usize) -> Option<()> {
        self.effort = self.effort.checked_sub(amount as u64)?;
        Some(())
    }

    /// Goes through the body, through loops until nothing changes; up to where the state asked for is settled.
    pub fn run(&mut self, entry: AbstractState, results: usize) -> Option<()> {
        self.now = Some(entry);
        self.controls = vec![control(0, results, results)];
        let mut met = false;
        while !(self.controls.is_empty() || met && self.loops == 0) {
            let offset = self.operators.original_position() as u64;
            let operator = self.operators.read().ok()?;
            if self.target == Some(offset) {
                met = true;
                self.at = self.now.clone();
            }
            self.work(1)?;
            self.show(&operator, offset);
            self.step(offset, &operator)?;
        }
        Some(())
    }

    fn show(&mut self, operator: &Operator<'_>, at: u64) {
        if let (Some(watch), Some(now)) = (&mut self.watch, &self.now) {
            let label = |depth: u32| self.controls.iter().rev().nth(depth as usize).map_or(0, |label| label.carries);
            let carried = match operator {
                Operator::End | Operator::Else => self.controls.last().map_or(0, |label| label.results),
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => label(*relative_depth),
                Operator::BrTable { targets } => label(targets.default()),
                _ => 0,
            };
            let next = self.operators.clone().read().ok();
            watch.note(now, operator, next.as_ref(), carried, self.module, at);
        }
    }

    pub(super) fn pop(&mut self) -> Abstract {
        let floor = self.controls.last().map_or(0, |control| control.height);
        let operands = &mut self.now.as_mut()?.operands;
        if operands.len() > floor { operands.pop()? } else { None }
    }

    pub(super) fn drop_many(&mut self, count: usize) {
        let floor = self.controls.last().map_or(0, |control| control.height);
        if let Some(now) = &mut self.now {
            let keep = now.operands.len().saturating_sub(count).max(floor);
            now.operands.truncate(keep);
        }
    }

    pub(super) fn push(&mut self, value: Abstract) -> Option<()> {
        if let Some(now) = &mut self.now {
            if now.operands.len() >= HEIGHT {
                return None;
            }
            now.operands.push(value);
        }
        Some(())
    }

    /// Pushes what the instruction at `offset` computed.
    pub(super) fn push_results(&mut self, offset: u64, count: usize) -> Option<()> {
        if count > RESULTS {
            return None;
        }
        match count {
            1 if self.loops == 0 => self.push(Sum::start(SymbolicBase::Computed(offset)))?,
            _ => {
                for _ in 0..count {
                    self.push(None)?;
                }
            }
        }
        Some(())
    }

    pub(super) fn open(&mut self, ty: BlockType) -> Option<&mut Control<'s>> {
        let (params, results) = block_arity(self.module, ty)?;
        if self.controls.len() >= DEPTH {
            return None;
        }
        let height = self.now.as_ref().map_or(0, |now| now.operands.len().saturating_sub(params));
        let floor = self.controls.last().map_or(0, |control| control.height);
        self.controls.push(control(height.max(floor), results, results));
        self.controls.last_mut()
    }

    /// The state a branch to the label brings there, with the values it carries.
    pub(super) fn branch(&mut self, depth: u32) -> Option<()> {
        let Some(now) = &self.now else { return Some(()) };
        let at = self.controls.len().checked_sub(depth as usize + 1)?;
        if at == 0 {
            let pointer = now.stack_pointer;
            self.leave(pointer);
            return Some(());
        }
        let floor = self.controls.last().map_or(0, |control| control.height);
        let target = &mut self.controls[at];
        let carried = now.operands.len().saturating_sub(floor).min(target.carries);
        let (below, carried) = now.operands.split_at(now.operands.len() - carried);
        let below = &below[..target.height.min(below.len())];
        let gap = target.height + target.carries - below.len() - carried.len();
        let operands = below.iter().copied().chain(std::iter::repeat_n(None, gap)).chain(carried.iter().copied());
        self.effort = self.effort.checked_sub((now.locals.len() + now.operands.len()) as u64)?;
        // Most targets were reached before: nothing is copied.
        match target.known(&mut self.headers) {
            Some(known) => {
                let lost = join_parts(known, &now.locals, now.stack_pointer, operands)?;
                target.lose(lost);
            }
            None => {
                let (locals, stack_pointer) = (now.locals.clone(), now.stack_pointer);
                target.end = Some(AbstractState { locals, stack_pointer, operands: operands.collect() });
            }
        }
        Some(())
    }

    fn arrive(&mut self, at: usize, state: AbstractState) -> Option<()> {
        self.work(state.locals.len() + state.operands.len())?;
        if at == 0 {
            self.leave(state.stack_pointer);
            return Some(());
        }
        let target = &mut self.controls[at];
        match target.known(&mut self.headers) {
            Some(known) => {
                let lost = join_into(known, &state)?;
                target.lose(lost);
            }
            None => target.end = Some(state),
        }
        Some(())
    }

    pub(super) fn leave(&mut self, pointer: Abstract) {
        self.exits = match self.exits {
            None => Some(pointer),
            Some(known) if known == pointer => Some(known),
            Some(_) => Some(None),
        };
    }

    /// An instruction that may throw: every handler around may be entered from here.
    ///
    /// The function that threw has not put the stack pointer back.
    pub(super) fn may_throw(&mut self) -> Option<()> {
        let Some(now) = self.now.as_ref().filter(|_| self.handles) else { return Some(()) };
        if !self.controls.iter().any(|control| control.catches || !control.handlers.is_empty()) {
            return Some(());
        }
        let thrown = AbstractState { locals: now.locals.clone(), stack_pointer: None, operands: now.operands.clone() };
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

    pub(super) fn end(&mut self) -> Option<()> {
        let mut closed = self.controls.pop()?;
        if let Some(head) = closed.head.as_mut().filter(|head| head.changed) {
            // Once more, with what is still known at the head.
            head.changed = false;
            self.operators = head.operators.clone();
            self.now = self.headers.get(&head.offset).cloned();
            closed.end = None;
            self.controls.push(closed);
            return Some(());
        }
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
        if closed.head.is_some() {
            self.loops -= 1;
        }
        Some(())
    }
}

impl Control<'_> {
    /// Returns the state where a branch to it leads, if anything has led there yet.
    fn known<'a>(&'a mut self, headers: &'a mut HashMap<u64, AbstractState>) -> Option<&'a mut AbstractState> {
        match &self.head {
            Some(head) => headers.get_mut(&head.offset),
            None => self.end.as_mut(),
        }
    }

    /// Something is no longer known there.
    fn lose(&mut self, lost: bool) {
        if let Some(head) = &mut self.head {
            head.changed |= lost;
        }
    }
}

fn control(height: usize, carries: usize, results: usize) -> Control<'static> {
    Control {
        height,
        carries,
        results,
        head: None,
        end: None,
        otherwise: None,
        caught: None,
        catches: false,
        handlers: Vec::new(),
    }
}

fn join(into: &mut Option<AbstractState>, state: AbstractState) -> Option<()> {
    match into {
        Some(known) => {
            join_into(known, &state)?;
        }
        None => *into = Some(state),
    }
    Some(())
}

/// Keeps what both states agree on; returns true if anything was lost. `None` for heights that no valid code has.
pub(super) fn join_into(known: &mut AbstractState, state: &AbstractState) -> Option<bool> {
    join_parts(known, &state.locals, state.stack_pointer, state.operands.iter().copied())
}

fn join_parts(
    known: &mut AbstractState,
    locals: &[Abstract],
    stack_pointer: Abstract,
    mut operands: impl Iterator<Item = Abstract>,
) -> Option<bool> {
    let mut lost = false;
    let mut meet = |known: &mut Abstract, other: Abstract| {
        if known.is_some() && *known != other {
            *known = None;
            lost = true;
        }
    };
    for (known, &other) in known.locals.iter_mut().zip(locals) {
        meet(known, other);
    }
    for known in &mut known.operands {
        meet(known, operands.next()?);
    }
    meet(&mut known.stack_pointer, stack_pointer);
    operands.next().is_none().then_some(lost)
}
