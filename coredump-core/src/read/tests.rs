//! Dumps built with wasm-encoder, which shares no code with the reader.

use wasm_encoder::{
    ConstExpr, CoreDumpInstancesSection, CoreDumpModulesSection, CoreDumpSection, CoreDumpStackSection, CoreDumpValue,
    DataSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module, ValType,
};

use super::read;
use crate::error::ErrorKind;
use crate::memory::Unreadable;
use crate::model::{Layout, Value};

/// One memory of one page with two segments, one global, one module, one instance, two frames.
fn small_dump() -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    globals.global(GlobalType { val_type: ValType::I32, mutable: true, shared: false }, &ConstExpr::i32_const(-16));
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(1024), *b"hello\0");
    data.active(0, &ConstExpr::i32_const(2048), [1, 2, 3]);
    let mut modules = CoreDumpModulesSection::new();
    modules.module("app.wasm");
    let mut instances = CoreDumpInstancesSection::new();
    instances.instance(0, [0], [0, u32::MAX]);
    let mut stack = CoreDumpStackSection::new("main");
    let locals = [
        CoreDumpValue::I32(-1),
        CoreDumpValue::Missing,
        CoreDumpValue::F64(f64::from_bits(0x7ff8_0000_0000_beef).into()),
    ];
    stack.frame(0, 7, 42, locals, [CoreDumpValue::I64(i64::MIN)]);
    stack.frame(0, 3, 9, [], []);
    let mut module = Module::new();
    // The order is free: the stack comes first here, the memory last.
    module.section(&stack);
    module.section(&CoreDumpSection::new("app.wasm"));
    module.section(&instances);
    module.section(&modules);
    module.section(&globals);
    module.section(&data);
    module.section(&memories);
    module.finish()
}

#[test]
fn a_dump_is_read_whatever_the_order_of_its_sections() {
    let bytes = small_dump();
    let dump = read(&bytes).unwrap();
    assert_eq!(dump.incomplete, None);
    assert_eq!(dump.layout, Layout::Standard);
    assert_eq!(dump.executable.as_deref(), Some("app.wasm"));
    assert_eq!(dump.modules[0].name.as_deref(), Some("app.wasm"));
    assert_eq!(dump.instances[0].memories, [Some(0)]);
    assert_eq!(dump.instances[0].globals, [Some(0), None]);
    assert_eq!(dump.globals[0].value, Value::I32(-16));
    let frames = &dump.threads[0].frames;
    assert_eq!((frames[0].instance, frames[0].function, frames[0].code_offset), (Some(0), Some(7), Some(42)));
    let locals = [Value::I32(-1), Value::Missing, Value::F64(0x7ff8_0000_0000_beef)];
    assert_eq!(frames[0].locals.as_deref(), Some(&locals[..]));
    assert_eq!(frames[0].stack.as_deref(), Some(&[Value::I64(i64::MIN)][..]));
    assert_eq!(frames[1].locals, None, "an empty vector means unknown");
}

#[test]
fn memory_borrows_from_the_file_and_its_gaps_are_unknown() {
    let bytes = small_dump();
    let dump = read(&bytes).unwrap();
    let memory = &dump.memories[0];
    assert_eq!(memory.size, 65536);
    assert_eq!(memory.c_string(1024, 100), Ok((b"hello".to_vec(), true)));
    assert!(bytes.as_ptr_range().contains(&memory.segments()[0].bytes.as_ptr()));
    assert_eq!(memory.uint(2048, 4), Err(Unreadable::NotCaptured { address: 2051 }));
}

#[test]
fn a_file_cut_off_anywhere_yields_what_came_before_or_a_clear_error() {
    let whole = small_dump();
    for len in 0..whole.len() {
        match read(&whole[..len]) {
            Ok(dump) => {
                let at_section_end = dump.sections.last().is_some_and(|last| last.offset + last.size == len as u64);
                assert_eq!(dump.incomplete.is_none(), at_section_end, "{len}: {:?}", dump.incomplete);
                if let Some(incomplete) = dump.incomplete {
                    assert!(incomplete.offset.is_some_and(|offset| offset <= len as u64), "{len}: {incomplete:?}");
                }
            }
            Err(error) => {
                let expected = if len == 8 { ErrorKind::WrongFile } else { ErrorKind::Truncated };
                assert_eq!(error.kind, expected, "{len}: {error}");
            }
        }
    }
}

#[test]
fn any_byte_changed_is_survived() {
    let whole = small_dump();
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let _ = read(&bytes);
        }
    }
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let kind = |bytes: &[u8]| read(bytes).unwrap_err().kind;
    assert_eq!(kind(b""), ErrorKind::Truncated);
    assert_eq!(kind(b"\0as"), ErrorKind::Truncated);
    assert_eq!(kind(b"hello world"), ErrorKind::NotWasm);
    assert_eq!(kind(b"\x7fELF\x02\x01\x01"), ErrorKind::NotWasm);
    assert_eq!(kind(b"\0asm\x01\0\0\0"), ErrorKind::WrongFile);
    assert_eq!(kind(b"\0asm\x0d\0\x01\0"), ErrorKind::WrongFile);
    assert_eq!(kind(b"\0asm\x02\0\0\0"), ErrorKind::NotWasm);
}
