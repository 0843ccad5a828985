//! The ways in which producers write the frames of a `corestack` section.

use wasmparser::BinaryReader;

use crate::error::Result;
use crate::model::Layout;
use crate::sections::RawSection;
use crate::sections::input::{failed, name, version};

/// The way in which a producer writes a frame. The order is always: size, version byte, instance, function, code
/// offset, values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The layout it belongs to.
    pub layout: Layout,
    /// Its name, for a person.
    pub name: &'static str,
    /// The encoding of numbers, the number of frames included.
    pub numbers: Numbers,
    /// True if the size of all frames follows their number.
    pub size: bool,
    /// True if each frame begins with a version byte.
    pub version: bool,
    /// True if each frame names its instance.
    pub instance: bool,
    /// The encoding of its locals and operands.
    pub values: Values,
    /// True if fewer frames than declared may follow.
    pub may_end_early: bool,
}

impl Encoding {
    /// The least number of bytes of a frame.
    fn least(&self) -> u64 {
        let counts = if self.values == Values::OneCount { 1 } else { 2 };
        let numbers = 2 + u64::from(self.instance) + counts;
        let width = if self.numbers == Numbers::Fixed { 4 } else { 1 };
        u64::from(self.version) + numbers * width
    }

    /// Returns true if a section, whole or not, declares more frames than its declared size can hold.
    pub fn declares_too_many(&self, section: &RawSection<'_>) -> bool {
        let mut reader = section.reader();
        let count = version(&mut reader, "corestack")
            .and_then(|()| name(&mut reader, "a thread's name"))
            .and_then(|_| self.numbers.read(&mut reader, "the number of frames"));
        count.is_ok_and(|count| u64::from(count) * self.least() > section.declared)
    }
}

/// The standard's: `0x00 instance function offset vec(local) vec(operand)`.
pub const STANDARD: Encoding = Encoding {
    layout: Layout::Standard,
    name: "standard",
    numbers: Numbers::Leb128,
    size: false,
    version: true,
    instance: true,
    values: Values::Vectors,
    may_end_early: false,
};

/// The encoding of unsigned numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// LEB128.
    Leb128,
    /// Four bytes, little endian.
    Fixed,
}

/// The encoding of locals and operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Two vectors; integers are LEB128.
    Vectors,
    /// Both counts, then the locals, then the operands if `operands` says so; integers have four or eight bytes, little
    /// endian.
    BothCounts {
        /// True if the operands follow.
        operands: bool,
    },
    /// A vector of locals, and nothing for operands; integers have four or eight bytes.
    OneCount,
}

impl Numbers {
    /// Reads a number; `what` names it in an error.
    pub fn read(self, reader: &mut BinaryReader<'_>, what: &str) -> Result<u32> {
        match self {
            Numbers::Leb128 => reader.read_var_u32(),
            Numbers::Fixed => reader.read_u32(),
        }
        .map_err(failed(what))
    }
}
