//! The output for dumps: a file that gets its name when it is whole. Only the newest files are kept, if that is asked
//! for.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::new_file::{self, Naming, NewFile, Target};

use crate::keep;
use crate::pattern::{self, Pattern, Values};

/// Numbered names tried when a dump of that name is there already; then the time makes it a name of its own.
const CLASHES: u32 = 1000;

/// Greatest write at once, in bytes: a signal that ends the process waits for one to be over.
const WRITE: usize = 1 << 20;

/// The output for the dumps of a program.
pub struct Output {
    pattern: Pattern,
    executable: String,
    keep: Option<usize>,
    /// A whole dump that waits for a better one, where what is written cannot be replaced.
    held: Mutex<Waiting>,
    /// The file of the dump that may be replaced.
    first: Mutex<Option<First>>,
    /// True once it was replaced.
    replaced: AtomicBool,
}

/// The file of a dump that may be replaced.
struct First {
    /// The folder that it is in, under whatever name by now.
    folder: Arc<OwnedFd>,
    /// The file, which stays open so that no other one is taken for it. `None` if none can be opened any more.
    file: Option<File>,
}

impl First {
    fn new(file: &NewFile) -> First {
        First { folder: file.folder().clone(), file: file.file().try_clone().ok() }
    }
}

/// A whole file that belongs to the next dump and is too large to be in it. It gets its name together with the dump, so
/// that none is left without the other.
pub struct Companion {
    file: NewFile,
    name: String,
}

impl Companion {
    /// The name that it will have, in the folder of its dump.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A whole dump that waits for a better one.
#[derive(Debug, Default)]
enum Waiting {
    /// There is none: dumps are written where they belong.
    #[default]
    Nothing,
    /// This one.
    Dump(HeldDump),
    /// There was one. Somebody took it, who writes it: a better one comes too late.
    Taken,
    /// It could not be held back, and was written where it belongs. This is the reason.
    Early(String),
}

/// A whole dump that was held back, in a temporary file.
#[derive(Debug)]
pub struct HeldDump(File);

/// The place to which a dump was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpPlace {
    /// It is not written.
    Nowhere,
    /// Our standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl Output {
    /// Dumps named by `pattern`; with `keep`, only that many stay of each program. In the pattern `%e` is the name of the
    /// program `executable`, `%p` the process id, `%t` the time in seconds since 1970, `%h` the host and `%%` a percent sign. A
    /// pattern of `-` is standard output. With `.zst` or `.gz` at its end, dumps are compressed while they are written.
    pub fn new(pattern: impl Into<OsString>, executable: impl Into<String>, keep: Option<usize>) -> Output {
        let (pattern, executable) = (Pattern::new(pattern.into()), executable.into());
        Output {
            pattern,
            executable,
            keep,
            held: Mutex::default(),
            first: Mutex::default(),
            replaced: AtomicBool::new(false),
        }
    }

    /// Returns true if dumps go to our standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.pattern.is_stdout()
    }

    /// Hands `write` a file and gives it its name when it is whole.
    ///
    /// # Errors
    ///
    /// The failure to create, write or name it, with its path; nothing is left of it then.
    pub fn write(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<DumpPlace> {
        self.put(None, write).map(|(place, _)| place)
    }

    /// As [`Output::write`], of a dump with a companion.
    ///
    /// # Errors
    ///
    /// As [`Output::write`]; nothing is left of the companion either.
    #[doc(hidden)]
    pub fn write_with(
        &self,
        companion: Option<Companion>,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<DumpPlace> {
        self.put(companion, write).map(|(place, _)| place)
    }

    /// As [`Output::write_with`]; returns also the file, unless it is a stream.
    fn put(
        &self,
        companion: Option<Companion>,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<(DumpPlace, Option<First>)> {
        if self.is_stdout() {
            let stdout = io::stdout();
            refuse_terminal(&stdout)?;
            let mut stdout = stdout.lock();
            write(&mut Pieces(&mut stdout)).map_err(|error| error.in_file("<stdout>"))?;
            stdout.flush().map_err(|error| Error::io("cannot write", error).in_file("<stdout>"))?;
            return Ok((DumpPlace::Stdout, None));
        }
        let values = self.values();
        let path = self.pattern.path(&values);
        let written = match self.pattern.makes_names() {
            true => self.write_unused(&path, &values, companion, write).map(|(place, first)| (place, Some(first))),
            false => self.write_named(&path, companion, write),
        };
        written.map_err(|error| error.in_file(&path))
    }

    /// As [`Output::write`], of a dump that [`Output::replace`] may replace. A dump that goes to a pipe is held back
    /// until [`Output::release`]; if there is no room for that, it is written to the pipe, and cannot be replaced.
    ///
    /// # Errors
    ///
    /// As [`Output::write`].
    #[doc(hidden)]
    pub fn write_first(&self, write: impl Fn(&mut dyn Write) -> Result<()>) -> Result<DumpPlace> {
        let path = self.pattern.path(&self.values());
        let streams = self.is_stdout() || (!self.pattern.makes_names() && new_file::is_stream(&path));
        if !streams || (self.is_stdout() && io::stdout().is_terminal()) {
            let (place, first) = self.put(None, write)?;
            *self.first() = first;
            return Ok(place);
        }
        let failed = |error| Error::io("cannot create a temporary file", error);
        let file = tempfile::tempfile().map_err(failed).and_then(|mut file| {
            write(&mut Pieces(&mut file))?;
            Ok(file)
        });
        match file {
            Ok(file) => {
                *self.held() = Waiting::Dump(HeldDump(file));
                Ok(if self.is_stdout() { DumpPlace::Stdout } else { DumpPlace::File(path) })
            }
            Err(error) if error.kind == ErrorKind::Io => {
                *self.held() = Waiting::Early(format!("it could not be held back: {error}"));
                self.write(write)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the reason why the dump of [`Output::write_first`] cannot be replaced, if it went to a pipe at once.
    #[doc(hidden)]
    pub fn early(&self) -> Option<Error> {
        match &*self.held() {
            Waiting::Early(why) => Some(Error::new(ErrorKind::Io, why.clone())),
            _ => None,
        }
    }

    /// Replaces the dump that [`Output::write_first`] wrote, by one with a companion if there is one.
    ///
    /// # Errors
    ///
    /// As [`Output::write`]; the first dump is still there then, unless it had been held back.
    #[doc(hidden)]
    pub fn replace(
        &self,
        place: &DumpPlace,
        companion: Option<Companion>,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<DumpPlace> {
        if self.take_held().is_some() {
            // From here on there is no way back to the first dump.
            return self.write_with(companion, write);
        }
        match &*self.held() {
            Waiting::Taken => return Err(Error::new(ErrorKind::Io, "the first dump is being written")),
            Waiting::Early(why) => return Err(Error::new(ErrorKind::Io, why.clone())),
            Waiting::Nothing | Waiting::Dump(_) => {}
        }
        let first = self.first().take();
        let (DumpPlace::File(path), Some(first)) = (place, first) else { return self.write_with(companion, write) };
        let replaced = NewFile::within(first.folder.clone())
            .map_err(|error| Error::io("cannot create the dump", error))
            .and_then(|mut file| {
                self.pack(&mut file, write)?;
                self.name_again(file, &first, path, companion)
            });
        replaced.map_err(|error| error.in_file(path))
    }

    /// Gives the name of the first dump, `path`, to the better one. If another process has removed the first one, it
    /// may be the name of a dump of its own by now: then the better one gets a name as a new one does.
    fn name_again(
        &self,
        mut file: NewFile,
        first: &First,
        path: &Path,
        companion: Option<Companion>,
    ) -> Result<DumpPlace> {
        let name = path.file_name().unwrap_or_default();
        let over = |file: &mut NewFile, naming: &mut Naming| {
            file.name_over(name, naming)?;
            self.replaced.store(true, Ordering::SeqCst);
            Ok(())
        };
        if !self.pattern.makes_names() {
            name_with(companion, |naming| over(&mut file, naming))?;
            return Ok(DumpPlace::File(path.to_owned()));
        }
        let values = self.values();
        // Nobody removes the first dump between the look at it and the renaming.
        let turn = self.keep.and_then(|_| keep::turn(&first.folder));
        if !first.file.as_ref().is_some_and(|first| new_file::has_name(first, file.folder(), name)) {
            drop(turn);
            let made = self.pattern.path(&values);
            let path = path.with_file_name(made.file_name().unwrap_or(name));
            return self.name_unused(&mut file, &path, &values, companion);
        }
        name_with(companion, |naming| over(&mut file, naming))?;
        self.remove_oldest(&first.folder, name, &values, turn.as_ref());
        Ok(DumpPlace::File(path.to_owned()))
    }

    /// Returns true if a better dump has the name of the first one.
    #[doc(hidden)]
    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::SeqCst)
    }

    fn first(&self) -> MutexGuard<'_, Option<First>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `write` a new file in the folder of the dumps, for what belongs to the next dump and is too large to be in
    /// it. There is none where dumps go to a stream.
    ///
    /// # Errors
    ///
    /// As [`Output::write`].
    #[doc(hidden)]
    pub fn write_beside(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Option<Companion>> {
        let values = self.values();
        let path = self.pattern.path(&values);
        if self.is_stdout() || (!self.pattern.makes_names() && new_file::is_stream(&path)) {
            return Ok(None);
        }
        let name = keep::recording_name(&values.program, &values.process, since_epoch().as_nanos());
        let folder = self.first().as_ref().map(|first| first.folder.clone());
        let file = folder.map_or_else(|| NewFile::in_folder(folder_of(&path)), NewFile::within);
        let written = file.map_err(|error| Error::io("cannot create the file", error)).and_then(|mut file| {
            write(&mut Pieces(&mut file))?;
            Ok(file)
        });
        let file = written.map_err(|error| error.in_file(path.with_file_name(&name)))?;
        Ok(Some(Companion { file, name }))
    }

    /// Returns true if a dump is held back.
    #[doc(hidden)]
    pub fn holds(&self) -> bool {
        matches!(*self.held(), Waiting::Dump(_))
    }

    /// The dump that was held back, if it still is: from now on no better one replaces it.
    #[doc(hidden)]
    pub fn take_held(&self) -> Option<HeldDump> {
        let mut waiting = self.held();
        if !matches!(*waiting, Waiting::Dump(_)) {
            return None;
        }
        match std::mem::replace(&mut *waiting, Waiting::Taken) {
            Waiting::Dump(held) => Some(held),
            _ => None,
        }
    }

    /// Writes a dump that was held back, as no better one came.
    ///
    /// # Errors
    ///
    /// As [`Output::write`].
    #[doc(hidden)]
    pub fn release(&self, HeldDump(mut file): HeldDump) -> Result<()> {
        let copy = |output: &mut dyn Write| {
            let read = |error| Error::io("cannot copy the dump", error);
            file.seek(io::SeekFrom::Start(0)).map_err(read)?;
            io::copy(&mut file, output).map_err(read).map(|_| ())
        };
        self.write(copy).map(|_| ())
    }

    fn held(&self) -> MutexGuard<'_, Waiting> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `write` the file, in pieces and compressed as the pattern says.
    fn pack(&self, file: &mut impl Write, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut file = Pieces(file);
        let Some(compression) = self.pattern.compression() else { return write(&mut file) };
        let mut packer = compression.packer(file);
        write(&mut packer)?;
        packer.finish().map(|_| ()).map_err(|error| Error::io("cannot write", error))
    }

    /// Writes to the name that the user spelled out: a file of that name is replaced.
    fn write_named(
        &self,
        path: &Path,
        companion: Option<Companion>,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<(DumpPlace, Option<First>)> {
        let first = match new_file::open(path).map_err(|error| Error::io("cannot create the dump", error))? {
            Target::Stream(mut stream) => {
                refuse_terminal(&stream)?;
                self.pack(&mut stream, write)?;
                None
            }
            Target::New(mut file) => {
                self.pack(&mut file, write)?;
                let name = path.file_name().unwrap_or_default();
                name_with(companion, |naming| file.name_over(name, naming))?;
                Some(First::new(&file))
            }
        };
        Ok((DumpPlace::File(path.to_owned()), first))
    }

    /// Writes to a name that was made from the pattern; returns the file, too. Nothing that has the name is touched: a
    /// snapshot and the crash after it share the process id, and who else may write to the folder could have put
    /// anything there.
    fn write_unused(
        &self,
        path: &Path,
        values: &Values,
        companion: Option<Companion>,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<(DumpPlace, First)> {
        let file = match &companion {
            Some(companion) => NewFile::within(companion.file.folder().clone()),
            None => NewFile::in_folder(folder_of(path)),
        };
        let mut file = file.map_err(|error| Error::io("cannot create the dump", error))?;
        self.pack(&mut file, write)?;
        let place = self.name_unused(&mut file, path, values, companion)?;
        Ok((place, First::new(&file)))
    }

    /// Gives the file the name of `path`, with a number if something has it; then removes what `--keep` does not leave.
    fn name_unused(
        &self,
        file: &mut NewFile,
        path: &Path,
        values: &Values,
        companion: Option<Companion>,
    ) -> Result<DumpPlace> {
        let name = path.file_name().ok_or_else(|| Error::new(ErrorKind::Io, "is a directory"))?;
        let numbers = (0..CLASHES).map(|clash| pattern::numbered(name, u128::from(clash)));
        let mut names = numbers.chain([pattern::numbered(name, since_epoch().as_nanos())]);
        let is_taken =
            |named: &io::Result<()>| matches!(named, Err(error) if error.kind() == io::ErrorKind::AlreadyExists);
        let name = name_with(companion, |naming| {
            let mut tried = names.by_ref().map(|name| (file.name(&name, naming), name));
            let (named, name) = tried
                .find(|(named, _)| !is_taken(named))
                .ok_or_else(|| io::Error::other(format!("{CLASHES} dumps of that name are there already")))?;
            named.map(|()| name)
        })?;
        let turn = self.keep.and_then(|_| keep::turn(file.folder()));
        self.remove_oldest(file.folder(), &name, values, turn.as_ref());
        Ok(DumpPlace::File(path.with_file_name(name)))
    }

    /// Removes what `--keep` does not leave beside the dump `new`.
    fn remove_oldest(&self, folder: &OwnedFd, new: &OsStr, values: &Values, turn: Option<&keep::Turn>) {
        if let Some(keep) = self.keep {
            let made = |other: &OsStr| self.pattern.can_have_made(other, values);
            keep::remove_oldest(folder, new, keep, turn, made);
            keep::remove_orphans(folder, &values.program, turn);
        }
    }

    /// Returns the current values of the pattern's letters.
    fn values(&self) -> Values {
        Values {
            program: pattern::program_name(&self.executable),
            process: std::process::id().to_string(),
            time: since_epoch().as_secs().to_string(),
            host: host_name().unwrap_or_else(|| "localhost".to_owned()),
        }
    }
}

/// Names a companion, and by `dump` its dump: both or neither, and a signal that ends this process comes before or
/// after that.
fn name_with<R>(mut companion: Option<Companion>, dump: impl FnOnce(&mut Naming) -> io::Result<R>) -> Result<R> {
    let naming = &mut new_file::naming();
    if let Some(Companion { file, name }) = &mut companion {
        file.name(OsStr::new(name), naming).map_err(|error| Error::io("cannot name the recording", error))?;
    }
    dump(naming).map_err(|error| {
        if let Some(Companion { file, name }) = &companion {
            file.remove(OsStr::new(name));
        }
        Error::io("cannot name the dump", error)
    })
}

fn refuse_terminal(stream: &impl IsTerminal) -> Result<()> {
    if !stream.is_terminal() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Usage, "a core dump is not written to a terminal");
    Err(error.hint("pipe it on, or name a file with -o"))
}

/// The folder that the file of this path is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes no more than [`WRITE`] bytes at once.
struct Pieces<'w, W: Write>(&'w mut W);

impl<W: Write> Write for Pieces<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(WRITE)])
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match pieces.iter().position(|piece| piece.len() > WRITE) {
            Some(0) => self.write(&pieces[0]),
            Some(large) => self.0.write_vectored(&pieces[..large]),
            None => {
                let mut total = 0;
                let fits = pieces.iter().take_while(|piece| {
                    total += piece.len();
                    total <= WRITE
                });
                let fits = fits.count();
                self.0.write_vectored(&pieces[..fits])
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The name of this machine.
pub fn host_name() -> Option<String> {
    let name = hostname::get().ok()?.to_string_lossy().replace('/', "_");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn output(pattern: &str) -> Output {
        Output::new(pattern, "dir/app.wasm", None)
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
        assert_eq!(place, DumpPlace::File(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn a_name_from_a_pattern_is_never_reused() {
        let folder = tempfile::tempdir().unwrap();
        let output = output(&format!("{}/%e.coredump", folder.path().display()));
        for expected in ["app.coredump", "app.1.coredump", "app.2.coredump"] {
            let place = output.write(|_| Ok(())).unwrap();
            assert_eq!(place, DumpPlace::File(folder.path().join(expected)));
        }
    }

    /// Between the two dumps of one crash, another process removes the first one and takes its name.
    #[test]
    fn a_better_dump_replaces_none_of_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let output = output(&format!("{}/%e.coredump", folder.path().display()));
        let write = |text: &'static [u8]| {
            move |file: &mut dyn Write| file.write_all(text).map_err(|error| Error::io("write", error))
        };
        let first = output.write_first(write(b"first")).unwrap();
        assert_eq!(first, DumpPlace::File(path("app.coredump")));
        fs::remove_file(path("app.coredump")).unwrap();
        fs::write(path("app.coredump"), "another").unwrap();
        assert_eq!(output.replace(&first, None, write(b"better")).unwrap(), DumpPlace::File(path("app.1.coredump")));
        assert_eq!(fs::read(path("app.coredump")).unwrap(), b"another");
        assert_eq!(fs::read(path("app.1.coredump")).unwrap(), b"better");

        let first = output.write_first(write(b"first")).unwrap();
        assert_eq!(first, DumpPlace::File(path("app.2.coredump")));
        assert_eq!(output.replace(&first, None, write(b"better")).unwrap(), first);
        assert_eq!(fs::read(path("app.2.coredump")).unwrap(), b"better");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
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
