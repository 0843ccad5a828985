//! libc++'s containers of nodes: trees, hash tables, lists, deques.
//!
//! A node is its links, then its value at the next address that suits the value's alignment.

use super::{Renderer, Shown};
use crate::variables::location::Missing;
use crate::variables::types::Kind;
use crate::variables::units::Die;
use crate::variables::value::Value;

/// Steps from one node to the next: the height of the highest balanced tree.
const CLIMB: u32 = 128;

impl Renderer<'_, '_, '_> {
    fn word(&self, address: u64) -> Result<u64, Missing> {
        let width = u64::from(self.frame.address_size());
        Ok(Value::in_memory(None, address).unsigned(self.frame, width)? as u64)
    }

    /// The offset of a node's value behind `links` bytes.
    fn behind(&self, links: u64, ty: Option<Die>) -> u64 {
        links.next_multiple_of(self.alignment(ty, 8))
    }

    /// A type's alignment, from that of what it is made of.
    fn alignment(&self, ty: Option<Die>, levels: u32) -> u64 {
        let Some((die, ty)) = self.frame.units.peeled(ty) else { return 1 };
        let Some(levels) = levels.checked_sub(1) else { return 1 };
        match &ty.kind {
            Kind::Struct(contents) => {
                let members = contents.members.iter().take(64).map(|member| self.alignment(member.ty, levels));
                members.max().unwrap_or(1)
            }
            Kind::Array(array) => self.alignment(array.element, levels),
            _ => self.frame.units.size_of(Some(die)).unwrap_or(1).clamp(1, 16).next_power_of_two(),
        }
    }

    /// A container's number of elements, in whichever member a release of libc++ keeps it.
    fn cpp_size(&self, value: &Value, pair: &str) -> Option<Result<u64, Missing>> {
        let found = self.dig(value, "__size_").or_else(|| self.dig(&self.dig(value, pair)?, "__value_"))?;
        let found = self.unwrapped(&found)?;
        Some(found.number(self.frame, false).map(|size| size as u64))
    }

    /// Nodes as a sequence, or as a map when they hold pairs.
    fn nodes(&self, nodes: &[u64], ty: Option<Die>, offset: u64, size: u64, map: bool, depth: u32) -> Shown {
        let value = |index: u64| Some(Value::in_memory(ty, nodes.get(index as usize)?.checked_add(offset)?));
        if map {
            return self.map(size, depth, |index| {
                let pair = value(index)?;
                Some((self.field(&pair, "first")?, self.field(&pair, "second")?))
            });
        }
        self.sequence("{", "}", size, depth, |index, deeper| {
            Some(self.part(format!("[{index}]"), &value(index)?, deeper))
        })
    }

    fn wanted(&self, size: u64) -> usize {
        size.min(u64::from(self.limits.elements)) as usize
    }

    /// `map`, `set`: a tree, in order.
    pub(super) fn cpp_tree(
        &self,
        value: &Value,
        ty: Option<Die>,
        map: bool,
        depth: u32,
    ) -> Option<Result<Shown, Missing>> {
        let tree = self.field(value, "__tree_")?;
        let size = self.cpp_size(&tree, "__pair3_")?;
        let begin = self.address_in(&self.field(&tree, "__begin_node_")?)?;
        let width = u64::from(self.frame.address_size());
        let walk = || {
            let (size, (mut node, _)) = (size?, begin?);
            let mut nodes = Vec::new();
            while nodes.len() < self.wanted(size) {
                nodes.push(node);
                if nodes.len() < self.wanted(size) {
                    node = self.next_in_tree(node, width)?;
                }
            }
            // Three links and a colour.
            Ok(self.nodes(&nodes, ty, self.behind(3 * width + 1, ty), size, map, depth))
        };
        Some(walk())
    }

    /// The next node: the leftmost on the right, else the first ancestor that it is left of.
    fn next_in_tree(&self, node: u64, width: u64) -> Result<u64, Missing> {
        let link = |node: u64, number: u64| self.word(node.saturating_add(number * width));
        let lost = || Missing::Malformed(format!("a tree that does not end at {node:#x}"));
        let mut at = link(node, 1)?;
        if at != 0 {
            for _ in 0..CLIMB {
                match link(at, 0)? {
                    0 => return Ok(at),
                    left => at = left,
                }
            }
            return Err(lost());
        }
        at = node;
        for _ in 0..CLIMB {
            let parent = link(at, 2)?;
            if link(parent, 0)? == at {
                return Ok(parent);
            }
            at = parent;
        }
        Err(lost())
    }

    /// Nodes from `first` on, each holding the next one's address at `link`.
    fn chain(&self, first: u64, link: u64, count: usize) -> Result<Vec<u64>, Missing> {
        let mut nodes = Vec::new();
        let mut node = first;
        while nodes.len() < count {
            if node == 0 {
                return Err(Missing::Malformed(format!(
                    "a list of {} elements that ends behind {}",
                    count,
                    nodes.len()
                )));
            }
            nodes.push(node);
            if nodes.len() < count {
                node = self.word(node.saturating_add(link))?;
            }
        }
        Ok(nodes)
    }

    /// `unordered_map`, `unordered_set`: all nodes are in one list.
    pub(super) fn cpp_hash(
        &self,
        value: &Value,
        ty: Option<Die>,
        map: bool,
        depth: u32,
    ) -> Option<Result<Shown, Missing>> {
        let table = self.field(value, "__table_")?;
        // The bucket list has a size of its own: the table's stands beside it.
        let size = self.field(&table, "__size_").or_else(|| self.dig(&self.field(&table, "__p2_")?, "__value_"))?;
        let size = self.unwrapped(&size)?.number(self.frame, false);
        let first = self.dig(&table, "__first_node_").or_else(|| self.field(&table, "__p1_"))?;
        let first = self.address_in(&self.dig(&first, "__next_")?)?;
        let width = u64::from(self.frame.address_size());
        Some(size.and_then(|size| {
            let size = size as u64;
            let nodes = self.chain(first?.0, 0, self.wanted(size))?;
            Ok(self.nodes(&nodes, ty, self.behind(2 * width, ty), size, map, depth))
        }))
    }

    /// `list`.
    pub(super) fn cpp_list(&self, value: &Value, ty: Option<Die>, depth: u32) -> Option<Result<Shown, Missing>> {
        let size = self.cpp_size(value, "__size_alloc_")?;
        let end = self.field(value, "__end_")?;
        let first = self.address_in(&self.field(&end, "__next_")?)?;
        let width = u64::from(self.frame.address_size());
        Some(size.and_then(|size| {
            let nodes = self.chain(first?.0, width, self.wanted(size))?;
            Ok(self.nodes(&nodes, ty, self.behind(2 * width, ty), size, false, depth))
        }))
    }

    /// `forward_list`, which does not know its length.
    pub(super) fn cpp_forward_list(
        &self,
        value: &Value,
        ty: Option<Die>,
        depth: u32,
    ) -> Option<Result<Shown, Missing>> {
        let first = self.address_in(&self.dig(value, "__next_")?)?;
        let width = u64::from(self.frame.address_size());
        Some(first.and_then(|(first, _)| {
            let mut nodes = Vec::new();
            let mut node = first;
            while node != 0 && nodes.len() <= self.limits.elements as usize {
                nodes.push(node);
                node = self.word(node)?;
            }
            let size = nodes.len() as u64;
            Ok(self.nodes(&nodes, ty, self.behind(width, ty), size, false, depth))
        }))
    }

    /// `deque`: a map of blocks.
    pub(super) fn cpp_deque(&self, value: &Value, ty: Option<Die>, depth: u32) -> Option<Result<Shown, Missing>> {
        let element = self.frame.units.size_of(ty).filter(|&size| size > 0)?;
        let blocks = self.field(value, "__map_")?;
        let begin = self.address_in(&self.dig(&blocks, "__begin_")?)?;
        let end = self.address_in(&self.dig(&blocks, "__end_")?)?;
        let start = self.unwrapped(&self.field(value, "__start_")?)?.number(self.frame, false);
        let size = self.field(value, "__size_")?;
        let size = self.unwrapped(&self.dig(&size, "__value_").unwrap_or(size))?.number(self.frame, false);
        let width = u64::from(self.frame.address_size());
        let read = || {
            let ((begin, _), (end, _)) = (begin?, end?);
            let (start, size) = (start? as u64, size? as u64);
            let in_block = if element < 256 { 4096 / element } else { 16 };
            let room = end.checked_sub(begin).and_then(|extent| (extent / width).checked_mul(in_block));
            if room.is_none_or(|room| start.checked_add(size).is_none_or(|last| last > room)) {
                return Err(Missing::Malformed(format!("a deque of {size} elements from {start}, beyond its blocks")));
            }
            Ok(self.sequence("{", "}", size, depth, |index, deeper| {
                let at = start + index;
                let block = self.word(begin + at / in_block * width).ok()?;
                let address = block.checked_add(at % in_block * element)?;
                Some(self.part(format!("[{index}]"), &Value::in_memory(ty, address), deeper))
            }))
        };
        Some(read())
    }
}
