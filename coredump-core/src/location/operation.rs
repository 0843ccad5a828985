//! One operation of a description.

use gimli::{Encoding, Operation, Reader};

use crate::catalog::units::Bytes;

/// Reads the operation that `rest` begins with.
///
/// gimli multiplies the size of a `DW_OP_piece` by eight without an overflow check, so this checks it.
pub fn parse<'s>(rest: &mut Bytes<'s>, encoding: Encoding) -> gimli::Result<Operation<Bytes<'s>>> {
    let mut ahead = *rest;
    if ahead.read_u8()? == gimli::DW_OP_piece.0 && ahead.read_uleb128()? > u64::MAX / 8 {
        return Err(gimli::Error::UnsupportedOffset);
    }
    Operation::parse(rest, encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_larger_than_can_be_counted_in_bits_is_refused() {
        let encoding = Encoding { address_size: 4, format: gimli::Format::Dwarf32, version: 4 };
        let piece = |bytes: &[u8]| {
            let bytes = [&[gimli::DW_OP_piece.0], bytes].concat();
            parse(&mut Bytes::new(&bytes, gimli::LittleEndian), encoding).is_ok()
        };
        assert!(piece(&[4]));
        assert!(piece(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]));
        assert!(!piece(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]));
        assert!(!piece(&[]));
    }
}
