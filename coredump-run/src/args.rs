//! The command line of `coredump-run`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use coredump_capture::MemoryChoice;
use coredump_core::cli::args::RawArg;
use coredump_core::cli::output::Color;
use coredump_core::cli::path_map::PathMapping;
use coredump_core::error::{Error, ErrorKind, Result};

/// A kind of ending that can leave a dump (`--on`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Traps, failures of host functions, and exceeded limits.
    Trap,
    /// A `proc_exit` or `exit` with a code other than 0.
    Exit,
    /// An uncaught Wasm exception.
    Exception,
    /// The time of `--timeout` is over.
    Timeout,
    /// SIGINT, SIGTERM and SIGQUIT; SIGUSR1 for a snapshot.
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
    /// All kinds of endings.
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
    /// file that the dump is written to (default %e.%p.coredump): %e is the program, %p the process id, %t the time, %h
    /// the host name, %% a percent sign; a name that ends in .zst or .gz compresses the dump; - is standard output
    #[argh(option, short = 'o', arg_name = "pattern")]
    pub output: Option<RawArg>,

    /// give the guest the folder HOST under the name GUEST; with :ro, for reading only
    #[argh(option, arg_name = "host[::guest[:ro]]")]
    pub dir: Vec<RawArg>,

    /// set an environment variable of the guest; without a value, pass on our own
    #[argh(option, arg_name = "name[=value]")]
    pub env: Vec<String>,

    /// call this export instead of the program's start; arguments become its parameters
    #[argh(option, arg_name = "func")]
    pub invoke: Option<String>,

    /// the name under which the program sees itself (its first argument)
    #[argh(option, arg_name = "name")]
    pub argv0: Option<String>,

    /// let the guest use the network
    #[argh(switch)]
    pub network: bool,

    /// run a program even if the host does not offer all of its imports; a call of such an import is a crash
    #[argh(switch)]
    pub unknown_imports_trap: bool,

    /// end the program after this many units of fuel (about one per instruction)
    #[argh(option, arg_name = "n")]
    pub fuel: Option<u64>,

    /// end the program after this time, which includes compilation: 10s, 500ms, 2m, 1h
    #[argh(option, arg_name = "time", from_str_fn(duration))]
    pub timeout: Option<Duration>,

    /// limit memories, tables and the garbage-collected heap together to this size: 64m, 1g, or a number of bytes
    #[argh(option, arg_name = "size", from_str_fn(size))]
    pub max_memory: Option<usize>,

    /// compile the program anew, and do not cache its compiled code for the next start
    #[argh(switch)]
    pub no_cache: bool,

    /// bytes of stack for Wasm calls (default 1m)
    #[argh(option, arg_name = "size", from_str_fn(size))]
    pub max_wasm_stack: Option<usize>,

    /// run the program instrumented from the start, 2 to 6 times slower: it need not be run again if it dies
    #[argh(switch)]
    pub live: bool,

    /// do not record the answers of the host: a dump has frames, memory and globals, but no locals and operand stacks
    #[argh(switch)]
    pub fast: bool,

    /// largest recording, in bytes; if it gets larger, the dump is as with --fast (default 1g)
    #[argh(option, arg_name = "size", default = "1 << 30", from_str_fn(size64))]
    pub record_limit: u64,

    /// leave the recording out of the dump, as it contains what the program read
    #[argh(switch)]
    pub no_recording: bool,

    /// endings that leave a dump: trap,exit,exception,timeout,signal (default: all but exit)
    #[argh(option, arg_name = "kinds", from_str_fn(kinds))]
    pub on: Option<Kinds>,

    /// memory that the dump contains: all, stack (what the frames use) or none (default all)
    #[argh(option, arg_name = "which", default = "MemoryChoice::All", from_str_fn(memory))]
    pub memory: MemoryChoice,

    /// largest total size of the garbage-collected objects in the dump, in bytes; the nearest to the frames come first
    /// (default 1g)
    #[argh(option, arg_name = "size", default = "coredump_capture::HEAP_LIMIT", from_str_fn(size64))]
    pub heap_limit: u64,

    /// put the program's own bytes into the dump, so that it needs no other file
    #[argh(switch)]
    pub embed_modules: bool,

    /// add this to the dumps of the run: a version, a deployment (repeatable)
    #[argh(option, arg_name = "key=value", from_str_fn(annotation))]
    pub annotate: Vec<Annotation>,

    /// keep only this many dumps of the program: the oldest are removed
    #[argh(option, arg_name = "n")]
    pub keep: Option<usize>,

    /// colour the report: auto (default), always or never
    #[argh(option, default = "Color::Auto", arg_name = "when")]
    pub color: Color,

    /// for the report, look up names and lines in the program alone, not in other files that lie beside it or that it
    /// names
    #[argh(switch)]
    pub untrusted: bool,

    /// in the report, sources that were built below FROM lie below TO; repeatable, * is any one folder
    #[argh(option, arg_name = "from=to")]
    pub path_map: Vec<PathMapping>,

    /// say nothing about the crash and the dump
    #[argh(switch, short = 'q')]
    pub quiet: bool,

    /// serve an HTTP component until a signal ends it (default 127.0.0.1:8080; a number alone is a port of 127.0.0.1);
    /// each request gets an instance of its own, a crash is answered with 500 and leaves a dump, --timeout limits each
    /// request
    #[argh(option, arg_name = "addr", from_str_fn(address))]
    pub serve: Option<SocketAddr>,

    /// with --serve: refuse requests with a longer body (default 64m)
    #[argh(option, arg_name = "size", default = "64 << 20", from_str_fn(size64))]
    pub max_body: u64,

    /// with --serve: write at most this many dumps a minute, and only the first one of crashes at the same place
    /// (default 10)
    #[argh(option, arg_name = "n", default = "10")]
    pub max_dumps: u32,

    /// run the program of a dump again up to its end, with the recorded answers of the host; with -o, write a dump of
    /// the new run
    #[argh(option, arg_name = "dump")]
    pub replay: Option<RawArg>,

    /// with --replay: stop after the last change of these bytes, address[+length], N:address of memory N, or a variable's name or an
    /// expression, and show it
    #[argh(option, arg_name = "bytes")]
    pub last_write: Option<String>,

    /// with --replay: list the last 1024 changes of these bytes
    #[argh(option, arg_name = "bytes")]
    pub writes: Option<String>,

    /// number of the frame in which a variable's name or an expression is looked up (default 0)
    #[argh(option, arg_name = "n", default = "0")]
    pub frame: usize,

    /// the program (- is standard input), followed by its arguments
    #[argh(positional, arg_name = "file")]
    pub program: Vec<RawArg>,
}

/// The kinds of endings that `--on` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kinds(Vec<On>);

impl Args {
    /// The file that the dump is written to.
    pub fn output(&self) -> RawArg {
        self.output.clone().unwrap_or_else(|| RawArg("%e.%p.coredump".into()))
    }

    /// The program.
    ///
    /// # Errors
    ///
    /// Fails if the command line names no program.
    pub fn file(&self) -> Result<&RawArg> {
        let missing =
            || Error::new(ErrorKind::Usage, "no program is named").hint("coredump-run --help lists the options");
        self.program.first().ok_or_else(missing)
    }

    /// The program's arguments.
    pub fn guest_args(&self) -> &[RawArg] {
        self.program.get(1..).unwrap_or_default()
    }

    /// The kinds of endings that leave a dump.
    pub fn dumps_on(&self) -> Vec<On> {
        match &self.on {
            Some(kinds) => kinds.0.clone(),
            None => vec![On::Trap, On::Exception, On::Timeout, On::Signal],
        }
    }

    /// Returns true if `--on` names signals. With `--fast`, dumps on signals cost speed, so they are not written by
    /// default.
    pub fn signals_asked_for(&self) -> bool {
        self.on.as_ref().is_some_and(|kinds| kinds.0.contains(&On::Signal))
    }
}

/// An annotation of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Name of the annotation.
    pub key: String,
    /// Text of the annotation.
    pub value: String,
}

fn annotation(text: &str) -> Result<Annotation, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(Annotation { key: key.to_owned(), value: value.to_owned() }),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
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

/// Parses the address of `--serve`: an address with its port, or a port alone.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| text.parse()).map_err(|_| format!("{text:?} is not an address: 8080, 127.0.0.1:8080, [::1]:8080"))
}

/// Parses a time with its unit; a number alone counts seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(seconds) => seconds.map_err(|_| format!("{text:?} is out of range")),
        None => humantime::parse_duration(text).map_err(|_| format!("{text:?} is not a time: 10s, 500ms, 2m, 1h")),
    }
}

/// Parses a size: in bytes, or with a binary unit.
fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split_unit(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(format!("{text:?} is not a size: 65536, 64k, 1m, 2g")),
    };
    let number: usize = number.parse().map_err(|_| format!("{text:?} is not a size: 65536, 64k, 1m, 2g"))?;
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
