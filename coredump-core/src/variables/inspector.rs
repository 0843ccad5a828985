//! Reads the variables of a dump's frames, and evaluates expressions in them.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::Register;
use crate::binaries::{Binaries, Binary, Found};
use crate::catalog::units::{Die, Units};
use crate::expression::{self, ExpressionError};
use crate::lang::{Renderer, cpp};
use crate::limits::{MAX_DEBUG_STEPS, Steps};
use crate::location::frame::{FrameContext, Scopes};
use crate::location::{Copies, Lists};
use crate::locked::Locked;
use crate::memory::Memory;
use crate::model::{self, CoreDump};
use crate::scope::VariableKind;
use crate::unwind::rewritten::is_rewritten;
use crate::unwind::{Position, Recovered, Unwinder, certain_instance};
use crate::values::{Limits, Scope, Status, Variable, When, value_at_entry, value_earlier};

/// Frames of a thread of which all are evaluated for a single local.
const MAX_FRAMES: usize = 10_000;

type FunctionNames = Arc<Locked<HashMap<u64, Option<String>>>>;

/// Reads the variables of one dump, and remembers what it read.
pub struct Inspector<'c> {
    dump: &'c CoreDump<'c>,
    binaries: &'c Binaries,
    functions: Locked<HashMap<usize, FunctionNames>>,
    rewritten: Locked<HashMap<usize, bool>>,
    scopes: Locked<HashMap<usize, Arc<Locked<Scopes>>>>,
    steps: Arc<Steps>,
    unwinder: Unwinder,
    threads: Locked<HashMap<usize, Arc<Vec<Arc<Recovered>>>>>,
}

impl<'c> Inspector<'c> {
    /// An inspector of `dump`, whose frames ran in `binaries`.
    pub fn new(dump: &'c CoreDump<'c>, binaries: &'c Binaries) -> Self {
        Inspector {
            dump,
            binaries,
            functions: Locked::default(),
            rewritten: Locked::default(),
            scopes: Locked::default(),
            steps: Arc::new(Steps::new(MAX_DEBUG_STEPS)),
            unwinder: Unwinder::default(),
            threads: Locked::default(),
        }
    }

    /// The variables in scope in a frame: those of functions inlined there, innermost first, then those of the Wasm
    /// function itself.
    ///
    /// Empty when the frame's function is not known for certain or has no debug information.
    pub fn frame_variables(&self, thread: usize, frame: usize, limits: &Limits) -> Vec<Scope> {
        let scopes = self.with_frame(thread, frame, |frame| {
            let Some(function) = frame.function else { return Vec::new() };
            let language = frame.units.language(function.unit);
            let renderer = Renderer::new(frame, *limits, language);
            let active = frame.active();
            let mut left: usize = active.iter().map(|active| active.variables.len() + active.hidden.len()).sum();
            let scopes = active.iter().map(|active| Scope {
                function: frame.units.function_name(active.die),
                inlined: active.inlined,
                variables: active
                    .all()
                    .into_iter()
                    .filter_map(|(die, kind, hidden)| {
                        left -= 1;
                        let variable = renderer.leaving(left, || match kind {
                            VariableKind::Static => renderer.described(die, kind),
                            _ => variable(&renderer, die, kind, active.inlined),
                        });
                        variable.map(|variable| Variable { hidden, ..variable })
                    })
                    .collect(),
            });
            scopes.collect()
        });
        scopes.unwrap_or_default()
    }

    /// The statics of the file that a frame's function is in: globals, file and function statics.
    pub fn file_statics(&self, thread: usize, frame: usize, limits: &Limits) -> Vec<Variable> {
        let statics = self.with_frame(thread, frame, |frame| {
            let Some(unit) = frame.function.map(|function| function.unit) else { return Vec::new() };
            let renderer = Renderer::new(frame, *limits, frame.units.language(unit));
            let statics = frame.units.statics_of(unit);
            let mut left = statics.len();
            let statics = statics.into_iter().filter_map(|die| {
                left -= 1;
                renderer.leaving(left, || renderer.described(die, VariableKind::Static))
            });
            statics.collect()
        });
        statics.unwrap_or_default()
    }

    /// The value of an expression in a frame: `total`, `*node.next`, `buf[3]`, `(struct node *)0x10450`,
    /// `file.c::counter`, `$sp`. Fails where it cannot be parsed, or names what is not there.
    pub fn evaluate(
        &self,
        thread: usize,
        frame: usize,
        expression: &str,
        limits: &Limits,
    ) -> Result<Variable, ExpressionError> {
        self.evaluate_in(thread, frame, 0, expression, limits)
    }

    /// As [`Inspector::evaluate`], in the scope of one of the functions active in the frame: 0 is the innermost inlined
    /// one.
    pub fn evaluate_in(
        &self,
        thread: usize,
        frame: usize,
        scope: usize,
        expression: &str,
        limits: &Limits,
    ) -> Result<Variable, ExpressionError> {
        let evaluated = self.with_frame(thread, frame, |frame| {
            frame.scope.set(scope);
            let language = frame.function.map(|function| frame.units.language(function.unit)).unwrap_or_default();
            expression::evaluate(&Renderer::new(frame, *limits, language), expression)
        });
        evaluated.unwrap_or_else(|| {
            let known = self.dump.threads.get(thread).and_then(|thread| self.verified(thread.frames.get(frame)?));
            let message = match known {
                Some(found) if found.binary.with_catalog(|_| ()).is_some() => {
                    "the dump does not say where in its function this frame stood: ask in another frame"
                }
                _ => "this frame's binary is not known for certain, or has no debug information",
            };
            Err(ExpressionError { column: 1, message: message.into() })
        })
    }

    /// The name of an address in a C++ vtable, as `vtable for Horse+8`, in the program of a frame; `None` where it is
    /// not certain that a vtable is there.
    pub fn vtable_name(&self, thread: usize, frame: usize, address: u64) -> Option<String> {
        self.with_frame(thread, frame, |frame| cpp::vtable_name(frame, address))?
    }

    /// For each frame of a thread, youngest first, the address in the shadow stack pointer at the frame's code offset;
    /// `None` where it is not certain.
    pub fn stack_pointers(&self, thread: usize) -> Vec<Option<u64>> {
        self.recovered(thread).iter().map(|recovered| recovered.stack_pointer).collect()
    }

    /// Returns true if the frames of a thread lie one after the other on the shadow stack, from this value of the stack
    /// pointer on up to an address at least, as their code proves: then none of them is on another stack.
    pub(crate) fn reaches_up_to(&self, thread: usize, pointer: u64, address: u64) -> bool {
        let mut now = pointer;
        for frame in self.recovered(thread).iter() {
            let entry = frame.proved_entry().filter(|&entry| frame.stack_pointer == Some(now) && entry >= now);
            match entry {
                Some(entry) if entry >= address => return true,
                Some(entry) => now = entry,
                None => return false,
            }
        }
        false
    }

    /// A Wasm local that the dump leaves out, where the code and the stack pointer prove its value for certain.
    pub fn proved_local(&self, thread: usize, frame: usize, local: u32) -> Option<model::Value> {
        let count = self.dump.threads.get(thread)?.frames.len();
        let recovered = if count <= MAX_FRAMES { self.recovered(thread) } else { return None };
        recovered.get(frame).filter(|recovered| !recovered.inferred)?.local(local)
    }

    /// The value of a Wasm local, global or operand, as location descriptions of this frame see it: a value that the
    /// dump leaves out is given where the code proves it, and the stack pointer is the one of this frame. The error
    /// says why the value is not known.
    pub fn register(&self, thread: usize, frame: usize, register: Register) -> Result<model::Value, String> {
        let seen = self.with_frame(thread, frame, |frame| {
            let value = match register {
                Register::Local(index) => frame.local(index),
                Register::Global(index) => frame.global(index),
                Register::Operand(index) => frame.operand(index),
            };
            value.map_err(|missing| missing.to_string())
        });
        seen.unwrap_or_else(|| {
            Err("this frame's binary is not known for certain, or has no debug information".to_owned())
        })
    }

    fn recovered(&self, thread: usize) -> Arc<Vec<Arc<Recovered>>> {
        if let Some(known) = self.threads.lock().get(&thread) {
            return known.clone();
        }
        let frames = self.dump.threads.get(thread).map_or(&[][..], |thread| &thread.frames);
        let recovered = Arc::new(self.unwinder.thread(self.dump, frames, |index| {
            let found = self.verified(frames.get(index)?)?;
            let offset = self.binaries.code_place(self.dump, thread, index)?.module_offset;
            Some(Position { module: found.binary.module(), function: frames[index].function?, offset })
        }));
        self.threads.lock().insert(thread, recovered.clone());
        recovered
    }

    /// Calls `look` with a frame and its debug information; `None` when its binary is not known for certain or has
    /// none.
    pub(crate) fn with_frame<R>(
        &self,
        thread: usize,
        index: usize,
        look: impl FnOnce(&FrameContext<'_, '_>) -> R,
    ) -> Option<R> {
        let frame = self.dump.threads.get(thread)?.frames.get(index)?;
        let binary = &*self.verified(frame)?.binary;
        let place = self.binaries.code_place(self.dump, thread, index)?;
        frame.function?;
        let recovered = || self.recovered(thread).get(index).cloned().unwrap_or_default();
        self.look_at(binary, frame, place.dwarf_pc, recovered, index == 0, look)
    }

    /// Calls `look` with a frame that stands for a module of the dump without being at any code: it gives access to the
    /// module's types, and to its memory in one of its instances. `None` when the binary is not known for certain or
    /// has no debug information.
    pub(crate) fn with_module<R>(
        &self,
        module: u32,
        instance: Option<u32>,
        look: impl FnOnce(&FrameContext<'_, '_>) -> R,
    ) -> Option<R> {
        // It has no locals, which is known: so the instance is the one that is meant.
        let locals = Some(Box::default());
        let frame = model::Frame { instance, module: Some(module), locals, ..model::Frame::default() };
        let binary = &*self.verified(&frame)?.binary;
        self.look_at(binary, &frame, 0, Arc::default, false, look)
    }

    fn look_at<R>(
        &self,
        binary: &Binary,
        frame: &model::Frame,
        pc: u64,
        recovered: impl FnOnce() -> Arc<Recovered>,
        youngest: bool,
        look: impl FnOnce(&FrameContext<'_, '_>) -> R,
    ) -> Option<R> {
        binary.with_catalog(|catalog| {
            let key = binary.module().bytes().as_ptr() as usize;
            let units = Units::new(catalog.clone());
            let functions = self.functions.lock().entry(key).or_default().clone();
            let rewritten = *self.rewritten.lock().entry(key).or_insert_with(|| is_rewritten(binary.module()));
            look(&FrameContext {
                dump: self.dump,
                frame,
                binary,
                memory: self.memory(frame),
                pc,
                function: frame.function.and_then(|function| units.function(binary.module(), function)),
                rewritten,
                recovered: recovered(),
                youngest,
                scope: Cell::new(0),
                active: OnceCell::new(),
                owners: OnceCell::new(),
                scopes: self.scopes.lock().entry(key).or_default().clone(),
                steps: self.steps.clone(),
                lists: Lists::new(self.steps.clone()),
                parameters: OnceCell::new(),
                copies: Copies::default(),
                moves: OnceCell::new(),
                prologue: OnceCell::new(),
                writes: OnceCell::new(),
                operands: OnceCell::new(),
                paths: OnceCell::new(),
                rows: OnceCell::new(),
                stores: OnceCell::new(),
                before: OnceCell::new(),
                anothers: OnceCell::new(),
                merged: OnceCell::new(),
                blocks: OnceCell::new(),
                turns: OnceCell::new(),
                skipped: RefCell::default(),
                optimised: OnceCell::new(),
                base: OnceCell::new(),
                reads_base: Cell::new(false),
                units,
                functions,
            })
        })
    }

    /// The frame's binary, if it was verified: a name alone is no proof.
    fn verified(&self, frame: &model::Frame) -> Option<&'c Found> {
        let found = self.binaries.found(self.binaries.module_of(self.dump, frame)?)?;
        found.verification.is_verified().then_some(found)
    }

    /// The memory to which the addresses in a frame's module refer.
    fn memory(&self, frame: &model::Frame) -> Option<&'c Memory<'c>> {
        if self.dump.instances.is_empty() {
            return match self.dump.memories.as_slice() {
                [only] => Some(only),
                _ => None,
            };
        }
        let instance = self.dump.instances.get(certain_instance(self.dump, frame)? as usize)?;
        self.dump.memories.get((*instance.memories.first()?)? as usize)
    }
}

/// A parameter or local of a function, which may be inlined. If its current value was optimised out, a parameter is
/// shown with its value on entry, or else the variable with its value shortly before.
fn variable(renderer: &Renderer<'_, '_, '_>, die: Die, kind: VariableKind, inlined: bool) -> Option<Variable> {
    let now = renderer.described(die, kind)?;
    if now.status != Status::OptimizedOut {
        return Some(now);
    }
    let entered =
        (kind == VariableKind::Parameter && !inlined).then(|| (value_at_entry(renderer.frame, die), When::Entry));
    let earlier = || value_earlier(renderer.frame, die).map(|earlier| (earlier, When::Earlier));
    for ((value, location), at) in entered.into_iter().chain(std::iter::once_with(earlier).flatten()) {
        let then = renderer.variable(now.name.as_str(), &value);
        if then.status == Status::Ok {
            return Some(Variable { kind: now.kind, location, at, ..then });
        }
    }
    Some(now)
}
