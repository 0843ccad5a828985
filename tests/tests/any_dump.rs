//! Dumps that nobody wrote, made of random frames, memories and sections of ours: each becomes a document that follows
//! the published schema, and comes back from it as it was.

use coredump_tests::dump_builder::{self as build, FrameBytes, Number};
use coredump_tests::{Tool, follows_schema};
use proptest::prelude::*;
use serde_json::{Value, json};

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        Just(Number::Missing),
        any::<i32>().prop_map(Number::I32),
        any::<i64>().prop_map(Number::I64),
        any::<u32>().prop_map(|bits| Number::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Number::F64(f64::from_bits(bits))),
    ]
}

fn index() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..4, any::<u32>(), Just(u32::MAX)]
}

fn frame() -> impl Strategy<Value = FrameBytes> {
    let values = || proptest::collection::vec(number(), 0..4);
    (index(), index(), index(), values(), values()).prop_map(|(instance, function, offset, locals, stack)| FrameBytes {
        instance,
        function,
        offset,
        locals,
        stack,
    })
}

fn reason() -> impl Strategy<Value = Value> {
    ("[a-z-]{1,12}", any::<Option<String>>(), any::<Option<String>>())
        .prop_map(|(kind, message, stderr)| json!({"kind": kind, "message": message, "guest_stderr": stderr}))
}

/// One module's record, as the section `coredump.modules` holds it.
fn identity() -> impl Strategy<Value = Value> {
    (any::<Option<String>>(), any::<Option<[u8; 20]>>()).prop_map(|(path, id)| {
        let id = id.map(|id| id.map(|byte| format!("{byte:02x}")).concat());
        json!({"path": path, "build_id": id, "stamp": id, "digest": id, "sha256": id.as_ref().map(|id| format!("{id}000000000000000000000000"))})
    })
}

fn reference() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("null")),
        (any::<Option<u32>>(), any::<u32>())
            .prop_map(|(instance, index)| json!({"function": {"instance": instance, "index": index}})),
        any::<i32>().prop_map(|number| json!({"i31": number})),
        any::<Option<String>>().prop_map(|words| json!({"opaque": words})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn its_document_follows_the_schema_and_gives_it_back(
        executable in any::<String>(),
        names in proptest::collection::vec(any::<String>(), 0..3),
        instances in proptest::collection::vec((index(), proptest::collection::vec(index(), 0..3)), 0..3),
        threads in proptest::collection::vec(proptest::collection::vec(frame(), 0..4), 0..3),
        segments in proptest::collection::vec((0u32..70_000, proptest::collection::vec(any::<u8>(), 0..20)), 0..4),
        reason in proptest::option::of(reason()),
        identities in proptest::collection::vec(identity(), 0..3),
        elements in proptest::collection::vec(reference(), 0..4),
        args in proptest::collection::vec(any::<String>(), 0..3),
        exit_code in any::<Option<i32>>(),
    ) {
        let segments: Vec<(u32, &[u8])> = segments.iter().map(|(at, bytes)| (*at, &bytes[..])).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let instances: Vec<(u32, &[u32], &[u32])> =
            instances.iter().map(|(module, memories)| (*module, &memories[..], &[][..])).collect();
        let ours = |name: &str, contents: Value| build::custom(name, contents.to_string().as_bytes());
        let mut sections = vec![
            build::core(&executable),
            build::memory(1, Some(2)),
            build::data(&segments),
            build::coremodules(&names),
            build::coreinstances(&instances),
            ours("coredump.process", json!({"args": args, "exit_code": exit_code})),
            ours("coredump.modules", Value::Array(identities)),
            ours("coredump.tables", json!({"tables": [{"element": "func", "size": 9, "elements": elements}], "instances": [[0, null]]})),
        ];
        sections.extend(threads.iter().map(|frames| build::standard_stack(frames)));
        sections.extend(reason.map(|reason| ours("coredump.reason", reason)));
        let document = whole(build::module(&sections));
        let again = Tool::new("coredump-json").arg("--encode").stdin(document.to_string()).run().expect(0);
        prop_assert_eq!(contents(whole(again.stdout)), contents(document));
    }
}

fn whole(dump: Vec<u8>) -> Value {
    let options = ["--untrusted", "--memory", "base64"];
    let outcome = Tool::new("coredump-json").args(options).stdin(dump).run().expect(0);
    let document = outcome.json();
    follows_schema(&document);
    document
}

/// The document without the fields that only say how the file was read.
fn contents(mut document: Value) -> Value {
    let map = document.as_object_mut().expect("an object");
    for how in ["dump", "sections", "signature", "warnings"] {
        map.remove(how);
    }
    document
}
