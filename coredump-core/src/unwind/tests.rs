//! Stack pointers of made-up threads, counted by hand.

use wasmparser::Operator;

use super::*;
use crate::model::{Global, Instance};

/// Returns the file offsets at which the instructions of the first function begin.
pub fn offsets(module: &Module<'_>) -> Vec<u64> {
    let mut operators = module.operators(0).unwrap();
    let mut offsets = Vec::new();
    while !operators.eof() {
        offsets.push(operators.original_position() as u64);
        operators.read().unwrap();
    }
    offsets
}

/// `_start` takes 16 bytes and calls `middle`, which takes its frame as `TAKE` says and calls `inner`, which takes 32.
fn program(take: &str, start: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (global $__stack_pointer (mut i32) (i32.const 1000))
        (func $start (export "{start}") (local i32)
            (global.set 0 (local.tee 0 (i32.sub (global.get 0) (i32.const 16))))
            (call $middle (i32.const 5))
            (global.set 0 (i32.add (local.get 0) (i32.const 16))))
        (func $middle (param i32) (local i32 i32)
            (local.set 1 (global.get 0))
            (global.set 0 (local.tee 2 {take}))
            (call $inner)
            (global.set 0 (local.get 1)))
        (func $inner
            (global.set 0 (i32.sub (global.get 0) (i32.const 32)))
            unreachable))"#
    );
    wat::parse_str(text).unwrap()
}

/// The thread `inner`, `middle`, `start` of a dump whose stack pointer has that value.
fn thread(bytes: &[u8], pointer: i32) -> Vec<Arc<Recovered>> {
    let module = Module::parse(bytes).unwrap();
    let frame = |function| Frame { instance: Some(0), function: Some(function), ..Frame::default() };
    let frames = [frame(2), frame(1), frame(0)];
    let dump = CoreDump {
        instances: vec![Instance { globals: vec![Some(0)], ..Instance::default() }],
        globals: vec![Global { ty: "i32".into(), mutable: true, value: Value::I32(pointer) }],
        ..CoreDump::default()
    };
    let place = |index: usize| {
        let function = frames[index].function?;
        let mut operators = module.operators(function)?;
        loop {
            let offset = operators.original_position() as u64;
            if matches!(operators.read().ok()?, Operator::Call { .. } | Operator::Unreachable) {
                return Some(Position { module: &module, function, offset });
            }
        }
    };
    Unwinder::default().thread(&dump, &frames, place)
}

fn pointers(recovered: &[Arc<Recovered>]) -> Vec<(Option<u64>, Option<u64>)> {
    recovered.iter().map(|frame| (frame.stack_pointer, frame.entry_stack_pointer)).collect()
}

#[test]
fn frames_of_fixed_size_are_counted_from_the_youngest_on() {
    let found = thread(&program("(i32.sub (global.get 0) (i32.const 48))", "run"), 904);
    assert_eq!(pointers(&found), [(Some(904), Some(936)), (Some(936), Some(984)), (Some(984), Some(1000))]);
    assert_eq!(found[1].local(2), Some(Value::I32(936)), "the frame's own local");
    assert_eq!(found[1].local(1), Some(Value::I32(984)));
    assert_eq!(found[1].local(0), Some(Value::I32(5)), "what the caller passed");
}

#[test]
fn a_frame_of_unknown_size_ends_the_count_and_says_so() {
    let found = thread(&program("(i32.sub (global.get 0) (i32.load8_u (local.get 0)))", "run"), 904);
    assert_eq!(pointers(&found), [(Some(904), Some(936)), (Some(936), None), (None, None)]);
    assert_eq!(found[2].why_not(), "a younger frame moves its stack pointer by an unknown amount");
}

#[test]
fn frames_older_than_it_are_counted_from_the_start_of_a_command() {
    let found = thread(&program("(i32.sub (global.get 0) (i32.load8_u (local.get 0)))", "_start"), 904);
    assert_eq!(pointers(&found), [(Some(904), Some(936)), (Some(936), Some(984)), (Some(984), Some(1000))]);
    assert_eq!(found[1].local(1), Some(Value::I32(984)));
}

#[test]
fn an_aligned_frame_follows_from_its_start() {
    // (984 - 40) & -64 = 896; the youngest frame is 32 below.
    let aligned = program("(i32.and (i32.sub (global.get 0) (i32.const 40)) (i32.const -64))", "_start");
    let found = thread(&aligned, 864);
    assert_eq!(pointers(&found), [(Some(864), Some(896)), (Some(896), Some(984)), (Some(984), Some(1000))]);
    assert_eq!(found[1].local(2), Some(Value::I32(896)));
}

#[test]
fn ends_that_do_not_meet_prove_nothing() {
    // The program moved its stack elsewhere: the youngest frame is not where counting from the start leads.
    let aligned = program("(i32.and (i32.sub (global.get 0) (i32.const 40)) (i32.const -64))", "_start");
    assert_eq!(pointers(&thread(&aligned, 640)), [(Some(640), Some(672)), (Some(672), None), (None, None)]);
}
