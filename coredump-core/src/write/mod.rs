//! Writes a core dump in the standard layout (tool-conventions, `Coredump.md`) with our extension sections.
//!
//! Everything but memory is small and encoded first. The size of the data section is computed from the segments, and
//! then their bytes are written straight from where they lie, without a second copy. wasm-encoder's own sections are
//! not used for that reason, and because they panic on what they cannot hold.

mod extensions;
mod memories;
pub mod scan;
mod stack;
#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, IoSlice, Write};

use wasm_encoder::Encode;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{CoreDump, Global, RefKind, Value};

/// Stands for an index the producer does not know, as Wasmtime writes it.
pub(crate) const UNKNOWN_INDEX: u32 = u32::MAX;

/// Size in bytes of the output buffer; longer runs of guest memory are written directly.
const BUFFER: usize = 1 << 20;
/// The most bytes of one write, because a signal that ends the process waits until the current write is done.
const AT_ONCE: usize = 1 << 20;

/// Writes `dump` as a core dump module in the standard layout. Returns its size in bytes.
///
/// Memory that does not fit in one data section (4 GiB) is left out from the high end of the largest memory, and the
/// dump says so. [`CoreDump::layout`], [`CoreDump::sections`], [`CoreDump::size`] and the warnings say how a dump was
/// read and are not written.
///
/// # Errors
///
/// The output's own failure, or [`ErrorKind::TooLarge`] when anything but memory exceeds what a section can hold.
pub fn write(dump: &CoreDump<'_>, output: impl Write) -> Result<u64> {
    write_within(memories::SECTION_LIMIT, dump, output)
}

/// As [`write`], with another limit in bytes for the data section, since tests cannot fill 4 GiB.
fn write_within(limit: u64, dump: &CoreDump<'_>, output: impl Write) -> Result<u64> {
    let mut sections = Sections { output: BufWriter::with_capacity(BUFFER, output), written: 0 };
    let data = memories::plan(&dump.memories, limit);
    sections.bytes(&wasm_encoder::Module::HEADER)?;

    let mut body = vec![0];
    dump.executable.as_deref().unwrap_or("").encode(&mut body);
    sections.custom("core", &body)?;
    sections.custom("coremodules", &modules(dump))?;
    sections.custom("coreinstances", &instances(dump))?;
    extensions::write(dump, &data, &mut sections)?;
    for thread in &dump.threads {
        sections.custom("corestack", &stack::thread(thread))?;
    }
    if let Some(producer) = &dump.producer {
        sections.custom("producers", &producers(producer))?;
    }
    if !dump.memories.is_empty() {
        sections.section(5, &memories::types(&dump.memories)?)?;
    }
    if !dump.globals.is_empty() {
        sections.section(6, &globals(&dump.globals))?;
    }
    // The section is written even without a segment: a file that lacks it is known to be cut off.
    if !dump.memories.is_empty() {
        data.write(&mut sections)?;
    }
    for (index, module) in dump.modules.iter().enumerate() {
        if let Some(bytes) = module.embedded {
            let mut head = Vec::new();
            crate::extension::EMBEDDED_MODULE.encode(&mut head);
            (index as u32).encode(&mut head);
            sections.begin(0, head.len() as u64 + bytes.len() as u64)?;
            sections.bytes(&head)?;
            sections.bytes(bytes)?;
        }
    }
    if let Some(component) = &dump.component {
        let parts = component.parts();
        sections.custom_parts(crate::component::SECTION, &parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
    }
    if let Some(objects) = &dump.objects {
        sections.custom_parts(crate::objects::SECTION, &objects.parts())?;
    }
    if let Some(recording) = &dump.recording {
        sections.custom_parts(crate::recording::SECTION, &[recording.head, recording.log])?;
    }
    sections.output.flush().map_err(|error| Error::io("cannot write", error))?;
    Ok(sections.written)
}

/// The output, and how many bytes were written.
struct Sections<W: Write> {
    output: BufWriter<W>,
    written: u64,
}

impl<W: Write> Sections<W> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.write_all(bytes).map_err(|error| Error::io("cannot write", error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes the pieces, directly from where they lie if they are many or large.
    fn gather(&mut self, mut pieces: &mut [IoSlice<'_>]) -> Result<()> {
        self.written += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        IoSlice::advance_slices(&mut pieces, 0);
        while let Some(first) = pieces.first() {
            let lengths = pieces.iter().scan(0, |sum: &mut usize, piece| {
                *sum += piece.len();
                Some(*sum)
            });
            let written = match lengths.take_while(|&sum| sum <= AT_ONCE).count() {
                0 => self.output.write(&first[..AT_ONCE]),
                whole => self.output.write_vectored(&pieces[..whole]),
            };
            match written {
                Ok(0) => return Err(Error::io("cannot write", io::ErrorKind::WriteZero.into())),
                Ok(count) => IoSlice::advance_slices(&mut pieces, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("cannot write", error)),
            }
        }
        Ok(())
    }

    /// The head of a section whose contents take `size` bytes.
    fn begin(&mut self, id: u8, size: u64) -> Result<()> {
        let size = u32::try_from(size).map_err(|_| {
            Error::new(ErrorKind::TooLarge, format!("a section of {size} bytes does not fit in a WebAssembly file"))
        })?;
        let mut head = vec![id];
        size.encode(&mut head);
        self.bytes(&head)
    }

    fn section(&mut self, id: u8, contents: &[u8]) -> Result<()> {
        self.begin(id, contents.len() as u64)?;
        self.bytes(contents)
    }

    fn custom(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        self.custom_parts(name, &[contents])
    }

    /// A custom section whose contents lie in several places.
    fn custom_parts(&mut self, name: &str, parts: &[&[u8]]) -> Result<()> {
        let mut head = Vec::new();
        name.encode(&mut head);
        self.begin(0, parts.iter().fold(head.len() as u64, |size, part| size + part.len() as u64))?;
        self.bytes(&head)?;
        parts.iter().try_for_each(|part| self.bytes(part))
    }
}

fn modules(dump: &CoreDump<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    dump.modules.len().encode(&mut body);
    for module in &dump.modules {
        body.push(0);
        module.name.as_deref().unwrap_or("").encode(&mut body);
    }
    body
}

fn instances(dump: &CoreDump<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    dump.instances.len().encode(&mut body);
    for instance in &dump.instances {
        body.push(0);
        instance.module.unwrap_or(UNKNOWN_INDEX).encode(&mut body);
        for indices in [&instance.memories, &instance.globals] {
            indices.len().encode(&mut body);
            for index in indices {
                index.unwrap_or(UNKNOWN_INDEX).encode(&mut body);
            }
        }
    }
    body
}

/// The `producers` section (tool-conventions, `ProducersSection.md`) with one tool, given as `name version`.
fn producers(producer: &str) -> Vec<u8> {
    let (name, version) = producer.rsplit_once(' ').unwrap_or((producer, ""));
    let mut body = vec![1];
    "processed-by".encode(&mut body);
    body.push(1);
    name.encode(&mut body);
    version.encode(&mut body);
    body
}

fn globals(globals: &[Global]) -> Vec<u8> {
    let mut body = Vec::new();
    globals.len().encode(&mut body);
    for global in globals {
        let (ty, init) = match &global.value {
            Value::I32(value) => (0x7F, constant(0x41, |body| value.encode(body))),
            Value::I64(value) => (0x7E, constant(0x42, |body| value.encode(body))),
            Value::F32(bits) => (0x7D, constant(0x43, |body| body.extend(bits.to_le_bytes()))),
            Value::F64(bits) => (0x7C, constant(0x44, |body| body.extend(bits.to_le_bytes()))),
            Value::V128(bytes) => (0x7B, vector(bytes)),
            Value::Ref(reference) => null(reference.kind),
            // The section `coredump.values` says that this constant means nothing.
            Value::Missing => match global.ty.as_str() {
                "i64" => (0x7E, vec![0x42, 0]),
                "f32" => (0x7D, constant(0x43, |body| body.extend([0; 4]))),
                "f64" => (0x7C, constant(0x44, |body| body.extend([0; 8]))),
                "v128" => (0x7B, vector(&[0; 16])),
                "funcref" => null(RefKind::Func),
                "externref" => null(RefKind::Extern),
                "anyref" => null(RefKind::Any),
                "exnref" => null(RefKind::Exn),
                "contref" => null(RefKind::Cont),
                _ => (0x7F, vec![0x41, 0]),
            },
        };
        body.push(ty);
        body.push(global.mutable.into());
        body.extend(init);
        body.push(0x0B);
    }
    body
}

fn constant(opcode: u8, operand: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut init = vec![opcode];
    operand(&mut init);
    init
}

fn vector(bytes: &[u8; 16]) -> Vec<u8> {
    let mut init = vec![0xFD, 0x0C];
    init.extend(bytes);
    init
}

/// The type's byte, and the instruction `ref.null` for it.
fn null(kind: RefKind) -> (u8, Vec<u8>) {
    let heap = match kind {
        RefKind::Func => 0x70,
        RefKind::Extern => 0x6F,
        RefKind::Any => 0x6E,
        RefKind::Exn => 0x69,
        RefKind::Cont => 0x68,
    };
    (heap, vec![0xD0, heap])
}
