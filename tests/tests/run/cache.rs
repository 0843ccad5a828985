//! Compiled code is kept between runs, and used only where nobody else can have put it there.
//!
//! Two programs are compiled, and the kept code of each is put in the place of the other's: who then ends with the other's
//! exit code took it from there, and who ends with its own compiled anew.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use coredump_tests::{Tool, fixture, scratch};
use tempfile::TempDir;

/// Two programs, and a folder for caches that holds their compiled code exchanged.
struct Exchanged {
    folder: TempDir,
}

impl Exchanged {
    fn new(options: &[&str]) -> Exchanged {
        let exchanged = Exchanged { folder: scratch() };
        for code in [3, 4] {
            let text = format!(
                r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
                     (func (export "_start") (call $exit (i32.const {code}))))"#
            );
            std::fs::write(exchanged.folder.path().join(format!("exits-{code}.wat")), text).unwrap();
        }
        assert_eq!(exchanged.exit_code(3, options), 3);
        let [first]: [PathBuf; 1] = exchanged.kept().try_into().expect("the code of one program");
        assert_eq!(exchanged.exit_code(4, options), 4);
        let second = exchanged.kept().into_iter().find(|file| *file != first).expect("the code of another one");
        let aside = exchanged.folder.path().join("aside");
        std::fs::rename(&first, &aside).unwrap();
        std::fs::rename(&second, &first).unwrap();
        std::fs::rename(&aside, &second).unwrap();
        exchanged
    }

    /// Runs the program that was written to end with `code`, and returns its exit code.
    fn exit_code(&self, code: i32, options: &[&str]) -> i32 {
        let program = self.folder.path().join(format!("exits-{code}.wat"));
        let tool = Tool::new("coredump-run").env("XDG_CACHE_HOME", self.folder.path().join("caches"));
        tool.args(options).arg(program).in_folder(self.folder.path()).run().code()
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("caches/coredump-run")
    }

    /// The files that hold compiled code.
    fn kept(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, found),
                    false if path.extension().is_none() => found.push(path),
                    false => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.cache(), &mut found);
        found
    }
}

#[test]
fn a_program_that_ran_before_is_not_compiled_again() {
    for options in [&[][..], &["--fast"], &["--live"]] {
        let exchanged = Exchanged::new(options);
        assert_eq!(exchanged.exit_code(3, options), 4, "{options:?}");
        assert_eq!(exchanged.exit_code(4, options), 3, "{options:?}");
    }
}

#[test]
fn kept_code_that_is_none_is_replaced() {
    let exchanged = Exchanged::new(&[]);
    for contents in ["", "something else"] {
        exchanged.kept().iter().for_each(|file| std::fs::write(file, contents).unwrap());
        assert_eq!(exchanged.exit_code(3, &[]), 3);
        assert_eq!(exchanged.kept().iter().filter(|file| file.metadata().unwrap().len() > 100).count(), 1);
    }
}

/// A process may be killed at any time, so that a file that is not complete must have no name.
#[test]
fn code_has_a_name_in_the_cache_once_it_is_complete() {
    let folder = scratch();
    let mut run = Tool::new("coredump-run")
        .arg(fixture("modules/exit3.wasm"))
        .env("XDG_CACHE_HOME", folder.path())
        .into_command();
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let programs = folder.path().join("coredump-run/programs");
    let mut seen = HashSet::new();
    let mut look = || {
        let entries = std::fs::read_dir(&programs).into_iter().flatten();
        seen.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    };
    while child.try_wait().unwrap().is_none() {
        look();
    }
    // The file may get its name after the last look, just before the end.
    look();
    assert_eq!(std::fs::read_dir(&programs).unwrap().count(), 1);
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[test]
fn instrumented_code_is_kept_apart() {
    let exchanged = Exchanged::new(&["--live"]);
    assert_eq!(exchanged.exit_code(3, &["--fast"]), 3);
}

#[test]
fn without_a_cache_programs_are_compiled() {
    let exchanged = Exchanged::new(&[]);
    assert_eq!(exchanged.exit_code(3, &["--no-cache"]), 3);
    let elsewhere = Exchanged { folder: scratch() };
    std::fs::copy(exchanged.folder.path().join("exits-3.wat"), elsewhere.folder.path().join("exits-3.wat")).unwrap();
    assert_eq!(elsewhere.exit_code(3, &["--no-cache"]), 3);
    assert!(!elsewhere.cache().exists());
}

#[test]
fn a_cache_that_others_can_write_to_is_not_used() {
    let exchanged = Exchanged::new(&[]);
    for folder in [exchanged.cache(), exchanged.folder.path().join("caches")] {
        let mode = |mode| std::fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o770);
        assert_eq!(exchanged.exit_code(3, &[]), 3, "{}", folder.display());
        mode(0o700);
    }
    assert_eq!(exchanged.exit_code(3, &[]), 4);
}

/// Code that the guest writes there would be executed outside of its sandbox.
#[test]
fn a_cache_that_the_guest_can_write_to_is_not_used() {
    let exchanged = Exchanged::new(&[]);
    let [above, itself, inside] = ["caches", "caches/coredump-run", "caches/coredump-run/programs"]
        .map(|name| exchanged.folder.path().join(name).display().to_string());
    let link = exchanged.folder.path().join("link").display().to_string();
    std::os::unix::fs::symlink(&above, &link).unwrap();
    for folder in [above, itself, inside, link] {
        assert_eq!(exchanged.exit_code(3, &["--dir", &format!("{folder}::/data")]), 3, "{folder}");
        assert_eq!(exchanged.exit_code(3, &["--dir", &format!("{folder}::/data:ro")]), 4, "{folder}");
    }
}
