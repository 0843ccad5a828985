//! Tests variables whose debug information no compiler writes: types, lengths and places that refer to each other in
//! any way. They are shown, whatever they are.

use gimli::constants::*;
use gimli::{DwAt, DwLang};
use proptest::prelude::*;
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, Function, FunctionSection, MemorySection, MemoryType,
    TypeSection, ValType,
};

use super::{Inspector, Limits, Variable};
use crate::binaries::{Binaries, BinaryStore};
use crate::locate::Options;
use crate::read::read;
use crate::symbols::written::WrittenValue::{Address, Expression, Number, Text, To};
use crate::symbols::written::{Written, WrittenValue, base, entry, sections};

/// The variables of a function that stands at its first instruction, `unreachable`, with these types around it, in a
/// unit of this language. The words of its memory are their own addresses, up to 4 KiB.
fn shown(language: DwLang, types: Vec<Written>, function: impl FnOnce(Range) -> Written) -> Vec<Variable> {
    let mut module = wasm_encoder::Module::new();
    let (mut signatures, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    signatures.ty().function([], []);
    functions.function(0);
    code.function(Function::new([(1, ValType::I32)]).raw([0x00, 0x0b]));
    module.section(&signatures).section(&functions).section(&code);
    // The function's body follows the number of functions and its own size, and has five bytes.
    let code = || [(DW_AT_low_pc, Address(2)), (DW_AT_high_pc, Number(5))];
    let attributes = code().into_iter().chain([(DW_AT_language, Number(u64::from(language.0)))]);
    let entries = types.into_iter().chain([function(code())]).collect();
    let unit = sections(4, &entry(DW_TAG_compile_unit, "", attributes, entries));
    for (name, data) in [(".debug_abbrev", unit.abbreviations), (".debug_info", unit.info)] {
        module.section(&CustomSection { name: name.into(), data: data.into() });
    }
    let mut dump = wasm_encoder::Module::new();
    let embedded = [vec![0], module.finish()].concat();
    let sections: [(&str, &[u8]); 5] = [
        ("core", b"\0\x01f"),
        ("coremodules", b"\x01\0\x01f"),
        ("coreinstances", b"\x01\0\0\x01\0\0"),
        ("corestack", b"\0\x04main\x01\0\0\0\x03\0\0"),
        ("coredump.module", &embedded),
    ];
    for (name, data) in sections {
        dump.section(&CustomSection { name: name.into(), data: data.into() });
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let words: Vec<u8> = (0..1024u32).flat_map(|word| (4 * word).to_le_bytes()).collect();
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), words);
    dump.section(&memories).section(&data);
    let bytes = dump.finish();
    let mut dump = read(&bytes).unwrap();
    let store = BinaryStore::new();
    let binaries = Binaries::settle(&store, &bytes, &mut dump, &Options::default());
    let mut scopes = Inspector::new(&dump, &binaries).frame_variables(0, 0, &Limits::default());
    std::mem::take(&mut scopes[0].variables)
}

/// The addresses of a function's code, as attributes.
type Range = [(DwAt, WrittenValue); 2];

fn function(code: Range, variables: Vec<Written>) -> Written {
    entry(DW_TAG_subprogram, "", code, variables)
}

/// A variable at address 16.
fn variable(name: &'static str, ty: &'static str) -> Written {
    let place = Expression(vec![DW_OP_addr.0, 16, 0, 0, 0]);
    entry(DW_TAG_variable, name, [(DW_AT_name, Text(name)), (DW_AT_type, To(ty)), (DW_AT_location, place)], vec![])
}

/// The only variable's name and value.
fn only(variables: &[Variable]) -> (&str, Option<&str>) {
    let [variable] = variables else { panic!("{variables:?}") };
    (&variable.name, variable.value.as_deref())
}

/// A function whose frame base is found from its frame base; `v` lies at it.
#[test]
fn a_frame_base_that_needs_itself_ends() {
    let at_base = |offset| Expression(vec![DW_OP_fbreg.0, offset]);
    let variables = shown(DW_LANG_C99, vec![], |code| {
        let attributes = code.into_iter().chain([(DW_AT_frame_base, at_base(8))]);
        let v = [(DW_AT_name, Text("v")), (DW_AT_location, at_base(0))];
        entry(DW_TAG_subprogram, "", attributes, vec![entry(DW_TAG_variable, "v", v, vec![])])
    });
    let note = variables[0].note.as_deref().unwrap_or_default();
    assert!(note.contains("the frame base needs itself"), "{note}");
}

/// An array whose length is kept in a variable: that array. And an array without a dimension, of itself.
#[test]
fn arrays_that_hold_themselves_end() {
    let length = entry(DW_TAG_subrange_type, "", [(DW_AT_count, To("v"))], vec![]);
    let own_length =
        vec![base("int", DW_ATE_signed, 4), entry(DW_TAG_array_type, "array", [(DW_AT_type, To("int"))], vec![length])];
    let no_dimension = vec![entry(DW_TAG_array_type, "array", [(DW_AT_type, To("array"))], vec![])];
    for types in [own_length, no_dimension] {
        let variables = shown(DW_LANG_C99, types, |code| function(code, vec![variable("v", "array")]));
        assert_eq!(only(&variables), ("v", Some("{...}")));
    }
}

/// Names of types and members that languages give a meaning.
const TYPE_NAMES: [&str; 12] = [
    "T",
    "vec<int>",
    "core::option::Option<T>",
    "alloc::vec::Vec<T>",
    "alloc::boxed::Box<T>",
    "&[T]",
    "&str",
    "std::__2::basic_string<char>",
    "std::__2::map<a, b>",
    "std::__2::shared_ptr<T>",
    "?T",
    "[]T",
];
const MEMBER_NAMES: [&str; 12] =
    ["m", "ptr", "len", "data_ptr", "length", "__begin_", "__end_", "__ptr_", "buf", "root", "pointer", "__0"];
const LANGUAGES: [DwLang; 5] = [DW_LANG_C99, DW_LANG_C_plus_plus_14, DW_LANG_Rust, DW_LANG_D, DW_LANG_Fortran95];
const TYPES: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];
const VARIABLES: [&str; 6] = ["v0", "v1", "v2", "v3", "v4", "v5"];

/// A stream of choices, which begins again at its end.
struct Choices<'c>(std::iter::Cycle<std::slice::Iter<'c, u8>>);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        usize::from(*self.0.next().unwrap()) % count
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn number(&mut self, of: &[u64]) -> WrittenValue {
        Number(self.one(of))
    }

    fn typed(&mut self) -> (DwAt, WrittenValue) {
        (DW_AT_type, To(self.one(&TYPES)))
    }

    fn expression(&mut self) -> WrittenValue {
        let object = DW_OP_push_object_address.0;
        let expressions: [&[u8]; 6] = [
            &[DW_OP_addr.0, 16, 0, 0, 0],
            &[object],
            &[object, DW_OP_deref.0],
            &[object, DW_OP_plus_uconst.0, 4, DW_OP_deref.0],
            &[DW_OP_lit1.0, DW_OP_stack_value.0],
            &[DW_OP_call4.0, 30, 0, 0, 0],
        ];
        Expression(self.one(&expressions).to_vec())
    }

    /// A property of an array: a number, the value of a variable or what is none, or an expression.
    fn property(&mut self) -> WrittenValue {
        match self.below(3) {
            0 => self.number(&[0, 2, 3, 1 << 33]),
            1 => To(self.one(&[TYPES, VARIABLES].concat())),
            _ => self.expression(),
        }
    }

    fn member(&mut self) -> Written {
        let tag = self.one(&[DW_TAG_member, DW_TAG_member, DW_TAG_inheritance]);
        let name = (DW_AT_name, Text(self.one(&MEMBER_NAMES)));
        let place = (DW_AT_data_member_location, self.number(&[0, 1, 4, 8]));
        entry(tag, "", [name, self.typed(), place], vec![])
    }

    fn dimension(&mut self) -> Written {
        let bound = self.one(&[DW_AT_count, DW_AT_upper_bound]);
        entry(DW_TAG_subrange_type, "", [(bound, self.property())], vec![])
    }

    fn ty(&mut self, label: &'static str) -> Written {
        match self.below(9) {
            kind @ 0..3 => {
                let tag = [DW_TAG_structure_type, DW_TAG_class_type, DW_TAG_union_type][kind];
                let name = (DW_AT_name, Text(self.one(&TYPE_NAMES)));
                let size = (DW_AT_byte_size, self.number(&[0, 4, 8, 16, 1 << 40]));
                let members = (0..self.below(4)).map(|_| self.member()).collect::<Vec<_>>();
                let argument = entry(DW_TAG_template_type_parameter, "", [self.typed()], vec![]);
                entry(tag, label, [name, size], members.into_iter().chain([argument]).collect())
            }
            kind @ 3..6 => {
                let more = match kind {
                    3 => Some((DW_AT_data_location, self.expression())),
                    4 => Some((DW_AT_byte_stride, self.number(&[0, 1, 4, 1 << 60]))),
                    _ => None,
                };
                let attributes = [self.typed()].into_iter().chain(more);
                let dimensions = (0..self.below(3)).map(|_| self.dimension()).collect();
                entry(DW_TAG_array_type, label, attributes, dimensions)
            }
            6 => entry(DW_TAG_string_type, label, [(DW_AT_string_length, self.property())], vec![]),
            _ => {
                let tags = [DW_TAG_pointer_type, DW_TAG_reference_type, DW_TAG_typedef, DW_TAG_enumeration_type];
                entry(self.one(&tags), label, [self.typed()], vec![])
            }
        }
    }

    fn variable(&mut self, name: &'static str) -> Written {
        let attributes = [(DW_AT_name, Text(name)), self.typed(), (DW_AT_location, self.expression())];
        entry(DW_TAG_variable, name, attributes, vec![])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_variables_of_any_types_are_shown(choices in prop::collection::vec(any::<u8>(), 40..160)) {
        let mut choices = Choices(choices.iter().cycle());
        let language = choices.one(&LANGUAGES);
        let types = TYPES.map(|label| choices.ty(label)).into();
        let variables = VARIABLES.map(|name| choices.variable(name)).into();
        let shown = shown(language, types, |code| function(code, variables));
        let names: Vec<&str> = shown.iter().map(|variable| variable.name.as_str()).collect();
        prop_assert_eq!(names, VARIABLES);
    }
}
