//! The futures that frames poll, and those that frames hold pinned.
//!
//! While a future is polled, its state in memory is still that of its last `.await`: only the frames say where it is
//! now.

use super::names;
use crate::backtrace::{Location, Resolver};
use crate::binaries::Binaries;
use crate::catalog::Language;
use crate::catalog::types::Kind;
use crate::catalog::units::Die;
use crate::lang::Renderer;
use crate::lang::type_name;
use crate::location::frame::FrameContext;
use crate::model::CoreDump;
use crate::values::{Value, variable_value};
use crate::variables::{Inspector, Limits, VariableKind};

/// The number of frames of one thread that are looked at, of the youngest and of the oldest.
const YOUNG: usize = 1024;
const OLD: usize = 256;
/// The number of variables of all frames that are looked at.
const MAX_VARIABLES: usize = 1 << 16;

/// An asynchronous function that a frame polls.
pub struct PolledFunction {
    pub thread: usize,
    pub frame: usize,
    pub module: u32,
    /// The type of its state, and that type's name.
    pub ty: Die,
    pub name: String,
    /// The address of its state, if that is known.
    pub address: Option<u64>,
    /// The place where it stands.
    pub location: Option<Location>,
}

/// A future or executor that a variable of a frame is or points to.
pub struct PolledValue {
    pub module: u32,
    pub ty: Die,
    pub address: u64,
}

impl PolledValue {
    /// The value.
    pub fn value(&self) -> Value {
        Value::in_memory(Some(self.ty), self.address)
    }
}

/// The futures that the frames of a dump poll or hold.
#[derive(Default)]
pub struct Polled {
    /// The polled functions, thread by thread, oldest first, so that a callee follows its caller.
    pub entries: Vec<PolledFunction>,
    /// The futures and executors in the frames, oldest first.
    pub roots: Vec<PolledValue>,
}

impl Polled {
    /// Looks at the frames of all threads.
    pub fn find(dump: &CoreDump<'_>, binaries: &Binaries, inspector: &Inspector<'_>) -> Polled {
        let mut polled = Polled::default();
        let resolver = Resolver::new(dump, binaries);
        let mut left = MAX_VARIABLES;
        for (thread, recorded) in dump.threads.iter().enumerate() {
            let count = recorded.frames.len();
            let old = (count.saturating_sub(OLD).max(YOUNG.min(count))..count).rev();
            for index in old.chain((0..count.min(YOUNG)).rev()) {
                let module = binaries.module_of(dump, &recorded.frames[index]);
                let Some(module) = module.filter(|_| left > 0) else { continue };
                inspector.with_frame(thread, index, |frame| {
                    if !frame.function.is_some_and(|function| frame.units.language(function.unit) == Language::Rust) {
                        return;
                    }
                    let places = || {
                        let resolved = resolver.frame(thread, index);
                        resolved.map(|resolved| {
                            let inlined = resolved.inlines.iter().map(|inline| inline.location.clone());
                            inlined.chain([resolved.location.clone()]).collect::<Vec<_>>()
                        })
                    };
                    polled.frame(frame, (thread, index, module), &mut left, places);
                });
            }
        }
        polled
    }

    fn frame(
        &mut self,
        frame: &FrameContext<'_, '_>,
        (thread, index, module): (usize, usize, u32),
        left: &mut usize,
        places: impl Fn() -> Option<Vec<Option<Location>>>,
    ) {
        let (active, units) = (frame.active(), &frame.units);
        // The outermost comes first, since it called the others.
        for (nth, function) in active.iter().enumerate().rev() {
            let is_body = units.name(function.die).is_some_and(names::is_body);
            let mut entry = None;
            for &(die, kind) in &function.variables {
                if kind == VariableKind::Static || *left == 0 {
                    continue;
                }
                *left -= 1;
                let Some((ty, held)) = held(frame, die) else { continue };
                let address = address(frame, die, held);
                let is_state = || units.name(ty).is_some_and(names::is_coroutine);
                if is_body && kind == VariableKind::Parameter && held == FutureHolder::Pinned && is_state() {
                    entry = Some((ty, address));
                }
                let known = |root: &PolledValue, address| (root.module, root.ty, root.address) == (module, ty, address);
                if let Some(address) = address
                    && !self.roots.iter().any(|root| known(root, address))
                {
                    self.roots.push(PolledValue { module, ty, address });
                }
            }
            // Optimised code may not keep the parameter: then the state's type is found by the function's name.
            let by_name = || if is_body { Some((names::state_of(frame, function.die)?, None)) } else { None };
            if let Some((ty, address)) = entry.or_else(by_name) {
                // Both lists come from the same debug info; if their lengths differ all the same, no location is better
                // than a wrong one.
                let places = places().filter(|places| places.len() == active.len());
                let location = places.and_then(|mut places| places[nth].take());
                let name = type_name(units, Some(ty), Language::Rust);
                self.entries.push(PolledFunction { thread, frame: index, module, ty, name, address, location });
            }
        }
    }
}

/// The way in which a variable holds a future or executor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FutureHolder {
    /// By `Pin<&mut T>`, so that it cannot have been moved since.
    Pinned,
    /// By a pointer to it.
    Pointer,
    /// As its own value.
    Value,
}

/// The type that a variable holds, if that is something pinned or an executor, and how it holds it.
fn held(frame: &FrameContext<'_, '_>, die: Die) -> Option<(Die, FutureHolder)> {
    let units = &frame.units;
    let (ty, contents) = units.peeled(units.type_of(die))?;
    let target = |pointer: &Kind<'_>| match pointer {
        Kind::Pointer(_, target) => Some(units.peeled(*target)?.0),
        _ => None,
    };
    let is_executor = |ty: Die| units.name(ty) == Some(EXECUTOR.1) && units.path(ty).first() == Some(&EXECUTOR.0);
    match &contents.kind {
        Kind::Struct(inner) if units.name(ty)?.starts_with(b"Pin<&mut ") => {
            let pointer = inner.members.first()?;
            Some((target(&units.peeled(pointer.ty)?.1.kind)?, FutureHolder::Pinned))
        }
        Kind::Struct(_) => is_executor(ty).then_some((ty, FutureHolder::Value)),
        kind @ Kind::Pointer(..) => target(kind).filter(|&ty| is_executor(ty)).map(|ty| (ty, FutureHolder::Pointer)),
        _ => None,
    }
}

/// The executor that programs keep in a variable: its crate and its type name.
const EXECUTOR: (&[u8], &[u8]) = (b"futures_executor", b"LocalPool");

/// The address of what a variable holds in the given way.
fn address(frame: &FrameContext<'_, '_>, die: Die, held: FutureHolder) -> Option<u64> {
    let (value, _) = variable_value(frame, die);
    let renderer = Renderer::new(frame, Limits::default(), Language::Rust);
    let address = match held {
        FutureHolder::Value => return value.source.address(),
        FutureHolder::Pointer => value.pointer(frame),
        FutureHolder::Pinned => renderer.unwrapped(&value)?.pointer(frame),
    };
    address.ok().filter(|&address| address != 0)
}
