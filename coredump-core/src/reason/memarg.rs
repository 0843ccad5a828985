//! Finds the memory that a load, store or atomic instruction accesses, the number of bytes, and the place where the
//! address was pushed.

use wasmparser::{MemArg, Operator};

/// For a load or store: the memory argument, the size in bytes, and how many operands lie above the address.
pub fn memory_access(operator: &Operator<'_>, instruction: &str) -> Option<(MemArg, u64, usize)> {
    let memarg = memarg(operator)?;
    let (_, access) = instruction.split_once('.')?;
    let access = access.strip_prefix("atomic.").unwrap_or(access);
    let store = access.starts_with("store");
    let digits: String =
        access.chars().skip_while(|letter| !letter.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let natural = match instruction.split_once('.')?.0 {
        "i32" | "f32" => 4,
        "i64" | "f64" => 8,
        _ => 16,
    };
    let narrow = digits.parse::<u64>().ok().filter(|bits| bits % 8 == 0).map(|bits| bits / 8);
    let size = match access {
        "notify" => 4,
        // `v128.load8x8_s` and similar instructions read eight bytes.
        access if access.starts_with("load") && access.contains('x') => 8,
        _ => narrow.unwrap_or(natural),
    };
    let operands = match () {
        () if access.starts_with("wait") => 2,
        () if access.starts_with("load") => usize::from(access.contains("lane")),
        () if store => 1,
        () if access.contains("cmpxchg") => 2,
        () => 1,
    };
    Some((memarg, size.min(16), operands))
}

macro_rules! memargs {
    ($($name:ident)*) => {
        fn memarg(operator: &Operator<'_>) -> Option<MemArg> {
            match operator {
                $(Operator::$name { memarg, .. } => Some(*memarg),)*
                _ => None,
            }
        }
    };
}

memargs! {
    I32Load I64Load F32Load F64Load I32Load8S I32Load8U I32Load16S I32Load16U
    I64Load8S I64Load8U I64Load16S I64Load16U I64Load32S I64Load32U
    I32Store I64Store F32Store F64Store I32Store8 I32Store16 I64Store8 I64Store16 I64Store32
    V128Load V128Load8x8S V128Load8x8U V128Load16x4S V128Load16x4U V128Load32x2S V128Load32x2U
    V128Load8Splat V128Load16Splat V128Load32Splat V128Load64Splat V128Load32Zero V128Load64Zero V128Store
    V128Load8Lane V128Load16Lane V128Load32Lane V128Load64Lane
    V128Store8Lane V128Store16Lane V128Store32Lane V128Store64Lane
    I32AtomicLoad I64AtomicLoad I32AtomicLoad8U I32AtomicLoad16U I64AtomicLoad8U I64AtomicLoad16U I64AtomicLoad32U
    I32AtomicStore I64AtomicStore I32AtomicStore8 I32AtomicStore16 I64AtomicStore8 I64AtomicStore16 I64AtomicStore32
    I32AtomicRmwAdd I64AtomicRmwAdd I32AtomicRmwSub I64AtomicRmwSub I32AtomicRmwAnd I64AtomicRmwAnd
    I32AtomicRmwOr I64AtomicRmwOr I32AtomicRmwXor I64AtomicRmwXor I32AtomicRmwXchg I64AtomicRmwXchg
    I32AtomicRmwCmpxchg I64AtomicRmwCmpxchg
    I32AtomicRmw8AddU I32AtomicRmw16AddU I64AtomicRmw8AddU I64AtomicRmw16AddU I64AtomicRmw32AddU
    I32AtomicRmw8SubU I32AtomicRmw16SubU I64AtomicRmw8SubU I64AtomicRmw16SubU I64AtomicRmw32SubU
    I32AtomicRmw8AndU I32AtomicRmw16AndU I64AtomicRmw8AndU I64AtomicRmw16AndU I64AtomicRmw32AndU
    I32AtomicRmw8OrU I32AtomicRmw16OrU I64AtomicRmw8OrU I64AtomicRmw16OrU I64AtomicRmw32OrU
    I32AtomicRmw8XorU I32AtomicRmw16XorU I64AtomicRmw8XorU I64AtomicRmw16XorU I64AtomicRmw32XorU
    I32AtomicRmw8XchgU I32AtomicRmw16XchgU I64AtomicRmw8XchgU I64AtomicRmw16XchgU I64AtomicRmw32XchgU
    I32AtomicRmw8CmpxchgU I32AtomicRmw16CmpxchgU I64AtomicRmw8CmpxchgU I64AtomicRmw16CmpxchgU I64AtomicRmw32CmpxchgU
    MemoryAtomicWait32 MemoryAtomicWait64 MemoryAtomicNotify
}
