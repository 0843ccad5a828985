//! Tests random modules from wasm-smith, which must not break the readers of dumps and of modules.

use coredump_core::error::ErrorKind;
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::{read, read_as};
use coredump_core::internals::{backtrace, binaries};
use coredump_core::model::Layout;
use coredump_core::module::Module;
use proptest::prelude::*;

/// A valid module made of random bytes.
fn smith(seed: &[u8]) -> Vec<u8> {
    let config = wasm_smith::Config {
        generate_custom_sections: true,
        max_memories: 3,
        memory64_enabled: true,
        ..wasm_smith::Config::default()
    };
    let module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(seed)).expect("any bytes will do");
    module.to_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every function wasm-smith made is found where wasmparser, asked separately, finds it.
    #[test]
    fn bodies_are_where_they_are(seed in proptest::collection::vec(any::<u8>(), 200..2000)) {
        let bytes = smith(&seed);
        let module = Module::parse(&bytes).unwrap();
        let mut bodies = Vec::new();
        for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
            if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
                bodies.push(body.range());
            }
        }
        let defined = module.function_count() - module.imported_functions();
        prop_assert_eq!(defined as usize, bodies.len());
        for (function, range) in (module.imported_functions()..).zip(bodies) {
            let body = module.body(function).unwrap();
            prop_assert_eq!((body.start, body.end), (range.start as u64, range.end as u64));
            prop_assert!(module.local_types(function).is_some());
        }
    }

    /// An ordinary module is not a dump; with the sections of one it is, and its own sections are told as they are.
    #[test]
    fn a_module_with_a_stack_is_a_dump(
        seed in proptest::collection::vec(any::<u8>(), 200..2000),
        frames in proptest::collection::vec((0u8..4, 0u8..40, 0u8..120), 0..5),
    ) {
        let mut bytes = smith(&seed);
        prop_assert_eq!(read(&bytes).unwrap_err().kind, ErrorKind::WrongFile);
        let module = bytes.clone();
        let mut stack = b"\x09corestack\0\x01t".to_vec();
        stack.push(frames.len() as u8);
        for (instance, function, offset) in &frames {
            stack.extend([0, *instance, *function, *offset, 0, 0]);
        }
        bytes.extend([0, stack.len() as u8]);
        bytes.extend(stack);
        let mut dump = read(&bytes).unwrap();
        prop_assert_eq!(dump.layout, Layout::Standard);
        let read_back: Vec<_> = dump.threads[0].frames.iter().map(|frame| (frame.instance, frame.function)).collect();
        let written: Vec<_> =
            frames.iter().map(|frame| (Some(frame.0.into()), Some(frame.1.into()))).collect();
        prop_assert_eq!(read_back, written);
        for layout in [Layout::Xtuc02, Layout::Xtuc01, Layout::Wasmer, Layout::WasmEdge] {
            prop_assert!(read_as(&bytes, layout).is_ok());
        }
        dump.modules = vec![Default::default()];
        dump.modules[0].embedded = Some(&module);
        let store = binaries::BinaryStore::new();
        let options = Options { recorded_paths: false, trusted: false, ..Options::default() };
        let binaries = binaries::Binaries::locate(&store, &dump, &options);
        let threads = backtrace::resolve(&dump, &binaries);
        prop_assert_eq!(threads[0].frames.len(), frames.len());
    }
}
