//! `--keep`: removes old dumps of a program.
//!
//! A file is removed only if it is a regular one of our own user, has a name that the pattern can have made, and is a
//! core dump of the very same program. Files that were renamed to be saved, unfinished files and files of other users
//! stay.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coredump_core::internals::new_file;
use rustix::fs::{AtFlags, Dir, Stat};

use crate::head::Head;

/// The end of the name of a file that holds a recording.
pub const RECORDING: &str = ".recording";

/// Age of a file that an ended process left unfinished, from which on nobody is writing it.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Removes the oldest dumps in `folder` beyond `keep` that are of the same program as the one called `new`, which was
/// just written and stays. `made` says which other names the pattern can have made.
pub fn remove_oldest(folder: &OwnedFd, new: &OsStr, keep: usize, made: impl Fn(&OsStr) -> bool) {
    let new = new_file::read_at(folder, new).ok().and_then(|(file, _)| Head::read(file));
    let Some(executable) = new.and_then(|new| new.executable) else { return };
    let Ok(entries) = Dir::read_from(folder) else { return };
    let mut dumps: Vec<(SystemTime, OsString, Option<OsString>)> = Vec::new();
    for entry in entries.flatten() {
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if made(&name) {
            dumps.extend(dump_of(folder, &name, &executable).map(|(time, recording)| (time, name, recording)));
        } else if is_unfinished(&name) && is_abandoned(folder, &name) {
            let _ = rustix::fs::unlinkat(folder, &name, AtFlags::empty());
        }
    }
    dumps.sort();
    let excess = (dumps.len() + 1).saturating_sub(keep.max(1));
    for (_, name, recording) in dumps.iter().take(excess) {
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        if let Some(recording) = recording {
            remove_recording(folder, recording);
        }
    }
}

/// Removes the file of a dump's recording. The dump alone says which one that is, so it must be our own and have such a
/// name.
fn remove_recording(folder: &OwnedFd, name: &OsStr) {
    let own =
        rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| new_file::is_own_file(&stat));
    if own && name.as_bytes().ends_with(RECORDING.as_bytes()) && !name.as_bytes().contains(&b'/') {
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
    }
}

/// Returns the time at which a dump of that program was written, and the file of its recording, if it has one; `None`
/// for any other file. A time that is still to come is not believed.
fn dump_of(folder: &OwnedFd, name: &OsStr, executable: &str) -> Option<(SystemTime, Option<OsString>)> {
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
    let time = recorded.filter(past).or_else(|| modified(&stat).filter(past)).unwrap_or(UNIX_EPOCH);
    Some((time, head.recording.map(OsString::from)))
}

fn modified(stat: &Stat) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::new(u64::try_from(stat.st_mtime).ok()?, u32::try_from(stat.st_mtime_nsec).ok()?))
}

fn is_unfinished(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".coredump-") && name.as_bytes().ends_with(b".unfinished")
}

/// Returns true if an unfinished file is our own and so old that its writer is gone.
fn is_abandoned(folder: &OwnedFd, name: &OsStr) -> bool {
    let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    let age = modified(&stat).and_then(|time| SystemTime::now().duration_since(time).ok());
    new_file::is_own_file(&stat) && age.is_some_and(|age| age > ABANDONED)
}
