//! Whether a file is still the one that it was.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// What the system keeps of a file, and changes with whatever is written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its number in the file system.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When its contents were changed last, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// When anything of it was changed last, in nanoseconds since 1970. Unlike the other it cannot be set back.
    pub changed_ns: i64,
}

impl Stamp {
    /// That of an open file, or of one at a path.
    pub fn of(metadata: &Metadata) -> Stamp {
        let nanoseconds =
            |seconds: i64, nanoseconds: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        Stamp {
            inode: metadata.ino(),
            size: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
