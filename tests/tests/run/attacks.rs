//! A dump's name may be taken already, by any kind of file of any user. A normal user tries each, and so does root if
//! the tests run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, binary, fixture, scratch};
use tempfile::TempDir;

use super::Run;

/// Two settings in which each attack is tried.
const NAMES: [&str; 2] = ["app.coredump", "%e.coredump"];

/// The user that owns nothing, on Debian and elsewhere.
const NOBODY: u32 = 65534;

/// A folder that programs leave their dumps in, and the user as whom they run there.
struct Place {
    folder: TempDir,
    program: PathBuf,
    nobody: bool,
}

/// The tool, where a normal user can reach it: what was built may lie below a folder that only root can look into.
fn reachable() -> &'static Path {
    static COPY: std::sync::OnceLock<(TempDir, PathBuf)> = std::sync::OnceLock::new();
    let copy = COPY.get_or_init(|| {
        let folder = scratch();
        let copy = folder.path().join("coredump-run");
        let tool = binary("coredump-run");
        fs::hard_link(tool, &copy).or_else(|_| fs::copy(tool, &copy).map(|_| ())).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        (folder, copy)
    });
    &copy.1
}

/// One place for each user as whom we can run: ourselves, and if that is root, nobody.
fn places() -> Vec<Place> {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let users = if is_root { &[false, true][..] } else { &[false] };
    let place = |&nobody: &bool| {
        let folder = scratch();
        let program = folder.path().join("program/app.wasm");
        fs::create_dir(folder.path().join("program")).unwrap();
        fs::copy(fixture("modules/wat-div.wasm"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
        let dumps = folder.path().join("dumps");
        fs::create_dir(&dumps).unwrap();
        if nobody {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            std::os::unix::fs::chown(&dumps, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Place { folder, program, nobody }
    };
    users.iter().map(place).collect()
}

impl Place {
    fn dumps(&self) -> PathBuf {
        self.folder.path().join("dumps")
    }

    /// Returns the name of the user who tries it, for messages.
    fn user(&self) -> &'static str {
        if self.nobody { "nobody" } else { "ourselves" }
    }

    fn crash(&self, options: &[&str]) -> Outcome {
        let tool = match self.nobody {
            true => {
                let dropped = Tool::other("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
                dropped.arg(reachable())
            }
            false => Tool::new("coredump-run"),
        };
        tool.args(options).arg(&self.program).in_folder(&self.dumps()).run().expect(134)
    }

    /// Regular files among what is in the folder, links not followed.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dumps()).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        files.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn a_link_at_the_dumps_name_is_not_followed() {
    for place in places() {
        for pattern in NAMES {
            let secret = place.folder.path().join("secret");
            fs::write(&secret, "precious").unwrap();
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o666)).unwrap();
            let link = place.dumps().join("app.coredump");
            let _ = fs::remove_file(&link);
            symlink(&secret, &link).unwrap();
            let told = place.crash(&["-o", pattern]).stderr;
            assert_eq!(fs::read(&secret).unwrap(), b"precious", "{pattern}, {}: {told}", place.user());
            let name = if pattern.contains('%') { "app.1.coredump" } else { "app.coredump" };
            assert!(told.contains(&format!("core dumped: {name}")), "{}: {told}", place.user());
            assert!(place.files().contains(&name.to_owned()), "{}: {:?}", place.user(), place.files());
        }
    }
}

#[test]
fn a_link_to_a_device_gets_no_memory() {
    for place in places() {
        for pattern in NAMES {
            let link = place.dumps().join("app.coredump");
            let _ = fs::remove_file(&link);
            symlink("/dev/full", &link).unwrap();
            let told = place.crash(&["-o", pattern]).stderr;
            assert!(told.contains("core dumped: "), "the device was not opened, {}: {told}", place.user());
        }
    }
}

#[test]
fn a_pipe_at_the_dumps_name_holds_nobody() {
    for place in places() {
        for pattern in NAMES {
            let _ = fs::remove_file(place.dumps().join("app.coredump"));
            Tool::other("mkfifo").arg("app.coredump").in_folder(&place.dumps()).run().expect(0);
            let told = place.crash(&["-o", pattern]).stderr;
            match pattern.contains('%') {
                true => assert!(told.contains("core dumped: app.1.coredump"), "{}: {told}", place.user()),
                // To a normal user a pipe of root's is somebody else's, which the system may refuse before.
                false if place.nobody => assert!(told.contains("no core dump: app.coredump"), "{told}"),
                false => assert!(told.contains("no process reads this pipe"), "{told}"),
            }
        }
    }
}

#[test]
fn another_users_pipe_takes_no_dump() {
    for place in places() {
        // Nobody's pipe in root's folder, and root's pipe in nobody's.
        let pipe = place.folder.path().join("pipe");
        Tool::other("mkfifo").args(["-m", "666"]).arg(&pipe).run().expect(0);
        let owner = if place.nobody { 0 } else { NOBODY };
        if std::os::unix::fs::chown(&pipe, Some(owner), Some(owner)).is_err() {
            continue;
        }
        let (folder, owner) = (place.folder.path(), if place.nobody { NOBODY } else { 0 });
        std::os::unix::fs::chown(folder, Some(owner), Some(owner)).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap_or_default()
        });
        let told = place.crash(&["-o", "../pipe"]).stderr;
        assert!(told.contains("another user"), "{}: {told}", place.user());
        assert_eq!(reader.join().unwrap(), b"");
    }
}

#[test]
fn keep_leaves_files_of_others_and_those_that_were_saved() {
    for place in places() {
        place.crash(&["-o", "%e.%p.coredump"]);
        let dump = place.dumps().join(&place.files()[0]);
        // A dump that was renamed to be saved, an unfinished dump, a link, and a dump of another user.
        let kept = ["saved-app.coredump", "app.7.coredump.keep", ".coredump-1-1.unfinished", "app.1.coredump"];
        for name in kept {
            fs::copy(&dump, place.dumps().join(name)).unwrap();
        }
        let other = place.dumps().join("app.1.coredump");
        let owner = if place.nobody { 0 } else { NOBODY };
        let others = std::os::unix::fs::chown(&other, Some(owner), Some(owner)).is_ok();
        symlink(&dump, place.dumps().join("app.2.coredump")).unwrap();
        for _ in 0..3 {
            place.crash(&["-o", "%e.%p.coredump", "--keep", "2"]);
        }
        let left = place.files();
        let (saved, own) = kept.iter().partition::<Vec<&str>, _>(|name| !name.starts_with("app.1."));
        assert!(saved.iter().all(|name| left.contains(&(*name).to_owned())), "{}: {left:?}", place.user());
        assert_eq!(left.contains(&own[0].to_owned()), others, "{}: {left:?}", place.user());
        assert!(fs::symlink_metadata(place.dumps().join("app.2.coredump")).unwrap().is_symlink());
        assert_eq!(left.len(), saved.len() + 2 + usize::from(others), "{}: {left:?}", place.user());
    }
}

#[test]
fn the_other_tools_follow_no_links_either() {
    let folder = scratch();
    let target = folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    let dump = Run::fixture(&[], "wat-div").expect(134);
    let link = |name: &str| symlink(&target, folder.path().join(name)).unwrap();
    link("out");
    Tool::new("coredump-json").args(["-o", "out"]).arg(&dump.dump).in_folder(folder.path()).run();
    fs::create_dir(folder.path().join("all")).unwrap();
    link("all/memories.json");
    Tool::other("mkfifo").arg("all/globals.json").in_folder(folder.path()).run().expect(0);
    Tool::new("coredump-dump").args(["--all", "-o", "all"]).arg(&dump.dump).in_folder(folder.path()).run();
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert!(fs::symlink_metadata(folder.path().join("all/globals.json")).unwrap().is_file());
}

/// Names in a store are made of build ids, which everybody knows before: they may be taken already.
#[test]
fn what_stands_in_a_store_is_neither_opened_nor_followed() {
    let folder = scratch();
    let module = fixture("modules/sum-buildid.wasm");
    let store = || Tool::new("coredump-bt").args(["--store", "store"]).arg(&module).in_folder(folder.path()).run();
    let told = store().expect(0);
    let stored = folder.path().join(told.text().lines().next().unwrap());
    let whole = fs::read(&stored).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;

    let target = folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o4777)).unwrap();
    let link = || symlink(&target, &stored).unwrap();
    let pipe = || drop(Tool::other("mkfifo").arg(&stored).run().expect(0));
    let writable = || {
        fs::write(&stored, "").unwrap();
        fs::set_permissions(&stored, fs::Permissions::from_mode(0o777)).unwrap();
    };
    for plant in [&link as &dyn Fn(), &pipe, &writable] {
        fs::remove_file(&stored).unwrap();
        plant();
        store().expect(0);
        assert!(fs::symlink_metadata(&stored).unwrap().is_file());
        assert_eq!(fs::read(&stored).unwrap(), whole);
        assert_eq!(mode(&stored), 0o644, "not that of what stood there");
    }
    assert_eq!((fs::read(&target).unwrap(), mode(&target)), (b"precious".to_vec(), 0o4777));

    // A link in the place of the folder of two letters leads to where somebody else wants the module to be.
    let (letters, elsewhere) = (stored.parent().unwrap(), folder.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_dir_all(letters).unwrap();
    symlink(&elsewhere, letters).unwrap();
    let refused = store().expect(2);
    assert!(refused.stderr.contains("the folder is a link, which is not followed"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}
