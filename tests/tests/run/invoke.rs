//! `--invoke`: exports with arguments, as `wasmtime run --invoke` takes them.

use coredump_tests::{Outcome, Tool, fixture, scratch};

fn invoke(program: &std::path::Path, function: &str, args: &[&str]) -> Outcome {
    Tool::new("coredump-run").args(["-o", "/dev/null", "--invoke", function]).arg(program).args(args).run()
}

#[test]
fn functions_of_modules_take_numbers() {
    let program = fixture("modules/wat-invoke.wasm");
    assert_eq!(invoke(&program, "add", &["2", "40"]).expect(0).text(), "42\n");
    assert!(invoke(&program, "divide", &["7", "0"]).expect(134).stderr.contains("divide by zero"));
    assert!(invoke(&program, "add", &["two", "40"]).expect(64).stderr.contains("two"));
    invoke(&program, "nowhere", &[]).expect(125);
}

#[test]
fn functions_of_components_take_values_of_every_kind() {
    let text = r#"(component
        (core module $m
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 4096))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 15)) (i32.const -16))))
            (func (export "sum") (param $at i32) (param $count i32) (result i32) (local $sum i32)
                (block (loop
                    (br_if 1 (i32.eqz (local.get $count)))
                    (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
                    (local.set $at (i32.add (local.get $at) (i32.const 4)))
                    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                    (br 0)))
                (local.get $sum))
            (func (export "pair") (param i32 i32) (result i32)
                (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))
            (func (export "wide") (param i32 i64) (result i32)
                (i32.store (i32.const 32) (local.get 0)) (i64.store (i32.const 40) (local.get 1)) (i32.const 32))
            (func (export "small") (param i32 i32) (result i32)
                (i32.store8 (i32.const 64) (local.get 0)) (i32.store8 (i32.const 65) (local.get 1)) (i32.const 64))
            (func (export "same") (param i32) (result i32) (local.get 0)))
        (core instance $i (instantiate $m))
        (alias core export $i "memory" (core memory $memory))
        (alias core export $i "realloc" (core func $realloc))
        (type $point' (record (field "x" u32) (field "y" s32)))
        (export $point "point" (type $point'))
        (type $shape' (variant (case "none") (case "size" u64)))
        (export $shape "shape" (type $shape'))
        (type $colours' (flags "red" "green" "blue"))
        (export $colours "colours" (type $colours'))
        (type $day' (enum "monday" "sunday"))
        (export $day "day" (type $day'))
        (func (export "sum") (param "all" (list u32)) (result u32)
            (canon lift (core func $i "sum") (memory $memory) (realloc $realloc)))
        (func (export "point-of") (param "p" $point) (result $point)
            (canon lift (core func $i "pair") (memory $memory)))
        (func (export "shape-of") (param "s" $shape) (result $shape)
            (canon lift (core func $i "wide") (memory $memory)))
        (func (export "colours-of") (param "c" $colours) (result $colours) (canon lift (core func $i "same")))
        (func (export "day-of") (param "d" $day) (result $day) (canon lift (core func $i "same")))
        (func (export "pair-of") (param "p" (tuple u32 char)) (result (tuple u32 char))
            (canon lift (core func $i "pair") (memory $memory)))
        (func (export "maybe") (param "m" (option u8)) (result (option u8))
            (canon lift (core func $i "small") (memory $memory)))
        (func (export "outcome") (param "o" (result u8 (error u8))) (result (result u8 (error u8)))
            (canon lift (core func $i "small") (memory $memory)))
        (func (export "text-of") (param "t" string) (result string)
            (canon lift (core func $i "pair") (memory $memory) (realloc $realloc))))"#;
    let folder = scratch();
    let program = folder.path().join("values.wat");
    std::fs::write(&program, text).unwrap();
    for (call, expected) in [
        ("sum([1, 2, 39])", "42"),
        ("sum([])", "0"),
        ("point-of({y: -7, x: 3})", "{x: 3, y: -7}"),
        ("shape-of(size(5000000000))", "size(5000000000)"),
        ("shape-of(%none)", "%none"),
        ("colours-of({red, blue})", "{red, blue}"),
        ("day-of(sunday)", "sunday"),
        ("pair-of((7, 'x'))", "(7, 'x')"),
        ("maybe(some(9))", "some(9)"),
        ("maybe(none)", "none"),
        ("outcome(ok(1))", "ok(1)"),
        ("outcome(err(2))", "err(2)"),
        (r#"text-of("a \"quoted\" word, (and) more")"#, r#""a \"quoted\" word, (and) more""#),
    ] {
        assert_eq!(invoke(&program, call, &[]).expect(0).text(), format!("{expected}\n"), "{call}");
    }
    for (call, told) in [
        ("day-of(tuesday)", "tuesday"),
        ("sum([1, -2])", "-2"),
        ("sum()", "sum"),
        ("sum([1]", "sum"),
        ("sum(1)(2)", "sum"),
    ] {
        let outcome = invoke(&program, call, &[]).expect(64);
        assert!(outcome.stderr.contains(told), "{call}: {}", outcome.stderr);
    }
    assert!(invoke(&program, "nowhere()", &[]).expect(125).stderr.contains("nowhere"));
}
