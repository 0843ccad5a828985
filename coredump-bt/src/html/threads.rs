//! The threads of a report: frames that can be opened, recursions folded, the rest of long stacks as lines.

use std::ops::Range;
use std::sync::Arc;

use coredump_core::Thread;
use coredump_core::cli::frame::repeated;
use coredump_core::fold::{self, FoldedPart};
use coredump_core::runtimes::{Runtime, Task};
use coredump_core::tasks::{Await, AwaitState, Tasks};

use super::count::counted;
use super::markup::Markup;
use super::rows::FrameRow;
use super::values;
use super::view::View;
use crate::inner::{self, created_at, group_title, waits_for};
use crate::tasks::state as state_of;

/// The number of a thread's youngest frames that are shown in full; the others are lines.
const IN_FULL: usize = 100;
/// The number of frames of a recursion that are shown in full.
const FOLD_IN_FULL: usize = 8;
/// The number of frames of a recursion that are listed.
const FOLD_LISTED: usize = 1000;
/// The least number of runtime frames above a panic that are folded into one row.
const LEAST_RUNTIME: usize = 3;
/// The number of lines that are in one element.
const PIECE: usize = 1000;
/// The number of asynchronous tasks that are shown.
const TASKS: usize = 200;
/// The number of threads that are open at first.
const OPEN: usize = 4;

/// Writes the threads that are asked for, and the tasks of a language's runtime.
pub fn section(view: &mut View<'_>) -> Markup {
    let mut out = Markup::default();
    let threads = view.dump.threads();
    if threads.len() == 0 {
        out.tag("<p class=\"note\">The dump holds no thread.</p>\n");
    }
    for thread in threads {
        if view.args.thread.is_none_or(|only| only == thread.index()) {
            view.thread(&mut out, &thread);
        }
    }
    if view.args.thread.is_none() && view.args.frame.is_none() {
        view.tasks(&mut out);
        view.async_tasks(&mut out);
    }
    out
}

impl View<'_> {
    fn thread(&mut self, out: &mut Markup, thread: &Thread) {
        let recorded = thread.recorded();
        let index = thread.index();
        let is_open = thread.is_crashed() || self.dump.threads().len() <= OPEN || self.args.thread.is_some();
        self.id(out.tag("<details class=\"thread\" id=\""), "t").shown(index).tag("\"");
        out.tag(if is_open { " open" } else { "" }).tag("><summary><h3>");
        if self.dump.recorded().trace_line.is_some() {
            out.tag("Stack");
        } else {
            out.tag("Thread ").shown(index);
        }
        if !thread.name().is_empty() {
            out.tag(" <q>").text(thread.name()).tag("</q>");
        }
        if let Some(task) = thread.runtime().and_then(Runtime::current) {
            out.tag(", goroutine ").shown(task.id);
            state(out, task);
        }
        out.tag("</h3>");
        if thread.is_crashed() && self.dump.threads().len() > 1 {
            out.tag(" <span class=\"tag bad\">crashed</span>");
        }
        let count = recorded.frames.len();
        out.tag(" <span class=\"note\">").shown(counted(count, "frame")).tag("</span></summary>\n");
        match self.args.frame {
            Some(frame) => self.in_full(out, thread, frame..(frame + 1).min(count)),
            None => self.all(out, thread),
        }
        out.tag("</details>\n");
    }

    fn all(&mut self, out: &mut Markup, thread: &Thread) {
        let recorded = thread.recorded();
        let count = recorded.frames.len();
        let shown = count.min(self.args.limit.unwrap_or(usize::MAX));
        let parts = match self.args.no_fold {
            true => vec![FoldedPart::Frames(0..shown)],
            false => fold::frames(&recorded.frames[..shown]),
        };
        let mut room = IN_FULL;
        let runtime = self.runtime_frames(thread).min(shown);
        for part in parts {
            match part {
                FoldedPart::Frames(mut frames) => {
                    if frames.start == 0 && runtime.min(frames.end) >= LEAST_RUNTIME {
                        let end = runtime.min(frames.end);
                        out.tag("<details class=\"fold\"><summary>").shown(format_args!("#0 to #{}: {end}", end - 1));
                        out.tag(
                            " frames of the language's runtime and library, in which the program gave up</summary>\n",
                        );
                        self.in_full(out, thread, 0..end);
                        out.tag("</details>\n");
                        frames.start = end;
                    }
                    let full = room.min(frames.len()).min(self.rows);
                    room -= full;
                    self.in_full(out, thread, frames.start..frames.start + full);
                    self.lines(out, thread, frames.start + full..frames.end);
                }
                FoldedPart::Repeat { frames, period, times } => {
                    out.tag("<details class=\"fold\"><summary>").text(&repeated(&frames, period, times));
                    out.tag("</summary>\n");
                    let full = FOLD_IN_FULL.min(frames.len()).min(self.rows);
                    self.in_full(out, thread, frames.start..frames.start + full);
                    let listed = frames.end.min(frames.start + full + FOLD_LISTED);
                    self.lines(out, thread, frames.start + full..listed);
                    if listed < frames.end {
                        out.tag("<p class=\"note\">").shown(counted(frames.end - listed, "more frame"));
                        out.tag(" of the same kind; <code>--no-fold</code> lists them</p>\n");
                    }
                    out.tag("</details>\n");
                }
            }
        }
        let mut note = |text: &str| {
            out.within("<p class=\"note\">", text, "</p>\n");
        };
        if recorded.frames.is_empty() {
            note("no frames");
        }
        if shown < count {
            note(&format!("{} not shown", counted(count - shown, "older frame")));
        }
        if recorded.truncated {
            note("older frames are not in the dump");
        }
        if shown == count {
            self.continued(out, thread);
            self.interpreted_unplaced(out, thread);
        }
    }

    /// The number of frames above the place in the program's own code: a panic has many.
    fn runtime_frames(&self, thread: &Thread) -> usize {
        let place = self.dump.crash().place.as_ref().filter(|place| place.thread == thread.index());
        place.map_or(0, |place| place.frame)
    }

    /// Writes frames with all their contents.
    fn in_full(&mut self, out: &mut Markup, thread: &Thread, frames: Range<usize>) {
        self.rows = self.rows.saturating_sub(frames.len());
        frames.filter_map(|frame| thread.frame(frame)).for_each(|frame| self.frame(out, &frame));
    }

    /// Writes frames as lines of text, so that a hundred thousand frames are only a few elements of the page.
    fn lines(&mut self, out: &mut Markup, thread: &Thread, frames: Range<usize>) {
        for start in frames.clone().step_by(PIECE) {
            let end = frames.end.min(start + PIECE);
            out.tag("<details class=\"piece\"><summary>#")
                .shown(start)
                .tag(" to #")
                .shown(end - 1)
                .tag("</summary>\n<pre>");
            for frame in (start..end).filter_map(|frame| thread.frame(frame)) {
                for line in self.frame_lines(&frame) {
                    out.text(&line).tag("\n");
                }
            }
            out.tag("</pre></details>\n");
        }
    }

    /// Writes the frames of a thread that only a language's runtime knows.
    fn continued(&mut self, out: &mut Markup, thread: &Thread) {
        let frames: Vec<_> = thread.continued().collect();
        if !frames.is_empty() {
            out.tag("<p class=\"note\">older frames, which the goroutine's own stack in memory holds:</p>\n");
            frames.iter().for_each(|frame| self.in_memory(out, frame));
        }
    }

    /// Writes the tasks of a language's runtime that were not running, with equal ones grouped.
    fn tasks(&mut self, out: &mut Markup) {
        let Some(runtime) = self.dump.runtime() else { return };
        for group in inner::groups(runtime) {
            let task = group[0];
            out.within("<details class=\"thread task\"><summary><h3>", &group_title(&group), "");
            state(out, task);
            out.tag("</h3>");
            let frames = self.dump.task_frames(task);
            out.tag(" <span class=\"note\">").shown(counted(frames.len(), "frame"));
            if let Some(created) = &task.created_by {
                out.within(", started by <code class=\"fn\">", &created.function, "</code>");
                if let Some(location) = created_at(task) {
                    out.within(" at <code class=\"at\">", &self.location_text(&location), "</code>");
                }
            }
            out.tag("</span></summary>\n");
            frames.iter().for_each(|frame| self.in_memory(out, frame));
            if let Some(broken) = &task.broken {
                out.within("<p class=\"note\">older frames are not known: ", broken, "</p>\n");
            }
            out.tag("</details>\n");
        }
        if runtime.truncated {
            out.tag("<p class=\"note\">more goroutines are not shown</p>\n");
        }
    }

    /// Writes the asynchronous tasks, each with the chain of what it awaits, the outermost function first.
    fn async_tasks(&mut self, out: &mut Markup) {
        let Tasks { list, truncated } = self.dump.tasks(Some(self.args.limits()));
        for task in list.iter().take(TASKS) {
            out.tag("<details class=\"thread task\"><summary><h3>Task");
            if let Some(id) = task.id {
                out.tag(" ").shown(id);
            }
            if let Some(name) = &task.name {
                out.within(" <q>", name, "</q>");
            }
            if let Some(executor) = task.executor {
                out.tag(" of ").text(executor);
            }
            out.within(" [", task.state.name(), "]</h3>");
            for (nth, leaf) in task.leaves().iter().enumerate() {
                out.tag(if nth == 0 { " <span class=\"note\">waits for" } else { "<span class=\"note\">," });
                out.within(" <code class=\"fn\">", &leaf.name, "</code></span>");
            }
            out.tag("</summary>\n");
            if let Some(note) = &task.note {
                out.within("<p class=\"note\">", note, "</p>\n");
            }
            if let Some(future) = &task.future {
                self.awaiting(out, future, 0);
            }
            out.tag("</details>\n");
        }
        if truncated || list.len() > TASKS {
            out.tag("<p class=\"note\">more tasks are not shown: <code>coredump-bt --async</code></p>\n");
        }
    }

    fn awaiting(&mut self, out: &mut Markup, future: &Await, level: usize) {
        let name: Arc<str> = future.name.as_str().into();
        let location = future.location.as_ref().filter(|_| future.state != AwaitState::Returned);
        let mut body = Markup::default();
        if self.room > 0 {
            values::all(&mut body, &future.variables, "coredump-bt --async --locals");
            self.room = self.room.saturating_sub(body.len());
        }
        let row = FrameRow {
            index: Some(level),
            name: Some(&future.name),
            place: location.map(|location| self.location_text(location)),
            state: state_of(future),
            is_library: self.is_library(Some(&name), location),
            body,
            ..FrameRow::default()
        };
        row.write(self, out);
        if let Some(note) = &future.note {
            out.within("<p class=\"note\">", note, "</p>\n");
        }
        future.awaits.iter().for_each(|inner| self.awaiting(out, inner, level + 1));
    }

    /// Writes the frames of an interpreted program for which it is not certain which frame of the engine runs them.
    fn interpreted_unplaced(&mut self, out: &mut Markup, thread: &Thread) {
        let Some(program) = self.interpreted.clone().filter(|_| thread.is_crashed()) else { return };
        let mut frames = program.frames().filter(|(placed, _)| placed.is_none()).peekable();
        if frames.peek().is_some() {
            out.within("<h3>", &program.title, "</h3>\n");
        }
        frames.for_each(|(_, frame)| self.interpreted(out, program.language, frame));
        if let Some(broken) = &program.broken {
            out.within("<p class=\"note\">older frames of ", &program.title, " are not known: ");
            out.within("", broken, "</p>\n");
        } else if !program.is_known {
            out.within(
                "<p class=\"note\">the layout of C",
                &program.title,
                " is not known: its frames are not shown</p>\n",
            );
        }
    }

    fn in_memory(&mut self, out: &mut Markup, frame: &coredump_core::ResolvedFrame) {
        for call in frame.calls() {
            let row = FrameRow {
                index: Some(frame.index),
                name: call.function.as_deref(),
                place: call.location.map(|location| self.location_text(location)),
                is_inlined: call.inlined,
                is_library: self.is_library(call.function.as_ref(), call.location),
                ..FrameRow::default()
            };
            row.write(self, out);
        }
    }
}

/// Writes a task's state, and what it waits for.
fn state(out: &mut Markup, task: &Task) {
    out.within(" [", task.wait_reason.as_deref().unwrap_or(&task.status), "]");
    let waits = waits_for(task);
    if !waits.is_empty() {
        out.within(" on <code>", &waits, "</code>");
    }
}
