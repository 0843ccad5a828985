//! The outermost layer of a dump: its header and its sections (core specification 5.5.2), and how to read in them.

pub mod input;

use wasmparser::BinaryReader;

use crate::error::{Error, ErrorKind, Result};
use crate::model::Section;

use input::{failed, shortened};

/// A section's contents, where they stand in the file, and whether the file ends inside them.
#[derive(Debug)]
pub struct RawSection<'a> {
    /// Section id; 0 is custom.
    pub id: u8,
    /// Name of a custom section, else empty.
    pub name: &'a str,
    /// The contents; in a custom section the bytes after its name.
    pub bytes: &'a [u8],
    /// File offset of `bytes`.
    pub offset: u64,
    /// The size the header declares for `bytes`.
    pub declared: u64,
}

impl<'a> RawSection<'a> {
    /// A reader over the contents whose errors carry file offsets.
    pub fn reader(&self) -> BinaryReader<'a> {
        BinaryReader::new(self.bytes, self.offset as usize)
    }

    /// Its entry in the list of sections.
    pub fn describe(&self) -> Section {
        let name = if self.id == 0 { self.name } else { standard_name(self.id) };
        Section { id: self.id, name: shortened(name.as_bytes()), offset: self.offset, size: self.declared }
    }

    /// The error to report if the file ends before the section does.
    pub fn cut_off(&self) -> Option<Error> {
        let here = self.bytes.len() as u64;
        (here < self.declared).then(|| {
            let name = self.describe().name;
            let message = format!("the file ends inside section {name}: {here} of {} bytes are here", self.declared);
            Error::truncated(self.offset + here, message)
        })
    }
}

/// The index of the first custom section of that name.
pub fn position(sections: &[RawSection<'_>], name: &str) -> Option<usize> {
    sections.iter().position(|section| section.id == 0 && section.name == name)
}

/// The name the core specification gives a section id.
fn standard_name(id: u8) -> &'static str {
    const NAMES: [&str; 14] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    NAMES.get(id as usize).copied().unwrap_or("unknown")
}

/// Iterates over the sections of a file. An error is the last item.
#[derive(Debug)]
pub struct Sections<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Sections<'a> {
    /// Checks the header. Fails on anything that is not a core WebAssembly module.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        const MAGIC: &[u8; 4] = b"\0asm";
        if bytes.is_empty() {
            return Err(Error::new(ErrorKind::Truncated, "the file is empty").at(0));
        }
        let same = bytes.iter().zip(MAGIC).take_while(|(a, b)| a == b).count();
        if same < bytes.len().min(4) {
            let error = Error::new(ErrorKind::NotWasm, "not a WebAssembly file").at(0);
            return Err(match bytes {
                [0x7f, b'E', b'L', b'F', ..] => error.hint("it is an ELF file: a native core dump is for gdb or lldb"),
                _ => error,
            });
        }
        let Some(version) = bytes.get(4..8) else {
            return Err(Error::truncated(bytes.len() as u64, "the file ends inside the WebAssembly header"));
        };
        match version {
            [1, 0, 0, 0] => Ok(Sections { bytes, at: 8 }),
            [_, _, 1, 0] => Err(Error::new(ErrorKind::WrongFile, "a WebAssembly component, not a core dump")
                .at(4)
                .hint("name the dump; a component is given with -m")),
            other => {
                let version = u32::from_le_bytes([other[0], other[1], other[2], other[3]]);
                Err(Error::new(ErrorKind::NotWasm, format!("unknown WebAssembly version {version:#x}")).at(4))
            }
        }
    }

    fn section(&mut self) -> Result<RawSection<'a>> {
        let start = self.at;
        let mut reader = BinaryReader::new(&self.bytes[start..], start);
        let id = reader.read_u8().map_err(failed("a section header"))?;
        let size = reader.read_var_u32().map_err(failed("a section header"))?;
        let offset = reader.original_position();
        let end = self.bytes.len().min(offset.saturating_add(size as usize));
        let mut section = RawSection {
            id,
            name: "",
            bytes: &self.bytes[offset..end],
            offset: offset as u64,
            declared: u64::from(size),
        };
        self.at = end;
        if id == 0 {
            let mut reader = section.reader();
            section.name = reader.read_unlimited_string().map_err(failed("the name of a custom section"))?;
            let name_size = reader.original_position() - offset;
            section.bytes = &section.bytes[name_size..];
            section.offset += name_size as u64;
            section.declared -= name_size as u64;
        }
        Ok(section)
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<RawSection<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let before = self.at;
        let section = self.section();
        if section.is_err() && self.at == before {
            // The section's header itself is unreadable, so there is no next section to find.
            self.at = self.bytes.len();
        }
        Some(section)
    }
}
