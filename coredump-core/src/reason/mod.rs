//! The reason for which a program died: as the capturing program recorded it, or else as inferred from the trapping
//! instruction and the functions on top of the stack. Beyond these, nothing is guessed.

mod access;
mod allocation;
mod exception;
mod memarg;
mod operands;
mod panics;
mod script;
mod stderr;
mod trap;
mod words;

use crate::backtrace::{ResolvedFrame, Resolver};
use crate::binaries::{Binaries, Binary, StoppedAt};
use crate::gc;
pub use crate::lang::python::Chained;
use crate::lang::python::Uncaught;
use crate::model::{CoreDump, Frame, Layout};
use crate::module::Module;
use crate::regions::overrun;
use crate::signature::Signer;
use crate::variables::Inspector;

pub use access::MemoryAccess;
pub use allocation::Allocation;
pub use exception::Exception;
use operands::{FrameState, Stopped};
pub use script::ScriptFrame;

/// The number of youngest frames that are searched for panics and recursion.
const FRAMES: usize = 64;

/// The reason for which a program died.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashReason {
    /// A stable name: `integer-divide-by-zero`, `unreachable`, ….
    pub kind: String,
    /// The engine's message, or a description of the trap from the instruction.
    pub message: Option<String>,
    /// A detail that code and dump prove: the address of an access, the callee of an indirect call, an overflow of
    /// the shadow stack.
    pub detail: Option<String>,
    /// The origin of the reason: recorded in the dump, or inferred.
    pub source: ReasonSource,
    /// The tail of what the guest wrote to its standard error, if that was recorded.
    pub guest_stderr: Option<String>,
    /// The panic with which the program gave up, if it did so by itself.
    pub panic: Option<Panic>,
    /// The instruction that trapped, in the Wasm text format.
    pub instruction: Option<String>,
    /// The memory access that it was about to make, if it trapped for that.
    pub memory_access: Option<MemoryAccess>,
    /// The uncaught exception.
    pub exception: Option<Exception>,
    /// The allocation in whose functions it died, or after whose failure it gave up.
    pub allocation: Option<Allocation>,
}

/// The origin of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonSource {
    /// The program that captured the dump recorded it.
    Recorded,
    /// It was inferred from the code and the stack.
    Inferred,
}

impl ReasonSource {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ReasonSource::Recorded => "recorded",
            ReasonSource::Inferred => "inferred",
        }
    }
}

/// A program that gave up: a panic, a failed assertion, an abort.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panic {
    /// The runtime's language: `rust`, `c`, `c++`, `zig`, `go`, `nim`, `assemblyscript`, `python`, `javascript`.
    pub language: &'static str,
    /// Its message.
    pub message: Option<String>,
    /// The place in the source at which it gave up, as the runtime reports it: `file:line:column` or the like.
    pub location: Option<String>,
    /// The place in the dump where the panic was found.
    pub source: PanicSource,
    /// The functions of the traceback that the runtime printed, youngest first: for an interpreted program, and for one
    /// of Go that only a text tells of. Else empty.
    pub frames: Vec<ScriptFrame>,
    /// The chain of exceptions that led to it, from a traceback or from memory.
    pub chain: Vec<Chained>,
}

/// The place in the dump where a panic's text was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanicSource {
    /// In what the guest wrote to its standard error.
    GuestStderr,
    /// On the stack: in arguments and variables of its functions, or in what they left in memory.
    Stack,
}

impl PanicSource {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            PanicSource::GuestStderr => "guest-stderr",
            PanicSource::Stack => "stack",
        }
    }
}

impl CrashReason {
    /// The reason as text: the panic's message if there is one, else what is known of the trap, else the kind. A
    /// message of several lines keeps its lines.
    pub fn summary(&self) -> String {
        let kind = &self.kind;
        let told = self.panic.as_ref().map(|panic| match (&panic.message, &panic.location) {
            (Some(message), Some(location)) => format!("{message} ({location})"),
            (Some(message), None) => message.clone(),
            (None, Some(location)) => format!("{} panic ({location})", panic.language),
            (None, None) => format!("{} panic", panic.language),
        });
        match told.as_ref().or(self.detail.as_ref()).or(self.message.as_ref()) {
            Some(told) => format!("{kind}: {told}"),
            None => kind.clone(),
        }
    }

    /// If the program gave up and no message of its own is known, adds the exception of an interpreted program that
    /// `find` finds in memory: an interpreter's runtime itself reports only that something was thrown.
    pub(crate) fn with_exception(self, find: impl FnOnce() -> Option<Uncaught>) -> CrashReason {
        let said = |panic: &Panic| panic.source == PanicSource::GuestStderr && !script::only_threw(panic);
        let known = self.panic.as_ref().is_some_and(|panic| said(panic) || !panic.frames.is_empty());
        if known || !gives_up(&self.kind) {
            return self;
        }
        match find().and_then(script::in_memory) {
            Some(panic) => CrashReason { panic: Some(panic), ..self },
            None => self,
        }
    }

    /// Returns true if there is the traceback of an interpreted program, or of Go. Then the place and signature of the
    /// crash come from it.
    pub fn is_script(&self) -> bool {
        self.panic.as_ref().is_some_and(|panic| !panic.frames.is_empty())
    }

    /// The last line that the program wrote to its standard error, if it ended by itself and nothing better is known:
    /// programs often print the reason before they exit or abort.
    pub fn last_words(&self) -> Option<&str> {
        let better = self.panic.as_ref().is_some_and(|panic| panic.source == PanicSource::GuestStderr);
        let said = self.guest_stderr.as_deref().filter(|_| gives_up(&self.kind) && !better)?;
        said.lines().map(str::trim).rfind(|line| !line.is_empty())
    }
}

/// Returns the reason for which the program died; `None` if that is not known. The crashed thread is the first that has
/// frames; `signer` remembers names from dump to dump.
#[doc(hidden)]
pub fn find(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    resolver: &Resolver<'_, '_>,
    signer: &Signer,
) -> Option<CrashReason> {
    let frames = youngest(dump, resolver);
    let crash = CrashContext::new(dump, binaries, &frames);
    let recorded = dump.reason.as_ref().filter(|reason| !reason.kind.is_empty());
    let trapped = crash.stopped(0);
    let proven = crash.trap(trapped.as_ref());
    let raises = proven.is_some();
    let (kind, message, source, mut details) = match (recorded, proven) {
        (Some(reason), proven) => {
            let detail = proven.filter(|(kind, _)| *kind == reason.kind && says_more(kind)).map(|(_, detail)| detail);
            (reason.kind.clone(), reason.message.clone(), ReasonSource::Recorded, Vec::from_iter(detail))
        }
        (None, Some((kind, message))) => (kind.to_owned(), Some(message), ReasonSource::Inferred, Vec::new()),
        // In optimised code the recorded offset may be of an instruction before the one that trapped. If the functions
        // on top of the stack are those in which programs give up, the program gave up.
        (None, None) if crash.gave_up(signer) => {
            ("unreachable".to_owned(), Some(trap::UNREACHABLE.to_owned()), ReasonSource::Inferred, Vec::new())
        }
        (None, None) => return None,
    };
    if let Some(overrun) = crash.memory().and_then(|memory| overrun(dump, binaries, memory)) {
        details.insert(0, overrun.to_string());
    }
    let detail = (!details.is_empty()).then(|| details.join("; "));
    let guest_stderr = dump.reason.as_ref().and_then(|reason| reason.guest_stderr.clone());
    let panic = if gives_up(&kind) {
        let verbose = (kind == "unreachable").then(|| panics::verbose_trap(&crash)).flatten();
        let of_go = |text| dump.trace_line.and_then(|_| script::of_go(text));
        let told = |text| script::uncaught(text).or_else(|| of_go(text)).or_else(|| stderr::panic(text));
        let said = || guest_stderr.as_deref().and_then(told);
        verbose
            .or_else(said)
            .or_else(|| Some(words::completed(&crash, panics::panic(&crash, trapped.as_ref(), signer)?)))
    } else {
        None
    };
    let thrown = dump.reason.as_ref().and_then(|reason| reason.exception.as_ref());
    let objects = gc::ObjectView::new(dump, binaries);
    let exception = thrown.map(|thrown| {
        let memory = crash.memory().and_then(|memory| dump.memories.get(memory as usize));
        let module = crash.binary(0).map(|binary| binary.module());
        let mut exception = exception::describe(thrown, dump, &objects, memory, module);
        exception.tag = exception.tag.or_else(|| thrown_tag(trapped.as_ref()?, module?));
        exception
    });
    let summary = exception.as_ref().and_then(Exception::summary);
    // The interpreter's runtime reports only that something was thrown.
    let panic = match (panic, &summary) {
        (Some(panic), Some(summary)) if panic.source == PanicSource::Stack => {
            Some(Panic { message: Some(summary.clone()), ..panic })
        }
        (panic, _) => panic,
    };
    let carried = || exception.as_ref().filter(|_| kind == "exception")?.carried(&objects);
    let detail = detail.or(summary).or_else(carried);
    // Only after a trap does the frame stand on the instruction that raised it, and in optimised code it may stand on a
    // branch before it.
    let raised = trapped.filter(|trapped| raises && is_trap(&kind) && !is_branch(&trapped.operator));
    let instruction = raised.as_ref().map(|trapped| access::text(&trapped.operator));
    let outside = |trapped: &Stopped<'_>| access::attempted(trapped, &crash.scene(0)?);
    let memory_access = raised.as_ref().filter(|_| kind == "memory-out-of-bounds").and_then(outside);
    let allocation = allocation::allocation(&crash, signer, !raises || gives_up(&kind));
    Some(CrashReason {
        kind,
        message,
        detail,
        source,
        guest_stderr,
        panic,
        instruction,
        memory_access,
        exception,
        allocation,
    })
}

/// The allocation in whose functions a program died of which no reason is known, or after whose failure it gave up;
/// `None` if there is none, or its size is not known for certain. [`CrashReason`] has that of the others.
pub(crate) fn allocation(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    resolver: &Resolver<'_, '_>,
    signer: &Signer,
) -> Option<Allocation> {
    let frames = youngest(dump, resolver);
    allocation::allocation(&CrashContext::new(dump, binaries, &frames), signer, true)
}

/// The youngest frames of the crashed thread.
fn youngest(dump: &CoreDump<'_>, resolver: &Resolver<'_, '_>) -> Vec<ResolvedFrame> {
    let thread = dump.crashed_thread().unwrap_or(0);
    (0..FRAMES).map_while(|frame| resolver.frame(thread, frame)).collect()
}

/// Returns true if the instruction says more about a trap of this kind than the engine's message.
fn says_more(kind: &str) -> bool {
    kind.ends_with("-out-of-bounds") || kind.starts_with("indirect-call-")
}

/// Returns true if this kind is a trap of an instruction, and not an end from outside or in the host.
fn is_trap(kind: &str) -> bool {
    !matches!(
        kind,
        "exit" | "signal" | "timeout" | "snapshot" | "out-of-fuel" | "stack-overflow" | "interrupt" | "exception"
    )
}

/// Returns true if an instruction is a conditional or unconditional branch.
fn is_branch(operator: &wasmparser::Operator<'_>) -> bool {
    use wasmparser::Operator as O;
    matches!(operator, O::If { .. } | O::Br { .. } | O::BrIf { .. } | O::BrTable { .. })
}

/// Returns the name of the tag that an instruction throws. A dump of a program that was stripped does not record it.
fn thrown_tag(stopped: &Stopped<'_>, module: &Module<'_>) -> Option<String> {
    let wasmparser::Operator::Throw { tag_index } = stopped.operator else { return None };
    module.tag_name(tag_index).map(str::to_owned)
}

/// Returns true if a program that gives up by itself ends with a reason of this kind.
fn gives_up(kind: &str) -> bool {
    matches!(kind, "unreachable" | "exit" | "host-call" | "host-error" | "exception")
}

/// A crash, with the dump, binaries and frames to examine.
struct CrashContext<'c, 'd> {
    dump: &'c CoreDump<'d>,
    binaries: &'c Binaries,
    thread: usize,
    frames: &'c [ResolvedFrame],
    inspector: Inspector<'c>,
}

impl<'c, 'd> CrashContext<'c, 'd> {
    fn new(dump: &'c CoreDump<'d>, binaries: &'c Binaries, frames: &'c [ResolvedFrame]) -> Self {
        let thread = dump.crashed_thread().unwrap_or(0);
        CrashContext { dump, binaries, thread, frames, inspector: Inspector::new(dump, binaries) }
    }

    fn frame(&self, index: usize) -> Option<&'c Frame> {
        self.dump.threads.get(self.thread)?.frames.get(index)
    }

    fn binary(&self, index: usize) -> Option<&'c Binary> {
        self.binaries.binary(self.frames.get(index)?.module?)
    }

    fn scene(&self, index: usize) -> Option<FrameState<'_, 'd>> {
        let proved = Box::new(move |local| self.inspector.proved_local(self.thread, index, local));
        Some(FrameState { dump: self.dump, frame: self.frame(index)?, youngest: index == 0, proved })
    }

    /// The dump's index of the memory that the youngest frame's module works with.
    fn memory(&self) -> Option<u32> {
        if self.dump.instances.is_empty() {
            return (self.dump.memories.len() == 1).then_some(0);
        }
        let instance = self.dump.instances.get(self.frame(0)?.instance? as usize)?;
        *instance.memories.first()?
    }

    fn stopped(&self, index: usize) -> Option<Stopped<'c>> {
        panics::stopped(self, index)
    }

    fn unchanged_parameters(&self, index: usize, count: usize) -> Vec<bool> {
        match (self.binary(index), self.frame(index).and_then(|frame| frame.function)) {
            (Some(binary), Some(function)) => panics::unchanged(binary, function, count),
            _ => vec![false; count],
        }
    }

    /// The trap of the youngest frame.
    fn trap(&self, trapped: Option<&Stopped<'c>>) -> Option<trap::Trap> {
        if let Some(trapped) = trapped {
            return trap::raised(trapped, self.binary(0)?, &self.scene(0)?);
        }
        match self.binaries.code_place(self.dump, self.thread, 0).map(|place| place.stop) {
            Some(StoppedAt::Loop) => {
                Some(("interrupt", "stopped at the head of a loop, or out of fuel there".to_owned()))
            }
            _ => self.overflow(),
        }
    }

    /// Returns true if the program gave up: the stack shows a panic, and the youngest frame's function has an
    /// `unreachable` that can have ended the program.
    fn gave_up(&self, signer: &Signer) -> bool {
        let ends = || {
            let mut operators = self.binary(0)?.module().operators(self.frame(0)?.function?)?;
            while !operators.eof() {
                if matches!(operators.read().ok()?, wasmparser::Operator::Unreachable) {
                    return Some(());
                }
            }
            None
        };
        ends().is_some() && panics::panic(self, None, signer).is_some()
    }

    /// A function that trapped before its first instruction, after many calls of itself, ran out of stack. With few
    /// calls it was interrupted instead.
    fn overflow(&self) -> Option<trap::Trap> {
        let thread = self.dump.threads.get(self.thread).filter(|thread| thread.recurses_deeply())?;
        let youngest = thread.frames.first().filter(|_| self.dump.layout == Layout::Standard)?;
        matches!(youngest.code_offset, None | Some(0))
            .then(|| ("stack-overflow", "trapped on entry of a function that calls itself".to_owned()))
    }
}

/// The rules in a data file: its lines without comments and empty lines.
fn rule_lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}
