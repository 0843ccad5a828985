//! `--fast`: what an uninstrumented engine tells, and what stays unknown.

use std::path::Path;

use coredump_tests::{Tool, fixture, wasmtime_dump};
use serde_json::{Value, json};

use super::{Run, frames, memory};

#[test]
fn frames_and_state_are_there_without_values() {
    let run = Run::fixture(&["--fast"], "wat-unreachable").expect(134);
    let dump = run.json();
    let frames = frames(&dump);
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|frame| frame["locals"].is_null() && frame["stack"].is_null()));
    assert!(frames.iter().all(|frame| frame["instance"] == 0));
    assert_eq!(dump["globals"][0]["value"], 42);
    assert_eq!(memory(&run.dump, 0, 16, 4), 0x1234_5678u32.to_le_bytes());
    // The same identity as in full detail.
    let full = Run::fixture(&[], "wat-unreachable").expect(134).json();
    assert_eq!(dump["modules"][0]["sha256"], full["modules"][0]["sha256"]);
}

#[test]
fn what_is_exported_is_found_and_what_is_not_is_unknown() {
    let text = "(module
        (table 2 funcref)
        (table $seen (export \"table\") 3 funcref)
        (memory (export \"memory\") 1 1 shared)
        (global $hidden (mut i64) (i64.const 5))
        (global (export \"global\") (mut i32) (i32.const 6))
        (func $own (export \"own\"))
        (func $private)
        (elem (table $seen) (i32.const 1) func $own $private)
        (data (i32.const 100) \"shared\")
        (func (export \"_start\") (global.set $hidden (i64.const 7)) unreachable))";
    let run = Run::wat(&["--fast"], text).expect(134);
    let dump = run.json();
    let instance = &dump["instances"][0];
    assert_eq!(instance["tables"], json!([null, 0]));
    assert_eq!(instance["memories"], json!([0]));
    assert_eq!(instance["globals"].as_array().unwrap().len(), 2);
    let elements = dump["tables"][0]["elements"].as_array().unwrap();
    assert_eq!(elements[0]["kind"], "null");
    assert_eq!(elements[1]["function_index"], 0);
    assert!(elements[2]["function_index"].is_null() && elements[2]["kind"] != "null", "{}", elements[2]);
    assert_eq!(dump["memories"][0]["shared"], true);
    assert_eq!(memory(&run.dump, 0, 100, 6), b"shared");
    let hidden = instance["globals"][0].as_u64().unwrap() as usize;
    assert_eq!(dump["globals"][hidden]["value"], "7");
}

#[test]
fn the_only_memory_is_everybodys() {
    let dump = Run::fixture(&["--fast"], "component-sum").expect(134).json();
    assert_eq!(dump["memories"].as_array().unwrap().len(), 1);
    let instances = dump["instances"].as_array().unwrap();
    let memories: Vec<_> = instances.iter().filter_map(|instance| instance["memories"].get(0)).collect();
    assert!(memories.len() > 1, "the program's and the adapter's: {instances:?}");
    assert!(memories.iter().all(|memory| **memory == 0), "{memories:?}");
}

/// The engine tells the module of a frame, not which of its instances ran. The function is known all the same.
#[test]
fn a_frame_whose_instance_is_in_doubt_has_its_module() {
    let text = "(component
        (core module $m
            (import \"\" \"next\" (func $next))
            (func $fail unreachable)
            (func (export \"run\") (call $next) (call $fail)))
        (core module $end (func (export \"next\")))
        (core instance $last (instantiate $end))
        (core instance $first (instantiate $m (with \"\" (instance (export \"next\" (func $last \"next\"))))))
        (core instance $second (instantiate $m (with \"\" (instance (export \"next\" (func $last \"next\"))))))
        (func (export \"run\") (canon lift (core func $second \"run\"))))";
    let run = Run::wat(&["--fast", "--invoke", "run()"], text).expect(134);
    let dump = run.json();
    let frames = frames(&dump);
    let place =
        |frame: &Value| (frame["instance"].clone(), frame["function"].clone(), frame["module_offset"].is_string());
    assert_eq!(
        frames.iter().map(place).collect::<Vec<_>>(),
        [(json!(null), json!("fail"), true), (json!(null), json!("run"), true)]
    );
    let module = frames[0]["module"].as_u64().unwrap() as usize;
    assert_eq!(frames[1]["module"], module);
    let of_module = dump["instances"].as_array().unwrap().iter().filter(|instance| instance["module"] == module);
    assert_eq!(of_module.count(), 2);
}

/// The calls of `climb` in a dump of that fixture, youngest first, with the variables that are known.
fn climbs(module: &str, dump: &Path) -> Vec<Value> {
    let binary = fixture(&format!("modules/{module}.wasm"));
    let document = Tool::new("coredump-json").arg("--locals").arg("-m").arg(binary).arg(dump).run().expect(0).json();
    frames(&document).iter().filter(|frame| frame["function"] == "climb").cloned().collect()
}

/// A variable's value, if it is known.
fn value(frame: &Value, name: &str) -> Option<usize> {
    let found = frame["variables"].as_array().unwrap().iter().find(|variable| variable["name"] == name).unwrap();
    found["value"].as_str().map(|value| value.parse().unwrap())
}

#[test]
fn an_interruption_at_a_functions_entry_hides_nothing_of_its_callers() {
    let run = Run::fixture(&["--fast", "--timeout", "300ms"], "climb-O0").expect(124);
    let calls = [run.dump.clone(), wasmtime_dump("climb-O0")].map(|dump| climbs("climb-O0", &dump));
    for calls in calls {
        let [youngest, callers @ ..] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!((&youngest["entered"], &youngest["line"]), (&json!(true), &json!(4)));
        assert_eq!(value(youngest, "height"), None, "what is in its place in memory was there before");
        assert!(callers.len() > 20, "{}", callers.len());
        for (index, caller) in callers.iter().rev().enumerate() {
            assert!(caller["entered"].is_null());
            let known = ["height", "next", "top"].map(|name| value(caller, name));
            assert_eq!(known, [Some(index), Some(index + 1), Some(50)]);
        }
    }
}
