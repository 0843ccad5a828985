//! The location table of a code object (`co_linetable`), in the form of CPython 3.11 and later (PEP 657;
//! `Objects/locations.md` in its repository).

/// A source position: line and column, each counted from 1, the column in bytes of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, where the table has it.
    pub column: Option<u32>,
}

/// The position of the instruction at an offset in bytes from the beginning of a code object's instructions; `None`
/// where the table says that it has none, or is damaged.
pub fn position(table: &[u8], first_line: u32, offset: u64) -> Option<Position> {
    let mut bytes = table.iter().copied();
    let mut line = i64::from(first_line);
    let mut end = 0u64;
    while let Some(first) = bytes.next() {
        if first & 0x80 == 0 {
            return None;
        }
        // An entry's length counts instructions of two bytes.
        end += 2 * (u64::from(first & 7) + 1);
        let code = (first >> 3) & 15;
        let mut column = None;
        match code {
            15 => {
                if offset < end {
                    return None;
                }
                continue;
            }
            14 => {
                line += signed(&mut bytes)?;
                let _lines = unsigned(&mut bytes)?;
                column = unsigned(&mut bytes)?.checked_sub(1);
                let _end = unsigned(&mut bytes)?;
            }
            13 => line += signed(&mut bytes)?,
            10..=12 => {
                line += i64::from(code - 10);
                column = Some(bytes.next()?.into());
                let _end = bytes.next()?;
            }
            _ => {
                let second = bytes.next()?;
                column = Some(u32::from(code) * 8 + u32::from(second >> 4 & 7));
            }
        }
        if offset < end {
            let line = u32::try_from(line).ok().filter(|&line| line > 0)?;
            return Some(Position { line, column: column.map(|column| column.saturating_add(1)) });
        }
    }
    None
}

/// An unsigned variable-length number: six bits a byte, lowest first; the seventh bit says that more follow.
fn unsigned(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..32).step_by(6) {
        let byte = bytes.next()?;
        value |= u32::from(byte & 63).checked_shl(shift)?;
        if byte & 64 == 0 {
            return Some(value);
        }
    }
    None
}

/// A signed variable-length number, with its sign in the lowest bit.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let value = unsigned(bytes)?;
    let size = i64::from(value >> 1);
    Some(if value & 1 == 1 { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_entry_is_read() {
        // Two instructions on line 3, column 5 (long form: line +1, to column 7); one on the same line at column 17
        // (short form); one a line further without column; one without a position; one two lines further at column 2.
        let table = [
            0x80 | 14 << 3 | 1,
            2,
            0,
            5,
            8,
            0x80 | 2 << 3,
            0x03,
            0x80 | 13 << 3,
            2,
            0x80 | 15 << 3,
            0x80 | 12 << 3,
            1,
            4,
        ];
        let at = |offset| position(&table, 2, offset);
        assert_eq!(at(0), Some(Position { line: 3, column: Some(5) }));
        assert_eq!(at(2), at(0));
        assert_eq!(at(4), Some(Position { line: 3, column: Some(17) }));
        assert_eq!(at(6), Some(Position { line: 4, column: None }));
        assert_eq!(at(8), None);
        assert_eq!(at(10), Some(Position { line: 6, column: Some(2) }));
        assert_eq!(at(12), None);
    }

    #[test]
    fn a_damaged_table_has_no_position() {
        assert_eq!(position(&[0x80 | 14 << 3, 0x40], 1, 0), None);
        assert_eq!(position(&[0x00], 1, 0), None);
    }
}
