//! Finds out if a module's code is no longer the one that its debug information describes.

use wasmparser::Operator;

use crate::module::Module;

/// Returns true if a tool rewrote the code after the linker made it. wasm-ld leaves room for the largest index in every
/// call and access of a global (five bytes); a tool that decodes and writes the code again does not. The locations of
/// variables in locals are then true of other code: Binaryen moves addresses, and leaves the locals' numbers as they
/// were.
pub fn is_rewritten(module: &Module<'_>) -> bool {
    let mut short = false;
    for function in (module.imported_functions()..module.function_count()).take(500) {
        let Some(mut operators) = module.operators(function) else { continue };
        while !operators.eof() {
            let start = operators.original_position();
            match operators.read() {
                Ok(Operator::Call { .. } | Operator::GlobalGet { .. } | Operator::GlobalSet { .. }) => {
                    if operators.original_position() - start >= 6 {
                        return false;
                    }
                    short = true;
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    short
}
