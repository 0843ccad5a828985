//! Finds out what changes some bytes of a component's memory: the component runs again instrumented, and stops at each
//! instruction that writes to this memory.
//!
//! Several modules may write to such a memory, and so may the host, which writes arguments and results into it. So the
//! bytes are read whenever the program stops. They were changed by the instruction that was executed last, or by the
//! host if no instruction touched them since they were last read.
//!
//! A stop at each write takes much time. So a first run reads the bytes only at calls of the host, and finds the call
//! after which the last change comes. A second run observes the instructions from that call on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::{AsContextMut, Memory, Module, ModulePC, StoreContextMut};

use super::hunt;
use crate::host::{Host, Onlooker};
use crate::playback::HostChange;
use crate::rewrite::{Change, KEPT, Layout, Watch, WriteInstruction, WriteSite};

/// The task of a witness.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// Read the bytes at each call of the host.
    Calls,
    /// Note all changes after this many calls.
    Changes(u64),
    /// Stop the program after the change by this writer; instructions are observed after this many calls.
    Stop(u64, Writer),
}

/// The origin of a change of the bytes.
#[derive(Clone, Copy, Debug)]
pub enum Writer {
    /// The instruction with this number, which had touched the bytes this many times by then.
    Instruction(u32, u64),
    /// The call of the host with this number.
    Host(u64),
}

/// Observes the bytes while the program runs.
pub struct Witness {
    watch: Watch,
    task: Task,
    code_offset: Option<u32>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    memory: Option<Memory>,
    /// True if the component is instantiated.
    started: bool,
    /// True if instructions are observed.
    follows: bool,
    last: Vec<u8>,
    /// The number of calls that had been answered before the last change was seen.
    changed: u64,
    /// The number of calls that were answered, and the function of the last one.
    calls: u64,
    name: String,
    /// The instructions that write to the memory, and their modules.
    sites: Vec<WriteSite>,
    modules: Vec<Vec<u8>>,
    /// The numbers of the instructions, by the engine's number of the instance and the instruction's offset.
    places: HashMap<(u32, u64), u32>,
    /// The number of times that each instruction touched the bytes.
    times: Vec<u64>,
    /// The instruction that is being executed.
    pending: Option<(u32, u64)>,
    changes: VecDeque<Change>,
    total: u64,
    host: VecDeque<HostChange>,
    /// True if the program is at its goal once the bytes are next seen to have changed.
    arriving: bool,
    arrived: bool,
}

/// The changes that a witness saw.
pub struct ObservedChanges {
    /// The instructions, by their numbers.
    pub sites: Vec<WriteSite>,
    /// The modules that the instructions are in.
    pub modules: Vec<Vec<u8>>,
    /// The last changes by instructions, oldest first.
    pub changes: Vec<Change>,
    /// The last changes by the host, oldest first.
    pub host: Vec<HostChange>,
}

impl Witness {
    /// A witness that has seen nothing yet.
    pub fn new(watch: Watch, task: Task) -> Witness {
        Witness { watch, task, code_offset: None, state: Mutex::default() }
    }

    /// A witness that stops the program after the change that `writer` makes, which comes after `from` calls of the host.
    /// `code_offset` is where the instruction is in its function, in bytes.
    pub fn stops_at(watch: Watch, from: u64, writer: Writer, code_offset: Option<u32>) -> Witness {
        Witness { code_offset, ..Witness::new(watch, Task::Stop(from, writer)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is called when the component is instantiated. Changes before that are not observed.
    pub fn starts(&self, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        let mut state = self.state();
        self.look(&mut state, store);
        state.started = true;
        self.follow_if_due(&mut state, store)
    }

    /// Is called when the program stops before an instruction: whether it is to end there.
    pub fn stops(&self, store: &mut StoreContextMut<'_, Host>) -> bool {
        let mut state = self.state();
        self.look(&mut state, store);
        if state.arrived {
            return true;
        }
        let Some(site) = self.here(&state, store) else { return false };
        if hunt::touches(self.watch, state.sites[site as usize], store) {
            let times = &mut state.times[site as usize];
            *times += 1;
            let times = *times;
            state.pending = Some((site, times));
            if let Task::Stop(_, Writer::Instruction(wanted, at)) = self.task
                && (site, times) == (wanted, at)
            {
                self.arrive(&mut state, store);
            }
        }
        false
    }

    /// Is called when the program ends.
    pub fn ends(&self, store: &mut StoreContextMut<'_, Host>) {
        self.look(&mut self.state(), store);
    }

    /// The code offset of the youngest frame once the program has stopped: that of the instruction that was executed
    /// last, not of the next one.
    pub fn code_offset(&self) -> Option<u32> {
        self.code_offset
    }

    /// Returns true if the program has reached the place where it is to stop.
    pub fn has_arrived(&self) -> bool {
        self.state().arrived
    }

    /// Returns the number of calls of the host that had been answered before the last change was seen.
    pub fn changed(&self) -> u64 {
        self.state().changed
    }

    /// The changes that were seen.
    pub fn seen(&self) -> ObservedChanges {
        let mut state = self.state();
        let state = std::mem::take(&mut *state);
        let State { sites, modules, changes, host, .. } = state;
        ObservedChanges { sites, modules, changes: changes.into(), host: host.into() }
    }

    /// Makes the program stop at each instruction that writes to the memory, if the call that the task names has come.
    fn follow_if_due(&self, state: &mut State, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        match self.task {
            Task::Changes(from) | Task::Stop(from, _) if state.started && !state.follows && state.calls >= from => {
                state.follows = true;
                self.follow(state, store)
            }
            _ => Ok(()),
        }
    }

    /// The present bytes; bytes beyond the end of the memory are zero. `None` if there is no such memory yet.
    fn bytes(&self, state: &mut State, store: &mut StoreContextMut<'_, Host>) -> Option<Vec<u8>> {
        if state.memory.is_none() {
            state.memory = memories(store).into_iter().nth(self.watch.memory as usize);
        }
        let memory = state.memory?.data(&*store);
        let known = usize::try_from(self.watch.address).ok().and_then(|at| memory.get(at..)).unwrap_or_default();
        let mut bytes = known[..known.len().min(self.watch.len as usize)].to_vec();
        bytes.resize(self.watch.len as usize, 0);
        Some(bytes)
    }

    fn look(&self, state: &mut State, store: &mut StoreContextMut<'_, Host>) {
        if let Some(now) = self.bytes(state, store) {
            self.compare(state, now);
        }
    }

    fn compare(&self, state: &mut State, now: Vec<u8>) {
        let by = state.pending.take();
        if state.last == now {
            return;
        }
        let before = std::mem::replace(&mut state.last, now.clone());
        if !state.started {
            return;
        }
        state.changed = state.calls;
        state.arrived |= state.arriving;
        let number = state.total;
        match by {
            Some((site, times)) => {
                state.changes.push_back(Change { number, site, times, before, after: now });
                state.total += 1;
            }
            None => {
                let (call, name) = (state.calls, state.name.clone());
                state.host.push_back(HostChange { call, name, number, before, after: now });
            }
        }
        while state.changes.len() > KEPT as usize {
            state.changes.pop_front();
        }
        while state.host.len() > KEPT as usize {
            state.host.pop_front();
        }
    }

    /// The instruction that is about to be executed, if it is one that writes to the memory.
    fn here(&self, state: &State, store: &mut StoreContextMut<'_, Host>) -> Option<u32> {
        let frame = store.as_context_mut().debug_exit_frames().next()?;
        let instance = frame.instance(&mut *store).ok()?.debug_index_in_store();
        let (_, pc) = frame.wasm_function_index_and_pc(&mut *store).ok()??;
        state.places.get(&(instance, u64::from(pc.raw()))).copied()
    }

    /// Makes the program stop at each instruction that writes to the memory.
    fn follow(&self, state: &mut State, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        let Some(watched) = state.memory else { return Ok(()) };
        let mut known: Vec<Module> = Vec::new();
        for instance in store.as_context_mut().debug_all_instances() {
            let index = (0..)
                .map_while(|index| instance.debug_memory(&mut *store, index))
                .position(|memory| memory.debug_index_in_store() == watched.debug_index_in_store());
            let module = instance.module(&*store).clone();
            let (Some(index), Some(bytes)) = (index, module.debug_bytecode()) else { continue };
            let number = instance.debug_index_in_store();
            let first = state.sites.len();
            let owner = known.iter().position(|other| Module::same(other, &module)).unwrap_or(known.len());
            if owner == known.len() {
                state.modules.push(bytes.to_vec());
                known.push(module.clone());
            }
            sites(bytes, index as u32, owner as u32, &mut state.sites)?;
            let failed =
                |error: wasmtime::Error| Error::new(ErrorKind::Malformed, coredump_capture::internals::message(&error));
            let mut breakpoints = store
                .as_context_mut()
                .edit_breakpoints()
                .ok_or_else(|| Error::new(ErrorKind::Usage, "the engine has no breakpoints"))?;
            for site in first..state.sites.len() {
                let offset = state.sites[site].offset;
                state.places.insert((number, offset), site as u32);
                breakpoints.add_breakpoint(&module, ModulePC::new(offset as u32)).map_err(failed)?;
            }
        }
        state.times = vec![0; state.sites.len()];
        Ok(())
    }

    /// Makes the program stop as soon as the bytes have changed.
    fn arrive(&self, state: &mut State, store: &mut StoreContextMut<'_, Host>) {
        state.arriving = true;
        if let Some(mut breakpoints) = store.as_context_mut().edit_breakpoints() {
            // This fails only for modules of other engines.
            let _ = breakpoints.single_step(true);
        }
    }
}

impl Onlooker for Witness {
    fn call(&self, name: &str, answered: bool, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        let mut state = self.state();
        self.look(&mut state, store);
        if !answered {
            return Ok(());
        }
        state.calls = store.data().playback.as_ref().map_or(0, |playback| playback.calls());
        name.clone_into(&mut state.name);
        self.follow_if_due(&mut state, store)?;
        if let Task::Stop(_, Writer::Host(call)) = self.task
            && call == state.calls
        {
            self.arrive(&mut state, store);
        }
        Ok(())
    }
}

/// The memories of a store, in the order of its dump.
fn memories(store: &mut StoreContextMut<'_, Host>) -> Vec<Memory> {
    let mut memories: Vec<Memory> = Vec::new();
    for instance in store.as_context_mut().debug_all_instances() {
        for memory in (0..).map_while(|index| instance.debug_memory(&mut *store, index)).collect::<Vec<_>>() {
            if memories.iter().all(|known| known.debug_index_in_store() != memory.debug_index_in_store()) {
                memories.push(memory);
            }
        }
    }
    memories
}

/// The instructions of a module that write to its memory `memory`.
fn sites(binary: &[u8], memory: u32, module: u32, sites: &mut Vec<WriteSite>) -> Result<()> {
    let mut read = || -> std::result::Result<(), wasmparser::BinaryReaderError> {
        let layout = Layout::parse(binary, memory)?;
        let mut function = layout.imported;
        for payload in wasmparser::Parser::new(0).parse_all(binary) {
            let wasmparser::Payload::CodeSectionEntry(body) = payload? else { continue };
            let mut operators = body.get_operators_reader()?;
            while !operators.eof() {
                let (operator, offset) = operators.read_with_offset()?;
                let writes =
                    WriteInstruction::from_operator(&operator, &layout).filter(|writes| writes.memory() == memory);
                let offset = offset as u64;
                sites.extend(writes.map(|writes| WriteSite { module, function, offset, ..writes.site() }));
            }
            function += 1;
        }
        Ok(())
    };
    let malformed = |error: wasmparser::BinaryReaderError| Error::malformed(error.offset() as u64, error.message());
    read().map_err(malformed)
}
