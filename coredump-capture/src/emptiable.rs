//! Locals that hold nothing until they are assigned to, and an instrumented engine that takes what is in them for objects.
//!
//! A local whose type is a reference that cannot be null has no value at first. wasmtime 48 with `guest_debug` keeps the locals of
//! a frame on the stack, for the collector too: there such a local is whatever the stack held before, and a collection marks
//! that as an object, or ends with `gc object out-of-bounds` or a panic. Kotlin's library has one in the function that makes strings.
//! If the type may be null instead, the local begins as null. It takes as many bytes, so that all offsets stay as they are.

use wasmparser::{BinaryReader, FuncValidatorAllocations, FunctionBody, Parser, Payload, ValidPayload, Validator};
use wasmparser::{ValType, WasmFeatures};

/// The first bytes of the types of references that can and cannot be null (Wasm 3.0, 5.3.5, reference types).
const REF_NULL: u8 = 0x63;
const REF: u8 = 0x64;

/// The same module with locals that begin as null where its own begin as nothing; none if it has no such locals. A function that is
/// valid only as it is stays so.
pub fn with_nulls(module: &[u8]) -> Option<Vec<u8>> {
    let begins_empty = |payload: Result<Payload<'_>, _>| match payload {
        Ok(Payload::CodeSectionEntry(body)) => !places(&body).is_empty(),
        _ => false,
    };
    Parser::new(0).parse_all(module).any(begins_empty).then_some(())?;
    let mut changed = module.to_vec();
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(module) {
        // The compiler reports an invalid module later.
        let ValidPayload::Func(function, body) = validator.payload(&payload.ok()?).ok()? else { continue };
        let places = places(&body);
        if places.is_empty() {
            continue;
        }
        let range = body.range();
        let mut bytes = module.get(range.start..range.end)?.to_vec();
        places.iter().for_each(|place| bytes[place - range.start] = REF_NULL);
        let body = FunctionBody::new(BinaryReader::new(&bytes, range.start));
        let mut function = function.into_validator(allocations);
        if function.validate(&body).is_ok() {
            places.iter().for_each(|place| changed[*place] = REF_NULL);
        }
        allocations = function.into_allocations();
    }
    (changed != module).then_some(changed)
}

/// Where the types of a function's locals stand that hold nothing at first.
fn places(body: &FunctionBody<'_>) -> Vec<usize> {
    let mut places = Vec::new();
    let Ok(mut locals) = body.get_locals_reader() else { return places };
    let (start, bytes) = (body.range().start, body.as_bytes());
    for _ in 0..locals.get_count() {
        let group = locals.original_position() - start;
        let Ok((_, ty)) = locals.read() else { break };
        // The type follows the number of its locals, whose last byte is the first one below 0x80.
        let count = bytes.get(group..).and_then(|bytes| bytes.iter().position(|byte| *byte < 0x80));
        let place = count.map(|count| group + count + 1);
        if let (ValType::Ref(reference), Some(place)) = (ty, place)
            && !reference.is_nullable()
            && bytes.get(place) == Some(&REF)
        {
            places.push(start + place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_that_would_be_nothing_begins_as_null() {
        let text = r#"(module
            (type $bytes (array (mut i8)))
            (func $eats (param (ref $bytes)))
            (func (export "reads") (result i32) (local i32 i32) (local $held (ref $bytes)) (local (ref null $bytes))
                (local.set $held (array.new $bytes (i32.const 7) (i32.const 2)))
                (array.get_u $bytes (local.get $held) (i32.const 1)))
            (func (export "hands on") (local $held (ref $bytes))
                (local.set $held (array.new $bytes (i32.const 7) (i32.const 2)))
                (call $eats (local.get $held)))
            (func (export "none") (local i64)))"#;
        let module = wat::parse_str(text).unwrap();
        let changed = with_nulls(&module).unwrap();
        let differ: Vec<_> = module.iter().zip(&changed).filter(|(old, new)| old != new).collect();
        assert_eq!((module.len(), differ), (changed.len(), vec![(&REF, &REF_NULL)]), "one of two functions allows it");
        Validator::new_with_features(WasmFeatures::all()).validate_all(&changed).unwrap();
        assert_eq!(with_nulls(&changed), None, "what remains is valid only as it is");
        assert_eq!(with_nulls(&wat::parse_str("(module (func (local i32)))").unwrap()), None);
    }

    #[test]
    fn what_is_no_module_has_no_other_form() {
        let module = wat::parse_str("(module (type $s (struct)) (func (local (ref $s)) (local (ref $s))))").unwrap();
        assert!(with_nulls(&module).is_some());
        for len in 0..module.len() {
            let _ = with_nulls(&module[..len]);
        }
        for at in 8..module.len() {
            let mut module = module.clone();
            module[at] ^= 0xff;
            let _ = with_nulls(&module);
        }
    }
}
