//! Suspended C++ coroutines: heap blocks that begin with a coroutine's two functions.
//!
//! A coroutine's frame begins with the function that resumes it and the one that destroys it, as numbers in the
//! program's table of functions; LLVM calls them `f (.resume)` and `f (.destroy)`. Then come the promise and what lives
//! across a place where the coroutine waits. The place is kept as a number, `__coro_index`; from LLVM 22 on, labels in
//! the resuming function say where in the source it is. Seen with clang 14, 19 and 22.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gimli::constants::*;

use crate::binaries::Binaries;
use crate::catalog::Language;
use crate::catalog::types::{Kind, Member, Offset};
use crate::catalog::units::Die;
use crate::heap::{Heap, State, View};
use crate::lang::Renderer;
use crate::location::frame::FrameContext;
use crate::model::CoreDump;
use crate::module::Module;
use crate::regions::Regions;
use crate::scope;
use crate::symbols::demangle;
use crate::tasks::{AsyncTask, Await, AwaitState, TaskState, VariableBudget, instances, memory};
use crate::values::Value;
use crate::variables::{Inspector, Limits, Variable, VariableKind};

/// The number of entries of a table, and of blocks, that are looked at.
const MAX_TABLE: u64 = 1 << 20;
const MAX_BLOCKS: usize = 1 << 22;
/// The number of coroutines that are listed.
const MAX_COROUTINES: usize = 1 << 14;
/// The number of coroutines that await each other and are followed.
const LEVELS: u32 = 96;
/// By how many bytes, at most, a block is larger than the request, except where an allocator rounds up to powers of
/// two.
const ROUNDING: u64 = 64;
/// The names, before a number, that LLVM gives members of a frame that have no name in the source.
const NAMELESS: [&str; 8] =
    ["struct_", "class_", "union_", "PointerType_", "ArrayType_", "UnknownType_", "array_", "enum_"];
/// The attribute of a label that has the index of its suspension point (`DW_AT_LLVM_coro_suspend_idx`, LLVM 22).
const SUSPEND_INDEX: gimli::DwAt = gimli::DwAt(0x3e0d);

/// A coroutine function of the program.
struct Function {
    /// Its name, as `leaf(int)`.
    name: String,
    /// The numbers of the two functions in the table.
    resume: u64,
    destroy: u64,
    /// The entry of the resuming function.
    die: Option<Die>,
    /// The type of its frame.
    ty: Option<Die>,
}

/// A coroutine's frame in memory.
struct Coroutine {
    address: u64,
    /// The end of the block that it is in.
    end: u64,
    function: usize,
}

/// Adds the coroutines of a dump's C++ programs.
pub fn find(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    inspector: &Inspector<'_>,
    limits: Option<Limits>,
    tasks: &mut Vec<AsyncTask>,
) {
    for (module, instance) in instances(dump, binaries) {
        let Some(binary) = binaries.binary(module).filter(|binary| has_coroutines(binary.module())) else { continue };
        let Some(index) = memory(dump, instance) else { continue };
        let Some(memory) = dump.memories.get(index as usize) else { continue };
        inspector.with_module(module, instance, |frame| {
            let renderer = Renderer::new(frame, limits.unwrap_or_default(), Language::Cpp);
            let functions = functions(&renderer, binary.module());
            // Reading the heaps takes long, and other languages may have functions of such names, so nothing goes on
            // without coroutines.
            if functions.is_empty() {
                return;
            }
            let heaps = Heap::find(dump, binaries, index, &Regions::new(dump, binaries, index));
            let view = View::new(memory);
            let found = coroutines(&functions, &heaps, &view, frame);
            let (shown, room) = (RefCell::default(), VariableBudget::new());
            let program = CoroutineModule { renderer, functions, found, locals: limits.is_some(), shown, room };
            tasks.extend(program.tasks());
        });
    }
}

/// The name of the coroutine of which a function is a part: `leaf(int)` for `leaf(int) (.resume)`.
fn part<'n>(name: &'n str, part: &str) -> Option<&'n str> {
    let bare = name.strip_suffix(')').or_else(|| name.strip_suffix(']')).unwrap_or(name);
    let base = bare.strip_suffix(part)?;
    Some(if bare.len() < name.len() { base.trim_end_matches(['(', '[']).trim_end() } else { base })
}

fn has_coroutines(module: &Module<'_>) -> bool {
    let names = module.custom_section("name").unwrap_or_default();
    memchr::memmem::find(names, b".resume").is_some() && memchr::memmem::find(names, b".destroy").is_some()
}

/// The coroutines of a module, whose functions the table holds.
fn functions(renderer: &Renderer<'_, '_, '_>, module: &Module<'_>) -> Vec<Function> {
    let mut parts: HashMap<u32, (&str, bool)> = HashMap::new();
    for (index, name) in module.function_names() {
        if let Some(base) = part(name, ".resume") {
            parts.insert(index, (base, true));
        } else if let Some(base) = part(name, ".destroy") {
            parts.insert(index, (base, false));
        }
    }
    let size = module.tables().first().map_or(0, |table| table.initial).min(MAX_TABLE);
    // By coroutine name: table indices and functions of the resuming parts, and table indices of the destroying parts.
    type Halves = (Vec<(u64, u32)>, Vec<u64>);
    let mut halves: HashMap<&str, Halves> = HashMap::new();
    for number in 1..size {
        let Some(function) = renderer.table_function(number) else { continue };
        match parts.get(&function) {
            Some(&(base, true)) => halves.entry(base).or_default().0.push((number, function)),
            Some(&(base, false)) => halves.entry(base).or_default().1.push(number),
            None => {}
        }
    }
    let units = &renderer.frame.units;
    let mut found: Vec<_> = halves
        .into_iter()
        .filter_map(|(base, halves)| {
            // If two coroutines have one name, nothing says which parts belong together.
            let ([(resume, function)], [destroy]) = (halves.0.as_slice(), halves.1.as_slice()) else { return None };
            let die = units.function(module, *function);
            let ty = die.and_then(|die| frame_type(renderer.frame, die));
            Some(Function { name: demangle(base).into_owned(), resume: *resume, destroy: *destroy, die, ty })
        })
        .collect();
    found.sort_by_key(|function| function.resume);
    found
}

/// Calls `each` with the child entries of a function, or of its abstract origin.
fn contents(frame: &FrameContext<'_, '_>, die: Die, mut each: impl FnMut(Die, &crate::catalog::units::Entry<'_>)) {
    let origin = frame.units.entry(die).and_then(|entry| frame.units.origin(die.unit, &entry));
    for die in [Some(die), origin].into_iter().flatten() {
        frame.units.children(die, |child, entry| {
            each(child, entry);
            true
        });
    }
}

/// The type of a coroutine's frame, which is the type of a variable of the resuming function.
fn frame_type(frame: &FrameContext<'_, '_>, die: Die) -> Option<Die> {
    let units = &frame.units;
    let mut found = None;
    contents(frame, die, |child, entry| {
        if found.is_none() && entry.tag == DW_TAG_variable && units.name(child) == Some(b"__coro_frame") {
            found = units.type_of(child);
        }
    });
    let (die, ty) = units.peeled(found)?;
    matches!(ty.kind, Kind::Struct(_)).then_some(die)
}

fn coroutines(functions: &[Function], heaps: &[Heap], view: &View<'_>, frame: &FrameContext<'_, '_>) -> Vec<Coroutine> {
    let by_numbers: HashMap<_, _> =
        functions.iter().enumerate().map(|(nth, function)| ((function.resume, function.destroy), nth)).collect();
    let mut found = Vec::new();
    let blocks = heaps.iter().flat_map(|heap| heap.blocks(view)).filter_map(Result::ok).take(MAX_BLOCKS);
    for block in blocks.filter(|block| block.state == State::Used) {
        let numbers = view.word(block.address).zip(view.word(block.address.saturating_add(view.width())));
        let Some(&function) = numbers.and_then(|numbers| by_numbers.get(&numbers)) else { continue };
        // The two indices are small numbers that other blocks may begin with too: the block's size has to agree.
        let size = frame.units.size_of(functions[function].ty);
        let room = block.requested.unwrap_or(block.size);
        let fits = size.is_none_or(|size| size <= room && room < (2 * size).max(size + ROUNDING));
        if fits && found.len() < MAX_COROUTINES {
            found.push(Coroutine { address: block.address, end: block.end(), function });
        }
    }
    found
}

/// The coroutine functions and frames of one module.
struct CoroutineModule<'r, 'f, 's> {
    renderer: Renderer<'r, 'f, 's>,
    functions: Vec<Function>,
    found: Vec<Coroutine>,
    locals: bool,
    /// Indices of the coroutines that were shown already.
    shown: RefCell<HashSet<usize>>,
    room: VariableBudget,
}

/// A place where a coroutine waits.
struct SuspendPoint {
    file: (u64, u32),
    column: Option<u32>,
    /// The code that it resumes at.
    code: Option<u64>,
}

impl<'r, 'f, 's> CoroutineModule<'r, 'f, 's> {
    fn frame(&self) -> &'r FrameContext<'f, 's> {
        self.renderer.frame
    }

    fn tasks(&self) -> Vec<AsyncTask> {
        let by_address: HashMap<_, _> = self.found.iter().enumerate().map(|(nth, one)| (one.address, nth)).collect();
        // The coroutines to which each frame refers: a caller's frame and the promise of its callee refer to each
        // other.
        let refers: Vec<Vec<usize>> = self.found.iter().map(|one| self.references(one, &by_address)).collect();
        // A promise holds the coroutine that is to be resumed when this one ends.
        let resumes: Vec<Vec<usize>> = self.found.iter().map(|one| self.resumes(one, &by_address)).collect();
        let awaits = |nth: usize| -> Vec<usize> {
            let is_awaited = |&inner: &usize| inner != nth && resumes[inner].binary_search(&nth).is_ok();
            refers[nth].iter().copied().filter(is_awaited).collect()
        };
        let awaits: Vec<Vec<usize>> = (0..self.found.len()).map(awaits).collect();
        let inner: HashSet<usize> = awaits.iter().flatten().copied().collect();
        let roots = (0..self.found.len()).filter(|nth| !inner.contains(nth));
        let task = |nth: usize| AsyncTask {
            language: "c++",
            state: TaskState::Idle,
            address: Some(self.found[nth].address),
            future: Some(self.coroutine(nth, &awaits, LEVELS)),
            ..AsyncTask::default()
        };
        roots.map(task).collect()
    }

    /// The coroutines whose addresses stand in a frame.
    fn references(&self, one: &Coroutine, by_address: &HashMap<u64, usize>) -> Vec<usize> {
        let width = u64::from(self.frame().address_size());
        let size = self.frame().units.size_of(self.functions[one.function].ty);
        let end = size.map_or(one.end, |size| one.end.min(one.address.saturating_add(size)));
        self.addresses(one.address + 2 * width..end, by_address)
    }

    /// The coroutines whose addresses stand in a coroutine's promise.
    fn resumes(&self, one: &Coroutine, by_address: &HashMap<u64, usize>) -> Vec<usize> {
        let range = self.promise(one).map(|(range, _)| range.start..range.end.min(one.end));
        range.map_or_else(Vec::new, |range| self.addresses(range, by_address))
    }

    /// The coroutines whose addresses stand in a range, by their numbers.
    fn addresses(&self, range: Range<u64>, by_address: &HashMap<u64, usize>) -> Vec<usize> {
        let words = range.step_by(usize::from(self.frame().address_size()));
        let mut found: Vec<usize> =
            words.filter_map(|at| by_address.get(&self.frame().memory?.pointer(at).ok()?).copied()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns the place of the promise, and its type as the program has it: the first member after the two functions.
    fn promise(&self, one: &Coroutine) -> Option<(Range<u64>, Option<Die>)> {
        let units = &self.frame().units;
        let function = &self.functions[one.function];
        let (_, ty) = units.peeled(function.ty)?;
        let Kind::Struct(contents_of) = &ty.kind else { return None };
        let first = contents_of.members.iter().find(|member| !is_function(member) && byte_offset(member).is_some())?;
        let size = units.size_of(first.ty)?;
        let mut declared = None;
        contents(self.frame(), function.die?, |child, entry| {
            if entry.tag == DW_TAG_variable && units.name(child) == Some(b"__promise") {
                declared = declared.or(units.type_of(child));
            }
        });
        let declared = declared.filter(|&ty| units.size_of(Some(ty)) == Some(size));
        let start = one.address.checked_add(byte_offset(first)?)?;
        Some((start..start.checked_add(size)?, declared))
    }

    fn coroutine(&self, nth: usize, awaits: &[Vec<usize>], levels: u32) -> Await {
        let one = &self.found[nth];
        let function = &self.functions[one.function];
        let units = &self.frame().units;
        let mut found = Await {
            name: function.name.clone(),
            is_function: true,
            state: AwaitState::Suspended,
            address: Some(one.address),
            ..Await::default()
        };
        let index = function.ty.and_then(|ty| {
            let index = self.renderer.field(&Value::in_memory(Some(ty), one.address), "__coro_index")?;
            u64::try_from(index.number(self.frame(), false).ok()?).ok()
        });
        let place = index.zip(function.die).and_then(|(index, die)| self.suspend_point(die, index));
        match (&place, index, function.ty) {
            (Some(place), _, _) => {
                let location = units.declared_at(function.die.map_or(0, |die| die.unit), place.file);
                found.location = location.map(|location| crate::symbols::Location { column: place.column, ..location });
                let own = function.die.and_then(|die| units.inherited(die, DW_AT_decl_line));
                let own = own.and_then(|(_, line)| line.udata_value());
                if index == Some(0) && own == Some(u64::from(place.file.1)) {
                    found.state = AwaitState::Unresumed;
                }
            }
            (None, Some(index), _) => {
                found.note =
                    Some(format!("it waits at its place {index}, for which the debug information has no line"));
            }
            (None, None, Some(_)) => {
                found.note = Some("the debug information does not say where it waits".to_owned());
            }
            (None, None, None) => {
                found.note = Some("the debug information does not describe its frame".to_owned());
            }
        }
        // A coroutine that several await is shown below the first of them.
        if !self.shown.borrow_mut().insert(nth) {
            found.note = Some("it was met before: it is in itself, or in two places".to_owned());
            return found;
        }
        if self.locals {
            match self.room.take(|| self.variables(one, place.as_ref())) {
                Some(variables) => found.variables = variables,
                None => found.note = Some(VariableBudget::NONE.to_owned()),
            }
        }
        if let Some(levels) = levels.checked_sub(1) {
            found.awaits = awaits[nth].iter().map(|&inner| self.coroutine(inner, awaits, levels)).collect();
        }
        found
    }

    /// The suspension point with this index, from a label of the resuming function.
    fn suspend_point(&self, die: Die, index: u64) -> Option<SuspendPoint> {
        let units = &self.frame().units;
        let mut found = None;
        contents(self.frame(), die, |child, entry| {
            let number = |name| entry.attr_value(name).and_then(|value| value.udata_value());
            if found.is_some() || entry.tag != DW_TAG_label || number(SUSPEND_INDEX) != Some(index) {
                return;
            }
            let code = match units.entry(child).and_then(|entry| entry.attr_value(DW_AT_low_pc)) {
                Some(gimli::AttributeValue::Addr(code)) => Some(code),
                _ => None,
            };
            let column = number(DW_AT_decl_column).and_then(|column| u32::try_from(column).ok());
            found = crate::catalog::declared(entry).map(|file| SuspendPoint { file, column, code });
        });
        found
    }

    /// The promise, the parameters, and the variables that were declared before the suspension point and are in scope
    /// there.
    fn variables(&self, one: &Coroutine, place: Option<&SuspendPoint>) -> Vec<Variable> {
        let units = &self.frame().units;
        let function = &self.functions[one.function];
        let mut found = Vec::new();
        if let Some((range, Some(ty))) = self.promise(one) {
            let promise = Value::in_memory(Some(ty), range.start);
            found.push(self.renderer.variable("promise", &promise));
        }
        let (Some(die), Some((_, ty))) = (function.die, units.peeled(function.ty)) else { return found };
        let Kind::Struct(all) = &ty.kind else { return found };
        let code = place.and_then(|place| place.code);
        let active = scope::active(units, die, code.unwrap_or(u64::MAX), &self.frame().steps);
        let Some(own) = active.last() else { return found };
        let line = |die: Die| units.inherited(die, DW_AT_decl_line).and_then(|(_, line)| line.udata_value());
        for &(die, kind) in &own.variables {
            let Some(name) = units.name(die).filter(|name| !name.starts_with(b"__")) else { continue };
            let before = place.filter(|place| place.code.is_some());
            let before = before.is_some_and(|place| line(die).is_some_and(|line| line < u64::from(place.file.1)));
            if kind != VariableKind::Parameter && !before {
                continue;
            }
            let mut same = all.members.iter().filter(|member| member.name == Some(name) && !is_nameless(member));
            // If two members have the variable's name, nothing says which is meant.
            let (Some(member), None) = (same.next(), same.next()) else { continue };
            let value = Value::in_memory(function.ty, one.address).member(self.frame(), member);
            let mut variable = self.renderer.variable(String::from_utf8_lossy(name), &value);
            variable.kind = kind;
            found.push(variable);
        }
        found
    }
}

/// Returns true if a member is one of the two function pointers; LLVM gives a wrong offset for the second.
fn is_function(member: &Member<'_>) -> bool {
    matches!(member.name, Some(b"__resume_fn" | b"__destroy_fn"))
}

/// Returns true if LLVM made up a member's name.
fn is_nameless(member: &Member<'_>) -> bool {
    let name = member.name.map(String::from_utf8_lossy).unwrap_or_default();
    let numbered = name.rsplit_once('_').is_some_and(|(_, end)| end.bytes().all(|byte| byte.is_ascii_digit()));
    name.starts_with("__") || numbered && NAMELESS.iter().any(|start| name.starts_with(start))
}

/// Returns the offset of a member in bytes; `None` for one that does not begin at a byte.
fn byte_offset(member: &Member<'_>) -> Option<u64> {
    match member.offset {
        Offset::Bits(bits) if bits % 8 == 0 => Some(bits / 8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_are_known_by_every_spelling_of_their_names() {
        for name in ["leaf(int) (.resume)", "leaf(int) [.resume]", "leaf(int).resume"] {
            assert_eq!(part(name, ".resume"), Some("leaf(int)"));
            assert_eq!(part(name, ".destroy"), None);
        }
        assert_eq!(part("_Z4leafi.resume", ".resume"), Some("_Z4leafi"));
        assert_eq!(part("resume", ".resume"), None);
    }
}
