//! Kotlin: chains of suspended functions, from the dump's objects.

use std::collections::{HashMap, HashSet};

use super::{ResumedBy, SuspendPoint, Suspended};
use crate::backtrace::Location;
use crate::binaries::Binaries;
use crate::gc;
use crate::model::{CoreDump, RefTarget, Reference, Value};
use crate::objects::Id;
use crate::tasks::{AsyncTask, Await, AwaitState, TaskState, VariableBudget};
use crate::variables::Limits;

/// The most functions of a chain that are followed, and the most that are shown in all tasks together.
const LEVELS: usize = 96;
const MAX_AWAITS: usize = 1 << 18;

/// Adds the chains of suspended functions. The innermost of a chain is the one that waits for no other that is known.
pub fn find(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    objects: &gc::ObjectView<'_>,
    limits: Option<Limits>,
    tasks: &mut Vec<AsyncTask>,
) {
    let found: HashMap<Id, Suspended> = objects.suspended().into_iter().map(|one| (one.id, one)).collect();
    if found.is_empty() {
        return;
    }
    let running = running(dump, &found);
    let awaited: HashSet<Id> = found.values().filter_map(|one| one.caller).collect();
    let mut innermost: Vec<&Suspended> = found.values().filter(|one| !awaited.contains(&one.id)).collect();
    innermost.sort_by_key(|one| one.id);
    let (mut left, room) = (MAX_AWAITS, VariableBudget::new());
    for one in innermost {
        let callers = std::iter::successors(Some(one), |one| found.get(&one.caller?)).take(LEVELS);
        let mut future: Option<Await> = None;
        let mut state = TaskState::Idle;
        let mut seen = HashSet::new();
        for one in callers.take(left) {
            if !seen.insert(one.id) {
                if let Some(outermost) = &mut future {
                    outermost.note = Some("what it goes on with waits for it in turn".to_owned());
                }
                break;
            }
            left -= 1;
            let mut outer = awaiting(one, binaries, objects, limits, &room);
            if let Some(&frame) = running.get(&one.id) {
                outer = Await { state: AwaitState::Running, frame: Some(frame), location: None, note: None, ..outer };
                state = TaskState::Running;
            }
            outer.awaits.extend(future.take());
            future = Some(outer);
        }
        let note = match (one.held, state) {
            (_, TaskState::Running) | (ResumedBy::Continuation, _) => None,
            (ResumedBy::Sequence, _) => Some("it goes on when its next element is asked for".to_owned()),
            (ResumedBy::Unknown, _) => Some("the program holds it; nothing says whether it will be resumed".to_owned()),
        };
        tasks.push(AsyncTask { language: "kotlin", state, future, note, ..AsyncTask::default() });
    }
}

fn awaiting(
    one: &Suspended,
    binaries: &Binaries,
    objects: &gc::ObjectView<'_>,
    limits: Option<Limits>,
    room: &VariableBudget,
) -> Await {
    let location = one.place.as_ref().and_then(|place| location(place, binaries));
    let variables = limits.map(|limits| room.take(|| objects.variables(one.variables.clone(), limits)));
    let full = matches!(variables, Some(None)).then(|| VariableBudget::NONE.to_owned());
    let note = location.is_none().then(|| format!("it waits at its place {}, of which no line is known", one.state));
    Await {
        name: one.function.clone(),
        is_function: true,
        state: AwaitState::Suspended,
        location,
        variables: variables.flatten().unwrap_or_default(),
        note: note.or(full),
        ..Await::default()
    }
}

fn location(place: &SuspendPoint, binaries: &Binaries) -> Option<Location> {
    let frames = binaries.binary(place.module)?.lookup(place.function, place.offset);
    frames.last()?.location.clone()
}

/// The frames that work on the state of one of these functions.
fn running(dump: &CoreDump<'_>, found: &HashMap<Id, Suspended>) -> HashMap<Id, (usize, usize)> {
    let mut running = HashMap::new();
    for (thread, frames) in dump.threads.iter().enumerate() {
        for (index, frame) in frames.frames.iter().enumerate() {
            for value in frame.locals.iter().flat_map(|locals| locals.iter()) {
                let Value::Ref(Reference { target: RefTarget::Object(id), .. }) = value else { continue };
                let own =
                    |one: &&Suspended| one.place.as_ref().is_some_and(|place| Some(place.function) == frame.function);
                if found.get(id).filter(own).is_some() {
                    running.entry(*id).or_insert((thread, index));
                }
            }
        }
    }
    running
}
