//! QuickJS (Bellard's and quickjs-ng): the stack of the JavaScript program that it runs.
//!
//! The layout of its structures is documented nowhere and differs between versions. So each structure is recognised by
//! its shape. The runtime keeps the texts of all names in one table, whose first are `null`, `false`, `true`; the
//! frames of the stack are a chain that begins in the runtime; a function's bytecode lies after its description in one
//! block, and its table of lines must be sound to its end. A layout counts only if all frames agree with it. Seen with
//! 2021-03-27, with the version of quickjs-emscripten 0.32.0, and with quickjs-ng 0.17.0.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::memory::{Chunk, Memory};
use crate::metered::Metered;
use crate::runtimes::InterpretedFrame;

/// Bytes that every module with QuickJS contains: the first of its predefined atoms.
pub const MARK: &[u8] = b"null\0false\0true\0if\0else\0return\0";

/// Limits: frames of the stack, names in the table, bytes of a name, of a function's bytecode and of its line table.
const MAX_FRAMES: usize = 1 << 16;
const MAX_ATOMS: u64 = 1 << 24;
const MAX_TEXT: u64 = 4096;
const MAX_CODE: u64 = 1 << 24;
const MAX_TABLE: u64 = 1 << 22;
/// Sizes in bytes: a runtime's structure is smaller than the first, and what a function's description has before its
/// bytecode is smaller than the second.
const RUNTIME: u64 = 1024;
const DESCRIPTION: u64 = 1 << 20;
/// The number of runtimes in one memory that are looked at.
const MAX_RUNTIMES: usize = 16;
/// The smallest size of a table of names.
const MIN_NAMES: u64 = 128;

/// Tags of values: an object, a string, `undefined`.
const OBJECT: u64 = 0xffff_ffff;
const STRING: u64 = 0xffff_fff9;
const UNDEFINED: u64 = 3;

/// Codes of the table of lines (`PC2LINE_*` in `quickjs.c`).
const FIRST: u64 = 1;
const RANGE: u64 = 5;
const BASE: i64 = -1;

/// The name that is shown for a function without one.
const ANONYMOUS: &str = "<anonymous>";

/// A runtime's table of names (atoms), and how strings are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atoms {
    /// Address of the table's size in the runtime's structure.
    runtime: u64,
    names: u64,
    count: u64,
    /// Offsets in a string: of its length, and of its characters.
    length: u64,
    characters: u64,
}

/// Offsets that differ between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VersionOffsets {
    /// In an object that is a function: its description, its shape and its properties.
    function: u64,
    shape: u64,
    properties: u64,
    /// In a description: the address of the bytecode.
    code: u64,
    /// In a frame: the instruction after the call.
    pc: u64,
    /// In a description: the name of the file, counted from `code`.
    file: u64,
    /// The place of a function's first line.
    begin: Begin,
}

/// The place of the line and the column at which a function begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// The line is in a field after the file's name; there are no columns.
    Line,
    /// Line and column are in fields after the file's name.
    LineAndColumn,
    /// The line table begins with line and column, since Bellard's 2025-04-26.
    Table,
}

/// The last of the predefined names that are keywords of the language: no file has one of these names.
const LAST_KEYWORD: u64 = 46;

/// Objects as versions lay them out: the description, the shape, the properties.
const OBJECTS: [(u64, u64, u64); 4] = [(24, 12, 16), (32, 16, 20), (32, 20, 24), (28, 16, 20)];

/// Looks for a runtime in a memory; if there are several, for one that runs a program. Javy's plugin leaves the runtime
/// in memory with which it was made.
pub fn find(memory: &Memory<'_>) -> Option<Atoms> {
    if memory.memory64 {
        return None;
    }
    let memory = &Metered::new(memory);
    let mut places = memory.chunks(0..memory.size).flat_map(|chunk| runtimes(memory, chunk)).take(MAX_RUNTIMES);
    let first = places.next()?;
    let runs = |place: &Atoms| Reader { memory, place: *place }.stack().is_some();
    std::iter::once(first).chain(places).find(runs).or(Some(first))
}

/// The runtimes in a part of a memory.
fn runtimes(memory: &Metered<'_, '_>, chunk: Chunk<'_>) -> Vec<Atoms> {
    let Chunk::Captured(segment) = chunk else { return Vec::new() };
    let first = segment.address.next_multiple_of(4);
    let bytes = segment.bytes.get((first - segment.address) as usize..).unwrap_or_default();
    let words = bytes.as_chunks::<4>().0;
    let word = |nth: usize| u64::from(u32::from_le_bytes(words[nth]));
    // The words are: the size of the hash table (a power of two), the number of names, their greatest number, twice the
    // size, and the addresses of the two tables.
    let hits = (0..words.len().saturating_sub(6)).filter(|&nth| {
        let size = word(nth);
        size >= MIN_NAMES && size.is_power_of_two() && word(nth + 3) == 2 * size && word(nth + 1) <= word(nth + 2)
    });
    hits.take(1 << 16).filter_map(|nth| atoms_of(memory, first + 4 * nth as u64)).take(MAX_RUNTIMES).collect()
}

/// Reads the table of atoms of the runtime at an address; `None` if there is none.
fn atoms_of(memory: &Metered<'_, '_>, runtime: u64) -> Option<Atoms> {
    let word = |at: u64| memory.uint(at, 4).ok();
    let (count, names) = (word(runtime + 8)?, word(runtime + 20)?);
    if count > MAX_ATOMS || names.checked_add(4 * count)? > memory.size {
        return None;
    }
    let first = word(names + 4)?;
    (8..32).step_by(4).find_map(|characters| {
        [0, 4].into_iter().find_map(|length| {
            let place = Atoms { runtime, names, count, length, characters };
            let text = |nth: u64| Reader { memory, place }.text(word(names + 4 * nth)?);
            let known = first != 0 && text(1)? == "null" && text(2)? == "false" && text(3)? == "true";
            known.then_some(place)
        })
    })
}

/// The stack of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Its frames, youngest first; `None` for a function that is not JavaScript.
    pub frames: Vec<Option<InterpretedFrame>>,
    /// The reason why frames are missing.
    pub broken: Option<String>,
}

/// Reads the stack of the program whose runtime is at that place.
pub fn read(memory: &Memory<'_>, place: Atoms) -> Stack {
    let memory = &Metered::new(memory);
    let reader = Reader { memory, place };
    let Some(frames) = reader.stack() else { return Stack::default() };
    let layouts = OBJECTS.iter().flat_map(|&(function, shape, properties)| {
        [12, 20].into_iter().flat_map(move |code| {
            [28, 32].into_iter().flat_map(move |pc| {
                (28..72).step_by(4).flat_map(move |file| {
                    [Begin::Line, Begin::LineAndColumn, Begin::Table].map(|begin| VersionOffsets {
                        function,
                        shape,
                        properties,
                        code,
                        pc,
                        file,
                        begin,
                    })
                })
            })
        })
    });
    // Functions that are not JavaScript have no description.
    let read =
        |layout| -> Vec<Option<InterpretedFrame>> { frames.iter().map(|&frame| reader.frame(frame, layout)).collect() };
    // A name that a function has as its property is one more sign that the layout is right.
    let known = |frames: &Vec<Option<InterpretedFrame>>| {
        let named = frames.iter().flatten().filter(|frame| &*frame.function != ANONYMOUS);
        (frames.iter().flatten().count(), named.count())
    };
    let mut best: Vec<Vec<Option<InterpretedFrame>>> = Vec::new();
    for found in layouts.map(read).filter(|found| known(found).0 > 0) {
        match best.first().map_or((0, 0), known) {
            most if known(&found) > most => best = vec![found],
            most if known(&found) == most && !best.contains(&found) => best.push(found),
            _ => {}
        }
    }
    if memory.is_spent() {
        return Stack { frames: Vec::new(), broken: Some(Metered::SPENT.into()) };
    }
    match best.len() {
        0 => Stack { frames: Vec::new(), broken: Some("the layout of this version of QuickJS is not known".into()) },
        1 => Stack { frames: best.remove(0), broken: None },
        _ => Stack { frames: Vec::new(), broken: Some("several layouts of QuickJS would do".into()) },
    }
}

#[derive(Clone, Copy)]
struct Reader<'m, 'a> {
    memory: &'m Metered<'m, 'a>,
    place: Atoms,
}

impl Reader<'_, '_> {
    fn word(&self, address: u64) -> Option<u64> {
        self.memory.uint(address, 4).ok()
    }

    /// A text that is not a number.
    fn text(&self, address: u64) -> Option<String> {
        let length = self.word(address.checked_add(self.place.length)?)?;
        let (wide, length) = (length >> 31 == 1, length & 0x7fff_ffff);
        if length > MAX_TEXT {
            return None;
        }
        let start = address.checked_add(self.place.characters)?;
        let bytes = self.memory.bytes(start, if wide { 2 * length } else { length }).ok()?;
        Some(match wide {
            true => {
                let units = bytes.as_chunks::<2>().0.iter().map(|&unit| u16::from_le_bytes(unit));
                char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
            // Latin-1.
            false => bytes.iter().map(|&byte| char::from(byte)).collect(),
        })
    }

    /// A name by its number in the table; a number with the highest bit set stands for an integer.
    fn name(&self, number: u64) -> Option<String> {
        match number {
            0 => Some(String::new()),
            number if number >> 31 == 1 => Some((number & 0x7fff_ffff).to_string()),
            number if number < self.place.count => {
                // A free place of the table holds an odd number instead of an address.
                let address = self.word(self.place.names + 4 * number)?;
                if address % 4 == 0 && address != 0 { self.text(address) } else { None }
            }
            _ => None,
        }
    }

    /// The addresses of the frames, youngest first: the first chain that the runtime's structure leads to.
    fn stack(&self) -> Option<Vec<u64>> {
        let places = (self.place.runtime + 24..self.place.runtime + RUNTIME).step_by(4);
        places.filter_map(|at| self.chain(self.word(at)?)).next()
    }

    fn chain(&self, mut frame: u64) -> Option<Vec<u64>> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        while frame != 0 {
            let (object, tag) = (self.word(frame.checked_add(8)?)?, self.word(frame + 12)?);
            let is_function = tag == OBJECT && object % 8 == 0 && object != 0 && object < self.memory.size;
            let sound = frame.is_multiple_of(8) && (is_function || tag == UNDEFINED);
            if !sound || found.len() == MAX_FRAMES || !seen.insert(frame) {
                return None;
            }
            found.push(frame);
            frame = self.word(frame)?;
        }
        (!found.is_empty()).then_some(found)
    }

    fn frame(&self, frame: u64, layout: VersionOffsets) -> Option<InterpretedFrame> {
        if self.word(frame + 12)? != OBJECT {
            return None;
        }
        let object = self.word(frame + 8)?;
        let function = self.word(object + layout.function)?;
        let (code, length) = (self.word(function + layout.code)?, self.word(function + layout.code + 4)?);
        let is_inside = function != 0 && function % 4 == 0 && (function + 1..function + DESCRIPTION).contains(&code);
        if !is_inside || !(1..MAX_CODE).contains(&length) {
            return None;
        }
        let pc = self.word(frame + layout.pc)?;
        // The offset is after the call, so it is never 0.
        let offset = pc.checked_sub(code).filter(|offset| (1..=length).contains(offset))?;
        let name = self.name(self.word(function + layout.code + 8)?)?;
        let at = function + layout.code + layout.file;
        let file = self.word(at).filter(|&file| file > LAST_KEYWORD)?;
        let file = self.name(file).filter(|file| !file.is_empty())?;
        let mut next = at + 4;
        let mut field = || {
            next += 4;
            self.word(next - 4)
        };
        let (line, column) = match layout.begin {
            Begin::Line => (field()?, None),
            Begin::LineAndColumn => (field()?, Some(field()?)),
            Begin::Table => (0, None),
        };
        let (source_length, table_length, table, source) = (field()?, field()?, field()?, field()?);
        // The source may have been left out; if it is there, it ends with a zero.
        let ends = || self.memory.uint(source.checked_add(source_length)?, 1).ok();
        if source != 0 && ends() != Some(0) {
            return None;
        }
        let table = match (table_length, table) {
            // Without a table, all of the function is on the line where it begins.
            (0, 0) => Cow::default(),
            (1..MAX_TABLE, table) => self.memory.bytes(table, table_length).ok()?,
            _ => return None,
        };
        let mut table = &*table;
        let (line, column) = match layout.begin {
            // The table counts lines and columns from 0.
            Begin::Table => {
                let mut bytes = table.iter().copied();
                let first = (unsigned(&mut bytes)?.checked_add(1)?, unsigned(&mut bytes)?.checked_add(1)?);
                table = table.get(table.len() - bytes.len()..)?;
                (first.0, Some(first.1))
            }
            _ => (line, column),
        };
        let column = column.filter(|_| !table.is_empty());
        let (line, column) = position(table, offset - 1, length, line, column)?;
        let name = if name.is_empty() { self.name_of(object, layout).unwrap_or_default() } else { name };
        let name = if name.is_empty() { ANONYMOUS.to_owned() } else { name };
        Some(InterpretedFrame {
            function: name.into(),
            file: Some(Arc::from(file)),
            line: Some(line),
            column,
            variables: Vec::new(),
        })
    }

    /// The name that a function has as its property: `length` and `name` are its first.
    fn name_of(&self, object: u64, layout: VersionOffsets) -> Option<String> {
        let shape = self.word(object + layout.shape)?;
        let values = self.word(object + layout.properties)?;
        let is_name = |at: u64| {
            let name = |nth: u64| self.name(self.word(at + 8 * nth + 4)?);
            name(0).as_deref() == Some("length") && name(1).as_deref() == Some("name")
        };
        (16..80).step_by(4).find(|&offset| is_name(shape + offset))?;
        let (text, tag) = (self.word(values + 8)?, self.word(values + 12)?);
        if tag == STRING { self.text(text) } else { None }
    }
}

/// The line and the column of an instruction at `offset`, from a line table that must be sound to its end.
fn position(table: &[u8], offset: u64, length: u64, line: u64, column: Option<u64>) -> Option<(u32, Option<u32>)> {
    let mut rest = table.iter().copied();
    let mut now = (i64::try_from(line).ok()?, i64::try_from(column.unwrap_or(0)).ok()?);
    let mut found = None;
    let mut at = 0u64;
    while let Some(code) = rest.next() {
        let before = now;
        match u64::from(code).checked_sub(FIRST) {
            None => {
                at = at.checked_add(unsigned(&mut rest)?)?;
                now.0 = now.0.checked_add(signed(&mut rest)?)?;
            }
            Some(code) => {
                at = at.checked_add(code / RANGE)?;
                now.0 += (code % RANGE) as i64 + BASE;
            }
        }
        if column.is_some() {
            now.1 = now.1.checked_add(signed(&mut rest)?)?;
        }
        if at > length || now.0 < 0 || now.1 < 0 {
            return None;
        }
        if found.is_none() && offset < at {
            found = Some(before);
        }
    }
    let (line, column_found) = found.unwrap_or(now);
    let line = u32::try_from(line).ok().filter(|&line| line > 0)?;
    Some((line, column.and(u32::try_from(column_found).ok().filter(|&column| column > 0))))
}

/// An unsigned number in LEB128: seven bits a byte, lowest first; the eighth says that more follow.
fn unsigned(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = bytes.next()?;
        value |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(value);
        }
    }
    None
}

/// A signed number, with its sign in the lowest bit.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let value = unsigned(bytes)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::{Stack, find, position, read};
    use crate::memory::{Memory, Segment};
    use crate::metered::Metered;

    /// The memory of a runtime with a table of names and `frames` frames: frame n is at 1024 + 64 n, and its caller is
    /// the frame that `caller` gives. All run one function. Its line table, if it has one, fills the rest of the memory
    /// and begins with the byte `table`.
    fn runtime(frames: u32, table: Option<u8>, caller: impl Fn(u32) -> u32) -> Vec<u8> {
        const NAMES: u32 = 256;
        const TEXTS: u32 = 400;
        const OBJECT: u32 = 600;
        const FUNCTION: u32 = 700;
        const CODE: u32 = 1000;
        let mut bytes = vec![0u8; 1 << 20];
        let mut put = |at: u32, word: u32| bytes[at as usize..][..4].copy_from_slice(&word.to_le_bytes());
        let place = |frame: u32| 1024 + 64 * frame;
        let end = place(frames);
        // The words are: the size of the hash table, the number of names, their greatest number, twice the size, the
        // hash table, the names, and the youngest frame.
        for (nth, word) in [128, 100, 120, 256, 8, NAMES, place(0)].into_iter().enumerate() {
            put(4 * nth as u32, word);
        }
        for (nth, text) in ["null", "false", "true"].into_iter().enumerate() {
            let at = TEXTS + 32 * nth as u32;
            put(NAMES + 4 + 4 * nth as u32, at);
            put(at + 4, text.len() as u32);
            for (nth, letter) in text.bytes().enumerate() {
                put(at + 16 + nth as u32, letter.into());
            }
        }
        // A name that is no keyword.
        put(NAMES + 4 * 50, TEXTS);
        put(OBJECT + 24, FUNCTION);
        let (length, start) = if table.is_some() { (((1 << 20) - end - 8) / 3 * 3, end) } else { (0, 0) };
        let lines = [50, 3, 0, length, start, 0];
        for (nth, word) in [CODE, 16, 50].into_iter().enumerate() {
            put(FUNCTION + 12 + 4 * nth as u32, word);
        }
        for (nth, word) in lines.into_iter().enumerate() {
            put(FUNCTION + 12 + 28 + 4 * nth as u32, word);
        }
        for frame in 0..frames {
            put(place(frame), caller(frame));
            put(place(frame) + 8, OBJECT);
            put(place(frame) + 12, u32::MAX);
            put(place(frame) + 28, CODE + 1);
        }
        bytes[end as usize] = table.unwrap_or(0);
        bytes
    }

    fn stack(bytes: &[u8]) -> Stack {
        let mut memory = Memory::new(bytes.len() as u64);
        memory.set_contents(vec![Segment { address: 0, bytes }], Vec::new());
        read(&memory, find(&memory).expect("there is a runtime"))
    }

    #[test]
    fn a_chain_of_frames_is_read_to_its_end() {
        // A function that is all on one line has no table.
        for table in [Some(0), None] {
            let stack = stack(&runtime(3, table, |frame| if frame == 2 { 0 } else { 1024 + 64 * (frame + 1) }));
            let frames: Vec<_> = stack.frames.iter().flatten().map(|frame| (&*frame.function, frame.line)).collect();
            assert_eq!(frames, [("null", Some(3)); 3], "{stack:?}");
        }
    }

    #[test]
    fn frames_that_call_each_other_in_a_circle_are_no_stack() {
        assert_eq!(stack(&runtime(3, Some(0), |frame| 1024 + 64 * ((frame + 1) % 3))), Stack::default());
    }

    #[test]
    fn frames_that_share_a_long_table_are_given_up() {
        // 10,000 frames, and for each the same 400,000 bytes, in a memory of one megabyte. No line is in them.
        let stack =
            stack(&runtime(10_000, Some(127), |frame| if frame == 9_999 { 0 } else { 1024 + 64 * (frame + 1) }));
        assert_eq!(stack, Stack { frames: Vec::new(), broken: Some(Metered::SPENT.into()) });
    }

    #[test]
    fn lines_and_columns_are_those_of_the_instruction() {
        // The table begins at 10:5. At offset 3 it goes one line and two columns forward, at 8 ten lines and four
        // columns back.
        let table = [1 + 3 * 5 + 2, 4, 0, 5, 19, 7];
        let at = |offset| position(&table, offset, 20, 10, Some(5));
        assert_eq!(at(2), Some((10, Some(5))));
        assert_eq!(at(3), Some((11, Some(7))));
        assert_eq!(at(8), Some((1, Some(3))));
    }

    #[test]
    fn a_table_that_is_not_sound_has_no_line() {
        assert_eq!(position(&[0, 200], 0, 20, 1, None), None, "it is cut off");
        assert_eq!(position(&[0, 100, 2], 0, 20, 1, None), None, "it leaves the function");
        assert_eq!(position(&[0, 1, 3], 0, 20, 1, None), None, "its line is below zero");
    }
}
