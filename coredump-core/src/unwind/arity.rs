//! The number of operands that an instruction takes from the stack, and the number that it leaves there.

use wasmparser::{BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

use crate::module::Module;

/// Returns the numbers of operands that an instruction takes and gives, if control goes on to the next one; `None` for
/// an instruction that is not followed.
pub fn arity(module: &Module<'_>, operator: &Operator<'_>) -> Option<(usize, usize)> {
    match *operator {
        Operator::Call { function_index } => {
            let signature = module.signature(function_index)?;
            Some((signature.params.len(), signature.results.len()))
        }
        Operator::CallIndirect { type_index, .. } | Operator::CallRef { type_index } => {
            let signature = module.signature_of_type(type_index)?;
            Some((signature.params.len() + 1, signature.results.len()))
        }
        ref other => {
            let (takes, gives) = other.operator_arity(&NoTypes)?;
            Some((takes as usize, gives as usize))
        }
    }
}

/// Returns the numbers of operands with which a block begins and ends; `None` if the module has no such type.
pub fn block_arity(module: &Module<'_>, ty: BlockType) -> Option<(usize, usize)> {
    Some(match ty {
        BlockType::Empty => (0, 0),
        BlockType::Type(_) => (0, 1),
        BlockType::FuncType(index) => {
            let signature = module.signature_of_type(index)?;
            (signature.params.len(), signature.results.len())
        }
    })
}

/// For instructions whose arity does not depend on the module's types: the others are handled above or not followed.
struct NoTypes;

impl ModuleArity for NoTypes {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }
    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }
    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }
    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }
    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }
    fn control_stack_height(&self) -> u32 {
        0
    }
    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}
