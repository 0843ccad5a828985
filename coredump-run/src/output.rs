//! Where a dump goes: the name pattern, a temporary file and a rename, and how many old ones stay.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use coredump_core::error::{Error, ErrorKind, Result};

/// Bytes at the start of a file that tell whether it is a dump, and of what.
const HEAD: u64 = 4096;

/// Names tried when a dump of that name is there already.
const CLASHES: u32 = 1000;

/// Where dumps of this run go.
pub struct Output {
    pattern: OsString,
    executable: String,
    keep: Option<usize>,
    /// The file that is being written, so that an abrupt end can remove it.
    unfinished: Mutex<Option<PathBuf>>,
    /// A whole dump that waits for a better one, where what is written cannot be replaced.
    held: Mutex<Option<File>>,
}

/// Where a dump went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is not written.
    Nowhere,
    /// Our standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl Output {
    /// Dumps of the program `executable`, named by `pattern`; with `keep`, only that many stay.
    pub fn new(pattern: OsString, executable: String, keep: Option<usize>) -> Output {
        Output { pattern, executable, keep, unfinished: Mutex::new(None), held: Mutex::new(None) }
    }

    /// Whether dumps go to our standard output.
    pub fn is_stdout(&self) -> bool {
        self.pattern == "-"
    }

    /// Hands `write` a file and gives it its name when it is whole.
    pub fn write(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Place> {
        if self.is_stdout() {
            let stdout = io::stdout();
            if stdout.is_terminal() {
                let error = Error::new(ErrorKind::Usage, "a core dump is not written to a terminal");
                return Err(error.hint("pipe it on, or name a file with -o"));
            }
            let mut stdout = stdout.lock();
            write(&mut stdout).map_err(|error| error.in_file("<stdout>"))?;
            stdout.flush().map_err(|error| Error::io("cannot write", error).in_file("<stdout>"))?;
            return Ok(Place::Stdout);
        }
        let path = self.name(&self.values());
        self.write_file(&path, write).map_err(|error| error.in_file(&path))
    }

    /// As [`Output::write`], of a dump that [`Output::replace`] may replace. What goes to a pipe is held back until
    /// [`Output::release`].
    pub fn write_first(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Place> {
        let path = self.name(&self.values());
        let streams =
            self.is_stdout() || fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
        if !streams || (self.is_stdout() && io::stdout().is_terminal()) {
            return self.write(write);
        }
        let failed = |error| Error::io("cannot create a temporary file", error);
        let mut file = tempfile::tempfile().map_err(failed)?;
        write(&mut file)?;
        *self.held() = Some(file);
        Ok(if self.is_stdout() { Place::Stdout } else { Place::File(path) })
    }

    /// Replaces the dump that [`Output::write_first`] wrote.
    pub fn replace(&self, place: &Place, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Place> {
        if self.held().take().is_some() {
            // From here on there is no way back to the first dump.
            return self.write(write);
        }
        let Place::File(path) = place else { return self.write(write) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let replaced = self.create(folder).and_then(|mut file| {
            write(file.as_file_mut())?;
            file.persist(path).map_err(|error| Error::io("cannot name the dump", error.error))
        });
        *self.unfinished() = None;
        replaced.map_err(|error| error.in_file(path))?;
        Ok(place.clone())
    }

    /// Whether a dump is held back.
    pub fn holds(&self) -> bool {
        self.held().is_some()
    }

    /// Writes what was held back, as no better dump came.
    pub fn release(&self) -> Result<()> {
        let Some(mut file) = self.held().take() else { return Ok(()) };
        let copy = |output: &mut dyn Write| {
            let read = |error| Error::io("cannot copy the dump", error);
            file.seek(io::SeekFrom::Start(0)).map_err(read)?;
            io::copy(&mut file, output).map_err(read).map(|_| ())
        };
        self.write(copy).map(|_| ())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_file(&self, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Place> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() {
            return Err(Error::new(ErrorKind::Io, "is a directory"));
        }
        // A pipe or a device can't be replaced by a rename, and is what the user meant.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let open = fs::OpenOptions::new().write(true).open(path);
            let mut file = open.map_err(|error| Error::io("cannot open", error))?;
            write(&mut file)?;
            return Ok(Place::File(path.to_owned()));
        }
        let mut file = self.create(folder)?;
        let written = write(file.as_file_mut());
        let placed = written.and_then(|()| self.place(file, path));
        *self.unfinished() = None;
        let placed = placed?;
        if let Some(keep) = self.keep {
            self.remove_oldest(&placed, folder, keep);
        }
        Ok(Place::File(placed))
    }

    /// Creates a file with mode 0600 that an abrupt end removes.
    fn create(&self, folder: &Path) -> Result<tempfile::NamedTempFile> {
        let mut unfinished = self.unfinished();
        let file = tempfile::Builder::new().prefix(".coredump-").suffix(".unfinished").tempfile_in(folder);
        let file = file.map_err(|error| Error::io("cannot create the dump", error))?;
        *unfinished = Some(file.path().to_owned());
        Ok(file)
    }

    /// Renames a whole file into place. A name that the user spelt out is replaced; one from a pattern never is: a
    /// snapshot and the crash after it share the process id.
    fn place(&self, mut file: tempfile::NamedTempFile, path: &Path) -> Result<PathBuf> {
        let failed = |error: io::Error| Error::io("cannot name the dump", error);
        if !self.pattern.as_bytes().contains(&b'%') {
            return file.persist(path).map(|_| path.to_owned()).map_err(|error| failed(error.error));
        }
        for clash in 0..CLASHES {
            let name = numbered(path, clash);
            match file.persist_noclobber(&name) {
                Ok(_) => return Ok(name),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
                Err(error) => return Err(failed(error.error)),
            }
        }
        Err(Error::new(ErrorKind::Io, format!("{CLASHES} dumps of that name are there already")))
    }

    /// Removes what an abrupt end would leave behind. The process is about to end: nobody gets to create another file.
    pub fn abandon(&self) {
        let mut unfinished = self.unfinished();
        if let Some(path) = unfinished.take() {
            let _ = fs::remove_file(path);
        }
        std::mem::forget(unfinished);
    }

    fn unfinished(&self) -> std::sync::MutexGuard<'_, Option<PathBuf>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn values(&self) -> Values {
        Values {
            program: program_name(&self.executable),
            process: std::process::id().to_string(),
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()).to_string(),
            host: host_name().unwrap_or_else(|| "localhost".to_owned()),
        }
    }

    fn name(&self, values: &Values) -> PathBuf {
        let mut name = Vec::new();
        for part in parts(self.pattern.as_bytes()) {
            name.extend_from_slice(match part {
                Part::Text(text) => text,
                Part::Program => values.program.as_bytes(),
                Part::Process => values.process.as_bytes(),
                Part::Time => values.time.as_bytes(),
                Part::Host => values.host.as_bytes(),
            });
        }
        PathBuf::from(OsString::from_vec(name))
    }

    /// Removes the oldest dumps of this program, named as this pattern names them, beyond `keep`. `newest` stays.
    fn remove_oldest(&self, newest: &Path, folder: &Path, keep: usize) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut dumps: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(|entry| entry.ok())
            .filter(|entry| entry.file_type().is_ok_and(|ty| ty.is_file()))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .filter(|(_, path)| path.file_name() != newest.file_name() && self.is_own(path))
            .collect();
        dumps.sort();
        let excess = (dumps.len() + 1).saturating_sub(keep.max(1));
        for (_, path) in &dumps[..excess.min(dumps.len())] {
            let _ = fs::remove_file(path);
        }
    }

    /// Whether a file is a core dump of this very program: only such a one is ever removed.
    fn is_own(&self, path: &Path) -> bool {
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
        if read.is_err() {
            return false;
        }
        let Ok(dump) = recorded_executable(&head) else { return false };
        dump.as_deref() == Some(self.executable.as_str())
    }
}

/// The executable's name in the `core` section, which our dumps begin with.
fn recorded_executable(head: &[u8]) -> std::result::Result<Option<String>, std::str::Utf8Error> {
    let Some(section) = head.strip_prefix(b"\0asm\x01\0\0\0\0") else { return Ok(None) };
    let Some((_, section)) = leb(section) else { return Ok(None) };
    let Some(section) = section.strip_prefix(b"\x04core\0") else { return Ok(None) };
    let Some((len, name)) = leb(section) else { return Ok(None) };
    name.get(..len).map(|name| std::str::from_utf8(name).map(str::to_owned)).transpose()
}

/// An unsigned LEB128 of at most five bytes, and what follows.
fn leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

struct Values {
    program: String,
    process: String,
    time: String,
    host: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'p> {
    Text(&'p [u8]),
    Program,
    Process,
    Time,
    Host,
}

/// Cuts a pattern; `%%` is a percent sign, and an unknown letter stays as it is.
fn parts(pattern: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        let (part, used) = match rest.get(at + 1) {
            Some(b'e') => (Part::Program, 2),
            Some(b'p') => (Part::Process, 2),
            Some(b't') => (Part::Time, 2),
            Some(b'h') => (Part::Host, 2),
            Some(b'%') => (Part::Text(b"%"), 2),
            _ => (Part::Text(b"%"), 1),
        };
        parts.push(Part::Text(&rest[..at]));
        parts.push(part);
        rest = &rest[at + used..];
    }
    parts.push(Part::Text(rest));
    parts
}

/// `app.1.coredump` for `app.coredump`; the name itself for 0.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    match path.extension() {
        Some(extension) => path.with_extension(format!("{number}.{}", extension.to_string_lossy())),
        None => path.with_extension(number.to_string()),
    }
}

/// The file's name without folder and last extension, fit to be part of a file's name.
fn program_name(executable: &str) -> String {
    let stem = Path::new(executable).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|stem| !stem.is_empty()).unwrap_or_else(|| "wasm".to_owned())
}

/// The name of this machine.
pub fn host_name() -> Option<String> {
    let name = hostname::get().ok()?.to_string_lossy().replace('/', "_");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(pattern: &str) -> Output {
        Output::new(pattern.into(), "dir/app.wasm".to_owned(), None)
    }

    #[test]
    fn a_pattern_names_program_process_time_and_host() {
        let values = Values { program: "app".into(), process: "42".into(), time: "1700".into(), host: "h".into() };
        assert_eq!(output("%e.%p.coredump").name(&values), Path::new("app.42.coredump"));
        assert_eq!(output("/var/%h/%t-%%%e%").name(&values), Path::new("/var/h/1700-%app%"));
        assert_eq!(output("100%x").name(&values), Path::new("100%x"));
    }

    #[test]
    fn a_whole_file_appears_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("core");
        let output = output(path.to_str().unwrap());
        let failed = output.write(|file| {
            file.write_all(b"half").unwrap();
            Err(Error::new(ErrorKind::Io, "disk full"))
        });
        assert!(failed.unwrap_err().to_string().contains("disk full"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let place = output.write(|file| file.write_all(b"whole").map_err(|error| Error::io("write", error))).unwrap();
        assert_eq!(place, Place::File(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn a_name_from_a_pattern_is_never_reused() {
        let folder = tempfile::tempdir().unwrap();
        let output = output(&format!("{}/%e.coredump", folder.path().display()));
        for expected in ["app.coredump", "app.1.coredump", "app.2.coredump"] {
            let place = output.write(|_| Ok(())).unwrap();
            assert_eq!(place, Place::File(folder.path().join(expected)));
        }
    }

    #[test]
    fn only_dumps_of_the_same_program_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let dump = |executable: &str| {
            let dump = coredump_core::model::CoreDump {
                executable: Some(executable.to_owned()),
                ..coredump_core::model::CoreDump::default()
            };
            let mut bytes = Vec::new();
            coredump_core::write::write(&dump, &mut bytes).unwrap();
            bytes
        };
        fs::write(path("other.1.coredump"), dump("dir/other.wasm")).unwrap();
        fs::write(path("app.1.txt"), "not a dump").unwrap();
        let mut output = output(&format!("{}/%e.coredump", folder.path().display()));
        output.keep = Some(2);
        for _ in 0..4 {
            output
                .write(|file| file.write_all(&dump("dir/app.wasm")).map_err(|error| Error::io("write", error)))
                .unwrap();
        }
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left.iter().filter(|name| name.starts_with("app") && name.ends_with("coredump")).count(), 2);
        assert!(left.contains(&"other.1.coredump".to_owned()) && left.contains(&"app.1.txt".to_owned()));
    }
}
