//! The memory access that a trapping instruction was about to make.

use wasmparser::Operator;

use super::memarg::memory_access;
use super::operands::{FrameState, Stopped, name};

/// Distance from address 0, in bytes, up to which an access is taken for one through a null pointer.
const NEAR_NULL: u64 = 1 << 16;

/// An access outside a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryAccess {
    /// Address of the first byte, if it is known.
    pub address: Option<u64>,
    /// Size in bytes, if it is known: for a fill or copy it is an operand.
    pub size: Option<u64>,
    /// True if it was a write (an atomic read-modify-write counts as one).
    pub write: bool,
}

impl MemoryAccess {
    /// The signed distance in bytes from address 0, if the address is so near to 0 that a null pointer is the likely
    /// cause. A negative distance wraps around the 32-bit address space.
    pub fn from_null(&self) -> Option<i64> {
        let address = self.address?;
        let wrapped = (1u64 << 32).checked_sub(address).filter(|distance| (1..=NEAR_NULL).contains(distance));
        match (address, wrapped) {
            (0..NEAR_NULL, _) => Some(address as i64),
            (_, Some(distance)) => Some(-(distance as i64)),
            _ => None,
        }
    }
}

/// The access with which this instruction left its memory, if it trapped for that.
pub fn attempted(stopped: &Stopped<'_>, scene: &FrameState<'_, '_>) -> Option<MemoryAccess> {
    let instruction = name(&stopped.operator);
    let outside = |memory: u32, address: u64, size: u64| {
        let memory = scene.memory(memory);
        memory.is_none_or(|memory| address.checked_add(size).is_none_or(|end| end > memory.size))
    };
    if let Some((memarg, size, operands)) = memory_access(&stopped.operator, &instruction) {
        let address = stopped.operand(operands).and_then(|base| base.checked_add(memarg.offset));
        let address = address.filter(|&address| outside(memarg.memory, address, size));
        let write = instruction.contains("store") || instruction.contains("rmw");
        return Some(MemoryAccess { address, size: Some(size), write });
    }
    let size = stopped.operand(0);
    let side = |memory: u32, depth: usize, write: bool| {
        let address = stopped.operand(depth);
        let known = address.zip(size).is_some_and(|(address, size)| outside(memory, address, size));
        known.then_some(MemoryAccess { address, size, write })
    };
    match stopped.operator {
        Operator::MemoryFill { mem } => side(mem, 2, true).or(Some(MemoryAccess { address: None, size, write: true })),
        // Either range may have been outside: only one that is known to be is reported.
        Operator::MemoryCopy { dst_mem, src_mem } => side(src_mem, 1, false).or_else(|| side(dst_mem, 2, true)),
        Operator::MemoryInit { mem, .. } => side(mem, 2, true),
        _ => None,
    }
}

/// The instruction in the Wasm text format, with the immediates that help to explain a trap.
pub fn text(operator: &Operator<'_>) -> String {
    use Operator as O;
    let plain = name(operator);
    match *operator {
        O::Call { function_index } | O::ReturnCall { function_index } | O::RefFunc { function_index } => {
            format!("{plain} {function_index}")
        }
        O::CallIndirect { type_index, table_index } | O::ReturnCallIndirect { type_index, table_index } => {
            match table_index {
                0 => format!("{plain} (type {type_index})"),
                _ => format!("{plain} {table_index} (type {type_index})"),
            }
        }
        O::CallRef { type_index } | O::ReturnCallRef { type_index } => format!("{plain} {type_index}"),
        O::Throw { tag_index } => format!("{plain} {tag_index}"),
        O::Br { relative_depth } | O::BrIf { relative_depth } => format!("{plain} {relative_depth}"),
        O::TableGet { table } | O::TableSet { table } | O::TableFill { table } => format!("{plain} {table}"),
        O::StructGet { struct_type_index, field_index }
        | O::StructGetS { struct_type_index, field_index }
        | O::StructGetU { struct_type_index, field_index }
        | O::StructSet { struct_type_index, field_index } => format!("{plain} {struct_type_index} {field_index}"),
        O::ArrayGet { array_type_index }
        | O::ArrayGetS { array_type_index }
        | O::ArrayGetU { array_type_index }
        | O::ArraySet { array_type_index } => format!("{plain} {array_type_index}"),
        _ => match memory_access(operator, &plain) {
            Some((memarg, ..)) => {
                let memory = if memarg.memory == 0 { String::new() } else { format!(" {}", memarg.memory) };
                let offset = if memarg.offset == 0 { String::new() } else { format!(" offset={}", memarg.offset) };
                format!("{plain}{memory}{offset}")
            }
            None => plain,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_address_0_is_told_by_its_distance() {
        let at = |address| MemoryAccess { address: Some(address), size: Some(4), write: false }.from_null();
        assert_eq!(at(0x10), Some(16));
        assert_eq!(at(0xffff_fff0), Some(-16));
        assert_eq!(at(0x2_0000), None);
        assert_eq!(MemoryAccess { address: None, size: None, write: false }.from_null(), None);
    }
}
