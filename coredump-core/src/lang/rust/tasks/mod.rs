//! Rust: the states of asynchronous functions, in the executors that are known.

mod async_task;
mod futures;
mod header;
mod leaves;
mod names;
mod polled;
mod tokio;
mod unordered;
mod wit_bindgen;

use crate::binaries::Binaries;
use crate::catalog::Language;
use crate::heap::Heap;
use crate::lang::Renderer;
use crate::model::CoreDump;
use crate::regions::Regions;
use crate::tasks::{AsyncTask, Await, AwaitState, TaskState, instances, memory};
use crate::values::Value;
use crate::variables::{Inspector, Limits};

use futures::Futures;
use polled::Polled;

/// Adds the tasks of a dump's Rust programs.
pub fn find(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    inspector: &Inspector<'_>,
    limits: Option<Limits>,
    tasks: &mut Vec<AsyncTask>,
) {
    let is_asynchronous = |module: u32| {
        let binary = binaries.binary(module);
        binary.is_some_and(|binary| binary.with_catalog(|catalog| catalog.has_asynchronous()) == Some(true))
    };
    let mut instances = instances(dump, binaries);
    instances.retain(|&(module, _)| is_asynchronous(module));
    if instances.is_empty() {
        return;
    }
    let polled = Polled::find(dump, binaries, inspector);
    for (module, instance) in instances {
        let Some(memory) = memory(dump, instance) else { continue };
        let regions = Regions::new(dump, binaries, memory);
        inspector.with_module(module, instance, |frame| {
            let renderer = Renderer::new(frame, limits.unwrap_or_default(), Language::Rust);
            let futures = Futures::new(&renderer, &polled, limits.is_some());
            let cells = tokio::cells(&renderer, &regions);
            futures.tasks_at(cells.iter().filter_map(tokio::Cell::future));
            let others = async_task::cells(&renderer, &regions);
            futures.tasks_at(others.iter().filter_map(async_task::Cell::future));
            tasks.extend(cells.iter().map(|cell| cell.task(&futures)));
            tasks.extend(others.iter().map(|cell| cell.task(&futures)));
            let roots = polled.roots.iter().filter(|root| root.module == module);
            let roots: Vec<_> = roots.map(polled::PolledValue::value).collect();
            let mut pools = unordered::Pools::default();
            for root in &roots {
                let of_pool = pools.tasks(&renderer, root, |value| futures.followed(value));
                tasks.extend(of_pool.into_iter().flatten());
            }
            // A pinned future in a frame that is no part of these tasks is one that the program itself waits for, as in
            // `block_on`.
            let pinned = roots.iter().filter(|root| !pools.hold(root));
            tasks.extend(pinned.filter_map(|root| held(&futures, root)));
            let exports = wit_bindgen::tasks(&renderer, || Heap::find(dump, binaries, memory, &regions));
            let exports = exports.iter().filter_map(|future| held(&futures, future));
            tasks.extend(exports.map(|task| AsyncTask { executor: Some("wit-bindgen"), ..task }));
        });
    }
}

/// A future that is no task of a known executor, and that a frame polls or holds.
fn held(futures: &Futures<'_, '_, '_, '_>, value: &Value) -> Option<AsyncTask> {
    if futures.is_known(value) {
        return None;
    }
    let future = futures.future(value)?;
    // A future that was met before is no task of its own, nor is one that awaits only such futures.
    let is_old = |future: &Await| future.is_repeated;
    if is_old(&future) || !future.is_function && !future.awaits.is_empty() && future.awaits.iter().all(is_old) {
        return None;
    }
    let state = match future.state {
        AwaitState::Running => TaskState::Running,
        AwaitState::Returned => TaskState::Complete,
        AwaitState::Unknown | AwaitState::Panicked => TaskState::Unknown,
        _ => TaskState::Idle,
    };
    Some(AsyncTask { language: "rust", state, address: future.address, future: Some(future), ..AsyncTask::default() })
}
