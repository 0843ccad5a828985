//! The objects of garbage-collected programs: what the program made is what the dump holds, however it ran.

use serde_json::{Value, json};

use crate::{Run, frames, values};
use coredump_tests::{Tool, fixture};

/// `tests/fixtures/sources/wat/objects.wat`, where the expected values stand.
fn program(options: &[&str]) -> Run {
    Run::new(options, &fixture("sources/wat/objects.wat"), &[]).expect(134)
}

/// Texts of a list of values that are references.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|value| value["value"]["text"].as_str().unwrap_or("")).collect()
}

#[test]
fn objects_are_in_the_dump_whether_it_is_live_or_replayed() {
    for options in [&["--live"][..], &[]] {
        let dump = program(options).json();
        let draw = &frames(&dump)[0];
        let ids: Vec<_> = draw["locals"].as_array().unwrap().iter().map(|local| &local["value"]["id"]).collect();
        assert_eq!(ids, [&json!(1), &json!(2), &json!(3), &Value::Null], "nearest to the youngest frame first");
        assert_eq!(texts(&draw["locals"])[0], "struct $circle {area = 3.5, side = 0, radius = 1.5}");
        assert_eq!(texts(&draw["locals"])[2], "hi");
        assert_eq!(draw["locals"][0]["value"]["type"], "circle");
        assert_eq!(texts(&draw["stack"]), ["struct $empty {}"], "an object that only the operand stack holds");
        let run = &frames(&dump)[1];
        assert_eq!(run["locals"][0]["value"]["id"], 2, "the same object has the same id in every frame");
        assert_eq!(run["locals"][1]["value"]["id"], 1);
        let globals: Vec<_> = dump["globals"].as_array().unwrap().iter().collect();
        assert_eq!(globals[0]["value"]["type"], "list");
        assert_eq!(globals[1]["value"], json!({"kind": "i31", "number": -5}));
        let elements = &dump["tables"][0]["elements"];
        assert_eq!(elements[1]["type"], "packed");
        assert_eq!(elements[3], json!({"kind": "i31", "number": 7}));
        assert_eq!(dump["warnings"], json!([]));
    }
}

#[test]
fn variables_of_a_program_without_debug_information_are_its_named_locals() {
    let run = program(&[]);
    let text = Tool::new("coredump-bt").args(["--locals", "-q"]).arg(&run.dump).run().expect(0).stdout;
    let text = String::from_utf8(text).unwrap();
    let whole = "things: things = array $things of 12 [struct $square {area = 6.25, side = 2}, \
                 struct $circle {area = 3.5, side = 0, radius = 1.5}, \
                 struct $list {first = struct $node {value = 1111111111111, next = struct $node {value = -2, ";
    assert!(text.contains(whole), "{text}");
    for part in [
        "struct $packed {a = 200, 1 = 60000, c = -1, bits = 0x00000004000000030000000200000001}",
        "array $grid of 3 [array $row of 3 [1, -2, 3], null, array $row of 0 []]",
        "i31 1073741823, i31 -1073741824, array $bytes of 4 [0, 127, 128, 255]",
        "struct $button {label = array $text of 4 \"Stöp\", on_click = func[0] <double>, host = struct $list {",
        // Types that are equal are one to the engine.
        "struct $one | $other {same = 1}, struct $one | $other {same = 2}, #2]",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("VMSharedTypeIndex"));
}

#[test]
fn an_uninstrumented_run_has_what_globals_and_a_pending_exception_reach() {
    let dump = program(&["--fast"]).json();
    assert_eq!(frames(&dump)[0]["locals"], Value::Null);
    assert_eq!(dump["globals"][0]["value"]["type"], "list");
    assert!(dump["sections"].to_string().contains("coredump.objects"));
    let thrown = program(&["--fast", "--invoke", "throw"]).json();
    let values = &thrown["reason"]["exception"]["values"];
    assert_eq!(values[1]["value"]["id"], thrown["globals"][0]["value"]["id"], "the exception carries that list");
}

#[test]
fn an_exception_carries_objects() {
    let dump = program(&["--invoke", "throw"]).json();
    let exception = &dump["reason"]["exception"];
    assert_eq!(
        (&exception["tag"], &exception["values"][0]),
        (&json!("failure"), &json!({"type": "i32", "bits": "0xd"}))
    );
    let carried = &exception["values"][1];
    assert_eq!((&carried["type"], &carried["value"]["type"]), (&json!("anyref"), &json!("list")));
    assert_eq!(carried["value"]["id"], frames(&dump)[0]["locals"][0]["value"]["id"]);
}

#[test]
fn what_the_bound_left_out_is_said() {
    // The circle has 16 bytes behind one for its type; the array of twelve references does not fit any more.
    let run = program(&["--heap-limit", "60"]);
    let dump = run.json();
    let draw = &frames(&dump)[0];
    assert_eq!(texts(&draw["locals"])[0], "struct $circle {area = 3.5, side = 0, radius = 1.5}");
    assert!(texts(&draw["locals"])[1].ends_with("that are not in the dump]"), "{}", draw["locals"]);
    assert!(
        dump["warnings"].to_string().contains("more than 60 bytes were not captured (--heap-limit)"),
        "{}",
        dump["warnings"]
    );
    let none = program(&["--memory", "none"]).json();
    assert!(!none["sections"].to_string().contains("coredump.objects"));
    assert_eq!(values(&frames(&none)[0]["locals"])[0], r#"{"kind":"object","id":1}"#);
}
