//! A file's bytes, mapped where that is possible. The only `unsafe` of this crate.
//!
//! A regular file is mapped, so that a dump of gigabytes costs no memory and no time until it is looked at. The price:
//! if another program *shrinks* the file meanwhile, touching the lost pages raises SIGBUS, which kills the process.
//! Dumps are written once and renamed into place, so that does not happen to them; a program that reads many files of
//! strangers calls [`survive_shrinking`]. Pipes are read, and so are small files: that costs less than a mapping, which
//! all threads of a process must agree on.
#![allow(unsafe_code)]

use std::fs::{File, Metadata};
use std::io::Read;
use std::ops::Deref;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_PIPED;
use crate::stamp::Stamp;
use crate::unasked;

/// The number of bytes at the beginning of a pipe that are looked at before the rest is read.
const START: u64 = 64;

/// Size in bytes of the largest regular file that is read instead of mapped.
const SMALL: u64 = 64 << 10;

/// The contents of a file or pipe, or bytes from elsewhere.
#[derive(Debug)]
pub enum Bytes {
    /// A mapped regular file.
    Mapped(Mapping),
    /// Bytes in memory.
    Owned(Vec<u8>),
}

/// A file in memory.
#[derive(Debug)]
pub struct Mapping {
    map: memmap2::Mmap,
    path: Option<PathBuf>,
    stamp: Stamp,
    watched: Option<&'static Watched>,
}

impl Bytes {
    /// Maps the regular file at `path`; reads it whole if it is a pipe or a device.
    ///
    /// # Errors
    ///
    /// Fails on a directory and on anything the system refuses.
    pub fn open(path: &Path) -> Result<Bytes> {
        Bytes::open_if(path, |_| true)
    }

    /// Opens a file that no person named: see `unasked.rs`.
    ///
    /// # Errors
    ///
    /// Fails on everything that is no regular file, and on a file that neither is small nor can be mapped.
    pub fn open_regular(path: &Path) -> Result<Bytes> {
        let (file, metadata) = unasked::open(path)?;
        let bytes = match metadata.len() {
            // A file of procfs has size 0 and counts as empty, whatever reading it would yield.
            0 => Ok(Bytes::Owned(Vec::new())),
            length if length <= SMALL => read_small(&file, length as usize).map(Bytes::Owned),
            _ => Mapping::new(&file, &metadata, Some(path.to_owned())).map(Bytes::Mapped),
        };
        bytes.map_err(|error| Error::io("cannot read", error).in_file(path))
    }

    /// Releases the memory of a mapping's resident pages, which are read from the file again when they are touched. Has
    /// no effect on bytes that are not mapped.
    pub fn release(&self) {
        if let Bytes::Mapped(Mapping { map, .. }) = self {
            // A page that was lost when the file shrank must stay as it is: the file does not have it any more.
            if losses() > 0 {
                return;
            }
            // SAFETY: the mapping is of a file and never written to, so a dropped page comes back with the same bytes.
            let dropped = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            // This is only an optimisation, so it may fail.
            drop(dropped);
        }
    }

    /// The mapped file, to read from: pages that are read do not become resident. `None` if these bytes are not mapped
    /// from a path, or what stands there is not the same file any more.
    pub fn reopen(&self) -> Option<File> {
        let Bytes::Mapped(Mapping { path: Some(path), stamp, .. }) = self else { return None };
        let (file, metadata) = unasked::open(path).ok()?;
        (Stamp::from_metadata(&metadata) == *stamp).then_some(file)
    }

    /// The stamp of the mapped file when it was opened.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        match self {
            Bytes::Mapped(mapping) => Some(mapping.stamp),
            Bytes::Owned(_) => None,
        }
    }

    /// Returns the offset at which `part`, which was cut from these bytes, lies in them.
    pub fn offset_of(&self, part: &[u8]) -> Option<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.as_ptr() as usize)?;
        (offset.checked_add(part.len())? <= self.len()).then_some(offset)
    }

    /// As [`Bytes::open`]; of a pipe or device no more is read than its first bytes unless `wanted` likes those: an
    /// endless one ends there.
    pub fn open_if(path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
        let file = File::open(path).map_err(|error| Error::io("cannot open", error));
        file.and_then(|file| Bytes::from_file_at(file, Some(path), wanted)).map_err(|error| error.in_file(path))
    }

    /// As [`Bytes::open_if`], for one input of many: a named pipe that nobody writes to is an error and holds nothing
    /// up.
    pub fn open_at_once(path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
        let open = || -> Result<Bytes> {
            let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
            let mut file = opened.map_err(|error| Error::io("cannot open", error))?;
            let metadata = file.metadata().map_err(|error| Error::io("cannot stat", error))?;
            if metadata.is_file() || metadata.is_dir() {
                return Bytes::from_file_at(file, Some(path), wanted);
            }
            // A pipe has no bytes and is at its end if nobody has it open for writing; one that will be written to
            // blocks.
            let mut first = [0; 1];
            let read = match file.read(&mut first) {
                Ok(0) => {
                    return Err(Error::new(ErrorKind::Io, "no process writes to this pipe, or this device is empty"));
                }
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(Error::io("cannot read", error)),
            };
            rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty())
                .map_err(|error| Error::io("cannot wait for", error.into()))?;
            read_piped((&first[..read]).chain(file), MAX_PIPED, wanted).map(Bytes::Owned)
        };
        open().map_err(|error| error.in_file(path))
    }

    /// [`Bytes::open`] for an open file, which may be standard input.
    pub fn from_file(file: File) -> Result<Bytes> {
        Bytes::from_file_if(file, |_| true)
    }

    /// [`Bytes::open_if`] for an open file.
    pub fn from_file_if(file: File, wanted: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
        Bytes::from_file_at(file, None, wanted)
    }

    fn from_file_at(file: File, path: Option<&Path>, wanted: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
        let metadata = file.metadata().map_err(|error| Error::io("cannot stat", error))?;
        if metadata.is_dir() {
            return Err(Error::new(ErrorKind::Io, "is a directory"));
        }
        if metadata.is_file()
            && (1..=SMALL).contains(&metadata.len())
            && let Ok(bytes) = read_small(&file, metadata.len() as usize)
        {
            return Ok(Bytes::Owned(bytes));
        }
        if metadata.is_file() && metadata.len() > 0 {
            match Mapping::new(&file, &metadata, path.map(Path::to_owned)) {
                Ok(mapping) => return Ok(Bytes::Mapped(mapping)),
                // Some files cannot be mapped and are read instead. A file that is too large for the free address space
                // does not fit into memory either.
                Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
                    return Err(
                        Error::io("cannot map", error).hint("this process may use too little address space: ulimit -v")
                    );
                }
                Err(_) => {}
            }
        }
        read_piped(file, MAX_PIPED, wanted).map(Bytes::Owned)
    }
}

impl Mapping {
    fn new(file: &File, metadata: &Metadata, path: Option<PathBuf>) -> std::io::Result<Mapping> {
        // SAFETY: the mapping is private and read-only; nothing in this project writes to or truncates a file it maps.
        // If another program shrinks it meanwhile, its lost pages raise SIGBUS, which `survive_shrinking` is about.
        let map = unsafe { memmap2::Mmap::map(file) }?;
        let watched = Watched::register(map.as_ptr() as usize, map.len());
        Ok(Mapping { map, path, stamp: Stamp::from_metadata(metadata), watched })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // This must come before the unmapping, since another mapping may take the addresses.
        self.watched.map(Watched::forget);
    }
}

/// Reads up to `limit` bytes from what cannot be mapped; no more than the first few unless `wanted` likes those.
fn read_piped(mut source: impl Read, limit: u64, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut read = |limit: u64, bytes: &mut Vec<u8>| {
        source.by_ref().take(limit).read_to_end(bytes).map_err(|error| Error::io("cannot read", error))
    };
    read(START, &mut bytes)?;
    if wanted(&bytes) {
        read(limit, &mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        let message = format!("more than {limit} bytes come from this pipe or device");
        return Err(Error::new(ErrorKind::TooLarge, message).hint("write it to a file: that is mapped, not read"));
    }
    Ok(bytes)
}

/// The first `size` bytes of a file, or as many as it has.
fn read_small(file: &File, size: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The address range of a mapping in which SIGBUS is handled. Entries are never freed, only reused, so that the signal
/// handler may walk the list at any time.
#[derive(Debug)]
struct Watched {
    /// Address of the first byte; 0 in an entry that is free.
    start: AtomicUsize,
    /// Address after the last byte.
    end: AtomicUsize,
    next: *const Watched,
}

// SAFETY: `next` is set before the entry is shared, and never changed; entries live for ever.
unsafe impl Sync for Watched {}
// SAFETY: as for `Sync`.
unsafe impl Send for Watched {}

/// The first entry of the list.
static WATCHED: AtomicPtr<Watched> = AtomicPtr::new(std::ptr::null_mut());
/// The number of times that a mapped file turned out to be shorter than it was.
static LOSSES: AtomicU64 = AtomicU64::new(0);
/// The previous handler of SIGBUS, and the size of a page; set by [`survive_shrinking`].
static HANDLER: OnceLock<(libc::sigaction, usize)> = OnceLock::new();

impl Watched {
    /// Begins to watch a mapping, if this process survives files that shrink.
    fn register(start: usize, len: usize) -> Option<&'static Watched> {
        HANDLER.get()?;
        for entry in Watched::all() {
            // Claimed with an empty range, so that nobody sees a range that is half set.
            if entry.start.compare_exchange(0, usize::MAX, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                entry.end.store(start + len, Ordering::Release);
                entry.start.store(start, Ordering::Release);
                return Some(entry);
            }
        }
        let (start, end) = (AtomicUsize::new(start), AtomicUsize::new(start + len));
        let entry = Box::leak(Box::new(Watched { start, end, next: std::ptr::null() }));
        let mut first = WATCHED.load(Ordering::Acquire);
        loop {
            entry.next = first;
            match WATCHED.compare_exchange(first, entry, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(entry),
                Err(other) => first = other,
            }
        }
    }

    fn forget(&self) {
        self.start.store(0, Ordering::Release);
    }

    fn all() -> impl Iterator<Item = &'static Watched> {
        // SAFETY: entries are leaked, so what these pointers lead to lives for ever.
        let follow = |entry: *const Watched| unsafe { entry.as_ref() };
        let first = WATCHED.load(Ordering::Acquire);
        std::iter::successors(follow(first), move |entry| follow(entry.next))
    }
}

/// From now on, a mapped file that another program shrinks does not end this process: its lost pages read as zero and
/// [`losses`] counts. Whoever calls this looks at that count before anything is shown that was read, because those
/// zeros are not what the file held.
///
/// Installs a handler for SIGBUS, which calls the previous handler for any other address.
pub fn survive_shrinking() {
    HANDLER.get_or_init(|| {
        // SAFETY: plain queries and a structure of numbers; the handler below does only what a signal handler may.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut before);
            action.sa_sigaction = page_lost as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
            (before, page)
        }
    });
}

/// Returns the number of times that a mapped file turned out to be shorter than it was, since the process began: see
/// [`survive_shrinking`].
pub fn losses() -> u64 {
    LOSSES.load(Ordering::Acquire)
}

/// The error for what was read while [`losses`] grew.
pub fn shrunk() -> Error {
    Error::new(ErrorKind::Io, "a file became shorter while it was read").hint("read it again when nothing writes to it")
}

extern "C" fn page_lost(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some((before, page)) = HANDLER.get() else { return };
    // SAFETY: the kernel hands a valid `info` to a handler that was installed with `SA_SIGINFO`.
    let address = unsafe { (*info).si_addr() } as usize;
    for entry in Watched::all() {
        let (start, end) = (entry.start.load(Ordering::Acquire), entry.end.load(Ordering::Acquire));
        if start == 0 || !(start..end).contains(&address) {
            continue;
        }
        // A file loses its end, so all pages from here on are lost.
        let from = address / page * page;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        LOSSES.fetch_add(1, Ordering::AcqRel);
        // SAFETY: replaces pages of a mapping of our own, read-only as they were, that are not there any more. The
        // thread that was interrupted borrows the mapping, so it is not dropped meanwhile.
        let mapped = unsafe { libc::mmap(from as *mut libc::c_void, end - from, libc::PROT_READ, flags, -1, 0) };
        if mapped != libc::MAP_FAILED {
            return;
        }
    }
    // SAFETY: the handler that was there before, called as the kernel would, or put back: then the access is tried
    // again.
    unsafe {
        match before.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                libc::sigaction(signal, before, std::ptr::null_mut());
            }
            handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(mapping) => &mapping.map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_pipe_is_read_to_its_end_or_refused_at_the_bound() {
        let read = |length: u64| read_piped(std::io::repeat(7).take(length), 1000, |_| true);
        assert!(read(0).unwrap().is_empty());
        assert_eq!(read(1000).unwrap(), [7; 1000]);
        let error = read(1001).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert!(error.message.contains("more than 1000 bytes"), "{error}");
        assert_eq!(read_piped(std::io::repeat(7), 1000, |_| true).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn a_file_that_shrinks_is_noticed_and_its_lost_end_reads_as_zero() {
        survive_shrinking();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let bytes = Bytes::open_regular(&path).unwrap();
        assert_eq!(bytes[(1 << 20) - 1], 7);
        let before = losses();
        File::options().write(true).open(&path).unwrap().set_len(1 << 18).unwrap();
        assert_eq!(bytes[(1 << 20) - 1], 0);
        assert!(losses() > before);
        assert_eq!(bytes[1 << 17], 7);
        drop(bytes);
        let other = Bytes::open_regular(&path).unwrap();
        assert_eq!(other.len(), 1 << 18);
    }

    #[test]
    fn one_of_many_inputs_that_is_a_pipe_without_a_writer_holds_nothing_up() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        writer.write_all(b"contents").unwrap();
        let waiting = std::thread::scope(|scope| {
            let reader = scope.spawn(|| Bytes::open_at_once(&path, |_| true));
            writer.write_all(b" and more").unwrap();
            drop(writer);
            reader.join().unwrap()
        });
        assert_eq!(*waiting.unwrap(), *b"contents and more");
        let error = Bytes::open_at_once(&path, |_| true).unwrap_err();
        assert!(error.message.contains("no process writes"), "{error}");
    }

    #[test]
    fn of_an_endless_device_that_is_not_wanted_the_first_bytes_are_read() {
        assert_eq!(read_piped(std::io::repeat(0), 1000, |start| start == b"\0asm").unwrap(), [0; START as usize]);
    }
}
