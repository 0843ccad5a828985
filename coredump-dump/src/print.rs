//! Implements `--print`, which prints values by name, in the notation of the program's language.

use std::io::Write;

use coredump_core::cli::Exit;
use coredump_core::cli::text::escape;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::{ExpressionError, Frame, Limits, Status, Variable};

use crate::inspection::Inspection;
use coredump_core::cli::paint::TextRole;

/// The number of frames that are searched for a name.
const FRAMES: usize = 64;

/// Prints each expression with its value in the frame `--frame` (0) of the thread `--thread` (0).
pub fn print(inspection: &Inspection<'_>) -> Result<Exit> {
    let args = inspection.args;
    let (thread, frame) = (args.thread.unwrap_or(0), args.frame.unwrap_or(0));
    check_frame(inspection, thread, frame)?;
    inspection.binaries();
    let seen = inspection.opened.thread(thread).and_then(|thread| thread.frame(frame));
    let limits = args.limits();
    let mut values = Vec::new();
    let mut failures = Vec::new();
    for expression in &args.print {
        match evaluate(seen.as_ref(), expression, limits) {
            Ok(value) => values.push((expression, value)),
            Err(error) => {
                let told = inspection
                    .error(ErrorKind::NotFound, format!("{expression}: {error}"))
                    .excerpt(expression, error.column);
                failures.push(match seen_from(inspection, thread, expression) {
                    Some(frame) if args.frame.is_none() => told.hint(format!("frame {frame} sees it: --frame {frame}")),
                    _ => told,
                });
            }
        }
    }
    // An expression without a value does not prevent the others from being printed.
    if values.is_empty()
        && let Some(failure) = failures.pop()
    {
        failures.iter().for_each(|failure| inspection.report.error(failure));
        return Err(failure);
    }
    let paint = inspection.paint();
    inspection.write(|out| {
        for (expression, value) in &values {
            let name = paint.paint(TextRole::Name, escape(expression));
            let text = value.text();
            let text = escape(&text);
            match value.status {
                Status::Ok => writeln!(out, "{name} = {text}")?,
                _ => writeln!(out, "{name} = {}", paint.paint(TextRole::Missing, text))?,
            }
        }
        Ok(())
    })?;
    failures.iter().for_each(|failure| inspection.report.error(failure));
    Ok(Exit::partial_if(!failures.is_empty() || values.iter().any(|(_, value)| value.status != Status::Ok)))
}

/// The youngest frame in which an expression can be evaluated.
fn seen_from(inspection: &Inspection<'_>, thread: usize, expression: &str) -> Option<usize> {
    let mut frames = inspection.opened.thread(thread)?.frames().take(FRAMES);
    frames.find(|frame| frame.evaluate(expression).is_ok()).map(|frame| frame.index())
}

fn evaluate(frame: Option<&Frame>, expression: &str, limits: Limits) -> Result<Variable, ExpressionError> {
    let none = || ExpressionError::new(1, "this frame's binary is not known for certain, or has no debug information");
    frame.ok_or_else(none)?.evaluate_within(expression, limits)
}

/// Statics need no frame, but a frame that the options name must exist.
fn check_frame(inspection: &Inspection<'_>, thread: usize, frame: usize) -> Result<()> {
    let threads = &inspection.dump.threads;
    let none = |what: String| Err(inspection.error(ErrorKind::NotFound, what));
    if inspection.args.thread.is_some() && thread >= threads.len() {
        return none(format!("there is no thread {thread}: the dump has {}", threads.len()));
    }
    let frames = threads.get(thread).map_or(0, |thread| thread.frames.len());
    if inspection.args.frame.is_some() && frame >= frames {
        return none(format!("there is no frame {frame} in thread {thread}: there are {frames}"));
    }
    Ok(())
}
