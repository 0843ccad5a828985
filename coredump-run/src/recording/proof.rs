//! Proves that a file still holds what was read from it.
//!
//! Computing a digest takes a third of the time of reading a large file. So a large file that has not changed for a
//! while is identified by its stamp instead, if the file system gives it another stamp with every change.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

use coredump_core::internals::stamp::Stamp;

/// The size in bytes from which a file is identified by its stamp. A smaller file may be renamed or deleted by others
/// while the program runs, as its digests do not depend on that.
const LARGE: u64 = 8 << 20;

/// The time for which a file must have been unchanged to be identified by its stamp.
///
/// A process that has mapped a file changes its stamp with the first write to a page, and then not again until the
/// system has written this page to the disk. Linux does so after 35 s (`vm.dirty_expire_centisecs`,
/// `vm.dirty_writeback_centisecs`). So a file that was last changed a minute ago has no page that can be written
/// without changing the stamp.
const QUIET: Duration = Duration::from_secs(60);

/// The kind of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Each passage has a digest.
    Digest,
    /// The file has this stamp, as long as its contents and its name are unchanged.
    Stamp(Stamp),
    /// The file is a private copy.
    Copy,
    /// There is no proof, as the file was changed.
    Lost,
}

impl Proof {
    /// The kind of proof for a file that is read from now on.
    pub fn from_file(file: &File) -> io::Result<Proof> {
        Proof::at(file, SystemTime::now())
    }

    fn at(file: &File, now: SystemTime) -> io::Result<Proof> {
        let metadata = file.metadata()?;
        let stamp = Stamp::from_metadata(&metadata);
        let by_stamp = metadata.len() >= LARGE
            && now.checked_sub(QUIET).is_some_and(|then| stamp.is_settled(then))
            && stamps_all_changes(file);
        Ok(if by_stamp { Proof::Stamp(stamp) } else { Proof::Digest })
    }

    /// The digest of bytes that are read from the file, for the recording; 0 if the proof needs none.
    pub fn digest(self, bytes: &[u8]) -> u64 {
        match self {
            Proof::Digest => twox_hash::XxHash3_64::oneshot(bytes),
            Proof::Stamp(_) | Proof::Copy | Proof::Lost => 0,
        }
    }

    /// Returns true if these bytes, which were just read again from `file`, are those that were read before, which had
    /// this `digest`.
    pub fn holds(self, file: &File, bytes: &[u8], digest: u64) -> bool {
        match self {
            Proof::Digest => self.digest(bytes) == digest,
            Proof::Stamp(stamp) => stamp_of(file) == Some(stamp),
            Proof::Copy => true,
            Proof::Lost => false,
        }
    }

    /// The proof for a copy that was just made of `file`.
    pub fn of_copy(self, file: &File) -> Proof {
        match self {
            Proof::Stamp(stamp) if stamp_of(file) == Some(stamp) => Proof::Copy,
            Proof::Stamp(_) => Proof::Lost,
            Proof::Digest | Proof::Copy | Proof::Lost => self,
        }
    }

    /// The proof after the program has changed the names of files, which changes their stamps, but not their contents.
    /// The proof before that was checked with [`Proof::before`].
    pub fn after(self, file: &File) -> Proof {
        match (self, stamp_of(file)) {
            (Proof::Stamp(stamp), Some(now)) if now.has_contents_of(&stamp) => Proof::Stamp(now),
            (Proof::Stamp(_), _) => Proof::Lost,
            _ => self,
        }
    }

    /// The proof before the program changes the names of files: it stays as it is if nobody else has changed the file
    /// up to now.
    pub fn before(self, file: &File) -> Proof {
        match self {
            Proof::Stamp(stamp) if stamp_of(file) != Some(stamp) => Proof::Lost,
            _ => self,
        }
    }
}

fn stamp_of(file: &File) -> Option<Stamp> {
    file.metadata().ok().as_ref().map(Stamp::from_metadata)
}

/// True if the file system changes a file's times at every write, also through mappings. `tmpfs` does not, and network
/// file systems show the changes of others late.
#[cfg(target_os = "linux")]
fn stamps_all_changes(file: &File) -> bool {
    // ext2 to ext4, XFS, Btrfs (`linux/magic.h`).
    const LOCAL: [u64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];
    rustix::fs::fstatfs(file).is_ok_and(|found| LOCAL.contains(&(found.f_type as u64 & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
fn stamps_all_changes(_: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_large_file_is_known_by_its_stamp_once_nobody_changed_it_for_a_minute() {
        let file = tempfile::tempfile().unwrap();
        let later = || SystemTime::now() + QUIET + Duration::from_secs(1);
        file.set_len(LARGE).unwrap();
        assert_eq!(Proof::from_file(&file).unwrap(), Proof::Digest);
        let stamped = matches!(Proof::at(&file, later()).unwrap(), Proof::Stamp(_));
        assert_eq!(stamped, stamps_all_changes(&file));
        file.set_len(LARGE - 1).unwrap();
        assert_eq!(Proof::at(&file, later()).unwrap(), Proof::Digest);
    }

    #[test]
    fn nothing_is_proven_of_a_file_that_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // The sleep is longer than the resolution of the file system's clock.
        let write = |text: &str| {
            std::thread::sleep(Duration::from_millis(20));
            fs::write(&path, text).unwrap();
            File::open(&path).unwrap()
        };
        let file = write("one");
        let proof = Proof::Stamp(stamp_of(&file).unwrap());
        assert!(proof.holds(&file, b"one", 0));
        assert_eq!(proof.of_copy(&file), Proof::Copy);
        write("two");
        assert!(!proof.holds(&file, b"one", 0));
        assert_eq!(proof.before(&file), Proof::Lost);
        assert_eq!(proof.of_copy(&file), Proof::Lost);
        assert!(!Proof::Lost.holds(&file, b"one", 0));
        let digest = Proof::Digest.digest(b"one");
        assert!(Proof::Digest.holds(&file, b"one", digest) && !Proof::Digest.holds(&file, b"two", digest));
    }

    #[test]
    fn names_that_the_program_itself_changes_make_no_difference() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&path, "one").unwrap();
        let file = File::open(&path).unwrap();
        let proof = Proof::Stamp(stamp_of(&file).unwrap());
        let wait = || std::thread::sleep(Duration::from_millis(20));
        wait();
        fs::rename(&path, &other).unwrap();
        assert!(!proof.holds(&file, b"one", 0), "somebody may have written to it");
        let renamed = proof.before(&File::open(&other).unwrap());
        assert_eq!(renamed, Proof::Lost);
        let renamed = proof.after(&file);
        assert!(renamed.holds(&file, b"one", 0));
        wait();
        fs::write(&other, "two").unwrap();
        assert_eq!(renamed.after(&file), Proof::Lost);
    }
}
