//! The cache of compiled code: a folder of files.

use std::ffi::OsStr;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use coredump_core::internals::digest;
use coredump_core::internals::new_file::{self, NewFile};
use wasmtime::{CacheConfig, Engine, Result};

use super::code::{self, CompiledCode, Kind};

/// The approximate size limit of the cache, in bytes; beyond it, the least recently used files are removed.
const LIMIT: u64 = 1 << 30;

/// The size limit of the engine's own cache, in bytes. It holds the small modules that read the state of a dead
/// program.
const SMALL: u64 = 16 << 20;

/// The resolution of the time at which code was last used.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A cache of compiled code.
#[derive(Clone)]
pub struct Cache {
    /// The engine's own cache, for small modules.
    engine: wasmtime::Cache,
    /// The folder with the code of programs, one file each.
    programs: PathBuf,
}

impl Cache {
    /// A cache in `folder`, which nobody else can write to, and `programs`, which is a folder inside it and just as
    /// safe.
    pub fn new(folder: &Path, programs: PathBuf) -> Option<Cache> {
        let mut config = CacheConfig::new();
        config.with_directory(folder).with_files_total_size_soft_limit(SMALL);
        Some(Cache { engine: wasmtime::Cache::new(config).ok()?, programs })
    }

    /// The engine's own cache.
    pub fn of_engine(&self) -> wasmtime::Cache {
        self.engine.clone()
    }

    /// The code of a program for an engine: from the cache, or compiled now and added to it.
    pub fn code(&self, engine: &Engine, binary: &[u8], kind: Kind) -> Result<CompiledCode> {
        let key = key(engine, binary);
        let file = self.programs.join(&key);
        if let Ok(code) = code::load(engine, &file, kind) {
            used(&file);
            return Ok(code);
        }
        let (code, bytes) = code::compile(engine, binary, kind)?;
        // If the file cannot be written, the program is compiled again next time.
        let _ = self.keep(&key, &bytes);
        Ok(code)
    }

    /// Adds a file to the cache. Where the file system can, it has no name until it is complete, so that a signal leaves nothing.
    fn keep(&self, key: &str, code: &[u8]) -> std::io::Result<()> {
        let mut new = NewFile::in_folder(&self.programs)?;
        new.write_all(code)?;
        // Even if the system stops now, the final name must never refer to an incomplete file.
        new.file().sync_all()?;
        new.name_over(OsStr::new(key), &mut new_file::naming())?;
        self.trim();
        Ok(())
    }

    /// Removes the least recently used files, until the cache is smaller than its limit.
    fn trim(&self) {
        let entries = std::fs::read_dir(&self.programs).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let found = entry.metadata().ok()?;
                Some((found.modified().ok()?, found.len(), entry.path()))
            })
            .collect();
        files.sort_by(|one, other| other.cmp(one));
        let mut kept = 0;
        for (_, len, path) in files {
            kept += len;
            if kept > LIMIT {
                // Another process may have removed the file.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// The file name of a program's code for an engine: the program's BLAKE3 digest, and a hash of all else that its code
/// depends on.
fn key(engine: &Engine, binary: &[u8]) -> String {
    let mut hasher = Blake3(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let settings = hasher.0.finalize().to_hex();
    format!("{}-{}", digest::of_bytes(binary), &settings[..16])
}

struct Blake3(blake3::Hasher);

impl Hasher for Blake3 {
    fn finish(&self) -> u64 {
        let [first, ..] = *self.0.finalize().as_bytes().as_chunks().0 else { return 0 };
        u64::from_le_bytes(first)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// Notes that code was used.
fn used(file: &Path) {
    let now = SystemTime::now();
    let lately = |time: SystemTime| now.duration_since(time).is_ok_and(|ago| ago < HOUR);
    if !file.metadata().and_then(|found| found.modified()).is_ok_and(lately) {
        // If this fails, the file is only removed sooner.
        let _ = File::open(file).and_then(|file| file.set_modified(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), folder.path().to_owned()).unwrap();
        let file = |name: &str, age: u32| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            // A sparse file takes no space on the disk.
            file.set_len(LIMIT / 5 * 2).unwrap();
            file.set_modified(SystemTime::now() - HOUR * age).unwrap();
            path
        };
        let [new, old, older] = [file("new", 0), file("old", 30), file("older", 20)];
        used(&old);
        cache.trim();
        assert_eq!([&new, &old, &older].map(|path| path.exists()), [true, true, false]);
    }
}
