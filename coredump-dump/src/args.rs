//! Defines the command line of `coredump-dump`.

use argh::FromArgValue;
use coredump_core::cli::Tool;
use coredump_core::cli::args::{Grammar, RawArg};

use crate::address::{Address, Range, number};
use crate::unit::Format;
use crate::value::Value;

/// The tool, with the name that its help and its errors use.
pub const TOOL: Tool =
    coredump_core::tool!(Grammar { optional_values: &[("strings", "4"), ("objects", "")], ..Grammar::COMMON });

coredump_core::reader_args! {
    /// The memory of a WebAssembly core dump: list, read, search, compare, extract.
    ///
    /// Without a command, lists what is in the dump; without a file, or for `-`, reads standard input. A range is ADDR+LEN,
    /// ADDR..ADDR or ADDR; an address is decimal, 0x hexadecimal, a static's name, or a global as $sp, with +N or -N.
    /// A terminal gets columns and hex dumps, a pipe tab-separated lines and raw bytes. Bytes that the dump does not hold are
    /// never shown as zero.
    #[argh(
        help_triggers("-h", "--help"),
        example = "{command_name} app.coredump",
        example = "{command_name} --range '$sp+64' app.coredump",
        example = "{command_name} --range table --format 8i32 app.coredump",
        example = "{command_name} --find-value ptr=\\&table app.coredump",
        example = "{command_name} --image -o memory.bin app.coredump",
        error_code(0, "done"),
        error_code(1, "done in part, or nothing was found"),
        error_code(2, "failed"),
        error_code(64, "bad usage")
    )]
    pub struct Args {
        /// the dump (with --diff and --heap also two)
        #[argh(positional, arg_name = "dump")]
        pub dumps: Vec<RawArg>,

        /// read these addresses; repeatable. Restricts searches
        #[argh(option, short = 'r', arg_name = "range")]
        pub range: Vec<Range>,
        /// write a hex dump (default on a terminal)
        #[argh(switch, short = 'x')]
        pub hex: bool,
        /// write every line of a hex dump, including repeated ones
        #[argh(switch)]
        pub no_squeeze: bool,
        /// write the bytes as they are (default for a pipe)
        #[argh(switch)]
        pub raw: bool,
        /// write values: [count]type, where type is i8 to i64, u8 to u64, x8 to x64, f32, f64, ptr, char, c-string,
        /// utf16 or wide; or as in gdb's x command: 4xw
        #[argh(option, short = 'f', arg_name = "format")]
        pub format: Option<Format>,
        /// write this byte for each byte that the dump does not hold, in --raw and --image
        #[argh(option, arg_name = "byte", from_str_fn(byte))]
        pub fill: Option<u8>,

        /// list the globals
        #[argh(switch, short = 'g')]
        pub globals: bool,
        /// write the whole memory, as a sparse file
        #[argh(switch)]
        pub image: bool,
        /// write every memory, memories.json, globals.json and tables.json into the folder that -o names
        #[argh(switch)]
        pub all: bool,

        /// find text, or bytes as 0xDEADBEEF
        #[argh(option, arg_name = "text")]
        pub find: Option<String>,
        /// find an aligned value, as i32=42, f64=2.5 or ptr=&name
        #[argh(option, arg_name = "type=value")]
        pub find_value: Option<Value>,
        /// find a regular expression over bytes
        #[argh(option, arg_name = "expression")]
        pub regex: Option<String>,
        /// find every pointer into an object, given by an address in it or a range
        #[argh(option, arg_name = "range")]
        pub refs: Option<Range>,
        /// list strings (UTF-8, UTF-16) of at least this many characters (4)
        #[argh(option, arg_name = "min")]
        pub strings: Option<usize>,
        /// print only the number of hits
        #[argh(switch)]
        pub count: bool,
        /// stop after this many hits
        #[argh(option, arg_name = "n")]
        pub limit: Option<u64>,

        /// list what differs from the module's initial memory, or between two dumps
        #[argh(switch)]
        pub diff: bool,
        /// say what an address belongs to; repeatable
        #[argh(option, arg_name = "address")]
        pub whatis: Vec<Address>,
        /// print the value of an expression: total, *node.next, buf[3], (struct node *)0x10450; repeatable
        #[argh(option, short = 'p', arg_name = "expression")]
        pub print: Vec<String>,
        /// evaluate in this frame (0, the youngest)
        #[argh(option, arg_name = "n")]
        pub frame: Option<usize>,
        /// evaluate in this thread (0)
        #[argh(option, arg_name = "n")]
        pub thread: Option<usize>,
    }
    values { depth, elements }
    more {
        /// summarise the heaps: allocator, used and free blocks and bytes by size and type, how far memories may grow,
        /// the allocation that failed; objects by type; for two dumps, what grew
        #[argh(switch)]
        pub heap: bool,
        /// list the blocks of the heaps: address, size, used or free, type or text, pointers to the block
        #[argh(switch)]
        pub blocks: bool,
        /// list the used blocks that nothing reachable points to
        #[argh(switch)]
        pub leaks: bool,
        /// list the objects of a garbage-collected program, those that keep the most alive first; only those of a type
        #[argh(option, arg_name = "type")]
        pub objects: Option<String>,
        /// show the object with this id: its fields, what it keeps alive, what refers to it
        #[argh(option, arg_name = "id", from_str_fn(object))]
        pub object: Option<u32>,
        /// write the objects as a heap snapshot, which Chrome's DevTools can open
        #[argh(switch)]
        pub heapsnapshot: bool,
        /// show a chain of pointers from a root to the block at this address, or of references to an object
        #[argh(option, arg_name = "address|id")]
        pub path_to: Option<KeptTarget>,
        /// verify the heaps' records, the shadow stack and constant data; list what is broken, with exit code 1
        #[argh(switch)]
        pub check: bool,

        /// draw a picture of each memory; with -o FILE.svg, as SVG
        #[argh(switch)]
        pub map: bool,

        /// use this memory, counted from 0 (default: 0; for searches: all)
        #[argh(option, arg_name = "n")]
        pub memory: Option<u32>,
    }
    shared {
        /// binaries and debug info
        symbols_path,
        /// beside it or in --symbols-path
        untrusted,
        max_size, color,
    }
    last {
        /// print no notes about the binaries that were looked for
        #[argh(switch, short = 'q')]
        pub quiet: bool,
    }
    shared { output }
}

/// The argument of `--path-to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptTarget {
    /// The block at an address; a number alone may also be the id of an object.
    Address(Address),
    /// An object, written `#12`.
    Object(u32),
}

impl FromArgValue for KeptTarget {
    fn from_arg_value(text: &str) -> Result<Self, String> {
        match text.starts_with('#') {
            true => object(text).map(KeptTarget::Object),
            false => Address::from_arg_value(text).map(KeptTarget::Address),
        }
    }
}

/// Parses the id of an object, written `12` or `#12`.
fn object(text: &str) -> Result<u32, String> {
    let id = text.strip_prefix('#').unwrap_or(text).parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| format!("{text:?} is no object's id: 12, or '#12'"))
}

fn byte(text: &str) -> Result<u8, String> {
    let value = number(text).and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| format!("{text:?} is not a byte: 0 to 255, or 0x00 to 0xff"))
}
