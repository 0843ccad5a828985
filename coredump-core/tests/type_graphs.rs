//! Types that refer to each other in any way: they are shown, whatever they are.

mod crafted;

use crafted::variables;
use gimli::constants::*;
use gimli::{DwAt, DwForm, DwTag};
use proptest::prelude::*;
use wasm_encoder::Encode;

/// Names of types and members that languages give a meaning.
const TYPES: [&str; 12] = [
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
const MEMBERS: [&str; 12] =
    ["m", "ptr", "len", "data_ptr", "length", "__begin_", "__end_", "__ptr_", "buf", "root", "pointer", "__0"];
const LANGUAGES: [gimli::DwLang; 5] = [DW_LANG_C99, DW_LANG_C_plus_plus_14, DW_LANG_Rust, DW_LANG_D, DW_LANG_Fortran95];
/// Types and variables of one program.
const COUNT: usize = 6;

/// A unit that is written as a stream of choices says.
struct Program<'c> {
    choices: std::iter::Cycle<std::slice::Iter<'c, u8>>,
    info: Vec<u8>,
    abbreviations: Vec<u8>,
    code: u64,
    /// Offsets of the types, then of the variables: those of the last pass.
    known: Vec<usize>,
    found: Vec<usize>,
}

impl Program<'_> {
    fn choose(&mut self, count: usize) -> usize {
        usize::from(*self.choices.next().unwrap()) % count
    }

    /// Begins an entry; its attributes follow, and [`Program::done`].
    fn begin(&mut self, tag: DwTag, has_children: bool) {
        self.code += 1;
        self.code.encode(&mut self.info);
        self.code.encode(&mut self.abbreviations);
        u64::from(tag.0).encode(&mut self.abbreviations);
        self.abbreviations.push(u8::from(has_children));
    }

    fn done(&mut self) {
        self.abbreviations.extend([0, 0]);
    }

    fn attribute(&mut self, name: DwAt, form: DwForm, bytes: &[u8]) {
        u64::from(name.0).encode(&mut self.abbreviations);
        u64::from(form.0).encode(&mut self.abbreviations);
        self.info.extend(bytes);
    }

    fn number(&mut self, name: DwAt, choices: &[u64]) {
        let mut bytes = Vec::new();
        choices[self.choose(choices.len())].encode(&mut bytes);
        self.attribute(name, DW_FORM_udata, &bytes);
    }

    fn text(&mut self, name: DwAt, text: &str) {
        self.attribute(name, DW_FORM_string, &[text.as_bytes(), &[0]].concat());
    }

    /// A reference to one of the types, or also to one of the variables.
    fn reference(&mut self, name: DwAt, among: usize) {
        let at = self.choose(among);
        self.attribute(name, DW_FORM_ref4, &(self.known[at] as u32).to_le_bytes());
    }

    fn expression(&mut self, name: DwAt) {
        let object = DW_OP_push_object_address.0;
        let expressions: [&[u8]; 6] = [
            &[DW_OP_addr.0, 16, 0, 0, 0],
            &[object],
            &[object, DW_OP_deref.0],
            &[object, DW_OP_plus_uconst.0, 4, DW_OP_deref.0],
            &[DW_OP_lit1.0, DW_OP_stack_value.0],
            &[DW_OP_call4.0, 30, 0, 0, 0],
        ];
        let chosen = expressions[self.choose(expressions.len())];
        self.attribute(name, DW_FORM_exprloc, &[&[chosen.len() as u8], chosen].concat());
    }

    /// A property of an array: a number, the value of a variable or type, or an expression.
    fn property(&mut self, name: DwAt) {
        match self.choose(3) {
            0 => self.number(name, &[0, 2, 3, 1 << 33]),
            1 => self.reference(name, 2 * COUNT),
            _ => self.expression(name),
        }
    }

    fn member(&mut self) {
        let tag = [DW_TAG_member, DW_TAG_member, DW_TAG_inheritance][self.choose(3)];
        self.begin(tag, false);
        let name = MEMBERS[self.choose(MEMBERS.len())];
        self.text(DW_AT_name, name);
        self.reference(DW_AT_type, COUNT);
        self.number(DW_AT_data_member_location, &[0, 1, 4, 8]);
        self.done();
    }

    fn ty(&mut self) {
        self.found.push(self.info.len() + 4);
        let name = TYPES[self.choose(TYPES.len())];
        match self.choose(9) {
            kind @ 0..3 => {
                self.begin([DW_TAG_structure_type, DW_TAG_class_type, DW_TAG_union_type][kind], true);
                self.text(DW_AT_name, name);
                self.number(DW_AT_byte_size, &[0, 4, 8, 16, 1 << 40]);
                self.done();
                (0..self.choose(4)).for_each(|_| self.member());
                self.begin(DW_TAG_template_type_parameter, false);
                self.reference(DW_AT_type, COUNT);
                self.done();
                self.info.push(0);
            }
            kind @ 3..6 => {
                self.begin(DW_TAG_array_type, true);
                self.reference(DW_AT_type, COUNT);
                match kind {
                    3 => self.expression(DW_AT_data_location),
                    4 => self.number(DW_AT_byte_stride, &[0, 1, 4, 1 << 60]),
                    _ => {}
                }
                self.done();
                for _ in 0..self.choose(3) {
                    self.begin(DW_TAG_subrange_type, false);
                    let bound = [DW_AT_count, DW_AT_upper_bound][self.choose(2)];
                    self.property(bound);
                    self.done();
                }
                self.info.push(0);
            }
            6 => {
                self.begin(DW_TAG_string_type, false);
                self.property(DW_AT_string_length);
                self.done();
            }
            _ => {
                let tags = [DW_TAG_pointer_type, DW_TAG_reference_type, DW_TAG_typedef, DW_TAG_enumeration_type];
                let tag = tags[self.choose(tags.len())];
                self.begin(tag, false);
                self.reference(DW_AT_type, COUNT);
                self.done();
            }
        }
    }

    fn variable(&mut self, name: &str) {
        self.found.push(self.info.len() + 4);
        self.begin(DW_TAG_variable, false);
        self.text(DW_AT_name, name);
        self.reference(DW_AT_type, COUNT);
        self.expression(DW_AT_location);
        self.done();
    }

    fn unit(&mut self) {
        // The rest of the header: version, offset of the abbreviations, size of an address.
        self.info.extend([4, 0, 0, 0, 0, 0, 4]);
        let language = LANGUAGES[self.choose(LANGUAGES.len())];
        for tag in [DW_TAG_compile_unit, DW_TAG_subprogram] {
            self.begin(tag, true);
            self.attribute(DW_AT_low_pc, DW_FORM_addr, &2u32.to_le_bytes());
            self.attribute(DW_AT_high_pc, DW_FORM_data1, &[5]);
            self.attribute(DW_AT_language, DW_FORM_data1, &[language.0 as u8]);
            self.done();
            if tag == DW_TAG_compile_unit {
                (0..COUNT).for_each(|_| self.ty());
            }
        }
        (0..COUNT).for_each(|number| self.variable(&format!("v{number}")));
        self.info.extend([0, 0]);
        self.abbreviations.push(0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_variables_of_any_types_are_shown(choices in proptest::collection::vec(any::<u8>(), 40..160)) {
        // In the first pass the offsets are not known yet; references have one size, so they are right in the second.
        let mut known = vec![0; 2 * COUNT];
        let mut sections = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let mut program = Program {
                choices: choices.iter().cycle(),
                info: Vec::new(),
                abbreviations: Vec::new(),
                code: 0,
                known,
                found: Vec::new(),
            };
            program.unit();
            known = program.found;
            sections = (program.abbreviations, program.info);
        }
        let shown = variables(&sections.0, &sections.1);
        let names: Vec<&str> = shown.iter().map(|variable| variable.name.as_str()).collect();
        prop_assert_eq!(names, ["v0", "v1", "v2", "v3", "v4", "v5"]);
    }
}
