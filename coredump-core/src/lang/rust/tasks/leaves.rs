//! Hand-written futures of libraries, and what each waits for.

use crate::catalog::units::Die;
use crate::lang::Renderer;
use crate::tasks::Await;
use crate::values::Value;

/// The futures at which a chain ends: the module that each is in, its type without generic arguments, and what it waits
/// for.
const LEAVES: [(&[&str], &str, &str); 14] = [
    (&["tokio", "time", "sleep"], "Sleep", "a timer"),
    (&["tokio", "sync", "oneshot"], "Receiver", "a value"),
    (&["tokio", "sync", "broadcast"], "Recv", "a message"),
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
pub fn leaf(renderer: &Renderer<'_, '_, '_>, value: &Value, die: Die) -> Option<Await> {
    let units = &renderer.frame.units;
    let name = units.name(die)?;
    let bare = name.split(|&byte| byte == b'<').next()?;
    let same = |path: &[&str]| units.path(die).into_iter().eq(path.iter().map(|part| part.as_bytes()));
    let (_, name, what) = LEAVES.iter().find(|(path, name, _)| name.as_bytes() == bare && same(path))?;
    let task = if *name == "JoinHandle" { joined(renderer, value) } else { None };
    let count = || renderer.count(value, "num_permits")?.ok();
    let note = match (*name, task) {
        ("JoinHandle", Some(task)) => format!("waits for task {task}"),
        ("Task", _) => match renderer.field(value, "ptr").and_then(|ptr| renderer.address_in(&ptr)) {
            Some(Ok((address, _))) => format!("waits for the task at {address:#x}"),
            _ => "waits for a task".to_owned(),
        },
        ("Acquire", _) => match count() {
            Some(count) => format!("waits for permits: {count}"),
            None => "waits for permits".to_owned(),
        },
        _ => format!("waits for {what}"),
    };
    Some(Await { task, note: Some(note), ..plain(renderer, value) })
}

/// A future that is known by its type alone.
pub fn plain(renderer: &Renderer<'_, '_, '_>, value: &Value) -> Await {
    Await { name: renderer.type_name(value.ty), address: value.source.address(), ..Await::default() }
}

/// The id of the task that a join handle is for.
fn joined(renderer: &Renderer<'_, '_, '_>, value: &Value) -> Option<u64> {
    let raw = renderer.field(value, "raw")?;
    let (header, _) = renderer.address_in(&raw)?.ok()?;
    super::header::id(renderer, header)
}
