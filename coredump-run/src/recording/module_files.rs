//! Follows the files that a program of WASI 0.1 has open.

use std::collections::HashMap;
use std::ops::Range;

use coredump_core::internals::recording::Passage;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p1::{WasiP1Ctx, wasi_snapshot_preview1 as p1};
use wiggle::GuestMemory;

use super::keeper::{Keeper, Opened, at_once};
use super::log::Log;

/// The files that a program has open for reading.
#[derive(Default)]
pub struct Files {
    keeper: Keeper,
    /// The files by their descriptors.
    open: HashMap<u32, Opened>,
    /// The call of `path_open` that is under way.
    opening: Option<Opening>,
}

/// A call that opens a file.
struct Opening {
    name: String,
    /// The number that the file will have in the table of resources.
    resource: u32,
    /// True if the program may change the file.
    writes: bool,
}

/// The rights to read and to write, and the flag that truncates a file (`typenames.witx`).
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;
const TRUNCATE: u64 = 1 << 3;

/// Arguments of `path_open`.
pub type Open = [u64; 9];

impl Files {
    /// The files of a program that begins: only its standard input, if that is a file.
    pub fn with_input() -> Files {
        Files { open: Opened::input().map(|input| (0, input)).into_iter().collect(), ..Files::default() }
    }

    /// Is called when `path_open` begins.
    pub fn opens(&mut self, arguments: &Open, name: Option<&str>, wasi: &mut WasiP1Ctx, log: &Log) {
        let [fd, lookup, _, _, flags, rights, ..] = *arguments;
        let truncates = flags & TRUNCATE != 0;
        if truncates
            && self.keeper.has_any()
            && let Some(file) = name.and_then(|name| inode_of(wasi, fd as i32, lookup as i32, name))
        {
            self.keeper.is_written(Some(file), log);
        }
        let writes = truncates || rights & WRITE != 0;
        let opening = |resource| Opening { name: name.unwrap_or_default().to_owned(), resource, writes };
        let followed = writes || rights & READ != 0;
        // The very first call creates the descriptors of the standard streams and of the folders, which are resources
        // as well.
        let _ = position(wasi, fd as u32);
        self.opening = followed.then(|| next_number(wasi.ctx().table)).flatten().map(opening);
    }

    /// Is called when `path_open` returned, with a descriptor if it succeeded.
    pub fn opened(&mut self, fd: Option<u32>, wasi: &mut WasiP1Ctx, log: &Log) {
        let (Some(opening), Some(fd)) = (self.opening.take(), fd) else { return };
        self.open.remove(&fd);
        if opening.writes {
            return self.keeper.is_written(inode(wasi, fd), log);
        }
        let resource = Resource::<Descriptor>::new_borrow(opening.resource);
        if let Ok(Descriptor::File(file)) = wasi.ctx().table.get(&resource) {
            self.open.insert(fd, Opened::new(file.file.clone(), opening.name));
        }
    }

    /// Is called when a call that changes the names of files begins.
    pub fn renames(&self) {
        self.keeper.renames();
    }

    /// Is called when a call that changes the names of files has returned.
    pub fn renamed(&self) {
        self.keeper.renamed();
    }

    /// Is called when `fd_close` succeeded.
    pub fn closed(&mut self, fd: u32) {
        self.open.remove(&fd);
    }

    /// Is called when `fd_renumber` succeeded.
    pub fn renumbered(&mut self, from: u32, to: u32) {
        self.open.remove(&to);
        if let Some(opened) = self.open.remove(&from) {
            self.open.insert(to, opened);
        }
    }

    /// The passage that stands for the bytes that `fd_read` or, with an offset, `fd_pread` read, if there is one.
    pub fn read(
        &mut self,
        fd: u32,
        offset: Option<u64>,
        bytes: &[u8],
        wasi: &mut WasiP1Ctx,
        log: &Log,
    ) -> Option<Passage> {
        let (opened, len) = (self.open.get_mut(&fd)?, bytes.len() as u64);
        if let Some(next) = &mut opened.next {
            let at = *next;
            *next += len;
            return self.keeper.refer(opened, |input| input.inode(wasi), at, bytes, log);
        }
        let offset = offset.or_else(|| position(wasi, fd)?.checked_sub(len))?;
        self.keeper.refer(opened, |_| inode(wasi, fd), offset, bytes, log)
    }

    /// Notes that unknown bytes were read: the position of standard input is not known any more.
    pub fn lost(&mut self, fd: u32) {
        if self.open.get(&fd).is_some_and(|opened| opened.next.is_some()) {
            self.open.remove(&fd);
        }
    }
}

/// The number that the next resource in the table gets. Free numbers are reused, the last one first.
fn next_number(table: &mut ResourceTable) -> Option<u32> {
    let probe = table.push(()).ok()?;
    let number = probe.rep();
    table.delete(probe).ok()?;
    Some(number)
}

/// The offset of a file's next read.
fn position(wasi: &mut WasiP1Ctx, fd: u32) -> Option<u64> {
    let mut bytes = [0; 8];
    let told = p1::fd_tell(wasi, &mut GuestMemory::Unshared(&mut bytes), fd as i32, 0);
    (told.ok()? == 0).then(|| u64::from_le_bytes(bytes))
}

/// Size of a `filestat` in bytes, and the offset of the inode number in it.
const STAT: usize = 64;
const INODE: Range<usize> = 8..16;

fn inode(wasi: &mut WasiP1Ctx, fd: u32) -> Option<u64> {
    let mut bytes = [0; STAT];
    let told = at_once(p1::fd_filestat_get(wasi, &mut GuestMemory::Unshared(&mut bytes), fd as i32, 0))?;
    (told.ok()? == 0).then(|| u64::from_le_bytes(bytes[INODE].try_into().unwrap_or_default()))
}

fn inode_of(wasi: &mut WasiP1Ctx, fd: i32, lookup: i32, name: &str) -> Option<u64> {
    let mut bytes = vec![0; STAT];
    bytes.extend_from_slice(name.as_bytes());
    let len = i32::try_from(name.len()).ok()?;
    let mut memory = GuestMemory::Unshared(&mut bytes);
    let told = at_once(p1::path_filestat_get(wasi, &mut memory, fd, lookup, STAT as i32, len, 0))?;
    (told.ok()? == 0).then(|| u64::from_le_bytes(bytes[INODE].try_into().unwrap_or_default()))
}
