//! The objects of garbage-collected programs: what the program made is what the dump holds, however it ran.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Run, frames};
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
        "struct $one | $other {same = 1}, struct $one | $other {same = 2}, array $things of 12 #2]",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("VMSharedTypeIndex"));
}

/// `tests/fixtures/sources/wat/shapes.wat`, where the expected values stand beside each local.
#[test]
fn shapes_of_each_proposal_are_what_the_program_made() {
    for options in [&["--live"][..], &[]] {
        let run = Run::new(options, &fixture("sources/wat/shapes.wat"), &[]).expect(134);
        let dump = run.json();
        let list = frames(&dump);
        let names: Vec<_> = list.iter().map(|frame| frame["function"].as_str().unwrap()).collect();
        assert_eq!(names, ["fails", "last", "_start"], "a tail call leaves no frame");
        assert_eq!(texts(&list[0]["locals"])[1], "struct $base {id = 31}");
        assert_eq!(list[0]["locals"][2]["value"]["id"], list[1]["locals"][8]["value"]["id"], "the same list");
        let locals = &list[1]["locals"];
        for local in [0, 2] {
            assert_eq!(locals[local]["value"]["type"], "leaf", "its own type, whatever the local's is");
        }
        let text = Tool::new("coredump-bt").args(["--locals", "-q"]).arg(&run.dump).run().expect(0).stdout;
        let text = String::from_utf8(text).unwrap();
        for part in [
            "leaf: leaf = struct $leaf {id = 40, tag = 254, wide = 40000, next = struct $leaf #",
            "middle: middle = struct $middle {id = 5, tag = 200}\n",
            "even: even | even2 = struct $even | $even2 {odd = struct $odd | $odd2 {even = null, n = -9}}\n",
            "even2: even | even2 = struct $even | $even2 {odd = struct $odd | $odd2 {even = struct $even | $even2 {odd = null}, n = 9}}\n",
            "even3: even3 = struct $even3 {odd = struct $odd3 {even = null, n = 1}}\n",
            "plane: plane = array $plane of 3 [array $row of 2 [array $bytes of 2 [7, 7], null], null, array $row of 0 []]\n",
            "longs: longs = array $longs of 2 [-1, 9223372036854775807]\n",
            "doubles: doubles = array $doubles of 2 [0.5, -inf]\n",
            "vectors: vectors = array $vectors of 1 [0x02000000000000000000000000000001]\n",
            "mixed: mixed = array $mixed of 6 [i31 -1, struct $leaf {id = 40, ",
            "}, array $bytes of 1 [128], null, i31 1073741823, struct $closure {code = func[0] <work>, bound = array $row of 1 [null], x = 1.5, y = -2.25}]\n",
            "hosts: hosts = array $hosts of 3 [struct $leaf {id = 40, ",
            "}, null, i31 4]\n",
            "caught: broken = exception $broken {0 = struct $leaf {id = 40, ",
            "}, 1 = 2.5, 2 = i31 3}\n",
            "keeps: keeps = struct $keeps {exception = exception $broken {0 = struct $leaf {id = 40, ",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let kinds: Vec<_> = locals.as_array().unwrap()[16..].iter().map(|local| &local["value"]["kind"]).collect();
        let expected = ["null", "struct", "i31", "struct", "array", "null", "func", "null", "struct", "null", "null"];
        assert_eq!(kinds, expected, "nulls of every hierarchy: {locals}");
        assert_eq!(locals[18]["value"]["number"], -1073741824);
        let stack = list[1]["stack"].as_array().unwrap();
        assert_eq!(
            (&stack[0]["value"]["type"], &stack[1]["value"]),
            (&json!("row"), &json!("6")),
            "below the call's own"
        );
        let globals: Vec<_> =
            dump["globals"].as_array().unwrap().iter().map(|global| &global["value"]["text"]).collect();
        assert_eq!(globals[0], "struct $leaf {id = -1, tag = 128, wide = 32768, next = null}");
        assert_eq!(
            (globals[1], globals[3]),
            (&json!("array $shorts of 3 [2, 3, 65535]"), &json!("struct $base {id = 77}"))
        );
        assert_eq!(dump["tables"][0]["elements"][1]["id"], locals[0]["value"]["id"]);
        assert_eq!(dump["tables"][1]["elements"][0], json!({"kind": "i31", "number": 12}));
        assert_eq!(dump["tables"][1]["elements"][3]["id"], locals[7]["value"]["id"]);
        let filled = dump["tables"][2]["elements"].as_array().unwrap();
        assert_eq!((&filled[0]["id"], &filled[0]["text"]), (&filled[1]["id"], &json!("array $bytes of 2 [1, 255]")));
        assert_eq!(dump["warnings"], json!([]));
    }
    let fast = Run::new(&["--fast"], &fixture("sources/wat/shapes.wat"), &[]).expect(134).json();
    let globals = fast["globals"].as_array().unwrap();
    assert!(globals.iter().any(|global| global["value"]["text"] == "struct $base {id = 77}"), "{globals:?}");
}

/// `tests/fixtures/sources/moonbit/objects.mbt`.
#[test]
fn a_program_of_moonbit_is_shown_with_its_types() {
    let run = Run::fixture(&[], "moonbit-objects").expect(134);
    let text = Tool::new("coredump-bt").args(["--locals", "-q"]).arg(&run.dump).run().expect(0).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(" @main.checkout (basket=struct @main.Basket {"), "{text}");
    assert!(text.contains("    depth: i32 = 37\n"), "{text}");
    for part in [
        "struct @main.Order {0 = 1, 1 = 2.5, 2 = array $moonbit.string of 3 \"one\"}",
        "struct @main.Order {0 = 2, 1 = 3.5, 2 = array $moonbit.string of 3 \"two\"}",
        // The first number of a constructor is which one it is.
        "1 = struct @main.Tree::Node {0 = 1, 1 = 7, 2 = struct $moonbit.enum {0 = 0}, 3 = struct @main.Tree::Node {0 = 1, 1 = 9, ",
        "{0 = 4, 1 = array $moonbit.string of 4 \"four\"}",
        "struct @main.Customer {0 = array $moonbit.string of 3 \"Zoë\", 1 = 12345678901, 2 = struct @main.Basket #1}",
        "array $moonbit.bytes of 3 [0, 127, 255]",
        // The contents of the closure, and the count: 5 and 37.
        ", 1 = 3}, 6 = 42}",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// `tests/fixtures/sources/moonbit/shapes.mbt`.
#[test]
fn types_of_moonbit_that_are_made_of_others_have_their_names() {
    let run = Run::fixture(&[], "moonbit-shapes").expect(134);
    let print = ["--frame", "0", "--print", "ledger"];
    let text = Tool::new("coredump-dump").args(print).arg(&run.dump).run().expect(0).text().to_owned();
    for part in [
        "0 = struct @main.Chain[Int]::Link {0 = 1, 1 = 1, 2 = struct @main.Chain[Int]::Link {0 = 1, 1 = -2, ",
        "1 = struct @main.Chain[String]::Link {0 = 1, 1 = array $moonbit.string of 3 \"one\", 2 = ",
        "2 = array $FixedArray[@main.Outcome] of 3 [struct @main.Outcome::Good {0 = 0, 1 = -9000000000}, \
         struct @main.Outcome::Bad {0 = 1, 1 = array $moonbit.string of 2 \"no\", 2 = 404}, struct $moonbit.enum {0 = 2}]",
        "@main.Cell[Int] {0 = 42}}, 4 = 1.25, 5 = array $FixedArray[@main.Shape] of 2 [",
        "1 = struct @main.Square {0 = 7}}",
        "1 = struct @main.Circle {0 = 0.5, 1 = 233}}]",
        "FixedArray[Bool] of 2 [1, 0], 7 = ",
        " of 2 [97, 128512], 8 = array $moonbit.array_i64 of 2 [1, -9223372036854775808]",
        "9 = array $moonbit.array_f64 of 2 [0.1, -2.5e300], 10 = array $FixedArray[Float] of 2 [0.5, -3.0]",
        "11 = array $FixedArray[FixedArray[Int]] of 3 [",
        "12 = struct $(Int, (Bool, String), Char) {0 = 1, 1 = struct $(Bool, String) {0 = 1, 1 = array $moonbit.string of 2 \"in\"}, 2 = 122}",
        "array $moonbit.string of 4 \"a😀b\"",
        " = -294967296}",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let document = run.json();
    let frame = &frames(&document)[0];
    assert_eq!(frame["function"], "@main.settle");
    let values: Vec<_> = frame["locals"].as_array().unwrap()[1..5].iter().map(|local| local["value"].clone()).collect();
    assert_eq!(values[..2], [json!(1), json!(120)]);
}

/// `tests/fixtures/sources/moonbit/kinds.mbt`.
#[test]
fn values_of_each_type_of_moonbit_are_those_of_its_source() {
    let run = Run::fixture(&[], "moonbit-kinds").expect(134);
    let text = Tool::new("coredump-dump").args(["--object", "1"]).arg(&run.dump).run().expect(0).text().to_owned();
    let field = |index: u32| {
        let start = format!("field\t[{index}]\t");
        let line = text.lines().find_map(|line| line.strip_prefix(&start)).expect("the field is there");
        line.to_owned()
    };
    let numbers: Vec<String> = [8, 9, 10, 11, 12, 16].map(field).into();
    // Some(true), 'Q', (), 1.5, 18446744073709551615UL, -300.
    assert_eq!(numbers, ["i32\t1", "i32\t81", "i32\t0", "f32\t1.5", "i64\t-1", "i32\t-300"]);
    let some = "@moonbitlang/core/option.Option";
    for (index, value) in [
        (5, "struct $(Int16, UInt16, Byte) {0 = -5, 1 = 65000, 2 = 200}".to_owned()),
        (6, format!("struct @main.Json::Num | {some}[Double]::Some {{0 = 1, 1 = 2.5}}")),
        // Some(None), of which the inner one is a number that no Int is.
        (7, format!("struct @main.Opt2[Int64]::Some2 | {some}[Int?]::Some {{0 = 1, 1 = 4294967296}}")),
        (13, "array $moonbit.bytes of 5 [97, 98, 99, 0, 255]".to_owned()),
        (14, "array $moonbit.string of 0 []".to_owned()),
        (17, "array $FixedArray[Int?] of 3 [0, 4294967296, -2147483648]".to_owned()),
    ] {
        let field = field(index);
        let seen = field.split_once(' ').map(|(_, seen)| seen);
        assert_eq!(seen, Some(&value[..]), "{index}");
    }
    let print = ["--frame", "0", "--print", "world"];
    let text = Tool::new("coredump-dump").args(print).arg(&run.dump).run().expect(0).text().to_owned();
    for part in [
        "{0 = struct @main.Map {0 = array $FixedArray[@main.Node?] of 3 [null, struct @main.Node {0 = ",
        "array $moonbit.string of 8 \"beta\\n\\\"q\\\"\", 1 = 2, 2 = struct @main.Node #",
        ", null], 1 = 44}",
        "array $FixedArray[@main.Color] of 3 [struct $moonbit.enum {0 = 0}, struct @main.Color::Custom {0 = 2, 1 = 1, ",
        "2 = 254, 3 = 128}, struct $moonbit.enum {0 = 1}]",
        "struct @main.Pair[@main.Point, @main.Opt2[Int64]] {0 = struct @main.Point {0 = -7, 1 = -0.5}, 1 = ",
        "[struct @main.Handler {0 = array $moonbit.string of 4 \"plus\", 1 = struct $__moonbit_main.anon_",
        ", 1 = 10}, 2 = array $FixedArray[String] of 2 [array $moonbit.string of 2 \"t1\", ",
        "1 = struct $(Int, String) -> Int {0 = func[3] <",
        "array $FixedArray[@main.Point] of 1 [struct @main.Point {0 = 1, 1 = 1.0}]",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// `tests/fixtures/sources/python/p2w-shop.py`: of a compiler that nothing here knows, types and fields have names all
/// the same.
#[test]
fn a_program_of_an_unknown_compiler_is_shown_with_its_types() {
    let run = Run::fixture(&["--unknown-imports-trap"], "p2w-shop").expect(134);
    let document = run.json();
    let report = frames(&document).iter().position(|frame| frame["function"] == "user_func_2").unwrap().to_string();
    let print = |expression: &str| {
        let tool = Tool::new("coredump-dump").args(["--frame", &report, "--print", expression]).arg(&run.dump);
        tool.run().expect(0).text().trim_end().to_owned()
    };
    for (expression, value) in [
        ("var_depth", "i31 37"),
        ("var_big", "i31 1234567"),
        (
            "var_flags",
            "struct $TUPLE {data = array $ARRAY_ANY of 3 [struct $BOOL {0 = 1}, null, struct $FLOAT {0 = 2.5}], len = 3}",
        ),
        ("var_nested.len", "3"),
        ("var_nested.data[0].data[1]", "i31 2"),
        ("var_nested.data[1]", "struct $EMPTY_LIST {}"),
        ("var_nested.data[2].data", "array $ARRAY_ANY of 1 [i31 3]"),
        ("var_orders.len", "2"),
        // Three types that are equal are one to the engine.
        ("var_names.table.count", "2"),
    ] {
        assert_eq!(print(expression), format!("{expression} = {value}"));
    }
    let types = lines(&["--heap"], &run);
    let count = |name: &str| types.iter().find(|line| line[2] == name).map(|line| line[3].clone()).unwrap();
    assert_eq!((count("OBJECT"), count("CLASS"), count("DICT | DICT_V2 | SET")), ("2".into(), "1".into(), "1".into()));
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
fn a_program_that_exits_leaves_its_objects_and_nothing_is_told_of_an_unset_local() {
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
        (type $pair (struct (field $left i32) (field $right i64)))
        (global $kept (mut (ref null $pair)) (ref.null $pair))
        (memory (export \"memory\") 1)
        (func (export \"_start\")
          (local $mine (ref $pair)) (local $never (ref $pair))
          (local.set $mine (struct.new $pair (i32.const 7) (i64.const 8)))
          (global.set $kept (struct.new $pair (i32.const 9) (i64.const 10)))
          (call $exit (i32.const 3))
          (drop (struct.get $pair $left (local.get $mine)))))";
    for options in [&["--on", "exit"][..], &["--on", "exit", "--live"]] {
        let dump = Run::wat(options, text).expect(3).json();
        let locals = &frames(&dump)[0]["locals"];
        assert_eq!(texts(locals), ["struct $pair {left = 7, right = 8}", ""], "{options:?}");
        assert_eq!(locals[1]["value"], Value::Null, "{options:?}: it cannot be null, was never set, and is not told");
        assert_eq!(dump["globals"][0]["value"]["text"], "struct $pair {left = 9, right = 10}");
    }
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
    let first = carried["value"]["text"].as_str().unwrap();
    assert!(first.starts_with("struct $list {first = struct $node #"), "{first}");
    assert_eq!(dump["reason"]["detail"], format!("uncaught exception $failure (i32 13, {first})"));
    let bare = program(&["--invoke", "throw", "--memory", "none"]).json();
    assert_eq!(bare["reason"]["detail"], "uncaught exception $failure (i32 13, anyref)", "no objects are in the dump");
}

/// A tag may have many values, and a value may be long.
#[test]
fn a_long_exception_is_shown_in_part() {
    let values = "(ref.i31 (i32.const -3)) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) \
        (ref.func $_start)";
    let run = Run::wat(
        &[],
        &format!(
            "(module (type $text (array i16)) (tag $long (param anyref i32 i32 i32 i32 i32 funcref (ref $text) i64 i64)) \
             (func $_start (export \"_start\") (throw $long {values} \
             (array.new $text (i32.const 0x62) (i32.const 3000)) (i64.const 8) (i64.const 9))))"
        ),
    );
    let dump = run.expect(134).json();
    let text = format!("array $text of 3000 \"{}\"… of 3000 characters", "b".repeat(64));
    let shown = format!(
        "uncaught exception $long (i31 -3, i32 1, i32 2, i32 3, i32 4, i32 5, func[0] <_start>, {text}, … 2 more)"
    );
    assert_eq!(dump["reason"]["detail"], shown);
}

#[test]
fn what_the_bound_left_out_is_said() {
    // The circle has 16 bytes after one for its type; the array of twelve references does not fit any more.
    let run = program(&["--heap-limit", "60"]);
    let dump = run.json();
    let draw = &frames(&dump)[0];
    assert_eq!(texts(&draw["locals"])[0], "struct $circle {area = 3.5, side = 0, radius = 1.5}");
    assert!(texts(&draw["locals"])[1].ends_with("that are not in the dump]"), "{}", draw["locals"]);
    assert!(
        dump["warnings"].to_string().contains("what goes beyond 60 bytes was not captured (--heap-limit)"),
        "{}",
        dump["warnings"]
    );
    let none = program(&["--memory", "none"]).json();
    assert!(!none["sections"].to_string().contains("coredump.objects"));
    assert_eq!(frames(&none)[0]["locals"][0]["value"], json!({"kind": "object", "id": 1}));
}

/// Lines that a tool prints to a pipe, by their fields.
fn lines(options: &[&str], run: &Run) -> Vec<Vec<String>> {
    let outcome = Tool::new("coredump-dump").args(options).arg(&run.dump).run().expect(0);
    let text = String::from_utf8(outcome.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn objects_are_counted_by_type() {
    let run = program(&[]);
    let types = lines(&["--heap"], &run);
    let of = |name: &str| {
        types
            .iter()
            .find(|line| line[0] == "object-type" && line[2] == name)
            .unwrap_or_else(|| panic!("{name}: {types:?}"))
    };
    assert_eq!(of("node")[1..5], ["struct", "node", "2", "32"]);
    assert_eq!(of("row")[1..5], ["array", "row", "2", "12"]);
    assert_eq!(of("one | other")[1..5], ["struct", "one | other", "2", "8"]);
    // Freed with the things: all but what the other locals, the global and the table hold.
    assert_eq!(of("grid")[5], (12 + 12).to_string());
    assert!(!types.iter().any(|line| line.join(" ").contains("VMSharedTypeIndex")));
}

#[test]
fn an_object_is_told_with_what_keeps_it() {
    let run = program(&[]);
    let grid = &lines(&["--objects", "grid"], &run)[0];
    assert_eq!(grid[2..6], ["array", "grid", "12", "24"]);
    let id = grid[1].trim_start_matches('#');
    let told = lines(&["--object", id], &run);
    assert!(told.contains(&vec!["field".into(), "[1]".into(), "ref".into(), "null".into()]), "{told:?}");
    assert!(told.iter().any(|line| line[..2] == ["holder", "#2 array $things of 12"] && line[2] == "[4]"), "{told:?}");
    let path = lines(&["--path-to", &format!("#{id}")], &run);
    assert_eq!(path[0][1..], ["root", "frame 0 draw, local things", "#2 array $things of 12"]);
    assert_eq!(
        path[1][1..],
        ["#2 array $things of 12".to_owned(), "[4]".to_owned(), format!("#{id} array $grid of 3")]
    );
    let row = lines(&["--objects=row"], &run).iter().find(|row| row[4] == "12").unwrap()[1].clone();
    let path = lines(&["--path-to", &row], &run);
    assert_eq!(path.len(), 3, "root, things, grid: {path:?}");
    // The list's first node is reached by the field's name.
    let node = lines(&["--objects", "node"], &run)[0][1].clone();
    let path = lines(&["--path-to", &node], &run);
    assert!(path.iter().any(|step| step.get(2).is_some_and(|place| place == "first" || place == "next")), "{path:?}");
}

#[test]
fn texts_are_found_in_objects() {
    let run = program(&[]);
    let found = lines(&["--find", "töp"], &run);
    assert_eq!(
        (found.len(), &found[0][0], &found[0][2..]),
        (1, &"object".to_owned(), &["text".to_owned(), "1".into(), "töp".into()][..])
    );
    let texts = lines(&["--strings", "2"], &run);
    let texts: Vec<&str> = texts.iter().filter(|line| line[0] == "object").map(|line| &*line[4]).collect();
    assert_eq!(texts, ["hi", "Stöp"]);
}

#[test]
fn a_snapshot_has_a_node_for_each_object() {
    let run = program(&[]);
    let snapshot = Tool::new("coredump-dump").arg("--heapsnapshot").arg(&run.dump).run().expect(0).json();
    let meta = &snapshot["snapshot"];
    let (nodes, edges) = (snapshot["nodes"].as_array().unwrap(), snapshot["edges"].as_array().unwrap());
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    assert_eq!(nodes.len(), 6 * number(&meta["node_count"]));
    assert_eq!(edges.len(), 3 * number(&meta["edge_count"]));
    let strings = snapshot["strings"].as_array().unwrap();
    let counted: usize = nodes.chunks(6).map(|node| number(&node[4])).sum();
    assert_eq!(counted, number(&meta["edge_count"]), "every edge belongs to a node");
    for edge in edges.chunks(3) {
        assert!(number(&edge[2]) % 6 == 0 && number(&edge[2]) < nodes.len());
        assert!(edge[0] == 1 || number(&edge[1]) < strings.len());
    }
    let names: Vec<&str> = nodes.chunks(6).map(|node| strings[number(&node[1])].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| **name == "node").count(), 2);
    assert!(names.contains(&"Stöp") && strings.contains(&json!("frame 0 draw, local things")));
}

/// A damaged section costs what is behind the damage, and nothing else.
#[test]
fn objects_that_are_damaged_are_read_as_far_as_they_go() {
    let run = program(&["--no-recording"]);
    let whole = std::fs::read(&run.dump).unwrap();
    let name = b"\x10coredump.objects";
    let start = whole.windows(name.len()).position(|bytes| bytes == name).unwrap() + name.len();
    let damaged = run.dump.with_extension("damaged");
    for (at, byte) in (start..whole.len()).step_by(7).zip([0xff, 0x80, 0x7f, 1].into_iter().cycle()) {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        std::fs::write(&damaged, &bytes).unwrap();
        for (tool, options) in
            [("coredump-bt", &["--locals"][..]), ("coredump-json", &["--heap"]), ("coredump-dump", &["--heap"])]
        {
            let outcome = Tool::new(tool).args(options).arg(&damaged).run();
            assert!(
                matches!(outcome.code(), 0..=2) && !outcome.stderr.contains("panicked"),
                "{tool} {at}: {outcome:?}"
            );
        }
    }
    std::fs::write(&damaged, &whole[..whole.len() - 40]).unwrap();
    let outcome = Tool::new("coredump-bt").arg("--locals").arg(&damaged).run().expect(1);
    assert!(outcome.stderr.contains("coredump.objects: object "), "{}", outcome.stderr);
    let text = String::from_utf8(outcome.stdout).unwrap();
    assert!(text.contains("struct $circle {area = 3.5, side = 0, radius = 1.5}"), "{text}");
}

/// A random program: its objects, each with what it holds.
#[derive(Clone, Debug)]
enum Made {
    /// `$record`: a small number and a reference.
    Record(i32, Held),
    /// `$wide`, a subtype: the same, and numbers of every width.
    Wide(i32, Held, [u8; 2], i64, u64, Held),
    /// `$shorts`.
    Shorts(Vec<u16>),
    /// `$floats`, as bits.
    Floats(Vec<u32>),
    /// `$things`.
    Things(Vec<Held>),
}

/// A reference.
#[derive(Clone, Debug)]
enum Held {
    Null,
    Small(i32),
    /// The object of that number, modulo how many there are.
    Object(usize),
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![1 => Just(Held::Null), 1 => (-(1i32 << 30)..1 << 30).prop_map(Held::Small), 4 => any::<usize>().prop_map(Held::Object)]
}

fn made() -> impl Strategy<Value = Made> {
    let few = 0..6usize;
    prop_oneof![
        (any::<i32>(), held()).prop_map(|(number, next)| Made::Record(number, next)),
        (any::<i32>(), held(), any::<[u8; 2]>(), any::<i64>(), any::<u64>(), held())
            .prop_map(|(number, next, small, wide, float, other)| Made::Wide(number, next, small, wide, float, other)),
        proptest::collection::vec(any::<u16>(), few.clone()).prop_map(Made::Shorts),
        proptest::collection::vec(any::<u32>(), few.clone()).prop_map(Made::Floats),
        proptest::collection::vec(held(), few).prop_map(Made::Things),
    ]
}

/// The program in text: it makes all objects, then sets their references, and dies with each in a local.
fn text(program: &[Made]) -> String {
    let mut text = String::from(
        "(module
        (type $record (sub (struct (field $number (mut i32)) (field $next (mut anyref)))))
        (type $wide (sub $record (struct (field $number (mut i32)) (field $next (mut anyref)) (field $a i8) (field $b i16)
            (field $c i64) (field $d f64) (field $other (mut anyref)))))
        (type $shorts (array (mut i16)))
        (type $floats (array (mut f32)))
        (type $things (array (mut anyref)))
        (func $die unreachable)
        (func (export \"_start\")\n",
    );
    for (number, made) in program.iter().enumerate() {
        text += &format!("(local $o{number} (ref null ${}))\n", type_of(made));
    }
    for (number, made) in program.iter().enumerate() {
        let new = match made {
            Made::Record(value, _) => format!("struct.new $record (i32.const {value}) (ref.null any)"),
            Made::Wide(value, _, [a, b], c, d, _) => format!(
                "struct.new $wide (i32.const {value}) (ref.null any) (i32.const {a}) (i32.const {}) (i64.const {c}) \
                 (f64.reinterpret_i64 (i64.const {})) (ref.null any)",
                u32::from(*b) * 257,
                *d as i64
            ),
            Made::Shorts(all) => {
                let all: String = all.iter().map(|one| format!(" (i32.const {one})")).collect();
                format!("array.new_fixed $shorts {}{all}", all.matches('(').count())
            }
            Made::Floats(all) => {
                let each = |bits: &u32| format!(" (f32.reinterpret_i32 (i32.const {}))", *bits as i32);
                format!("array.new_fixed $floats {}{}", all.len(), all.iter().map(each).collect::<String>())
            }
            Made::Things(all) => format!("array.new $things (ref.null any) (i32.const {})", all.len()),
        };
        text += &format!("(local.set $o{number} ({new}))\n");
    }
    let value = |held: &Held| match held {
        Held::Null => "(ref.null any)".to_owned(),
        Held::Small(value) => format!("(ref.i31 (i32.const {value}))"),
        Held::Object(other) => format!("(local.get $o{})", other % program.len()),
    };
    for (number, made) in program.iter().enumerate() {
        match made {
            Made::Record(_, next) => {
                text += &format!("(struct.set $record $next (local.get $o{number}) {})\n", value(next));
            }
            Made::Wide(_, next, _, _, _, other) => {
                text += &format!("(struct.set $record $next (local.get $o{number}) {})\n", value(next));
                text += &format!("(struct.set $wide $other (local.get $o{number}) {})\n", value(other));
            }
            Made::Things(all) => {
                for (index, held) in all.iter().enumerate() {
                    text +=
                        &format!("(array.set $things (local.get $o{number}) (i32.const {index}) {})\n", value(held));
                }
            }
            Made::Shorts(_) | Made::Floats(_) => {}
        }
    }
    text + "(call $die)))"
}

fn type_of(made: &Made) -> &'static str {
    match made {
        Made::Record(..) => "record",
        Made::Wide(..) => "wide",
        Made::Shorts(_) => "shorts",
        Made::Floats(_) => "floats",
        Made::Things(_) => "things",
    }
}

/// Returns true if a reference refers to the object that the program put there: `ids` are those of its objects.
fn refers(value: &Value, held: &Held, ids: &[u64]) -> bool {
    match held {
        Held::Null => value == &json!({"kind": "null"}),
        Held::Small(small) => value == &json!({"kind": "i31", "number": small}),
        Held::Object(other) => value["id"].as_u64() == Some(ids[other % ids.len()]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_a_random_program_made_is_what_its_dump_holds(
        program in proptest::collection::vec(made(), 1..14),
        live in any::<bool>(),
    ) {
        let run = Run::wat(if live { &["--live"] } else { &[] }, &text(&program)).expect(134);
        let document = Tool::new("coredump-json").arg("--heap").arg(&run.dump).run().expect(0).json();
        let locals = frames(&document)[1]["locals"].as_array().unwrap();
        let ids: Vec<u64> = locals.iter().map(|local| local["value"]["id"].as_u64().unwrap()).collect();
        let objects = document["heap"]["objects"].as_array().unwrap();
        prop_assert_eq!(objects.len(), program.len(), "each object once");
        for (made, id) in program.iter().zip(&ids) {
            let object = &objects[*id as usize - 1];
            prop_assert_eq!(&object["id"], id);
            prop_assert_eq!(object["type"].as_str(), Some(type_of(made)));
            let field = |index: usize| &object["fields"][index]["value"];
            match made {
                Made::Record(number, next) => {
                    prop_assert_eq!(field(0), number);
                    prop_assert!(refers(field(1), next, &ids), "{}", object);
                }
                Made::Wide(number, next, [a, b], c, d, other) => {
                    prop_assert_eq!((field(0), field(2)), (&json!(number), &json!(a)));
                    prop_assert_eq!((field(3), field(4)), (&json!(u32::from(*b) * 257), &json!(c.to_string())));
                    prop_assert_eq!(object["fields"][5]["bits"].as_str(), Some(&*format!("{d:#018x}")));
                    prop_assert!(refers(field(1), next, &ids) && refers(field(6), other, &ids), "{}", object);
                }
                Made::Shorts(all) => prop_assert_eq!(&object["elements"], &json!(all)),
                Made::Floats(all) => {
                    let bits = object["elements"].as_array().unwrap().iter().map(|float| float["bits"].as_str().unwrap().to_owned());
                    prop_assert_eq!(bits.collect::<Vec<_>>(), all.iter().map(|bits| format!("{bits:#010x}")).collect::<Vec<_>>());
                }
                Made::Things(all) => {
                    prop_assert_eq!(object["elements"].as_array().unwrap().len(), all.len());
                    for (index, held) in all.iter().enumerate() {
                        prop_assert!(refers(&object["elements"][index], held, &ids), "{}", object);
                    }
                }
            }
        }
    }
}
