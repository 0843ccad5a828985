//! Opens files that no person named, but a dump, a module or a folder's listing.
//!
//! Such a name may stand for anything. Opening a pipe would wait for a writer, opening a device may have side effects,
//! and a file of procfs claims to be regular and empty but may yield bytes without end. So files are opened without
//! blocking, judged by their descriptor (their name may lead elsewhere by then), and read only up to their size.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Opens a regular file for reading; also returns its metadata.
///
/// # Errors
///
/// Fails on everything that is no regular file, and on what the system refuses.
pub fn open(path: &Path) -> Result<(File, Metadata)> {
    let failed = |error| Error::io("cannot open", error).in_file(path);
    // Opening a pipe or a device has side effects, so the name is checked first.
    check(&std::fs::metadata(path).map_err(failed)?, path)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check(&metadata, path)?;
    Ok((file, metadata))
}

/// The contents of a regular file of at most `limit` bytes.
///
/// # Errors
///
/// Fails as [`open`] does, and on a larger file.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, metadata) = open(path)?;
    if metadata.len() > limit {
        let message = format!("{} bytes are more than the {limit} that are read of such a file", metadata.len());
        return Err(Error::new(ErrorKind::TooLarge, message).in_file(path));
    }
    let mut bytes = Vec::new();
    file.take(metadata.len()).read_to_end(&mut bytes).map_err(|error| Error::io("cannot read", error).in_file(path))?;
    Ok(bytes)
}

fn check(metadata: &Metadata, path: &Path) -> Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Io, "not a regular file").in_file(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "contents").unwrap();
        assert_eq!(read(&path, 8).unwrap(), b"contents");
        assert_eq!(read(&path, 7).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_plain_file_is_refused_and_procfs_is_empty() {
        for path in ["/dev/null", "/dev/zero", "/", "/proc/self/fd"] {
            let error = read(Path::new(path), 100).unwrap_err();
            assert_eq!(error.message, "not a regular file", "{path}");
        }
        // This file has contents, but a size of 0.
        assert_eq!(read(Path::new("/proc/self/status"), 100).unwrap(), b"");
    }
}
