//! libc++'s iterators, which are shown as pointers to their elements.

use super::CppValues;
use crate::catalog::types::Kind;
use crate::catalog::units::Die;
use crate::location::Missing;
use crate::values::{Source, Value, pointer_target};

impl CppValues<'_, '_, '_, '_> {
    /// An iterator as a pointer; `None` for another type, and for an iterator that is, or may be, at the end.
    pub(super) fn iterator(&self, value: &Value, name: &str) -> Option<Result<Value, Missing>> {
        match name {
            "__wrap_iter" => Some(Ok(["__i_", "__i"].iter().find_map(|name| self.field(value, name))?)),
            "reverse_iterator" => self.before(&self.field(value, "current")?),
            "__deque_iterator" => Some(Ok(self.field(value, "__ptr_")?)),
            "__map_iterator" | "__map_const_iterator" | "__hash_map_iterator" | "__hash_map_const_iterator" => {
                let inner = self.field(value, "__i_")?;
                let (die, _) = self.frame.units.peeled(inner.ty)?;
                if !matches!(self.std_name(die), Some("__tree_iterator" | "__tree_const_iterator")) {
                    return self.at_node(&inner, "__node_", 0);
                }
                self.at_tree_node(&inner)
            }
            "__tree_iterator" | "__tree_const_iterator" => self.at_tree_node(value),
            "__hash_iterator" | "__hash_const_iterator" => self.at_node(value, "__node_", 0),
            "__forward_list_iterator" | "__forward_list_const_iterator" => self.at_node(value, "__ptr_", 0),
            _ => None,
        }
    }

    /// The element that a reversed iterator is at, which is the one before that to which it points; `None` where the
    /// elements are not contiguous.
    fn before(&self, current: &Value) -> Option<Result<Value, Missing>> {
        let (die, ty) = self.frame.units.peeled(current.ty)?;
        let pointer = match ty.kind {
            Kind::Pointer(..) => current.clone(),
            _ if self.std_name(die) == Some("__wrap_iter") => self.iterator(current, "__wrap_iter")?.ok()?,
            _ => return None,
        };
        let (target, _) = pointer_target(self.frame, pointer.ty)?;
        let size = self.frame.units.size_of(target)?;
        let address = pointer.pointer(self.frame);
        Some(match address.map(|address| address.checked_sub(size)) {
            Ok(address) => Ok(self.pointer_value(target, address?)),
            Err(missing) => Err(missing),
        })
    }

    /// The element of an iterator of a tree. The end node is a part of the tree object: no link of a parent leads to
    /// it.
    fn at_tree_node(&self, value: &Value) -> Option<Result<Value, Missing>> {
        let node = match self.field(value, "__ptr_")?.pointer(self.frame) {
            Ok(node) => node,
            Err(missing) => return Some(Err(missing)),
        };
        let width = u64::from(self.frame.address_size());
        let link = |node: u64, number: u64| self.word(node.checked_add(number * width)?).ok();
        let parent = link(node, 2)?;
        let is_linked = link(parent, 0) == Some(node) || link(parent, 1) == Some(node);
        if is_linked { self.at_node(value, "__ptr_", 1) } else { None }
    }

    /// The element of an iterator that holds a node's address in `member`, and has the node pointer's type as a
    /// template argument.
    fn at_node(&self, value: &Value, member: &str, argument: usize) -> Option<Result<Value, Missing>> {
        let node = match self.field(value, member)?.pointer(self.frame) {
            Ok(node) => node,
            Err(missing) => return Some(Err(missing)),
        };
        let (node_type, _) = pointer_target(self.frame, self.argument_of(value.ty, argument))?;
        let element = self.field(&Value::in_memory(node_type, node), "__value_")?;
        // Older releases wrap the entries of maps.
        let element = ["__cc_", "__cc"].iter().find_map(|name| self.field(&element, name)).unwrap_or(element);
        let address = if node == 0 { 0 } else { element.source.address()? };
        Some(Ok(self.pointer_value(element.ty, address)))
    }

    fn pointer_value(&self, target: Option<Die>, address: u64) -> Value {
        let size = u64::from(self.frame.address_size());
        let ty = Some(self.frame.units.pointer_to(target, size));
        Value { ty, source: Source::bytes(address.to_le_bytes()[..size as usize].to_vec()) }
    }
}
