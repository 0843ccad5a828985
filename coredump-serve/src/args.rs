//! Defines the command line of `coredump-serve`.

use coredump_core::cli::Tool;
use coredump_core::cli::args::{Grammar, RawArg};

/// The tool, with the name that its help and its errors use.
pub const TOOL: Tool = coredump_core::tool!(Grammar::COMMON);

coredump_core::reader_args! {
    /// Opens core dumps of WebAssembly programs in editors and debuggers.
    ///
    /// An editor starts this program with --dap and speaks the Debug Adapter Protocol on its standard input and output.
    /// The editor's request names the dump as coreFile, coreDumpPath or core, and its binary, if necessary, as program.
    /// With --gdb, LLDB sees the dump as a process that has stopped: process connect --plugin wasm connect://ADDR.
    #[argh(
        help_triggers("-h", "--help"),
        example = "{command_name} --dap",
        example = "{command_name} --dap-port 127.0.0.1:4711",
        example = "{command_name} --gdb 4712 -m app.wasm app.coredump",
        error_code(0, "done"),
        error_code(2, "failed"),
        error_code(64, "bad usage")
    )]
    pub struct Args {
        /// the dump; with --dap, the dump to open if a request names none
        #[argh(positional, arg_name = "dump")]
        pub dump: Option<RawArg>,
        /// speak the Debug Adapter Protocol on standard input and output
        #[argh(switch)]
        pub dap: bool,
        /// listen for debug adapter clients at this address, one at a time; a port alone is on the loopback interface
        #[argh(option, arg_name = "addr")]
        pub dap_port: Option<String>,
        /// speak GDB's remote serial protocol with LLDB at this address, one client at a time
        #[argh(option, arg_name = "addr")]
        pub gdb: Option<String>,
        /// with --gdb, serve only the thread with this index (LLDB does not say which thread's variables it asks for)
        #[argh(option, arg_name = "n")]
        pub thread: Option<usize>,
    }
    shared {
        /// binaries and debug info
        symbols_path,
        /// beside it or in --symbols-path
        untrusted,
        /// here, unless the editor says otherwise;
        path_map,
    }
    last {}
}
