//! The command line of `coredump-run`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use coredump_capture::MemoryChoice;
use coredump_core::cli::args::RawArg;
use coredump_core::cli::output::Color;
use coredump_core::cli::path_map::PathMapping;
use coredump_core::error::{Error, ErrorKind, Result};

/// What leaves a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Traps, and failures of host functions and limits.
    Trap,
    /// A `proc_exit` or `exit` with a code other than 0.
    Exit,
    /// An uncaught Wasm exception.
    Exception,
    /// `--timeout`.
    Timeout,
    /// SIGINT, SIGTERM, SIGQUIT, and SIGUSR1 for a snapshot.
    Signal,
}

const ALL: [(&str, On); 5] = [
    ("trap", On::Trap),
    ("exit", On::Exit),
    ("exception", On::Exception),
    ("timeout", On::Timeout),
    ("signal", On::Signal),
];

impl On {
    /// All kinds.
    pub fn all() -> Vec<On> {
        ALL.iter().map(|(_, on)| *on).collect()
    }
}

/// Run a WebAssembly program (core module or component, binary or text). When it dies, leave a core dump and say why.
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(help_triggers("-h", "--help"))]
#[argh(example = "{command_name} --dir data::/data app.wasm input.txt")]
#[argh(example = "{command_name} --fast --embed-modules -o - app.wasm | coredump-bt")]
#[argh(example = "{command_name} -o '%e.%t.coredump' --keep 5 --timeout 10s app.wasm")]
#[argh(example = "{command_name} --serve 0.0.0.0:8080 --timeout 30s --keep 20 service.wasm")]
#[argh(example = "{command_name} --replay app.coredump --last-write 0x11580+4")]
#[argh(note = "Exit code: the program's own; 134 after a trap, 124 after a timeout, 128+N after signal N,
125 for failures of coredump-run itself, 126 if FILE cannot be run, 127 if there is none.")]
pub struct Args {
    /// where the dump goes (default %e.%p.coredump): %e program, %p process id, %t time, %h host, %% a percent sign; with .zst
    /// or .gz at its end the dump is compressed; - is standard output
    #[argh(option, short = 'o', arg_name = "pattern")]
    pub output: Option<RawArg>,

    /// give the guest the folder HOST under the name GUEST; with :ro, to read only
    #[argh(option, arg_name = "host[::guest[:ro]]")]
    pub dir: Vec<RawArg>,

    /// set an environment variable of the guest, or pass ours on
    #[argh(option, arg_name = "name[=value]")]
    pub env: Vec<String>,

    /// call this export instead of the program's start; arguments become its parameters
    #[argh(option, arg_name = "func")]
    pub invoke: Option<String>,

    /// the program's own name, as it sees it
    #[argh(option, arg_name = "name")]
    pub argv0: Option<String>,

    /// let the guest use the network
    #[argh(switch)]
    pub network: bool,

    /// run a program whose imports nobody offers; a call of one is a crash
    #[argh(switch)]
    pub unknown_imports_trap: bool,

    /// end after this many units of work (about one an instruction)
    #[argh(option, arg_name = "n")]
    pub fuel: Option<u64>,

    /// end after this time, compiling included: 10s, 500ms, 2m, 1h
    #[argh(option, arg_name = "time", from_str_fn(duration))]
    pub timeout: Option<Duration>,

    /// let memories, tables and the garbage-collected heap not grow beyond this together: 64m, 1g, bytes
    #[argh(option, arg_name = "size", from_str_fn(size))]
    pub max_memory: Option<usize>,

    /// compile the program anew, and do not keep its compiled code for the next start
    #[argh(switch)]
    pub no_cache: bool,

    /// bytes of stack for Wasm calls (default 1m)
    #[argh(option, arg_name = "size", from_str_fn(size))]
    pub max_wasm_stack: Option<usize>,

    /// run instrumented from the start, 2 to 6 times slower: nothing has to be run again if it dies
    #[argh(switch)]
    pub live: bool,

    /// do not record what the host answers: a dump has frames, memory and globals, but no locals and operand stacks
    #[argh(switch)]
    pub fast: bool,

    /// bytes that the recording may take; beyond them a dump is as with --fast (default 1g)
    #[argh(option, arg_name = "size", default = "1 << 30", from_str_fn(size64))]
    pub record_limit: u64,

    /// leave the recording out of the dump: it holds what the program read
    #[argh(switch)]
    pub no_recording: bool,

    /// what leaves a dump: trap,exit,exception,timeout,signal (default: all but exit)
    #[argh(option, arg_name = "kinds", from_str_fn(kinds))]
    pub on: Option<Kinds>,

    /// how much memory goes in: all, stack (what the frames use) or none (default all)
    #[argh(option, arg_name = "which", default = "MemoryChoice::All", from_str_fn(memory))]
    pub memory: MemoryChoice,

    /// bytes of garbage-collected objects that go in at most, those nearest to the frames first (default 1g)
    #[argh(option, arg_name = "size", default = "coredump_capture::HEAP_LIMIT", from_str_fn(size64))]
    pub heap_limit: u64,

    /// put the program's own bytes in, so that the dump needs no other file
    #[argh(switch)]
    pub embed_modules: bool,

    /// say this of the run in its dumps: a version, a deployment (repeatable)
    #[argh(option, arg_name = "key=value", from_str_fn(annotation))]
    pub annotate: Vec<Annotation>,

    /// remove the oldest dumps of this program beyond this many
    #[argh(option, arg_name = "n")]
    pub keep: Option<usize>,

    /// auto (default), always or never
    #[argh(option, default = "Color::Auto", arg_name = "when")]
    pub color: Color,

    /// for the report look up names and lines in the program alone, not in files beside it or that it names
    #[argh(switch)]
    pub untrusted: bool,

    /// in the report, sources that were built below FROM lie below TO; repeatable, * is any one folder
    #[argh(option, arg_name = "from=to")]
    pub path_map: Vec<PathMapping>,

    /// say nothing about the crash and the dump
    #[argh(switch, short = 'q')]
    pub quiet: bool,

    /// serve an HTTP component until a signal ends it (default 127.0.0.1:8080; a number alone is a port of 127.0.0.1); each request gets an instance, a crash is answered with 500 and leaves a dump, --timeout limits each request
    #[argh(option, arg_name = "addr", from_str_fn(address))]
    pub serve: Option<SocketAddr>,

    /// with --serve: refuse requests with a longer body (default 64m)
    #[argh(option, arg_name = "size", default = "64 << 20", from_str_fn(size64))]
    pub max_body: u64,

    /// with --serve: leave no more dumps than this in a minute, and of crashes at one place only the first (default 10)
    #[argh(option, arg_name = "n", default = "10")]
    pub max_dumps: u32,

    /// run the program of a dump again, with the answers that it recorded, up to its end; a dump of that goes where -o says
    #[argh(option, arg_name = "dump")]
    pub replay: Option<RawArg>,

    /// with --replay: stop after the last change of these bytes, address[+length], N:address of memory N, or a variable's name or an
    /// expression, and show it
    #[argh(option, arg_name = "bytes")]
    pub last_write: Option<String>,

    /// with --replay: list the changes of these bytes, the last 1024
    #[argh(option, arg_name = "bytes")]
    pub writes: Option<String>,

    /// the frame in which a variable's name is meant (default 0)
    #[argh(option, arg_name = "n", default = "0")]
    pub frame: usize,

    /// the program (- is standard input), and after it its arguments
    #[argh(positional, arg_name = "file")]
    pub program: Vec<RawArg>,
}

/// A set of [`On`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kinds(Vec<On>);

impl Args {
    /// Where the dump goes.
    pub fn output(&self) -> RawArg {
        self.output.clone().unwrap_or_else(|| RawArg("%e.%p.coredump".into()))
    }

    /// The program.
    ///
    /// # Errors
    ///
    /// There is none on the command line.
    pub fn file(&self) -> Result<&RawArg> {
        let missing =
            || Error::new(ErrorKind::Usage, "no program is named").hint("coredump-run --help lists the options");
        self.program.first().ok_or_else(missing)
    }

    /// The program's arguments.
    pub fn guest_args(&self) -> &[RawArg] {
        self.program.get(1..).unwrap_or_default()
    }

    /// What leaves a dump.
    pub fn dumps_on(&self) -> Vec<On> {
        match &self.on {
            Some(kinds) => kinds.0.clone(),
            None => vec![On::Trap, On::Exception, On::Timeout, On::Signal],
        }
    }

    /// Whether dumps on signals were asked for by name: with `--fast` they cost speed, so the default leaves them out.
    pub fn signals_asked_for(&self) -> bool {
        self.on.as_ref().is_some_and(|kinds| kinds.0.contains(&On::Signal))
    }
}

/// What is said of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Its name.
    pub key: String,
    /// What it says.
    pub value: String,
}

fn annotation(text: &str) -> Result<Annotation, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(Annotation { key: key.to_owned(), value: value.to_owned() }),
        _ => Err(format!("{text:?} is no KEY=VALUE")),
    }
}

fn kinds(text: &str) -> Result<Kinds, String> {
    let kind = |name: &str| {
        let found = ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, on)| *on).ok_or_else(|| format!("{name:?} is none of trap, exit, exception, timeout, signal"))
    };
    match text {
        "none" => Ok(Kinds(Vec::new())),
        "all" => Ok(Kinds(ALL.iter().map(|(_, on)| *on).collect())),
        _ => text.split(',').map(kind).collect::<Result<_, _>>().map(Kinds),
    }
}

fn memory(text: &str) -> Result<MemoryChoice, String> {
    match text {
        "all" => Ok(MemoryChoice::All),
        "stack" => Ok(MemoryChoice::Stack),
        "none" => Ok(MemoryChoice::None),
        _ => Err(format!("{text:?} is none of all, stack, none")),
    }
}

/// Where to serve: an address with its port, or a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| text.parse()).map_err(|_| format!("{text:?} is no address: 8080, 127.0.0.1:8080, [::1]:8080"))
}

/// A time with its unit; a bare number counts seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(seconds) => seconds.map_err(|_| format!("{text:?} is out of range")),
        None => humantime::parse_duration(text).map_err(|_| format!("{text:?} is no time: 10s, 500ms, 2m, 1h")),
    }
}

/// A size in bytes, or with a binary unit.
fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split_unit(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(format!("{text:?} is no size: 65536, 64k, 1m, 2g")),
    };
    let number: usize = number.parse().map_err(|_| format!("{text:?} is no size: 65536, 64k, 1m, 2g"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is out of range"))
}

fn size64(text: &str) -> Result<u64, String> {
    size(text).map(|size| size as u64)
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_take_units() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert!(duration("ten").is_err() && duration("-1s").is_err() && duration("5x").is_err());
        assert_eq!(size("64k"), Ok(65536));
        assert_eq!(size("1G"), Ok(1 << 30));
        assert!(size("").is_err() && size("1x").is_err() && size("99999999999g").is_err());
    }

    #[test]
    fn what_leaves_a_dump_can_be_chosen() {
        assert_eq!(kinds("trap,exit"), Ok(Kinds(vec![On::Trap, On::Exit])));
        assert_eq!(kinds("none"), Ok(Kinds(vec![])));
        assert!(kinds("trap,crash").is_err());
    }
}
