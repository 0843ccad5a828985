//! Ordered maps and sets: the standard library's B-tree.

use std::ops::Range;

use super::RustValues;
use crate::catalog::types::{Kind, Offset, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::type_budget::TypeBudget;
use crate::lang::{Filled, LargerNode};
use crate::location::Missing;
use crate::values::{Value, pointer_target};

/// The most levels of a B-tree: with at least six children for each node, no memory holds as many.
const TREE: u64 = 32;
/// The number of entries that are walked from the first to the one that is wanted.
const STEPS: u64 = 1 << 20;

/// A member's type and offset in bytes.
fn member(contents: &Struct<'_>, name: &[u8]) -> Option<(Option<Die>, u64)> {
    let member = contents.members.iter().find(|member| member.name == Some(name))?;
    let Offset::Bits(bits) = member.offset else { return None };
    Some((member.ty, bits / 8))
}

/// The arrays of keys, values and children in a node, a leaf or an inner node, which begins with a leaf.
pub(super) fn filled(units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Filled> {
    if name.starts_with(b"LeafNode<") {
        return Some(Filled { count: member(contents, b"len")?.1, arrays: &[(b"keys", 0), (b"vals", 0)] });
    }
    let (leaf, start) = member(contents, b"data").filter(|_| name.starts_with(b"InternalNode<"))?;
    let (_, leaf) = units.peeled(leaf)?;
    let Kind::Struct(leaf) = &leaf.kind else { return None };
    Some(Filled { count: start.checked_add(member(leaf, b"len")?.1)?, arrays: &[(b"edges", 1)] })
}

/// A tree's inner nodes, by the type of its leaves.
pub(super) fn larger_node(units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<LargerNode> {
    fn search(units: &Units<'_>, ty: Option<Die>, budget: TypeBudget<'_>) -> Option<Die> {
        let (die, ty) = units.peeled(ty)?;
        let budget = budget.deeper(1)?;
        match &ty.kind {
            Kind::Struct(_) if ty.name.is_some_and(|name| name.starts_with(b"InternalNode<")) => Some(die),
            Kind::Struct(contents) => {
                let variants = contents.variants.iter().flat_map(|variants| &variants.list);
                let variants = variants.filter_map(|variant| variant.member.as_ref()?.ty).map(Some);
                let arguments = contents.arguments.iter().map(|(_, ty)| *ty);
                arguments.chain(variants).find_map(|ty| search(units, ty, budget))
            }
            _ => None,
        }
    }
    let (up, parent) = member(contents, b"parent").filter(|_| name.starts_with(b"LeafNode<"))?;
    let ty = TypeBudget::of_types(6, |budget| search(units, up, budget))?;
    let Kind::Struct(inner) = &units.peeled(Some(ty))?.1.kind else { return None };
    Some(LargerNode { ty, parent, child: member(inner, b"edges")?.1 })
}

impl<'s> RustValues<'_, '_, '_, 's> {
    /// The number of entries that a tree has, and the entries of a window, in order.
    #[expect(clippy::type_complexity, reason = "entries, or why there are none, or no tree")]
    pub(super) fn tree_entries(
        &self,
        value: &Value,
        window: Range<u64>,
    ) -> Option<Result<(u64, Vec<(Value, Value)>), Missing>> {
        let len = match self.count(value, "length")? {
            Ok(len) => len,
            Err(missing) => return Some(Err(missing)),
        };
        if len == 0 {
            return Some(Ok((0, Vec::new())));
        }
        let root = self.field(value, "root")?;
        let contents = self.frame.units.peeled(root.ty)?;
        let Kind::Struct(contents) = &contents.1.kind else { return None };
        let root = self.first_member(&self.active_variant(&root, contents)?)?;
        let height = match self.count(&root, "height")? {
            Ok(height) if height <= TREE => height,
            Ok(height) => return Some(Err(Missing::Malformed(format!("a tree {height} levels high")))),
            Err(missing) => return Some(Err(missing)),
        };
        let (node, leaf) = match self.address_in(&self.field(&root, "node")?)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let arguments = (self.argument_of(leaf, 0), self.argument_of(leaf, 1));
        let mut found = Vec::new();
        let wanted = window.end.min(len).min(STEPS) as usize;
        let walked = self.walk(node, height, leaf, arguments, wanted, &mut found)?;
        Some(walked.map(|()| (len, found.into_iter().skip(window.start as usize).collect())))
    }

    /// Collects the entries of a node and the nodes below it, as long as more are wanted. `None` for a layout that is
    /// not known.
    fn walk(
        &self,
        address: u64,
        height: u64,
        leaf: Option<Die>,
        (key, data): (Option<Die>, Option<Die>),
        wanted: usize,
        found: &mut Vec<(Value, Value)>,
    ) -> Option<Result<(), Missing>> {
        let node = Value::in_memory(leaf, address);
        let len = match self.count(&node, "len")? {
            // A node of Rust's B-tree has eleven entries at most.
            Ok(len) if len <= 11 => len,
            Ok(len) => return Some(Err(Missing::Malformed(format!("a tree node of {len} entries")))),
            Err(missing) => return Some(Err(missing)),
        };
        let edges = if height == 0 { None } else { Some(self.edges(&node)?) };
        let width = u64::from(self.frame.address_size());
        let keys = self.field(&node, "keys")?.source.address()?;
        let values = self.field(&node, "vals")?.source.address()?;
        let (key_size, data_size) = (self.frame.units.size_of(key)?, self.frame.units.size_of(data)?);
        for index in 0..=len {
            if found.len() >= wanted {
                break;
            }
            if let Some(edges) = edges {
                let child = Value::in_memory(None, edges.checked_add(index * width)?).unsigned(self.frame, width);
                let below = match child {
                    Ok(child) => self.walk(child as u64, height - 1, leaf, (key, data), wanted, found)?,
                    Err(missing) => Err(missing),
                };
                if below.is_err() {
                    return Some(below);
                }
            }
            if index < len && found.len() < wanted {
                found.push((
                    Value::in_memory(key, keys.checked_add(index * key_size)?),
                    Value::in_memory(data, values.checked_add(index * data_size)?),
                ));
            }
        }
        Some(Ok(()))
    }

    /// The offset in bytes of the children in an inner node, whose type is that of a node's parent pointer.
    fn edges(&self, leaf: &Value) -> Option<u64> {
        let parent = self.field(leaf, "parent")?;
        let (_, ty) = self.frame.units.peeled(parent.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let variants = contents.variants.as_ref()?;
        let pointers = variants.list.iter().filter_map(|variant| variant.member.as_ref()?.ty);
        let inner = pointers.into_iter().find_map(|ty| {
            let pointer = self.dig(&Value::in_memory(Some(ty), 0), "pointer")?;
            pointer_target(self.frame, pointer.ty)?.0
        })?;
        self.field(&leaf.with_type(Some(inner)), "edges")?.source.address()
    }
}
