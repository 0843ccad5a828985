//! The reason why each fixture died, and the name of its crash, for every language. The functions are those of the
//! fixtures' sources (tests/fixtures/README.md lists them), the traps those of wasmtime's own backtraces beside them.

use coredump_tests::{Tool, fixture, scratch, wasmtime_dump};
use serde_json::{Value, json};

fn document(module: &str) -> Value {
    let binary = fixture(&format!("modules/{module}.wasm"));
    Tool::new("coredump-json").arg("-m").arg(binary).arg(wasmtime_dump(module)).run().expect(0).json()
}

#[test]
fn crashes_are_named_by_the_programs_own_functions() {
    let cases = [
        ("sum-O0", "divide | share | sum | main"),
        ("sum-O2", "divide | share | sum | main"),
        ("sum-O0-dwarf5", "divide | share | sum | main"),
        ("sum-names", "divide | share | sum | main"),
        ("component-sum", "divide | share | sum | main"),
        ("abort", "give_up | main"),
        ("assert", "percent | main"),
        ("recurse", "descend | main"),
        ("vars-O0", "divide | scopes | pointers | aggregates | scalars"),
        ("vars-O2", "divide | scopes | pointers | aggregates | scalars"),
        ("cpp-vars-O0", "ratio | shop::Drink::pour | lambdas | smart | choices"),
        ("cpp-terminate", "Guard::~Guard | protect | main"),
        ("trap", "trap::baz | trap::bar | trap::foo | trap::main"),
        ("trap-std", "trap::baz | trap::bar | trap::foo | trap::main"),
        ("rust-legacy", "trap::baz | trap::bar | trap::foo | trap::main"),
        ("rust-inline-O2", "inline::refuse | inline::withdraw | inline::pay | inline::main"),
        ("zig-vars-Debug", "vars.last | vars.unions | vars.scalars | vars.main"),
        ("zig-vars-ReleaseSafe", "vars.last | vars.unions | vars.scalars | vars.main"),
        ("go-panic", "main.withdraw | main.pay | main.main"),
        ("as-trap", "assemblyscript/trap/quotient | assemblyscript/trap/sum | assemblyscript/trap/main"),
        ("wat-mutual", "even | odd"),
    ];
    for (module, signature) in cases {
        assert_eq!(document(module)["signature"], signature, "{module}");
    }
}

#[test]
fn rust_crashes_at_every_level_are_one_crash() {
    let [plain, optimised, v0] = ["rust-vars-O0", "rust-vars-O3", "rust-vars-v0"].map(|module| {
        let signature = document(module)["signature"].clone();
        signature.as_str().expect("a signature").split(" | ").next().map(str::to_owned)
    });
    assert_eq!(plain.as_deref(), Some("vars::fail"));
    assert_eq!((&plain, &plain), (&optimised, &v0));
}

#[test]
fn the_trapping_instruction_tells_what_the_producer_did_not_record() {
    let cases = [
        ("sum-O0", "integer-divide-by-zero"),
        ("wat-catch", "integer-divide-by-zero"),
        ("oob", "memory-out-of-bounds"),
        ("wat-memory64", "memory-out-of-bounds"),
        ("wat-gc", "null-reference"),
        ("wat-overflow", "stack-overflow"),
        ("wat-unreachable", "unreachable"),
        // Wasmtime's optimised code blames the `if` around it.
        ("wat-mutual", "unreachable"),
        ("wat-nameless", "unreachable"),
    ];
    for (module, kind) in cases {
        let reason = &document(module)["reason"];
        assert_eq!((&reason["kind"], &reason["source"]), (&json!(kind), &json!("inferred")), "{module}");
    }
}

#[test]
fn an_address_is_told_only_where_code_and_dump_prove_it() {
    // multi-memory.wat stores to the constant address 131072.
    let message = document("wat-multi-memory")["reason"]["message"].clone();
    assert_eq!(message, "i32.store8 of 1 byte at address 0x20000, outside the memory of 131072 bytes");
    // oob.c reads through a pointer in its frame, and the code proves where that is: wasmtime writes no locals.
    let message = document("oob")["reason"]["message"].clone();
    assert_eq!(message, "i32.load8_u of 1 byte at address 0xfffffff0 (null - 16), outside the memory of 131072 bytes");
}

#[test]
fn the_place_is_the_youngest_in_the_programs_own_code() {
    let place = |module: &str| {
        let place = document(module)["place"].clone();
        json!([place["thread"], place["frame"], place["function"], place["line"]])
    };
    // assert.c:6 stands below `abort` and `__assert_fail`, trap.rs:16 below the panic's machinery.
    assert_eq!(place("assert"), json!([0, 2, "percent", 6]));
    assert_eq!(document("trap")["place"]["line"], 16);
    // `divide` is inlined in frame 0.
    assert_eq!(place("sum-O2"), json!([0, 0, "divide", 25]));
    assert_eq!(place("wat-nameless"), json!([0, 0, "func[1]", null]));
}

/// The reason in the dump that `coredump-run` leaves of a fixture.
fn recorded(module: &str) -> Value {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let binary = fixture(&format!("modules/{module}.wasm"));
    Tool::new("coredump-run").args(["--quiet", "-o"]).arg(&dump).arg(binary).run();
    Tool::new("coredump-json").arg(dump).run().expect(0).json()["reason"].clone()
}

#[test]
fn what_code_and_dump_prove_is_told_beside_the_engines_message() {
    // oob.c: packet->data is 0xfffffff0, i is 0.
    let reason = recorded("oob");
    assert_eq!((&reason["source"], &reason["kind"]), (&json!("recorded"), &json!("memory-out-of-bounds")));
    assert_eq!(
        reason["detail"],
        "i32.load8_u of 1 byte at address 0xfffffff0 (null - 16), outside the memory of 131072 bytes"
    );
    // indirect.c: `handler` is `add`, of another type.
    let detail = recorded("indirect")["detail"].clone();
    assert!(
        detail.as_str().is_some_and(|detail| detail.contains(", add: it is (i32 i32) -> (i32), called as ")),
        "{detail}"
    );
    // There is nothing to add to what the engine says of a division.
    assert_eq!(recorded("sum-O0")["detail"], Value::Null);
}

#[test]
fn a_shadow_stack_that_ran_out_is_called_that() {
    let detail = recorded("shadow")["detail"].clone();
    let detail = detail.as_str().expect("a detail");
    assert!(detail.starts_with("the shadow stack ran out of memory ($__stack_pointer is 0xfff"), "{detail}");
    assert!(detail.contains("; i32.store"), "{detail}");
}

#[test]
fn panics_are_told_from_the_arguments_on_the_stack() {
    let panic = |module: &str| {
        let panic = document(module)["reason"]["panic"].clone();
        json!([panic["language"], panic["message"], panic["location"]])
    };
    assert_eq!(panic("trap"), json!(["rust", "assertion failed: x != 42", "rust/trap.rs:16:5"]));
    assert_eq!(panic("rust-legacy"), json!(["rust", "assertion failed: x != 42", "rust/trap.rs:16:5"]));
    assert_eq!(panic("assert"), json!(["c", "assertion failed: part <= whole (percent, c/assert.c:6)", null]));
    assert_eq!(panic("cpp-terminate"), json!(["c++", "std::terminate", null]));
    assert_eq!(panic("go-panic")[0], "go");
    assert_eq!(panic("ab-ubsan"), json!(["c", "undefined behaviour, caught by the sanitizer", null]));
    assert_eq!(panic("sum-O0")[0], Value::Null);
}

#[test]
fn a_panics_own_words_are_found_in_memory_where_nobody_recorded_them() {
    let panic = |module: &str| {
        let panic = document(module)["reason"]["panic"].clone();
        json!([panic["message"], panic["location"], panic["source"]])
    };
    // As the programs print them. Rust: the buffer of the hook, on the stack that is not in use any more.
    let message = "index out of bounds: the len is 3 but the index is 4";
    for module in ["rust-vars-O0", "rust-vars-O3", "rust-vars-v0"] {
        assert_eq!(panic(module), json!([message, "rust/vars.rs:69:5", "stack"]), "{module}");
    }
    // Zig: a variable of the panicking functions, also where optimisation left only the writer that made it.
    let message = "index out of bounds: index 4, len 3";
    for module in ["zig-vars-Debug", "zig-vars-ReleaseSafe"] {
        assert_eq!(panic(module), json!([message, null, "stack"]), "{module}");
    }
}

#[test]
fn a_panic_whose_youngest_frame_stands_before_its_unreachable_is_one_all_the_same() {
    // wasmtime blames a branch some instructions before the `unreachable` after the end of its block.
    let reason = document("zig-vars-ReleaseSafe")["reason"].clone();
    assert_eq!((&reason["kind"], &reason["source"]), (&json!("unreachable"), &json!("inferred")));
    assert_eq!(reason["panic"]["language"], "zig");
    assert!(reason["panic"]["message"].as_str().unwrap().starts_with("index out of bounds"), "{reason}");
}

/// A trap of this body's instruction at `offset`, in a dump that says nothing more.
fn inferred(body: &[u8], offset: u32) -> Value {
    use coredump_tests::dump_builder as build;
    let folder = scratch();
    let (binary, dump) = (folder.path().join("app.wasm"), folder.path().join("dump"));
    std::fs::write(&binary, build::wasm(&[body], &[])).unwrap();
    let frames = [build::frame(0, offset, &[])];
    let instances = build::coreinstances(&[(0, &[], &[])]);
    let sections = [build::core("app"), build::coremodules(&["app"]), instances, build::standard_stack(&frames)];
    std::fs::write(&dump, build::module(&sections)).unwrap();
    Tool::new("coredump-json").arg("-m").arg(binary).arg(dump).run().expect(0).json()["reason"].clone()
}

/// If an instruction can trap in several ways, the kind is not guessed.
#[test]
fn a_kind_is_told_only_where_the_operands_prove_it() {
    const LEAST: [u8; 6] = [0x41, 0x80, 0x80, 0x80, 0x80, 0x78];
    const MINUS_ONE: [u8; 2] = [0x41, 0x7f];
    const ZERO: [u8; 2] = [0x41, 0];
    const SEVEN: [u8; 2] = [0x41, 7];
    // Loads from a memory that the dump does not hold.
    const UNKNOWN: [u8; 5] = [0x41, 16, 0x28, 2, 0];
    const UNKNOWN_FLOAT: [u8; 5] = [0x41, 16, 0x2b, 3, 0];
    let kind = |operands: &[&[u8]], instruction: u8| {
        let operands = operands.concat();
        let body = [&[0], &operands[..], &[instruction, 0x1a, 0x0b]].concat();
        inferred(&body, 1 + operands.len() as u32)["kind"].as_str().unwrap().to_owned()
    };
    let (div_s, div_u, rem_s) = (0x6d, 0x6e, 0x6f);
    assert_eq!(kind(&[&LEAST, &MINUS_ONE], div_s), "integer-overflow");
    assert_eq!(kind(&[&UNKNOWN, &MINUS_ONE], div_s), "integer-overflow");
    assert_eq!(kind(&[&UNKNOWN, &ZERO], div_s), "integer-divide-by-zero");
    assert_eq!(kind(&[&SEVEN, &UNKNOWN], div_s), "integer-divide-by-zero");
    assert_eq!(kind(&[&LEAST, &UNKNOWN], div_s), "integer-division");
    assert_eq!(kind(&[&UNKNOWN, &UNKNOWN], div_s), "integer-division");
    // It cannot have trapped with these.
    assert_eq!(kind(&[&UNKNOWN, &SEVEN], div_s), "integer-division");
    assert_eq!(kind(&[&UNKNOWN, &UNKNOWN], div_u), "integer-divide-by-zero");
    assert_eq!(kind(&[&UNKNOWN, &UNKNOWN], rem_s), "integer-divide-by-zero");
    let float = |number: f64| [&[0x44], &number.to_le_bytes()[..]].concat();
    let (trunc_s, trunc_u) = (0xaa, 0xab);
    assert_eq!(kind(&[&float(4e30)], trunc_s), "integer-overflow");
    assert_eq!(kind(&[&float(3e9)], trunc_s), "integer-overflow");
    assert_eq!(kind(&[&float(3e9)], trunc_u), "conversion-to-integer", "4294967295 is the greatest");
    assert_eq!(kind(&[&float(-1.5)], trunc_u), "integer-overflow");
    assert_eq!(kind(&[&float(f64::NAN)], trunc_s), "invalid-conversion-to-integer");
    assert_eq!(kind(&[&UNKNOWN_FLOAT], trunc_s), "conversion-to-integer");
}

#[test]
fn an_interruption_that_wasmtime_does_not_name_is_no_stack_that_ran_out() {
    // Stopped at the entry of a function that calls itself; 53 frames are far from the end of any stack.
    let entered = document("climb-O0");
    assert!(entered["reason"].is_null(), "{}", entered["reason"]);
    assert_eq!(entered["threads"][0]["frames"][0]["entered"], true);
    let stopped = document("climb-O2");
    assert_eq!(stopped["reason"]["kind"], "interrupt");
    let youngest = &stopped["threads"][0]["frames"][0];
    assert!(youngest["entered"].is_null());
    assert_eq!(
        (&youngest["function"], &youngest["line"]),
        (&json!("climb"), &json!(5)),
        "the line that the loop comes to next"
    );
}

#[test]
fn an_offset_that_wasmtime_lost_by_inlining_is_no_entry() {
    // `_start` calls what divided by zero: the dump has 0 for its offset, as for a function that was only entered.
    let inlined = document("wat-inlined");
    let youngest = &inlined["threads"][0]["frames"][0];
    assert_eq!(youngest["function"], "_start");
    assert!(youngest["entered"].is_null() && youngest["module_offset"].is_null(), "{youngest}");
    assert!(inlined["reason"].is_null(), "{}", inlined["reason"]);
}
