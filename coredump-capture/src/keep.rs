//! `--keep`: how many dumps of a program stay.
//!
//! A file is removed only if it is a regular one of our own user, has a name that the pattern can have made, and is a core
//! dump of the very same program. What was renamed to be saved, what is unfinished and what is somebody else's stays.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coredump_core::extension;
use coredump_core::model::Process;
use coredump_core::new_file;
use rustix::fs::{AtFlags, Dir, Stat};

/// Bytes at the start of a file in which its program and its time are looked for.
const HEAD: u64 = 256 * 1024;

/// Age of a file that an ended process left unfinished, from which on nobody is writing it.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Removes the oldest dumps of `executable` in `folder` beyond `keep`, of which one was just written and stays. `made` says
/// which other names the pattern can have made.
pub fn remove_oldest(folder: &OwnedFd, executable: &str, keep: usize, made: impl Fn(&OsStr) -> bool) {
    let Ok(entries) = Dir::read_from(folder) else { return };
    let mut dumps: Vec<(SystemTime, OsString)> = Vec::new();
    for entry in entries.flatten() {
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if made(&name) {
            dumps.extend(time_of(folder, &name, executable).map(|time| (time, name)));
        } else if is_unfinished(&name) && is_abandoned(folder, &name) {
            let _ = rustix::fs::unlinkat(folder, &name, AtFlags::empty());
        }
    }
    dumps.sort();
    let excess = (dumps.len() + 1).saturating_sub(keep.max(1));
    for (_, name) in dumps.iter().take(excess) {
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
    }
}

/// When a dump of that program was written; none of anything else. A time that is still to come is not believed.
fn time_of(folder: &OwnedFd, name: &OsStr, executable: &str) -> Option<SystemTime> {
    let (file, stat) = new_file::read_at(folder, name).ok()?;
    if !new_file::is_own_file(&stat) {
        return None;
    }
    let head = Head::read(file)?;
    if head.executable.as_deref() != Some(executable) {
        return None;
    }
    let now = SystemTime::now();
    let recorded = head.time.and_then(|time| humantime::parse_rfc3339(&time).ok());
    let past = |time: &SystemTime| *time <= now;
    Some(recorded.filter(past).or_else(|| modified(&stat).filter(past)).unwrap_or(UNIX_EPOCH))
}

fn modified(stat: &Stat) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::new(u64::try_from(stat.st_mtime).ok()?, u32::try_from(stat.st_mtime_nsec).ok()?))
}

fn is_unfinished(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".coredump-") && name.as_bytes().ends_with(b".unfinished")
}

/// Whether an unfinished file is our own and so old that its writer is gone.
fn is_abandoned(folder: &OwnedFd, name: &OsStr) -> bool {
    let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    let age = modified(&stat).and_then(|time| SystemTime::now().duration_since(time).ok());
    new_file::is_own_file(&stat) && age.is_some_and(|age| age > ABANDONED)
}

/// What the start of a dump says.
#[derive(Default)]
struct Head {
    /// The program, from the `core` section, which our dumps begin with.
    executable: Option<String>,
    /// When it was written, from `coredump.process`.
    time: Option<String>,
}

impl Head {
    /// None of a file that is no dump.
    fn read(file: File) -> Option<Head> {
        let mut bytes = Vec::new();
        file.take(HEAD).read_to_end(&mut bytes).ok()?;
        let mut rest = bytes.strip_prefix(b"\0asm\x01\0\0\0")?;
        let mut head = Head::default();
        while let Some((contents, behind)) = section(rest) {
            match contents {
                Some((b"core", contents)) => {
                    let (len, name) = leb(contents.strip_prefix(b"\0")?)?;
                    head.executable = std::str::from_utf8(name.get(..len)?).ok().map(str::to_owned);
                }
                Some((name, contents)) if name == extension::PROCESS.as_bytes() => {
                    let size = contents.len();
                    let process = serde_json::from_slice::<Process>(contents).ok().filter(|_| size < HEAD as usize);
                    head.time = process.and_then(|process| process.time);
                    break;
                }
                _ => {}
            }
            rest = behind;
        }
        head.executable.is_some().then_some(head)
    }
}

/// A custom section's name and contents.
type Custom<'b> = Option<(&'b [u8], &'b [u8])>;

/// The first section, if it is a custom one that is there as a whole, and what follows.
fn section(bytes: &[u8]) -> Option<(Custom<'_>, &[u8])> {
    let (id, bytes) = bytes.split_first()?;
    let (len, bytes) = leb(bytes)?;
    let (contents, rest) = bytes.split_at_checked(len)?;
    if *id != 0 {
        return Some((None, rest));
    }
    let (len, contents) = leb(contents)?;
    Some((contents.split_at_checked(len), rest))
}

/// An unsigned LEB128 of at most five bytes, and what follows.
fn leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}
