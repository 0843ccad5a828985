//! Chooses the folder in which compiled code is cached, so that a program that ran before starts at once.
//!
//! Cached code is executed as it is. So the cache is used only if nobody else can write to it: neither another user,
//! nor the guest through a folder that it is given. Otherwise, programs are compiled at every start.

use std::fs::{DirBuilder, Metadata, symlink_metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::compiled::Cache;
use crate::host;

/// The cache for programs that run as `args` say; `None` if it is not wanted, or not safe.
pub fn cache(args: &Args) -> Option<Cache> {
    if args.no_cache {
        return None;
    }
    let folder = private(&folder()?)?;
    let overlaps =
        |dir: PathBuf| dir.canonicalize().is_ok_and(|dir| dir.starts_with(&folder) || folder.starts_with(dir));
    if host::writable_dirs(args).any(overlaps) {
        return None;
    }
    let programs = private(&folder.join("programs"))?;
    Cache::new(&folder, programs)
}

/// Path of the folder by the XDG Base Directory Specification, which says that relative paths are to be ignored.
fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("coredump-run"))
}

/// The folder, created if it does not exist, under its path without symbolic links; `None` if other users can write to
/// it or replace it.
fn private(folder: &Path) -> Option<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
    let folder = folder.canonicalize().ok()?;
    let own = rustix::process::geteuid().as_raw();
    let trusted = |found: &Metadata| {
        let sticky = found.mode() & 0o1000 != 0;
        (found.uid() == own || found.uid() == 0) && (sticky || found.mode() & 0o022 == 0)
    };
    let itself = symlink_metadata(&folder).ok()?;
    let safe = itself.is_dir() && itself.uid() == own && itself.mode() & 0o022 == 0;
    let above = folder.ancestors().skip(1).all(|parent| symlink_metadata(parent).is_ok_and(|found| trusted(&found)));
    (safe && above).then_some(folder)
}
