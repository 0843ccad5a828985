//! The ways that lead to an instruction of a function.

use std::collections::{BTreeSet, HashSet};

use wasmparser::Operator;

use crate::module::Module;

/// The control flow graph of a function, by instructions.
#[derive(Debug, Default)]
pub struct Paths {
    /// File offsets of the instructions.
    offsets: Vec<u64>,
    /// True for each instruction from which control may go on to the next one.
    falls: Vec<bool>,
    /// The indices of instructions to which others may jump: heads of loops and ends of blocks.
    labels: HashSet<usize>,
    /// The indices of instructions that open blocks which are no loops.
    openings: HashSet<usize>,
    /// The instructions that jump to each one.
    jumps: Vec<Vec<usize>>,
}

/// The instructions between a place and those before it at which a search stops.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// The instructions at which it stopped, and whether each ends a block of code: it may jump, or others lead to the next.
    pub stops: Vec<(u64, bool)>,
    /// The instructions that were passed on the way, in an order in which each comes after those that lead to it, which are
    /// listed with it. The last one is the place itself.
    pub passed: Vec<(u64, Vec<u64>)>,
}

/// A block that is open: an index and whether it is a loop's, the instructions that jump to its end, its `if`.
struct JumpBlock {
    loop_at: Option<usize>,
    to_end: Vec<usize>,
    otherwise: Option<usize>,
}

impl Paths {
    /// Reads a function's body; `None` when it is damaged, or has exception handlers, which every call may lead to.
    pub fn from_function(module: &Module<'_>, function: u32) -> Option<Paths> {
        let mut operators = module.operators(function)?;
        let mut paths = Paths::default();
        let open = |loop_at, otherwise| JumpBlock { loop_at, to_end: Vec::new(), otherwise };
        let mut opened = vec![open(None, None)];
        while !operators.eof() {
            let at = paths.offsets.len();
            paths.offsets.push(operators.original_position() as u64);
            // An `else` is led to the instruction after it.
            paths.jumps.resize_with(at + 2, Vec::new);
            let operator = operators.read().ok()?;
            let mut jump = |depth: u32, opened: &mut Vec<JumpBlock>| {
                let target = opened.len().checked_sub(depth as usize + 1)?;
                match opened[target].loop_at {
                    Some(head) => paths.jumps[head].push(at),
                    None => opened[target].to_end.push(at),
                }
                Some(())
            };
            let mut falls = true;
            match &operator {
                Operator::Block { .. } => {
                    opened.push(open(None, None));
                    paths.openings.insert(at);
                }
                Operator::Loop { .. } => {
                    opened.push(open(Some(at), None));
                    paths.labels.insert(at);
                }
                Operator::If { .. } => opened.push(open(None, Some(at))),
                Operator::Else => {
                    let block = opened.last_mut()?;
                    block.to_end.push(at);
                    paths.jumps[at + 1].extend(block.otherwise.take());
                    falls = false;
                }
                Operator::End => {
                    let block = opened.pop()?;
                    paths.labels.insert(at);
                    paths.jumps[at].extend(block.to_end.into_iter().chain(block.otherwise));
                }
                Operator::Br { relative_depth } => {
                    jump(*relative_depth, &mut opened)?;
                    falls = false;
                }
                Operator::BrIf { relative_depth } => jump(*relative_depth, &mut opened)?,
                Operator::BrTable { targets } => {
                    for target in targets.targets().chain([Ok(targets.default())]) {
                        jump(target.ok()?, &mut opened)?;
                    }
                    falls = false;
                }
                Operator::Return | Operator::Unreachable => falls = false,
                other if is_unknown(other) => return None,
                _ => {}
            }
            paths.falls.push(falls);
        }
        Some(paths)
    }

    /// Goes back from the instruction at file offset `at` on all ways to instructions for which `stops` holds. `None` if one
    /// leads to the function's beginning without, or round in a circle, or past more than `most` instructions.
    pub fn back(&self, at: u64, most: usize, stops: impl Fn(u64) -> bool) -> Option<Between> {
        let (seen, stopped) = self.walk_back(at, most, stops)?;
        // Every circle goes back to a loop's head.
        let circle = || seen.iter().any(|&now| self.before(now).any(|from| from >= now && seen.contains(&from)));
        if seen.contains(&0) || circle() {
            return None;
        }
        Some(self.between(seen, stopped))
    }

    /// Goes back as [`Paths::back`] does, also round in circles and to the function's beginning. Returns whether it came there, too.
    pub fn back_around(&self, at: u64, most: usize, stops: impl Fn(u64) -> bool) -> Option<(Between, bool)> {
        let (seen, stopped) = self.walk_back(at, most, stops)?;
        let begins = seen.contains(&0);
        Some((self.between(seen, stopped), begins))
    }

    /// Returns the indices of the instructions that are passed on the ways back to others for which `stops` holds, and
    /// those others. `None` if more than `most` are passed.
    fn walk_back(
        &self,
        at: u64,
        most: usize,
        stops: impl Fn(u64) -> bool,
    ) -> Option<(BTreeSet<usize>, BTreeSet<usize>)> {
        let (mut seen, mut stopped) = (BTreeSet::new(), BTreeSet::new());
        let mut left = vec![self.offsets.binary_search(&at).ok()?];
        while let Some(now) = left.pop() {
            if !seen.insert(now) {
                continue;
            }
            if seen.len() > most {
                return None;
            }
            for from in self.before(now) {
                if stops(self.offsets[from]) {
                    stopped.insert(from);
                } else {
                    left.push(from);
                }
            }
        }
        Some((seen, stopped))
    }

    fn between(&self, seen: BTreeSet<usize>, stopped: BTreeSet<usize>) -> Between {
        let jumps: HashSet<usize> = self.jumps.iter().flatten().copied().collect();
        // A block that is opened before a label is part of the code there.
        let next = |from: usize| (from + 1..).find(|index| !self.openings.contains(index));
        let ends = |from: usize| jumps.contains(&from) || next(from).is_some_and(|next| self.labels.contains(&next));
        let offsets = |now: usize| self.before(now).map(|from| self.offsets[from]).collect();
        Between {
            stops: stopped.into_iter().map(|from| (self.offsets[from], ends(from))).collect(),
            passed: seen.into_iter().map(|now| (self.offsets[now], offsets(now))).collect(),
        }
    }

    /// Returns true if control may go on from the instruction at file offset `at` to one of `ends` without one for which
    /// `stops` holds. After `most` instructions it gives up.
    pub fn leads(&self, at: u64, ends: &[u64], most: usize, stops: impl Fn(u64) -> bool) -> bool {
        self.search(at, ends, most, stops) == Some(true)
    }

    /// Returns true if control may go on as [`Paths::leads`] says, and if that was not found out.
    pub fn may_lead(&self, at: u64, ends: &[u64], most: usize, stops: impl Fn(u64) -> bool) -> bool {
        self.search(at, ends, most, stops) != Some(false)
    }

    /// Returns whether control may go on from `at` to one of `ends`; `None` if more than `most` instructions would have
    /// to be looked at.
    fn search(&self, at: u64, ends: &[u64], most: usize, stops: impl Fn(u64) -> bool) -> Option<bool> {
        let mut seen = HashSet::new();
        let mut left: Vec<usize> = ends.iter().filter_map(|end| self.offsets.binary_search(end).ok()).collect();
        let mut all = true;
        while let Some(now) = left.pop() {
            for from in self.before(now) {
                if self.offsets[from] == at {
                    return Some(true);
                }
                if !stops(self.offsets[from]) && !seen.contains(&from) {
                    all &= seen.len() < most;
                    if seen.len() < most {
                        seen.insert(from);
                        left.push(from);
                    }
                }
            }
        }
        all.then_some(false)
    }

    /// Returns the file offset of the instruction before the one at `at` in the code.
    pub fn in_front(&self, at: u64) -> Option<u64> {
        self.offsets.get(self.offsets.binary_search(&at).ok()?.checked_sub(1)?).copied()
    }

    /// Returns the file offset of the instruction after the one at `at` in the code.
    pub fn after(&self, at: u64) -> Option<u64> {
        self.offsets.get(self.offsets.binary_search(&at).ok()? + 1).copied()
    }

    /// The file offsets of all instructions that may be executed before the one at file offset `at`.
    pub fn preceding(&self, at: u64) -> Option<HashSet<u64>> {
        let mut seen = HashSet::new();
        let mut left = vec![self.offsets.binary_search(&at).ok()?];
        while let Some(now) = left.pop() {
            left.extend(self.before(now).filter(|&from| seen.insert(from)));
        }
        Some(seen.into_iter().map(|index| self.offsets[index]).collect())
    }

    /// The instructions that lead to one.
    fn before(&self, now: usize) -> impl Iterator<Item = usize> {
        let falls = now.checked_sub(1).filter(|&before| self.falls[before]);
        self.jumps[now].iter().copied().chain(falls)
    }
}

/// Returns true if an instruction may lead elsewhere in a way that this does not follow.
fn is_unknown(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::Try { .. }
            | O::TryTable { .. }
            | O::Catch { .. }
            | O::CatchAll
            | O::Delegate { .. }
            | O::BrOnNull { .. }
            | O::BrOnNonNull { .. }
            | O::BrOnCast { .. }
            | O::BrOnCastFail { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The instructions where a search stopped, and whether each ends a block; those that it passed.
    type Ways = (Vec<(usize, bool)>, Vec<usize>);

    /// From instruction `at` back to those of `stops`, by index.
    fn ask(body: &str, at: usize, stops: &[usize]) -> Option<Ways> {
        let bytes = wat::parse_str(format!("(module (func (param i32) {body}))")).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let paths = Paths::from_function(&module, 0)?;
        let index = |offset: u64| paths.offsets.binary_search(&offset).unwrap();
        let between = paths.back(paths.offsets[at], 100, |offset| stops.contains(&index(offset)))?;
        let stops = between.stops.into_iter().map(|(offset, jumps)| (index(offset), jumps)).collect();
        let (last, passed) = between.passed.split_last()?;
        assert_eq!(index(last.0), at);
        Some((stops, passed.iter().map(|(offset, _)| index(*offset)).collect()))
    }

    #[test]
    fn all_ways_back_are_gone() {
        // 2 is `br_if`, 5 the block's `end`.
        let block = "block local.get 0 br_if 0 nop nop end nop";
        assert_eq!(ask(block, 6, &[2]), Some((vec![(2, true)], vec![3, 4, 5])), "on both ways");
        assert_eq!(ask(block, 6, &[3]), None, "one way leads to the beginning");
        assert_eq!(ask(block, 3, &[2]), Some((vec![(2, true)], vec![])));
        assert_eq!(ask(block, 4, &[3]), Some((vec![(3, false)], vec![])));
    }

    #[test]
    fn a_way_on_may_go_round_a_loop() {
        // 1 is `loop`, 2 `local.get`, 4 `local.set`, 6 `br_if`.
        let text =
            "(module (func (param i32) nop loop local.get 0 drop local.get 0 local.set 0 local.get 0 br_if 0 end))";
        let bytes = wat::parse_str(text).unwrap();
        let paths = Paths::from_function(&Module::parse(&bytes).unwrap(), 0).unwrap();
        let at = |index: usize| paths.offsets[index];
        assert!(paths.leads(at(3), &[at(2)], 100, |_| false), "the loop comes back");
        assert!(!paths.leads(at(3), &[at(2)], 100, |offset| offset == at(5)), "not without the write");
        assert!(!paths.leads(at(7), &[at(0)], 100, |_| false));
        let (between, begins) = paths.back_around(at(3), 100, |offset| offset == at(5)).unwrap();
        assert!(begins && between.stops == [(at(5), false)]);
    }

    #[test]
    fn the_arms_of_an_if_meet_behind_it() {
        // 1 is `if`, 3 `else`, 5 `end`.
        let arms = "local.get 0 if nop else nop end nop";
        assert_eq!(ask(arms, 6, &[1]), Some((vec![(1, true)], vec![2, 3, 4, 5])));
        assert_eq!(ask(arms, 4, &[1]), Some((vec![(1, true)], vec![])), "not from the other arm");
        assert_eq!(ask("local.get 0 if nop end nop", 4, &[1]), Some((vec![(1, true)], vec![2, 3])));
    }

    #[test]
    fn a_circle_is_no_way() {
        // 1 is `loop`, 4 `br_if`.
        let looped = "nop loop nop local.get 0 br_if 0 nop end nop";
        assert_eq!(ask(looped, 2, &[0]), None, "it may have been here before");
        assert_eq!(ask(looped, 5, &[0]), None);
        assert_eq!(ask(looped, 7, &[4]), Some((vec![(4, true)], vec![5, 6])), "out of it");
        assert_eq!(ask(looped, 3, &[2]), Some((vec![(2, false)], vec![])));
    }

    #[test]
    fn what_precedes_may_have_been_executed_before() {
        let ask = |body: &str, at: usize| {
            let bytes = wat::parse_str(format!("(module (func (param i32) {body}))")).unwrap();
            let paths = Paths::from_function(&Module::parse(&bytes).unwrap(), 0).unwrap();
            let before = paths.preceding(paths.offsets[at]).unwrap();
            (0..paths.offsets.len()).filter(|&index| before.contains(&paths.offsets[index])).collect::<Vec<_>>()
        };
        // 1 is `if`, 3 `else`, 5 `end`.
        assert_eq!(ask("local.get 0 if nop else nop end nop", 4), [0, 1], "not the other arm");
        // 1 is `loop`, 4 `br_if`, 5 `end`.
        assert_eq!(ask("nop loop nop local.get 0 br_if 0 end nop", 2), [0, 1, 2, 3, 4], "it comes back");
    }

    #[test]
    fn tables_lead_to_all_their_targets_and_handlers_are_not_followed() {
        // 3 is `br_table`, 5 and 7 are `end`.
        let table = "block block local.get 0 br_table 0 1 nop end nop end nop";
        assert_eq!(ask(table, 6, &[3]), Some((vec![(3, true)], vec![4, 5])));
        assert_eq!(ask(table, 8, &[3]), Some((vec![(3, true)], vec![4, 5, 6, 7])));
        assert_eq!(ask("try_table nop end nop", 3, &[1]), None);
    }
}
