//! `FuturesUnordered` of the crate `futures`, and its `LocalPool`, which keeps its tasks in one.
//!
//! The futures are in a doubly linked list of nodes, `head_all` the youngest: each has the older one in `next_all`, the
//! younger one in `prev_all`. A list in which these two contradict each other is not shown any further.

use std::collections::HashSet;

use crate::catalog::units::Die;
use crate::lang::Renderer;
use crate::tasks::{AsyncTask, Await, AwaitState, TaskState};
use crate::values::Value;

/// The most futures of one list.
const MAX_NODES: usize = 1 << 14;

/// A future in the list.
struct Node {
    address: u64,
    /// True if it is in the ready queue, so that it will be polled.
    queued: Option<bool>,
    /// The future; `None` where it has ended.
    future: Option<Value>,
}

/// Returns true if a type is such a list.
pub fn is_one(renderer: &Renderer<'_, '_, '_>, ty: Option<Die>) -> bool {
    let units = &renderer.frame.units;
    units.peeled(ty).is_some_and(|(die, ty)| {
        let named = ty.name.is_some_and(|name| name.starts_with(b"FuturesUnordered<"));
        named && units.path(die).first() == Some(&&b"futures_util"[..])
    })
}

/// The futures in a list; `None` for a value that is no list.
pub fn futures(renderer: &Renderer<'_, '_, '_>, value: &Value) -> Option<impl Iterator<Item = Value> + use<>> {
    Some(nodes(renderer, value)?.into_iter().filter_map(|node| node.future))
}

/// The `LocalPool`s of a program, as they are met.
#[derive(Default)]
pub struct Pools {
    lists: HashSet<u64>,
}

impl Pools {
    /// The tasks of a pool, with what `followed` says of their futures; `None` for another value, and for a pool that
    /// was met before.
    pub fn tasks(
        &mut self,
        renderer: &Renderer<'_, '_, '_>,
        value: &Value,
        followed: impl Fn(&Value) -> Await,
    ) -> Option<Vec<AsyncTask>> {
        let list = renderer.field(value, "pool")?;
        let nodes = nodes(renderer, &list)?;
        if !self.lists.insert(list.source.address()?) {
            return None;
        }
        // The list begins with the youngest.
        Some(nodes.into_iter().rev().map(|node| task(node, &followed)).collect())
    }

    /// Returns true if a value is a pool that was met, or the list of one.
    pub fn hold(&self, value: &Value) -> bool {
        value.source.address().is_some_and(|address| self.lists.contains(&address))
    }
}

fn task(node: Node, followed: impl Fn(&Value) -> Await) -> AsyncTask {
    let future = node.future.map(|value| followed(&value));
    let state = match (&future, node.queued) {
        (None, _) => TaskState::Complete,
        (Some(future), _) if future.state == AwaitState::Running => TaskState::Running,
        (_, Some(true)) => TaskState::Scheduled,
        (_, Some(false)) => TaskState::Idle,
        (_, None) => TaskState::Unknown,
    };
    let (language, executor, address) = ("rust", Some("futures"), Some(node.address));
    AsyncTask { language, executor, state, address, future, ..AsyncTask::default() }
}

fn nodes(renderer: &Renderer<'_, '_, '_>, value: &Value) -> Option<Vec<Node>> {
    if !is_one(renderer, value.ty) {
        return None;
    }
    let pointer = |value: &Value, name: &str| renderer.address_in(&renderer.field(value, name)?)?.ok();
    let (mut at, ty) = pointer(value, "head_all")?;
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut younger = 0;
    while at != 0 && found.len() < MAX_NODES && seen.insert(at) {
        let node = Value::in_memory(ty, at);
        let (Some((older, _)), Some((before, _))) = (pointer(&node, "next_all"), pointer(&node, "prev_all")) else {
            break;
        };
        if before != younger {
            break;
        }
        let queued =
            renderer.count(&node, "queued").and_then(Result::ok).filter(|&flag| flag <= 1).map(|flag| flag == 1);
        let option = renderer.field(&node, "future").and_then(|cell| renderer.with_variants(&cell));
        let future = option.and_then(|option| renderer.lang.payload(renderer, &option)?.ok());
        found.push(Node { address: at, queued, future });
        (younger, at) = (at, older);
    }
    Some(found)
}
