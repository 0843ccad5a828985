//! Futures in memory, followed inward through what each awaits.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ops::Range;

use super::polled::{Polled, PolledFunction};
use super::{leaves, names, unordered};
use crate::backtrace::Location;
use crate::catalog::Language;
use crate::catalog::types::{Kind, Member, Offset, Struct, Variant};
use crate::catalog::units::Die;
use crate::lang::Renderer;
use crate::lang::rust::{RustValues, TraitObject};
use crate::lang::type_budget::TypeBudget;
use crate::location::frame::FrameContext;
use crate::symbols::append_path;
use crate::tasks::{Await, AwaitState, TaskState, VariableBudget};
use crate::values::{Source, Value};
use crate::variables::{Status, Variable, When};

/// The number of futures that await each other and are followed.
const LEVELS: u32 = 96;
/// The levels to which structures may be nested between one future and the next.
const WRAPPERS: u32 = 12;
/// The number of values of one dump that are looked at.
const VALUES: u32 = 1 << 20;
/// The number of elements of one container that are looked at.
const ELEMENTS: u64 = 256;

/// Follows the futures of one module.
pub struct Futures<'w, 'r, 'f, 's> {
    pub renderer: &'w Renderer<'r, 'f, 's>,
    polled: &'w Polled,
    /// True if variables are wanted.
    locals: bool,
    left: Cell<u32>,
    /// The room that is left for variables.
    room: VariableBudget,
    /// The futures that were met, by address and type name. (Entries would not do, since each unit describes a type
    /// anew.)
    known: RefCell<HashSet<(u64, String)>>,
    roots: RefCell<Roots>,
}

/// The futures that are tasks. They are known by type as well, since a future that a task awaits may have the task's
/// own address.
#[derive(Default)]
struct Roots {
    /// By address and the type's name.
    placed: HashSet<(u64, String)>,
    /// The types' names alone.
    names: HashSet<String>,
}

/// The state of a search for futures.
#[derive(Clone)]
struct Around {
    /// The number of further futures that may be nested.
    levels: u32,
    /// The number of further structures that may be nested.
    wrappers: u32,
    /// The addresses of the enclosing function's state: a reference into it is to one of its own variables.
    own: Option<Range<u64>>,
}

impl<'w, 'r, 'f, 's> Futures<'w, 'r, 'f, 's> {
    pub fn new(renderer: &'w Renderer<'r, 'f, 's>, polled: &'w Polled, locals: bool) -> Self {
        let (left, known, roots) = (Cell::new(VALUES), RefCell::default(), RefCell::default());
        Futures { renderer, polled, locals, left, room: VariableBudget::new(), known, roots }
    }

    pub fn frame(&self) -> &'r FrameContext<'f, 's> {
        self.renderer.frame
    }

    /// Records which futures are tasks of an executor: a task that is polled is not part of the future whose frame
    /// surrounds it.
    pub fn tasks_at(&self, roots: impl IntoIterator<Item = Value>) {
        for root in roots {
            let mut all = Vec::new();
            self.wrapped(&root, WRAPPERS, &mut all);
            all.push(root);
            let mut known = self.roots.borrow_mut();
            for root in all {
                let name = self.renderer.type_name(root.ty);
                known.placed.extend(root.source.address().map(|address| (address, name.clone())));
                known.names.insert(name);
            }
        }
    }

    /// Collects the states of asynchronous functions inside of an executor's wrapper, which holds them by value.
    fn wrapped(&self, value: &Value, levels: u32, found: &mut Vec<Value>) {
        let (Some(levels), Some(left)) = (levels.checked_sub(1), self.left.get().checked_sub(1)) else { return };
        self.left.set(left);
        let units = &self.frame().units;
        let Some((die, ty)) = units.peeled(value.ty) else { return };
        let Kind::Struct(contents) = &ty.kind else { return };
        let value = value.with_type(Some(die));
        if units.name(die).is_some_and(names::is_coroutine) {
            found.push(value);
        } else if contents.variants.is_none() && contents.keyword != "union" {
            let members = contents.members.iter().filter(|member| member.bits.is_none());
            members.for_each(|member| self.wrapped(&value.member(self.frame(), member), levels, found));
        }
    }

    /// Returns true if a future was met already, at its own address or within another.
    pub fn is_known(&self, value: &Value) -> bool {
        let place = value.source.address().map(|address| (address, self.renderer.type_name(value.ty)));
        place.is_some_and(|place| self.known.borrow().contains(&place))
    }

    /// Describes what a future does or waits for; `None` if the value is not known to be a future.
    pub fn future(&self, value: &Value) -> Option<Await> {
        self.within(value, &Around { levels: LEVELS, wrappers: WRAPPERS, own: None })
    }

    fn within(&self, value: &Value, around: &Around) -> Option<Await> {
        if let Some(found) = self.direct(value, around) {
            return Some(found);
        }
        let mut awaits = Vec::new();
        self.search(value, around, &mut awaits);
        (!awaits.is_empty()).then(|| Await { awaits, ..self.plain(value) })
    }

    /// A future that is known by its type alone.
    fn plain(&self, value: &Value) -> Await {
        leaves::plain(self.renderer, value)
    }

    /// Describes what the future in `value` does or waits for, or its type alone.
    pub fn followed(&self, value: &Value) -> Await {
        self.future(value).unwrap_or_else(|| self.plain(value))
    }

    /// Describes what the future in `value` awaits.
    fn awaited(&self, value: &Value, around: &Around) -> Await {
        self.within(value, around).unwrap_or_else(|| self.plain(value))
    }

    /// A value that is a future by its own type: the state of an asynchronous function, a known library's future, or a
    /// pointer to one of these.
    fn direct(&self, value: &Value, around: &Around) -> Option<Await> {
        self.left.set(self.left.get().checked_sub(1)?);
        let units = &self.frame().units;
        let (die, ty) = units.peeled(value.ty)?;
        let value = &value.with_type(Some(die));
        let name = units.name(die)?;
        if let Kind::Struct(contents) = &ty.kind
            && names::is_coroutine(name)
        {
            return Some(self.coroutine(value, die, contents, around));
        }
        if let Some(object) = self.object(value, die, name) {
            return self.behind(value, object, around);
        }
        if let Some(pointee) = self.pointee(value, name) {
            return self.direct(&pointee, &around.deeper()?);
        }
        leaves::leaf(self.renderer, value, die)
    }

    /// Returns the target of a box or a pin.
    fn pointee(&self, value: &Value, name: &[u8]) -> Option<Value> {
        let pointer = match name {
            _ if name.starts_with(b"Pin<") => self.renderer.first_field(value, &["pointer", "__pointer"])?,
            _ if name.starts_with(b"&mut ") || name.starts_with(b"alloc::boxed::Box<") => value.clone(),
            _ => return None,
        };
        let (die, ty) = self.frame().units.peeled(pointer.ty)?;
        match &ty.kind {
            Kind::Pointer(_, target) => {
                let address =
                    pointer.with_type(Some(die)).pointer(self.frame()).ok().filter(|&address| address != 0)?;
                Some(Value::in_memory(*target, address))
            }
            // The pointer is a box within a pin, or a box with an allocator.
            _ => Some(pointer),
        }
    }

    /// The future that the clones of a `Shared` (`FutureExt::shared`) refer to.
    fn shared(&self, value: &Value, die: Die) -> Option<Value> {
        let is_it =
            || self.frame().units.path(die).into_iter().eq([&b"futures_util"[..], b"future", b"future", b"shared"]);
        if !self.frame().units.name(die)?.starts_with(b"Shared<") || !is_it() {
            return None;
        }
        let inner = self.renderer.with_variants(&self.renderer.field(value, "inner")?)?;
        let (address, ty) =
            self.renderer.address_in(&self.renderer.lang.payload(self.renderer, &inner)?.ok()?)?.ok()?;
        Some(Value::in_memory(ty, address))
    }

    /// The words of a pointer to a trait object such as `Box<dyn Future>`.
    fn object(&self, value: &Value, die: Die, name: &[u8]) -> Option<Option<TraitObject>> {
        let is_future_object = name.starts_with(b"LocalFutureObj<") || name.starts_with(b"FutureObj<");
        if is_future_object || name.starts_with(b"UnsafeFutureObj<") {
            let inner = self.renderer.first_field(value, &["future", "__0"])?;
            let (die, _) = self.frame().units.peeled(inner.ty)?;
            return self.object(&inner.with_type(Some(die)), die, self.frame().units.name(die)?);
        }
        Some(RustValues(self.renderer).trait_object_parts(value, die)?.ok())
    }

    fn behind(&self, value: &Value, object: Option<TraitObject>, around: &Around) -> Option<Await> {
        let unknown = |note: &str| Some(Await { note: Some(note.to_owned()), ..self.plain(value) });
        let Some(object) = object else { return unknown("it cannot be read") };
        let is_future = || self.renderer.type_name(value.ty).contains("::Future<");
        match RustValues(self.renderer).vtable_type(object.vtable) {
            Some(ty) => {
                let value = Value::in_memory(Some(ty), object.address);
                let found = self.within(&value, &around.deeper()?);
                found.or_else(|| is_future().then(|| self.plain(&value)))
            }
            None if is_future() => {
                let method = RustValues(self.renderer).vtable_functions(object.vtable);
                let method = method.map(|method| format!(", whose first method is {method}")).unwrap_or_default();
                unknown(&format!("nothing describes its vtable at {:#x}{method}", object.vtable))
            }
            None => None,
        }
    }

    /// The state of an asynchronous function.
    fn coroutine(&self, value: &Value, die: Die, contents: &Struct<'s>, around: &Around) -> Await {
        let units = &self.frame().units;
        let address = value.source.address();
        let mut found =
            Await { name: names::function(self.frame(), die), is_function: true, address, ..Await::default() };
        let own_name = self.renderer.type_name(Some(die));
        if let Some(address) = address
            && !self.known.borrow_mut().insert((address, own_name.clone()))
        {
            found.note = Some("it was met before: it is in itself, or in two places".to_owned());
            found.is_repeated = true;
            return found;
        }
        if let Some(entry) = self.polled_at(address, &own_name) {
            return Await { address, ..self.running(entry, LEVELS) };
        }
        let variant = match self.renderer.chosen_variant(value, contents) {
            Some(Ok(variant)) => variant,
            Some(Err(missing)) => {
                found.state = AwaitState::Unknown;
                found.note = Some(format!("its state makes no sense: {missing}"));
                return found;
            }
            None => {
                found.state = AwaitState::Unknown;
                return found;
            }
        };
        let Some(member) = &variant.member else { return found };
        let inner = value.member(self.frame(), member);
        let Some((state_die, state)) = units.peeled(inner.ty) else { return found };
        let Kind::Struct(state) = &state.kind else { return found };
        let inner = inner.with_type(Some(state_die));
        let name = units.name(state_die).unwrap_or_default();
        found.state = match name {
            b"Unresumed" => AwaitState::Unresumed,
            b"Returned" => AwaitState::Returned,
            b"Panicked" => AwaitState::Panicked,
            name if name.starts_with(b"Suspend") => AwaitState::Suspended,
            _ => AwaitState::Unknown,
        };
        (found.location, found.note) = self.await_location(die, contents, variant);
        if self.locals && matches!(found.state, AwaitState::Unresumed | AwaitState::Suspended) {
            match self.room.take(|| self.variables(&inner, die, contents, state, found.state)) {
                Some(variables) => found.variables = variables,
                None => found.note = Some(VariableBudget::NONE.to_owned()),
            }
        }
        if found.state != AwaitState::Suspended {
            return found;
        }
        let Some(awaited) = state.members.iter().find(|member| member.name == Some(b"__awaitee")) else { return found };
        let size = units.size_of(Some(die)).unwrap_or(0);
        let own = address.and_then(|address| Some(address..address.checked_add(size)?));
        match around.levels.checked_sub(1) {
            Some(levels) => {
                let around = Around { levels, wrappers: WRAPPERS, own };
                found.awaits.push(self.awaited(&inner.member(self.frame(), awaited), &around));
            }
            None => found.note = Some("what it awaits is not followed any further".to_owned()),
        }
        // A variable that holds an awaited future is left out, since the future is shown as a frame of its own.
        let mut inner = Vec::new();
        found.awaits.iter().for_each(|future| functions_in(future, &mut inner));
        let range = |member: &Member<'s>| {
            let start = address?.checked_add(bits(member)? / 8)?;
            Some(start..start.checked_add(units.size_of(member.ty)?)?)
        };
        let ranges = state.members.iter().filter_map(range);
        let holders = ranges.filter(|range| inner.iter().any(|address| range.contains(address)));
        let holders: HashSet<u64> = holders.map(|range| range.start).collect();
        found.variables.retain(|variable| variable.address.is_none_or(|address| !holders.contains(&address)));
        found
    }

    /// The location at which a function waits. An `.await` in a macro such as `select!` has the macro's own line: then
    /// the location is that of the function, with a note. If the macro makes the whole function (`stream!`), the
    /// `.await` is on a line of the program.
    fn await_location(&self, die: Die, all: &Struct<'s>, state: &Variant<'s>) -> (Option<Location>, Option<String>) {
        let units = &self.frame().units;
        let first = all.variants.as_ref().and_then(|variants| variants.list.first()?.declared);
        let place = |place| units.declared_at(die.unit, place);
        let (Some(own), Some(here)) = (first.and_then(place), state.declared.and_then(place)) else {
            return (None, None);
        };
        let is_ours = |file: &str| self.crate_folder(die).is_some_and(|folder| file.starts_with(&folder));
        if own.file == here.file || is_ours(&here.file) && !is_ours(&own.file) {
            return (Some(here), None);
        }
        let file = here.file.rsplit(['/', '\\']).next().unwrap_or(&here.file);
        let note = format!("it waits in a macro of {file}:{}; the line is the function's", here.line);
        (Some(own), Some(note))
    }

    /// The folder of the crate's root source file, with a separator at its end. rustc names a unit after that file:
    /// `src/main.rs/@/1a2b3c`.
    fn crate_folder(&self, die: Die) -> Option<String> {
        let unit = self.frame().units.unit(die.unit)?;
        let name = String::from_utf8_lossy(unit.name.as_ref()?.slice()).into_owned();
        let (file, _) = name.split_once("/@/")?;
        let mut path = String::from_utf8_lossy(unit.comp_dir.as_ref()?.slice()).into_owned();
        append_path(&mut path, file);
        path.truncate(path.rfind(['/', '\\'])? + 1);
        Some(path)
    }

    /// The index in `Polled::entries` of the frame that polls a future.
    fn polled_at(&self, address: Option<u64>, name: &str) -> Option<usize> {
        let entries = &self.polled.entries;
        let exact = |entry: &PolledFunction| entry.name == name && entry.address.is_some() && entry.address == address;
        // If the frame's address is not known, the type decides, provided that only one future of that type is polled.
        let alone = || entries.iter().filter(|entry| entry.name == name).count() == 1;
        let by_name = |entry: &PolledFunction| entry.name == name && entry.address.is_none() && alone();
        entries.iter().position(exact).or_else(|| {
            entries
                .iter()
                .position(by_name)
                .filter(|_| address.is_some_and(|address| self.is_root(Some(address), name)))
        })
    }

    /// Returns true if the future at this address is a task; if the address is not known, if a future of its type is.
    fn is_root(&self, address: Option<u64>, name: &str) -> bool {
        let roots = self.roots.borrow();
        match address {
            Some(address) => roots.placed.contains(&(address, name.to_owned())),
            None => roots.names.contains(name),
        }
    }

    /// A function that a frame polls, with those that it awaits, which younger frames poll.
    fn running(&self, index: usize, levels: u32) -> Await {
        let entry = &self.polled.entries[index];
        if let Some(address) = entry.address {
            self.known.borrow_mut().insert((address, entry.name.clone()));
        }
        let next = self.polled.entries.get(index + 1);
        let next = next.filter(|next| (next.thread, next.module) == (entry.thread, entry.module));
        let is_known = |next: &PolledFunction| {
            let place = next.address.map(|address| (address, next.name.clone()));
            place.is_some_and(|place| self.known.borrow().contains(&place))
        };
        let next = next.filter(|next| !self.is_root(next.address, &next.name) && !is_known(next));
        Await {
            name: names::function(self.frame(), entry.ty),
            is_function: true,
            state: AwaitState::Running,
            location: entry.location.clone(),
            frame: Some((entry.thread, entry.frame)),
            address: entry.address,
            note: (next.is_some() && levels == 0).then(|| "what it awaits is not followed any further".to_owned()),
            awaits: next.filter(|_| levels > 0).map(|_| self.running(index + 1, levels - 1)).into_iter().collect(),
            ..Await::default()
        }
    }

    /// The variables that live across the `.await` at which a function waits, from the names in its state.
    fn variables(
        &self,
        value: &Value,
        die: Die,
        all: &Struct<'s>,
        state: &Struct<'s>,
        how: AwaitState,
    ) -> Vec<Variable> {
        let units = &self.frame().units;
        let first = all.variants.as_ref().and_then(|variants| units.peeled(variants.list.first()?.member.as_ref()?.ty));
        let arguments = match first.as_ref().map(|(_, ty)| &ty.kind) {
            Some(Kind::Struct(first)) => first.members.as_slice(),
            _ => &[],
        };
        // Arguments stay in the description of the state where they were at the beginning, whether they were moved or
        // not.
        let is_argument = |member: &Member<'s>| {
            arguments.iter().any(|argument| argument.name == member.name && bits(argument) == bits(member))
        };
        let in_place = units.name(die).is_some_and(names::uses_in_place);
        let renderer = Renderer::new(self.frame(), self.renderer.limits, Language::Rust);
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for member in &state.members {
            let Some(name) = member.name.filter(|name| !name.starts_with(b"__")) else { continue };
            let argument = how == AwaitState::Suspended && is_argument(member);
            if argument && !TypeBudget::of_types(WRAPPERS, |budget| self.is_copied(member.ty, budget))
                || !seen.insert((name, bits(member)))
            {
                continue;
            }
            let name = String::from_utf8_lossy(name.strip_prefix(b"_ref__").unwrap_or(name));
            let mut variable = renderer.variable(name, &value.member(self.frame(), member));
            if argument && !in_place {
                variable.at = When::Entry;
            }
            found.push(variable);
        }
        // An argument that was moved into a variable of the same name is shown as the variable.
        let live: HashSet<_> = found.iter().filter(|one| one.at == When::Now).map(|one| one.name.clone()).collect();
        found.retain(|one| one.at == When::Now || !live.contains(&one.name) && one.status == Status::Ok);
        found
    }

    /// Returns true if a type is `Copy`, as far as its description shows it: numbers, and pointers that own nothing.
    fn is_copied(&self, ty: Option<Die>, budget: TypeBudget<'_>) -> bool {
        let (Some((die, ty)), Some(budget)) = (self.frame().units.peeled(ty), budget.deeper(1)) else {
            return false;
        };
        match &ty.kind {
            Kind::Base(_) => true,
            Kind::Pointer(..) => {
                let name = self.frame().units.name(die).unwrap_or_default();
                name.starts_with(b"*") || name.starts_with(b"&") && !name.starts_with(b"&mut ")
            }
            Kind::Array(array) => self.is_copied(array.element, budget),
            Kind::Struct(contents) => {
                let name = ty.name.unwrap_or_default();
                let plain = name.starts_with(b"&") && !name.starts_with(b"&mut ") || name.starts_with(b"(");
                let all = || {
                    contents
                        .members
                        .iter()
                        .all(|member| self.is_pointer(member.ty) || self.is_copied(member.ty, budget))
                };
                plain && contents.variants.is_none() && all()
            }
            _ => false,
        }
    }

    fn is_pointer(&self, ty: Option<Die>) -> bool {
        self.frame().units.peeled(ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Pointer(..)))
    }

    /// Collects the futures in a value that is no future itself, as the branches of a `join!`.
    fn search(&self, value: &Value, around: &Around, found: &mut Vec<Await>) {
        let Some(around) = around.deeper() else { return };
        let Some(left) = self.left.get().checked_sub(1) else { return };
        self.left.set(left);
        let units = &self.frame().units;
        let Some((die, ty)) = units.peeled(value.ty) else { return };
        let value = &value.with_type(Some(die));
        match &ty.kind {
            Kind::Struct(contents) if contents.keyword == "union" => {}
            Kind::Struct(contents) if contents.variants.is_some() => {
                let Some(variant) = self.renderer.active_variant(value, contents) else { return };
                let variant_name = variant.ty.and_then(|ty| units.name(ty)).unwrap_or_default();
                let is_maybe_done = ty.name.is_some_and(|name| name.starts_with(b"MaybeDone<"));
                if is_maybe_done && variant_name.starts_with(b"Done") {
                    let of = contents.arguments.first().and_then(|argument| argument.1);
                    found.push(Await { state: AwaitState::Returned, ..self.named(of) });
                } else if let Some((die, inner)) = units.peeled(variant.ty)
                    && let Kind::Struct(inner) = &inner.kind
                {
                    self.members(&variant.with_type(Some(die)), inner, &around, found);
                }
            }
            Kind::Struct(contents) => {
                if let Some(all) = unordered::futures(self.renderer, value) {
                    found.extend(all.map(|future| self.followed(&future)));
                } else if let Some(inner) = self.shared(value, die) {
                    self.part(&inner, &around, found);
                } else if let Some(elements) = self.renderer.contiguous(value) {
                    if let Ok(elements) = elements {
                        self.elements(elements.element, elements.address, elements.len, &around, found);
                    }
                } else if !self.branches(value, contents, &around, found) {
                    self.members(value, contents, &around, found);
                }
            }
            Kind::Array(array) => {
                let count = array.dimensions.iter().try_fold(1u64, |all, one| all.checked_mul((*one)?)).unwrap_or(0);
                if let Some(address) = value.source.address() {
                    self.elements(array.element, address, count, &around, found);
                }
            }
            Kind::Pointer(_, target) => {
                let name = ty.name.unwrap_or_default();
                let Ok(address) = value.pointer(self.frame()) else { return };
                let own = around.own.as_ref().is_some_and(|own| own.contains(&address));
                // A box may hold a wrapper around a future: `Pin<Box<Fuse<F>>>`.
                let is_box = name.starts_with(b"alloc::boxed::Box<") && address != 0;
                if is_box || name.starts_with(b"&") && (own || unordered::is_one(self.renderer, *target)) {
                    self.part(&Value::in_memory(*target, address), &around, found);
                }
            }
            _ => {}
        }
    }

    fn members(&self, value: &Value, contents: &Struct<'s>, around: &Around, found: &mut Vec<Await>) {
        for member in contents.members.iter().filter(|member| member.bits.is_none()) {
            if self.frame().units.size_of(member.ty) != Some(0) {
                self.part(&value.member(self.frame(), member), around, found);
            }
        }
    }

    fn elements(&self, element: Option<Die>, address: u64, count: u64, around: &Around, found: &mut Vec<Await>) {
        let Some(size) = self.frame().units.size_of(element).filter(|&size| size > 0) else { return };
        // Numbers and texts hold no future.
        if TypeBudget::of_types(WRAPPERS, |budget| self.is_copied(element, budget)) {
            return;
        }
        for nth in 0..count.min(ELEMENTS) {
            let Some(at) = nth.checked_mul(size).and_then(|offset| address.checked_add(offset)) else { return };
            self.part(&Value::in_memory(element, at), around, found);
        }
    }

    fn part(&self, value: &Value, around: &Around, found: &mut Vec<Await>) {
        if matches!(value.source, Source::Missing(_)) {
            return;
        }
        match self.direct(value, around) {
            Some(future) => found.push(future),
            None => self.search(value, around, found),
        }
    }

    /// Collects the branches of `tokio::select!`: a tuple of futures and a mask whose bits say which branches are
    /// disabled. Returns false for another type.
    fn branches(&self, value: &Value, contents: &Struct<'s>, around: &Around, found: &mut Vec<Await>) -> bool {
        let named = |name: &str| {
            let is_it = |member: &&Member<'s>| {
                let own = member.name.unwrap_or_default();
                own.strip_prefix(b"_ref__").unwrap_or(own) == name.as_bytes()
            };
            let member = value.member(self.frame(), contents.members.iter().find(is_it)?);
            let (_, ty) = self.frame().units.peeled(member.ty)?;
            let Kind::Pointer(_, target) = &ty.kind else { return None };
            Some(Value::in_memory(*target, member.pointer(self.frame()).ok()?))
        };
        let (Some(disabled), Some(futures)) = (named("disabled"), named("futures")) else { return false };
        let Ok(disabled) = disabled.number(self.frame(), false) else { return false };
        let Some((die, ty)) = self.frame().units.peeled(futures.ty) else { return false };
        let Kind::Struct(tuple) = &ty.kind else { return false };
        for (nth, member) in tuple.members.iter().enumerate() {
            if nth < 128 && disabled >> nth & 1 == 1 {
                found.push(Await { state: AwaitState::Returned, ..self.named(member.ty) });
                continue;
            }
            let branch = futures.with_type(Some(die)).member(self.frame(), member);
            found.push(self.awaited(&branch, around));
        }
        true
    }

    /// The future of a task: what it waits for, or where a frame says that it stands.
    pub fn of_task(&self, state: TaskState, value: Option<&Value>, ty: Die) -> Await {
        let future = value.and_then(|value| self.future(value)).unwrap_or_else(|| self.named(Some(ty)));
        match (state, future.state) {
            // Its state in memory is that of its last `.await`, and no frame says where it is now.
            (TaskState::Running, found) if found != AwaitState::Running => {
                // The wrapper that an executor puts around a future is no function; a frame may poll the future in it.
                if is_polled(&future) {
                    return Await { state: AwaitState::Running, ..future };
                }
                let note = Some("no frame says where it stands".to_owned());
                Await { state: AwaitState::Running, note, address: future.address, ..self.named(Some(ty)) }
            }
            _ => future,
        }
    }

    /// A future of which only the type is known.
    pub fn named(&self, ty: Option<Die>) -> Await {
        let units = &self.frame().units;
        match units.peeled(ty) {
            Some((die, _)) if units.name(die).is_some_and(names::is_coroutine) => {
                Await { name: names::function(self.frame(), die), is_function: true, ..Await::default() }
            }
            _ => Await { name: crate::lang::type_name(units, ty, Language::Rust), ..Await::default() },
        }
    }
}

impl Around {
    fn deeper(&self) -> Option<Around> {
        Some(Around { wrappers: self.wrappers.checked_sub(1)?, ..self.clone() })
    }
}

/// Returns true if a frame polls the future or anything that it awaits.
fn is_polled(future: &Await) -> bool {
    future.state == AwaitState::Running || future.awaits.iter().any(is_polled)
}

/// Collects the addresses of the functions that are awaited, at any depth.
fn functions_in(future: &Await, found: &mut Vec<u64>) {
    found.extend(future.address.filter(|_| future.is_function));
    future.awaits.iter().for_each(|inner| functions_in(inner, found));
}

fn bits(member: &Member<'_>) -> Option<u64> {
    match member.offset {
        Offset::Bits(bits) => Some(bits),
        _ => None,
    }
}
