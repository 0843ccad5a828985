//! Finds the trap that an instruction raised.

use wasmparser::Operator;

use super::access::MemoryAccess;
use super::memarg::memory_access;
use super::operands::{FrameState, Stopped, name};
use crate::binaries::Binary;
use crate::model::RefTarget;
use crate::module::ItemKind;

/// A trap's stable name and what it says.
pub type Trap = (&'static str, String);

/// The message for `unreachable`.
pub const UNREACHABLE: &str = "`unreachable` was executed";

/// The trap that this instruction raised; `None` if it can raise none.
pub fn raised(stopped: &Stopped<'_>, binary: &Binary, scene: &FrameState<'_, '_>) -> Option<Trap> {
    use Operator as O;
    let instruction = name(&stopped.operator);
    Some(match stopped.operator {
        O::Unreachable => ("unreachable", UNREACHABLE.to_owned()),
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => division(stopped, &instruction, 32),
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => division(stopped, &instruction, 64),
        O::I32TruncF32S
        | O::I32TruncF32U
        | O::I32TruncF64S
        | O::I32TruncF64U
        | O::I64TruncF32S
        | O::I64TruncF32U
        | O::I64TruncF64S
        | O::I64TruncF64U => conversion(stopped, &instruction),
        O::CallIndirect { table_index, type_index } | O::ReturnCallIndirect { table_index, type_index } => {
            indirect_call(stopped, binary, scene, table_index, type_index)
        }
        O::Call { function_index } | O::ReturnCall { function_index } => host_call(binary, function_index)?,
        O::CallRef { .. }
        | O::ReturnCallRef { .. }
        | O::RefAsNonNull
        | O::StructGet { .. }
        | O::StructGetS { .. }
        | O::StructGetU { .. }
        | O::StructSet { .. }
        | O::ArrayLen
        | O::I31GetS
        | O::I31GetU => ("null-reference", format!("{instruction} of a null reference")),
        O::ArrayGet { .. }
        | O::ArrayGetS { .. }
        | O::ArrayGetU { .. }
        | O::ArraySet { .. }
        | O::ArrayFill { .. }
        | O::ArrayCopy { .. }
        | O::ArrayInitData { .. }
        | O::ArrayInitElem { .. } => {
            ("array-access", format!("{instruction} of a null reference or outside the array"))
        }
        O::ArrayNewData { .. } | O::ArrayNewElem { .. } => {
            ("array-new", format!("{instruction} outside its segment, or of an array that is too large"))
        }
        O::RefCastNonNull { .. } | O::RefCastNullable { .. } => {
            ("cast-failure", format!("{instruction} of a reference to something else"))
        }
        O::TableGet { table } | O::TableSet { table } | O::TableFill { table } => {
            ("table-out-of-bounds", format!("{instruction} outside table {table}"))
        }
        O::TableCopy { .. } | O::TableInit { .. } => {
            ("table-out-of-bounds", format!("{instruction} outside its table or segment"))
        }
        O::MemoryFill { .. } | O::MemoryCopy { .. } | O::MemoryInit { .. } => {
            ("memory-out-of-bounds", format!("{instruction} outside the memory or segment"))
        }
        O::Throw { .. } | O::Rethrow { .. } => {
            ("exception", format!("{instruction} of an exception that nothing caught"))
        }
        O::ThrowRef => {
            ("throw-ref", format!("{instruction} of a null reference, or of an exception that nothing caught"))
        }
        _ => return access(stopped, scene, &instruction),
    })
}

/// A division traps if the divisor is zero; a signed one also for the least integer divided by -1. The operands that
/// are known decide, if they agree with either.
fn division(stopped: &Stopped<'_>, instruction: &str, width: u32) -> Trap {
    let mask = u64::MAX >> (64 - width);
    let (least, minus_one) = (1 << (width - 1), mask);
    let (dividend, divisor) = (stopped.operand(1), stopped.operand(0));
    let dividend_is_least = dividend.map(|bits| bits & mask == least);
    let by_zero = || ("integer-divide-by-zero", format!("{instruction} by zero"));
    match divisor.map(|bits| bits & mask) {
        Some(0) => by_zero(),
        _ if !instruction.ends_with("div_s") => by_zero(),
        None if dividend_is_least == Some(false) => by_zero(),
        Some(bits) if bits == minus_one && dividend_is_least != Some(false) => {
            ("integer-overflow", format!("{instruction} of the least integer by -1"))
        }
        _ => ("integer-division", format!("{instruction} by zero, or of the least integer by -1")),
    }
}

/// A conversion to an integer traps for NaN, and for a number that the integer cannot hold.
fn conversion(stopped: &Stopped<'_>, instruction: &str) -> Trap {
    // The operand's type is in the name, as in `i64.trunc_f32_u`.
    let number = stopped.operand(0).map(|bits| match instruction.contains("_f32_") {
        true => f64::from(f32::from_bits(bits as u32)),
        false => f64::from_bits(bits),
    });
    let bits = if instruction.starts_with("i32") { 32 } else { 64 };
    let (least, end) = match instruction.ends_with("_s") {
        true => (-f64::powi(2.0, bits - 1), f64::powi(2.0, bits - 1)),
        false => (0.0, f64::powi(2.0, bits)),
    };
    match number {
        Some(number) if number.is_nan() => ("invalid-conversion-to-integer", format!("{instruction} of NaN")),
        Some(number) if !(least..end).contains(&number.trunc()) => {
            ("integer-overflow", format!("{instruction} of {number:?}, which no such integer can hold"))
        }
        _ => {
            let message = format!("{instruction} of NaN, or of a number that no such integer can hold");
            ("conversion-to-integer", message)
        }
    }
}

fn indirect_call(
    stopped: &Stopped<'_>,
    binary: &Binary,
    scene: &FrameState<'_, '_>,
    table: u32,
    type_index: u32,
) -> Trap {
    let module = binary.module();
    let Some(index) = stopped.operand(0) else {
        return (
            "indirect-call",
            "call_indirect of an element that is null, outside the table or of another type".into(),
        );
    };
    let instance = scene.frame.instance.and_then(|index| scene.dump.instances.get(index as usize));
    let recorded = instance
        .and_then(|instance| instance.tables.as_ref()?.get(table as usize).copied()?)
        .and_then(|table| scene.dump.tables.get(table as usize));
    if let Some(recorded) = recorded {
        if index >= recorded.size {
            let message = format!("call_indirect of element {index}: the table has {}", recorded.size);
            return ("table-out-of-bounds", message);
        }
        match recorded.elements.get(index as usize) {
            Some(RefTarget::Null) => {
                return ("indirect-call-to-null", format!("call_indirect of element {index}, which is null"));
            }
            Some(RefTarget::Function { instance, index: function }) if *instance == scene.frame.instance => {
                return wrong_type(binary, index, *function, type_index);
            }
            _ => {}
        }
    }
    // This is the table as it was when the module was instantiated; the program may have changed it since.
    match module.table_function(table, index) {
        Some(function) if module.signature(function) != module.signature_of_type(type_index) => {
            wrong_type(binary, index, function, type_index)
        }
        _ => {
            let message = format!("call_indirect of element {index}: null, outside the table or of another type");
            ("indirect-call", message)
        }
    }
}

fn wrong_type(binary: &Binary, index: u64, function: u32, type_index: u32) -> Trap {
    let types = |types: &[crate::module::ValueType]| types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(" ");
    let describe = |signature: Option<&crate::module::Signature>| match signature {
        Some(signature) => format!("({}) -> ({})", types(&signature.params), types(&signature.results)),
        None => "another type".to_owned(),
    };
    let module = binary.module();
    let target = module.function_name(function).map_or_else(|| format!("func[{function}]"), str::to_owned);
    let expected = describe(module.signature_of_type(type_index));
    let actual = describe(module.signature(function));
    let message = format!("call_indirect of element {index}, {target}: it is {actual}, called as {expected}");
    ("indirect-call-type-mismatch", message)
}

/// A call at which the youngest frame stands went to the host.
fn host_call(binary: &Binary, function: u32) -> Option<Trap> {
    let import = binary.module().imported(ItemKind::Function, function)?;
    Some(("host-call", format!("in a call of the host's {}.{}", import.module, import.name)))
}

/// A load or store, with its address where that is known.
fn access(stopped: &Stopped<'_>, scene: &FrameState<'_, '_>, instruction: &str) -> Option<Trap> {
    let (memarg, size, operands) = memory_access(&stopped.operator, instruction)?;
    let atomic = instruction.contains("atomic");
    let kind = if atomic { "atomic-access" } else { "memory-out-of-bounds" };
    let memory = scene.memory(memarg.memory);
    let size_of_memory = memory.map(|memory| format!(" of {} bytes", memory.size)).unwrap_or_default();
    let width = if size == 1 { "1 byte".to_owned() } else { format!("{size} bytes") };
    let address = stopped.operand(operands).and_then(|base| base.checked_add(memarg.offset));
    // An address inside of the memory cannot have trapped for being outside.
    let outside =
        |address: &u64| memory.is_none_or(|memory| address.checked_add(size).is_none_or(|end| end > memory.size));
    Some(match address {
        Some(address) if outside(&address) && !(atomic && address % size != 0) => {
            let near = MemoryAccess { address: Some(address), size: Some(size), write: false }.from_null();
            let near = near.map(|distance| match distance {
                0.. => format!(" (null + {distance})"),
                _ => format!(" (null - {})", -distance),
            });
            let near = near.unwrap_or_default();
            let message =
                format!("{instruction} of {width} at address {address:#x}{near}, outside the memory{size_of_memory}");
            ("memory-out-of-bounds", message)
        }
        // An atomic access inside of the memory can only have trapped for its alignment.
        Some(address) if atomic && memory.is_some() && address % size != 0 && !outside(&address) => {
            ("unaligned-atomic", format!("{instruction} of {width} at address {address:#x}, which is unaligned"))
        }
        _ if atomic => (kind, format!("{instruction} of {width} outside the memory{size_of_memory} or unaligned")),
        _ => (kind, format!("{instruction} of {width} outside the memory{size_of_memory}")),
    })
}
