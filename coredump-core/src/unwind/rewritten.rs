//! Whether a module's code is still the one its debug information describes.

use wasmparser::Operator;

use crate::module::Module;

/// Whether a tool rewrote the code after the linker made it. wasm-ld leaves room for the largest index in every call and
/// access of a global (five bytes); a tool that decodes and writes the code again does not. What debug information says
/// of locals is then true of other code: Binaryen moves addresses, and leaves the locals' numbers as they were.
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
