//! `--print`: values by name, in the notation of the program's language.

use std::io::Write;

use coredump_core::cli::Exit;
use coredump_core::cli::text::escape;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::{ExpressionError, Frame, Limits, Status, Variable};

use crate::session::Session;
use coredump_core::cli::paint::Piece;

/// Frames that are asked whether they know a name.
const FRAMES: usize = 64;

/// Prints each expression with its value, as it is seen from the frame of `--frame` (0) of `--thread` (0).
pub fn print(session: &Session<'_>) -> Result<Exit> {
    let args = session.args;
    let (thread, frame) = (args.thread.unwrap_or(0), args.frame.unwrap_or(0));
    check_frame(session, thread, frame)?;
    session.binaries();
    let seen = session.opened.thread(thread).and_then(|thread| thread.frame(frame));
    let limits = args.limits();
    let mut values = Vec::new();
    let mut failures = Vec::new();
    for expression in &args.print {
        match evaluate(seen.as_ref(), expression, limits) {
            Ok(value) => values.push((expression, value)),
            Err(error) => {
                let told = session
                    .error(ErrorKind::NotFound, format!("{expression}: {error}"))
                    .excerpt(expression, error.column);
                failures.push(match seen_from(session, thread, expression) {
                    Some(frame) if args.frame.is_none() => told.hint(format!("frame {frame} sees it: --frame {frame}")),
                    _ => told,
                });
            }
        }
    }
    // What is wrong with one of several does not keep the others back.
    if values.is_empty()
        && let Some(failure) = failures.pop()
    {
        failures.iter().for_each(|failure| session.report.error(failure));
        return Err(failure);
    }
    let paint = session.paint();
    session.write(|out| {
        for (expression, value) in &values {
            let name = paint.paint(Piece::Name, escape(expression));
            let text = value.text();
            let text = escape(&text);
            match value.status {
                Status::Ok => writeln!(out, "{name} = {text}")?,
                _ => writeln!(out, "{name} = {}", paint.paint(Piece::Missing, text))?,
            }
        }
        Ok(())
    })?;
    failures.iter().for_each(|failure| session.report.error(failure));
    Ok(Exit::partial_if(!failures.is_empty() || values.iter().any(|(_, value)| value.status != Status::Ok)))
}

/// The youngest frame from which an expression means something.
fn seen_from(session: &Session<'_>, thread: usize, expression: &str) -> Option<usize> {
    let mut frames = session.opened.thread(thread)?.frames().take(FRAMES);
    frames.find(|frame| frame.evaluate(expression).is_ok()).map(|frame| frame.index())
}

fn evaluate(frame: Option<&Frame>, expression: &str, limits: Limits) -> Result<Variable, ExpressionError> {
    let none = || ExpressionError::new(1, "this frame's binary is not known for certain, or has no debug information");
    frame.ok_or_else(none)?.evaluate_within(expression, limits)
}

/// Statics need no frame; but a frame that is asked for must be there.
fn check_frame(session: &Session<'_>, thread: usize, frame: usize) -> Result<()> {
    let threads = &session.dump.threads;
    let none = |what: String| Err(session.error(ErrorKind::NotFound, what));
    if session.args.thread.is_some() && thread >= threads.len() {
        return none(format!("there is no thread {thread}: the dump has {}", threads.len()));
    }
    let frames = threads.get(thread).map_or(0, |thread| thread.frames.len());
    if session.args.frame.is_some() && frame >= frames {
        return none(format!("there is no frame {frame} in thread {thread}: there are {frames}"));
    }
    Ok(())
}
