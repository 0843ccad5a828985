//! `--keep`: removes old dumps of a program.
//!
//! A file is removed only if it is a regular one of our own user, has a name that the pattern can have made, and is a
//! core dump of the very same program. Files that were renamed to be saved, unfinished files and files of other users
//! stay.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coredump_core::internals::new_file;
use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat};

use crate::head::Head;
use crate::pattern;

/// The end of the name of a file that holds a recording.
const RECORDING: &str = ".recording";

/// Age of a file that an ended process left unfinished, from which on nobody is writing it.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The number of entries of a folder that are searched for the dump of a recording.
const SEARCHED: usize = 1024;

/// The longest time to wait for other processes that remove old dumps of the folder.
const PATIENCE: Duration = Duration::from_secs(2);

/// A dump in the folder.
struct Dump {
    /// The program that it is of.
    executable: String,
    age: Age,
    name: OsString,
    /// The file of its recording, if it has one.
    recording: Option<OsString>,
}

/// The age of a dump: of two, the older one is less.
///
/// First come times that are still to come, as the clock was set back since then; next the time in the dump, which is
/// to the second; and then that of the file, which orders the dumps of one second.
type Age = (bool, SystemTime, SystemTime);

/// The right to remove dumps of a folder, which no other process has while this exists.
pub struct Turn {
    /// The folder, opened for the lock alone, which is given back when this is closed.
    _folder: OwnedFd,
}

/// Waits for the right to remove dumps of `folder`; `None` if another process does not give it back, or the file system
/// has no locks.
pub fn turn(folder: &OwnedFd) -> Option<Turn> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::openat(folder, ".", flags, Mode::empty()).ok()?;
    let since = Instant::now();
    loop {
        match rustix::fs::flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(Turn { _folder: own }),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if since.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(_) => return None,
        }
    }
}

/// Removes the oldest dumps in `folder` beyond `keep` that are of the same program as the one called `new`, which was
/// just written and stays. `made` says which other names the pattern can have made.
///
/// Processes that crash at the same time do this one after the other, by their `turn`. Without it, `new` counts by its
/// age, too, so that all agree on which dumps are the newest, and none of these is lost; then one more may stay.
pub fn remove_oldest(folder: &OwnedFd, new: &OsStr, keep: usize, turn: Option<&Turn>, made: impl Fn(&OsStr) -> bool) {
    let Some(new) = dump(folder, new) else { return };
    let Ok(entries) = Dir::read_from(folder) else { return };
    let mut dumps: Vec<(Age, OsString, Option<OsString>)> = Vec::new();
    for entry in entries.flatten() {
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if name == new.name {
            continue;
        }
        if made(&name) {
            let same = dump(folder, &name).filter(|dump| dump.executable == new.executable);
            dumps.extend(same.map(|dump| (dump.age, dump.name, dump.recording)));
        } else if is_unfinished(&name) && is_abandoned(folder, &name) {
            let _ = rustix::fs::unlinkat(folder, &name, AtFlags::empty());
        }
    }
    dumps.sort();
    let excess = (dumps.len() + 1).saturating_sub(keep.max(1));
    let older = |(age, name, _): &&(Age, OsString, Option<OsString>)| (age, name) < (&new.age, &new.name);
    let excess = match turn {
        Some(_) => excess,
        // If `new` is one of the oldest, it stays in their number.
        None if dumps.iter().filter(older).count() < excess => excess - 1,
        None => excess,
    };
    for (_, name, recording) in dumps.iter().take(excess) {
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        if let Some(recording) = recording {
            remove_recording(folder, recording);
        }
    }
}

/// Removes recordings of the program that no dump of the folder names, as their dumps were removed by hand: our own
/// files, with names that [`recording_name`] makes, which are older than a day. If there are too many files in the
/// folder, or a dump of the program does not say which recording it has, all stay.
///
/// One process at a time does this, in its `turn`.
pub fn remove_orphans(folder: &OwnedFd, program: &str, turn: Option<&Turn>) {
    let (Some(_), Ok(entries)) = (turn, Dir::read_from(folder)) else { return };
    let names = entries.map(|entry| Ok(OsString::from_vec(entry?.file_name().to_bytes().to_vec())));
    let Ok(names) = names.take(SEARCHED + 1).collect::<rustix::io::Result<Vec<_>>>() else { return };
    let is_orphan = |name: &&OsString| is_recording(name, program) && is_abandoned(folder, name);
    let mut orphans: BTreeSet<&OsStr> = names.iter().filter(is_orphan).map(OsString::as_os_str).collect();
    if orphans.is_empty() || names.len() > SEARCHED {
        return;
    }
    for name in names.iter().filter(|name| is_file(folder, name)) {
        let head = match new_file::read_at(folder, name) {
            Ok((file, _)) => Head::read(file),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => None,
            Err(_) => return,
        };
        let Some(head) = head else { continue };
        let is_own = head.executable.is_some_and(|executable| pattern::program_name(&executable) == program);
        if is_own && head.time.is_none() {
            return;
        }
        if let Some(recording) = head.recording {
            orphans.remove(OsStr::new(&recording));
        }
    }
    for name in orphans {
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
    }
}

/// The name of a file with a recording of the program, which the process wrote at this time.
pub fn recording_name(program: &str, process: &str, nanoseconds: u128) -> String {
    format!("{program}.{process}.{nanoseconds}{RECORDING}")
}

/// Returns true if [`recording_name`] can have made this name for the program.
fn is_recording(name: &OsStr, program: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name.to_str().and_then(|name| name.strip_prefix(program)?.strip_prefix('.')?.strip_suffix(RECORDING));
    numbers
        .and_then(|numbers| numbers.split_once('.'))
        .is_some_and(|(process, time)| is_number(process) && is_number(time))
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

/// Returns the dump of that name, if it is one and a file of our own user.
fn dump(folder: &OwnedFd, name: &OsStr) -> Option<Dump> {
    let (file, stat) = new_file::read_at(folder, name).ok()?;
    if !new_file::is_own_file(&stat) {
        return None;
    }
    let head = Head::read(file)?;
    let recorded = head.time.and_then(|time| humantime::parse_rfc3339(&time).ok());
    let age = age(recorded, modified(&stat), SystemTime::now());
    let recording = head.recording.map(OsString::from);
    Some(Dump { executable: head.executable?, age, name: name.to_owned(), recording })
}

/// Returns the age of a dump by the time that it holds and that of its file. A time that is still to come is not
/// believed; if both are, they order only dumps of that kind.
fn age(recorded: Option<SystemTime>, modified: Option<SystemTime>, now: SystemTime) -> Age {
    let past = |time: &SystemTime| *time <= now;
    let believed = recorded.filter(past).or_else(|| modified.filter(past));
    let time = believed.or(recorded).or(modified).unwrap_or(UNIX_EPOCH);
    (believed.is_some(), time, modified.unwrap_or(UNIX_EPOCH))
}

fn modified(stat: &Stat) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::new(u64::try_from(stat.st_mtime).ok()?, u32::try_from(stat.st_mtime_nsec).ok()?))
}

fn is_unfinished(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".coredump-") && name.as_bytes().ends_with(b".unfinished")
}

fn is_file(folder: &OwnedFd, name: &OsStr) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Returns true if an unfinished file is our own and so old that its writer is gone.
fn is_abandoned(folder: &OwnedFd, name: &OsStr) -> bool {
    let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    let age = modified(&stat).and_then(|time| SystemTime::now().duration_since(time).ok());
    new_file::is_own_file(&stat) && age.is_some_and(|age| age > ABANDONED)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use coredump_core::model::{CoreDump, Process};

    use super::*;

    fn time(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    /// Writes a dump of `app` with this time in it, and that time of the file.
    fn write(path: &Path, recorded: &str, modified: SystemTime) {
        let process = Process { time: Some(recorded.to_owned()), ..Process::default() };
        let dump = CoreDump { executable: Some("app.wasm".to_owned()), process, ..CoreDump::default() };
        let mut bytes = Vec::new();
        coredump_core::write::write(&dump, &mut bytes).unwrap();
        fs::write(path, bytes).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    /// Returns the names that stay of `dumps`, of which the last one is new; each has a name, the time in it, and by how
    /// many milliseconds that of its file is later.
    fn left(dumps: &[(&str, &str, u64)], keep: usize, serially: bool) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for &(name, recorded, later) in dumps {
            write(&folder.path().join(name), recorded, time(recorded) + Duration::from_millis(later));
        }
        let opened = OwnedFd::from(fs::File::open(folder.path()).unwrap());
        let turn = if serially { turn(&opened) } else { None };
        assert_eq!(turn.is_some(), serially);
        remove_oldest(&opened, OsStr::new(dumps[dumps.len() - 1].0), keep, turn.as_ref(), |_| true);
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn dumps_of_one_second_go_by_the_time_of_their_files() {
        let second = "2020-01-01T00:00:00Z";
        // By their names, process 1000 would be older than process 998.
        let dumps = [("998", second, 100), ("999", second, 200), ("1000", second, 300), ("1001", second, 400)];
        assert_eq!(left(&dumps, 2, true), ["1000", "1001"]);
    }

    /// The clock was wrong when four dumps were written, and was set back.
    #[test]
    fn times_to_come_are_older_than_others_and_in_order() {
        let dumps = [
            ("a", "2190-01-04T00:00:00Z", 0),
            ("b", "2190-01-03T00:00:00Z", 0),
            ("c", "2190-01-02T00:00:00Z", 0),
            ("d", "2190-01-01T00:00:00Z", 0),
            ("new", "2020-01-01T00:00:00Z", 0),
        ];
        assert_eq!(left(&dumps, 3, true), ["a", "b", "new"]);
        assert_eq!(left(&dumps, 3, false), ["a", "b", "new"]);
        assert_eq!(left(&dumps, 1, true), ["new"]);
    }

    /// Each of several processes sees all dumps, and would count its own as the newest.
    #[test]
    fn without_a_turn_the_newest_dumps_are_the_same_for_all() {
        let dumps = [
            ("a", "2020-01-01T00:00:01Z", 0),
            ("b", "2020-01-01T00:00:02Z", 0),
            ("c", "2020-01-01T00:00:03Z", 0),
            ("d", "2020-01-01T00:00:04Z", 0),
        ];
        for new in 0..dumps.len() {
            let mut dumps = dumps;
            dumps[new..].rotate_left(1);
            let expected: &[&str] = match new {
                0 => &["a", "c", "d"],
                1 => &["b", "c", "d"],
                _ => &["c", "d"],
            };
            assert_eq!(left(&dumps, 2, false), expected, "{new}");
        }
    }

    #[test]
    fn a_folder_has_one_turn_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let opened = OwnedFd::from(fs::File::open(folder.path()).unwrap());
        let first = turn(&opened);
        assert!(first.is_some() && turn(&opened).is_none());
        drop(first);
        assert!(turn(&opened).is_some());
    }
}
