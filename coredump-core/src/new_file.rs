//! Writing files safely in folders that others can write to, too: a file appears under its name whole or not at all,
//! and nothing that already stands there is opened or followed.
//!
//! Everything is done relative to the folder's descriptor, so that nobody can exchange the folder in between. A name
//! that was *made*, from a pattern for example, never opens an existing file. A name that a person *spelled out* may
//! also be that of a named pipe or a device, if its owner could be trusted with the folder anyway; a link there is
//! replaced, not followed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

/// The mode of new files: dumps hold private data, so that only their owner may read them.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The time for which a named pipe may be without a reader before opening it fails.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number of names that are tried for a temporary file.
const ATTEMPTS: u32 = 1000;

/// The temporary names of this process's new files, with their folders.
static UNFINISHED: Mutex<BTreeMap<OsString, Arc<OwnedFd>>> = Mutex::new(BTreeMap::new());

/// The right to name files, which one thread has at a time. An abrupt end waits for it ([`abandon`]), so that several
/// files get their names together. No [`NewFile`] may be created or dropped meanwhile.
pub struct Naming(MutexGuard<'static, BTreeMap<OsString, Arc<OwnedFd>>>);

/// Waits for the right to name files.
pub fn naming() -> Naming {
    Naming(UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Removes the new files that have temporary names. The process is about to end: no file is named from now on, and
/// where files need temporary names, none is created. Returns at once if another thread has begun this.
pub fn abandon() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if BEGUN.swap(true, Ordering::SeqCst) {
        return;
    }
    let Naming(mut unfinished) = naming();
    for (name, folder) in std::mem::take(&mut *unfinished) {
        let _ = rustix::fs::unlinkat(&folder, &name, AtFlags::empty());
    }
    std::mem::forget(unfinished);
}

/// A file that has no name yet.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    folder: Arc<OwnedFd>,
    /// Its temporary name, where the file system has no files without one.
    temporary: Option<OsString>,
}

/// The output that a name on the command line stands for.
#[derive(Debug)]
pub enum Target {
    /// A pipe, a device, or a stream of this process, where what was written cannot be taken back.
    Stream(File),
    /// A new file, to be named when it is whole.
    New(NewFile),
}

/// Opens what `path` stands for, to write to it.
///
/// # Errors
///
/// The failure to open the folder or the file; [`io::ErrorKind::PermissionDenied`] for a pipe or device of another
/// user, and for anything that is neither a file, a pipe nor a device.
pub fn open(path: &Path) -> io::Result<Target> {
    if let Some(number) = own_descriptor(path) {
        let stream = match number {
            1 => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            2 => io::stderr().as_fd().try_clone_to_owned().map(File::from),
            _ => File::options().write(true).open(format!("/proc/self/fd/{number}")),
        };
        return stream.map(Target::Stream);
    }
    let (folder, name) = split(path)?;
    let folder = open_folder(folder)?;
    let Ok(found) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return NewFile::within(Arc::new(folder)).map(Target::New);
    };
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile | FileType::Symlink => NewFile::within(Arc::new(folder)).map(Target::New),
        FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
        FileType::Fifo | FileType::CharacterDevice => open_stream(&folder, name).map(Target::Stream),
        _ => Err(refused("is neither a file nor a pipe nor a device to write to")),
    }
}

/// Returns true if [`open`] would find a stream at `path`.
pub fn is_stream(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is = |ty: std::fs::FileType| ty.is_fifo() || ty.is_char_device();
    own_descriptor(path).is_some() || std::fs::symlink_metadata(path).is_ok_and(|found| is(found.file_type()))
}

/// Opens the pipe or device of that name; fails if something else takes its place meanwhile.
fn open_stream(folder: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let since = Instant::now();
    let opened = loop {
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            // Nobody has opened the pipe for reading yet.
            Err(rustix::io::Errno::NXIO) if since.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(rustix::io::Errno::NXIO) => return Err(io::Error::other("no process reads this pipe")),
            opened => break opened?,
        }
    };
    let found = rustix::fs::fstat(&opened)?;
    if !matches!(FileType::from_raw_mode(found.st_mode), FileType::Fifo | FileType::CharacterDevice) {
        return Err(refused("is no longer what it was"));
    }
    let trusted = [own_user(), Some(rustix::fs::fstat(folder)?.st_uid)];
    if !trusted.contains(&Some(found.st_uid)) {
        return Err(refused("is a pipe or device of another user"));
    }
    rustix::fs::fcntl_setfl(&opened, rustix::fs::fcntl_getfl(&opened)? - OFlags::NONBLOCK)?;
    Ok(opened.into())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// The user as which this process acts; `None` if `/proc` does not say.
pub fn own_user() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

/// The descriptor of this process that a path such as `/dev/stdout` or `/dev/fd/3` means.
fn own_descriptor(path: &Path) -> Option<u32> {
    match path.as_os_str().as_bytes() {
        b"/dev/stdout" => Some(1),
        b"/dev/stderr" => Some(2),
        bytes => {
            let number = bytes.strip_prefix(b"/dev/fd/").or_else(|| bytes.strip_prefix(b"/proc/self/fd/"))?;
            std::str::from_utf8(number).ok()?.parse().ok()
        }
    }
}

/// Splits a path into a folder and a name in it.
fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    // `Path` gives `a/` and `a/.` a file name, but they mean a folder.
    let bytes = path.as_os_str().as_bytes();
    let name = path.file_name().filter(|_| !bytes.ends_with(b"/") && !bytes.ends_with(b"/."));
    let name = name.ok_or(io::ErrorKind::IsADirectory)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")), name))
}

/// A descriptor of a folder.
fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

impl NewFile {
    /// A new file that will get a name in `folder`.
    ///
    /// # Errors
    ///
    /// The folder does not exist, or no file can be created in it.
    pub fn in_folder(folder: &Path) -> io::Result<NewFile> {
        NewFile::within(Arc::new(open_folder(folder)?))
    }

    /// As [`NewFile::in_folder`], in a folder the last name of which was made: where a link has that name, whoever put
    /// it there chose where the file would be.
    ///
    /// # Errors
    ///
    /// As those of [`NewFile::in_folder`]; and the folder is a link.
    pub fn in_made_folder(folder: &Path) -> io::Result<NewFile> {
        let (above, name) = split(folder)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(open_folder(above)?, name, flags, Mode::empty()) {
            Ok(folder) => NewFile::within(Arc::new(folder)),
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                Err(refused("the folder is a link, which is not followed"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A new file that will get a name in this folder, even if the folder is moved and another one takes its name.
    ///
    /// # Errors
    ///
    /// No file can be created in the folder.
    pub fn within(folder: Arc<OwnedFd>) -> io::Result<NewFile> {
        #[cfg(target_os = "linux")]
        if Path::new("/proc/self/fd").exists() {
            let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
            if let Ok(file) = rustix::fs::openat(&folder, ".", flags, MODE) {
                return Ok(NewFile { file: file.into(), folder, temporary: None });
            }
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Naming(mut unfinished) = naming();
        let (temporary, file) = unused_name(|name| rustix::fs::openat(&folder, name, flags, MODE))?;
        unfinished.insert(temporary.clone(), folder.clone());
        Ok(NewFile { file: file.into(), folder, temporary: Some(temporary) })
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The folder that it will have its name in.
    pub fn folder(&self) -> &Arc<OwnedFd> {
        &self.folder
    }

    /// Gives it the name `name`, which nothing may have.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] where anything has that name: another can be tried.
    pub fn name(&mut self, name: &OsStr, naming: &mut Naming) -> io::Result<()> {
        self.link(name)?;
        self.forget_temporary(naming);
        Ok(())
    }

    /// Gives it the name `name`; a file or a link of that name is replaced.
    ///
    /// # Errors
    ///
    /// The renaming fails; a folder of that name is not replaced.
    pub fn name_over(&mut self, name: &OsStr, naming: &mut Naming) -> io::Result<()> {
        if self.temporary.is_none() {
            match self.link(name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                done => return done,
            }
            // Linking cannot replace a name, so the file gets a temporary name and is renamed.
            let (temporary, ()) = unused_name(|temporary| self.link_errno(temporary))?;
            naming.0.insert(temporary.clone(), self.folder.clone());
            self.temporary = Some(temporary);
        }
        if let Some(temporary) = &self.temporary {
            rustix::fs::renameat(&self.folder, temporary, &self.folder, name)?;
            naming.0.remove(temporary);
            self.temporary = None;
        }
        Ok(())
    }

    /// Removes the name that it was given.
    pub fn remove(&self, name: &OsStr) {
        let _ = rustix::fs::unlinkat(&self.folder, name, AtFlags::empty());
    }

    fn link(&self, name: &OsStr) -> io::Result<()> {
        Ok(self.link_errno(name)?)
    }

    fn link_errno(&self, name: &OsStr) -> rustix::io::Result<()> {
        match &self.temporary {
            Some(temporary) => rustix::fs::linkat(&self.folder, temporary, &self.folder, name, AtFlags::empty()),
            None => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(rustix::fs::CWD, own.as_str(), &self.folder, name, AtFlags::SYMLINK_FOLLOW)
            }
        }
    }

    fn forget_temporary(&mut self, naming: &mut Naming) {
        if let Some(temporary) = self.temporary.take() {
            naming.0.remove(&temporary);
            let _ = rustix::fs::unlinkat(&self.folder, &temporary, AtFlags::empty());
        }
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.temporary.is_some() {
            self.forget_temporary(&mut naming());
        }
    }
}

/// Calls `find` with new temporary names until one of them is unused; returns the name and the result.
fn unused_name<R>(mut find: impl FnMut(&OsStr) -> rustix::io::Result<R>) -> io::Result<(OsString, R)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..ATTEMPTS {
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = OsString::from(format!(".coredump-{process}-{count}.unfinished"));
        match find(&name) {
            Err(rustix::io::Errno::EXIST) => {}
            done => return Ok((name, done?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Returns true if `stat` is of a regular file of the user that this process acts as.
pub fn is_own_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && Some(stat.st_uid) == own_user()
}

/// Returns true if `name` in `folder` is a name of this open file, and not that of another one.
pub fn has_name(file: &File, folder: impl AsFd, name: &OsStr) -> bool {
    let Ok(found) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    rustix::fs::fstat(file).is_ok_and(|own| (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino))
}

/// Opens the file `name` of `folder` to read it, if it is a regular one: it is not followed if it is a link, and does
/// not block if it is a pipe.
///
/// # Errors
///
/// The failure to open it, or that it is no regular file.
pub fn read_at(folder: impl AsFd, name: &OsStr) -> io::Result<(File, Stat)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file.into(), stat)),
        _ => Err(refused("is no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn new(path: &Path) -> NewFile {
        match open(path).unwrap() {
            Target::New(new) => new,
            Target::Stream(_) => panic!("a stream"),
        }
    }

    #[test]
    fn a_file_has_no_name_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = new(&folder.path().join("dump"));
        file.write_all(b"whole").unwrap();
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| name != "dump"));
        file.name_over(OsStr::new("dump"), &mut naming()).unwrap();
        assert_eq!(fs::read(folder.path().join("dump")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mode = fs::metadata(folder.path().join("dump")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(new(&folder.path().join("dump")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_is_replaced_and_its_target_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &link).unwrap();
        let mut file = new(&link);
        file.write_all(b"dump").unwrap();
        assert_eq!(file.name(OsStr::new("link"), &mut naming()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        file.name_over(OsStr::new("link"), &mut naming()).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        assert_eq!(fs::read(&link).unwrap(), b"dump");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_link_to_a_device_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/full", &link).unwrap();
        new(&link).name_over(OsStr::new("link"), &mut naming()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
    }

    #[test]
    fn streams_of_this_process_have_their_names() {
        assert_eq!(own_descriptor(Path::new("/dev/stdout")), Some(1));
        assert_eq!(own_descriptor(Path::new("/dev/fd/7")), Some(7));
        assert_eq!(own_descriptor(Path::new("/proc/self/fd/2")), Some(2));
        assert_eq!(own_descriptor(Path::new("/proc/self/fd/../mem")), None);
        assert_eq!(own_descriptor(Path::new("dev/stdout")), None);
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("new/"), Path::new(".").to_owned(), "..".into()] {
            assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::IsADirectory, "{path:?}");
        }
    }
}
