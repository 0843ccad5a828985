//! Tests that a written dump reads back unchanged and is a valid module.

use proptest::prelude::*;

use super::{scan, write, write_within};
use crate::memory::{Memory, Segment};
use crate::model::*;
use crate::read::read;

fn written(dump: &CoreDump<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let size = write(dump, &mut bytes).unwrap();
    assert_eq!(size, bytes.len() as u64);
    bytes
}

fn validate(bytes: &[u8]) {
    let features = wasmparser::WasmFeatures::all();
    wasmparser::Validator::new_with_features(features).validate_all(bytes).unwrap();
}

/// Compares everything that is written. The facts that only describe how a file was read (sections, size, warnings) are
/// not compared.
fn assert_same(dump: &CoreDump<'_>, again: &CoreDump<'_>) {
    assert_eq!(again.incomplete, None);
    assert_eq!(dump.executable, again.executable);
    assert_eq!(dump.producer, again.producer);
    assert_eq!(dump.process, again.process);
    assert_eq!(dump.reason, again.reason);
    assert_eq!(dump.modules, again.modules);
    assert_eq!(dump.instances, again.instances);
    assert_eq!(dump.threads, again.threads);
    assert_eq!(dump.memories, again.memories);
    assert_eq!(dump.globals, again.globals);
    assert_eq!(dump.tables, again.tables);
    assert_eq!(dump.host_calls, again.host_calls);
}

fn reference() -> impl Strategy<Value = Reference> {
    let kind = prop_oneof![
        Just(RefKind::Func),
        Just(RefKind::Extern),
        Just(RefKind::Any),
        Just(RefKind::Exn),
        Just(RefKind::Cont)
    ];
    let target = prop_oneof![
        Just(RefTarget::Null),
        (any::<Option<u32>>(), any::<u32>()).prop_map(|(instance, index)| RefTarget::Function { instance, index }),
        any::<i32>().prop_map(RefTarget::I31),
        any::<u32>().prop_map(RefTarget::Object),
        any::<Option<String>>().prop_map(RefTarget::Opaque),
    ];
    (kind, target).prop_map(|(kind, target)| Reference { kind, target })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Missing),
        any::<i32>().prop_map(Value::I32),
        any::<i64>().prop_map(Value::I64),
        any::<u32>().prop_map(Value::F32),
        any::<u64>().prop_map(Value::F64),
        any::<[u8; 16]>().prop_map(Value::V128),
        reference().prop_map(Value::Ref),
    ]
}

fn index() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), (0u32..5).prop_map(Some)]
}

fn indices() -> impl Strategy<Value = Vec<Option<u32>>> {
    prop::collection::vec(index(), 0..3)
}

fn values() -> impl Strategy<Value = Option<Box<[Value]>>> {
    prop::collection::vec(value(), 0..4).prop_map(|values| Some(values.into_boxed_slice()))
}

fn frame() -> impl Strategy<Value = Frame> {
    let recorded = (values(), values());
    let values = prop_oneof![Just((None, None)), recorded];
    let ran_in = prop_oneof![index().prop_map(|instance| (instance, None)), index().prop_map(|module| (None, module)),];
    (ran_in, prop::option::of(0u32..u32::MAX), prop::option::of(0u32..u32::MAX), values).prop_map(
        |((instance, module), function, code_offset, (locals, stack))| Frame {
            instance,
            module,
            function,
            code_offset,
            locals,
            stack,
        },
    )
}

fn thread() -> impl Strategy<Value = Thread> {
    (any::<String>(), prop::collection::vec(frame(), 0..6), any::<bool>())
        .prop_map(|(name, frames, truncated)| Thread { name, frames, truncated })
}

fn global() -> impl Strategy<Value = Global> {
    let ty = prop::sample::select(vec!["i32", "i64", "f32", "f64", "v128", "funcref", "externref", "anyref", "exnref"]);
    (ty, value(), any::<bool>()).prop_map(|(ty, value, mutable)| {
        let ty = value.type_name().unwrap_or(ty).to_owned();
        Global { ty, mutable, value }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_dump_reads_back_as_it_was_written(
        // An empty name reads as none.
        executable in "\\PC{1,20}",
        process in any::<(Option<Vec<String>>, Option<String>, Option<i32>)>(),
        reason in any::<Option<(String, Option<String>, Option<String>)>>(),
        names in prop::collection::vec(("[a-z]{1,9}", any::<Option<String>>(), any::<Option<Vec<u8>>>()), 0..4),
        instances in prop::collection::vec((index(), indices(), indices(), prop::option::of(indices())), 0..4),
        tables in prop::collection::vec((reference(), any::<u64>(), prop::collection::vec(reference(), 0..3)), 0..3),
        threads in prop::collection::vec(thread(), 0..3),
        globals in prop::collection::vec(global(), 0..5),
        contents in prop::collection::vec(prop::collection::vec((0u64..100, 1usize..50), 0..4), 0..3),
        memory64 in any::<bool>(),
        shared in any::<bool>(),
        page_size in prop::sample::select(vec![1u64, 65536]),
        captured in any::<bool>(),
    ) {
        let filler = [0xAB; 50];
        let memories = contents.iter().map(|gaps| {
            let mut memory = Memory::new(65536);
            memory.memory64 = memory64;
            memory.shared = shared;
            memory.page_size = page_size;
            memory.maximum = Some(131_072);
            memory.missing = (!captured).then(|| "left out".to_owned());
            let mut at = 0;
            let segments = gaps.iter().map(|&(gap, len)| {
                let segment = Segment { address: at + gap, bytes: &filler[..len] };
                at = segment.end();
                segment
            });
            memory.set_contents(segments.collect(), std::iter::once(if captured { 0..65536 } else { 7..9 }).collect());
            memory
        });
        let dump = CoreDump {
            executable: Some(executable),
            producer: Some("coredump-run 1.2.3".to_owned()),
            process: Process {
                pid: Some(7),
                producer: Some("coredump-run 1.2.3".to_owned()),
                args: process.0,
                executable: process.1.clone(),
                start_time: process.1.clone(),
                time: process.1.clone(),
                runtime: process.1.clone(),
                detail: process.1.clone(),
                host: process.1.clone(),
                exit_code: process.2,
                memory_limit: process.2.map(|code| u64::from(code.unsigned_abs()) << 8),
                replay: process.2.map(|code| Replay {
                    host_calls: code.unsigned_abs().into(),
                    recorded_bytes: 1 << 40,
                    verified: code > 0,
                    file: process.1.clone(),
                }),
                request: process.1.clone().map(|text| Request {
                    method: Some(text.clone()),
                    path: Some(text.clone()),
                    headers: vec![Header { name: "host".to_owned(), value: text }],
                    peer: None,
                }),
                annotations: process.1.map(|value| ("key".to_owned(), value)).into_iter().collect(),
            },
            reason: reason.map(|(kind, message, guest_stderr)| Reason {
                exception: message.clone().map(|tag| Thrown {
                    values: vec![ThrownValue::number("i32", 7), ThrownValue { ty: tag.clone(), ..ThrownValue::default() }],
                    tag: Some(tag),
                    rethrown: guest_stderr.as_ref().map(|_| 3),
                    last_only: guest_stderr.is_none(),
                }),
                kind,
                message,
                guest_stderr,
            }),
            modules: names.iter().map(|(name, path, embedded)| ModuleRecord {
                name: Some(name.clone()),
                path: path.clone(),
                sha256: path.as_ref().map(|_| "00ff".to_owned()),
                build_id: embedded.as_ref().map(|_| "0abc".to_owned()),
                content_sha256: path.as_ref().filter(|path| path.len() > 3).map(|_| "11".to_owned()),
                digest: path.as_ref().filter(|path| path.len() > 4).map(|_| "22".to_owned()),
                stamp: path.as_ref().filter(|path| path.len() > 6).map(|_| "1-2-3-4".to_owned()),
                embedded: embedded.as_deref(),
            }).collect(),
            instances: instances.into_iter().map(|(module, memories, globals, tables)| Instance {
                module, memories, globals, tables,
            }).collect(),
            tables: tables.into_iter().map(|(element, size, elements)| Table {
                element: element.kind,
                size,
                elements: elements.into_iter().map(|element| element.target).collect(),
            }).collect(),
            threads,
            memories: memories.collect(),
            globals,
            host_calls: names.iter().map(|(name, result, _)| HostCall {
                name: name.clone(),
                args: vec![name.clone(), "fd=3".to_owned()],
                failed: result.is_none(),
                since_start_ms: result.as_ref().map(|result| result.len() as u64),
                result: result.clone(),
            }).collect(),
            ..CoreDump::default()
        };
        let bytes = written(&dump);
        validate(&bytes);
        assert_same(&dump, &read(&bytes).unwrap());
    }

    #[test]
    fn the_scan_finds_every_byte_that_is_not_zero(set in prop::collection::btree_set(0usize..40_000, 0..60)) {
        let mut bytes = vec![0; 40_000];
        for &at in &set {
            bytes[at] = 1;
        }
        let ranges = scan::nonzero(&bytes, [0..17_000, 17_000..bytes.len()]);
        prop_assert!(ranges.is_sorted_by(|a, b| a.end < b.start));
        prop_assert!(ranges.iter().all(|range| bytes[range.start] != 0 && bytes[range.end - 1] != 0));
        prop_assert!(set.iter().all(|at| ranges.iter().any(|range| range.contains(at))));
    }
}

/// Without a section of ours, the module names would be taken for those of an old WasmEdge, which have no length; and
/// the frame would be read in an encoding of xtuc's, which uses up its bytes too.
#[test]
fn what_was_written_is_never_taken_for_another_layout() {
    let module = |name: &str| ModuleRecord { name: Some(name.to_owned()), ..ModuleRecord::default() };
    let frame =
        |stack: Option<Box<[Value]>>| Frame { function: Some(0), code_offset: Some(0), stack, ..Frame::default() };
    let frames = vec![frame(Some(Box::new([Value::I32(5)]))), frame(None), frame(None)];
    for dump in [
        CoreDump { modules: vec![module("a")], ..CoreDump::default() },
        CoreDump {
            executable: Some("a".to_owned()),
            threads: vec![Thread { frames, ..Thread::default() }],
            ..CoreDump::default()
        },
    ] {
        let bytes = written(&dump);
        let again = read(&bytes).unwrap();
        assert_same(&dump, &again);
        assert_eq!(again.layout, Layout::Standard);
    }
}

#[test]
fn wasmparser_reads_the_core_dump_sections() {
    let dump = CoreDump {
        executable: Some("app.wasm".to_owned()),
        modules: vec![ModuleRecord { name: Some("m".to_owned()), ..ModuleRecord::default() }],
        instances: vec![Instance { module: Some(0), globals: vec![Some(0)], ..Instance::default() }],
        threads: vec![Thread {
            name: "main".to_owned(),
            frames: vec![Frame {
                instance: Some(0),
                function: Some(3),
                code_offset: Some(12),
                locals: Some(Box::new([Value::I32(-7), Value::V128([1; 16])])),
                stack: Some(Box::new([Value::F64(1.5f64.to_bits())])),
                ..Frame::default()
            }],
            truncated: false,
        }],
        globals: vec![Global { ty: "i64".to_owned(), mutable: true, value: Value::I64(i64::MIN) }],
        ..CoreDump::default()
    };
    let bytes = written(&dump);
    let mut seen = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        let wasmparser::Payload::CustomSection(section) = payload.unwrap() else { continue };
        match section.as_known() {
            wasmparser::KnownCustom::CoreDump(core) => seen.push(core.name.to_owned()),
            wasmparser::KnownCustom::CoreDumpStack(stack) => {
                assert_eq!((stack.name, stack.frames.len()), ("main", 1));
                let frame = &stack.frames[0];
                assert_eq!((frame.instanceidx, frame.funcidx, frame.codeoffset), (0, 3, 12));
                assert!(matches!(
                    frame.locals[..],
                    [wasmparser::CoreDumpValue::I32(-7), wasmparser::CoreDumpValue::Missing]
                ));
                assert!(
                    matches!(frame.stack[..], [wasmparser::CoreDumpValue::F64(bits)] if bits.bits() == 1.5f64.to_bits())
                );
            }
            wasmparser::KnownCustom::CoreDumpModules(modules) => seen.push(modules.modules.concat()),
            wasmparser::KnownCustom::CoreDumpInstances(instances) => {
                seen.push(format!("{:?}", instances.instances[0].globals));
            }
            _ => {}
        }
    }
    assert_eq!(seen, ["app.wasm", "m", "[0]"]);
}

#[test]
fn more_than_a_section_holds_is_cut_at_the_high_ends_and_the_dump_says_so() {
    let bytes: Vec<u8> = (0..60_000u32).map(|at| (at % 251) as u8 + 1).collect();
    let memory = |memory64: bool, segments: &[(u64, usize)]| {
        let mut memory = Memory::new(65536);
        memory.memory64 = memory64;
        let segments = segments.iter().map(|&(at, len)| Segment { address: at, bytes: &bytes[at as usize..][..len] });
        memory.set_contents(segments.collect(), std::iter::once(0..65536).collect());
        memory
    };
    let memories = vec![
        memory(false, &[(0, 20_000), (30_000, 20_000)]),
        memory(true, &[(16, 30_000)]),
        memory(false, &[(0, 100), (50_000, 100)]),
    ];
    let dump = CoreDump { memories, ..CoreDump::default() };
    for limit in [0, 1, 5, 12, 250, 10_000, 29_000, 45_000, 71_000] {
        let mut file = Vec::new();
        write_within(limit, &dump, &mut file).unwrap();
        assert!((file.len() as u64) < limit + 1000, "limit {limit}: {} bytes", file.len());
        validate(&file);
        let again = read(&file).unwrap();
        for (index, (whole, cut)) in dump.memories.iter().zip(&again.memories).enumerate() {
            // The known bytes are unchanged, and the missing ones are one range up to the end.
            let known = cut.captured();
            let end = known.last().map_or(0, |range| range.end);
            assert!(known.len() <= 1 && known.iter().all(|range| range.start == 0), "memory {index}: {known:?}");
            assert_eq!(cut.bytes(0, end), whole.bytes(0, end), "memory {index}, limit {limit}");
            assert_eq!(cut.missing.is_some(), end < 65536, "memory {index}, limit {limit}: {:?}", cut.missing);
            if let Some(missing) = &cut.missing {
                assert!(
                    missing.contains(&format!("from {end:#x}")),
                    "memory {index}, limit {limit}: {missing}, {end:#x}"
                );
            }
        }
        let whole = again.memories.iter().filter(|memory| memory.missing.is_none()).count();
        assert_eq!(
            whole,
            match limit {
                0..=244 => 0,
                245..=30_999 => 1,
                31_000..=70_999 => 2,
                _ => 3,
            },
            "limit {limit}"
        );
    }
}

/// Takes a few bytes at a time, as pipes and full file systems do.
struct Reluctant(Vec<u8>);

impl std::io::Write for Reluctant {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_vectored(&[std::io::IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(99_991).collect();
        self.0.extend_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn many_segments_are_written_from_where_they_lie_whatever_is_taken_at_once() {
    const COUNT: u64 = 1200;
    let bytes: Vec<u8> = (0..COUNT * 2000).map(|at| (at % 251) as u8 + 1).collect();
    let segments = bytes.chunks(2000).zip(0u64..).map(|(bytes, index)| Segment { address: index * 5000, bytes });
    let mut memory = Memory::new(96 << 16);
    memory.set_contents(segments.collect(), std::iter::once(0..96 << 16).collect());
    let dump = CoreDump { memories: vec![memory], ..CoreDump::default() };
    let plain = written(&dump);
    let mut output = Reluctant(Vec::new());
    write(&dump, &mut output).unwrap();
    assert!(output.0 == plain);
    validate(&plain);
    let again = read(&plain).unwrap();
    assert_eq!(again.memories[0].segments().len() as u64, COUNT);
    assert_same(&dump, &again);
}

/// Remembers the longest write.
struct Longest(usize);

impl std::io::Write for Longest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_vectored(&[std::io::IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        self.0 = self.0.max(length);
        Ok(length)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_write_is_so_long_that_a_signal_waits_for_it() {
    let bytes = vec![7; 10 << 20];
    let mut memory = Memory::new(64 << 20);
    let small = (1..500).map(|index| Segment { address: (20 << 20) + index * 50_000, bytes: &bytes[..40_000] });
    let segments = std::iter::once(Segment { address: 0, bytes: &bytes[..] }).chain(small);
    memory.set_contents(segments.collect(), vec![]);
    let dump = CoreDump { memories: vec![memory], ..CoreDump::default() };
    let mut output = Longest(0);
    write(&dump, &mut output).unwrap();
    assert!((1 << 19..=1 << 20).contains(&output.0), "{}", output.0);
}

/// A dump that lost part of its contents never calls that part zero.
#[test]
fn what_a_cut_dump_lost_is_unknown_not_zero() {
    let mut memories = [Memory::new(65536), Memory::new(65536), Memory::new(65536)];
    memories[0]
        .set_contents(vec![Segment { address: 100, bytes: b"abc" }, Segment { address: 500, bytes: b"de" }], whole());
    memories[1].set_contents(vec![Segment { address: 300, bytes: b"fgh" }], whole());
    memories[2].set_contents(Vec::new(), whole());
    let dump = CoreDump { memories: memories.to_vec(), ..CoreDump::default() };
    let bytes = written(&dump);
    let byte = |memory: &Memory<'_>, address| memory.bytes(address, 1).ok().map(|bytes| bytes[0]);
    let again = read(&bytes).unwrap();
    assert_eq!(again.incomplete, None);
    let addresses = [0, 99, 100, 102, 103, 300, 302, 400, 499, 500, 501, 502, 65535];
    let mut known = 0;
    for len in 8..bytes.len() {
        let Ok(cut) = read(&bytes[..len]) else { continue };
        assert!(cut.incomplete.is_some() || cut.memories.is_empty(), "cut at {len}");
        for (memory, whole) in cut.memories.iter().zip(&dump.memories) {
            for address in addresses {
                let seen = byte(memory, address);
                assert!(seen.is_none() || seen == byte(whole, address), "cut at {len}: {address} is {seen:?}");
                known += usize::from(seen.is_some());
            }
        }
    }
    assert!(known > 100, "what lies below the last segment that is there stays known");
    // A memory of zeros alone says so in a data section without segments: without the section it would be cut off.
    let zeros = CoreDump { memories: vec![memories[2].clone()], ..CoreDump::default() };
    let bytes = written(&zeros);
    assert_eq!(byte(&read(&bytes).unwrap().memories[0], 9), Some(0));
    let cut = read(&bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(byte(&cut.memories[0], 9), None);
    assert!(cut.incomplete.is_some_and(|why| why.message.contains("before its data section")));
}

/// All of a memory of one page.
fn whole() -> Vec<std::ops::Range<u64>> {
    std::iter::once(0..65536).collect()
}
