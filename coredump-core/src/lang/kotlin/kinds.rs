//! What an integer of the code is: a number with a sign or without, a truth value or a character. Types of Wasm do not tell, so what
//! the code does with it has to: it boxes it, branches on it, hands it to a function of its type, or makes it by a comparison. What no
//! code speaks for is not known.

use std::collections::HashMap;

use wasmparser::{Operator, OperatorsReader};

use super::Reading;
use crate::module::Module;
use crate::objects::Storage;

/// Superclasses' types that are followed.
const ANCESTORS: usize = 64;
/// Operators of a value class's function that are looked at: it has a few.
const HANDED_ON: usize = 16;

/// Names of functions and types that say what they take and give. A module without names has none of them.
struct Names<'m, 's>(&'m Module<'s>);

impl Names<'_, '_> {
    /// What a function takes, if that is one integer: one of the library, or one of a value class that hands it on to such.
    fn taken_by(&self, function: u32) -> Option<Reading> {
        let name = self.0.function_name(function)?;
        let lone = self.0.signature(function).is_some_and(|signature| signature.params.len() == 1);
        match name.strip_prefix("kotlin.").filter(|_| lone) {
            Some(name) => Names::of_library(name),
            None if lone && name.ends_with("-impl") => self.handed_on_by(function),
            None => None,
        }
    }

    /// What the function takes that a function calls with its own only parameter.
    fn handed_on_by(&self, function: u32) -> Option<Reading> {
        let mut operators = self.0.operators(function)?;
        let mut handed = false;
        for _ in 0..HANDED_ON {
            let operator = operators.read().ok()?;
            if let Operator::Call { function_index } = operator
                && handed
            {
                return Names::of_library(self.0.function_name(function_index)?.strip_prefix("kotlin.")?);
            }
            handed = matches!(operator, Operator::LocalGet { local_index: 0 });
        }
        None
    }

    /// What a function of the library takes, by its name.
    fn of_library(name: &str) -> Option<Reading> {
        // Its constructor takes the bits as a number with a sign.
        if let Some(unsigned) = unsigned(name).filter(|_| !name.contains("__<init>")) {
            return Some(unsigned);
        }
        Some(match name {
            "wasm.internal.getBoxedBoolean" => Reading::Truth,
            name if name.starts_with("Boolean__") => Reading::Truth,
            name if name.starts_with("Char__") => Reading::Character,
            name if name.starts_with("Byte__") || name.starts_with("Short__") || name.starts_with("Int__") => {
                Reading::Signed
            }
            _ => return None,
        })
    }

    fn given_by(&self, function: u32) -> Option<Reading> {
        match self.0.function_name(function)?.strip_prefix("kotlin.")? {
            "Int__toChar-impl" => Some(Reading::Character),
            "Char__toInt-impl" => Some(Reading::Signed),
            name if name.contains("__<init>") => unsigned(name),
            _ => None,
        }
    }

    /// What an object is the box of.
    fn boxed_in(&self, ty: u32) -> Option<Reading> {
        match self.0.type_name(ty)?.strip_prefix("kotlin.")? {
            "Boolean" => Some(Reading::Truth),
            "Char" => Some(Reading::Character),
            "Byte" | "Short" | "Int" => Some(Reading::Signed),
            "UInt" | "ULong" => Some(Reading::Unsigned),
            "UByte" => Some(Reading::UnsignedByte),
            "UShort" => Some(Reading::UnsignedShort),
            _ => None,
        }
    }

    /// What an operator takes from the top of the stack.
    fn taken(&self, operator: &Operator<'_>) -> Option<Reading> {
        match *operator {
            Operator::If { .. } | Operator::BrIf { .. } | Operator::I32Eqz => Some(Reading::Truth),
            Operator::Call { function_index } => self.taken_by(function_index),
            Operator::StructNew { struct_type_index } => self.boxed_in(struct_type_index),
            _ => None,
        }
    }

    /// What an operator leaves on the stack.
    fn given(&self, operator: &Operator<'_>) -> Option<Reading> {
        use Operator::*;
        match *operator {
            I32Eqz
            | I32Eq
            | I32Ne
            | I32LtS
            | I32LtU
            | I32GtS
            | I32GtU
            | I32LeS
            | I32LeU
            | I32GeS
            | I32GeU
            | I64Eqz
            | I64Eq
            | I64Ne
            | I64LtS
            | I64LtU
            | I64GtS
            | I64GtU
            | I64LeS
            | I64LeU
            | I64GeS
            | I64GeU
            | F32Eq
            | F32Ne
            | F32Lt
            | F32Gt
            | F32Le
            | F32Ge
            | F64Eq
            | F64Ne
            | F64Lt
            | F64Gt
            | F64Le
            | F64Ge
            | RefIsNull
            | RefEq
            | RefTestNonNull { .. }
            | RefTestNullable { .. } => Some(Reading::Truth),
            I32Add | I32Sub | I32Mul | I32DivS | I32RemS | I32Shl | I32ShrS | I32ShrU => Some(Reading::Signed),
            Call { function_index } => self.given_by(function_index),
            _ => None,
        }
    }
}

/// The type without a sign that a function of the library is of: `UInt__toString-impl`, `<UByte__<get-data>-impl>`.
fn unsigned(function: &str) -> Option<Reading> {
    let (ty, _) = function.trim_start_matches('<').split_once("__")?;
    Some(match ty {
        "UInt" | "ULong" => Reading::Unsigned,
        "UByte" => Reading::UnsignedByte,
        "UShort" => Reading::UnsignedShort,
        _ => return None,
    })
}

/// What speaks for one thing or another; for several, nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Evidence(Reading);

impl Evidence {
    fn add<K: std::hash::Hash + Eq>(known: &mut HashMap<K, Evidence>, key: K, reading: Reading) {
        let evidence = known.entry(key).or_insert(Evidence(reading));
        if evidence.0 != reading {
            *evidence = Evidence(Reading::Unknown);
        }
    }
}

/// Gives `each` an operator and the one after it, and the one after those that only keep its result in a local as well.
fn pairs<'s>(mut operators: OperatorsReader<'s>, mut each: impl FnMut(&Operator<'s>, &Operator<'s>)) {
    let mut last: Option<Operator<'s>> = None;
    let mut before: Option<Operator<'s>> = None;
    while !operators.eof() {
        let Ok(next) = operators.read() else { return };
        for operator in [&last, &before].into_iter().flatten() {
            each(operator, &next);
        }
        before = match next {
            Operator::LocalTee { .. } => before.or(last),
            _ => None,
        };
        last = Some(next);
    }
}

/// What the integer fields of the types of one module are.
#[derive(Debug, Default)]
pub struct Fields {
    known: HashMap<(u32, u32), Evidence>,
    unsigned: HashMap<(u32, u32), bool>,
}

impl Fields {
    /// Looks through all code of a module.
    pub fn of(module: &Module<'_>) -> Fields {
        let mut fields = Fields::default();
        let names = Names(module);
        for function in module.imported_functions()..module.function_count() {
            let Some(operators) = module.operators(function) else { continue };
            pairs(operators, |operator, next| {
                let (field, unsigned) = match *operator {
                    Operator::StructGet { struct_type_index, field_index } => ((struct_type_index, field_index), None),
                    Operator::StructGetS { struct_type_index, field_index } => {
                        ((struct_type_index, field_index), Some(false))
                    }
                    Operator::StructGetU { struct_type_index, field_index } => {
                        ((struct_type_index, field_index), Some(true))
                    }
                    _ => return,
                };
                if let Some(unsigned) = unsigned {
                    *fields.unsigned.entry(field).or_insert(unsigned) &= unsigned;
                }
                if let Some(reading) = names.taken(next) {
                    Evidence::add(&mut fields.known, field, reading);
                }
            });
        }
        fields
    }

    /// What an integer field is. An inherited one is read through the superclass's type, too. Kotlin reads only characters
    /// without a sign, and numbers of 32 and 64 bits have one where no code speaks for another.
    pub fn reading(&self, module: &Module<'_>, ty: u32, field: u32, storage: Storage) -> Reading {
        let types =
            || std::iter::successors(Some(ty), |ty| module.supertype(*ty)).take(ANCESTORS).map(|ty| (ty, field));
        let mut known = types().filter_map(|field| self.known.get(&field)).map(|evidence| evidence.0);
        let first = known.next().unwrap_or(Reading::Unknown);
        let known = if known.all(|other| other == first) { first } else { Reading::Unknown };
        match (storage, known) {
            (Storage::I8, known) => known,
            (Storage::I16 | Storage::I32, Reading::UnsignedShort) => known,
            (Storage::I32, Reading::UnsignedByte) | (Storage::I32 | Storage::I64, Reading::Unsigned) => known,
            (Storage::I16, _) => match types().find_map(|field| self.unsigned.get(&field)) {
                Some(true) => Reading::Character,
                Some(false) => Reading::Signed,
                None => Reading::Unknown,
            },
            _ => Reading::Signed,
        }
    }
}

/// What the integers in a function's locals are, as far as its code tells.
pub fn locals(module: &Module<'_>, function: u32) -> HashMap<u32, Reading> {
    let mut known = HashMap::new();
    let names = Names(module);
    if let Some(operators) = module.operators(function) {
        pairs(operators, |operator, next| match (operator, next) {
            (Operator::LocalGet { local_index } | Operator::LocalTee { local_index }, next) => {
                if let Some(reading) = names.taken(next) {
                    Evidence::add(&mut known, *local_index, reading);
                }
            }
            (given, Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) => {
                if let Some(reading) = names.given(given) {
                    Evidence::add(&mut known, *local_index, reading);
                }
            }
            _ => {}
        });
    }
    known.into_iter().map(|(local, evidence)| (local, evidence.0)).collect()
}
