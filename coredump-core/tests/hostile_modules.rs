//! Tests hostile modules and components: what is read of them is bounded (`docs/limits.md`).

mod crafted;

use std::fs::File;

use coredump_core::internals::files::Files;
use coredump_core::internals::symbols::{Neighbours, Symbols, SymbolsKind};
use coredump_core::internals::variables::Variable;
use coredump_core::module::{Module, nested};
use crafted::{variables, with_locals};
use wasm_encoder::{Component, CustomSection, ModuleSection, NestedComponentSection};

fn with_custom(name: &str, data: &[u8]) -> Vec<u8> {
    let mut module = with_locals(0);
    module.section(&CustomSection { name: name.into(), data: data.into() });
    module.finish()
}

/// A core module inside `levels` components.
fn wrapped(levels: usize) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(&with_locals(1)));
    for _ in 1..levels {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&component));
        component = outer;
    }
    component.finish()
}

#[test]
fn a_hundred_levels_of_components_are_looked_into() {
    for (levels, found) in [(1, 1), (3, 1), (100, 1), (101, 0), (300, 0)] {
        assert_eq!(nested(&wrapped(levels)).unwrap().len(), found, "{levels} levels");
    }
}

#[test]
fn of_a_components_modules_the_first_ten_thousand_are_read() {
    let mut component = Component::new();
    let module = with_locals(0);
    for _ in 0..10_001 {
        component.section(&ModuleSection(&module));
    }
    assert_eq!(nested(&component.finish()).unwrap().len(), 10_000);
}

#[test]
fn sections_are_read_up_to_a_bound() {
    let mut bytes = with_locals(1).finish();
    bytes.extend([0, 1, 0].repeat(1_000_000));
    bytes.extend(with_custom("late", b"x").split_off(8));
    let module = Module::parse(&bytes).unwrap();
    assert!(module.body(0).is_some(), "what came before the bound is there");
    assert!(module.custom_section("late").is_none());
}

#[test]
fn more_locals_than_an_engine_takes_are_not_believed() {
    let locals =
        |count: u32| Module::parse(&with_locals(count).finish()).unwrap().local_types(0).map(|types| types.len());
    assert_eq!(locals(50_000), Some(50_000));
    assert_eq!(locals(50_001), None);
    assert_eq!(locals(u32::MAX), None);
}

#[test]
fn an_absurd_build_id_is_none() {
    let id = |length: usize| {
        let mut data = vec![(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        data.resize(2 + length, 7);
        Module::parse(&with_custom("build_id", &data)).unwrap().build_id()
    };
    assert_eq!(id(1024).unwrap().len(), 2048);
    assert_eq!(id(1025), None);
}

#[test]
fn debug_info_that_cannot_be_read_is_reported() {
    // A unit that says it has 200 bytes, of which there are seven.
    let unit = [200, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4];
    let bytes = with_custom(".debug_info", &unit);
    let module = Module::parse(&bytes).unwrap();
    let files = Files::default();
    let symbols = Symbols::load(&module, Neighbours::new(&files, None, None));
    assert!(
        symbols.problems().iter().any(|problem| problem.contains("from 0x0 of .debug_info")),
        "{:?}",
        symbols.problems()
    );
}

#[test]
fn a_source_map_beyond_the_bound_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = with_custom("sourceMappingURL", b"\x03map");
    let path = folder.path().join("app.wasm");
    std::fs::write(&path, &bytes).unwrap();
    // The file is sparse: it takes no space on the disk, but reading it would take 256 MiB of zeros.
    File::create(folder.path().join("map")).unwrap().set_len((256 << 20) + 1).unwrap();
    let module = Module::parse(&bytes).unwrap();
    let files = Files::default();
    let symbols = Symbols::load(&module, Neighbours::new(&files, Some(&path), None));
    assert_eq!(symbols.kind(), SymbolsKind::Nothing);
    assert!(symbols.problems().iter().any(|problem| problem.contains("256 MiB")), "{:?}", symbols.problems());
}

/// A function whose frame base is found from its frame base; `v` lies at it.
#[test]
fn a_frame_base_that_needs_itself_ends() {
    #[rustfmt::skip]
    let abbreviations = [
        // A unit with a language and a range, a function with a frame base, a variable with a location.
        1, 0x11, 1, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x0b, 0, 0,
        2, 0x2e, 1, 0x11, 0x01, 0x12, 0x0b, 0x40, 0x18, 0, 0,
        3, 0x34, 0, 0x03, 0x08, 0x02, 0x18, 0, 0, 0,
    ];
    const FBREG: u8 = 0x91;
    #[rustfmt::skip]
    let info = [
        4, 0, 0, 0, 0, 0, 4,
        1, 0x0c, 2, 0, 0, 0, 5,
        2, 2, 0, 0, 0, 5, 2, FBREG, 8,
        3, b'v', 0, 2, FBREG, 0,
        0, 0,
    ];
    let variables = variables(&abbreviations, &info);
    let note = variables[0].note.as_deref().unwrap_or_default();
    assert!(note.contains("the frame base needs itself"), "{note}");
}

/// DWARF of a function with a variable `v` of a type, which follows at `TYPE`, at address 16.
fn with_variable(tags: &[u8], ty: &[u8]) -> Vec<Variable> {
    #[rustfmt::skip]
    let abbreviations = [&[
        // A unit with a language and a range, a function, a variable with a type and a location.
        1, 0x11, 1, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x0b, 0, 0,
        2, 0x2e, 1, 0x11, 0x01, 0x12, 0x0b, 0, 0,
        3, 0x34, 0, 0x03, 0x08, 0x49, 0x11, 0x02, 0x18, 0, 0,
    ][..], tags, &[0]].concat();
    const ADDR: u8 = 0x03;
    #[rustfmt::skip]
    let info = [&[
        4, 0, 0, 0, 0, 0, 4,
        1, 0x0c, 2, 0, 0, 0, 5,
        2, 2, 0, 0, 0, 5,
        3, b'v', 0, TYPE, 5, ADDR, 16, 0, 0, 0,
        0,
    ][..], ty, &[0]].concat();
    variables(&abbreviations, &info)
}

/// Bytes of the unit before `v`, and before its type.
const V: u8 = 24;
const TYPE: u8 = 35;

#[test]
fn arrays_that_hold_themselves_end() {
    // An array, its dimension with a count by reference, a number.
    const NUMBER: u8 = TYPE + 5;
    let tags = [4, 0x01, 1, 0x49, 0x11, 0, 0, 5, 0x21, 0, 0x37, 0x11, 0, 0, 6, 0x24, 0, 0x3e, 0x0b, 0x0b, 0x0b, 0, 0];
    let own_length = with_variable(&tags, &[4, NUMBER, 5, V, 0, 6, 5, 4]);
    assert_eq!((own_length[0].name.as_str(), own_length[0].value.as_deref()), ("v", Some("{...}")));

    // An array without a dimension, of itself.
    let no_dimension = with_variable(&[4, 0x01, 0, 0x49, 0x11, 0, 0], &[4, TYPE]);
    assert_eq!((no_dimension[0].name.as_str(), no_dimension[0].value.as_deref()), ("v", Some("{...}")));
}
