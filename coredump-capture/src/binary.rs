//! The bytes that a store runs: a dump describes its modules by them, and looks its offsets up in them.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use coredump_core::internals::stamp::Stamp;
use coredump_core::module;
use wasmtime::Module;

use crate::emptiable;

/// The bytes of a program: a core module, or a component with core modules inside; and of what is linked to it.
#[derive(Debug, Default)]
pub struct Binary {
    /// The absolute path of its file, or another name that a dump shall give.
    path: PathBuf,
    /// The stamp of its file, if that was read after it had come to rest.
    stamp: Option<Stamp>,
    fileless: bool,
    bytes: Vec<u8>,
    /// The ranges of `bytes` that hold its core modules.
    modules: Vec<Range<usize>>,
    /// The bytes that an instrumented engine is given, where those are others: as many, with its modules at the same places.
    instrumented: OnceLock<Option<Vec<u8>>>,
    /// Other programs whose modules are in the same stores.
    others: Vec<Arc<Binary>>,
}

impl Binary {
    /// A program whose bytes no file holds: it was text, was made on the spot, or came over a network. Its dumps take its
    /// modules in, and call it `name`.
    pub fn from_bytes<'b>(name: impl Into<PathBuf>, bytes: impl Into<Cow<'b, [u8]>>) -> Binary {
        Binary { fileless: true, ..Binary::new(name.into(), None, bytes.into().into_owned()) }
    }

    /// The program in the file at `path`, which holds nothing but these `bytes`. `stamp` is that file's, if its contents
    /// are known to be those of that moment.
    #[doc(hidden)]
    pub fn from_file<'b>(path: &Path, stamp: Option<Stamp>, bytes: impl Into<Cow<'b, [u8]>>) -> Binary {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Binary::new(path, stamp, bytes.into().into_owned())
    }

    /// Reads the program in the file at `path`.
    ///
    /// # Errors
    ///
    /// The failure to open or read it.
    pub fn read(path: &Path) -> std::io::Result<Binary> {
        let (bytes, stamp) = read_file(path)?;
        Ok(Binary::from_file(path, stamp, bytes))
    }

    fn new(path: PathBuf, stamp: Option<Stamp>, bytes: Vec<u8>) -> Binary {
        let modules = module::nested(&bytes).unwrap_or_default();
        let base = bytes.as_ptr() as usize;
        let modules = modules.iter().map(|module| (module.as_ptr() as usize - base, module.len()));
        let modules = modules.map(|(start, len)| start..start + len).collect();
        Binary { path, stamp, fileless: false, bytes, modules, instrumented: OnceLock::new(), others: Vec::new() }
    }

    /// The same program, in stores that hold modules of another one too: of a library that the host links to it, say.
    #[must_use]
    pub fn beside(mut self, other: Arc<Binary>) -> Binary {
        self.others.push(other);
        self
    }

    /// The absolute path of its file, or the name it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes: to compile, for one.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes as an instrumented engine ([`crate::Full`]) runs them safely: all offsets are the same, but locals that hold nothing
    /// until they are assigned to begin as null, and all references may be null where functions need that. wasmtime 48 else takes what
    /// happens to be there for objects, if the program is one of a language that is garbage-collected. Dumps hold the program as it is.
    pub fn bytes_to_instrument(&self) -> &[u8] {
        let changed = self.instrumented.get_or_init(|| {
            let mut all: Option<Vec<u8>> = None;
            for range in &self.modules {
                if let Some(module) = emptiable::with_nulls(&self.bytes[range.clone()]) {
                    all.get_or_insert_with(|| self.bytes.clone())[range.clone()].copy_from_slice(&module);
                }
            }
            all
        });
        changed.as_deref().unwrap_or(&self.bytes)
    }

    /// Returns true if no file holds these bytes, so that a dump must take them in.
    #[doc(hidden)]
    pub fn is_fileless(&self) -> bool {
        self.fileless
    }

    /// Returns true if it is a component. (The preamble's layer field is 0 for a core module and 1 for a component:
    /// component model, `Binary.md`.)
    pub fn is_component(&self) -> bool {
        self.bytes.get(6..8) == Some(&[1, 0])
    }

    /// The stamp of its file, if a module is all that the file holds, and what is or was written to it since it was read
    /// changes the stamp.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        if self.fileless || self.is_component() {
            return None;
        }
        // Built just before it ran: has it been built again in the same moment?
        let again = || read_file(&self.path).ok().filter(|(bytes, _)| *bytes == self.bytes)?.1;
        self.stamp.or_else(again)
    }

    /// The bytes of a core module of this program, or of one beside it. An uninstrumented engine has forgotten them: then it
    /// is the one whose name and functions agree, if only one does.
    #[doc(hidden)]
    pub fn bytes_of<'p>(&'p self, module: &'p Module) -> Option<&'p [u8]> {
        match module.debug_bytecode() {
            Some(bytes) => Some(self.own(bytes).map_or(bytes, |(_, own)| own)),
            None => Some(self.fitting(module)?.1),
        }
    }

    /// The module that an engine was given as these bytes, and its program.
    fn own(&self, bytes: &[u8]) -> Option<(&Binary, &[u8])> {
        self.all().find_map(|binary| {
            let given = |range: &&Range<usize>| {
                let changed = binary.instrumented.get().and_then(|changed| changed.as_deref());
                binary.bytes[(*range).clone()] == *bytes || changed.is_some_and(|all| all[(*range).clone()] == *bytes)
            };
            Some((binary, &binary.bytes[binary.modules.iter().find(given)?.clone()]))
        })
    }

    /// The program that a core module is of: this one or one beside it; none if it is of neither, or which is not known. An
    /// adapter that the engine made between the parts of a component is of that component, though it is in no file.
    pub(crate) fn holder(&self, module: &Module) -> Option<&Binary> {
        match module.debug_bytecode() {
            Some(bytes) => {
                let own = self.own(bytes).map(|(binary, _)| binary);
                own.or_else(|| (self.others.is_empty() && self.is_component() && is_adapter(module)).then_some(self))
            }
            None => self.fitting(module).map(|(binary, _)| binary).or(self.others.is_empty().then_some(self)),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Binary> {
        std::iter::once(self).chain(self.others.iter().map(|other| &**other))
    }

    fn modules(&self) -> impl Iterator<Item = &[u8]> {
        self.modules.iter().map(|range| &self.bytes[range.clone()])
    }

    /// The only core module that has the name and the functions of `module`, and its program.
    fn fitting(&self, module: &Module) -> Option<(&Binary, &[u8])> {
        let fits = |bytes: &[u8]| {
            let Ok(parsed) = module::Module::parse(bytes) else { return false };
            let defined = parsed.function_count().checked_sub(parsed.imported_functions());
            parsed.name() == module.name()
                && defined.is_some_and(|defined| defined as usize == module.functions().len())
                && parsed.exports().len() == module.exports().len()
                && parsed.imports().len() == module.imports().len()
        };
        let all = self.all().flat_map(|binary| binary.modules().map(move |bytes| (binary, bytes)));
        let mut found = all.filter(|(_, bytes)| fits(bytes));
        let first = found.next()?;
        // The same module may be in two programs.
        found.all(|(_, bytes)| bytes == first.1).then_some(first)
    }
}

/// Returns true if the engine made this module between components: it exports nothing but `adapter0`, `adapter1`, …
/// (wasmtime 48).
fn is_adapter(module: &Module) -> bool {
    let number = |name: &str| name.strip_prefix("adapter").is_some_and(|number| number.parse::<u32>().is_ok());
    module.exports().len() > 0 && module.exports().all(|export| number(export.name()))
}

/// The size limit of a program, in bytes. A section of one, which may be a whole component, cannot be larger.
const MAX_PROGRAM: u64 = 4 << 30;

/// The number of bytes that show whether a file may be a program.
const START: u64 = 64;

/// The bytes of a program, binary or text. If they begin as neither, only the first [`START`] are returned: a device may have no
/// end.
///
/// # Errors
///
/// The failure to read them; [`std::io::ErrorKind::FileTooLarge`] for more than [`MAX_PROGRAM`] bytes.
pub fn read_program(mut file: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.by_ref().take(START).read_to_end(&mut bytes)?;
    // A letter may be cut at the end.
    let is_text =
        !bytes.contains(&0) && std::str::from_utf8(&bytes).map_or_else(|it| it.error_len().is_none(), |_| true);
    if is_text || bytes.starts_with(b"\0asm") {
        file.take(MAX_PROGRAM).read_to_end(&mut bytes)?;
    }
    match bytes.len() as u64 > MAX_PROGRAM {
        true => Err(std::io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// The contents of a file, and its stamp if it cannot be written to without getting another.
///
/// # Errors
///
/// The failure to open or read it.
pub fn read_file(path: &Path) -> std::io::Result<(Vec<u8>, Option<Stamp>)> {
    let mut file = File::open(path)?;
    let stamp = Stamp::from_metadata(&file.metadata()?);
    let settled = stamp.is_settled(SystemTime::now());
    let bytes = read_program(&mut file)?;
    // Someone may be writing to it.
    let settled = settled && Stamp::from_metadata(&file.metadata()?) == stamp;
    Ok((bytes, settled.then_some(stamp)))
}
