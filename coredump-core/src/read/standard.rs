//! The standard's own sections: `core`, `coremodules`, `coreinstances`, `corestack` (tool-conventions `Coredump.md`).
//!
//! Each function adds to the dump as it reads, so that what came before a failure stays.

use wasmparser::BinaryReader;

use crate::error::{Error, Result};
use crate::limits::{MAX_FRAMES, MAX_VALUES};
use crate::model::{CoreDump, Frame, Instance, ModuleRecord, Thread, Value, Warning};

use super::input::{capacity, failed, index, name};
use super::sections::RawSection;

/// `core`: `0x00 executable-name:name`.
pub fn executable(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    version(&mut reader, "core")?;
    let executable = name(&mut reader, "the executable's name")?;
    if !executable.is_empty() {
        dump.executable = Some(executable);
    }
    Ok(())
}

/// `coremodules`: `vec(0x00 module-name:name)`.
pub fn modules(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let count = reader.read_var_u32().map_err(failed("the number of modules"))?;
    for _ in 0..count {
        version(&mut reader, "a module of coremodules")?;
        let name = name(&mut reader, "a module's name")?;
        dump.modules.push(ModuleRecord { name: (!name.is_empty()).then_some(name), ..ModuleRecord::default() });
    }
    Ok(())
}

/// `coreinstances`: `vec(0x00 moduleidx:u32 memories:vec(u32) globals:vec(u32))`.
pub fn instances(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let count = reader.read_var_u32().map_err(failed("the number of instances"))?;
    for _ in 0..count {
        version(&mut reader, "an instance of coreinstances")?;
        let module = index(reader.read_var_u32().map_err(failed("an instance's module index"))?);
        let memories = indices(&mut reader, "an instance's memories")?;
        let globals = indices(&mut reader, "an instance's globals")?;
        dump.instances.push(Instance { module, memories, globals, tables: None });
    }
    Ok(())
}

/// `corestack`: `0x00 thread-name:name vec(frame)`, youngest frame first.
pub fn thread(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    version(&mut reader, "corestack")?;
    let mut thread = Thread { name: name(&mut reader, "a thread's name")?, ..Thread::default() };
    let outcome = frames(&mut reader, &mut thread, dump);
    thread.truncated |= outcome.is_err();
    dump.threads.push(thread);
    outcome
}

fn frames(reader: &mut BinaryReader<'_>, thread: &mut Thread, dump: &mut CoreDump<'_>) -> Result<()> {
    let count = reader.read_var_u32().map_err(failed("the number of frames"))?;
    let room = MAX_FRAMES - dump.threads.iter().map(|thread| thread.frames.len()).sum::<usize>().min(MAX_FRAMES);
    let kept = (count as usize).min(room);
    thread.frames.reserve_exact(capacity(reader, kept as u32, 6));
    let mut values_left = MAX_VALUES;
    for _ in 0..kept {
        thread.frames.push(frame(reader, &mut values_left)?);
    }
    if kept < count as usize {
        thread.truncated = true;
        dump.warnings.push(Warning {
            message: format!("thread {:?} has {count} frames; the youngest {kept} are read", thread.name),
            offset: Some(reader.original_position() as u64),
        });
    } else if !reader.eof() {
        let extra = reader.bytes_remaining();
        let error = format!("{extra} bytes follow the last frame of a corestack section");
        return Err(Error::malformed(reader.original_position() as u64, error));
    }
    Ok(())
}

/// `0x00 instanceidx:u32 funcidx:u32 codeoffset:u32 locals:vec(value) stack:vec(value)`.
fn frame(reader: &mut BinaryReader<'_>, values_left: &mut usize) -> Result<Frame> {
    version(reader, "a frame")?;
    let mut number = |what| reader.read_var_u32().map(index).map_err(failed(what));
    Ok(Frame {
        instance: number("a frame's instance index")?,
        function: number("a frame's function index")?,
        code_offset: number("a frame's code offset")?,
        locals: values(reader, "a frame's locals", values_left)?,
        stack: values(reader, "a frame's operand stack", values_left)?,
    })
}

/// A vector of values. An empty one means that the producer does not know (tool-conventions issue 210).
fn values(reader: &mut BinaryReader<'_>, what: &str, left: &mut usize) -> Result<Option<Box<[Value]>>> {
    let start = reader.original_position() as u64;
    let count = reader.read_var_u32().map_err(failed(what))?;
    if count == 0 {
        return Ok(None);
    }
    if count as usize > *left {
        return Err(Error::malformed(start, format!("{what}: {count} values are more than this reader keeps")));
    }
    *left -= count as usize;
    let mut values = Vec::with_capacity(capacity(reader, count, 1));
    for _ in 0..count {
        values.push(value(reader, what)?);
    }
    Ok(Some(values.into_boxed_slice()))
}

fn value(reader: &mut BinaryReader<'_>, what: &str) -> Result<Value> {
    let start = reader.original_position() as u64;
    Ok(match reader.read_u8().map_err(failed(what))? {
        0x01 => Value::Missing,
        0x7f => Value::I32(reader.read_var_i32().map_err(failed(what))?),
        0x7e => Value::I64(reader.read_var_i64().map_err(failed(what))?),
        0x7d => Value::F32(reader.read_f32().map_err(failed(what))?.bits()),
        0x7c => Value::F64(reader.read_f64().map_err(failed(what))?.bits()),
        tag => return Err(Error::malformed(start, format!("{what}: unknown value type {tag:#04x}"))),
    })
}

/// `producers`: who wrote the dump (tool-conventions `ProducersSection.md`), for the `processed-by` field.
pub fn producers(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let fields = reader.read_var_u32().map_err(failed("the producers section"))?;
    for _ in 0..fields {
        let field = name(&mut reader, "a field of the producers section")?;
        let count = reader.read_var_u32().map_err(failed("the producers section"))?;
        for _ in 0..count {
            let program = name(&mut reader, "a name in the producers section")?;
            let version = name(&mut reader, "a version in the producers section")?;
            if field == "processed-by" && dump.producer.is_none() {
                dump.producer = Some(format!("{program} {version}").trim_end().to_owned());
            }
        }
    }
    Ok(())
}

fn indices(reader: &mut BinaryReader<'_>, what: &str) -> Result<Vec<Option<u32>>> {
    let count = reader.read_var_u32().map_err(failed(what))?;
    let mut indices = Vec::with_capacity(capacity(reader, count, 1));
    for _ in 0..count {
        indices.push(index(reader.read_var_u32().map_err(failed(what))?));
    }
    Ok(indices)
}

/// The version byte, always 0, before each thing of the standard.
fn version(reader: &mut BinaryReader<'_>, what: &str) -> Result<()> {
    let start = reader.original_position() as u64;
    match reader.read_u8().map_err(failed(what))? {
        0 => Ok(()),
        other => Err(Error::malformed(start, format!("{what}: version byte {other:#04x}, expected 0x00"))),
    }
}
