//! Locals that hold nothing until they are assigned to, and an instrumented engine that takes what is in them for
//! objects.
//!
//! A local whose type is a reference that cannot be null has no value at first. wasmtime 48 with `guest_debug` keeps
//! the locals of a frame on the stack, for the collector too: there such a local is whatever the stack held before, and
//! a collection marks that as an object, or ends with `gc object out-of-bounds` or a panic. Kotlin's library has one in
//! the function that makes strings. If the type may be null instead, the local begins as null. It takes as many bytes,
//! so that all offsets stay as they are. If a function is not valid with that, all references of the module may be null
//! ([`with_nulls_everywhere`]), provided that the module allows it.

use wasmparser::WasmFeatures;
use wasmparser::{BinaryReader, FuncValidatorAllocations, FunctionBody, Parser, Payload, ValidPayload, Validator};

use crate::nullable::{REF_NULL, empty_locals, with_nulls_everywhere};

/// Returns the same module with locals that begin as null where its own begin as nothing; `None` if it has no such
/// locals. A function stays as it is if neither its own code nor the types of the rest of the module allow the change.
pub fn with_nulls(module: &[u8]) -> Option<Vec<u8>> {
    let begins_empty = |payload: Result<Payload<'_>, _>| match payload {
        Ok(Payload::CodeSectionEntry(body)) => !empty_locals(&body).is_empty(),
        _ => false,
    };
    Parser::new(0).parse_all(module).any(begins_empty).then_some(())?;
    let mut changed = module.to_vec();
    let mut all = true;
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(module) {
        // The compiler reports an invalid module later.
        let ValidPayload::Func(function, body) = validator.payload(&payload.ok()?).ok()? else { continue };
        let places = empty_locals(&body);
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
        } else {
            all = false;
        }
        allocations = function.into_allocations();
    }
    if !all && let Some(everywhere) = with_nulls_everywhere(module) {
        return Some(everywhere);
    }
    (changed != module).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nullable::REF;

    #[test]
    fn a_local_that_would_be_nothing_begins_as_null() {
        let text = r#"(module
            (type $bytes (array (mut i8)))
            (func (export "eats") (param (ref $bytes)))
            (func (export "reads") (result i32) (local i32 i32) (local $held (ref $bytes)) (local (ref null $bytes))
                (local.set $held (array.new $bytes (i32.const 7) (i32.const 2)))
                (array.get_u $bytes (local.get $held) (i32.const 1)))
            (func (export "hands on") (local $held (ref $bytes))
                (local.set $held (array.new $bytes (i32.const 7) (i32.const 2)))
                (call 0 (local.get $held)))
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
    fn a_function_may_hand_such_a_local_on() {
        let text = r#"(module
            (type $bytes (array (mut i8)))
            (func $eats (param (ref $bytes)))
            (func (export "hands on") (local $held (ref $bytes))
                (local.set $held (array.new $bytes (i32.const 7) (i32.const 2)))
                (call $eats (local.get $held))))"#;
        let changed = with_nulls(&wat::parse_str(text).unwrap()).unwrap();
        assert_eq!(with_nulls(&changed), None, "nothing remains");
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
