//! The command line of `coredump-json`.

use std::num::NonZero;

use argh::FromArgValue;
use coredump_core::cli::Tool;
use coredump_core::cli::args::{Grammar, RawArg};

/// This tool, as its help and its errors call it.
pub const TOOL: Tool = coredump_core::tool!(Grammar::COMMON);

coredump_core::reader_args! {
    /// Core dumps as JSON: one document a dump, for jq, scripts and query engines.
    ///
    /// Without a file, or for `-`, standard input is read. Field names are stable; `--schema` documents them.
    #[argh(
        help_triggers("-h", "--help"),
        example = "{command_name} app.coredump | jq '.threads[0].frames[0]'",
        example = "{command_name} --trace --ndjson --symbols-path build server.log",
        error_code(0, "done"),
        error_code(1, "done in part: a dump was damaged, one of several could not be read, or nothing was found"),
        error_code(2, "failed"),
        error_code(64, "bad usage")
    )]
    pub struct Args {
        /// the dumps; with --trace, texts
        #[argh(positional, arg_name = "dump")]
        pub dumps: Vec<RawArg>,
        /// read the names of dumps from this file, one a line or each ended by NUL; - is standard input
        #[argh(option, arg_name = "list")]
        pub files_from: Option<RawArg>,
        /// work on this many dumps at once (default 1)
        #[argh(option, short = 'j', arg_name = "n")]
        pub jobs: Option<NonZero<usize>>,
        /// write one line for each dump; folders stand for the dumps in them; a dump that cannot be read gives an error
        /// object
        #[argh(switch)]
        pub ndjson: bool,
        /// the files are text with stack traces of any engine; write a document for each trace
        #[argh(switch)]
        pub trace: bool,
        /// write events for Sentry instead of documents
        #[argh(switch)]
        pub sentry: bool,
        /// what to write of memory contents: none, ranges (default) or base64
        #[argh(option, default = "MemoryDetail::Ranges", arg_name = "detail")]
        pub memory: MemoryDetail,
        /// add the variables of each frame, from debug info
        #[argh(switch)]
        pub locals: bool,
        /// add what the allocators hold, in numbers and by type
        #[argh(switch)]
        pub heap: bool,
    }
    values { depth, elements }
    more {
        /// most variables and parts of them in one document (default 250000); the frames after that have none, and say
        /// so
        #[argh(option, arg_name = "n")]
        pub limit: Option<usize>,
    }
    shared {
        /// binaries and debug info
        symbols_path,
        /// beside it or in --symbols-path
        untrusted,
        /// here;
        path_map,
        max_size, color,
    }
    last {
        /// print no line with the number of dumps that could not be read, or for an empty list: the exit code tells
        /// both
        #[argh(switch, short = 'q')]
        pub quiet: bool,
        /// indent the output
        #[argh(switch)]
        pub pretty: bool,
        /// convert back: write the core dump that a document describes
        #[argh(switch)]
        pub encode: bool,
        /// leave out the program's data: contents of memories, values, arguments, what it printed
        #[argh(switch)]
        pub redact: bool,
        /// print the JSON Schema of the output
        #[argh(switch)]
        pub schema: bool,
    }
    shared { output }
}

/// This says how much of the memories goes into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryDetail {
    /// Sizes only.
    None,
    /// The document lists the ranges that the dump holds, without their bytes.
    Ranges,
    /// The ranges with their bytes.
    Base64,
}

impl FromArgValue for MemoryDetail {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        match value {
            "none" => Ok(MemoryDetail::None),
            "ranges" => Ok(MemoryDetail::Ranges),
            "base64" => Ok(MemoryDetail::Base64),
            _ => Err(format!("{value:?} is none of none, ranges, base64")),
        }
    }
}
