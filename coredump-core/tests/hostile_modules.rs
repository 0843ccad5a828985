//! Tests hostile modules and components: what is read of them is bounded (`docs/limits.md`).

use std::fs::File;

use coredump_core::internals::files::Files;
use coredump_core::internals::symbols::{Neighbours, Symbols, SymbolsKind};
use coredump_core::module::{Module, nested};
use wasm_encoder::{
    CodeSection, Component, CustomSection, Function, FunctionSection, ModuleSection, NestedComponentSection,
    TypeSection, ValType,
};

/// A module of one function with this many locals.
fn with_locals(count: u32) -> wasm_encoder::Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    code.function(Function::new([(count, ValType::I32)]).raw([0x00, 0x0b]));
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

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
