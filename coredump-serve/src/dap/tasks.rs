//! Shows asynchronous tasks as threads: what each task awaits, innermost first, appears as its stack.

use std::fmt::Write;
use std::sync::OnceLock;

use coredump_core::tasks::{AsyncTask, Await, AwaitState, Tasks};
use coredump_core::text::escape;
use coredump_core::{Dump, Variable};

use super::LIMITS;
use super::stack::{Entry, EntryKind, Line, VariablesOrigin};

/// The asynchronous tasks of a dump. They are searched for on the first request, and their variables are read when a
/// task is opened.
#[derive(Default)]
pub struct TaskLists {
    listed: OnceLock<Tasks>,
    detailed: OnceLock<Tasks>,
}

impl TaskLists {
    fn listed(&self, dump: &Dump) -> &Tasks {
        self.listed.get_or_init(|| dump.tasks(None))
    }

    /// An entry for each task of a dump, which has this index.
    pub fn entries(&self, dump: &Dump, index: usize) -> Vec<Entry> {
        let tasks = self.listed(dump).list.iter().enumerate();
        tasks.map(|(number, task)| Entry { name: title(task), dump: index, kind: EntryKind::Async(number) }).collect()
    }

    /// The lines of a task's stack.
    pub fn lines(&self, dump: &Dump, number: usize) -> Vec<Line> {
        let Some(task) = self.listed(dump).list.get(number) else { return Vec::new() };
        // In a program of one module, the tasks are in this module.
        let module = (dump.binaries().len() == 1).then_some(0);
        let line = |(line, part): (usize, TaskLine<'_>)| match part {
            TaskLine::Label(text) => Line::label(text),
            TaskLine::Await(one) => Line {
                name: name(one).into(),
                location: one.location.clone().filter(|_| one.state != AwaitState::Returned),
                offset: None,
                module,
                function: None,
                origin: VariablesOrigin::Await { task: number, line },
            },
        };
        parts(task).into_iter().enumerate().map(line).collect()
    }

    /// The variables of a line of a task's stack.
    pub fn variables(&self, dump: &Dump, number: usize, line: usize) -> &[Variable] {
        let detailed = self.detailed.get_or_init(|| dump.tasks(Some(LIMITS)));
        let found = detailed.list.get(number).and_then(|task| parts(task).into_iter().nth(line));
        match found {
            Some(TaskLine::Await(one)) => &one.variables,
            _ => &[],
        }
    }

    /// All tasks as text, each with what it awaits, outermost first.
    pub fn text(&self, dump: &Dump) -> Option<String> {
        let tasks = self.listed(dump);
        let mut text = String::new();
        for task in &tasks.list {
            let _ = writeln!(text, "{}", title(task));
            if let Some(note) = &task.note {
                let _ = writeln!(text, "    {}", escape(note));
            }
            if let Some(future) = &task.future {
                chain(&mut text, future, 1);
            }
        }
        if tasks.truncated {
            text.push_str("more tasks are not shown\n");
        }
        text.pop()?;
        Some(text)
    }
}

/// The title of a task, such as `task 3 of tokio [idle], waits for tokio::time::sleep::Sleep`.
fn title(task: &AsyncTask) -> String {
    let mut text = "task".to_owned();
    if let Some(id) = task.id {
        let _ = write!(text, " {id}");
    }
    if let Some(name) = &task.name {
        let _ = write!(text, " \"{}\"", escape(name));
    }
    if let Some(executor) = task.executor {
        let _ = write!(text, " of {executor}");
    }
    let _ = write!(text, " [{}]", task.state.name());
    for (nth, leaf) in task.leaves().iter().enumerate() {
        let _ = write!(text, "{}{}", if nth == 0 { ", waits for " } else { ", " }, escape(&leaf.name));
    }
    // Without this, nothing would distinguish the task from others.
    if let (None, None, Some(future)) = (task.id, &task.name, &task.future) {
        let _ = write!(text, ": {}", escape(&future.name));
    }
    text
}

/// The name of what is awaited, with its state if it does not simply wait.
fn name(one: &Await) -> String {
    match (one.state, one.frame) {
        (AwaitState::Suspended | AwaitState::Pending, _) => one.name.clone(),
        (AwaitState::Running, Some((_, frame))) => format!("{} [running in frame #{frame}]", one.name),
        (AwaitState::Unresumed, _) => format!("{} [not started]", one.name),
        (state, _) => format!("{} [{}]", one.name, state.name()),
    }
}

/// A line of a task's stack.
enum TaskLine<'t> {
    Await(&'t Await),
    /// A heading or a remark.
    Label(String),
}

/// The lines of a task's stack, innermost first. Branches that are awaited at the same time follow one another.
fn parts(task: &AsyncTask) -> Vec<TaskLine<'_>> {
    let mut parts = Vec::new();
    if let Some(future) = &task.future {
        inner_first(future, &mut parts);
    }
    parts.extend(task.note.iter().map(|note| TaskLine::Label(format!("({note})"))));
    parts
}

fn inner_first<'t>(one: &'t Await, parts: &mut Vec<TaskLine<'t>>) {
    let count = one.awaits.len();
    for (nth, inner) in one.awaits.iter().enumerate() {
        if count > 1 {
            parts.push(TaskLine::Label(format!("branch {} of {count} of {}", nth + 1, one.name)));
        }
        inner_first(inner, parts);
    }
    parts.push(TaskLine::Await(one));
    parts.extend(one.note.iter().map(|note| TaskLine::Label(format!("({note})"))));
}

fn chain(text: &mut String, one: &Await, level: usize) {
    let _ = write!(text, "{:width$}{}", "", escape(&name(one)), width = level * 4);
    if let Some(location) = one.location.as_ref().filter(|_| one.state != AwaitState::Returned) {
        let _ = write!(text, " at {}:{}", escape(&location.file), location.line);
    }
    if let Some(note) = &one.note {
        let _ = write!(text, ": {}", escape(note));
    }
    text.push('\n');
    // The level matters only if there are several branches.
    let level = if one.awaits.len() > 1 { level + 1 } else { level };
    one.awaits.iter().for_each(|inner| chain(text, inner, level));
}
