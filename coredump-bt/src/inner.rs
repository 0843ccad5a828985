//! Prints stacks that the engine does not know: the tasks of a language's runtime, and the frames of an interpreted
//! program.

use std::collections::HashMap;
use std::io;

use coredump_core::interpreted::Interpreted;
use coredump_core::runtimes::{InterpretedFrame, InterpretedVariable};
use coredump_core::runtimes::{Runtime, Task};
use coredump_core::{Dump, Location, ResolvedFrame, Thread};

use crate::page::{Page, TextRole};
use crate::short::short;

/// The number of characters of one argument that are shown on a frame's line.
const MAX_ARGUMENT: usize = 64;

/// Prints `, goroutine 7 [chan receive]` after the title of the thread that a task ran on.
pub fn current(page: &mut Page, thread: &Thread) -> io::Result<()> {
    match thread.runtime().and_then(Runtime::current) {
        Some(task) => {
            page.plain(", ")?;
            page.piece(TextRole::Title, &format!("goroutine {}", task.id))?;
            state(page, task)
        }
        None => Ok(()),
    }
}

/// Prints the frames of a thread that only a language's runtime knows.
pub fn continued(page: &mut Page, thread: &Thread, width: usize) -> io::Result<()> {
    let mut first = true;
    for resolved in thread.continued() {
        if std::mem::take(&mut first) {
            page.piece(TextRole::Faint, "older frames, which the goroutine's own stack in memory holds:")?;
            page.end()?;
        }
        frame(page, &resolved, width)?;
    }
    Ok(())
}

/// All tasks but the one that was running, grouped by how and where they wait. Each group has at least one task, and
/// groups are in the order of their first tasks.
pub fn groups(runtime: &Runtime) -> Vec<Vec<&Task>> {
    let mut groups: Vec<Vec<&Task>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for task in runtime.tasks.iter().filter(|task| !task.current) {
        let places = task.frames.iter().map(|frame| (frame.pc, &frame.function)).collect::<Vec<_>>();
        let created = task.created_by.as_ref().map(|created| created.pc);
        let key = (&task.status, &task.wait_reason, &task.waits_for, created, places, &task.broken);
        let group = *known.entry(key).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(task);
    }
    groups
}

/// The title of a group of tasks.
pub fn group_title(group: &[&Task]) -> String {
    let ids: Vec<_> = group.iter().map(|task| task.id.to_string()).collect();
    format!("{} {}", if ids.len() == 1 { "goroutine" } else { "goroutines" }, ids.join(", "))
}

/// The statement that started a task.
pub fn created_at(task: &Task) -> Option<Location> {
    let created = task.created_by.as_ref()?;
    Some(Location { file: created.file.clone()?, line: created.line?, column: None })
}

/// The addresses of what a task waits for.
pub fn waits_for(task: &Task) -> String {
    task.waits_for.iter().map(|address| format!("{address:#x}")).collect::<Vec<_>>().join(", ")
}

/// Prints all tasks but the one that was running, with equal ones grouped.
pub fn tasks(page: &mut Page, dump: &Dump) -> io::Result<()> {
    let Some(runtime) = dump.runtime() else { return Ok(()) };
    for group in groups(runtime) {
        let task = group[0];
        page.end()?;
        page.piece(TextRole::Title, &group_title(&group))?;
        state(page, task)?;
        if let Some(created) = &task.created_by {
            page.plain(", started by ")?;
            page.piece(TextRole::Function, &created.function)?;
            write_location(page, created_at(task).as_ref())?;
        }
        page.end()?;
        let frames = dump.task_frames(task);
        let width = frames.len().saturating_sub(1).to_string().len();
        frames.iter().try_for_each(|resolved| frame(page, resolved, width))?;
        if let Some(broken) = &task.broken {
            page.piece(TextRole::Faint, &format!("older frames are not known: {broken}"))?;
            page.end()?;
        }
    }
    if runtime.truncated {
        page.piece(TextRole::Faint, "more goroutines are not shown")?;
        page.end()?;
    }
    Ok(())
}

fn state(page: &mut Page, task: &Task) -> io::Result<()> {
    page.plain(" [")?;
    page.piece(TextRole::Value, task.wait_reason.as_deref().unwrap_or(&task.status))?;
    page.plain("]")?;
    let waits = waits_for(task);
    if waits.is_empty() {
        return Ok(());
    }
    page.plain(" on ")?;
    page.piece(TextRole::Address, &waits)
}

/// Prints a frame of a runtime's stack: the calls inlined in it first.
fn frame(page: &mut Page, resolved: &ResolvedFrame, width: usize) -> io::Result<()> {
    for call in resolved.calls() {
        page.plain(format_args!("#{:<width$} ", resolved.index))?;
        page.function(&call)?;
        page.call_site(&call)?;
        page.end()?;
    }
    Ok(())
}

/// Writes ` at ` and the location, if it is known.
fn write_location(page: &mut Page, location: Option<&Location>) -> io::Result<()> {
    match location {
        Some(location) => {
            page.plain(" at ")?;
            page.location(location)
        }
        None => Ok(()),
    }
}

/// Prints the frames of an interpreted program that a frame of the engine runs or, with `None`, those for which it is
/// not certain which frame runs them.
pub fn interpreted(page: &mut Page, program: &Interpreted, frame: Option<usize>, locals: bool) -> io::Result<()> {
    let frames: Vec<_> = program.frames().filter(|(placed, _)| *placed == frame).map(|(_, frame)| frame).collect();
    if frame.is_none() && !frames.is_empty() {
        page.end()?;
        page.piece(TextRole::Title, &program.title)?;
        page.end()?;
    }
    frames.into_iter().try_for_each(|frame| interpreted_frame(page, program.language, frame, locals))?;
    if frame.is_some() {
        return Ok(());
    }
    match &program.broken {
        Some(broken) => {
            page.piece(TextRole::Faint, &format!("older frames of {} are not known: {broken}", program.title))?;
            page.end()
        }
        None if !program.is_known => {
            page.end()?;
            page.piece(
                TextRole::Faint,
                &format!("the layout of C{} is not known: its frames are not shown", program.title),
            )?;
            page.end()
        }
        None => Ok(()),
    }
}

fn interpreted_frame(page: &mut Page, language: &str, frame: &InterpretedFrame, locals: bool) -> io::Result<()> {
    page.piece(TextRole::Faint, &format!("   {language} "))?;
    page.piece(TextRole::Function, &frame.function)?;
    let mut parameters = frame.variables.iter().filter(|variable| variable.is_parameter).peekable();
    if parameters.peek().is_some() {
        page.plain(" (")?;
        while let Some(parameter) = parameters.next() {
            page.piece(TextRole::Name, &parameter.name)?;
            page.plain("=")?;
            let value = parameter.value.as_deref().map(|value| short(value, MAX_ARGUMENT));
            value_of(page, value.as_deref())?;
            if parameters.peek().is_some() {
                page.plain(", ")?;
            }
        }
        page.plain(")")?;
    }
    write_location(page, frame.location().as_ref())?;
    page.end()?;
    if locals { frame.variables.iter().try_for_each(|variable| interpreted_variable(page, variable)) } else { Ok(()) }
}

fn interpreted_variable(page: &mut Page, variable: &InterpretedVariable) -> io::Result<()> {
    page.plain("        ")?;
    page.piece(TextRole::Name, &variable.name)?;
    page.plain(": ")?;
    page.piece(TextRole::Faint, &variable.type_name)?;
    page.plain(" = ")?;
    value_of(page, variable.value.as_deref())?;
    page.end()
}

fn value_of(page: &mut Page, value: Option<&str>) -> io::Result<()> {
    match value {
        Some(value) => page.piece(TextRole::Value, value),
        None => page.piece(TextRole::Faint, "<unreadable>"),
    }
}
