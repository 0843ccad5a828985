//! libc++'s containers that consist of nodes or blocks: trees, hash tables, lists, deques.
//!
//! A node holds its links, and then its value at the next offset that is aligned for the value.

use std::ops::Range;

use super::CppValues;
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::type_budget::TypeBudget;
use crate::lang::{Elements, Entries, Meaning};
use crate::location::Missing;
use crate::values::Value;

/// The most steps from one node to the next: the height of the highest balanced tree.
const CLIMB: u32 = 128;
/// The number of nodes that are walked from the first to the one that is wanted.
const STEPS: u64 = 1 << 20;

/// The levels of members that are searched for a container's nodes.
const LEVELS: u32 = 4;

/// Returns true if a name begins with one of these, as templates with whatever arguments do.
fn begins(name: &[u8], with: &[&str]) -> bool {
    with.iter().any(|start| name.starts_with(start.as_bytes()))
}

/// Returns true if this is the name of a base of nodes, to which the links in nodes point.
pub(super) fn is_base(name: &[u8]) -> bool {
    const BASES: [&str; 5] =
        ["__tree_end_node<", "__tree_node_base<", "__hash_node_base<", "__list_node_base<", "__forward_begin_node<"];
    begins(name, &BASES)
}

const NODES: [&str; 4] = ["__tree_node<", "__hash_node<", "__list_node<", "__forward_list_node<"];

/// Returns true if types of this name are nodes of containers.
pub(super) fn is_node(name: &[u8]) -> bool {
    begins(name, &NODES)
}

/// The type of a container's nodes, which is the type that it allocates; for a node itself, `die`.
pub(super) fn node_type(units: &Units<'_>, die: Die, name: &[u8], contents: &Struct<'_>) -> Option<Die> {
    const CONTAINERS: [&str; 6] =
        ["__tree<", "__hash_table<", "__list_imp<", "list<", "__forward_list_base<", "forward_list<"];
    fn search(units: &Units<'_>, ty: Option<Die>, levels: u32) -> Option<Die> {
        let (die, ty) = units.peeled(ty)?;
        if ty.name.is_some_and(|name| begins(name, &NODES)) {
            return Some(die);
        }
        let levels = levels.checked_sub(1)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let arguments = contents.arguments.iter().take(8).map(|(_, ty)| *ty);
        let members = contents.members.iter().take(8).map(|member| member.ty);
        arguments.chain(members).find_map(|ty| search(units, ty, levels))
    }
    match begins(name, &NODES) {
        true => Some(die),
        false if begins(name, &CONTAINERS) => {
            contents.members.iter().take(8).find_map(|member| search(units, member.ty, LEVELS))
        }
        false => None,
    }
}

impl<'s> CppValues<'_, '_, '_, 's> {
    /// The elements with these numbers of a container by its name; `None` for what is none.
    pub(super) fn nodes(
        &self,
        value: &Value,
        name: &str,
        contents: &Struct<'s>,
        range: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        let map = matches!(name, "map" | "multimap" | "unordered_map" | "unordered_multimap");
        let ty = match name {
            "map" | "multimap" => self.entry_type(contents, 3),
            "unordered_map" | "unordered_multimap" => self.entry_type(contents, 4),
            _ => self.argument(contents, 0),
        };
        let found = match name {
            "map" | "multimap" | "set" | "multiset" => self.tree_nodes(value, ty, range)?,
            "unordered_map" | "unordered_multimap" | "unordered_set" | "unordered_multiset" => {
                self.hash_nodes(value, ty, range)?
            }
            "list" => self.list_nodes(value, ty, range)?,
            "forward_list" => self.forward_nodes(value, ty, range)?,
            "deque" => self.block_elements(value, ty, range)?,
            _ => return None,
        };
        let elements = |addresses: Vec<u64>| addresses.into_iter().map(|address| Value::in_memory(ty, address));
        Some(found.map(|(addresses, len)| match map {
            true => {
                let pair = |pair: Value| Some((self.field(&pair, "first")?, self.field(&pair, "second")?));
                Meaning::Entries(Entries { list: elements(addresses).map_while(pair).collect(), len, is_set: false })
            }
            false => Meaning::Elements(Elements::list(elements(addresses).collect(), len)),
        }))
    }

    /// The type of a map's entries: what its allocator allocates.
    fn entry_type(&self, contents: &Struct<'s>, allocator: usize) -> Option<Die> {
        self.argument_of(self.argument(contents, allocator), 0)
    }

    pub(super) fn word(&self, address: u64) -> Result<u64, Missing> {
        let width = u64::from(self.frame.address_size());
        Ok(Value::in_memory(None, address).unsigned(self.frame, width)? as u64)
    }

    /// The offset in bytes of a node's value of type `ty` after `links` bytes of links.
    fn behind(&self, links: u64, ty: Option<Die>) -> u64 {
        links.next_multiple_of(TypeBudget::of_types(8, |budget| self.alignment(ty, budget)))
    }

    /// A type's alignment in bytes, worked out from its members.
    fn alignment(&self, ty: Option<Die>, budget: TypeBudget<'_>) -> u64 {
        let Some((die, ty)) = self.frame.units.peeled(ty) else { return 1 };
        let Some(budget) = budget.deeper(1) else { return 1 };
        match &ty.kind {
            Kind::Struct(contents) => {
                let members = contents.members.iter().take(64).map(|member| self.alignment(member.ty, budget));
                members.max().unwrap_or(1)
            }
            Kind::Array(array) => self.alignment(array.element, budget),
            _ => self.frame.units.size_of(Some(die)).unwrap_or(1).clamp(1, 16).next_power_of_two(),
        }
    }

    /// A container's number of elements, in whichever member a release of libc++ keeps it.
    fn cpp_size(&self, value: &Value, pair: &str) -> Option<Result<u64, Missing>> {
        let found = self.dig(value, "__size_").or_else(|| self.dig(&self.dig(value, pair)?, "__value_"))?;
        let found = self.unwrapped(&found)?;
        Some(found.number(self.frame, false).map(|size| size as u64))
    }

    /// `map` and `set`: the nodes of a tree, in order.
    fn tree_nodes(&self, value: &Value, ty: Option<Die>, range: Range<u64>) -> Option<Result<Reached, Missing>> {
        let tree = self.field(value, "__tree_")?;
        let size = self.cpp_size(&tree, "__pair3_")?;
        let begin = self.address_in(&self.field(&tree, "__begin_node_")?)?;
        let width = u64::from(self.frame.address_size());
        Some(size.and_then(|size| {
            let nodes = walk(begin?.0, &range, size, |node| self.next_in_tree(node, width))?;
            Ok((behind(nodes, self.tree_links(ty)), size))
        }))
    }

    /// The offset of an element in a tree's node: after three links and a colour.
    fn tree_links(&self, ty: Option<Die>) -> u64 {
        self.behind(3 * u64::from(self.frame.address_size()) + 1, ty)
    }

    /// The offset of an element in a hash table's node, after a link and the hash, or in a list's, after two links.
    fn two_links(&self, ty: Option<Die>) -> u64 {
        self.behind(2 * u64::from(self.frame.address_size()), ty)
    }

    /// The offset of an element in a `forward_list`'s node.
    fn one_link(&self, ty: Option<Die>) -> u64 {
        self.behind(u64::from(self.frame.address_size()), ty)
    }

    /// The next node in order: the leftmost of the right subtree, else the first ancestor in whose left subtree the
    /// node is.
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

    /// `unordered_map`, `unordered_set`: all nodes are in one list.
    fn hash_nodes(&self, value: &Value, ty: Option<Die>, range: Range<u64>) -> Option<Result<Reached, Missing>> {
        let table = self.field(value, "__table_")?;
        // The bucket list has a size of its own: the table's stands beside it.
        let size = self.field(&table, "__size_").or_else(|| self.dig(&self.field(&table, "__p2_")?, "__value_"))?;
        let size = self.unwrapped(&size)?.number(self.frame, false);
        let first = self.dig(&table, "__first_node_").or_else(|| self.field(&table, "__p1_"))?;
        let first = self.address_in(&self.dig(&first, "__next_")?)?;
        Some(size.and_then(|size| {
            let nodes = walk(first?.0, &range, size as u64, |node| self.word(node))?;
            Ok((behind(nodes, self.two_links(ty)), size as u64))
        }))
    }

    /// `list`.
    fn list_nodes(&self, value: &Value, ty: Option<Die>, range: Range<u64>) -> Option<Result<Reached, Missing>> {
        let size = self.cpp_size(value, "__size_alloc_")?;
        let end = self.field(value, "__end_")?;
        let first = self.address_in(&self.field(&end, "__next_")?)?;
        let width = u64::from(self.frame.address_size());
        Some(size.and_then(|size| {
            let nodes = walk(first?.0, &range, size, |node| self.word(node.saturating_add(width)))?;
            Ok((behind(nodes, self.two_links(ty)), size))
        }))
    }

    /// `forward_list`, which does not store its length: the length given is one more than was asked for if there are
    /// more elements.
    fn forward_nodes(&self, value: &Value, ty: Option<Die>, range: Range<u64>) -> Option<Result<Reached, Missing>> {
        let first = self.address_in(&self.dig(value, "__next_")?)?;
        Some(first.and_then(|(first, _)| {
            let (mut nodes, mut node, mut len) = (Vec::new(), first, 0);
            while node != 0 && len <= range.end.min(STEPS) {
                if range.contains(&len) {
                    nodes.push(node);
                }
                len += 1;
                node = self.word(node)?;
            }
            Ok((behind(nodes, self.one_link(ty)), len))
        }))
    }

    /// `deque`: a map of blocks.
    fn block_elements(&self, value: &Value, ty: Option<Die>, range: Range<u64>) -> Option<Result<Reached, Missing>> {
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
            if size == 0 {
                return Ok((Vec::new(), 0));
            }
            let in_block = if element < 256 { 4096 / element } else { 16 };
            let room = end.checked_sub(begin).and_then(|extent| (extent / width).checked_mul(in_block));
            if room.is_none_or(|room| start.checked_add(size).is_none_or(|last| last > room)) {
                return Err(Missing::Malformed(format!("a deque of {size} elements from {start}, beyond its blocks")));
            }
            let address = |index: u64| {
                let at = start + index;
                let block = self.word(begin + at / in_block * width)?;
                Ok(block.saturating_add(at % in_block * element))
            };
            let wanted = range.start..range.end.min(size).min(range.start.saturating_add(STEPS));
            Ok((wanted.map(address).collect::<Result<_, Missing>>()?, size))
        };
        Some(read())
    }
}

/// The addresses of elements, and how many elements there are in all.
type Reached = (Vec<u64>, u64);

/// The nodes with these numbers of `size`, from the first on, by the way from each to the next.
fn walk(
    first: u64,
    range: &Range<u64>,
    size: u64,
    next: impl Fn(u64) -> Result<u64, Missing>,
) -> Result<Vec<u64>, Missing> {
    let end = range.end.min(size).min(STEPS);
    let (mut nodes, mut node) = (Vec::new(), first);
    for index in 0..end {
        if node == 0 {
            return Err(Missing::Malformed(format!("{size} elements that end after {index}")));
        }
        if index >= range.start {
            nodes.push(node);
        }
        if index + 1 < end {
            node = next(node)?;
        }
    }
    Ok(nodes)
}

/// The addresses of the elements, which lie `offset` bytes into their nodes.
fn behind(mut nodes: Vec<u64>, offset: u64) -> Vec<u64> {
    nodes.iter_mut().for_each(|node| *node = node.saturating_add(offset));
    nodes
}
