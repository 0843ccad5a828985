//! Reads the stacks of a dump in one layout, which the first byte selects. The other sections that a producer of this
//! layout writes are added, so that no mutations are spent on finding them.
#![no_main]

use coredump_core::internals::read::{read, read_as};
use coredump_core::model::Layout;
use coredump_core::write;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, stack)) = bytes.split_first() else { return };
    let stack = section("corestack", &[b"\0\x04main", stack].concat());
    let core = |name: &[u8]| section("core", &[b"\0", name].concat());
    let memory = b"\x05\x03\x01\0\x01";
    let (layout, sections) = match choice % 5 {
        0 => {
            let modules = section("coremodules", b"\x01\0\x03app");
            let instances = section("coreinstances", b"\x01\0\0\x01\0\0");
            (Layout::Standard, vec![core(b"\x03app"), memory.to_vec(), modules, instances, stack])
        }
        1 => (Layout::Xtuc02, vec![stack, core(b"\0"), memory.to_vec()]),
        2 => (Layout::Xtuc01, vec![stack, core(b"\0"), memory.to_vec()]),
        3 => (Layout::Wasmer, vec![core(b"\x03app"), stack, memory.to_vec()]),
        _ => {
            let modules = section("coremodules", b"\x01\0app");
            (Layout::WasmEdge, vec![core(b"\0"), stack, modules, section("coreinstances", b"\0"), memory.to_vec()])
        }
    };
    let file = [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat();
    let dump = read_as(&file, layout).expect("there are sections of a dump");
    assert_eq!(dump.layout, layout);
    let sniffed = read(&file).expect("there are sections of a dump");

    for dump in [&dump, &sniffed] {
        assert!(dump.threads.len() == 1 || dump.incomplete.is_some());
        for thread in &dump.threads {
            assert!(thread.frames.len() <= file.len(), "a frame has at least one byte");
            let values = thread.frames.iter().flat_map(|frame| [&frame.locals, &frame.stack]).flatten();
            assert!(values.map(|values| values.len()).sum::<usize>() <= file.len(), "so has a value");
        }
        // Whatever was read can be written as the standard has it, and comes back.
        let mut written = Vec::new();
        write::write(dump, &mut written).expect("a vector takes it");
        let back = read(&written).expect("what was written is a dump");
        let frames = |dump: &coredump_core::model::CoreDump<'_>| -> Vec<_> {
            dump.threads.iter().flat_map(|thread| thread.frames.clone()).collect()
        };
        assert_eq!(frames(&back), frames(dump));
    }
});

fn section(name: &str, contents: &[u8]) -> Vec<u8> {
    let body = [&[name.len() as u8], name.as_bytes(), contents].concat();
    // Its size in five bytes, as linkers write it.
    let size = body.len() as u32;
    let digits = [0, 7, 14, 21].map(|shift| (size >> shift) as u8 | 0x80);
    [&[0][..], &digits, &[(size >> 28) as u8], &body].concat()
}
