//! The command line of `coredump-bt`.

use coredump_core::cli::Tool;
use coredump_core::cli::args::{Grammar, RawArg};

/// This tool, as its help and its errors call it.
pub const TOOL: Tool = coredump_core::tool!(Grammar::COMMON);

coredump_core::reader_args! {
    /// Shows where a WebAssembly program died: a backtrace of each thread in a core dump, youngest frame first.
    ///
    /// Without a file, or for `-`, standard input is read. Each line is a function with its offset in the module and
    /// its place in the source; inlined functions share the number of the frame they run in. Binaries are looked for at
    /// the path the dump records, then in the dump's folder; messages on standard error name those that were used, and
    /// say why others were not.
    #[argh(
        help_triggers("-h", "--help"),
        example = "{command_name} app.coredump",
        example = "{command_name} -m app.wasm --source < app.coredump",
        example = "{command_name} --store symbols app.wasm",
        example = "{command_name} --trace -m app.wasm server.log",
        example = "{command_name} --html -o report.html app.coredump",
        error_code(0, "done"),
        error_code(
            1,
            "done in part: a dump was damaged, a binary is missing, no trace was found, or one of several could not be read"
        ),
        error_code(2, "failed"),
        error_code(64, "bad usage")
    )]
    pub struct Args {
        /// the dumps; with --trace, texts
        #[argh(positional, arg_name = "dump")]
        pub dumps: Vec<RawArg>,
        /// the files are text with stack traces of any engine; print the text again with every frame resolved
        #[argh(switch)]
        pub trace: bool,
        /// write a page for a browser, with variables and sources: -o names the file, or a folder that gets an index
        /// and a page for each dump
        #[argh(switch)]
        pub html: bool,
        /// print one line for each dump or trace: reason, place, signature
        #[argh(switch)]
        pub brief: bool,
        /// print the variables of each frame, with their types
        #[argh(switch)]
        pub locals: bool,
    }
    values { depth, elements }
    more {
        /// print the asynchronous tasks, and the chain of what each awaits
        #[argh(switch, long = "async")]
        pub tasks: bool,
        /// print the lines of source around each place
        #[argh(switch)]
        pub source: bool,
        /// print the Wasm locals and operand stack of each frame
        #[argh(switch)]
        pub raw: bool,
        /// print this frame only
        #[argh(option, arg_name = "n")]
        pub frame: Option<usize>,
        /// print this thread only, counted from 0
        #[argh(option, arg_name = "n")]
        pub thread: Option<usize>,
        /// print at most this many frames of a thread, the youngest
        #[argh(option, arg_name = "n")]
        pub limit: Option<usize>,
        /// print every frame of a recursion on a line of its own
        #[argh(switch)]
        pub no_fold: bool,
        /// store the files, which are modules, in this folder by their build ids, where --symbols-path finds them
        #[argh(option, arg_name = "dir")]
        pub store: Option<RawArg>,
        /// with --store: write a build id into a file that has none
        #[argh(switch)]
        pub add_build_id: bool,
    }
    shared {
        /// binaries, debug info and sources
        symbols_path,
        /// beside it or in --symbols-path; no source is read
        untrusted,
        /// here;
        path_map,
        max_size, color,
    }
    last {
        /// print no notes about the binaries that were used
        #[argh(switch, short = 'q')]
        pub quiet: bool,
    }
    shared { output }
}
