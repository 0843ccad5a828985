//! The frames of a `corestack` section, in the standard's encoding and in those that came before it.

use wasmparser::BinaryReader;

use crate::error::{Error, Result};
use crate::limits::{MAX_FRAMES, MAX_VALUES};
use crate::model::{CoreDump, Frame, Thread, Value, Warning};
use crate::producers::{Encoding, Values};
use crate::sections::RawSection;
use crate::sections::input::{capacity, failed, index, name, version};

/// The numbers of frames and values that may still be read of one dump, all its threads together.
#[derive(Debug)]
pub struct Budget {
    frames: usize,
    values: usize,
    /// True if values were read and not kept.
    pub values_dropped: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { frames: MAX_FRAMES, values: MAX_VALUES, values_dropped: false }
    }
}

/// Reads a `corestack` section: `0x00 thread-name:name`, then the frames, youngest first. All that was read before a
/// failure stays.
pub fn thread(
    section: &RawSection<'_>,
    encoding: &Encoding,
    budget: &mut Budget,
    dump: &mut CoreDump<'_>,
) -> Result<()> {
    let mut reader = section.reader();
    let mut thread = Thread::default();
    let outcome = frames(&mut reader, encoding, &mut thread, budget);
    let at = Some(reader.original_position() as u64);
    let read = thread.frames.len();
    let outcome = outcome.and_then(|declared| {
        if budget.frames == 0 && read < declared as usize {
            let message = format!("thread {:?} has {declared} frames; the youngest {read} are read", thread.name);
            dump.warnings.push(Warning { message, offset: at });
            thread.truncated = true;
        } else if read < declared as usize {
            // Frames of host functions are counted and not written, so no frame that could be shown is missing.
            let message = format!("thread {:?} declares {declared} frames and has {read}", thread.name);
            dump.warnings.push(Warning { message, offset: at });
        } else if !reader.eof() {
            let extra = reader.bytes_remaining();
            let message = format!("{extra} bytes follow the last frame of a corestack section");
            return Err(Error::malformed(reader.original_position() as u64, message));
        }
        Ok(())
    });
    thread.truncated |= outcome.is_err();
    dump.threads.push(thread);
    outcome
}

/// Reads the thread's name and its frames; returns how many frames it declares.
pub fn frames(
    reader: &mut BinaryReader<'_>,
    encoding: &Encoding,
    thread: &mut Thread,
    budget: &mut Budget,
) -> Result<u32> {
    version(reader, "corestack")?;
    thread.name = name(reader, "a thread's name")?;
    let count = encoding.numbers.read(reader, "the number of frames")?;
    if encoding.size {
        encoding.numbers.read(reader, "the size of the frames")?;
    }
    thread.frames.reserve_exact(capacity(reader, count, 6).min(budget.frames));
    for _ in 0..count {
        if budget.frames == 0 || (encoding.may_end_early && reader.eof()) {
            break;
        }
        thread.frames.push(frame(reader, encoding, budget)?);
        budget.frames -= 1;
    }
    Ok(count)
}

fn frame(reader: &mut BinaryReader<'_>, encoding: &Encoding, budget: &mut Budget) -> Result<Frame> {
    if encoding.version {
        version(reader, "a frame")?;
    }
    let numbers = encoding.numbers;
    let instance = match encoding.instance {
        true => index(numbers.read(reader, "a frame's instance index")?),
        false => None,
    };
    let mut frame = Frame {
        instance,
        module: None,
        function: index(numbers.read(reader, "a frame's function index")?),
        code_offset: index(numbers.read(reader, "a frame's code offset")?),
        locals: None,
        stack: None,
    };
    const LOCALS: &str = "a frame's locals";
    const STACK: &str = "a frame's operand stack";
    let fixed = encoding.values != Values::Vectors;
    let locals = numbers.read(reader, LOCALS)?;
    match encoding.values {
        Values::Vectors => {
            frame.locals = values(reader, locals, fixed, LOCALS, budget)?;
            let operands = numbers.read(reader, STACK)?;
            frame.stack = values(reader, operands, fixed, STACK, budget)?;
        }
        Values::BothCounts { operands: written } => {
            let operands = numbers.read(reader, STACK)?;
            frame.locals = values(reader, locals, fixed, LOCALS, budget)?;
            if written {
                frame.stack = values(reader, operands, fixed, STACK, budget)?;
            }
        }
        Values::OneCount => frame.locals = values(reader, locals, fixed, LOCALS, budget)?,
    }
    Ok(frame)
}

/// Reads `count` values. A count of 0 means that the producer does not know them (tool-conventions issue 210).
fn values(
    reader: &mut BinaryReader<'_>,
    count: u32,
    fixed: bool,
    what: &str,
    budget: &mut Budget,
) -> Result<Option<Box<[Value]>>> {
    if count == 0 {
        return Ok(None);
    }
    if count as usize > budget.values {
        budget.values_dropped = true;
        for _ in 0..count {
            value(reader, fixed, what)?;
        }
        return Ok(None);
    }
    let mut values = Vec::with_capacity(capacity(reader, count, 2));
    for _ in 0..count {
        values.push(value(reader, fixed, what)?);
    }
    budget.values -= values.len();
    Ok(Some(values.into_boxed_slice()))
}

fn value(reader: &mut BinaryReader<'_>, fixed: bool, what: &str) -> Result<Value> {
    let start = reader.original_position() as u64;
    Ok(match reader.read_u8().map_err(failed(what))? {
        0x01 => Value::Missing,
        0x7f if fixed => Value::I32(reader.read_u32().map_err(failed(what))? as i32),
        0x7e if fixed => Value::I64(reader.read_u64().map_err(failed(what))? as i64),
        0x7f => Value::I32(reader.read_var_i32().map_err(failed(what))?),
        0x7e => Value::I64(reader.read_var_i64().map_err(failed(what))?),
        0x7d => Value::F32(reader.read_f32().map_err(failed(what))?.bits()),
        0x7c => Value::F64(reader.read_f64().map_err(failed(what))?.bits()),
        tag => return Err(Error::malformed(start, format!("{what}: unknown value type {tag:#04x}"))),
    })
}
