//! The front door: a dump with its binaries, its threads and their frames.
//!
//! A [`Draft`] is a dump that was read and no more. Finding its binaries makes a [`Dump`] of it: where producers write
//! layouts that only the code tells apart, the right one is chosen then, and what the modules show to be wrong is
//! repaired. A dump does not change any more. It is cheap to clone, names no lifetime, and threads share it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self_cell::self_cell;

use crate::backtrace::{Call, InlinedFrame, Location, ResolvedFrame, Resolver};
use crate::binaries::{self, Binaries};
use crate::compressed::unpacked;
use crate::crash::Crash;
use crate::error::Result;
use crate::gc;
use crate::heap::Heap;
use crate::interpreted::{Interpreted, Interpreter};
use crate::lang::{self, python};
use crate::limits::MAX_PIPED;
use crate::locate::Options;
use crate::mapped::Bytes;
use crate::memory::Memory;
use crate::model::{self, CoreDump};
use crate::read::read;
use crate::reason::{self, CrashReason};
use crate::regions::{self, Regions};
use crate::runtimes::{Runtime, Task};
use crate::signature::Signer;
use crate::symbols::EmbeddedSource;
use crate::tasks::Tasks;
use crate::trace::{self, Locator};
use crate::variables::{ExpressionError, Inspector, Limits, Register, Scope, Variable};

/// The binaries that were opened, with their symbols. Dumps and threads share it: each file is opened once, and its
/// symbols are read once. A clone is the same store. It grows with the binaries that it opens, until it is dropped with
/// all dumps that use it.
#[derive(Clone, Default)]
pub struct Store(Arc<Shared>);

#[derive(Default)]
struct Shared {
    binaries: binaries::BinaryStore,
    signer: Signer,
}

impl Store {
    /// An empty store.
    pub fn new() -> Store {
        Store::default()
    }

    /// Looks for the binaries of stack traces: [`Dump::of_trace`] makes dumps of what it finds.
    pub fn locator(&self, options: Options) -> Locator<'_> {
        Locator::new(&self.0.binaries, options)
    }
}

self_cell!(
    /// The contents of a dump's file, which borrow from its bytes.
    struct Recorded {
        owner: Bytes,
        #[covariant]
        dependent: CoreDump,
    }
);

/// A dump that was read, whose binaries were not looked for yet.
pub struct Draft {
    recorded: Recorded,
    path: Option<PathBuf>,
}

impl Draft {
    /// Reads the dump in a file.
    ///
    /// Fails where the file cannot be opened, is not WebAssembly, or is an ordinary module or a component. A dump that
    /// is damaged or cut off yields what could be read, and [`CoreDump::incomplete`] says what was lost.
    ///
    /// ```
    /// use coredump_core::Draft;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// let draft = Draft::open(path)?;
    /// assert_eq!(draft.recorded().threads.len(), 1);
    /// assert!(Draft::open("no-such-file").is_err());
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Draft> {
        let path = path.as_ref();
        let draft = Draft::new(Bytes::open(path)?).map_err(|error| error.in_file(path))?;
        Ok(Draft { path: Some(path.to_owned()), ..draft })
    }

    /// Reads the dump in these bytes. Fails as [`Draft::open`] does.
    ///
    /// ```
    /// use coredump_core::{Draft, ErrorKind};
    ///
    /// let error = Draft::from_bytes(b"no WebAssembly".to_vec()).err();
    /// assert_eq!(error.map(|error| error.kind), Some(ErrorKind::NotWasm));
    /// ```
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Draft> {
        Draft::new(Bytes::Owned(bytes.into()))
    }

    /// Reads the dump in bytes that were opened or mapped, unpacked if they are compressed (gzip, Zstandard). Fails as
    /// [`Draft::open`] does, and where they unpack to more than 8 GiB.
    pub fn new(bytes: Bytes) -> Result<Draft> {
        let bytes = unpacked(bytes, MAX_PIPED)?;
        Ok(Draft { recorded: Recorded::try_new(bytes, |bytes| read(bytes))?, path: None })
    }

    /// Sets the path of the dump's file, beside which binaries are looked for.
    #[must_use]
    pub fn at(self, path: Option<&Path>) -> Draft {
        Draft { path: path.map(Path::to_owned), ..self }
    }

    /// The contents of the file. Where [`CoreDump::alternatives`] is not empty, finding the binaries may replace the
    /// frames.
    pub fn recorded(&self) -> &CoreDump<'_> {
        self.recorded.borrow_dependent()
    }

    /// Finds the binaries of the dump's modules, and settles with their help what the file alone leaves open.
    ///
    /// If the file leaves nothing open, the binaries are looked for when something first asks for them.
    ///
    /// ```
    /// use coredump_core::{Draft, Options, Store};
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// let store = Store::new();
    /// let options = Options::default().symbol_path(modules);
    /// let dump = Draft::open(path)?.find_binaries(&store, &options);
    /// assert!(dump.binaries().found(0).is_some());
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn find_binaries(mut self, store: &Store, options: &Options) -> Dump {
        let dump_path = options.dump_path.clone().or(self.path.clone());
        let options = Options { dump_path, ..options.clone() };
        let settled = Binaries::may_settle(self.recorded()).then(|| {
            self.recorded.with_dependent_mut(|bytes, dump| Binaries::settle(&store.0.binaries, bytes, dump, &options))
        });
        let recorded = Arc::new(self.recorded);
        let located = OnceLock::new();
        if let Some(binaries) = settled {
            binaries.renew_work();
            let _ = located.set(located_in(&recorded, binaries));
        }
        Dump(Arc::new(Settled {
            recorded,
            path: self.path,
            store: store.clone(),
            options,
            located,
            reason: OnceLock::new(),
            crash: OnceLock::new(),
            interpreter: OnceLock::new(),
        }))
    }
}

/// A dump with the binaries of its modules.
#[derive(Clone)]
pub struct Dump(Arc<Settled>);

struct Settled {
    recorded: Arc<Recorded>,
    path: Option<PathBuf>,
    store: Store,
    options: Options,
    located: OnceLock<Located>,
    reason: OnceLock<Option<CrashReason>>,
    crash: OnceLock<Crash>,
    /// The place of an interpreter's structures in memory, which is searched once.
    interpreter: OnceLock<Option<Interpreter>>,
}

/// A dump, and the binaries that were found for it.
struct DumpWithBinaries {
    recorded: Arc<Recorded>,
    binaries: Binaries,
}

/// Resolves frames, variables and objects of a dump, and remembers what it read.
struct Views<'a> {
    resolver: Resolver<'a, 'a>,
    inspector: Inspector<'a>,
    objects: gc::ObjectView<'a>,
}

self_cell!(
    struct Located {
        owner: DumpWithBinaries,
        #[covariant]
        dependent: Views,
    }
);

fn located_in(recorded: &Arc<Recorded>, binaries: Binaries) -> Located {
    Located::new(DumpWithBinaries { recorded: recorded.clone(), binaries }, |scene| {
        let dump = scene.recorded.borrow_dependent();
        let binaries = &scene.binaries;
        Views {
            resolver: Resolver::new(dump, binaries),
            inspector: Inspector::new(dump, binaries),
            objects: gc::ObjectView::new(dump, binaries).of_file(scene.recorded.borrow_owner()),
        }
    })
}

impl Dump {
    /// Opens the dump in a file and finds its binaries at the paths that the dump records, or beside the dump.
    ///
    /// For other places, and for dumps that share a [`Store`], there is [`Draft::find_binaries`]. Fails as
    /// [`Draft::open`] does; a binary that is not found is no failure.
    ///
    /// ```
    /// use coredump_core::Dump;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// let dump = Dump::open(path)?;
    /// assert_eq!(dump.threads().len(), 1);
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Dump> {
        Ok(Draft::open(path)?.find_binaries(&Store::new(), &Options::default()))
    }

    /// A stack trace, with the binaries that were found for it.
    ///
    /// ```
    /// use coredump_core::trace::Scanner;
    /// use coredump_core::{Dump, Options, Store};
    ///
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// let text = "RuntimeError: divide by zero\n    at wasm://wasm/0001cd46:wasm-function[12]:0x7c2\n";
    /// let store = Store::new();
    /// let mut locator = store.locator(Options::default().symbol_path(modules));
    /// let mut scanner = Scanner::new(text.as_bytes());
    /// while let Some(block) = scanner.next_block().unwrap() {
    ///     for trace in &block.traces {
    ///         let dump = Dump::of_trace(locator.locate(trace), &store);
    ///         assert_eq!(dump.crash().reason.as_ref().map(|reason| &*reason.kind), Some("integer-divide-by-zero"));
    ///     }
    /// }
    /// ```
    pub fn of_trace(located: trace::Located, store: &Store) -> Dump {
        let trace::Located { dump, binaries } = located;
        let recorded = Arc::new(Recorded::new(Bytes::Owned(Vec::new()), |_| dump));
        let found = OnceLock::new();
        let _ = found.set(located_in(&recorded, binaries));
        Dump(Arc::new(Settled {
            recorded,
            path: None,
            store: store.clone(),
            options: Options::default(),
            located: found,
            reason: OnceLock::new(),
            crash: OnceLock::new(),
            interpreter: OnceLock::new(),
        }))
    }

    /// The path of the dump's file, if it came from one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// All bytes of the dump's file.
    pub fn bytes(&self) -> &Bytes {
        self.0.recorded.borrow_owner()
    }

    /// The contents of the file: modules, instances, globals, tables, the process, repairs and what could not be read.
    pub fn recorded(&self) -> &CoreDump<'_> {
        self.0.recorded.borrow_dependent()
    }

    fn located(&self) -> &Located {
        self.0.located.get_or_init(|| {
            let binaries = Binaries::locate(&self.0.store.0.binaries, self.recorded(), &self.0.options);
            binaries.renew_work();
            located_in(&self.0.recorded, binaries)
        })
    }

    /// The binaries of the dump's modules: what was found, how it was checked, what was refused and why.
    pub fn binaries(&self) -> &Binaries {
        &self.located().borrow_owner().binaries
    }

    /// The binaries as [`Dump::binaries`] gives them; `None` if nothing has asked for them yet.
    pub fn binaries_so_far(&self) -> Option<&Binaries> {
        self.0.located.get().map(|located| &located.borrow_owner().binaries)
    }

    fn resolver(&self) -> &Resolver<'_, '_> {
        &self.located().borrow_dependent().resolver
    }

    fn inspector(&self) -> &Inspector<'_> {
        &self.located().borrow_dependent().inspector
    }

    /// The objects of a garbage-collected program, with the names that its modules give types and fields.
    pub fn objects(&self) -> &gc::ObjectView<'_> {
        &self.located().borrow_dependent().objects
    }

    /// Returns the crash in short: the reason for which the program died, the place in its own code, and the key that
    /// groups the crash with others like it.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// let crash = dump.crash();
    /// assert_eq!(crash.signature.as_deref(), Some("divide | share | sum | main"));
    /// assert_eq!(crash.place.as_ref().map(|place| &*place.function), Some("divide"));
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn crash(&self) -> &Crash {
        let signer = &self.0.store.0.signer;
        self.0.crash.get_or_init(|| {
            let interpreted = self.interpreted(None);
            Crash::new(self.recorded(), self.reason().cloned(), self.resolver(), interpreted.as_ref(), signer)
        })
    }

    /// Returns the reason for which the program died; `None` if nothing shows it. [`Dump::crash`] has the reason, too,
    /// together with the place.
    pub fn reason(&self) -> Option<&CrashReason> {
        let signer = &self.0.store.0.signer;
        let known = || {
            let reason = reason::find(self.recorded(), self.binaries(), self.resolver(), signer)?;
            Some(reason.with_exception(|| self.interpreter()?.uncaught(self.recorded())))
        };
        self.0.reason.get_or_init(known).as_ref()
    }

    /// The allocation in whose functions the program died, or after whose failure it gave up; `None` if there is none,
    /// or its size is not known for certain.
    ///
    /// ```
    /// # use coredump_core::Dump;
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let dump = Dump::open(path)?;
    /// assert!(dump.allocation().is_none(), "the program divided by zero");
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn allocation(&self) -> Option<reason::Allocation> {
        match self.reason() {
            Some(reason) => reason.allocation.clone(),
            None => reason::allocation(self.recorded(), self.binaries(), self.resolver(), &self.0.store.0.signer),
        }
    }

    /// Returns true if a function belongs to a panic's machinery, a standard library or the code that starts a program,
    /// by its name or its source file. [`Crash`] passes over such functions to find the program's own code.
    pub fn is_machinery(&self, function: &Arc<str>, location: Option<&Location>) -> bool {
        self.0.store.0.signer.classify(function, location.map(|location| &location.file)).1
    }

    /// The threads, in the order of the file.
    ///
    /// ```
    /// # use coredump_core::Dump;
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let dump = Dump::open(path)?;
    /// for thread in dump.threads() {
    ///     println!("thread {} {:?}: {} frames", thread.index(), thread.name(), thread.frames().len());
    /// }
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn threads(&self) -> impl ExactSizeIterator<Item = Thread> + DoubleEndedIterator + use<> {
        let dump = self.clone();
        (0..self.recorded().threads.len()).map(move |index| Thread { dump: dump.clone(), index })
    }

    /// The thread with this index in the file; `None` if there is none.
    pub fn thread(&self, index: usize) -> Option<Thread> {
        (index < self.recorded().threads.len()).then(|| Thread { dump: self.clone(), index })
    }

    /// The thread that crashed: the first that has frames.
    pub fn crashed_thread(&self) -> Option<Thread> {
        self.thread(self.recorded().crashed_thread()?)
    }

    /// The runtime of a language that schedules tasks by itself, with its tasks: the goroutines of a Go program. `None`
    /// where the program has none that is known.
    ///
    /// ```
    /// # use coredump_core::Dump;
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let dump = Dump::open(path)?;
    /// assert!(dump.runtime().is_none(), "a C program has no runtime of that kind");
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn runtime(&self) -> Option<&Runtime> {
        self.resolver().runtime()
    }

    /// The stack of the program that an interpreter ran; `None` where there is no interpreter that is known. `limits`
    /// bound the values of its variables, without which they are left out.
    pub fn interpreted(&self, limits: Option<Limits>) -> Option<Interpreted> {
        let limits = limits.map(|limits| python::Limits { depth: limits.depth, elements: limits.elements });
        Interpreted::read(self.recorded(), self.resolver(), self.interpreter()?, limits)
    }

    /// Returns the program's interpreter as it is in memory, which is searched once; `None` if there is none.
    fn interpreter(&self) -> Option<&Interpreter> {
        let find = || Interpreter::find(self.recorded(), self.binaries(), self.resolver());
        self.0.interpreter.get_or_init(find).as_ref()
    }

    /// The asynchronous tasks of the program: those of executors that are known, and the futures that frames poll.
    /// `limits` bound the values of their variables, without which they are left out.
    ///
    /// ```
    /// # use coredump_core::Dump;
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let dump = Dump::open(path)?;
    /// assert!(dump.tasks(None).list.is_empty(), "a C program has no asynchronous tasks");
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn tasks(&self, limits: Option<Limits>) -> Tasks {
        lang::tasks::find(self.recorded(), self.binaries(), self.interpreter(), self.objects(), limits)
    }

    /// The frames of one of the runtime's tasks, youngest first.
    pub fn task_frames(&self, task: &Task) -> Vec<ResolvedFrame> {
        self.resolver().task_frames(task)
    }

    /// A linear memory by its index in the dump; `None` if there is none.
    ///
    /// ```
    /// # use coredump_core::Dump;
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let dump = Dump::open(path)?;
    /// let memory = dump.memory(0).expect("the program has a memory");
    /// assert_eq!(memory.size % 65536, 0);
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn memory(&self, index: u32) -> Option<&Memory<'_>> {
        self.recorded().memories.get(index as usize)
    }

    /// A memory as it was before the program ran, by its index in the dump; `None` unless the binaries of all instances
    /// that have it are known for certain, and say where each of their data segments lies.
    pub fn initial_memory(&self, index: u32) -> Option<Memory<'_>> {
        regions::initial(self.recorded(), self.binaries(), index)
    }

    /// The parts of a memory, each with its use.
    pub fn regions(&self, memory: u32) -> Regions {
        Regions::new(self.recorded(), self.binaries(), memory)
    }

    /// The heaps in a memory that are recognised: one for each allocator.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// for heap in dump.heap(0) {
    ///     println!("{} has the byte at 0x11550: {}", heap.kind.name(), heap.holds(0x11550));
    /// }
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn heap(&self, memory: u32) -> Vec<Heap> {
        Heap::find(self.recorded(), self.binaries(), memory, &self.regions(memory))
    }

    /// The variables of static storage in a memory, by address. Reads all debug info of the binaries whose instances
    /// have the memory.
    pub fn statics(&self, memory: u32) -> regions::Symbols {
        regions::Symbols::new(self.recorded(), self.binaries(), memory)
    }

    /// For each of the dump's globals its names: instances that share a global may name it differently.
    pub fn global_names(&self) -> Vec<Vec<String>> {
        regions::global_names(self.recorded(), self.binaries())
    }
}

/// A thread of a dump.
#[derive(Clone)]
pub struct Thread {
    dump: Dump,
    index: usize,
}

impl Thread {
    /// Its index in the dump.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The record of it in the dump.
    pub fn recorded(&self) -> &model::Thread {
        &self.dump.recorded().threads[self.index]
    }

    /// Its name; empty where the dump has none.
    pub fn name(&self) -> &str {
        &self.recorded().name
    }

    /// Returns true if older frames are missing in the dump.
    pub fn is_truncated(&self) -> bool {
        self.recorded().truncated
    }

    /// Its frames, youngest first. A frame is an activation of one Wasm function; what was inlined there belongs to it.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let thread = dump.thread(0).expect("the dump has a thread");
    /// let names: Vec<_> = thread.frames().map(|frame| frame.function().unwrap_or("?").to_owned()).collect();
    /// assert_eq!(names[..3], ["divide", "share", "sum"]);
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame> + DoubleEndedIterator + use<> {
        let thread = self.clone();
        (0..self.recorded().frames.len()).map(move |index| Frame::new(&thread, index))
    }

    /// For each frame, youngest first, the address in the shadow stack pointer at the frame's code offset; `None` where
    /// it is not certain.
    pub fn stack_pointers(&self) -> Vec<Option<u64>> {
        self.dump.inspector().stack_pointers(self.index)
    }

    /// Returns true if it is the thread that crashed: the first that has frames.
    pub fn is_crashed(&self) -> bool {
        self.dump.recorded().crashed_thread() == Some(self.index)
    }

    /// The language runtime that ran one of its tasks on this thread; `None` if none did.
    pub fn runtime(&self) -> Option<&Runtime> {
        self.dump.runtime().filter(|runtime| runtime.thread == self.index)
    }

    /// The older frames that the engine does not know of, because a language's runtime keeps them in linear memory.
    pub fn continued(&self) -> impl Iterator<Item = ResolvedFrame> + '_ {
        let recorded = self.recorded().frames.len();
        let resolver = self.dump.resolver();
        (recorded..resolver.frame_count(self.index)).filter_map(move |index| resolver.frame(self.index, index))
    }

    /// Number of calls that were inlined where the frame with this index stands: the length of [`Frame::inlines`],
    /// without resolving names.
    pub fn inlined(&self, index: usize) -> usize {
        self.dump.resolver().inlined(self.index, index)
    }

    /// The frame with this index, 0 for the youngest; `None` if there is none.
    pub fn frame(&self, index: usize) -> Option<Frame> {
        (index < self.recorded().frames.len()).then(|| Frame::new(self, index))
    }
}

/// A frame of a thread.
#[derive(Clone)]
pub struct Frame {
    thread: Thread,
    index: usize,
    resolved: OnceLock<ResolvedFrame>,
}

impl Frame {
    fn new(thread: &Thread, index: usize) -> Frame {
        Frame { thread: thread.clone(), index, resolved: OnceLock::new() }
    }

    fn dump(&self) -> &Dump {
        &self.thread.dump
    }

    /// Its index in its thread, 0 for the youngest.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The record of it in the dump: indices, code offset, Wasm locals, operand stack.
    pub fn recorded(&self) -> &model::Frame {
        &self.thread.recorded().frames[self.index]
    }

    /// All that its binary's symbols say of it.
    pub fn resolved(&self) -> &ResolvedFrame {
        self.resolved.get_or_init(|| {
            let resolved = self.dump().resolver().frame(self.thread.index, self.index);
            resolved.expect("a handle exists only for a frame that the dump has")
        })
    }

    /// The function's name, demangled; `None` where it has none or no binary was found.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// let frame = dump.thread(0).and_then(|thread| thread.frame(0)).expect("the thread has a frame");
    /// assert_eq!(frame.function(), Some("divide"));
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn function(&self) -> Option<&str> {
        self.resolved().function.as_deref()
    }

    /// Returns the place in the source at which execution stood in the function itself: if calls are inlined there, the
    /// line of the outermost of them.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let frame = dump.thread(0).and_then(|thread| thread.frame(0)).expect("the thread has a frame");
    /// let location = frame.location().expect("the module has line numbers");
    /// assert!(location.file.ends_with("sum.c"));
    /// assert_eq!((location.line, location.column), (25, Some(29)));
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn location(&self) -> Option<&Location> {
        self.resolved().location.as_ref()
    }

    /// The calls that were inlined where the frame stood, innermost first.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O2.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let frame = dump.thread(0).and_then(|thread| thread.frame(0)).expect("the thread has a frame");
    /// for call in frame.inlines() {
    ///     println!("{} [inlined]", call.function.as_deref().unwrap_or("?"));
    /// }
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn inlines(&self) -> &[InlinedFrame] {
        &self.resolved().inlines
    }

    /// The functions of the source that were active in the frame: those that were inlined, innermost first, then the
    /// Wasm function itself. [`Frame::variables`] has a scope for each, in the same order.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O2.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let frame = dump.thread(0).and_then(|thread| thread.frame(0)).expect("the thread has a frame");
    /// let names: Vec<_> = frame.calls().map(|call| call.function.unwrap_or_else(|| "?".into())).collect();
    /// assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["divide", "share", "sum"]);
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        self.resolved().calls()
    }

    /// Returns the contents of a source file that one of the frame's locations names: DWARF 5 may have its text
    /// and its MD5, a source map its text. `None` if it holds neither.
    pub fn embedded_source(&self, file: &str) -> Option<EmbeddedSource> {
        let resolved = self.resolved();
        let binary = self.dump().binaries().binary(resolved.module?)?;
        binary.embedded_source(resolved.function_index?, file)
    }

    /// The variables in scope: those of inlined functions first, innermost first, then those of the Wasm function
    /// itself. In a garbage-collected program whose debug information has no variables, the locals that have names or
    /// refer to objects. Empty where the binary is not certain.
    ///
    /// ```
    /// use coredump_core::Limits;
    ///
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let frame = dump.thread(0).and_then(|thread| thread.frame(2)).expect("the thread has a frame");
    /// let scopes = frame.variables(Limits::default());
    /// let names: Vec<_> = scopes[0].variables.iter().map(|variable| variable.name.as_str()).collect();
    /// assert_eq!(names, ["node", "stats", "depth", "before"]);
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn variables(&self, limits: Limits) -> Vec<Scope> {
        let (thread, frame) = (self.thread.index, self.index);
        let mut scopes = self.dump().inspector().frame_variables(thread, frame, &limits);
        // Kotlin's debug information describes functions without any variable.
        if scopes.iter().all(|scope| scope.variables.is_empty())
            && let Some(named) = self.dump().objects().locals(thread, frame, limits)
        {
            match scopes.last_mut() {
                Some(scope) => scope.variables = named.variables,
                None => scopes.push(named),
            }
        }
        scopes
    }

    /// The statics of the source file that the function is in.
    pub fn statics(&self, limits: Limits) -> Vec<Variable> {
        self.dump().inspector().file_statics(self.thread.index, self.index, &limits)
    }

    /// The value of an expression in this frame, as `total`, `*node.next`, `buf[3]`, `(struct node *)0x10450`,
    /// `file.c::counter` or `$sp`.
    ///
    /// Fails, with the column, where the expression cannot be parsed or names what is not there. A value that is not
    /// known is no failure: [`Variable::status`] says so.
    ///
    /// ```
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let frame = dump.thread(0).and_then(|thread| thread.frame(2)).expect("the thread has a frame");
    /// assert_eq!(frame.evaluate("node.next")?.text(), "0x0");
    /// assert_eq!(frame.evaluate("nod").unwrap_err().column, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evaluate(&self, expression: &str) -> Result<Variable, ExpressionError> {
        self.evaluate_within(expression, Limits::default())
    }

    /// As [`Frame::evaluate`], with bounds on how much of the value is written out.
    ///
    /// # Errors
    ///
    /// As [`Frame::evaluate`].
    pub fn evaluate_within(&self, expression: &str, limits: Limits) -> Result<Variable, ExpressionError> {
        self.evaluate_in(0, expression, limits)
    }

    /// As [`Frame::evaluate_within`], in the scope of one of the functions that were active in the frame. `scope`
    /// counts as in [`Frame::variables`]: 0 is the innermost inlined function, and the last one the Wasm function
    /// itself. It fails as [`Frame::evaluate`] does.
    ///
    /// ```
    /// use coredump_core::Limits;
    ///
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O2.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let frame = dump.thread(0).and_then(|thread| thread.frame(0)).expect("the thread has a frame");
    /// // `divide` and `share` are inlined in `sum`, which knows nothing of their variables.
    /// assert!(frame.evaluate_in(0, "dividend", Limits::default()).is_ok());
    /// assert!(frame.evaluate_in(2, "dividend", Limits::default()).is_err());
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn evaluate_in(&self, scope: usize, expression: &str, limits: Limits) -> Result<Variable, ExpressionError> {
        let (thread, frame) = (self.thread.index, self.index);
        let of_objects = || self.dump().objects().evaluate(thread, frame, expression, limits);
        // Debug information does not know what a register refers to.
        if expression.trim_start_matches(['(', ' ']).starts_with('$')
            && let Some(Ok(variable)) = of_objects()
        {
            return Ok(variable);
        }
        let evaluated = self.dump().inspector().evaluate_in(thread, frame, scope, expression, &limits);
        match evaluated {
            Ok(variable) => Ok(variable),
            // In a garbage-collected program, where debug information knows no such name.
            Err(error) => of_objects().unwrap_or(Err(error)),
        }
    }

    /// The value of a Wasm local, global or operand, as location descriptions of this frame see it. A value that the
    /// dump leaves out is given where the code proves it, and the stack pointer is the one of this frame. The error
    /// says why the value is not known.
    ///
    /// ```
    /// use coredump_core::model::Value;
    /// use coredump_core::Register;
    ///
    /// # use coredump_core::{Draft, Options, Store};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    /// # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
    /// # let dump = Draft::open(path)?.find_binaries(&Store::new(), &Options::default().symbol_path(modules));
    /// # let frame = dump.thread(0).and_then(|thread| thread.frame(0)).expect("the thread has a frame");
    /// // Wasmtime writes no locals. This one is the frame's base, which the stack pointer and the prologue give away.
    /// assert!(frame.recorded().locals.iter().flatten().all(|local| *local == Value::Missing));
    /// assert!(matches!(frame.register(Register::Local(4)), Ok(Value::I32(_))));
    /// assert!(frame.register(Register::Local(1000)).is_err());
    /// # Ok::<(), coredump_core::Error>(())
    /// ```
    pub fn register(&self, register: Register) -> Result<model::Value, String> {
        self.dump().inspector().register(self.thread.index, self.index, register)
    }

    /// The name of an address in a C++ vtable of the frame's program, as `vtable for Horse+8`; `None` where it is not
    /// certain that a vtable is there.
    pub fn vtable_name(&self, address: u64) -> Option<String> {
        self.dump().inspector().vtable_name(self.thread.index, self.index, address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_dump_and_its_handles() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Draft>();
        shared::<Dump>();
        shared::<Thread>();
        shared::<Frame>();
        shared::<Store>();
    }

    /// The variables of a function, as text, of a dump that shares what was read of its binary; `leave` gets that
    /// binary before they are read.
    fn variables(store: &Store, leave: impl Fn(&binaries::Binary)) -> String {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        let options = Options::default().symbol_path(fixtures.join("modules"));
        let draft = Draft::open(fixtures.join("dumps/sum-O0.wasmtime.coredump")).unwrap();
        let dump = draft.find_binaries(store, &options);
        let thread = dump.thread(0).unwrap();
        let frame = thread.frame(2).unwrap();
        assert_eq!(frame.location().unwrap().line, 46);
        leave(dump.binaries().binary(0).unwrap());
        let scopes = frame.variables(Limits { depth: 2, elements: 4, text_only: false });
        let variables = scopes.into_iter().flat_map(|scope| scope.variables);
        variables.map(|variable| format!("{} = {}\n", variable.name, variable.text())).collect()
    }

    #[test]
    fn each_dump_that_shares_a_binary_may_cause_as_much_work() {
        let store = Store::new();
        let first = variables(&store, |_| {});
        assert!(first.contains("depth = 3\n"), "{first}");
        // One step is left for the rest of this dump, and the next one is not worse off.
        variables(&store, |binary| binary.leave_work(1));
        assert_eq!(variables(&store, |_| {}), first);
    }

    #[test]
    fn nothing_is_believed_without_the_reasons_to_doubt_it() {
        let spent = variables(&Store::new(), |binary| binary.leave_work(0));
        let too_much =
            |line: &str| line.ends_with(" = <unreadable location: the debug info asks for more work than is sound>");
        assert!(spent.lines().count() > 1 && spent.lines().all(too_much), "{spent}");
    }
}
