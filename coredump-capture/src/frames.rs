//! The guest's stack: every frame with its locals and operand stack.
//!
//! The engine has two walks of the same stack. The backtrace knows the offset *of* a caller's call instruction, as the
//! standard's producers write it; the debugger's handles know instance and values, and stand *after* the call. They are
//! paired one to one, and a handle is believed only where both name the same function at the same place: the start-up
//! frame of a trap in a start function or in an active segment is decoded wrongly by its handle.

use std::collections::HashMap;

use coredump_core::gc;
use coredump_core::model::{Frame, Value};
use coredump_core::module::{Body, Module as CoreModule};
use wasmtime::{FrameHandle, FrameInfo, Module, StoreContextMut, Trap, WasmBacktrace};

use crate::catalog::Catalog;
use crate::values;

/// Longest encoding of a call instruction in bytes: how far a handle may stand after its backtrace frame.
const LONGEST_CALL: u64 = 16;

/// The place where the guest is stopped, as far as it changes what can be read of the youngest frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// In the middle of a function.
    Anywhere,
    /// In a function's prologue, before it has stored its instance and its parameters: a stack overflow.
    Prologue,
}

impl Stop {
    /// Returns the place where a trap stops the guest.
    pub fn from_trap(trap: Trap) -> Stop {
        if trap == Trap::StackOverflow { Stop::Prologue } else { Stop::Anywhere }
    }
}

/// All frames, youngest first.
pub fn frames<T: 'static>(stop: Stop, catalog: &mut Catalog, store: &mut StoreContextMut<'_, T>) -> Vec<Frame> {
    let backtrace = WasmBacktrace::force_capture(&*store);
    let handles = handles(store);
    let mut parsed: HashMap<u32, Option<CoreModule<'_>>> = HashMap::new();
    let mut frames: Vec<Frame> = Vec::with_capacity(backtrace.frames().len());
    for (index, info) in backtrace.frames().iter().enumerate() {
        let mut frame = Frame {
            function: Some(info.func_index()),
            code_offset: info.func_offset().and_then(|offset| u32::try_from(offset).ok()),
            ..Frame::default()
        };
        let module = catalog.module_index(info.module());
        let parsed = parsed.entry(module).or_insert_with(|| CoreModule::parse(info.module().debug_bytecode()?).ok());
        let place = parsed.as_ref().and_then(|module| FramePosition::from_engine(info, module));
        let handle =
            handles.get(index).filter(|handle| place.as_ref().is_some_and(|place| place.agrees(handle, store)));
        match handle {
            Some(handle) if index > 0 || stop == Stop::Anywhere => {
                let instance = handle.instance(&mut *store).ok();
                frame.instance = instance.and_then(|instance| catalog.instance_index(instance));
                let empty = parsed
                    .as_ref()
                    .zip(place.as_ref())
                    .map(|(module, place)| gc::empty_locals(module, info.func_index(), place.offset));
                frame.locals = locals(handle, &empty.unwrap_or_default(), catalog, store);
                frame.stack = operands(handle, catalog, store);
            }
            _ => frame.instance = catalog.only_instance(module),
        }
        frame.module = frame.instance.is_none().then_some(module);
        if frame.code_offset.is_none() {
            // The backtrace has no offset for a function that trapped in its prologue; the handle does.
            let body = parsed.as_ref().and_then(|module| module.body(info.func_index()));
            frame.code_offset = body.and_then(|body| offset(handles.get(index)?, info, parsed.as_ref()?, body, store));
        }
        frames.push(frame);
    }
    if stop == Stop::Prologue {
        inherit_instance(&mut frames, backtrace.frames());
    }
    frames
}

/// A handle's offset in the function that the backtrace names.
fn offset<T: 'static>(
    handle: &FrameHandle,
    info: &FrameInfo,
    module: &CoreModule<'_>,
    body: Body,
    store: &mut StoreContextMut<'_, T>,
) -> Option<u32> {
    let (defined, pc) = handle.wasm_function_index_and_pc(&mut *store).ok()??;
    let pc = u64::from(pc.raw());
    let same = module.imported_functions() + defined.as_u32() == info.func_index();
    (same && (body.start..body.end).contains(&pc)).then(|| (pc - body.start) as u32)
}

/// A call within a module stays in its instance, so the youngest frame has its caller's where both share the module
/// (and the function is no import, which a frame of the same module never is).
fn inherit_instance(frames: &mut [Frame], infos: &[FrameInfo]) {
    if let ([youngest, caller, ..], [first, second, ..]) = (frames, infos)
        && youngest.instance.is_none()
        && Module::same(first.module(), second.module())
    {
        youngest.instance = caller.instance;
    }
}

/// All handles of Wasm functions, youngest first, across all activations.
fn handles<T: 'static>(store: &mut StoreContextMut<'_, T>) -> Vec<FrameHandle> {
    let exits: Vec<FrameHandle> = store.debug_exit_frames().collect();
    let mut handles = Vec::new();
    for exit in exits {
        let mut next = Some(exit);
        while let Some(handle) = next {
            next = handle.parent(&mut *store).ok().flatten();
            if matches!(handle.wasm_function_index_and_pc(&mut *store), Ok(Some(_))) {
                handles.push(handle);
            }
        }
    }
    handles
}

/// The place of a frame according to the backtrace.
struct FramePosition {
    /// Index among the functions that the module defines.
    defined: u32,
    /// Offset in the core module's bytes.
    offset: u64,
}

impl FramePosition {
    fn from_engine(info: &FrameInfo, module: &CoreModule<'_>) -> Option<FramePosition> {
        // The engine's own module offset counts from the start of the component, a handle's from the core module's.
        let offset = module.body(info.func_index())?.start + info.func_offset()? as u64;
        Some(FramePosition { defined: info.func_index().checked_sub(module.imported_functions())?, offset })
    }

    /// Returns true if a handle is of the same frame.
    fn agrees<T: 'static>(&self, handle: &FrameHandle, store: &mut StoreContextMut<'_, T>) -> bool {
        let Ok(Some((defined, pc))) = handle.wasm_function_index_and_pc(&mut *store) else { return false };
        let ahead = u64::from(pc.raw()).wrapping_sub(self.offset);
        defined.as_u32() == self.defined && ahead <= LONGEST_CALL
    }
}

/// A frame's locals, but for those that hold nothing yet: the engine would take what is in their place for an object.
fn locals<T: 'static>(
    handle: &FrameHandle,
    empty: &[u32],
    catalog: &mut Catalog,
    store: &mut StoreContextMut<'_, T>,
) -> Option<Box<[Value]>> {
    let count = handle.num_locals(&mut *store).ok()?;
    let local = |index| {
        if empty.contains(&index) {
            return Value::Missing;
        }
        values::guarded(|| match handle.local(&mut *store, index) {
            Ok(value) => values::value(value, catalog, store),
            Err(_) => Value::Missing,
        })
    };
    Some((0..count).map(local).collect())
}

fn operands<T: 'static>(
    handle: &FrameHandle,
    catalog: &mut Catalog,
    store: &mut StoreContextMut<'_, T>,
) -> Option<Box<[Value]>> {
    let count = handle.num_stacks(&mut *store).ok()?;
    let operand = |index| {
        values::guarded(|| match handle.stack(&mut *store, index) {
            Ok(value) => values::value(value, catalog, store),
            Err(_) => Value::Missing,
        })
    };
    Some((0..count).map(operand).collect())
}
