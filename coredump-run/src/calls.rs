//! The last calls of the host: cheap to note while the program runs, spelled out when a dump is written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coredump_core::model::HostCall;
use rustix::time::{ClockId, clock_gettime};

use crate::components::Values;

/// Calls that are kept.
const KEPT: usize = 64;

/// Bytes of a path that are kept.
const PATH: usize = 256;

/// The clock: its reading costs little, and its ticks are some milliseconds apart.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Arguments of a function of WASI 0.1, at most.
const ARGUMENTS: usize = 9;

/// A function of the host.
pub struct Function {
    name: String,
    parameters: &'static [&'static str],
    /// Which parameters are the address and the length of a path.
    paths: Vec<(usize, usize)>,
    /// Which parameter is the address of a word that says how much was done, or what was opened.
    out: Option<usize>,
}

impl Function {
    /// The function of WASI 0.1 of that name, with its parameters' names.
    pub fn new(name: &str, parameters: &'static [&'static str]) -> Arc<Function> {
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
        Arc::new(Function { name: name.to_owned(), parameters, paths, out })
    }

    /// The paths among the arguments of a call, as they stand in the program's memory.
    pub fn paths(&self, arguments: &[u64], memory: &[u8]) -> Vec<String> {
        let path = |&(address, len): &(usize, usize)| {
            let (start, len) = (*arguments.get(address)? as u32 as usize, *arguments.get(len)? as u32 as usize);
            let text = String::from_utf8_lossy(memory.get(start..start.checked_add(len.min(PATH))?)?).into_owned();
            Some(if len > PATH { text + "…" } else { text })
        };
        self.paths.iter().map(|at| path(at).unwrap_or_else(|| "?".to_owned())).collect()
    }

    /// What a call did that succeeded: the word that it wrote.
    pub fn out(&self, arguments: &[u64], memory: &[u8]) -> Option<u32> {
        let start = *arguments.get(self.out?)? as u32 as usize;
        Some(u32::from_le_bytes(memory.get(start..start.checked_add(4)?)?.try_into().ok()?))
    }
}

/// A function of the host that components call.
pub struct ComponentFunction {
    name: String,
    parameters: &'static [&'static str],
    arguments: fn(&[u8]) -> Vec<String>,
    results: fn(&[u8]) -> Vec<String>,
    /// Whether its result says by its case that the call failed.
    fallible: bool,
}

/// Bytes that are kept of the arguments and of the results of a component's call.
const ENCODED: usize = 256;

impl ComponentFunction {
    /// The function of that name in an interface of WASI 0.2, with its parameters' names and the types of parameters and
    /// results.
    pub fn new<P: Values, R: Values>(
        interface: &str,
        name: &str,
        parameters: &'static [&'static str],
    ) -> ComponentFunction {
        // The name without what marks it as a method's.
        let plain =
            name.rsplit_once(']').filter(|(kind, _)| *kind != "[resource-drop").map_or(name, |(_, plain)| plain);
        ComponentFunction {
            name: if interface.is_empty() { plain.to_owned() } else { format!("{interface}#{plain}") },
            parameters,
            arguments: P::texts,
            // What is in the environment may be secret.
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
pub struct Calls {
    /// In milliseconds.
    started: u64,
    last: Mutex<Last>,
    /// The error that the last call returned, with [`RETURNED`]; 0 if it is in its place, or the call goes on.
    errno: AtomicU64,
    /// The word that it wrote, with [`RETURNED`]; or 0.
    out: AtomicU64,
}

/// Set where something was returned, whatever it is.
const RETURNED: u64 = 1 << 32;

#[derive(Default)]
struct Last {
    /// The call of number N is at N modulo [`KEPT`].
    calls: Vec<Call>,
    /// Calls that were made, those that are forgotten included.
    made: u64,
}

struct Call {
    what: What,
    /// In milliseconds since the start.
    at: u64,
    end: End,
}

/// What was called.
enum What {
    /// A function of WASI 0.1, with the paths among its arguments.
    Core(Arc<Function>, [u64; ARGUMENTS], Vec<String>),
    /// A component's import, with its arguments, encoded and perhaps cut off.
    Component(Arc<ComponentFunction>, Box<[u8]>),
}

/// How a call ended.
enum End {
    /// It has not.
    None,
    /// With an error of WASI 0.1, 0 for none, and the word that it wrote.
    Returned(i32, Option<u32>),
    /// With the results of a component's import, encoded and perhaps cut off.
    Gave(Box<[u8]>),
    /// It ended the program.
    Failed(String),
}

fn cut(bytes: &[u8]) -> Box<[u8]> {
    bytes[..bytes.len().min(ENCODED)].into()
}

impl Default for Calls {
    fn default() -> Calls {
        let (errno, out) = Default::default();
        Calls { started: now(), last: Mutex::default(), errno, out }
    }
}

impl Calls {
    /// The last calls, with what was returned in its place.
    fn last(&self) -> MutexGuard<'_, Last> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let errno = self.errno.load(Ordering::Acquire);
        if errno != 0 {
            let out = self.out.load(Ordering::Relaxed);
            last.end(End::Returned(errno as i32, (out != 0).then_some(out as u32)));
            self.errno.store(0, Ordering::Relaxed);
        }
        last
    }

    /// Notes that a call begins.
    pub fn enter(&self, function: &Arc<Function>, arguments: &[u64], paths: Vec<String>) {
        let now = now().saturating_sub(self.started);
        let mut last = self.last();
        let slot = last.made as usize % KEPT;
        match last.calls.get_mut(slot) {
            // Most programs call the same few functions over and over.
            Some(Call { what: What::Core(known, kept, texts), at, end }) if Arc::ptr_eq(known, function) => {
                kept.iter_mut().zip(arguments).for_each(|(kept, argument)| *kept = *argument);
                (*texts, *at, *end) = (paths, now, End::None);
                last.made += 1;
            }
            _ => {
                let mut kept = [0; ARGUMENTS];
                kept.iter_mut().zip(arguments).for_each(|(kept, argument)| *kept = *argument);
                last.add(Call { what: What::Core(function.clone(), kept, paths), at: now, end: End::None });
            }
        }
    }

    /// Notes that a call of a component begins, with its arguments as they are encoded.
    pub fn enter_component(&self, function: &Arc<ComponentFunction>, arguments: &[u8]) {
        let what = What::Component(function.clone(), cut(arguments));
        self.last().add(Call { what, at: now().saturating_sub(self.started), end: End::None });
    }

    /// Notes that the last call returned an error of WASI 0.1, 0 for none, and wrote a word. It comes to its place when
    /// somebody looks.
    pub fn returned(&self, errno: i32, out: Option<u32>) {
        self.out.store(out.map_or(0, |out| RETURNED | u64::from(out)), Ordering::Relaxed);
        self.errno.store(RETURNED | u64::from(errno as u32), Ordering::Release);
    }

    /// Notes that the last call, of a component, gave these results, as they are encoded.
    pub fn gave(&self, results: &[u8]) {
        self.last().end(End::Gave(cut(results)));
    }

    /// Notes that the last call ended the program.
    pub fn failed(&self, why: String) {
        self.last().end(End::Failed(why));
    }

    /// The last calls, oldest first.
    pub fn list(&self) -> Vec<HostCall> {
        self.last().numbered().map(|(_, call)| call.model()).collect()
    }

    /// The same of an earlier moment, when so many calls had returned, and another one had begun or not.
    pub fn list_at(&self, returned: u64, inside: bool) -> Vec<HostCall> {
        let last = self.last();
        let before = |(number, call): (u64, &Call)| match number {
            number if number < returned => Some(call.model()),
            number if number == returned && inside => Some(HostCall { result: None, failed: false, ..call.model() }),
            _ => None,
        };
        last.numbered().filter_map(before).collect()
    }
}

impl Last {
    fn add(&mut self, call: Call) {
        let slot = self.made as usize % KEPT;
        match self.calls.get_mut(slot) {
            Some(oldest) => *oldest = call,
            None => self.calls.push(call),
        }
        self.made += 1;
    }

    /// The last call ended.
    fn end(&mut self, end: End) {
        let slot = self.made.wrapping_sub(1) as usize % KEPT;
        if let Some(call) = self.calls.get_mut(slot) {
            call.end = end;
        }
    }

    /// The calls with their numbers, oldest first.
    fn numbered(&self) -> impl Iterator<Item = (u64, &Call)> {
        let first = self.made - self.calls.len() as u64;
        (first..self.made).map(|number| (number, &self.calls[number as usize % KEPT]))
    }
}

/// The clock in milliseconds.
fn now() -> u64 {
    let time = clock_gettime(CLOCK);
    (time.tv_sec as u64).saturating_mul(1000).saturating_add(time.tv_nsec as u64 / 1_000_000)
}

impl Call {
    fn model(&self) -> HostCall {
        let (name, args) = match &self.what {
            What::Core(function, arguments, paths) => (&function.name, function.texts(arguments, paths)),
            What::Component(function, arguments) => (&function.name, function.texts(arguments)),
        };
        let (result, failed) = match (&self.end, &self.what) {
            (End::None, _) => (None, false),
            (End::Returned(0, None), _) => (Some("success".to_owned()), false),
            (End::Returned(0, Some(out)), _) => (Some(format!("success, {out}")), false),
            (End::Returned(errno, _), _) => (Some(error(*errno)), true),
            (End::Gave(bytes), What::Component(function, _)) => function.result(bytes),
            (End::Gave(_), What::Core(..)) => (None, false),
            (End::Failed(why), _) => (Some(why.clone()), true),
        };
        HostCall { name: name.clone(), args, result, failed, since_start_ms: Some(self.at) }
    }
}

impl Function {
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

    /// The result as text, and whether it says that the call failed.
    fn result(&self, results: &[u8]) -> (Option<String>, bool) {
        let text = (self.results)(results).join(", ");
        let failed = self.fallible && results.first() == Some(&1);
        (Some(if text.is_empty() { "success".to_owned() } else { text }), failed)
    }
}

/// An argument: addresses are hexadecimal.
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
        let open =
            Function::new("path_open", &["fd", "flags", "path", "len", "how", "rights", "inheriting", "more", "out"]);
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
        assert_eq!(calls.list_at(99, true).last().unwrap().result, None);
    }
}
