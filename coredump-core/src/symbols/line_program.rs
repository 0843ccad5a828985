//! Runs a line number program (DWARF 5, 6.2.5). Only the registers that a lookup needs are tracked, because the program
//! is run over whole tables.

use gimli::{DwLne, DwLns, LineProgramHeader};

use super::Slice;
use super::leb128::{Damaged, leb, signed_leb};

/// A sequence of rows with ascending addresses. It covers the addresses from its first row up to its last.
#[derive(Clone, Copy)]
pub(super) struct Sequence {
    pub begin: u64,
    pub end: u64,
    /// Its byte offset in the program.
    pub at: usize,
}

/// A program, with the parameters of its encoding from the header.
pub(super) struct LineProgram<'s> {
    bytes: &'s [u8],
    /// Number of operands of each standard opcode, from 1.
    operands: &'s [u8],
    first_special: u8,
    unit: u64,
    address_size: u8,
    greatest_address: u64,
    /// The numbers that each special opcode, from `first_special` on, adds to address and line (DWARF 5, 6.2.5.1).
    special: Box<[(u32, i32); 256]>,
}

/// The registers that a lookup needs (DWARF 5, 6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    pub address: u64,
    pub file: u64,
    pub line: u64,
    pub column: u64,
    pub prologue_end: bool,
}

/// The values of the registers at the beginning of a sequence.
const START: Registers = Registers { address: 0, file: 1, line: 1, column: 0, prologue_end: false };

impl<'s> LineProgram<'s> {
    /// The program after `header`. `None` if it is for a VLIW machine, whose instructions hold several operations.
    pub fn new(header: &LineProgramHeader<Slice<'s>>) -> Option<LineProgram<'s>> {
        (header.maximum_operations_per_instruction() == 1).then_some(())?;
        let unit = u64::from(header.minimum_instruction_length());
        let (base, range) = (header.opcode_base(), header.line_range().max(1));
        let special = std::array::from_fn(|opcode| {
            let adjusted = (opcode as u8).wrapping_sub(base);
            let address = u32::from(adjusted / range) * unit as u32;
            (address, i32::from(header.line_base()) + i32::from(adjusted % range))
        });
        let address_size = header.address_size();
        Some(LineProgram {
            bytes: header.raw_program_buf().slice(),
            operands: header.standard_opcode_lengths().slice(),
            first_special: base,
            unit,
            address_size,
            greatest_address: u64::MAX >> (64 - 8 * u32::from(address_size.clamp(1, 8))),
            special: Box::new(special),
        })
    }

    /// Its instructions.
    pub fn bytes(&self) -> &'s [u8] {
        self.bytes
    }

    /// Size of an address in bytes.
    pub fn address_size(&self) -> u8 {
        self.address_size
    }

    /// Runs the program from the byte at `at`, where a sequence begins. Calls `row` with each row, whether the row ends
    /// its sequence, and the offset after it; `row` returns whether to go on.
    ///
    /// Rows of code that the linker dropped are left out: their address is a tombstone, or lower than the one before it.
    pub fn run(&self, at: usize, row: impl FnMut(&Registers, bool, usize) -> bool) -> Result<(), Damaged> {
        self.run_for::<true>(at, row)
    }

    /// Runs the program from the byte at `at`, where a sequence begins. Calls `each` with the addresses of each
    /// sequence's first row (0 if it has none) and last row, and the offset after it; `each` returns whether to go on.
    pub fn sequences(&self, at: usize, mut each: impl FnMut(u64, u64, usize) -> bool) -> Result<(), Damaged> {
        let mut begin = None;
        self.run_for::<false>(at, |row, last, behind| {
            if last {
                return each(begin.take().unwrap_or(0), row.address, behind);
            }
            begin.get_or_insert(row.address);
            true
        })
    }

    /// The offset after the instruction at `at`, if that only sets registers other than the address; else `None`.
    pub fn pass_setting(&self, mut at: usize) -> Option<usize> {
        let opcode = *self.bytes.get(at)?;
        at += 1;
        if opcode >= self.first_special {
            return None;
        }
        match DwLns(opcode) {
            DwLns(0) => {
                let size = usize::try_from(leb(self.bytes, &mut at).ok()?).ok()?;
                let extended = DwLne(*self.bytes.get(at)?);
                at = at.checked_add(size)?;
                return (!matches!(extended, gimli::DW_LNE_end_sequence | gimli::DW_LNE_set_address)).then_some(at);
            }
            gimli::DW_LNS_advance_line | gimli::DW_LNS_set_file | gimli::DW_LNS_set_column | gimli::DW_LNS_set_isa => {
                leb(self.bytes, &mut at).ok()?;
            }
            gimli::DW_LNS_negate_stmt
            | gimli::DW_LNS_set_basic_block
            | gimli::DW_LNS_set_prologue_end
            | gimli::DW_LNS_set_epilogue_begin => {}
            _ => return None,
        }
        Some(at)
    }

    /// Runs the program with every row, or, if `ALL_ROWS` is false, with only the first row and the end of each
    /// sequence: then only the address register is tracked.
    fn run_for<const ALL_ROWS: bool>(
        &self,
        mut at: usize,
        mut row: impl FnMut(&Registers, bool, usize) -> bool,
    ) -> Result<(), Damaged> {
        let bytes = self.bytes;
        // This is true if the next row is left out.
        let mut skipped = false;
        let mut now = START;
        let mut dropped = false;
        while let Some(&opcode) = bytes.get(at) {
            at += 1;
            if opcode >= self.first_special {
                let (address, line) = self.special[usize::from(opcode)];
                self.advance(&mut now, u64::from(address), dropped)?;
                if ALL_ROWS {
                    add_line(&mut now, i64::from(line));
                }
                if !(dropped || skipped) {
                    skipped = !ALL_ROWS;
                    if !row(&now, false, at) {
                        return Ok(());
                    }
                }
                now.prologue_end = false;
                continue;
            }
            match DwLns(opcode) {
                DwLns(0) => {
                    let size = usize::try_from(leb(bytes, &mut at)?).map_err(|_| Damaged)?;
                    let end = at.checked_add(size).filter(|&end| end <= bytes.len()).ok_or(Damaged)?;
                    let Some((&extended, operand)) = bytes[at..end].split_first() else { continue };
                    at = end;
                    match DwLne(extended) {
                        gimli::DW_LNE_end_sequence => {
                            if !dropped && !row(&now, true, at) {
                                return Ok(());
                            }
                            (now, dropped, skipped) = (START, false, false);
                        }
                        gimli::DW_LNE_set_address => {
                            // In 64-bit programs Binaryen 108 says that an address has four bytes, and writes eight.
                            // The other four, zeros, are then two instructions of no length, which do nothing.
                            let whole = operand.get(..usize::from(self.address_size));
                            let address = whole.or((operand.len() == 4).then_some(operand)).ok_or(Damaged)?;
                            let address = address.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
                            dropped = address < now.address || address >= self.greatest_address - 1;
                            if !dropped {
                                now.address = address;
                            }
                        }
                        _ => {}
                    }
                }
                gimli::DW_LNS_copy => {
                    if !(dropped || skipped) {
                        skipped = !ALL_ROWS;
                        if !row(&now, false, at) {
                            return Ok(());
                        }
                    }
                    now.prologue_end = false;
                }
                gimli::DW_LNS_advance_pc => {
                    let advance = leb(bytes, &mut at)?;
                    self.advance(&mut now, self.unit.wrapping_mul(advance), dropped)?;
                }
                gimli::DW_LNS_advance_line => {
                    let advance = signed_leb(bytes, &mut at)?;
                    add_line(&mut now, advance);
                }
                gimli::DW_LNS_set_file => now.file = leb(bytes, &mut at)?,
                gimli::DW_LNS_set_column => now.column = leb(bytes, &mut at)?,
                gimli::DW_LNS_const_add_pc => {
                    let (address, _) = self.special[255];
                    self.advance(&mut now, u64::from(address), dropped)?;
                }
                gimli::DW_LNS_fixed_advance_pc => {
                    let &[low, high] = bytes.get(at..at + 2).and_then(|bytes| bytes.first_chunk()).ok_or(Damaged)?;
                    at += 2;
                    self.advance(&mut now, u64::from(u16::from_le_bytes([low, high])), dropped)?;
                }
                gimli::DW_LNS_set_prologue_end => now.prologue_end = true,
                gimli::DW_LNS_negate_stmt | gimli::DW_LNS_set_basic_block | gimli::DW_LNS_set_epilogue_begin => {}
                gimli::DW_LNS_set_isa => {
                    leb(bytes, &mut at)?;
                }
                DwLns(unknown) => {
                    for _ in 0..*self.operands.get(usize::from(unknown) - 1).ok_or(Damaged)? {
                        leb(bytes, &mut at)?;
                    }
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn advance(&self, now: &mut Registers, bytes: u64, dropped: bool) -> Result<(), Damaged> {
        let (address, too_far) = now.address.overflowing_add(if dropped { 0 } else { bytes });
        now.address = address;
        if too_far || address > self.greatest_address { Err(Damaged) } else { Ok(()) }
    }
}

/// Adds to the line register, which does not go below 0.
#[inline]
fn add_line(now: &mut Registers, lines: i64) {
    now.line = match lines < 0 {
        true => now.line.saturating_sub(lines.unsigned_abs()),
        false => now.line.wrapping_add(lines as u64),
    };
}

#[cfg(test)]
pub(super) mod tests {
    use gimli::{DebugLine, DebugLineOffset, LittleEndian};
    use proptest::prelude::*;

    use super::*;

    /// A line table (DWARF 4) around `program`: lines from -5 in steps of 14, opcodes from 13, addresses of 4 bytes.
    fn table(program: &[u8]) -> Vec<u8> {
        let header = [1, 1, 1, -5i8 as u8, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, b'a', 0, 0, 0, 0, 0];
        let mut table = vec![4, 0, header.len() as u8, 0, 0, 0];
        table.extend_from_slice(&header);
        table.extend_from_slice(program);
        let size = table.len() as u32;
        [&size.to_le_bytes()[..], &table].concat()
    }

    /// The program in a table made by `table`, leaked so that it lives as long as the tests.
    pub fn leaked(program: &[u8]) -> LineProgram<'static> {
        let table = table(program).leak();
        let lines = DebugLine::new(table, LittleEndian).program(DebugLineOffset(0), 4, None, None).unwrap();
        LineProgram::new(lines.header()).unwrap()
    }

    type Rows = (Vec<(Registers, bool)>, bool);

    /// All rows, and whether the program is sound, by this reader and by gimli.
    fn both(program: &[u8]) -> (Rows, Rows) {
        let table = table(program);
        let lines = DebugLine::new(&table, LittleEndian).program(DebugLineOffset(0), 4, None, None).unwrap();
        let mut ours = Vec::new();
        let outcome = LineProgram::new(lines.header()).unwrap().run(0, |row, last, _| {
            ours.push((*row, last));
            true
        });
        let mut theirs = Vec::new();
        let mut rows = lines.rows();
        let sound = loop {
            match rows.next_row() {
                Ok(Some((_, row))) => {
                    let column = match row.column() {
                        gimli::ColumnType::LeftEdge => 0,
                        gimli::ColumnType::Column(column) => column.get(),
                    };
                    let line = row.line().map_or(0, |line| line.get());
                    let (address, file, prologue_end) = (row.address(), row.file_index(), row.prologue_end());
                    let registers = Registers { address, file, line, column, prologue_end };
                    theirs.push((registers, row.end_sequence()));
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        ((ours, outcome.is_ok()), (theirs, sound))
    }

    #[test]
    fn a_function_has_its_rows() {
        // The program: address 0x10; line 3, column 7; copy; special opcode 0x4b, which is 4 bytes and 2 lines further;
        // 3 bytes further, end.
        let program = [0, 5, 2, 0x10, 0, 0, 0, 3, 2, 5, 7, 1, 0x4b, 2, 3, 0, 1, 1];
        let ((rows, sound), _) = both(&program);
        let row = |address, line| Registers { address, file: 1, line, column: 7, prologue_end: false };
        assert!(sound);
        assert_eq!(rows, [(row(0x10, 3), false), (row(0x14, 4), false), (row(0x17, 4), true)]);
    }

    #[test]
    fn dropped_code_has_none() {
        let program = [0, 5, 2, 0xfe, 0xff, 0xff, 0xff, 1, 0x4b, 0, 1, 1, 0, 5, 2, 8, 0, 0, 0, 1, 2, 1, 0, 1, 1];
        let ((rows, _), theirs) = both(&program);
        assert_eq!(rows.iter().map(|(row, last)| (row.address, *last)).collect::<Vec<_>>(), [(8, false), (9, true)]);
        assert_eq!((rows, true), theirs);
    }

    /// Instructions as compilers write them, and any bytes.
    fn instruction() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            3 => any::<u32>().prop_map(|address| [&[0, 5, 2][..], &address.to_le_bytes()].concat()),
            6 => (1u8..=12, any::<u8>()).prop_map(|(opcode, operand)| vec![opcode, operand & 0x7f]),
            6 => (13u8..).prop_map(|special| vec![special]),
            2 => Just(vec![0, 1, 1]),
            2 => (1u8..=12, any::<[u8; 3]>()).prop_map(|(opcode, [a, b, c])| vec![opcode, a | 0x80, b | 0x80, c & 0x7f]),
            1 => prop::collection::vec(any::<u8>(), 0..6),
        ]
    }

    proptest! {
        /// Of a program that gimli finds damaged, instructions without a length are passed over here.
        #[test]
        fn any_program_has_the_rows_that_gimli_finds(program in prop::collection::vec(instruction(), 0..40)) {
            let ((ours, our_outcome), (theirs, their_outcome)) = both(&program.concat());
            if their_outcome {
                prop_assert_eq!((ours, our_outcome), (theirs, their_outcome));
            } else {
                prop_assert!(ours.starts_with(&theirs), "{ours:?} {theirs:?}");
            }
        }

        #[test]
        fn sequences_begin_and_end_with_their_rows(program in prop::collection::vec(instruction(), 0..40)) {
            let program = program.concat();
            let ((rows, sound), _) = both(&program);
            let mut expected = Vec::new();
            let mut begin = None;
            for (row, last) in rows {
                let first = *begin.get_or_insert(row.address);
                if last {
                    expected.push((if first == row.address { 0 } else { first }, row.address));
                    begin = None;
                }
            }
            let table = table(&program);
            let lines = DebugLine::new(&table, LittleEndian).program(DebugLineOffset(0), 4, None, None).unwrap();
            let mut found = Vec::new();
            let outcome = LineProgram::new(lines.header()).unwrap().sequences(0, |begin, end, _| {
                found.push((if begin == end { 0 } else { begin }, end));
                true
            });
            prop_assert_eq!((found, outcome.is_ok()), (expected, sound));
        }
    }
}
