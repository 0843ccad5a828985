//! Reads any bytes as the source map of a module.
#![no_main]

use coredump_core::internals::files::Files;
use coredump_core::internals::symbols::{Neighbours, Symbols};
use coredump_core::module::Module;
use libfuzzer_sys::fuzz_target;
use wasm_encoder::{CustomSection, Encode, Section};

/// A type, a function of it, and its body of `nop`s.
const MODULE: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x0a\x01\x08\0\x01\x01\x01\x01\x01\x01\x0b";

fuzz_target!(|bytes: &[u8]| {
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let mut url = Vec::new();
    format!("data:,{escaped}").encode(&mut url);
    let mut file = MODULE.to_vec();
    CustomSection { name: "sourceMappingURL".into(), data: url.into() }.append_to(&mut file);
    let module = Module::parse(&file).expect("it is a module");
    let files = Files::default();
    let symbols = Symbols::load(&module, Neighbours::new(&files, None, None));
    let body = module.body(0).expect("it has a function");
    for offset in body.start..body.end {
        for frame in symbols.lookup(&module, 0, offset).iter() {
            let location = frame.location.as_ref().expect("a map tells nothing but places");
            assert!(location.line > 0 && location.column.is_none_or(|column| column > 0));
        }
    }
});
