//! Decides which files a recording refers to, and copies them before the program changes one.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use coredump_core::internals::recording::Passage;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{self, Descriptor, OpenMode, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor;
use wasmtime_wasi::{FsPerms, WasiView};

use super::kept::KeptFile;
use super::log::Log;
use super::proof::Proof;

/// The size in bytes from which a read is recorded as a reference.
const LARGE: usize = 4096;

/// The number of files that are kept open at once, so that enough descriptors are left for the program.
const KEPT: usize = 64;

/// The number of files that the program may change and that are remembered.
const WRITTEN: usize = 1 << 16;

/// A file that the program has opened for reading.
#[derive(Clone)]
pub struct Opened {
    file: Arc<File>,
    name: String,
    /// The result of the check whether the recording may refer to the file: its number, if so. `None` before the check.
    kept: Option<Option<u32>>,
    /// The offset of the next byte of standard input, as WASI does not keep one.
    pub next: Option<u64>,
}

impl Opened {
    /// A file that was just opened, with the program's name for it.
    pub fn new(file: Arc<File>, name: String) -> Opened {
        Opened { file, name, kept: None, next: None }
    }

    /// Standard input, if it is a regular file.
    pub fn input() -> Option<Opened> {
        let mut file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
        let next = if file.metadata().ok()?.is_file() { file.stream_position().ok()? } else { return None };
        Some(Opened { next: Some(next), ..Opened::new(Arc::new(file), "standard input".to_owned()) })
    }

    /// The number that WASI would give to the file's inode.
    pub fn inode(&self, wasi: &mut impl WasiView) -> Option<u64> {
        let file = filesystem::File::new(self.file.try_clone().ok()?, FsPerms::ReadOnly, OpenMode::READ, true);
        let descriptor = wasi.ctx().table.push(Descriptor::File(file)).ok()?;
        let hash = at_once(wasi.filesystem().metadata_hash(Resource::new_borrow(descriptor.rep())));
        wasi.ctx().table.delete(descriptor).ok()?;
        Some(hash?.ok()?.lower)
    }
}

/// The files that a recording refers to, and those that the program may change.
#[derive(Default)]
pub struct Keeper {
    /// The files that the recording refers to, by their numbers.
    kept: Vec<Known>,
    /// The files that were opened for writing, by their inode numbers in WASI.
    written: HashSet<u64>,
    /// True if more files were opened for writing than are remembered: then nothing is referred to any more.
    unknown: bool,
}

struct Known {
    inode: u64,
    file: Arc<KeptFile>,
    /// True if the program may change the file.
    is_written: bool,
}

impl Keeper {
    /// Returns true if the recording refers to any file.
    pub fn has_any(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The passage that stands for these bytes, which the program read from a file, if the recording may refer to that.
    /// `inode` identifies the file.
    pub fn refer(
        &mut self,
        opened: &mut Opened,
        inode: impl FnOnce(&Opened) -> Option<u64>,
        offset: u64,
        bytes: &[u8],
        log: &Log,
    ) -> Option<Passage> {
        if bytes.len() < LARGE || self.unknown {
            return None;
        }
        let file = match opened.kept {
            Some(kept) => kept?,
            None => {
                let kept = self.keep(opened, inode, offset, bytes, log);
                *opened.kept.insert(kept)
            }?,
        };
        let known = self.kept.get(file as usize).filter(|known| !known.is_written)?;
        Some(known.file.passage(file, offset, bytes))
    }

    /// Checks at the first large read of a file whether the recording may refer to it.
    fn keep(
        &mut self,
        opened: &Opened,
        inode: impl FnOnce(&Opened) -> Option<u64>,
        offset: u64,
        bytes: &[u8],
        log: &Log,
    ) -> Option<u32> {
        let inode = inode(opened)?;
        let known = self.kept.iter().position(|known| known.inode == inode);
        if self.written.contains(&inode) || known.is_none() && self.kept.len() == KEPT {
            return None;
        }
        // Files that the system generates as they are read, such as those of `/proc`, have no size.
        let end = offset.checked_add(bytes.len() as u64)?;
        let metadata = opened.file.metadata().ok()?;
        if !metadata.is_file() || metadata.len() < end {
            return None;
        }
        let mut again = vec![0; bytes.len()];
        opened.file.read_exact_at(&mut again, offset).ok()?;
        if again != bytes {
            return None;
        }
        let number = u32::try_from(known.unwrap_or(self.kept.len())).ok()?;
        if known.is_none() {
            let file = Arc::new(KeptFile::new(opened.file.clone(), opened.name.clone(), offset..end).ok()?);
            log.keep(file.clone());
            self.kept.push(Known { inode, file, is_written: false });
        }
        Some(number)
    }

    /// Is called when the program is about to change the names of files.
    pub fn renames(&self) {
        self.kept.iter().for_each(|known| known.file.prove(Proof::before));
    }

    /// Is called when the program has changed the names of files.
    pub fn renamed(&self) {
        self.kept.iter().for_each(|known| known.file.prove(Proof::after));
    }

    /// Notes that the program may change a file from now on; `inode` is `None` if it is not known which one.
    pub fn is_written(&mut self, inode: Option<u64>, log: &Log) {
        self.unknown |= inode.is_none() || self.written.len() >= WRITTEN;
        for known in self.kept.iter_mut().filter(|known| !known.is_written) {
            if self.unknown || inode == Some(known.inode) {
                known.is_written = true;
                log.reserve(|limit| known.file.copy(limit));
            }
        }
        if !self.unknown {
            self.written.extend(inode);
        }
    }
}

/// The result of a call that does not wait, as the calls of a recorded program may block their thread.
pub fn at_once<R>(call: impl Future<Output = R>) -> Option<R> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
