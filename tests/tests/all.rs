//! Contains all end-to-end tests in one program, which is linked once and asks cargo for the binaries once. Only
//! `growth` is a program of its own, because it keeps both processors busy by itself.

#[path = "any_dump.rs"]
mod any_dump;
#[path = "bad_input.rs"]
mod bad_input;
#[path = "bt.rs"]
mod bt;
#[path = "bt_reasons.rs"]
mod bt_reasons;
#[path = "bt_source.rs"]
mod bt_source;
#[path = "candidates.rs"]
mod candidates;
#[path = "commands.rs"]
mod commands;
#[path = "competing_layouts.rs"]
mod competing_layouts;
#[path = "cookbook.rs"]
mod cookbook;
#[path = "dump.rs"]
mod dump;
#[path = "file_safety.rs"]
mod file_safety;
#[path = "gdb.rs"]
mod gdb;
#[path = "heap.rs"]
mod heap;
#[path = "heap_damage.rs"]
mod heap_damage;
#[path = "heap_twice.rs"]
mod heap_twice;
#[path = "heap_types.rs"]
mod heap_types;
#[path = "hostile.rs"]
mod hostile;
#[path = "html.rs"]
mod html;
#[path = "inputs.rs"]
mod inputs;
#[path = "json.rs"]
mod json;
#[path = "json_agrees.rs"]
mod json_agrees;
#[path = "json_encode.rs"]
mod json_encode;
#[path = "json_many.rs"]
mod json_many;
#[path = "json_reasons.rs"]
mod json_reasons;
#[path = "kotlin.rs"]
mod kotlin;
#[path = "layouts.rs"]
mod layouts;
#[path = "lldb.rs"]
mod lldb;
#[path = "main_path.rs"]
mod main_path;
#[path = "manual.rs"]
mod manual;
#[path = "random_objects.rs"]
mod random_objects;
#[path = "redact.rs"]
mod redact;
#[path = "run/main.rs"]
mod run;
#[path = "runtimes.rs"]
mod runtimes;
#[path = "serve.rs"]
mod serve;
#[path = "stored.rs"]
mod stored;
#[path = "symbols.rs"]
mod symbols;
#[path = "tasks.rs"]
mod tasks;
#[path = "terminal.rs"]
mod terminal;
#[path = "trace.rs"]
mod trace;
#[path = "variables.rs"]
mod variables;
#[path = "variables_cpp.rs"]
mod variables_cpp;
#[path = "variables_std.rs"]
mod variables_std;

/// The tests of a file that is not listed above would never run.
#[test]
fn every_file_is_part_of_the_program() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let own = std::fs::read_to_string(folder.join("all.rs")).expect("this file");
    for entry in folder.read_dir().expect("the tests").map(|entry| entry.expect("a file")) {
        let name = entry.file_name().into_string().expect("a name");
        let listed = own.contains(&format!("\"{name}\"")) || own.contains(&format!("\"{name}/main.rs\""));
        assert!(listed || ["all.rs", "growth.rs"].contains(&&*name), "{name} is in no program of tests");
    }
}
