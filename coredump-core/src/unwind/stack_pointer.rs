//! Finds the global of a module that is its stack pointer.

use wasmparser::Operator;

use crate::module::{Module, ValueType};

/// Bytes below the stack pointer in which a function that calls nothing may have its frame, without moving it (LLVM,
/// `WebAssemblyFrameLowering`).
pub const RED_ZONE: u64 = 128;

/// The index of the mutable global of that name.
pub fn global_named(module: &Module<'_>, name: &str) -> Option<u32> {
    let globals = module.globals().iter().enumerate().take(1000);
    let named = globals.filter(|(_, global)| global.mutable).map(|(index, _)| index as u32);
    named.into_iter().find(|&index| module.global_name(index) == Some(name))
}

/// The stack pointer is as wide as its global.
pub fn wrap(module: &Module<'_>, global: u32, value: u64) -> u64 {
    match module.globals().get(global as usize).map(|global| global.ty) {
        Some(ValueType::I64) => value,
        _ => value & u64::from(u32::MAX),
    }
}

/// Returns true if a function may keep anything below the stack pointer: a small one without calls reads it and does
/// not move it (LLVM, `WebAssemblyFrameLowering`). `None` where the function's code is damaged.
pub fn may_use_below(module: &Module<'_>, function: u32, global: u32) -> Option<bool> {
    let mut operators = module.operators(function)?;
    let (mut reads, mut writes) = (false, false);
    while !operators.eof() {
        match operators.read().ok()? {
            Operator::GlobalGet { global_index } => reads |= global_index == global,
            Operator::GlobalSet { global_index } => writes |= global_index == global,
            _ => {}
        }
    }
    Some(reads && !writes)
}

/// The only mutable global from which functions take their frames: `global.get G; i32.const N; i32.sub` at the start.
pub fn infer(module: &Module<'_>) -> Option<u32> {
    let mut found = None;
    let first = module.imported_functions();
    for function in (first..module.function_count()).take(2_000) {
        let Some(mut operators) = module.operators(function) else { continue };
        let mut next = || operators.read().ok();
        let (Some(Operator::GlobalGet { global_index }), Some(constant), Some(subtract)) = (next(), next(), next())
        else {
            continue;
        };
        let pointer = match (constant, subtract) {
            (Operator::I32Const { .. }, Operator::I32Sub) | (Operator::I64Const { .. }, Operator::I64Sub) => {
                global_index
            }
            _ => continue,
        };
        let mutable = module.globals().get(pointer as usize).is_some_and(|global| global.mutable);
        if !mutable || found.is_some_and(|found| found != pointer) {
            return None;
        }
        found = Some(pointer);
    }
    found
}
