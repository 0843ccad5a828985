//! `--replay`: runs the program of a dump again, to its end, or to the write that is asked for.

use std::path::Path;
use std::sync::Arc;

use coredump_capture::Dumped;
use coredump_core::Dump;
use coredump_core::cli::paint::Paint;
use coredump_core::cli::report::Report;
use coredump_core::cli::{Exit, output, text};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::mapped::Bytes;
use coredump_core::internals::recording::Recording;
use coredump_core::internals::unasked;
use wasmtime::{AsContextMut, Extern, WasmCoreDump};

use super::compare::Expected;
use super::hunt::Hunt;
use super::play::HostChange;
use super::rerun::{self, Again, Goal, Tape};
use super::rewrite::{self, Change, Rewritten, Watch};
use crate::args::Args;
use crate::ending::Ending;
use crate::engine::{self, Mode, Settings};
use crate::program::{Program, Source};
use crate::record::Recorder;
use crate::report::Look;
use crate::stdio::Tail;
use crate::{cache, placed, report, watched};

/// Frames of rewritten code are larger than those of the code that was recorded, by this factor at most.
const LARGER: u64 = 8;

/// Bytes that the file of a component has at most.
const COMPONENT: u64 = 1 << 30;

/// A dump whose program runs again.
struct Session<'a> {
    args: &'a Args,
    dump: Dump,
    tape: Tape,
    source: Source,
    report: &'a Report,
}

/// Does what `--replay` and the options that go with it ask for.
///
/// # Errors
///
/// The dump cannot be read or holds no recording; the program is not found, or did not end as before.
pub fn run(args: &Args, report: &Report) -> Result<Exit> {
    let Some(path) = &args.replay else { return Err(Error::new(ErrorKind::Usage, "--replay names the dump")) };
    let path = path.path();
    open(args, report).and_then(|again| again.run()).map_err(|error| error.in_file(path))
}

fn open<'a>(args: &'a Args, report: &'a Report) -> Result<Session<'a>> {
    let path = args.replay.as_ref().map(|path| path.path().to_owned()).unwrap_or_default();
    let dump = Dump::open(&path)?;
    let section = dump.recorded().recording.ok_or_else(|| {
        let error = Error::new(ErrorKind::NotFound, "the dump holds no recording");
        error.hint("a program that coredump-run has recorded leaves one, without --live, --fast and --no-recording")
    })?;
    let recording = Recording::read(section.head, section.offset)?;
    let source = source(args, &dump, &recording)?;
    let (start, log) = (recording.start.clone(), Bytes::Owned(recording.log.to_vec()));
    let tape = Tape { start: Arc::new(start), log: Arc::new(log), offset: recording.offset };
    Ok(Session { args, dump, tape, source, report })
}

/// The module that ran: the one that is named, or the one that is found.
fn source(args: &Args, dump: &Dump, recording: &Recording<'_>) -> Result<Source> {
    let wanted = &recording.start.sha256;
    if let Some(named) = args.program.first() {
        let source = Source::read(named)?.kept_in(cache::cache(args));
        return match source.sha256() == *wanted {
            true => Ok(source),
            false => Err(Error::new(ErrorKind::Mismatch, "not the program that was recorded").in_file(named.path())),
        };
    }
    let recorded = dump.recorded();
    let path = recorded.executable.clone().unwrap_or_default();
    let embedded = recorded.modules.first().and_then(|module| module.embedded);
    let found = dump.binaries().binary(0).map(|binary| binary.module().bytes());
    let bytes = embedded.into_iter().chain(found);
    let module = bytes.map(|bytes| Source::of_bytes(&path, bytes, embedded.is_some()));
    // A component is in no dump: only its modules may be.
    let component = || {
        let bytes = (!args.untrusted).then(|| unasked::read(Path::new(&path), COMPONENT).ok()).flatten()?;
        Some(Source::of_bytes(&path, &bytes, false))
    };
    let mut sources = module.chain(std::iter::from_fn(component).take(1));
    let source = sources.find(|source| source.sha256() == *wanted);
    source.map(|source| source.kept_in(cache::cache(args))).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the program that was recorded is not found")
            .hint("name it behind the options: coredump-run --replay DUMP PROGRAM")
    })
}

impl Session<'_> {
    fn run(&self) -> Result<Exit> {
        let kind = self.kind();
        if matches!(kind, "signal" | "timeout" | "snapshot") {
            let message = format!("the program was stopped from outside ({kind}): its recording has no end to run to");
            return Err(Error::new(ErrorKind::Usage, message));
        }
        match (&self.args.last_write, &self.args.writes) {
            (Some(bytes), _) => self.last_write(bytes),
            (None, Some(bytes)) => self.writes(bytes),
            (None, None) => self.to_the_end(),
        }
    }

    fn kind(&self) -> &str {
        self.dump.recorded().reason.as_ref().map_or("", |reason| &reason.kind)
    }

    /// Runs the program again to the end that the dump shows.
    fn to_the_end(&self) -> Result<Exit> {
        let expected = Expected::of(self.kind(), self.dump.recorded());
        let overflow = super::overflow::Overflow::of(&expected).map(Arc::new);
        let goal = Goal { overflow, ..Goal::default() };
        let (program, dumped, ending) = self.again(Some(expected), goal, None)?;
        if !self.args.quiet {
            report::tell(self.report, &Look::of(self.args), &program, &ending, Some(&dumped));
            let calls = self.tape.start.calls;
            self.report
                .say(format_args!("it ended as in the dump, after {calls} calls of the host from its recording"));
        }
        Ok(Exit::Code(ending.exit_code().unwrap_or(0)))
    }

    /// Runs the program again, instrumented.
    fn again(
        &self,
        expected: Option<Expected>,
        goal: Goal,
        last_call: Option<u64>,
    ) -> Result<(Arc<Program>, Dumped, Ending)> {
        let engine = rerun::engine(&self.tape.start, false, self.source.cache())?;
        let program = Arc::new(self.source.clone().compile(&engine)?);
        let process = self.dump.recorded().process.clone();
        let words = self.dump.recorded().reason.as_ref().and_then(|reason| reason.guest_stderr.clone());
        let tail = Tail::of(&words.unwrap_or_default());
        let args = self.args;
        let first = Recorder::new(args, Mode::Live, program.clone(), process, tail, self.report);
        let first = Arc::new(first.of_any_ending());
        let again = Again::alone(self.tape.clone(), expected, args.output.is_some(), !args.no_recording);
        if let Some(hunt) = &goal.hunt {
            again.stands_at(hunt.code_offset(self.source.binary()));
        }
        let recorder = Arc::new(first.again(program.clone(), again));
        let mut playback = self.tape.playback(None);
        if let Some(call) = last_call {
            playback.stop_behind(call);
        }
        let store = rerun::store(&engine, playback, &self.tape.start)?;
        let (dumped, ending) = block_on(rerun::run(&recorder, &self.tape, goal, store))?;
        Ok((program, dumped, ending))
    }

    /// Shows the last change of some bytes.
    fn last_write(&self, bytes: &str) -> Result<Exit> {
        let watch = self.watch(bytes)?;
        let (rewritten, changes, host) = self.changes(watch)?;
        let last = changes.last();
        let (goal, call) = match (last, host.last()) {
            (None, None) => {
                output::print(&format!("nothing changed {} from the start on\n", named(bytes, watch)))?;
                return Ok(Exit::Partial);
            }
            (Some(change), host) if host.is_none_or(|host| host.number <= change.number) => {
                let site = rewritten.sites.get(change.site as usize).copied();
                let site = site.ok_or_else(|| Error::new(ErrorKind::NotFound, "the write is not found again"))?;
                (Hunt::instruction(watch, site, change.times), None)
            }
            (_, host) => (Hunt::host(watch), host.map(|host| host.call)),
        };
        let goal = Goal { hunt: Some(Arc::new(goal)), ..Goal::default() };
        let (program, dumped, _) = self.again(None, goal, call)?;
        let (before, after) = match (call.and(host.last()), last) {
            (Some(host), _) => (&host.before, &host.after),
            (None, Some(change)) => (&change.before, &change.after),
            (None, None) => return Err(Error::new(ErrorKind::NotFound, "the write is not found again")),
        };
        let who = match call.and(host.last()) {
            Some(host) => format!(" by {} of the host, call {}", host.name, host.call),
            None => String::new(),
        };
        let look = Look { paint: Paint { on: self.args.color.on_stdout() }, ..Look::of(self.args) };
        let frames = report::frames(&dumped, &program, &look);
        output::print(&format!(
            "{} was last changed{who} here:\n{frames}before: {}\nafter:  {}\n",
            named(bytes, watch),
            hex(before),
            hex(after)
        ))?;
        if !self.args.quiet {
            placed::report(self.report, &dumped.place);
        }
        Ok(Exit::Done)
    }

    /// Lists the changes of some bytes.
    fn writes(&self, bytes: &str) -> Result<Exit> {
        let watch = self.watch(bytes)?;
        let (rewritten, changes, host) = self.changes(watch)?;
        let total = changes.last().map_or(0, |change| change.number + 1) + host.len() as u64;
        let mut lines = format!("{}: {total} changes\n", named(bytes, watch));
        let kept = changes.first().map_or(0, |change| change.number);
        if kept > 0 {
            lines += &format!("  ({kept} earlier ones by instructions are not kept)\n");
        }
        let mut sites: Vec<u32> = changes.iter().map(|change| change.site).collect();
        sites.sort_unstable();
        sites.dedup();
        let sites: Vec<_> =
            sites.into_iter().filter_map(|site| Some((site, *rewritten.sites.get(site as usize)?))).collect();
        let places = watched::Places::new(&self.source, &sites);
        let mut host = host.iter().peekable();
        let host_line = |change: &HostChange| {
            format!(
                "  {} -> {}  {} of the host, call {}\n",
                hex(&change.before),
                hex(&change.after),
                change.name,
                change.call
            )
        };
        for change in &changes {
            while let Some(before) = host.next_if(|host| host.number <= change.number) {
                lines += &host_line(before);
            }
            let place = places.of(change.site);
            lines += &format!("  {} -> {}  {place}\n", hex(&change.before), hex(&change.after));
        }
        host.for_each(|change| lines += &host_line(change));
        output::print(&lines)?;
        Ok(Exit::partial_if(total == 0))
    }

    /// Runs the program again at full speed, rewritten so that it notes who changes the watched bytes.
    fn changes(&self, watch: Watch) -> Result<(Rewritten, Vec<Change>, Vec<HostChange>)> {
        if self.kind() == "stack-overflow" {
            let message =
                "writes before a stack overflow cannot be found: the code that looks for them needs more stack";
            return Err(Error::new(ErrorKind::Usage, message));
        }
        if self.source.is_component() {
            return Err(Error::new(ErrorKind::Usage, "writes to the memories of a component cannot be found"));
        }
        let rewritten = rewrite::rewrite(self.source.binary(), watch)?;
        let start = &self.tape.start;
        let stack = start.max_wasm_stack.saturating_mul(LARGER).clamp(1 << 20, 1 << 30) as usize;
        // Fuel is counted by instruction, and there are others now.
        if start.fuel.is_some() {
            return Err(Error::new(ErrorKind::Usage, "writes of a program that ran with --fuel cannot be found"));
        }
        let settings = Settings { stack, fuel: false, interruptible: false, instrumented: false, images: false };
        let engine = engine::engine(settings, None).map_err(rerun::own)?;
        let source = Source::of_bytes(self.source.name(), &rewritten.binary, true);
        let program = source.compile(&engine)?;
        let mut playback = self.tape.playback(None);
        playback.watch(watch);
        let mut store = rerun::store(&engine, playback, start)?;
        let ended = block_on(rerun::enter(&program, &self.tape, &Goal::default(), &mut store))?;
        let differs =
            |what: String| Error::new(ErrorKind::Mismatch, format!("run again, it did not end as before: {what}"));
        let Err(error) = ended else { return Err(differs("it ended by itself".to_owned())) };
        let kind = Ending::of(&error).kind();
        let over = store.data().playback.as_ref().is_some_and(|playback| playback.is_over());
        if kind != self.kind() || !over {
            return Err(differs(coredump_capture::message(&error)));
        }
        let instance = error.downcast_ref::<WasmCoreDump>().and_then(|dump| dump.instances().first().copied());
        let notes = instance.and_then(|instance| instance.get_export(store.as_context_mut(), rewrite::NOTES));
        let Some(Extern::Memory(notes)) = notes else { return Err(differs("its notes are gone".to_owned())) };
        let changes = rewritten.changes(notes.data(&store));
        let host = store.data().playback.as_ref().map(|playback| playback.changes().to_vec()).unwrap_or_default();
        // The last bytes noted are those of the dump, or something was missed.
        let by_host = host.last().filter(|host| changes.last().is_none_or(|change| host.number > change.number));
        let last = by_host.map(|host| &host.after).or(changes.last().map(|change| &change.after));
        let known = self.dump.memory(watch.memory).and_then(|memory| memory.bytes(watch.address, watch.len).ok());
        if let (Some(last), Some(known)) = (last, known)
            && last[..] != known[..last.len().min(known.len())]
        {
            return Err(differs("the watched bytes are others than in the dump".to_owned()));
        }
        Ok((rewritten, changes, host))
    }

    /// The bytes that a text names.
    fn watch(&self, bytes: &str) -> Result<Watch> {
        let wrong = |why: &str| Error::new(ErrorKind::Usage, format!("{bytes:?}: {why}"));
        let (name, len) = match bytes.rsplit_once('+') {
            Some((name, len)) if number(len).is_some() => (name.trim(), number(len)),
            _ => (bytes.trim(), None),
        };
        let (address, size) = match number(name) {
            Some(address) => (address, None),
            None => self.variable(name)?,
        };
        let len = len.or(size).unwrap_or(4);
        if len == 0 || len > rewrite::LONGEST {
            return Err(wrong(&format!("1 to {} bytes can be watched", rewrite::LONGEST)));
        }
        let memory = self.dump.memory(0).ok_or_else(|| wrong("the program has no memory"))?;
        if address.checked_add(len).is_none_or(|end| end > memory.size) {
            return Err(wrong("outside of the memory"));
        }
        Ok(Watch { memory: 0, address, len })
    }

    /// Address and size of a variable or an expression in the frame that was chosen.
    fn variable(&self, name: &str) -> Result<(u64, Option<u64>)> {
        let wrong = |why: String| Error::new(ErrorKind::NotFound, format!("{name}: {why}"));
        let frame = self.dump.crashed_thread().and_then(|thread| thread.frame(self.args.frame));
        let frame = frame.ok_or_else(|| wrong(format!("there is no frame {}", self.args.frame)))?;
        let variable = frame.evaluate(name).map_err(|error| wrong(error.to_string()))?;
        let address = variable.address.ok_or_else(|| wrong("it has no address in memory".to_owned()))?;
        // What comes behind it begins where it ends.
        let behind = frame.evaluate(&format!("&({name}) + 1")).ok().and_then(|behind| number(&behind.text()));
        Ok((address, behind.and_then(|behind| behind.checked_sub(address)).filter(|&size| size > 0)))
    }
}

/// An address or a length.
fn number(text: &str) -> Option<u64> {
    match text.trim().strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.trim().parse().ok(),
    }
}

fn named(bytes: &str, watch: Watch) -> String {
    let range = format!("{:#x}+{}", watch.address, watch.len);
    match bytes.starts_with(|letter: char| letter.is_ascii_digit()) {
        true => range,
        false => format!("{} ({range})", text::escape(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn block_on<R>(work: impl Future<Output = Result<R>>) -> Result<R> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::io("cannot start the event loop", error))?.block_on(work)
}
