//! Tells whether a file is unchanged, without reading it.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// The metadata of a file that change with every write: the inode number, the size in bytes, the time of the last write
/// (mtime) and that of the last change of any kind (ctime), in nanoseconds since 1970. Programs cannot set the ctime,
/// and files that replace each other differ in it.
///
/// As text, it is these four numbers with `-` between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    modified: i128,
    changed: i128,
}

/// The longest step of the clock from which file systems take times: Linux advances it with each timer tick.
const TICK: Duration = Duration::from_millis(20);
const SECOND: i128 = 1_000_000_000;

impl Stamp {
    /// The stamp of a file, from its metadata.
    pub fn from_metadata(metadata: &Metadata) -> Stamp {
        let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * SECOND + i128::from(nanoseconds);
        Stamp {
            inode: metadata.ino(),
            size: metadata.len(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns true if a file with this stamp has the same contents as one with the stamp `other`, judged by inode,
    /// size and mtime: names and permissions may differ. A program can fake this, because it can set the mtime.
    pub fn has_contents_of(&self, other: &Stamp) -> bool {
        (self.inode, self.size, self.modified) == (other.inode, other.size, other.modified)
    }

    /// Returns true if any write to the file after `now` gives it another stamp.
    ///
    /// This is never so where the file system stores whole seconds, or one time for all its files (as read-only disk
    /// images do).
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.changed % SECOND != 0 && self.changed + (TICK.as_nanos() as i128) < since_1970.as_nanos() as i128
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stamp { inode, size, modified, changed } = self;
        write!(f, "{inode}-{size}-{modified}-{changed}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_file_that_is_written_to_or_replaced_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let stamp = || Stamp::from_metadata(&fs::metadata(&path).unwrap());
        // Waits longer than a step of the file system's clock.
        let wait = || std::thread::sleep(TICK);
        fs::write(&path, "one").unwrap();
        let first = stamp();
        assert_eq!(first, stamp());
        wait();
        assert!(first.is_settled(SystemTime::now()));
        fs::write(&path, "two").unwrap();
        let second = stamp();
        assert_ne!(second, first);
        wait();
        // Tools that preserve the times of what they copy do this.
        let times = fs::FileTimes::new().set_modified(fs::metadata(&path).unwrap().modified().unwrap());
        let other = folder.path().join("other");
        fs::write(&other, "six").unwrap();
        File::options().write(true).open(&other).unwrap().set_times(times).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(stamp(), second);
    }

    #[test]
    fn what_was_written_just_now_may_be_written_again_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(metadata.ctime() as u64, metadata.ctime_nsec() as u32);
        let stamp = Stamp::from_metadata(&metadata);
        assert!(!stamp.is_settled(changed) && !stamp.is_settled(changed + TICK));
        assert!(stamp.is_settled(changed + TICK + Duration::from_nanos(1)));
    }
}
