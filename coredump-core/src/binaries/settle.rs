//! What only the module can decide of a dump: which layout it was written in, and what its producer left out or got
//! wrong. Each repair leaves a warning.

use crate::locate::Options;
use crate::model::{CoreDump, Layout, Value, Warning};
use crate::module::{Module, ValueType};
use crate::read::read_as;

use super::{Binaries, Store, Verification};

/// The size of the pieces in which Wasmtime writes a memory; what is left at its end is lost.
const WASMTIME_CHUNK: u64 = 4096;

/// The page size of a memory that declares none.
const PAGE: u64 = 65536;

impl<'s> Binaries<'s> {
    /// Finds the binaries of the dump that was read from `bytes`, and puts right in it what they show to be wrong.
    pub fn settle<'a>(
        store: &'s Store<'s>,
        bytes: &'a [u8],
        dump: &mut CoreDump<'a>,
        options: &Options,
    ) -> Binaries<'s> {
        let mut binaries = Binaries::locate(store, dump, options);
        if !binaries.agree() {
            for layout in std::mem::take(&mut dump.alternatives) {
                let Ok(mut other) = read_as(bytes, layout) else { continue };
                let located = Binaries::locate(store, &other, options);
                if located.agree() {
                    let message = format!("read in layout {}: its frames fit the module", layout.name());
                    other.warnings.push(Warning { message, offset: None });
                    *dump = other;
                    binaries = located;
                    break;
                }
            }
        }
        binaries.repair(dump);
        binaries
    }

    /// Whether any module's binary was found and checked.
    fn agree(&self) -> bool {
        self.slots.iter().filter_map(|slot| slot.found).any(|found| found.verification > Verification::Unchecked)
    }

    fn repair(&self, dump: &mut CoreDump<'_>) {
        for instance in 0..dump.instances.len() {
            let module = dump.instances[instance].module.and_then(|module| self.binary(module));
            if let Some(binary) = module {
                shared_memories(dump, instance, binary.module());
                page_sizes(dump, instance, binary.module());
            }
        }
        if dump.layout == Layout::WasmEdge {
            self.value_types(dump);
        }
    }

    /// Old WasmEdge writes the low 32 bits of every value: right for an i32, the bits of an f32, half of the rest.
    fn value_types(&self, dump: &mut CoreDump<'_>) {
        let module_of: Vec<Vec<_>> = dump
            .threads
            .iter()
            .map(|thread| thread.frames.iter().map(|frame| self.module_of(dump, frame)).collect())
            .collect();
        for (thread, modules) in dump.threads.iter_mut().zip(module_of) {
            for (frame, module) in thread.frames.iter_mut().zip(modules) {
                let types = module
                    .and_then(|module| self.binary(module))
                    .and_then(|binary| binary.module().local_types(frame.function?));
                let (Some(types), Some(locals)) = (types, &mut frame.locals) else { continue };
                for (value, ty) in locals.iter_mut().zip(types) {
                    *value = match (&*value, ty) {
                        (Value::I32(bits), ValueType::I32) => Value::I32(*bits),
                        (Value::I32(bits), ValueType::F32) => Value::F32(*bits as u32),
                        _ => Value::Missing,
                    };
                }
            }
        }
    }
}

/// Wasmtime leaves shared memories out and closes the list up: puts the others back to their indices.
fn shared_memories(dump: &mut CoreDump<'_>, instance: usize, module: &Module<'_>) {
    let definitions = module.memories();
    let listed = &dump.instances[instance].memories;
    let unshared = definitions.iter().filter(|definition| !definition.shared).count();
    if unshared == definitions.len() || listed.len() != unshared {
        return;
    }
    let mut listed = listed.iter();
    let memories = definitions
        .iter()
        .map(|definition| if definition.shared { None } else { listed.next().copied().flatten() })
        .collect();
    dump.instances[instance].memories = memories;
    let message = format!("instance {instance}: its shared memories are not in the dump; the others are renumbered");
    dump.warnings.push(Warning { message, offset: None });
}

/// Wasmtime counts a memory in the module's own pages and then declares pages of 64 KiB.
fn page_sizes(dump: &mut CoreDump<'_>, instance: usize, module: &Module<'_>) {
    for (number, definition) in module.memories().into_iter().enumerate() {
        let index = dump.instances[instance].memories.get(number).copied().flatten();
        let Some(index) = index else { continue };
        let Some(memory) = dump.memories.get_mut(index as usize) else { continue };
        let end = memory.segments().last().map_or(0, |segment| segment.end());
        let size = memory.size / memory.page_size * definition.page_size;
        if memory.page_size != PAGE || definition.page_size == PAGE || end > size {
            continue;
        }
        memory.correct_page_size(definition.page_size, WASMTIME_CHUNK);
        let size = memory.size;
        let message = format!("memory {index} has pages of {} bytes: its size is {size:#x}", definition.page_size);
        dump.warnings.push(Warning { message, offset: None });
    }
}
