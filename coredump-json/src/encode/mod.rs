//! `--encode`: converts a document back to a dump.

mod contents;
mod input;
mod values;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use coredump_core::Bytes;
use coredump_core::cli::input::Input;
use coredump_core::cli::input::stays_in;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::{Memory, Segment};
use coredump_core::model::{CoreDump, Frame, Global, Instance, Layout, ModuleRecord, Reason, Table, Thread, Value};
use coredump_core::objects::Objects;
use coredump_core::write;

use contents::{Spool, Spooled, sidecar};
use input::{Document, Typed};
use values::wrong;

/// Reads the document and writes its dump. With `confined`, files that the document names are read only if they lie in
/// its own folder or below.
pub fn run(input: &Input, confined: bool, output: impl Write) -> Result<()> {
    let bytes = input.open_any()?;
    let blame = |error: serde_json::Error| {
        let message = format!("not a document of coredump-json: {error}");
        input.blame(Error::new(ErrorKind::Malformed, message))
    };
    let text = str::from_utf8(&bytes).map_err(|error| {
        input.blame(Error::malformed(error.valid_up_to() as u64, "not a document of coredump-json: it is not UTF-8"))
    })?;
    let document: Document<'_> = serde_json::from_str(text).map_err(blame)?;
    if document.version != Some(1) {
        let message = "not a document of coredump-json: it has no \"version\": 1";
        return Err(input.blame(Error::new(ErrorKind::Malformed, message)));
    }
    let folder = input.path().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let sources = Contents::collect(&document, folder, confined).map_err(|error| input.blame(error))?;
    let dump = sources.dump(document).map_err(|error| input.blame(error))?;
    write::write(&dump, output)?;
    Ok(())
}

/// The contents of memories and embedded modules.
struct Contents {
    spool: Bytes,
    files: HashMap<PathBuf, Bytes>,
    folder: PathBuf,
    /// The contents of each range, by memory.
    ranges: Vec<Vec<Option<Spooled>>>,
    modules: Vec<Option<Spooled>>,
    objects: Option<Spooled>,
}

impl Contents {
    fn collect(document: &Document<'_>, folder: PathBuf, confined: bool) -> Result<Self> {
        let mut spool = Spool::new()?;
        let mut files = HashMap::new();
        let mut ranges = Vec::new();
        for (index, memory) in document.memories.iter().enumerate() {
            let mut spooled = Vec::new();
            for range in memory.captured.iter().flatten() {
                let what = format!("memory {index}, range {}", range.address);
                let data = range.data.as_deref();
                spooled.push(data.map(|data| spool.base64(data, Some(range.size), &what)).transpose()?);
                if let Some(file) = &range.file {
                    let path = folder.join(file);
                    if confined && !stays_in(&path, std::slice::from_ref(&folder)) {
                        let message = format!("{what}: {file} is not read: it is not in the document's folder");
                        return Err(
                            Error::new(ErrorKind::Io, message).hint("leave out --untrusted and --no-recorded-paths")
                        );
                    }
                    if !files.contains_key(&path) {
                        files.insert(path.clone(), Bytes::open_regular(&path)?);
                    }
                }
            }
            ranges.push(spooled);
        }
        let mut modules = Vec::new();
        for (index, module) in document.modules.iter().enumerate() {
            let what = format!("module {index}");
            let embedded = module.embedded.as_deref();
            modules.push(embedded.map(|embedded| spool.base64(embedded, None, &what)).transpose()?);
        }
        let objects = document.objects.as_ref();
        let objects = objects.map(|objects| spool.base64(&objects.data, None, "the objects")).transpose()?;
        Ok(Contents { spool: spool.finish()?, files, folder, ranges, modules, objects })
    }

    fn dump(&self, document: Document<'_>) -> Result<CoreDump<'_>> {
        let mut dump = CoreDump {
            offsets: offsets(&document.dump),
            executable: document.dump.executable.or_else(|| document.process.executable.clone()),
            // A producer that was inferred from the layout did not write its name.
            producer: document.dump.producer.filter(|producer| !producer.ends_with("(inferred)")),
            process: document.process,
            host_calls: document.host_calls,
            objects: self.objects.map(|objects| Objects::new(objects.bytes(&self.spool), 0)),
            ..CoreDump::default()
        };
        dump.reason =
            document.reason.filter(|reason| reason.source.as_deref() != Some("inferred")).map(|reason| Reason {
                kind: reason.kind,
                message: reason.message,
                guest_stderr: reason.guest_stderr,
                exception: reason.exception,
            });
        let modules = document.modules.into_iter().zip(&self.modules);
        dump.modules = modules
            .map(|(module, embedded)| ModuleRecord {
                name: module.name,
                path: module.path,
                sha256: module.sha256,
                content_sha256: module.content_sha256,
                digest: module.digest,
                stamp: module.stamp,
                build_id: module.build_id,
                embedded: embedded.as_ref().map(|embedded| embedded.bytes(&self.spool)),
            })
            .collect();
        let instances = document.instances.into_iter();
        dump.instances = instances
            .map(|instance| Instance {
                module: instance.module,
                memories: instance.memories,
                globals: instance.globals,
                tables: instance.tables,
            })
            .collect();
        // Stacks that a language's runtime keeps in memory are in the memory that is written, and are no threads or
        // frames.
        let ran = |recorded: &input::Thread| recorded.frames.first().is_none_or(|frame| !frame.in_memory);
        for (index, recorded) in document.threads.into_iter().filter(ran).enumerate() {
            dump.threads.push(thread(index, recorded)?);
        }
        for (index, memory) in document.memories.iter().enumerate() {
            dump.memories.push(self.memory(index, memory)?);
        }
        for (index, global) in document.globals.iter().enumerate() {
            let value = values::value(&global.value, &format!("global {index}"))?;
            let ty = global.value.r#type.clone().ok_or_else(|| wrong(&format!("global {index}"), "it has no type"))?;
            dump.globals.push(Global { ty, mutable: global.mutable, value });
        }
        for (index, table) in document.tables.iter().enumerate() {
            let what = format!("table {index}");
            let element =
                values::kind(&table.r#type).ok_or_else(|| wrong(&what, format!("unknown type {:?}", table.r#type)))?;
            let elements =
                table.elements.iter().flatten().map(|element| values::target(element, &what)).collect::<Result<_>>()?;
            dump.tables.push(Table { element, size: table.size, elements });
        }
        Ok(dump)
    }

    fn memory(&self, index: usize, recorded: &input::Memory<'_>) -> Result<Memory<'_>> {
        let mut memory = Memory::new(recorded.size);
        memory.maximum = recorded.maximum;
        memory.page_size = recorded.page_size.unwrap_or(memory.page_size);
        memory.memory64 = recorded.memory64;
        memory.shared = recorded.shared;
        let mut segments = Vec::new();
        let mut known = Vec::new();
        let mut has_zeros = false;
        for (range, spooled) in recorded.captured.iter().flatten().zip(&self.ranges[index]) {
            let what = format!("memory {index}, range {}", range.address);
            let address = values::hex(&range.address, &what)?;
            let end = address.checked_add(range.size).filter(|&end| end <= recorded.size);
            let end = end.ok_or_else(|| wrong(&what, "it leaves the memory"))?;
            let bytes = match (spooled, &range.file) {
                (Some(spooled), _) => Some(spooled.bytes(&self.spool)),
                (None, Some(file)) => {
                    let path = self.folder.join(file);
                    let bytes = &self.files[&path];
                    Some(&bytes[sidecar(bytes, &path, range.offset, range.size)?])
                }
                (None, None) if range.zero => None,
                (None, None) => continue,
            };
            has_zeros |= bytes.is_none();
            known.push(address..end);
            segments.extend(bytes.map(|bytes| Segment { address, bytes }));
        }
        let zero = if has_zeros { known } else { Vec::new() };
        memory.set_contents(segments, zero);
        Ok(memory)
    }
}

/// The layout that says what code offsets mean, if it is not the standard's, in whose layout the dump is written.
fn offsets(file: &input::File) -> Option<Layout> {
    let layout = file.offsets.as_deref().or(file.layout.as_deref()).and_then(Layout::named);
    Layout::of_offsets(layout, file.producer.as_deref())
}

fn thread(index: usize, recorded: input::Thread) -> Result<Thread> {
    let mut frames = Vec::with_capacity(recorded.frames.len());
    for (number, frame) in recorded.frames.into_iter().filter(|frame| !frame.in_memory).enumerate() {
        let what = format!("thread {index}, frame {number}");
        let offset = frame.code_offset.map(|offset| values::hex(&offset, &what)).transpose()?;
        let offset =
            offset.map(|offset| u32::try_from(offset).map_err(|_| wrong(&what, "its code offset is too large")));
        frames.push(Frame {
            instance: frame.instance,
            module: frame.module.filter(|_| frame.instance.is_none()),
            function: frame.function_index,
            code_offset: offset.transpose()?,
            locals: all(frame.locals, &what)?,
            stack: all(frame.stack, &what)?,
        });
    }
    Ok(Thread { name: recorded.name.unwrap_or_default(), truncated: recorded.truncated, frames })
}

fn all(recorded: Option<Vec<Typed>>, what: &str) -> Result<Option<Box<[Value]>>> {
    recorded.map(|list| list.iter().map(|typed| values::value(typed, what)).collect()).transpose()
}
