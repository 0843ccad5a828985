//! Tests hostile dumps: declared sizes and counts are not trusted, and what is kept of them is bounded
//! (`docs/limits.md`).

use coredump_core::error::ErrorKind;
use coredump_core::internals::limits::{MAX_FRAMES, MAX_JSON, MAX_NAME, MAX_SECTIONS, MAX_VALUES, MAX_WARNINGS};
use coredump_core::internals::read::read;
use coredump_core::memory::{Memory, Segment, Unreadable};
use coredump_core::model::{CoreDump, Layout, Value};

fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [vec![id], leb(contents.len() as u64), contents.to_vec()].concat()
}

fn custom(name: &str, contents: &[u8]) -> Vec<u8> {
    section(0, &[leb(name.len() as u64), name.as_bytes().to_vec(), contents.to_vec()].concat())
}

fn file(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

/// `corestack` of a thread without a name: a count of frames, then these bytes.
fn stack(count: u64, frames: &[u8]) -> Vec<u8> {
    custom("corestack", &[vec![0, 0], leb(count), frames.to_vec()].concat())
}

fn warns(dump: &CoreDump<'_>, words: &str) -> bool {
    dump.warnings.iter().chain(&dump.incomplete).any(|warning| warning.message.contains(words))
}

#[test]
fn of_ten_million_frames_the_youngest_million_is_kept() {
    const COUNT: usize = 10_000_000;
    let bytes = file(&[custom("core", &[0, 0]), stack(COUNT as u64, &[0, 0, 5, 9, 0, 0].repeat(COUNT))]);
    let dump = read(&bytes).unwrap();
    assert_eq!(dump.threads[0].frames.len(), MAX_FRAMES);
    assert_eq!(dump.threads[0].frames[MAX_FRAMES - 1].function, Some(5));
    assert!(dump.threads[0].truncated);
    assert!(warns(&dump, "has 10000000 frames; the youngest 1048576 are read"));
}

#[test]
fn the_bound_on_frames_holds_for_all_threads_together() {
    let thread = stack(700_000, &[0, 0, 5, 9, 0, 0].repeat(700_000));
    let bytes = file(&[thread.clone(), thread]);
    let dump = read(&bytes).unwrap();
    let frames: usize = dump.threads.iter().map(|thread| thread.frames.len()).sum();
    assert_eq!((frames, dump.threads[0].truncated, dump.threads[1].truncated), (MAX_FRAMES, false, true));
}

#[test]
fn counts_beyond_the_file_cost_nothing() {
    let huge = u64::from(u32::MAX);
    for section in [
        stack(huge, &[0, 0, 5, 9, 0, 0]),
        stack(1, &[vec![0, 0, 5, 9], leb(huge)].concat()),
        custom("coremodules", &leb(huge)),
        custom("coreinstances", &[vec![1, 0, 0], leb(huge)].concat()),
        section(5, &leb(huge)),
        section(6, &leb(huge)),
        section(11, &leb(huge)),
        section(11, &[vec![1, 0, 0x41, 0, 0x0b], leb(huge)].concat()),
    ] {
        let bytes = file(&[custom("core", &[0, 1, b'a']), section]);
        let dump = read(&bytes).unwrap();
        assert_eq!(dump.executable.as_deref(), Some("a"), "what came before stays");
        let incomplete = dump.incomplete.expect("the count is not believed");
        assert!(incomplete.offset.is_some_and(|offset| offset <= bytes.len() as u64), "{incomplete:?}");
    }
}

#[test]
fn values_beyond_the_bound_are_unknown_not_wrong() {
    let values = MAX_VALUES * 2 / 3;
    let frame = |value: u8| [vec![0, 0, 5, 9], leb(values as u64), [0x7f, value].repeat(values), vec![0]].concat();
    let bytes = file(&[stack(2, &[frame(1), frame(2)].concat())]);
    let dump = read(&bytes).unwrap();
    let frames = &dump.threads[0].frames;
    assert_eq!(frames[0].locals.as_ref().map(|locals| locals.len()), Some(values));
    assert_eq!(frames[0].locals.as_ref().unwrap()[values - 1], Value::I32(1));
    assert_eq!((frames.len(), &frames[1].locals), (2, &None));
    assert!(warns(&dump, "more locals and operands than this reader keeps"));
}

#[test]
fn of_a_name_of_many_megabytes_the_beginning_is_kept() {
    let name = "n".repeat(64 << 20);
    let named = [vec![0], leb(name.len() as u64), name.clone().into_bytes()].concat();
    let bytes = file(&[
        custom("core", &named),
        custom("coremodules", &[vec![1], named.clone()].concat()),
        custom("corestack", &[named.clone(), vec![0]].concat()),
        custom(&name, &[]),
    ]);
    let dump = read(&bytes).unwrap();
    let kept = |text: &str| text.len() <= MAX_NAME + "…".len() && text.ends_with('…');
    assert!(kept(dump.executable.as_ref().unwrap()));
    assert!(kept(dump.modules[0].name.as_ref().unwrap()));
    assert!(kept(&dump.threads[0].name));
    assert!(kept(&dump.sections[3].name));
}

#[test]
fn sections_are_read_up_to_a_bound() {
    let mut bytes = file(&[custom("core", &[0, 1, b'a'])]);
    bytes.extend([0x7f, 0].repeat(MAX_SECTIONS + 10));
    let dump = read(&bytes).unwrap();
    assert_eq!(dump.sections.len(), MAX_SECTIONS);
    assert!(warns(&dump, "more than 65536 sections"));
}

#[test]
fn a_json_section_is_read_up_to_a_bound() {
    let json = format!("{}[]", " ".repeat(MAX_JSON));
    let bytes = file(&[custom("core", &[0, 0]), custom("coredump.values", json.as_bytes())]);
    assert!(warns(&read(&bytes).unwrap(), "coredump.values is longer than"));
    let nested = "[".repeat(1 << 20);
    let bytes = file(&[custom("core", &[0, 0]), custom("coredump.tables", nested.as_bytes())]);
    assert!(warns(&read(&bytes).unwrap(), "coredump.tables is not the JSON it should be"));
}

#[test]
fn sizes_end_at_the_address_space() {
    // Memory 0: 32 bits, 2^32 - 1 pages. Memory 1: 64 bits, 2^60 pages. Memory 2: 64 bits, empty, contents at its end.
    let memories = [vec![3, 0], leb(u64::from(u32::MAX)), vec![4], leb(1 << 60), vec![4, 0]].concat();
    let at_end = [vec![1, 2, 2, 0x42, 0x7e, 0x0b, 4], b"abcd".to_vec()].concat();
    let bytes = file(&[custom("core", &[0, 0]), section(5, &memories), section(11, &at_end)]);
    let dump = read(&bytes).unwrap();
    assert_eq!(dump.memories[0].size, 1 << 32);
    assert_eq!(dump.memories[1].size, u64::MAX);
    assert_eq!(dump.memories[2].size, u64::MAX);
    assert_eq!(dump.memories[2].captured(), [u64::MAX - 1..u64::MAX]);
    assert_eq!(dump.memories[1].bytes(1 << 62, u64::MAX), Err(Unreadable::OutOfBounds { address: u64::MAX }));
}

#[test]
fn known_zeros_are_not_put_together_without_bound() {
    let mut memory = Memory::new(u64::MAX);
    memory.set_contents(vec![], std::iter::once(0..u64::MAX).collect());
    assert_eq!(memory.bytes(0, 1 << 40), Err(Unreadable::TooLong { len: 1 << 40 }));
    assert_eq!(memory.uint(1 << 62, 8), Ok(0));
}

/// Quadratic work on these would take hours.
#[test]
fn a_million_overlapping_segments_are_laid_over_each_other() {
    const COUNT: u64 = 1_000_000;
    let bytes = vec![7u8; 4096];
    let at = |address: u64| Segment { address, bytes: &bytes };
    for addresses in [
        (0..COUNT).collect::<Vec<_>>(),
        (0..COUNT).rev().collect(),
        (0..COUNT).map(|number| number * 0x9e37_79b9 % COUNT).collect(),
    ] {
        let mut memory = Memory::new(1 << 32);
        assert!(memory.set_contents(addresses.into_iter().map(at).collect(), vec![]));
        assert_eq!(memory.captured(), std::slice::from_ref(&(0..COUNT + 4095)));
        let ends: Vec<u64> = memory.segments().iter().map(Segment::end).collect();
        assert!(memory.segments().iter().skip(1).zip(ends).all(|(next, end)| next.address == end));
    }
}

#[test]
fn indices_that_lead_nowhere_are_unknown() {
    let none = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let frame = [&[0][..], &none, &none, &none, &[0, 0]].concat();
    let bytes = file(&[
        custom("coreinstances", &[&[1, 0][..], &none, &[1], &none, &[0]].concat()),
        stack(2, &[frame, vec![0, 77, 5, 9, 0, 0]].concat()),
        section(11, &[1, 2, 9, 0x41, 0, 0x0b, 1, b'x']),
    ]);
    let dump = read(&bytes).unwrap();
    let frame = &dump.threads[0].frames[0];
    assert_eq!((frame.instance, frame.function, frame.code_offset), (None, None, None));
    assert_eq!((dump.instances[0].module, &dump.instances[0].memories[..]), (None, &[None][..]));
    assert!(warns(&dump, "1 data segments name a memory that the dump does not have"));
}

#[test]
fn without_any_section_of_a_dump_there_is_none() {
    let error = read(&file(&[section(5, &[1, 0, 1])])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::WrongFile);
}

/// A repeated section that may occur only once is reported: of names, the first one is used, and lists are appended.
#[test]
fn what_is_there_twice_is_told() {
    let module = |name: u8| custom("coremodules", &[1, 0, 1, name]);
    let core = |name: u8| custom("core", &[0, 1, name]);
    let bytes = file(&[core(b'a'), core(b'b'), module(b'm'), module(b'n'), stack(1, &[0, 0, 5, 9, 0, 0])]);
    let dump = read(&bytes).unwrap();
    assert_eq!(dump.executable.as_deref(), Some("a"));
    let names: Vec<_> = dump.modules.iter().filter_map(|module| module.name.as_deref()).collect();
    assert_eq!(names, ["m", "n"]);
    assert!(warns(&dump, "section core is repeated") && warns(&dump, "section coremodules is repeated"));
}

/// Gigabytes of zeros after a dump, which compress to almost nothing, are millions of damaged sections: they are not
/// read.
#[test]
fn damaged_sections_are_read_up_to_a_bound() {
    let start = file(&[custom("core", &[0, 1, b'a'])]);
    let bytes = [&start[..], &vec![0; 2 * MAX_SECTIONS + 100]].concat();
    let dump = read(&bytes).unwrap();
    let told = dump.warnings.iter().find(|warning| warning.message.contains("more than 65536 sections"));
    // The first of these sections is `core`, the others are two bytes each.
    assert_eq!(told.unwrap().offset, Some((start.len() + 2 * MAX_SECTIONS) as u64));
}

/// 65,536 damaged sections are not reported one by one.
#[test]
fn damage_is_told_up_to_a_bound() {
    let bytes = [file(&[custom("core", &[0, 1, b'a'])]), vec![0; 100_000]].concat();
    let dump = read(&bytes).unwrap();
    assert!(dump.incomplete.is_some() && dump.warnings.len() <= MAX_WARNINGS + 2, "{}", dump.warnings.len());
    assert!(warns(&dump, "further warnings of this kind are left out"));
}

/// For every dump among the fixtures that is cut off after each of its first bytes, the frames that are read are the
/// first ones of the dump, or the layout is in doubt.
#[test]
fn a_dump_cut_behind_any_byte_begins_as_the_whole_one() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/dumps");
    let mut cuts = 0;
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        let whole = read(&bytes).unwrap();
        let stacks = whole.sections.iter().filter(|section| section.name == "corestack");
        let behind = stacks.map(|section| section.offset + section.size).max().unwrap() as usize;
        let places = |dump: &CoreDump<'_>| -> Vec<Vec<_>> {
            let frames = dump.threads.iter().map(|thread| &thread.frames);
            frames.map(|frames| frames.iter().map(|frame| (frame.instance, frame.function)).collect()).collect()
        };
        let all = places(&whole);
        // The stack is what matters; of a long one, its beginning.
        let section = whole.sections.iter().find(|section| section.name == "corestack").unwrap();
        let from = section.offset as usize - 12;
        for len in from..behind.min(from + 400) {
            let Ok(cut) = read(&bytes[..len]) else { continue };
            cuts += 1;
            let seen = places(&cut);
            let begins = seen.iter().zip(&all).all(|(seen, all)| all.starts_with(seen));
            assert!(begins || !cut.alternatives.is_empty(), "{} cut at {len}: {seen:?}", path.display());
            // A file that ends between two sections looks whole.
            assert!(cut.incomplete.is_some() || len < section.offset as usize, "{} cut at {len}", path.display());
        }
    }
    assert!(cuts > 5000, "{cuts}");
}

/// Whatever byte of its stack is damaged, Wasmtime's dump is Wasmtime's.
#[test]
fn a_damaged_dump_of_wasmtime_is_no_other_producers() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
    let bytes = std::fs::read(path).unwrap();
    let whole = read(&bytes).unwrap();
    let stack = whole.sections.iter().find(|section| section.name == "corestack").unwrap();
    let contents = stack.offset as usize..(stack.offset + stack.size) as usize;
    for at in contents {
        for flip in [1, 2, 0x40, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let dump = read(&damaged).unwrap();
            assert_eq!(dump.layout, Layout::Standard, "{flip:#x} at {at}");
            assert!(
                dump.producer.is_some_and(|producer| producer.starts_with("wasmtime")) || dump.incomplete.is_none()
            );
        }
    }
}
