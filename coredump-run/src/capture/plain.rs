//! What an uninstrumented engine (`--fast`) can tell after a trap: its own core dump, without locals and operand stacks.

use coredump_core::model::{Frame, Instance as InstanceRecord};
use wasmtime::{ExternType, StoreContextMut, WasmCoreDump};

use super::Stack;
use super::catalog::{AnyMemory, Catalog};
use crate::host::Host;

/// The engine's dump as a stack and a catalog.
///
/// Whose memories and globals are whose follows from their numbers, which name the defining instance. What an instance
/// imports is not known, except a memory where there is only one. An instance is certain only where its module has one.
pub fn stack(dump: &WasmCoreDump, store: &StoreContextMut<'_, Host>) -> Stack {
    let mut catalog = Catalog::without_functions();
    for module in dump.modules() {
        catalog.module_index(module);
    }
    for instance in dump.instances() {
        let module = instance.module(store);
        let imports = |wanted: fn(&ExternType) -> bool| module.imports().filter(|import| wanted(&import.ty())).count();
        let number = instance.debug_index_in_store();
        let memories = dump.memories().iter().map(|memory| memory.debug_index_in_store());
        let globals = dump.globals().iter().map(|global| global.debug_index_in_store());
        let mut record = InstanceRecord {
            module: Some(catalog.module_index(module)),
            memories: owned(number, imports(|ty| ty.memory().is_some()), memories),
            globals: owned(number, imports(|ty| ty.global().is_some()), globals),
            tables: None,
        };
        if dump.memories().len() == 1 {
            record.memories.iter_mut().for_each(|memory| *memory = Some(0));
        }
        catalog.add(*instance, record);
    }
    catalog.memories = dump.memories().iter().copied().map(AnyMemory::Own).collect();
    catalog.globals = dump.globals().to_vec();
    let frames = dump
        .frames()
        .iter()
        .map(|info| Frame {
            instance: catalog.only_instance(info.module()),
            function: Some(info.func_index()),
            code_offset: info.func_offset().and_then(|offset| u32::try_from(offset).ok()),
            ..Frame::default()
        })
        .collect();
    Stack { catalog, frames }
}

/// Positions of an instance's things: imported ones unknown, then its own by their number.
fn owned(instance: u32, imported: usize, numbers: impl Iterator<Item = u64>) -> Vec<Option<u32>> {
    let mut own: Vec<(u64, u32)> = (0..)
        .zip(numbers)
        .filter(|(_, number)| number >> 32 == u64::from(instance))
        .map(|(at, number)| (number, at))
        .collect();
    own.sort_unstable();
    let mut indices = vec![None; imported];
    for (number, at) in own {
        let index = imported + (number & 0xFFFF_FFFF) as usize;
        // A shared memory is not listed and leaves a gap; a number far out belongs to something else.
        if index > indices.len() + 1000 {
            break;
        }
        indices.resize(index.max(indices.len()), None);
        if index == indices.len() {
            indices.push(Some(at));
        }
    }
    indices
}
