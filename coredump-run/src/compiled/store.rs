//! The folder in which compiled code is kept.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use coredump_core::internals::digest;
use wasmtime::{CacheConfig, Engine, Result};

use super::code::{self, Code, Kind};

/// Bytes that the cache holds at most, about; what was not used for longest is removed.
const LIMIT: u64 = 1 << 30;

/// Bytes of what the engine keeps there itself: modules of a few functions that look at a dead program.
const SMALL: u64 = 16 << 20;

/// How exactly it is known when code was used.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Compiled code that is kept.
#[derive(Clone)]
pub struct Cache {
    /// The engine's own cache, for small modules.
    engine: wasmtime::Cache,
    /// Where that of programs is, each in a file.
    programs: PathBuf,
}

impl Cache {
    /// Keeps code in `folder`, which nobody else can write to, and in `programs`, which is in it and no less safe.
    pub fn new(folder: &Path, programs: PathBuf) -> Option<Cache> {
        let mut config = CacheConfig::new();
        config.with_directory(folder).with_files_total_size_soft_limit(SMALL);
        Some(Cache { engine: wasmtime::Cache::new(config).ok()?, programs })
    }

    /// What an engine keeps itself.
    pub fn of_engine(&self) -> wasmtime::Cache {
        self.engine.clone()
    }

    /// The code of a program for an engine: from its file, or compiled now and kept.
    pub fn code(&self, engine: &Engine, binary: &[u8], kind: Kind) -> Result<Code> {
        let file = self.programs.join(key(engine, binary));
        if let Ok(code) = code::load(engine, &file, kind) {
            used(&file);
            return Ok(code);
        }
        let (code, bytes) = code::compile(engine, binary, kind)?;
        // Without it the program is compiled again.
        let _ = self.keep(&file, &bytes);
        Ok(code)
    }

    fn keep(&self, file: &Path, code: &[u8]) -> std::io::Result<()> {
        let mut new = tempfile::Builder::new().suffix(".new").tempfile_in(&self.programs)?;
        new.write_all(code)?;
        // Its name must never lead to half of it, though the system stops now.
        new.as_file().sync_all()?;
        new.persist(file)?;
        self.trim();
        Ok(())
    }

    /// Removes what was not used for longest.
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
                // Somebody else may have removed it.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// The name of the code of a program for an engine: the program's BLAKE3, and a hash of what else decides about its code.
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
        // It is only removed sooner, then.
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
            // Without a byte on the disk.
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
