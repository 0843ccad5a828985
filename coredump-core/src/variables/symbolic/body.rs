//! The paths through a function's body: blocks, loops, branches, handlers, and the states that meet at them.

use std::collections::HashMap;

use wasmparser::BlockType;

use super::{Abstract, Base, Question, State, Sum};
use crate::module::Module;

/// Work for one function: instructions and values copied where paths part. A body of 1 MB takes a tenth of it.
const EFFORT: u64 = 40_000_000;
/// Values one instruction or block may produce: the limit of engines.
const RESULTS: usize = 1_000;
/// The greatest height of the operand stack that is followed.
const HEIGHT: usize = 100_000;

/// One structured control instruction that is open.
pub struct Control {
    /// Height of the operand stack below its parameters.
    height: usize,
    /// Values a branch to it carries.
    pub carries: usize,
    /// Values it leaves at its end.
    results: usize,
    /// Of a loop: its header's file offset.
    pub header: Option<u64>,
    /// What the branches to its end bring.
    end: Option<State>,
    /// Of an `if`: the state at its `else`.
    pub otherwise: Option<State>,
    /// Of a `try`: what its handlers may find.
    pub caught: Option<State>,
    /// It collects `caught` (a legacy `try` before its first handler).
    pub catches: bool,
    /// The labels of a `try_table`'s handlers, counted from outside of it.
    pub handlers: Vec<u32>,
}

/// A function's body that is being evaluated.
pub struct Body<'m, 's> {
    pub(super) module: &'m Module<'s>,
    pub(super) pointer: Option<u32>,
    pub(super) entry: Option<u64>,
    target: Option<u64>,
    pub(super) restores: &'m dyn Fn(u32) -> bool,
    effort: u64,
    /// States at loop headers, kept from pass to pass.
    pub(super) headers: HashMap<u64, State>,
    pub changed: bool,
    pub(super) controls: Vec<Control>,
    pub(super) loops: u32,
    /// The current state; `None` behind a branch.
    pub(super) now: Option<State>,
    pub at: Option<State>,
    /// The stack pointer where the function returns, over all paths.
    pub exits: Option<Abstract>,
}

impl<'m, 's> Body<'m, 's> {
    /// Nothing of it is evaluated yet.
    pub fn new(question: &Question<'m, 's>, restores: &'m dyn Fn(u32) -> bool) -> Self {
        Body {
            module: question.module,
            pointer: question.pointer,
            entry: question.entry,
            target: question.target,
            restores,
            effort: EFFORT,
            headers: HashMap::new(),
            changed: false,
            controls: Vec::new(),
            loops: 0,
            now: None,
            at: None,
            exits: None,
        }
    }

    pub(super) fn work(&mut self, amount: usize) -> Option<()> {
        self.effort = self.effort.checked_sub(amount as u64)?;
        Some(())
    }

    /// Goes through the body once.
    pub fn pass(&mut self, function: u32, entry: State, results: usize) -> Option<()> {
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
            1 if self.loops == 0 => self.push(Sum::start(Base::Computed(offset)))?,
            _ => {
                for _ in 0..count {
                    self.push(None)?;
                }
            }
        }
        Some(())
    }

    pub(super) fn block_arity(&self, ty: BlockType) -> Option<(usize, usize)> {
        Some(match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => {
                let signature = self.module.signature_of_type(index)?;
                (signature.params.len(), signature.results.len())
            }
        })
    }

    pub(super) fn open(&mut self, ty: BlockType) -> Option<&mut Control> {
        let (params, results) = self.block_arity(ty)?;
        let height = self.now.as_ref().map_or(0, |now| now.operands.len().saturating_sub(params));
        let floor = self.controls.last().map_or(0, |control| control.height);
        self.controls.push(control(height.max(floor), results, results));
        self.controls.last_mut()
    }

    /// The state a branch to the label brings there, with the values it carries.
    pub(super) fn branch(&mut self, depth: u32) -> Option<()> {
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

    pub(super) fn end(&mut self) -> Option<()> {
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
pub(super) fn join_into(known: &mut State, state: &State) -> Option<bool> {
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
