//! Notes the last calls of the host, cheaply while the program runs; they are converted to text when a dump is written.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coredump_core::model::HostCall;
use rustix::time::{ClockId, clock_gettime};

use crate::values::Values;

/// The number of calls that a dump shows.
const KEPT: usize = 64;

/// The number of calls in the buffer: a reader on another thread is safe from the program's next `ROOM - KEPT` calls.
const ROOM: usize = 2 * KEPT;

/// The number of bytes of a path that are kept.
const PATH: usize = 256;

/// The clock of the calls: reading it costs little, and its resolution is some milliseconds.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The largest number of arguments of a function of WASI 0.1.
const ARGUMENTS: usize = 9;

/// The number of numbers of functions that are looked up in an array, without a lock.
const NUMBERS: u32 = 2048;

/// The number of the next function.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A function of the host.
pub struct HostFunction {
    number: u32,
    name: String,
    parameters: &'static [&'static str],
    /// The parameters that are the address and the length of a path.
    paths: Vec<(usize, usize)>,
    /// The parameter that is the address of a word that says how much was done, or what was opened.
    out: Option<usize>,
}

impl HostFunction {
    /// The function of WASI 0.1 of that name, with its parameters' names.
    pub fn new(name: &str, parameters: &'static [&'static str]) -> Arc<HostFunction> {
        let at = |wanted: &str| parameters.iter().position(|name| *name == wanted);
        let path =
            |address: &str, lengths: &[&str]| Some((at(address)?, lengths.iter().find_map(|length| at(length))?));
        let paths = if name.starts_with("path_") {
            // `path_symlink` has the old path first, and `path_readlink` the length of a buffer besides.
            let paths = [path("path", &["path_len", "len"]), path("new", &["new_len"])];
            paths.into_iter().flatten().collect()
        } else {
            Vec::new()
        };
        let counts =
            ["fd_pread", "fd_pwrite", "fd_read", "fd_readdir", "fd_write", "poll_oneoff", "sock_recv", "sock_send"];
        let out = match name {
            "path_open" => at("out"),
            name if counts.contains(&name) => at("count"),
            _ => None,
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(HostFunction { number, name: name.to_owned(), parameters, paths, out })
    }

    /// Returns true if there are paths among its parameters.
    #[inline(always)]
    pub fn has_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// The paths among the arguments of a call, as they stand in the program's memory.
    pub fn paths(&self, arguments: &[u64], memory: &[u8]) -> Vec<String> {
        if self.paths.is_empty() {
            return Vec::new();
        }
        let path = |&(address, len): &(usize, usize)| {
            let (start, len) = (*arguments.get(address)? as u32 as usize, *arguments.get(len)? as u32 as usize);
            let text = String::from_utf8_lossy(memory.get(start..start.checked_add(len.min(PATH))?)?).into_owned();
            Some(if len > PATH { text + "…" } else { text })
        };
        self.paths.iter().map(|at| path(at).unwrap_or_else(|| "?".to_owned())).collect()
    }

    /// Returns the word that a successful call wrote.
    pub fn out(&self, arguments: &[u64], memory: &[u8]) -> Option<u32> {
        let start = *arguments.get(self.out?)? as u32 as usize;
        Some(u32::from_le_bytes(memory.get(start..start.checked_add(4)?)?.try_into().ok()?))
    }
}

/// A function of the host that components call.
pub struct ComponentFunction {
    number: u32,
    name: String,
    parameters: &'static [&'static str],
    arguments: fn(&[u8]) -> Vec<String>,
    results: fn(&[u8]) -> Vec<String>,
    /// True if its result says by its case that the call failed.
    fallible: bool,
}

/// Bytes that are kept of the arguments and of the results of a component's call.
const ENCODED: usize = 256;

impl ComponentFunction {
    /// The function of that name in an interface of WASI 0.2, with its parameters' names and the types of parameters
    /// and results.
    pub fn new<P: Values, R: Values>(
        interface: &str,
        name: &str,
        parameters: &'static [&'static str],
    ) -> ComponentFunction {
        // The name without what marks it as a method's.
        let plain =
            name.rsplit_once(']').filter(|(kind, _)| *kind != "[resource-drop").map_or(name, |(_, plain)| plain);
        ComponentFunction {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            name: if interface.is_empty() { plain.to_owned() } else { format!("{interface}#{plain}") },
            parameters,
            arguments: P::texts,
            // The environment may hold secrets.
            results: if name == "get-environment" { |_| vec!["…".to_owned()] } else { R::texts },
            fallible: R::FALLIBLE,
        }
    }

    /// Its name, with that of its interface.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The last calls of the host.
///
/// The program's thread notes them. Another one may look at any time, and is never waited for where a call has numbers
/// only.
pub struct Calls {
    /// In milliseconds.
    started: u64,
    /// Calls that were made, those that are forgotten included.
    made: AtomicU64,
    /// The call of number N is at N modulo [`ROOM`].
    slots: Box<[NotedCall]>,
    /// The parts of a call that are not numbers, at the same places.
    details: Mutex<Box<[Details]>>,
    /// The functions that were called, with their numbers.
    functions: Mutex<Vec<(u32, Called)>>,
    /// A bit for each number that is among them.
    known: Box<[AtomicU64]>,
}

/// The numbers of a call.
#[derive(Default)]
struct NotedCall {
    function: AtomicU32,
    /// In milliseconds since the start.
    at: AtomicU64,
    arguments: [AtomicU64; ARGUMENTS],
    /// The end of the call: 0 if it goes on; an error of WASI 0.1 with [`RETURNED`]; or [`DETAILED`].
    end: AtomicU64,
    /// The word that it wrote, with [`RETURNED`]; or 0.
    out: AtomicU64,
}

/// Set where something was returned, whatever it is.
const RETURNED: u64 = 1 << 32;

/// The end is among the details.
const DETAILED: u64 = 1 << 33;

/// The parts of a call that are not numbers.
#[derive(Default)]
struct Details {
    /// The number of the call, counted from 1.
    call: u64,
    /// The paths among the arguments of a function of WASI 0.1.
    paths: Vec<String>,
    /// The arguments of a component's import, encoded and perhaps cut off.
    arguments: Vec<u8>,
    /// The results of a component's import, encoded and perhaps cut off.
    results: Vec<u8>,
    /// The error with which the call ended the program.
    failed: Option<String>,
}

/// A function that was called.
enum Called {
    /// A function of WASI 0.1.
    Core(Arc<HostFunction>),
    /// An import of a component.
    Component(Arc<ComponentFunction>),
}

fn cut(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(ENCODED)]
}

impl Default for Calls {
    fn default() -> Calls {
        Calls {
            started: now(),
            made: AtomicU64::new(0),
            slots: (0..ROOM).map(|_| NotedCall::default()).collect(),
            details: Mutex::new((0..ROOM).map(|_| Details::default()).collect()),
            functions: Mutex::default(),
            known: (0..NUMBERS / u64::BITS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Calls {
    /// Notes that a call begins. This is a function of its own, so that a profile shows what it costs.
    #[inline(never)]
    pub fn enter(&self, function: &Arc<HostFunction>, arguments: &[u64], paths: Vec<String>) {
        let slot = self.next(function.number, || Called::Core(function.clone()));
        for (kept, argument) in slot.arguments.iter().zip(arguments) {
            kept.store(*argument, Ordering::Relaxed);
        }
        let call = self.made.load(Ordering::Relaxed) + 1;
        if !paths.is_empty() {
            self.detail(call, |details| details.paths = paths);
        }
        self.made.store(call, Ordering::Release);
    }

    /// Notes that a call by a component begins, with its encoded arguments.
    pub fn enter_component(&self, function: &Arc<ComponentFunction>, arguments: &[u8]) {
        self.next(function.number, || Called::Component(function.clone()));
        let call = self.made.load(Ordering::Relaxed) + 1;
        self.detail(call, |details| details.arguments.extend_from_slice(cut(arguments)));
        self.made.store(call, Ordering::Release);
    }

    /// Notes that the last call returned this error of WASI 0.1 (0 for none), and wrote the word `out`.
    pub fn returned(&self, errno: i32, out: Option<u32>) {
        let slot = self.slot(self.made.load(Ordering::Relaxed));
        slot.out.store(out.map_or(0, |out| RETURNED | u64::from(out)), Ordering::Relaxed);
        slot.end.store(RETURNED | u64::from(errno as u32), Ordering::Release);
    }

    /// Notes that the last call, by a component, returned these encoded results.
    pub fn gave(&self, results: &[u8]) {
        self.ends(|details| details.results.extend_from_slice(cut(results)));
    }

    /// Notes that the last call ended the program.
    pub fn failed(&self, why: String) {
        self.ends(|details| details.failed = Some(why));
    }

    /// The last calls, oldest first.
    pub fn list(&self) -> Vec<HostCall> {
        self.numbered().into_iter().map(|(_, call)| call).collect()
    }

    /// The last calls as they were at an earlier moment, when `returned` calls had returned and the program was (or was
    /// not) `inside` another one.
    pub fn list_at(&self, returned: u64, inside: bool) -> Vec<HostCall> {
        let before = |(number, call): (u64, HostCall)| match number {
            number if number <= returned => Some(call),
            number if number == returned + 1 && inside => Some(HostCall { result: None, failed: false, ..call }),
            _ => None,
        };
        self.numbered().into_iter().filter_map(before).collect()
    }

    /// The entry of a call; calls are counted from 1.
    fn slot(&self, call: u64) -> &NotedCall {
        &self.slots[call as usize % ROOM]
    }

    /// The entry of the next call, which is of the function with this number.
    fn next(&self, number: u32, function: impl FnOnce() -> Called) -> &NotedCall {
        let bit = 1 << (number % u64::BITS);
        let known = self.known.get((number / u64::BITS) as usize);
        if known.is_none_or(|known| known.load(Ordering::Relaxed) & bit == 0) {
            let mut functions = locked(&self.functions);
            if functions.iter().all(|(known, _)| *known != number) {
                functions.push((number, function()));
            }
            if let Some(known) = known {
                known.fetch_or(bit, Ordering::Relaxed);
            }
        }
        let slot = self.slot(self.made.load(Ordering::Relaxed) + 1);
        slot.function.store(number, Ordering::Relaxed);
        slot.at.store(now().saturating_sub(self.started), Ordering::Relaxed);
        slot.end.store(0, Ordering::Relaxed);
        slot
    }

    /// Notes the parts of a call that are not numbers; calls are counted from 1.
    fn detail(&self, call: u64, note: impl FnOnce(&mut Details)) {
        let mut all = locked(&self.details);
        let details = &mut all[call as usize % ROOM];
        if details.call != call {
            // Clearing the other fields keeps their allocations.
            (details.call, details.failed) = (call, None);
            details.paths.clear();
            details.arguments.clear();
            details.results.clear();
        }
        note(details);
    }

    /// Notes how the last call ended.
    fn ends(&self, note: impl FnOnce(&mut Details)) {
        let call = self.made.load(Ordering::Relaxed);
        self.detail(call, note);
        self.slot(call).end.store(DETAILED, Ordering::Release);
    }

    /// The last calls with their numbers (counted from 1), oldest first.
    fn numbered(&self) -> Vec<(u64, HostCall)> {
        let (functions, details) = (locked(&self.functions), locked(&self.details));
        let made = self.made.load(Ordering::Acquire);
        let numbers = made.saturating_sub(KEPT as u64) + 1..=made;
        let model = |call| {
            let details = Some(&details[call as usize % ROOM]).filter(|details| details.call == call);
            Some((call, self.slot(call).model(&functions, details)?))
        };
        let mut calls: Vec<(u64, HostCall)> = numbers.filter_map(model).collect();
        // Meanwhile, the program may have overwritten these entries with other calls.
        fence(Ordering::Acquire);
        let made = self.made.load(Ordering::Relaxed);
        calls.retain(|(call, _)| call + ROOM as u64 > made + 1);
        calls
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clock in milliseconds.
fn now() -> u64 {
    let time = clock_gettime(CLOCK);
    (time.tv_sec as u64).saturating_mul(1000).saturating_add(time.tv_nsec as u64 / 1_000_000)
}

impl NotedCall {
    fn model(&self, functions: &[(u32, Called)], details: Option<&Details>) -> Option<HostCall> {
        let number = self.function.load(Ordering::Relaxed);
        let (_, function) = functions.iter().find(|(known, _)| *known == number)?;
        let none = Details::default();
        let details = details.unwrap_or(&none);
        let (name, args) = match function {
            Called::Core(function) => {
                let arguments = self.arguments.each_ref().map(|argument| argument.load(Ordering::Relaxed));
                (&function.name, function.texts(&arguments, &details.paths))
            }
            Called::Component(function) => (&function.name, function.texts(&details.arguments)),
        };
        let (end, out) = (self.end.load(Ordering::Acquire), self.out.load(Ordering::Relaxed));
        let (result, failed) = match (end, function, &details.failed) {
            (0, ..) => (None, false),
            (DETAILED, _, Some(why)) => (Some(why.clone()), true),
            (DETAILED, Called::Component(function), None) => function.result(&details.results),
            (RETURNED, _, _) if out == 0 => (Some("success".to_owned()), false),
            (RETURNED, _, _) => (Some(format!("success, {}", out as u32)), false),
            (errno, ..) => (Some(error(errno as i32)), true),
        };
        Some(HostCall {
            name: name.clone(),
            args,
            result,
            failed,
            since_start_ms: Some(self.at.load(Ordering::Relaxed)),
        })
    }
}

impl HostFunction {
    /// The arguments of a call as text.
    fn texts(&self, arguments: &[u64], paths: &[String]) -> Vec<String> {
        let mut args = Vec::new();
        let mut texts = paths.iter();
        for (index, name) in self.parameters.iter().enumerate() {
            if self.paths.iter().any(|&(_, len)| len == index) {
                continue;
            }
            if self.paths.iter().any(|&(address, _)| address == index) {
                args.push(format!("{name}={:?}", texts.next().map_or("?", String::as_str)));
            } else {
                args.push(format!("{name}={}", number(name, arguments[index])));
            }
        }
        args
    }
}

impl ComponentFunction {
    /// The arguments of a call as text; where they were cut off, the last ones are missing.
    fn texts(&self, arguments: &[u8]) -> Vec<String> {
        let texts = (self.arguments)(arguments);
        self.parameters.iter().zip(texts).map(|(name, text)| format!("{}={text}", name.replace('_', "-"))).collect()
    }

    /// The result as text, and whether it is an error.
    fn result(&self, results: &[u8]) -> (Option<String>, bool) {
        let text = (self.results)(results).join(", ");
        let failed = self.fallible && results.first() == Some(&1);
        (Some(if text.is_empty() { "success".to_owned() } else { text }), failed)
    }
}

/// An argument as text: addresses are hexadecimal.
fn number(name: &str, value: u64) -> String {
    const ADDRESSES: [&str; 12] =
        ["argv", "buffer", "count", "events", "list", "new", "out", "path", "pointers", "size", "texts", "vectors"];
    match name {
        _ if ADDRESSES.contains(&name) => format!("{:#x}", value as u32),
        "offset" | "cookie" | "userdata" => (value as i64).to_string(),
        _ if value > u64::from(u32::MAX) && value as i64 >= 0 => value.to_string(),
        _ => (value as i64 as i32).to_string(),
    }
}

/// The errors of WASI 0.1, by their numbers (`typenames.witx`).
const ERRORS: &str = "success 2big acces addrinuse addrnotavail afnosupport again already badf badmsg busy canceled child \
    connaborted connrefused connreset deadlk destaddrreq dom dquot exist fault fbig hostunreach idrm ilseq inprogress intr \
    inval io isconn isdir loop mfile mlink msgsize multihop nametoolong netdown netreset netunreach nfile nobufs nodev \
    noent noexec nolck nolink nomem nomsg noprotoopt nospc nosys notconn notdir notempty notrecoverable notsock notsup notty \
    nxio overflow ownerdead perm pipe proto protonosupport prototype range rofs spipe srch stale timedout txtbsy xdev notcapable";

fn error(errno: i32) -> String {
    let name = usize::try_from(errno).ok().and_then(|errno| ERRORS.split_whitespace().nth(errno));
    name.map_or_else(|| format!("error {errno}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_names_of_the_witx() {
        assert_eq!((error(8), error(44), error(76)), ("badf".to_owned(), "noent".to_owned(), "notcapable".to_owned()));
        assert_eq!(error(77), "error 77");
    }

    #[test]
    fn calls_are_spelled_out_and_the_oldest_forgotten() {
        let calls = Calls::default();
        let open = HostFunction::new(
            "path_open",
            &["fd", "flags", "path", "len", "how", "rights", "inheriting", "more", "out"],
        );
        let arguments = [3, 1, 16, 5, 0, 1 << 33, 0, 0, 0x40];
        let mut memory = vec![0; 128];
        memory[16..21].copy_from_slice(b"a\nb.c");
        memory[0x40] = 4;
        for _ in 0..100 {
            calls.enter(&open, &arguments, open.paths(&arguments, &memory));
            calls.returned(0, open.out(&arguments, &memory));
        }
        calls.enter(&open, &arguments, open.paths(&arguments, &[]));
        let list = calls.list();
        assert_eq!(list.len(), KEPT);
        let expected = "fd=3 flags=1 path=\"a\\nb.c\" how=0 rights=8589934592 inheriting=0 more=0 out=0x40";
        assert_eq!(list[0].args.join(" "), expected);
        assert_eq!(list[0].result.as_deref(), Some("success, 4"));
        assert_eq!((&list[63].result, &*list[63].args[2]), (&None, "path=\"?\""));
        assert_eq!(calls.list_at(100, false).len(), KEPT - 1);
        assert_eq!(calls.list_at(90, true).len(), KEPT - 10);
        assert_eq!(calls.list_at(99, true).last().unwrap().result, None);
    }
}
