//! Follows the files that a component has open, by the encoded arguments and results of its calls.

use std::collections::HashMap;

use coredump_core::internals::recording::{Passage, Read};
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::bindings::filesystem::types::{HostDescriptor, PathFlags};

use super::keeper::{Keeper, Opened, at_once};
use super::log::Log;
use crate::values::{Input, Value};

/// The effect of a function on files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileCall {
    /// Nothing that matters here.
    None,
    /// Opens a file.
    Open,
    /// Reads from a file at an offset.
    ReadAt,
    /// Creates a stream of a file.
    Stream,
    /// Reads from a stream.
    Read,
    /// Moves the position of the stream that is the first argument in another way, or drops it.
    Leave,
    /// Moves the position of the stream that is its second argument.
    Splice,
    /// Closes a descriptor.
    Close,
    /// Creates a stream of standard input.
    Input,
    /// Changes the names of files.
    Rename,
}

impl FileCall {
    /// Returns the effect of the function `name` of an interface on files.
    pub fn from_name(interface: &str, name: &str) -> FileCall {
        match (interface, name) {
            ("wasi:cli/stdin", "get-stdin") => FileCall::Input,
            ("wasi:filesystem/types", "[method]descriptor.open-at") => FileCall::Open,
            ("wasi:filesystem/types", "[method]descriptor.read") => FileCall::ReadAt,
            ("wasi:filesystem/types", "[method]descriptor.read-via-stream") => FileCall::Stream,
            ("wasi:filesystem/types", "[resource-drop]descriptor") => FileCall::Close,
            (
                "wasi:filesystem/types",
                "[method]descriptor.link-at" | "[method]descriptor.rename-at" | "[method]descriptor.unlink-file-at",
            ) => FileCall::Rename,
            ("wasi:io/streams", "[method]input-stream.read" | "[method]input-stream.blocking-read") => FileCall::Read,
            (
                "wasi:io/streams",
                "[method]input-stream.skip" | "[method]input-stream.blocking-skip" | "[resource-drop]input-stream",
            ) => FileCall::Leave,
            ("wasi:io/streams", "[method]output-stream.splice" | "[method]output-stream.blocking-splice") => {
                FileCall::Splice
            }
            _ => FileCall::None,
        }
    }
}

/// The files that a component has open for reading, by the numbers of resources.
#[derive(Default)]
pub struct Files {
    keeper: Keeper,
    descriptors: HashMap<u32, File>,
    /// The streams of files, each with the offset of its next byte.
    streams: HashMap<u32, (File, u64)>,
    /// Standard input, if it is a file and no stream of it was created yet.
    input: Option<Opened>,
    /// The only stream of standard input.
    input_stream: Option<u32>,
    /// The arguments of the present call, as far as they are needed.
    call: CallArguments,
}

#[derive(Clone)]
struct File {
    opened: Opened,
    inode: Option<u64>,
}

#[derive(Default)]
struct CallArguments {
    /// Number of the descriptor or stream.
    this: u32,
    offset: u64,
    name: String,
    /// True if the program may change the file.
    writes: bool,
}

/// Bits of `open-flags` and `descriptor-flags`.
const TRUNCATE: u8 = 1 << 3;
const WRITE: u8 = 1 << 1;

impl Files {
    /// The files of a component that begins: only its standard input, if that is a file.
    pub fn with_input() -> Files {
        Files { input: Opened::input(), ..Files::default() }
    }

    /// Is called when a call begins.
    pub fn begins(&mut self, call: FileCall, arguments: &[u8], wasi: &mut WasiP1Ctx, log: &Log) {
        let mut input = Input::new(arguments);
        let Some(this) = u32::read(&mut input) else { return };
        self.call = CallArguments { this, ..CallArguments::default() };
        match call {
            FileCall::Open => {
                self.call = self.opens(this, &mut input, wasi, log).unwrap_or_default();
            }
            FileCall::ReadAt => {
                let _len = u64::read(&mut input);
                self.call.offset = u64::read(&mut input).unwrap_or_default();
            }
            FileCall::Stream => self.call.offset = u64::read(&mut input).unwrap_or_default(),
            FileCall::Leave => _ = self.streams.remove(&this),
            FileCall::Splice => {
                let source = u32::read(&mut input).unwrap_or_default();
                self.streams.remove(&source);
            }
            FileCall::Close => _ = self.descriptors.remove(&this),
            FileCall::Rename => self.keeper.renames(),
            FileCall::Read | FileCall::Input | FileCall::None => {}
        }
    }

    /// `get-stdin` returned a stream. If there are two streams, their positions are not known.
    fn input(&mut self, stream: u32, wasi: &mut WasiP1Ctx) {
        let Some(opened) = self.input.take() else {
            self.input_stream.take().map(|first| self.streams.remove(&first));
            return;
        };
        let (inode, next) = (opened.inode(wasi), opened.next.unwrap_or_default());
        self.streams.insert(stream, (File { opened, inode }, next));
        self.input_stream = Some(stream);
    }

    /// Handles the beginning of `open-at`.
    fn opens(&mut self, folder: u32, input: &mut Input<'_>, wasi: &mut WasiP1Ctx, log: &Log) -> Option<CallArguments> {
        let lookup = PathFlags::read(input)?;
        let name = String::read(input)?;
        let truncates = input.byte()? & TRUNCATE != 0;
        let writes = truncates || input.byte()? & WRITE != 0;
        if truncates && self.keeper.has_any() {
            let folder = Resource::new_borrow(folder);
            let hash = at_once(wasi.filesystem().metadata_hash_at(folder, lookup, name.clone()));
            // A file that does not exist cannot have been referred to.
            if let Some(Ok(hash)) = hash {
                self.keeper.is_written(Some(hash.lower), log);
            }
        }
        Some(CallArguments { name, writes, ..CallArguments::default() })
    }

    /// Is called when a call ends with these results. If the recording may refer to the file that was read, the bytes
    /// are taken out of the results.
    pub fn ends(&mut self, call: FileCall, results: &mut Vec<u8>, wasi: &mut WasiP1Ctx, log: &Log) -> Option<Read> {
        let mut input = Input::new(results);
        if call == FileCall::Input {
            self.input(u32::read(&mut input)?, wasi);
            return None;
        }
        if call == FileCall::Rename {
            self.keeper.renamed();
            return None;
        }
        // All others return a `result`, whose case comes first.
        if call == FileCall::None || input.byte()? != 0 {
            return None;
        }
        let CallArguments { this, offset, .. } = self.call;
        match call {
            FileCall::Open => {
                self.opened(u32::read(&mut input)?, wasi, log);
                None
            }
            FileCall::Stream => {
                let stream = u32::read(&mut input)?;
                self.streams.remove(&stream);
                let file = self.descriptors.get(&this)?.clone();
                self.streams.insert(stream, (file, offset));
                None
            }
            FileCall::Read => {
                let (file, next) = self.streams.get_mut(&this)?;
                let offset = *next;
                let bytes = input.list()?;
                *next += bytes.len() as u64;
                let passage = refer(&mut self.keeper, file, offset, bytes, log)?;
                Some(taken_out(passage, results))
            }
            FileCall::ReadAt => {
                let file = self.descriptors.get_mut(&this)?;
                let passage = refer(&mut self.keeper, file, offset, input.list()?, log)?;
                Some(taken_out(passage, results))
            }
            FileCall::Leave
            | FileCall::Splice
            | FileCall::Close
            | FileCall::Input
            | FileCall::Rename
            | FileCall::None => None,
        }
    }

    /// Handles the descriptor that `open-at` returned.
    fn opened(&mut self, descriptor: u32, wasi: &mut WasiP1Ctx, log: &Log) {
        self.descriptors.remove(&descriptor);
        let CallArguments { name, writes, .. } = std::mem::take(&mut self.call);
        let file = match wasi.ctx().table.get(&Resource::<Descriptor>::new_borrow(descriptor)) {
            Ok(Descriptor::File(file)) => file.file.clone(),
            // Folders are not read from.
            _ => return,
        };
        let inode = inode(descriptor, wasi);
        match writes {
            true => self.keeper.is_written(inode, log),
            false => {
                let file = File { opened: Opened::new(file, name), inode };
                self.descriptors.insert(descriptor, file);
            }
        }
    }
}

fn refer(keeper: &mut Keeper, file: &mut File, offset: u64, bytes: &[u8], log: &Log) -> Option<Passage> {
    let File { opened, inode } = file;
    keeper.refer(opened, |_| *inode, offset, bytes, log)
}

/// Takes the bytes of a passage out of results, in which they follow a case and their length.
fn taken_out(passage: Passage, results: &mut Vec<u8>) -> Read {
    let mut len = Vec::new();
    passage.len.write(&mut len);
    let at = 1 + len.len();
    results.drain(at..at + passage.len as usize);
    Read { passage, to: at as u64 }
}

fn inode(descriptor: u32, wasi: &mut WasiP1Ctx) -> Option<u64> {
    let hash = at_once(wasi.filesystem().metadata_hash(Resource::new_borrow(descriptor)))?;
    Some(hash.ok()?.lower)
}
