use wasmparser::{Operator, Parser, Payload, Validator, WasmFeatures};

use super::*;

/// Contains every kind of instruction that writes, for memories with 32-bit and 64-bit addresses.
const WRITES: &str = r#"(module
    (memory 1) (memory i64 1)
    (data $abc "abc")
    (func (i32.store offset=4 (i32.const 96) (i32.const 7)))
    (func (i64.store8 (i32.const 96) (i64.const 7)))
    (func (f32.store (i32.const 96) (f32.const 7)))
    (func (f64.store (i32.const 96) (f64.const 7)))
    (func (v128.store64_lane 1 (i32.const 96) (i32x4.splat (i32.const 7))))
    (func (i32.atomic.store (i32.const 96) (i32.const 7)))
    (func (drop (i64.atomic.rmw16.add_u (i32.const 96) (i64.const 7))))
    (func (drop (i32.atomic.rmw.cmpxchg (i32.const 96) (i32.const 7) (i32.const 8))))
    (func (drop (i64.atomic.rmw32.cmpxchg_u (i32.const 96) (i64.const 7) (i64.const 8))))
    (func (memory.fill (i32.const 96) (i32.const 7) (i32.const 8)))
    (func (memory.copy (i32.const 96) (i32.const 7) (i32.const 8)))
    (func (memory.init $abc (i32.const 96) (i32.const 0) (i32.const 3)))
    (func (i32.store 1 (i64.const 96) (i32.const 7)))
    (func (i64.atomic.store 1 (i64.const 96) (i64.const 7)))
    (func (memory.fill 1 (i64.const 96) (i32.const 7) (i64.const 8)))
    (func (memory.copy 1 0 (i64.const 96) (i32.const 7) (i32.const 8)))
    (func (memory.init 1 $abc (i64.const 96) (i32.const 0) (i32.const 3))))"#;

/// The number of instructions of each function.
fn sizes(binary: &[u8]) -> Vec<u64> {
    let mut sizes = Vec::new();
    for payload in Parser::new(0).parse_all(binary) {
        if let Payload::CodeSectionEntry(body) = payload.unwrap() {
            let operators = body.get_operators_reader().unwrap().into_iter().map(Result::unwrap);
            sizes.push(operators.filter(|operator| !matches!(operator, Operator::End)).count() as u64);
        }
    }
    sizes
}

#[test]
fn rewritten_code_is_valid_and_as_large_as_its_fuel_is_reckoned() {
    let binary = wat::parse_str(WRITES).unwrap();
    for (memory, written) in [(0, 12), (1, 5)] {
        let rewritten = rewrite(&binary, Watch { memory, address: 90, len: 16 }, u64::MAX).unwrap();
        Validator::new_with_features(WasmFeatures::all()).validate_all(&rewritten.binary).unwrap();
        assert_eq!(rewritten.sites.len(), written);
        let (before, after) = (sizes(&binary), sizes(&rewritten.binary));
        for (index, (before, after)) in before.iter().zip(&after).enumerate() {
            assert!(*after <= before * LARGER, "function {index}: {before} became {after}");
        }
        // The helpers are called for each touch: the loop in them has fewer than 32 instructions.
        let helpers: u64 = after[before.len()..].iter().sum();
        assert!(helpers < cost_of_touch(0), "{helpers}");
    }
}
