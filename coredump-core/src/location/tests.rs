//! Evaluates descriptions written byte by byte over a made-up frame.

use gimli::constants::*;
use gimli::{Encoding, EndianSlice, Format, LittleEndian};

use super::*;
use crate::model::Value;

const DWARF4: Encoding = Encoding { address_size: 4, format: Format::Dwarf32, version: 4 };

/// The frame: local 0 is 0x1000, local 1 is -5, local 2 is 2.5, local 3 is not known; the frame base is 0x2000, and
/// memory holds at each address its own lowest byte.
struct Fake {
    /// True if the object has more than four bytes.
    wide: bool,
}

impl<'s> Machine<'s> for Fake {
    fn is_wide(&self) -> bool {
        self.wide
    }
    fn local(&self, index: u32) -> Result<Value, Missing> {
        match index {
            0 => Ok(Value::I32(0x1000)),
            1 => Ok(Value::I32(-5)),
            2 => Ok(Value::F64(2.5f64.to_bits())),
            _ => Err(Missing::not_captured()),
        }
    }
    fn global(&self, _: u32) -> Result<Value, Missing> {
        Ok(Value::I32(0x3000))
    }
    fn operand(&self, index: u32) -> Result<Value, Missing> {
        Ok(Value::I64(1 << 40 | i64::from(index)))
    }
    fn entry_local(&self, _: u32) -> Result<Value, Missing> {
        Ok(Value::I32(77))
    }
    fn frame_base(&self) -> Result<u64, Missing> {
        Ok(0x2000)
    }
    fn unnamed_base(&self) -> Result<u64, Missing> {
        Ok(0x4000)
    }
    fn read(&self, address: u64, size: u64) -> Result<u64, Missing> {
        Ok((0..size).map(|byte| ((address + byte) & 0xff) << (8 * byte)).sum())
    }
    fn memory_base(&self) -> Result<Option<u64>, Missing> {
        Ok(None)
    }
    fn tls_base(&self) -> Result<u64, Missing> {
        Ok(0x500)
    }
    fn indexed_address(&self, _: gimli::DebugAddrIndex<usize>) -> Result<u64, Missing> {
        Ok(0x600)
    }
    fn base_type(&self, _: gimli::UnitOffset<usize>) -> Result<gimli::ValueType, Missing> {
        Ok(gimli::ValueType::I16)
    }
    fn called(&self, _: gimli::DieReference<usize>) -> Result<Option<Bytes<'s>>, Missing> {
        Ok(Some(EndianSlice::new(&[0x9a, 0, 0, 0, 0], LittleEndian)))
    }
}

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    evaluate(&Fake { wide: false }, DWARF4, EndianSlice::new(bytes, LittleEndian), None).pieces
}

fn place(bytes: &[u8]) -> Place {
    match pieces(bytes).as_slice() {
        [Piece { bits: None, first_bit: 0, place }] => place.clone(),
        other => panic!("{other:?}"),
    }
}

const LOCAL: u8 = 0xed;
const STACK_VALUE: u8 = DW_OP_stack_value.0;

#[test]
fn what_adds_to_nothing_adds_to_the_register_whose_name_llvm_leaves_out() {
    assert_eq!(place(&[DW_OP_plus_uconst.0, 0x58]), Place::Memory(0x4058));
    assert!(matches!(place(&[DW_OP_plus.0]), Place::Missing(Missing::Malformed(_))), "only that form");
}

#[test]
fn an_object_is_in_memory_where_the_frame_base_or_a_local_says() {
    assert_eq!(place(&[DW_OP_fbreg.0, 24]), Place::Memory(0x2018));
    assert_eq!(place(&[DW_OP_fbreg.0, 0x78]), Place::Memory(0x1ff8), "an offset below zero");
    assert_eq!(place(&[LOCAL, 0, 0]), Place::Memory(0x1000));
    assert_eq!(place(&[LOCAL, 0, 0, DW_OP_plus_uconst.0, 8]), Place::Memory(0x1008));
    assert_eq!(place(&[DW_OP_addr.0, 0x34, 0x12, 0, 0]), Place::Memory(0x1234));
}

#[test]
fn an_object_in_no_memory_has_the_bytes_of_its_value() {
    assert_eq!(place(&[LOCAL, 0, 1, STACK_VALUE]), Place::Bytes((-5i32).to_le_bytes().to_vec()));
    assert_eq!(place(&[LOCAL, 0, 2]), Place::Bytes(2.5f64.to_le_bytes().to_vec()), "a float is no address");
    assert_eq!(place(&[LOCAL, 2, 3]), Place::Bytes((1i64 << 40 | 3).to_le_bytes().to_vec()));
    assert_eq!(place(&[DW_OP_implicit_value.0, 2, 0xaa, 0xbb]), Place::Bytes(vec![0xaa, 0xbb]));
    assert_eq!(place(&[DW_OP_lit0.0 + 7, STACK_VALUE]), Place::Bytes(7u64.to_le_bytes().to_vec()));
    assert_eq!(place(&[DW_OP_entry_value.0, 3, LOCAL, 0, 0, STACK_VALUE]), Place::Bytes(77i32.to_le_bytes().to_vec()));
}

#[test]
fn arithmetic_is_that_of_the_address_size() {
    // -5 + 6, wrapped at 32 bits; and the same as a number of 64 bits once an i64 took part.
    assert_eq!(place(&[LOCAL, 0, 1, DW_OP_plus_uconst.0, 6]), Place::Memory(1));
    assert_eq!(
        place(&[LOCAL, 2, 0, DW_OP_plus_uconst.0, 6, STACK_VALUE]),
        Place::Bytes(((1u64 << 40) + 6).to_le_bytes().to_vec())
    );
    // The four bytes at 0x1000.
    assert_eq!(place(&[LOCAL, 0, 0, DW_OP_deref.0]), Place::Memory(0x0302_0100));
}

/// Up to DWARF 4, LLVM writes these where a number is widened: with its sign, and without.
#[test]
fn a_number_is_widened_to_the_size_of_its_object() {
    let ask = |bytes: &[&[u8]]| {
        let bytes = bytes.concat();
        evaluate(&Fake { wide: true }, DWARF4, EndianSlice::new(&bytes, LittleEndian), None).pieces[0].place.clone()
    };
    let number = |value: i64| Place::Bytes(value.to_le_bytes().to_vec());
    let minus_five: &[u8] = &[LOCAL, 0, 1];
    let signed: &[u8] = &[
        DW_OP_dup.0,
        DW_OP_constu.0,
        31,
        DW_OP_shr.0,
        DW_OP_lit0.0,
        DW_OP_not.0,
        DW_OP_mul.0,
        DW_OP_constu.0,
        32,
        DW_OP_shl.0,
        DW_OP_or.0,
    ];
    let unsigned: &[u8] = &[DW_OP_constu.0, 0xff, 0xff, 0xff, 0xff, 0x0f, DW_OP_and.0];
    let million: &[u8] = &[DW_OP_constu.0, 0xc0, 0x84, 0x3d];
    let (times, add): (&[u8], &[u8]) = (&[DW_OP_mul.0], &[DW_OP_plus_uconst.0, 7]);
    let end: &[u8] = &[STACK_VALUE];
    assert_eq!(ask(&[minus_five, signed, end]), number(-5));
    assert_eq!(ask(&[minus_five, unsigned, end]), number(0xffff_fffb));
    assert_eq!(ask(&[minus_five, signed, million, times, end]), number(-5_000_000));
    assert_eq!(ask(&[minus_five, add, signed, end]), number(2), "32 bits overflow before they are widened");
    assert_eq!(ask(&[minus_five, &[DW_OP_lit1.0, DW_OP_shra.0], signed, end]), number(-3), "a shift of 32 bits");
    assert_eq!(ask(&[million, million, times, end]), number(1_000_000_000_000), "constants are as wide as the object");
    let half = Place::Bytes(2i32.to_le_bytes().to_vec());
    assert_eq!(ask(&[minus_five, add, end]), half, "nothing says what the rest is");
}

/// Local 1 is -5, and 4294967291 without a sign.
#[test]
fn signs_are_those_that_llvm_means() {
    let bits = |bytes: &[u8]| match place(&[&[LOCAL, 0, 1], bytes, &[STACK_VALUE]].concat()) {
        Place::Bytes(bytes) => i32::from_le_bytes(bytes[..4].try_into().unwrap()),
        other => panic!("{other:?}"),
    };
    assert_eq!(bits(&[DW_OP_lit3.0, DW_OP_mod.0]), -2);
    assert_eq!(bits(&[DW_OP_lit3.0, DW_OP_div.0]), -1);
    assert_eq!(bits(&[DW_OP_consts.0, 0, DW_OP_lt.0]), 1);
    assert_eq!(bits(&[DW_OP_lit3.0, DW_OP_gt.0]), 1, "without a sign");
    let unsaid = place(&[LOCAL, 0, 1, LOCAL, 0, 0, DW_OP_gt.0, STACK_VALUE]);
    assert!(matches!(unsaid, Place::Missing(Missing::NotCaptured(_))), "{unsaid:?}");
    assert_eq!(place(&[LOCAL, 0, 0, LOCAL, 0, 0, DW_OP_ge.0, STACK_VALUE]), Place::Bytes(1u64.to_le_bytes().to_vec()));
    assert!(matches!(place(&[LOCAL, 0, 0, DW_OP_lit0.0, DW_OP_mod.0, STACK_VALUE]), Place::Missing(_)));
}

#[test]
fn a_piece_that_is_not_known_leaves_the_others() {
    let found = pieces(&[LOCAL, 0, 1, STACK_VALUE, 0x93, 4, LOCAL, 0, 3, STACK_VALUE, 0x93, 4, 0x93, 8]);
    let places: Vec<_> = found.iter().map(|piece| (piece.bits, &piece.place)).collect();
    assert_eq!(places[0], (Some(32), &Place::Bytes((-5i32).to_le_bytes().to_vec())));
    assert_eq!(places[1], (Some(32), &Place::Missing(Missing::not_captured())));
    assert_eq!(places[2], (Some(64), &Place::Missing(Missing::OptimizedOut)));
}

#[test]
fn a_constant_that_does_not_fit_its_piece_is_not_believed() {
    let cut = |constant: u32, size: u8| {
        let bytes = [&[DW_OP_const4s.0][..], &constant.to_le_bytes(), &[STACK_VALUE, 0x93, size]].concat();
        pieces(&bytes)[0].place.clone()
    };
    assert!(matches!(cut(0x6200_6106, 3), Place::Missing(Missing::Malformed(_))));
    assert!(matches!(cut(0x00ff_6106, 3), Place::Bytes(_)));
    assert!(matches!(cut(u32::MAX, 1), Place::Bytes(_)), "-1 in a byte");
    assert!(matches!(cut(0x6200_6106, 4), Place::Bytes(_)));
}

#[test]
fn before_dwarf_4_a_constant_is_the_value_since_nothing_could_say_so() {
    let dwarf3 = Encoding { version: 3, ..DWARF4 };
    let bytes = EndianSlice::new(&[DW_OP_const1u.0, 44], LittleEndian);
    let value = Place::Bytes(44u64.to_le_bytes().to_vec());
    assert_eq!(evaluate(&Fake { wide: false }, dwarf3, bytes, None), ObjectLocation::whole(value));
    assert_eq!(evaluate(&Fake { wide: false }, DWARF4, bytes, None), ObjectLocation::whole(Place::Memory(44)));
}

#[test]
fn thread_locals_count_from_their_base_and_what_was_dropped_is_nowhere() {
    assert_eq!(place(&[DW_OP_const4u.0, 8, 0, 0, 0, DW_OP_form_tls_address.0]), Place::Memory(0x508));
    assert_eq!(place(&[DW_OP_const4u.0, 8, 0, 0, 0, DW_OP_GNU_push_tls_address.0]), Place::Memory(0x508));
    for dropped in [[0xff; 4], [0xfe, 0xff, 0xff, 0xff], [0; 4]] {
        let bytes = [&[DW_OP_addr.0][..], &dropped].concat();
        assert_eq!(place(&bytes), Place::Missing(Missing::OptimizedOut));
    }
    assert_eq!(place(&[]), Place::Missing(Missing::OptimizedOut));
}

#[test]
fn a_description_that_never_ends_or_jumps_out_of_itself_is_refused() {
    for bytes in [&[DW_OP_skip.0, 0xfd, 0xff][..], &[DW_OP_skip.0, 0x10, 0], &[0x99, 0, 0], &[DW_OP_plus.0]] {
        assert!(matches!(place(bytes), Place::Missing(Missing::Malformed(_))), "{bytes:x?}");
    }
}

#[test]
fn a_number_is_what_a_description_leaves() {
    let ask = |bytes: &'static [u8], initial| {
        number(&Fake { wide: false }, DWARF4, EndianSlice::new(bytes, LittleEndian), initial)
    };
    assert_eq!(ask(&[LOCAL, 0, 0, STACK_VALUE], None), Ok(0x1000), "a frame base");
    assert_eq!(ask(&[DW_OP_plus_uconst.0, 12], Some(0x100)), Ok(0x10c), "a member's offset");
}

#[test]
fn before_dwarf_4_what_is_worked_out_from_a_local_is_a_value_or_an_address() {
    let dwarf3 = Encoding { version: 3, ..DWARF4 };
    let place = |bytes: &[u8]| {
        let found = evaluate(&Fake { wide: false }, dwarf3, EndianSlice::new(bytes, LittleEndian), None);
        found.pieces[0].place.clone()
    };
    let local = [DW_OP_WASM_location.0, 0, 0];
    let plus = [DW_OP_plus_uconst.0, 8];
    assert!(matches!(place(&[&local[..], &plus].concat()), Place::Missing(Missing::NotCaptured(_))));
    // A value that is read from there has no address, and an object that is counted from the frame base has one.
    assert!(matches!(place(&[&local[..], &plus, &[DW_OP_deref.0]].concat()), Place::Memory(_)));
    assert_eq!(place(&[DW_OP_fbreg.0, 4]), Place::Memory(0x2004));
}
