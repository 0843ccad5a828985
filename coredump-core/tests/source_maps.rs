//! Compares source maps with the `sourcemap` crate: the maps that it writes, and the positions that it gives for
//! offsets.

use coredump_core::internals::files::Files;
use coredump_core::internals::symbols::{Neighbours, Symbols, SymbolsKind};
use coredump_core::module::Module;
use proptest::prelude::*;
use sourcemap::{SourceMap, SourceMapBuilder};
use wasm_encoder::{CodeSection, CustomSection, Encode, Function, FunctionSection, TypeSection};

/// Bytes of instructions in the function below.
const NOPS: usize = 2000;
const NOP: u8 = 0x01;
const END: u8 = 0x0b;

/// A module of one function, with the map as a `data:` URL.
fn module(map: &[u8]) -> Vec<u8> {
    let escaped: String = map.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut url = Vec::new();
    format!("data:application/json,{escaped}").encode(&mut url);
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    code.function(Function::new([]).raw([NOP; NOPS]).raw([END]));
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&code);
    module.section(&CustomSection { name: "sourceMappingURL".into(), data: url.into() });
    module.finish()
}

/// `file:line:column` at every offset of the function, by both.
fn compare(map: &SourceMap) {
    let mut json = Vec::new();
    map.to_writer(&mut json).unwrap();
    let bytes = module(&json);
    let module = Module::parse(&bytes).unwrap();
    let files = Files::default();
    let symbols = Symbols::load(&module, Neighbours::new(&files, None, None));
    assert_eq!(symbols.kind(), SymbolsKind::SourceMap, "{:?}", symbols.problems());
    let body = module.body(0).unwrap();
    for offset in body.start..body.end {
        let token = map
            .lookup_token(0, offset as u32)
            .filter(|token| token.get_dst_line() == 0 && u64::from(token.get_dst_col()) >= body.start);
        let expected = token.and_then(|token| {
            Some(format!("{}:{}:{}", token.get_source()?, token.get_src_line() + 1, token.get_src_col() + 1))
        });
        let frames = symbols.lookup(&module, 0, offset);
        let location = frames.first().and_then(|frame| frame.location.as_ref());
        let seen = location.map(|it| format!("{}:{}:{}", it.file, it.line, it.column.unwrap_or(0)));
        assert_eq!(seen, expected, "at offset {offset}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_offset_lies_where_another_decoder_says(
        mappings in proptest::collection::btree_map(0u32..2100, (0u32..5, 0u32..100_000, 0u32..500, any::<bool>()), 0..200),
        root in "[a-z/]{0,6}",
        second_line in any::<bool>(),
    ) {
        let mut builder = SourceMapBuilder::new(None);
        for (column, (source, line, source_column, named)) in &mappings {
            let source = ["a.ts", "/b.kt", "c/d.dart", "https://x/e.ts", "~lib/f.ts"].get(*source as usize).copied();
            builder.add(0, *column, *line, *source_column, source, named.then_some("n"), false);
        }
        if second_line {
            builder.add(1, 3, 4, 5, Some("a.ts"), None, false);
        }
        builder.set_source_root(Some(root));
        compare(&builder.into_sourcemap());
    }
}
