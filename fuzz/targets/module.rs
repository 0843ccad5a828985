//! Reads any bytes as a guest's binary, and calls every query of a module.
#![no_main]

use coredump_core::internals::locate::body::Instructions;
use coredump_core::module::{Module, nested};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for module in nested(bytes).unwrap_or_default() {
        if let Ok(module) = Module::parse(module) {
            ask(&module);
        }
    }
    if let Ok(module) = Module::parse(bytes) {
        ask(&module);
    }
});

fn ask(module: &Module<'_>) {
    module.sha256();
    module.build_id();
    module.code_section_size_field();
    module.name();
    module.imports().count();
    module.exports().count();
    module.memories();
    module.tables();
    module.globals();
    module.data_segments().take(1000).count();
    module.element_segments().take(1000).count();
    let count = module.function_count();
    for function in (0..count.min(200)).chain([count, u32::MAX]) {
        module.function_name(function);
        module.signature(function);
        module.local_types(function);
        module.local_name(function, 0);
        if let Some(body) = module.body(function) {
            assert!(body.start <= body.end && body.end <= module.bytes().len() as u64);
            assert!(module.code_section_start().is_some_and(|start| start < body.start));
            assert!(body.size() == 0 || module.function_at(body.start) == Some(function));
        }
        Instructions::decode(module, function);
    }
    for index in [0, 1, 7, u32::MAX] {
        module.global_name(index);
        module.memory_name(index);
        module.table_name(index);
        module.data_name(index);
        module.table_function(index, u64::from(index));
    }
}
