//! Recognizes the instructions that write to a memory.

use wasm_encoder::ValType;
use wasmparser::{MemArg, Operator};

use super::WriteSite;
use super::layout::Layout;

/// An instruction that writes.
pub enum WriteInstruction {
    /// It takes an address and a value.
    Store(StoreInstruction),
    /// It takes an address, another operand, and a length.
    Bulk(Bulk),
}

/// An instruction that stores a value.
#[derive(Clone, Copy)]
pub struct StoreInstruction {
    /// The immediate of the address.
    pub memarg: MemArg,
    /// The number of bytes that the instruction writes.
    pub size: u64,
    /// The type of the value.
    pub ty: ValType,
    /// True if another operand below the value is compared with the memory (compare and exchange).
    pub compares: bool,
}

/// An instruction that writes many bytes.
#[derive(Clone, Copy)]
pub struct Bulk {
    /// Index of the memory.
    pub memory: u32,
    /// True if the second operand is an i64.
    pub source_wide: bool,
    /// True if the length is an i64.
    pub len_wide: bool,
}

impl WriteInstruction {
    /// Returns the way in which an operator writes to memory; `None` if it does not.
    pub fn from_operator(operator: &Operator<'_>, layout: &Layout) -> Option<WriteInstruction> {
        store(operator)
            .or_else(|| atomic(operator))
            .map(WriteInstruction::Store)
            .or_else(|| bulk(operator, layout).map(WriteInstruction::Bulk))
    }

    /// The part of the instruction's site that follows from the instruction alone.
    pub fn site(&self) -> WriteSite {
        match self {
            WriteInstruction::Store(store) => WriteSite {
                depth: 1 + u32::from(store.compares),
                plus: store.memarg.offset,
                size: Some(store.size),
                ..WriteSite::default()
            },
            WriteInstruction::Bulk(_) => WriteSite { depth: 2, ..WriteSite::default() },
        }
    }

    /// Index of the memory.
    pub fn memory(&self) -> u32 {
        match self {
            WriteInstruction::Store(store) => store.memarg.memory,
            WriteInstruction::Bulk(bulk) => bulk.memory,
        }
    }
}

fn store(operator: &Operator<'_>) -> Option<StoreInstruction> {
    use Operator as O;
    let (memarg, size, ty) = match operator {
        O::I32Store { memarg } => (memarg, 4, ValType::I32),
        O::I64Store { memarg } => (memarg, 8, ValType::I64),
        O::F32Store { memarg } => (memarg, 4, ValType::F32),
        O::F64Store { memarg } => (memarg, 8, ValType::F64),
        O::I32Store8 { memarg } => (memarg, 1, ValType::I32),
        O::I32Store16 { memarg } => (memarg, 2, ValType::I32),
        O::I64Store8 { memarg } => (memarg, 1, ValType::I64),
        O::I64Store16 { memarg } => (memarg, 2, ValType::I64),
        O::I64Store32 { memarg } => (memarg, 4, ValType::I64),
        O::V128Store { memarg } => (memarg, 16, ValType::V128),
        O::V128Store8Lane { memarg, .. } => (memarg, 1, ValType::V128),
        O::V128Store16Lane { memarg, .. } => (memarg, 2, ValType::V128),
        O::V128Store32Lane { memarg, .. } => (memarg, 4, ValType::V128),
        O::V128Store64Lane { memarg, .. } => (memarg, 8, ValType::V128),
        _ => return None,
    };
    Some(StoreInstruction { memarg: *memarg, size, ty, compares: false })
}

/// Recognizes atomic stores, and atomic instructions that read and write.
fn atomic(operator: &Operator<'_>) -> Option<StoreInstruction> {
    use Operator as O;
    let exchanged = |memarg: &MemArg, size, ty| Some(StoreInstruction { memarg: *memarg, size, ty, compares: true });
    let (memarg, size, ty) = match operator {
        O::I32AtomicStore { memarg }
        | O::I32AtomicRmwAdd { memarg }
        | O::I32AtomicRmwSub { memarg }
        | O::I32AtomicRmwAnd { memarg }
        | O::I32AtomicRmwOr { memarg }
        | O::I32AtomicRmwXor { memarg }
        | O::I32AtomicRmwXchg { memarg } => (memarg, 4, ValType::I32),
        O::I32AtomicStore8 { memarg }
        | O::I32AtomicRmw8AddU { memarg }
        | O::I32AtomicRmw8SubU { memarg }
        | O::I32AtomicRmw8AndU { memarg }
        | O::I32AtomicRmw8OrU { memarg }
        | O::I32AtomicRmw8XorU { memarg }
        | O::I32AtomicRmw8XchgU { memarg } => (memarg, 1, ValType::I32),
        O::I32AtomicStore16 { memarg }
        | O::I32AtomicRmw16AddU { memarg }
        | O::I32AtomicRmw16SubU { memarg }
        | O::I32AtomicRmw16AndU { memarg }
        | O::I32AtomicRmw16OrU { memarg }
        | O::I32AtomicRmw16XorU { memarg }
        | O::I32AtomicRmw16XchgU { memarg } => (memarg, 2, ValType::I32),
        O::I64AtomicStore { memarg }
        | O::I64AtomicRmwAdd { memarg }
        | O::I64AtomicRmwSub { memarg }
        | O::I64AtomicRmwAnd { memarg }
        | O::I64AtomicRmwOr { memarg }
        | O::I64AtomicRmwXor { memarg }
        | O::I64AtomicRmwXchg { memarg } => (memarg, 8, ValType::I64),
        O::I64AtomicStore8 { memarg }
        | O::I64AtomicRmw8AddU { memarg }
        | O::I64AtomicRmw8SubU { memarg }
        | O::I64AtomicRmw8AndU { memarg }
        | O::I64AtomicRmw8OrU { memarg }
        | O::I64AtomicRmw8XorU { memarg }
        | O::I64AtomicRmw8XchgU { memarg } => (memarg, 1, ValType::I64),
        O::I64AtomicStore16 { memarg }
        | O::I64AtomicRmw16AddU { memarg }
        | O::I64AtomicRmw16SubU { memarg }
        | O::I64AtomicRmw16AndU { memarg }
        | O::I64AtomicRmw16OrU { memarg }
        | O::I64AtomicRmw16XorU { memarg }
        | O::I64AtomicRmw16XchgU { memarg } => (memarg, 2, ValType::I64),
        O::I64AtomicStore32 { memarg }
        | O::I64AtomicRmw32AddU { memarg }
        | O::I64AtomicRmw32SubU { memarg }
        | O::I64AtomicRmw32AndU { memarg }
        | O::I64AtomicRmw32OrU { memarg }
        | O::I64AtomicRmw32XorU { memarg }
        | O::I64AtomicRmw32XchgU { memarg } => (memarg, 4, ValType::I64),
        O::I32AtomicRmwCmpxchg { memarg } => return exchanged(memarg, 4, ValType::I32),
        O::I32AtomicRmw8CmpxchgU { memarg } => return exchanged(memarg, 1, ValType::I32),
        O::I32AtomicRmw16CmpxchgU { memarg } => return exchanged(memarg, 2, ValType::I32),
        O::I64AtomicRmwCmpxchg { memarg } => return exchanged(memarg, 8, ValType::I64),
        O::I64AtomicRmw8CmpxchgU { memarg } => return exchanged(memarg, 1, ValType::I64),
        O::I64AtomicRmw16CmpxchgU { memarg } => return exchanged(memarg, 2, ValType::I64),
        O::I64AtomicRmw32CmpxchgU { memarg } => return exchanged(memarg, 4, ValType::I64),
        _ => return None,
    };
    Some(StoreInstruction { memarg: *memarg, size, ty, compares: false })
}

fn bulk(operator: &Operator<'_>, layout: &Layout) -> Option<Bulk> {
    match *operator {
        Operator::MemoryFill { mem } => Some(Bulk { memory: mem, source_wide: false, len_wide: layout.wide(mem) }),
        Operator::MemoryInit { mem, .. } => Some(Bulk { memory: mem, source_wide: false, len_wide: false }),
        Operator::MemoryCopy { dst_mem, src_mem } => {
            let source_wide = layout.wide(src_mem);
            Some(Bulk { memory: dst_mem, source_wide, len_wide: source_wide && layout.wide(dst_mem) })
        }
        _ => None,
    }
}
