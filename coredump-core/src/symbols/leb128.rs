//! LEB128 numbers (DWARF 5, 7.6) where speed matters: nearly all have one byte.

/// The error for a number that does not end, or has more than 64 bits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Reads an unsigned number and advances `at`.
#[inline]
pub(super) fn leb(bytes: &[u8], at: &mut usize) -> Result<u64, Damaged> {
    let first = *bytes.get(*at).ok_or(Damaged)?;
    *at += 1;
    if first & 0x80 == 0 {
        return Ok(u64::from(first));
    }
    long_leb(bytes, at, first).map(|(value, _, _)| value)
}

/// Reads a signed number and advances `at`.
#[inline]
pub(super) fn signed_leb(bytes: &[u8], at: &mut usize) -> Result<i64, Damaged> {
    let first = *bytes.get(*at).ok_or(Damaged)?;
    *at += 1;
    if first & 0x80 == 0 {
        return Ok(i64::from((first << 1) as i8) >> 1);
    }
    let (value, bits, last) = long_leb(bytes, at, first)?;
    let negative = last & 0x40 != 0 && bits < 64;
    Ok(if negative { value | u64::MAX << bits } else { value } as i64)
}

/// Reads the rest of a number after its first byte: returns the value, how many bits it has, and the last byte.
fn long_leb(bytes: &[u8], at: &mut usize, first: u8) -> Result<(u64, u32, u8), Damaged> {
    let mut value = u64::from(first & 0x7f);
    for shift in (7..=63).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Damaged)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value, shift + 7, byte));
        }
    }
    Err(Damaged)
}
