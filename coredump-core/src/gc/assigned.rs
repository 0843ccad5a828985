//! Finds the locals of a function that are variables in scope where it stands, and surely assigned to: all locals of
//! Wasm begin as zero or null, long before the variable that a compiler keeps in one is declared.
//!
//! A variable's scope is taken to be the innermost block that all its uses are in.

use std::collections::HashMap;

use wasmparser::Operator;

use crate::module::Module;

/// Locals and blocks beyond which nothing is worked out: no compiler's functions have so many.
const MAX_LOCALS: usize = 1 << 14;
const MAX_BLOCKS: usize = 1 << 16;
/// Bits of all blocks that are open at a time.
const MAX_STATE: usize = 1 << 26;

/// The certainty with which a local has been assigned to where a function stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assignment {
    /// No assignment can have been run, or its scope is another part of the function.
    Unset,
    /// It may have been assigned to.
    #[default]
    Perhaps,
    /// It was.
    Set,
}

/// A set of locals.
#[derive(Clone, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn insert(&mut self, local: u32) {
        if let Some(word) = self.0.get_mut(local as usize / 64) {
            *word |= 1 << (local % 64);
        }
    }

    fn contains(&self, local: u32) -> bool {
        self.0.get(local as usize / 64).is_some_and(|word| word >> (local % 64) & 1 == 1)
    }

    fn keep(&mut self, other: &Set) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }
}

/// A block that is open.
struct Block {
    id: u32,
    start: u64,
    is_loop: bool,
    /// The locals that were set before an `if` that has no `else` so far.
    otherwise: Option<Set>,
    /// The locals that are set on all branches to its end.
    exits: Option<Set>,
    /// The locals that are set wherever it begins.
    entry: Option<Set>,
}

/// The locals of a function that may hold nothing at all where execution stands at an instruction's file offset:
/// references that cannot be null, and that are not surely assigned to. An engine has no value in them, only bytes of
/// something else.
pub fn empty_locals(module: &Module<'_>, function: u32, offset: u64) -> Vec<u32> {
    let mut locals = module.locals_without_default(function).unwrap_or_default();
    if !locals.is_empty() {
        let states = states(module, function, offset).unwrap_or_default();
        locals.retain(|local| states.get(*local as usize) != Some(&Assignment::Set));
    }
    locals
}

/// Follows a function's code.
struct AssignmentWalk {
    open: Vec<Block>,
    /// The locals that are set; none where code cannot be reached.
    now: Option<Set>,
    /// By id: the block that a block is in, and how deep.
    parents: Vec<(u32, u32)>,
    /// The innermost block of all uses, by local.
    scopes: HashMap<u32, u32>,
    /// Assignments: where, and of which local.
    assigned: Vec<(u64, u32)>,
    /// Loops that execution stands in.
    around: Vec<(u64, u64)>,
}

/// The state of each local of a function of which execution stands at an instruction's file offset, of parameters too.
/// None if its code cannot be followed.
pub fn states(module: &Module<'_>, function: u32, offset: u64) -> Option<Vec<Assignment>> {
    let parameters = module.signature(function)?.params.len();
    let count = module.local_types(function)?.len();
    if count > MAX_LOCALS {
        return None;
    }
    let mut now = Set(vec![0; count.div_ceil(64)]);
    (0..parameters as u32).for_each(|local| now.insert(local));
    let mut walk = AssignmentWalk {
        open: Vec::new(),
        now: None,
        parents: vec![(0, 0)],
        scopes: HashMap::new(),
        assigned: Vec::new(),
        around: Vec::new(),
    };
    let entry = Some(now.clone());
    walk.now = Some(now);
    walk.open.push(Block { id: 0, start: 0, is_loop: false, otherwise: None, exits: None, entry });
    let mut operators = module.operators(function)?;
    let mut standing: Option<(Vec<u32>, Set)> = None;
    while !operators.eof() {
        let (operator, at) = operators.read_with_offset().ok()?;
        if at as u64 == offset {
            standing = Some((walk.open.iter().map(|block| block.id).collect(), walk.now.clone()?));
        }
        walk.step(&operator, at as u64, offset)?;
    }
    let (open, set) = standing?;
    let reached = |local: u32| {
        walk.assigned.iter().any(|&(at, assigned)| {
            assigned == local && (at < offset || walk.around.iter().any(|(start, end)| (*start..*end).contains(&at)))
        })
    };
    let state = |local: u32| match () {
        () if (local as usize) < parameters => Assignment::Set,
        () if walk.scopes.get(&local).is_none_or(|scope| !open.contains(scope)) => Assignment::Unset,
        () if set.contains(local) => Assignment::Set,
        () if reached(local) => Assignment::Perhaps,
        () => Assignment::Unset,
    };
    Some((0..count as u32).map(state).collect())
}

impl AssignmentWalk {
    fn step(&mut self, operator: &Operator<'_>, at: u64, offset: u64) -> Option<()> {
        match operator {
            Operator::LocalGet { local_index } => self.used(*local_index),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.used(*local_index);
                self.assigned.push((at, *local_index));
                if let Some(now) = &mut self.now {
                    now.insert(*local_index);
                }
            }
            Operator::Block { .. } => self.begin(at, false, None)?,
            Operator::Loop { .. } => self.begin(at, true, None)?,
            Operator::If { .. } => {
                let before = self.now.clone();
                self.begin(at, false, before)?;
            }
            Operator::TryTable { try_table } => {
                // A handler is branched to from anywhere inside, so with what was set before.
                try_table.catches.iter().for_each(|catch| {
                    use wasmparser::Catch;
                    let (Catch::One { label, .. }
                    | Catch::OneRef { label, .. }
                    | Catch::All { label }
                    | Catch::AllRef { label }) = catch;
                    self.branch(*label);
                });
                self.begin(at, false, None)?;
            }
            Operator::Try { .. } => self.begin(at, false, None)?,
            Operator::Catch { .. } | Operator::CatchAll => {
                self.leave();
                self.now = self.open.last()?.entry.clone();
            }
            Operator::Else => {
                self.leave();
                self.now = self.open.last_mut()?.otherwise.take();
            }
            Operator::Delegate { .. } | Operator::End => {
                self.leave();
                let mut block = self.open.pop()?;
                if let Some(otherwise) = block.otherwise.take() {
                    merge(&mut block.exits, &otherwise);
                }
                self.now = block.exits;
                if block.is_loop && (block.start..at).contains(&offset) {
                    self.around.push((block.start, at));
                }
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.now = None;
            }
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth }
            | Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => self.branch(*relative_depth),
            Operator::BrTable { targets } => {
                self.branch(targets.default());
                targets.targets().flatten().for_each(|target| self.branch(target));
                self.now = None;
            }
            Operator::Return
            | Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Rethrow { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => self.now = None,
            _ => {}
        }
        Some(())
    }

    fn used(&mut self, local: u32) {
        let Some(mut here) = self.open.last().map(|block| block.id) else { return };
        let Some(mut scope) = self.scopes.get(&local).copied() else {
            self.scopes.insert(local, here);
            return;
        };
        let parents = &self.parents;
        let of = |id: u32| parents.get(id as usize).copied().unwrap_or((0, 0));
        while scope != here {
            if of(scope).1 >= of(here).1 { scope = of(scope).0 } else { here = of(here).0 }
        }
        self.scopes.insert(local, scope);
    }

    fn begin(&mut self, start: u64, is_loop: bool, otherwise: Option<Set>) -> Option<()> {
        let outer = self.open.last()?.id;
        let id = u32::try_from(self.parents.len()).ok()?;
        let words = self.now.as_ref().map_or(0, |set| set.0.len());
        if self.parents.len() >= MAX_BLOCKS || self.open.len() * words > MAX_STATE / 64 {
            return None;
        }
        self.parents.push((outer, self.open.len() as u32));
        let entry = self.now.clone();
        self.open.push(Block { id, start, is_loop, otherwise, exits: None, entry });
        Some(())
    }

    /// A branch to the block so many levels out. To a loop's start nothing is brought that was not set there already.
    fn branch(&mut self, levels: u32) {
        let Some(now) = &self.now else { return };
        let target = self.open.len().checked_sub(levels as usize + 1);
        if let Some(block) = target.and_then(|target| self.open.get_mut(target)).filter(|block| !block.is_loop) {
            merge(&mut block.exits, now);
        }
    }

    /// Runs into the end of the innermost block.
    fn leave(&mut self) {
        if let (Some(now), Some(block)) = (self.now.take(), self.open.last_mut()) {
            merge(&mut block.exits, &now);
        }
    }
}

fn merge(exits: &mut Option<Set>, now: &Set) {
    match exits {
        Some(exits) => exits.keep(now),
        None => *exits = Some(now.clone()),
    }
}
