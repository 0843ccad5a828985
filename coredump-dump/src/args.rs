//! The whole command line.

use argh::{ArgsInfo, FromArgs};
use coredump_core::cli::Tool;
use coredump_core::cli::args::{Grammar, RawArg};
use coredump_core::cli::output::Color;

use crate::address::Range;

/// This tool.
pub const TOOL: Tool = Tool {
    name: "coredump-dump",
    version: env!("CARGO_PKG_VERSION"),
    grammar: Grammar { trailing: false, optional_values: &[] },
};

/// Look at the memory of a WebAssembly core dump. Without options: list what is in it.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    help_triggers("-h", "--help"),
    note = "A RANGE is ADDR+LEN, ADDR..ADDR or ADDR, decimal or 0x hexadecimal.\n\n\
            Output for a pipe is tab-separated, --range writes raw bytes there; a terminal gets columns, --range a hex dump.\n\
            Bytes that the dump does not hold are never shown as zero.",
    error_code(1, "Done in part, or nothing was found."),
    error_code(2, "Failed."),
    error_code(64, "Wrong usage.")
)]
pub struct Args {
    /// memory to look at: its index in the list (default 0)
    #[argh(option, arg_name = "n")]
    pub memory: Option<u32>,

    /// addresses to read; repeatable
    #[argh(option, short = 'r', arg_name = "range")]
    pub range: Vec<Range>,

    /// show bytes as a hex dump (of the whole memory without --range)
    #[argh(switch, short = 'x')]
    pub hex: bool,

    /// show every line of a hex dump, also those that repeat
    #[argh(switch)]
    pub no_squeeze: bool,

    /// write bytes as they are (of the whole memory without --range)
    #[argh(switch)]
    pub raw: bool,

    /// byte that stands for those the dump does not hold, in --raw and --image
    #[argh(option, arg_name = "byte", from_str_fn(byte))]
    pub fill: Option<u8>,

    /// list the globals
    #[argh(switch, short = 'g')]
    pub globals: bool,

    /// write the whole memory as a sparse file of exactly its size
    #[argh(switch)]
    pub image: bool,

    /// write every memory, globals.json and tables.json into the folder that -o names
    #[argh(switch)]
    pub all: bool,

    /// write to this file instead of standard output
    #[argh(option, short = 'o', arg_name = "file")]
    pub output: Option<RawArg>,

    /// colours: auto, always or never
    #[argh(option, default = "Color::Auto", arg_name = "when")]
    pub color: Color,

    /// the dump; - or nothing is standard input
    #[argh(positional, arg_name = "dump")]
    pub files: Vec<RawArg>,
}

fn byte(text: &str) -> Result<u8, String> {
    let value = crate::address::number(text).and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| format!("{text:?} is not a byte: 0 to 255, or 0x00 to 0xff"))
}
