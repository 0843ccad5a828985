//! The uncaught exception, which is still in memory after the interpreter has exited.
//!
//! Its traceback says at which instruction the exception left each function. If it was caught, at least one of these
//! functions has run on from there; if not, each has ended there.

use std::collections::HashMap;

use super::objects::{Limits, Objects};
use super::offsets::OffsetTable;
use super::{Interpreter, frame, instruction};
use crate::memory::{Chunk, Memory};
use crate::runtimes::InterpretedFrame;

/// The number of functions of one traceback, and of exceptions in one chain, that are read.
const MAX_FRAMES: usize = 1 << 12;
const MAX_CHAIN: usize = 64;
/// Offsets of an exception, of a traceback and of a frame's object (`Include/cpython/pyerrors.h`, `traceback.h`,
/// `Include/internal/pycore_frame.h`): bytes from the object.
const ARGS: u64 = 12;
const TRACEBACK: u64 = 20;
const CONTEXT: u64 = 24;
const CAUSE: u64 = 28;
const SUPPRESS_CONTEXT: u64 = 32;
const NEXT: u64 = 8;
const FRAME: u64 = 12;
const LAST_INSTRUCTION: u64 = 16;
const CONTENTS: u64 = 12;

/// An exception that nothing caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncaught {
    /// Its type and message, as the last line of a traceback has them: `KeyError: 'gift'`.
    pub message: String,
    /// The functions that it propagated through, youngest first.
    pub frames: Vec<InterpretedFrame>,
    /// The chain of its causes and contexts, as a traceback prints them.
    pub chain: Vec<Chained>,
}

/// The cause or context of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chained {
    /// Its type and message.
    pub message: String,
    /// True if the other was raised `from` it (`__cause__`); else the other was raised while this one was handled
    /// (`__context__`).
    pub is_cause: bool,
}

/// Looks for the uncaught exception; `None` where there is none, or it is not certain which one it is.
pub fn uncaught(memory: &Memory<'_>, place: &Interpreter) -> Option<Uncaught> {
    let OffsetTable::Known(offsets) = &place.0 else { return None };
    let objects = Objects::new(memory, offsets);
    let mut types: HashMap<u64, bool> = HashMap::new();
    let mut found = Vec::new();
    for chunk in memory.chunks(0..memory.size) {
        let Chunk::Captured(segment) = chunk else { continue };
        let first = segment.address.next_multiple_of(8);
        let Some(bytes) = segment.bytes.get((first - segment.address) as usize..) else { continue };
        for (nth, words) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let [count, ty] = [&words[..4], &words[4..]]
                .map(|word| u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]])));
            // The object must have a plausible reference count, and its type a plausible address.
            if !(1..1 << 20).contains(&count) || ty < 1024 || ty % 4 != 0 {
                continue;
            }
            if *types.entry(ty).or_insert_with(|| objects.is_exception_type(ty)) {
                found.extend(read(&objects, first + 8 * nth as u64));
            }
            // If there are several, or not all could be looked at, nothing says which one it is.
            if found.len() > 1 || objects.memory.is_spent() {
                return None;
            }
        }
    }
    found.pop()
}

/// Reads an exception, if each function of its traceback has ended where the traceback says.
fn read(objects: &Objects<'_, '_>, exception: u64) -> Option<Uncaught> {
    let args = objects.pointer(exception + ARGS)?;
    objects.type_of(args).filter(|kind| kind.name == "tuple")?;
    let mut frames = Vec::new();
    let mut at = objects.pointer(exception + TRACEBACK).filter(|&at| at != 0)?;
    while at != 0 {
        objects.type_of(at).filter(|kind| kind.name == "traceback" && frames.len() < MAX_FRAMES)?;
        let object = objects.pointer(at + FRAME)?;
        objects.type_of(object).filter(|kind| kind.name == "frame")?;
        let contents = objects.pointer(object + CONTENTS)?;
        let last = objects.memory.uint(at + LAST_INSTRUCTION, 4).ok()?;
        if instruction(objects, contents)? != last {
            return None;
        }
        frames.push(frame(objects, objects.offsets, contents, None)?);
        at = objects.pointer(at + NEXT)?;
    }
    frames.reverse();
    Some(Uncaught { message: message(objects, exception)?, frames, chain: chain(objects, exception) })
}

/// The type and message of an exception.
fn message(objects: &Objects<'_, '_>, exception: u64) -> Option<String> {
    let kind = objects.type_of(exception)?;
    let args = objects.pointer(exception + ARGS)?;
    objects.is_exception_type(objects.pointer(exception + objects.offsets.ob_type)?).then_some(())?;
    objects.type_of(args).filter(|kind| kind.name == "tuple")?;
    let said = match objects.derives_from(kind.address, "BaseExceptionGroup") {
        true => group(objects, args)?,
        false => said(objects, &kind.name, args),
    };
    Some(if said.is_empty() { kind.name } else { format!("{}: {said}", kind.name) })
}

/// The chain of exceptions that led to one, as a traceback shows them: its cause, or else its context.
fn chain(objects: &Objects<'_, '_>, exception: u64) -> Vec<Chained> {
    let mut chain = Vec::new();
    let mut seen = vec![exception];
    let mut at = exception;
    while chain.len() < MAX_CHAIN {
        let behind = |offset: u64| objects.pointer(at + offset).filter(|&behind| behind != 0);
        let suppressed = || objects.memory.uint(at + SUPPRESS_CONTEXT, 1).ok() == Some(1);
        let (next, is_cause) = match (behind(CAUSE), behind(CONTEXT)) {
            (Some(cause), _) => (cause, true),
            (None, Some(context)) if !suppressed() => (context, false),
            _ => break,
        };
        let Some(message) = message(objects, next).filter(|_| !seen.contains(&next)) else { break };
        chain.push(Chained { message, is_cause });
        seen.push(next);
        at = next;
    }
    chain
}

/// The message of an exception from its arguments: nothing, the only one, or a tuple of all.
fn said(objects: &Objects<'_, '_>, name: &str, args: u64) -> String {
    let limits = Limits { depth: 4, elements: 32 };
    match objects.tuple(args, 2) {
        Some((_, 0)) | None => String::new(),
        // The key of a `KeyError` is shown by its `repr()`.
        Some((only, 1)) if name == "KeyError" => objects.repr(only[0], limits).unwrap_or_default(),
        Some((only, 1)) => objects.str(only[0]).or_else(|| objects.repr(only[0], limits)).unwrap_or_default(),
        Some(_) => objects.repr(args, limits).unwrap_or_default(),
    }
}

/// The message of an exception group: `several (2 sub-exceptions)`.
fn group(objects: &Objects<'_, '_>, args: u64) -> Option<String> {
    let (parts, _) = objects.tuple(args, 2).filter(|(parts, _)| parts.len() == 2)?;
    let count = match &*objects.type_of(parts[1])?.name {
        "tuple" => objects.tuple(parts[1], 0)?.1,
        "list" => objects.list(parts[1], 0)?.1,
        _ => return None,
    };
    let plural = if count == 1 { "" } else { "s" };
    Some(format!("{} ({count} sub-exception{plural})", objects.str(parts[0])?))
}
