//! Types from entries written down one by one.

use gimli::constants::*;

use super::*;
use crate::catalog::types::{Member, Offset};
use crate::symbols::written::WrittenValue::{Expression, Flag, Number, Signed, Text, To};
use crate::symbols::written::{Written, WrittenValue, base, debug, entry};

/// The units of one unit's entries, and what each label stands for.
fn units(version: u16, mut entries: Vec<Written>) -> (Units<'static>, impl Fn(&str) -> Die) {
    entries.push(base("int", DW_ATE_signed, 4));
    entries.push(base("char", DW_ATE_signed_char, 1));
    let (debug, labels) = debug(version, entries);
    (Units::from_debug(debug), move |label: &str| Die { unit: 0, offset: labels[label] })
}

fn member<const N: usize>(name: &'static str, ty: &'static str, more: [(gimli::DwAt, WrittenValue); N]) -> Written {
    let own = [(DW_AT_name, Text(name)), (DW_AT_type, To(ty))];
    entry(DW_TAG_member, name, own.into_iter().chain(more), Vec::new())
}

/// Each member's name and its offset in bits.
fn offsets(units: &Units<'static>, die: Die) -> Vec<(&'static str, Option<u64>)> {
    let ty = units.type_at(die).unwrap();
    let Kind::Struct(contents) = &ty.kind else { panic!("{ty:?}") };
    let offset = |member: &Member<'static>| match member.offset {
        Offset::Bits(bits) => Some(bits),
        Offset::Expression(_) | Offset::Unknown => None,
    };
    contents.members.iter().map(|member| (str::from_utf8(member.name.unwrap()).unwrap(), offset(member))).collect()
}

#[test]
fn typedefs_and_qualifiers_stand_for_what_is_behind_them() {
    let (units, die) = units(
        4,
        vec![
            entry(DW_TAG_typedef, "word", [(DW_AT_name, Text("word")), (DW_AT_type, To("const"))], vec![]),
            entry(DW_TAG_const_type, "const", [(DW_AT_type, To("volatile"))], vec![]),
            entry(DW_TAG_volatile_type, "volatile", [(DW_AT_type, To("int"))], vec![]),
            entry(DW_TAG_typedef, "nothing", [(DW_AT_name, Text("nothing"))], vec![]),
        ],
    );
    assert_eq!(units.peeled(Some(die("word"))).unwrap().0, die("int"));
    assert_eq!(units.size_of(Some(die("word"))), Some(4));
    assert!(units.peeled(Some(die("nothing"))).is_none(), "another name for void");
}

#[test]
fn a_circle_of_names_has_no_type_and_ends() {
    let (units, die) = units(
        4,
        vec![
            entry(DW_TAG_typedef, "one", [(DW_AT_type, To("two"))], vec![]),
            entry(DW_TAG_typedef, "two", [(DW_AT_type, To("one"))], vec![]),
            entry(DW_TAG_array_type, "array", [(DW_AT_type, To("array"))], vec![count(Number(2))]),
        ],
    );
    assert!(units.peeled(Some(die("one"))).is_none());
    assert_eq!(units.size_of(Some(die("array"))), None);
}

fn count(count: WrittenValue) -> Written {
    entry(DW_TAG_subrange_type, "", [(DW_AT_count, count)], vec![])
}

#[test]
fn an_array_has_as_many_elements_as_each_way_of_telling_says() {
    let bound = |bound| entry(DW_TAG_subrange_type, "", [(DW_AT_upper_bound, bound)], vec![]);
    let array = |label, dimensions| entry(DW_TAG_array_type, label, [(DW_AT_type, To("int"))], dimensions);
    let (units, die) = units(
        4,
        vec![
            array("counted", vec![count(Number(3)), count(Number(2))]),
            array("bounded", vec![bound(Number(4))]),
            array("empty", vec![bound(Signed(-1))]),
            array("flexible", vec![entry(DW_TAG_subrange_type, "", [], vec![])]),
            array(
                "from ten",
                vec![entry(
                    DW_TAG_subrange_type,
                    "",
                    [(DW_AT_lower_bound, Number(10)), (DW_AT_upper_bound, Number(12))],
                    vec![],
                )],
            ),
            array("too many", vec![count(Number(u64::MAX)), count(Number(u64::MAX))]),
        ],
    );
    let size = |label| units.size_of(Some(die(label)));
    assert_eq!(size("counted"), Some(24));
    assert_eq!(size("bounded"), Some(20));
    assert_eq!(size("empty"), Some(0));
    assert_eq!(size("flexible"), None);
    assert_eq!(size("from ten"), Some(12));
    assert_eq!(size("too many"), None);
}

#[test]
fn dimensions_are_in_the_order_of_memory() {
    let rows = || vec![count(Number(3)), count(Number(2))];
    let columns = [(DW_AT_type, To("int")), (DW_AT_ordering, Number(u64::from(DW_ORD_col_major.0)))];
    let by = |stride| entry(DW_TAG_subrange_type, "", [(DW_AT_count, Number(3)), (DW_AT_byte_stride, stride)], vec![]);
    let (units, die) = units(
        4,
        vec![
            entry(DW_TAG_array_type, "rows", [(DW_AT_type, To("int"))], rows()),
            entry(DW_TAG_array_type, "columns", columns, rows()),
            entry(DW_TAG_array_type, "every other", [(DW_AT_type, To("int"))], vec![by(Number(8))]),
            entry(DW_TAG_string_type, "text", [(DW_AT_byte_size, Number(5))], vec![]),
        ],
    );
    let array = |label| match &units.type_at(die(label)).unwrap().kind {
        Kind::Array(array) => (array.dimensions.clone(), array.described),
        other => panic!("{other:?}"),
    };
    assert_eq!(array("rows"), (vec![Some(3), Some(2)], false));
    assert_eq!(array("columns"), (vec![Some(2), Some(3)], false));
    assert_eq!(array("every other"), (vec![Some(3)], true), "its elements do not follow each other");
    assert_eq!(units.size_of(Some(die("every other"))), None);
    assert_eq!(units.size_of(Some(die("text"))), Some(5));
}

#[test]
fn a_member_is_where_each_version_of_dwarf_says_it() {
    let plus = |bytes| Expression(vec![DW_OP_plus_uconst.0, bytes]);
    let members = vec![
        member("first", "int", []),
        member("plain", "int", [(DW_AT_data_member_location, Number(4))]),
        member("added", "int", [(DW_AT_data_member_location, plus(8))]),
        // Three bits, as DWARF 4 counts them from the beginning.
        member("newer", "int", [(DW_AT_bit_size, Number(3)), (DW_AT_data_bit_offset, Number(101))]),
        // The same three bits in the second unit, counted from the top of its 32 as DWARF 3 does.
        member(
            "older",
            "int",
            [
                (DW_AT_byte_size, Number(4)),
                (DW_AT_bit_size, Number(3)),
                (DW_AT_bit_offset, Number(32 - 5 - 3)),
                (DW_AT_data_member_location, Number(12)),
            ],
        ),
        // A member of a packed structure, which reaches two bits beyond its storage unit.
        member(
            "packed",
            "char",
            [
                (DW_AT_byte_size, Number(1)),
                (DW_AT_bit_size, Number(7)),
                (DW_AT_bit_offset, Signed(-2)),
                (DW_AT_data_member_location, Number(16)),
            ],
        ),
        member("computed", "int", [(DW_AT_data_member_location, Expression(vec![DW_OP_dup.0, DW_OP_deref.0]))]),
    ];
    for version in [3, 4, 5] {
        let members = members.clone();
        let (units, die) = units(version, vec![entry(DW_TAG_structure_type, "struct", [], members)]);
        let expected = [
            ("first", Some(0)),
            ("plain", Some(32)),
            ("added", Some(64)),
            ("newer", Some(101)),
            ("older", Some(101)),
            ("packed", Some(131)),
            ("computed", None),
        ];
        assert_eq!(offsets(&units, die("struct")), expected, "DWARF {version}");
    }
}

#[test]
fn a_static_variable_of_a_class_is_no_part_of_its_objects() {
    let shared = member("shared", "int", [(DW_AT_external, Flag), (DW_AT_declaration, Flag)]);
    let own = member("own", "int", []);
    let (units, die) = units(4, vec![entry(DW_TAG_class_type, "class", [], vec![shared, own])]);
    assert_eq!(offsets(&units, die("class")), [("own", Some(0))]);
}

#[test]
fn what_is_only_declared_says_so() {
    let attributes = [(DW_AT_name, Text("Opaque")), (DW_AT_declaration, Flag)];
    let (units, die) = units(4, vec![entry(DW_TAG_structure_type, "opaque", attributes, vec![])]);
    assert!(matches!(&units.type_at(die("opaque")).unwrap().kind, Kind::Struct(contents) if contents.declared));
    assert!(units.types_named(0, b"Opaque").is_empty(), "no complete type has the name");
}

#[test]
fn an_enumerator_below_zero_keeps_its_sign() {
    let value =
        |name, value| entry(DW_TAG_enumerator, "", [(DW_AT_name, Text(name)), (DW_AT_const_value, value)], vec![]);
    let list = vec![value("NONE", Signed(-1)), value("MANY", Number(1 << 40))];
    let (units, die) = units(4, vec![entry(DW_TAG_enumeration_type, "enum", [(DW_AT_type, To("int"))], list)]);
    let ty = units.type_at(die("enum")).unwrap();
    let Kind::Enum(list) = &ty.kind else { panic!("{ty:?}") };
    let low = |value: u128| value as u32;
    assert_eq!(list.enumerators.iter().map(|(_, value)| low(*value)).collect::<Vec<_>>(), [u32::MAX, 0]);
    assert_eq!(units.size_of(Some(die("enum"))), Some(4), "that of the type below it");
}

#[test]
fn a_path_leads_through_the_namespaces_a_program_writes() {
    let name = |name| [(DW_AT_name, Text(name))];
    let inner = entry(DW_TAG_structure_type, "inner", name("Inner"), vec![member("x", "int", [])]);
    let inline = [(DW_AT_name, Text("v2")), (DW_AT_export_symbols, Flag)];
    let unnamed = entry(DW_TAG_namespace, "", [], vec![inner]);
    let inline = entry(DW_TAG_namespace, "v2", inline, vec![unnamed]);
    let (units, die) = units(5, vec![entry(DW_TAG_namespace, "outer", name("outer"), vec![inline])]);
    assert_eq!(units.path(die("inner")), [&b"outer"[..], b"v2"]);
    assert_eq!(units.written_path(die("inner")), [&b"outer"[..]]);
    assert_eq!(units.types_named(0, b"Inner"), [die("inner")]);
}
