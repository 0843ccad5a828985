//! Futures that libraries make by hand: what each waits for.

use super::futures::Futures;
use crate::catalog::units::Die;
use crate::tasks::Await;
use crate::values::Value;

/// They end a chain of futures: the module that each is in, the type without its arguments, and what it waits for.
const LEAVES: [(&[&str], &str, &str); 13] = [
    (&["tokio", "time", "sleep"], "Sleep", "a timer"),
    (&["tokio", "sync", "oneshot"], "Receiver", "a value"),
    (&["tokio", "sync", "batch_semaphore"], "Acquire", "permits"),
    (&["tokio", "sync", "notify"], "Notified", "a notification"),
    (&["tokio", "sync", "notify"], "OwnedNotified", "a notification"),
    (&["tokio", "runtime", "task", "join"], "JoinHandle", "a task"),
    (&["tokio", "task", "yield_now"], "YieldNow", "its next turn"),
    (&["futures_channel", "oneshot"], "Receiver", "a value"),
    (&["futures_util", "lock", "mutex"], "MutexLockFuture", "a lock"),
    (&["core", "future", "pending"], "Pending", "nothing: it never ends"),
    (&["futures_util", "future", "pending"], "Pending", "nothing: it never ends"),
    (&["wstd", "runtime", "reactor"], "WaitFor", "a pollable"),
    (&["async_task", "task"], "Task", "a task"),
];

/// A future that ends a chain; `None` for another type.
pub fn leaf(futures: &Futures<'_, '_, '_, '_>, value: &Value, die: Die) -> Option<Await> {
    let units = &futures.frame().units;
    let name = units.name(die)?;
    let bare = name.split(|&byte| byte == b'<').next()?;
    let same = |path: &[&str]| units.path(die).into_iter().eq(path.iter().map(|part| part.as_bytes()));
    let (_, name, what) = LEAVES.iter().find(|(path, name, _)| name.as_bytes() == bare && same(path))?;
    let task = if *name == "JoinHandle" { joined(futures, value) } else { None };
    let count = || futures.renderer.count(value, "num_permits")?.ok();
    let note = match (*name, task) {
        ("JoinHandle", Some(task)) => format!("waits for task {task}"),
        ("Task", _) => match futures.renderer.field(value, "ptr").and_then(|ptr| futures.renderer.address_in(&ptr)) {
            Some(Ok((address, _))) => format!("waits for the task at {address:#x}"),
            _ => "waits for a task".to_owned(),
        },
        ("Acquire", _) => match count() {
            Some(count) => format!("waits for permits: {count}"),
            None => "waits for permits".to_owned(),
        },
        _ => format!("waits for {what}"),
    };
    Some(Await { task, note: Some(note), ..futures.plain(value) })
}

/// The number of the task that a handle is of.
fn joined(futures: &Futures<'_, '_, '_, '_>, value: &Value) -> Option<u64> {
    let raw = futures.renderer.field(value, "raw")?;
    let (header, _) = futures.renderer.address_in(&raw)?.ok()?;
    super::tokio::id(futures.renderer, header)
}
