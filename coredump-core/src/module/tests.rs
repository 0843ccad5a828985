//! Compares the results of `Module` with the module's text.

use super::*;

const TEXT: &str = r#"
    (module $sample
      (import "env" "host" (func $host (param i32)))
      (import "env" "base" (global i32))
      (type $sum (func (param i32 i64) (result f64)))
      (memory $heap 2 4)
      (table $pointers 4 funcref)
      (global $counter (mut i64) (i64.const -3))
      (elem (i32.const 1) func $sum $host)
      (elem (table $pointers) (i32.const 3) funcref (ref.func $last))
      (data $greeting (i32.const 1024) "hi")
      (data (global.get 0) "relative")
      (func $sum (type $sum) (local $x v128) (local $y funcref) f64.const 0)
      (func (export "last function") nop)
      (func $last))"#;

fn with_module(test: impl FnOnce(Module<'_>)) {
    let bytes = wat::parse_str(TEXT).unwrap();
    test(Module::parse(&bytes).unwrap());
}

#[test]
fn functions_have_names_bodies_and_types() {
    with_module(|module| {
        assert_eq!(module.name(), Some("sample"));
        assert_eq!((module.imported_functions(), module.function_count()), (1, 4));
        let names: Vec<_> = (0..5).map(|index| module.function_name(index)).collect();
        assert_eq!(names, [Some("host"), Some("sum"), Some("last function"), Some("last"), None]);
        assert_eq!(module.body(0), None);
        let body = module.body(2).unwrap();
        assert_eq!(&module.bytes()[body.start as usize..body.end as usize], [0, 1, 0xb], "no locals, nop, end");
        assert_eq!(module.function_at(body.start), Some(2));
        let types = module.local_types(1).unwrap();
        assert_eq!(types, [ValueType::I32, ValueType::I64, ValueType::V128, ValueType::Ref]);
        assert_eq!(module.signature(1).unwrap().results, [ValueType::F64]);
        assert_eq!(module.local_name(1, 2), Some("x"));
    });
}

#[test]
fn state_is_known_as_far_as_constants_tell() {
    with_module(|module| {
        let globals = module.globals();
        assert_eq!((globals[0].imported, globals[0].init), (true, None));
        assert_eq!((globals[1].mutable, globals[1].init), (true, Some(Constant::I64(-3))));
        assert_eq!(module.global_name(1), Some("counter"));
        assert_eq!(module.memories()[0].maximum_pages, Some(4));
        let data: Vec<_> = module.data_segments().collect();
        assert_eq!((data[0].offset, data[0].bytes), (Some(Constant::I32(1024)), &b"hi"[..]));
        assert_eq!(data[1].offset.unwrap().as_address(), None);
        let pointers: Vec<_> = (0..4).map(|index| module.table_function(0, index)).collect();
        assert_eq!(pointers, [None, Some(1), Some(0), Some(3)]);
        assert_eq!([0, 1, 2, 3].map(|function| module.has_pointer_to(function)), [true, true, false, true]);
        assert!(module.tables()[0].functions);
    });
}

#[test]
fn a_module_cut_anywhere_still_opens_and_answers() {
    let bytes = wat::parse_str(TEXT).unwrap();
    for end in 8..bytes.len() {
        let module = Module::parse(&bytes[..end]).unwrap();
        for function in 0..module.function_count() {
            module.body(function);
            module.local_types(function);
            module.function_name(function);
        }
        let _ = (module.globals().len(), module.data_segments().count(), module.table_function(0, 1));
    }
}

#[test]
fn identities_are_the_bytes_own() {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    // This is the output of `sha256sum` for these eight bytes.
    let expected = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
    assert_eq!(Module::parse(&bytes).unwrap().sha256(), expected);
    bytes.extend(b"\x00\x0d\x08build_id\x03\xab\x01\xff");
    assert_eq!(Module::parse(&bytes).unwrap().build_id().as_deref(), Some("ab01ff"));
}

#[test]
fn content_is_the_same_before_and_after_stripping() {
    let bytes = wat::parse_str(TEXT).unwrap();
    let named = Module::parse(&bytes).unwrap();
    let names = named.sections.iter().position(|section| section.id == sections::CUSTOM).unwrap();
    let end = named.sections[names - 1].contents.end;
    let stripped = Module::parse(&bytes[..end]).unwrap();
    assert_eq!(stripped.name(), None);
    assert_eq!(stripped.content_sha256(), named.content_sha256());
    let other = Module::parse(&bytes[..end - 1]).unwrap();
    assert_ne!(other.content_sha256(), named.content_sha256());
}

#[test]
fn a_component_is_no_core_module() {
    assert_eq!(Module::parse(b"\0asm\x0d\0\x01\0").unwrap_err().kind, ErrorKind::WrongFile);
}
