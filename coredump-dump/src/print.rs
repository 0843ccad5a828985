//! `--print`: values by name, in the notation of the program's language.

use std::io::Write;

use coredump_core::cli::Exit;
use coredump_core::cli::text::escape;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::variables::{Inspector, Limits, Status};

use crate::paint::{MISSING, NAME};
use crate::session::Session;

/// Prints each expression with its value, as it is seen from the frame of `--frame` (0) of `--thread` (0).
pub fn print(session: &Session<'_>) -> Result<Exit> {
    let args = session.args;
    let (thread, frame) = (args.thread.unwrap_or(0), args.frame.unwrap_or(0));
    check_frame(session, thread, frame)?;
    let inspector = Inspector::new(session.dump, session.binaries());
    let mut values = Vec::new();
    for expression in &args.print {
        let value = inspector.evaluate(thread, frame, expression, &Limits::default()).map_err(|error| {
            let told = Error::new(ErrorKind::NotFound, format!("{expression}: {error}"));
            session.input.blame(match args.frame {
                Some(_) => told,
                None => told.hint("this is what frame 0 sees; --frame N chooses another, coredump-bt lists them"),
            })
        })?;
        values.push((expression, value));
    }
    let paint = session.paint();
    session.write(|out| {
        for (expression, value) in &values {
            let name = paint.paint(NAME, escape(expression));
            let text = value.text();
            let text = escape(&text);
            match value.status {
                Status::Ok => writeln!(out, "{name} = {text}")?,
                _ => writeln!(out, "{name} = {}", paint.paint(MISSING, text))?,
            }
        }
        Ok(())
    })?;
    Ok(Exit::partial_if(values.iter().any(|(_, value)| value.status != Status::Ok)))
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
