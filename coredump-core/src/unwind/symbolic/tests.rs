//! The evaluation against an interpreter, over random code without branches, and by hand where paths meet.

use std::fmt::Write;

use proptest::prelude::*;
use wasmparser::Operator;

use super::*;
use crate::module::Module;

/// The source of a number.
#[derive(Clone, Debug)]
enum Leaf {
    Local(usize),
    Pointer,
    Constant(i32),
}

/// `to = left op right`; to a local, or (3) to the stack pointer.
#[derive(Clone, Debug)]
struct Step {
    to: usize,
    left: Leaf,
    operation: &'static str,
    right: Leaf,
}

fn leaf() -> impl Strategy<Value = Leaf> {
    prop_oneof![
        (0..3usize).prop_map(Leaf::Local),
        Just(Leaf::Pointer),
        prop_oneof![-64..64i32, Just(-16), any::<i32>()].prop_map(Leaf::Constant),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop::sample::select(vec!["add", "sub", "and", "mul"]);
    (0..4usize, leaf(), operation, leaf()).prop_map(|(to, left, operation, right)| Step { to, left, operation, right })
}

/// A function of one parameter and two more locals.
fn text(steps: &[Step]) -> String {
    let mut body = String::new();
    let push = |leaf: &Leaf| match leaf {
        Leaf::Local(index) => format!("local.get {index} "),
        Leaf::Pointer => "global.get 0 ".into(),
        Leaf::Constant(number) => format!("i32.const {number} "),
    };
    for step in steps {
        let set = if step.to == 3 { "global.set 0".into() } else { format!("local.set {}", step.to) };
        let _ = writeln!(body, "{}{}i32.{} {set}", push(&step.left), push(&step.right), step.operation);
    }
    format!("(module (global (mut i32) (i32.const 0)) (func (param i32) (local i32 i32) {body} nop))")
}

/// The file offset of the first `nop`.
fn nop(module: &Module<'_>, function: u32) -> u64 {
    let mut operators = module.operators(function).unwrap();
    loop {
        let offset = operators.original_position() as u64;
        if matches!(operators.read().unwrap(), Operator::Nop) {
            return offset;
        }
    }
}

fn state(text: &str, entry: Option<u64>) -> AbstractState {
    let bytes = wat::parse_str(text).unwrap();
    let module = Module::parse(&bytes).unwrap();
    let target = Some(nop(&module, 0));
    let question = Question { pointer: Some(0), entry, target, ..Question::new(&module, 0) };
    evaluate(&question, &|_| true).unwrap().at.unwrap()
}

proptest! {
    #[test]
    fn what_is_proved_is_what_an_interpreter_computes(
        steps in prop::collection::vec(step(), 0..12),
        entry in any::<u32>(),
        parameter in any::<u32>(),
        told in any::<bool>(),
    ) {
        let state = state(&text(&steps), told.then_some(u64::from(entry)));
        let mut real = [parameter, 0, 0, entry];
        for step in &steps {
            let value = |leaf: &Leaf| match leaf {
                Leaf::Local(index) => real[*index],
                Leaf::Pointer => real[3],
                Leaf::Constant(number) => *number as u32,
            };
            let (left, right) = (value(&step.left), value(&step.right));
            real[step.to] = match step.operation {
                "add" => left.wrapping_add(right),
                "sub" => left.wrapping_sub(right),
                "and" => left & right,
                _ => left.wrapping_mul(right),
            };
        }
        let proved = state.locals.iter().chain([&state.stack_pointer]);
        for (index, proved) in proved.enumerate() {
            let Some(Sum { base, constant }) = *proved else { continue };
            let start = match base {
                SymbolicBase::Zero => 0,
                SymbolicBase::StackPointer => entry,
                SymbolicBase::Parameter(0) => parameter,
                // Known to be the same elsewhere, not what it is.
                SymbolicBase::Parameter(_) | SymbolicBase::Computed(_) => continue,
            };
            prop_assert_eq!(start.wrapping_add(constant as u32), real[index], "{} of {:?}", index, steps);
        }
    }
}

/// The stack pointer before the `nop` of a function that has a parameter, as what was added to that at entry.
fn moved(body: &str) -> Option<i32> {
    let text = format!("(module (global (mut i32) (i32.const 0)) (tag (param i32)) (func (param i32) {body}))");
    match state(&text, None).stack_pointer? {
        Sum { base: SymbolicBase::StackPointer, constant } => Some(constant as u32 as i32),
        _ => None,
    }
}

const TAKE: &str = "(global.set 0 (i32.sub (global.get 0) (i32.const 16)))";

#[test]
fn paths_that_agree_where_they_meet_keep_what_they_agree_on() {
    assert_eq!(moved(&format!("{TAKE} nop")), Some(-16));
    assert_eq!(moved(&format!("(if (local.get 0) (then {TAKE}) (else {TAKE})) nop")), Some(-16));
    assert_eq!(moved(&format!("(if (local.get 0) (then {TAKE})) nop")), None, "one path did not take it");
    assert_eq!(moved(&format!("(if (local.get 0) (then {TAKE} return)) nop")), Some(0), "that path left");
    assert_eq!(moved(&format!("{TAKE} (loop (br_if 0 (local.get 0))) nop")), Some(-16));
    assert_eq!(moved(&format!("(loop {TAKE} (br_if 0 (local.get 0))) nop")), None, "who knows how often");
    assert_eq!(moved(&format!("(block (br_table 0 0 0 (local.get 0)) {TAKE}) nop")), Some(0));
}

#[test]
fn instructions_of_newer_proposals_keep_the_stack_in_step() {
    // Each would leave a wrong operand below the constant, were its arity wrong.
    for code in [
        "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))",
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
        "(drop (i32.extend8_s (local.get 0)))",
        "(drop (i32.trunc_sat_f64_s (f64.const 1)))",
        "(v128.store (i32.const 0) (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (v128.const i64x2 1 2) (v128.const i64x2 3 4)))",
        "(drop (v128.bitselect (v128.const i64x2 1 2) (v128.const i64x2 3 4) (v128.const i64x2 5 6)))",
        "(drop (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 1) (i32.const 2)))",
        "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const 2)))",
        "(atomic.fence)",
        "(drop (select (result i64) (i64.const 1) (i64.const 2) (local.get 0)))",
        "(drop (ref.is_null (ref.null func)))",
        "(drop (table.grow 0 (ref.null func) (i32.const 1)))",
        "(table.set 0 (i32.const 0) (ref.func 0))",
        "(call $two) drop drop",
        "(block (result i32 i64) (i32.const 1) (i64.const 2)) drop drop",
        "(block (try_table (catch_all 0) (call $two) drop drop))",
        "(block (result i32) (try_table (result i32) (catch 0 0) (i32.const 1))) drop",
        "(if (local.get 0) (then (return_call 0 (i32.const 0))))",
        "(drop (ref.i31 (i32.const 1)))",
        "(drop (struct.get $pair 0 (struct.new_default $pair)))",
        "(drop (array.len (array.new $bytes (i32.const 1) (i32.const 2))))",
        "(block (result anyref) (br_on_cast 0 anyref i31ref (ref.null any))) drop",
    ] {
        let text = format!(
            "(module (type $pair (struct (field i32) (field i32))) (type $bytes (array (mut i32)))
            (global (mut i32) (i32.const 0)) (memory 1 1 shared) (table 1 funcref) (tag (param i32)) (elem declare func 0)
            (func (param i32) (i32.sub (global.get 0) (i32.const 16)) {code} global.set 0 nop)
            (func $two (result i32 i64) (i32.const 1) (i64.const 2)))"
        );
        let state = state(&text, None);
        let thrown = code.contains("try_table");
        let expected = Sum { base: SymbolicBase::StackPointer, constant: 0xffff_fff0 };
        assert!(state.stack_pointer == Some(expected) || thrown && state.stack_pointer.is_none(), "{code}");
        assert!(state.operands.is_empty(), "{code}: {:?}", state.operands);
    }
}
