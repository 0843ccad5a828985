//! The Kotlin types of integers: signed or unsigned number, boolean, character or value class. Wasm's types do not
//! tell, so they are inferred from what the code does with an integer: it boxes it, branches on it, passes it to a
//! function of its type, or makes it by a comparison. If no code shows it, the type is not known.

use std::collections::{HashMap, HashSet};

use wasmparser::{BlockType, Operator, OperatorsReader};

use super::Reading;
use super::bound::{self, BOUND};
use super::class::{RTTI, unnumbered};
use super::layout::{HEADER, with_superclasses};
use super::values::{RESULT, class_of_function, nullable_values, value_classes, values_of};
use crate::module::Module;
use crate::objects::{Field, Storage};
use crate::unwind::{arity, block_arity};

/// The most operands and open blocks of a function that are followed, and the most results of one operator.
const OPERANDS: usize = 1 << 10;
const RESULTS: usize = 16;
/// The most operators of a value class's method that are read; such a method has only a few.
const HANDED_ON: usize = 16;
/// The most functions that are checked for names of locals.
const NAMED: usize = 1 << 12;
/// The end of the name of a global with runtime type information, which begins with the class's name.
const INFORMATION: &str = "_rtti";
/// The library's numbers with a sign.
const SIGNED: [&str; 4] = ["Byte", "Short", "Int", "Long"];

/// Returns true if an optimiser wrote the module, which has no names of locals then. An optimiser also inlines most
/// functions that show what a number is, merges functions with the same code, whatever their types are, and makes one
/// type of those of several classes.
pub fn is_optimised(module: &Module<'_>) -> bool {
    let mut functions = (module.imported_functions()..module.function_count()).take(NAMED);
    !functions.any(|function| module.local_name(function, 0).is_some())
}

/// The parameter and result types that the names of functions and types reveal; none in a module without names.
pub struct Declarations<'m, 's> {
    module: &'m Module<'s>,
    /// The module's number in the dump.
    number: u32,
    values: &'m HashMap<String, u32>,
    /// True if an optimiser wrote the module, as [`is_optimised`] finds.
    optimised: bool,
}

impl Declarations<'_, '_> {
    /// Returns the reading that a function's only parameter gets in it, if the function is a function of the library,
    /// or a method of a value class that passes the parameter on to one. The result is `None` for all others.
    pub fn taken_by(&self, function: u32) -> Option<Reading> {
        let name = self.module.function_name(function)?;
        let lone = self.module.signature(function).is_some_and(|signature| signature.params.len() == 1);
        if self.optimised {
            return name.strip_prefix("kotlin.").filter(|_| lone).and_then(Declarations::of_text);
        }
        match name.strip_prefix("kotlin.").filter(|_| lone) {
            Some(name) => Declarations::of_library(name),
            None if lone && name.ends_with("-impl") => self.handed_on_by(function),
            None => None,
        }
    }

    /// Returns the reading that a library function gives its parameter, where `function` is a method that passes its
    /// own only parameter to it.
    fn handed_on_by(&self, function: u32) -> Option<Reading> {
        let mut operators = self.module.operators(function)?;
        let mut handed = false;
        for _ in 0..HANDED_ON {
            let operator = operators.read().ok()?;
            if let Operator::Call { function_index } = operator
                && handed
            {
                return Declarations::of_library(self.module.function_name(function_index)?.strip_prefix("kotlin.")?);
            }
            handed = matches!(operator, Operator::LocalGet { local_index: 0 });
        }
        None
    }

    /// Returns the readings that a method of a value class gives its own value, both where it was passed and where the
    /// class's getter returned it.
    fn handled_by(&self, function: u32, class: &str) -> Vec<Reading> {
        let mut found = Vec::new();
        let Some(mut operators) = self.module.operators(function) else { return found };
        let is_getter = |callee: u32| {
            let name = self.module.function_name(callee).filter(|name| name.contains("__<get-"));
            name.and_then(class_of_function).is_some_and(|of| of == class)
        };
        let mut is_own = false;
        while let Ok(operator) = operators.read() {
            is_own = match operator {
                Operator::LocalGet { local_index: 0 } => true,
                Operator::LocalTee { .. } => is_own,
                Operator::Call { function_index } if is_own && is_getter(function_index) => true,
                ref other => {
                    found.extend(self.taken(other).filter(|_| is_own));
                    false
                }
            };
        }
        found
    }

    /// Returns the reading that a library function gives its first parameter, if it makes the text of it. No function
    /// that does this for another type has the same code, so an optimiser cannot have merged them.
    fn of_text(name: &str) -> Option<Reading> {
        match name {
            "wasm.internal.utoa32" | "wasm.internal.utoa64" => Some(Reading::Unsigned),
            "wasm.internal.itoa32" | "wasm.internal.itoa64" | "Int__toString-impl" | "Long__toString-impl" => {
                Some(Reading::Signed)
            }
            "wasm.internal.getBoxedBoolean" | "Boolean__toString-impl" => Some(Reading::Truth),
            "Char__toString-impl" => Some(Reading::Character),
            name => value_class(name).filter(|_| name.ends_with("__toString-impl")),
        }
    }

    /// Returns the reading that a library function gives its first parameter, by the function's name.
    fn of_library(name: &str) -> Option<Reading> {
        // A constructor takes the bits as a signed number.
        if let Some(value) = value_class(name).filter(|_| !name.contains("__<init>")) {
            return Some(value);
        }
        Some(match name {
            "wasm.internal.getBoxedBoolean" => Reading::Truth,
            name if name.starts_with("Boolean__") => Reading::Truth,
            name if name.starts_with("Char__") => Reading::Character,
            name if SIGNED.iter().any(|class| {
                let method = name.strip_prefix(class);
                method.is_some_and(|method| method.starts_with("__") || method.starts_with("Array."))
            }) =>
            {
                Reading::Signed
            }
            _ => return None,
        })
    }

    /// Returns the reading that a function gives its first parameter, if it is a library function, or a method of a
    /// value class, whose first parameter is the value itself. [`Declarations::taken_by`] is for functions of one
    /// parameter.
    pub fn taken_first_by(&self, function: u32) -> Option<Reading> {
        let name = self.module.function_name(function)?;
        if self.optimised {
            return match name.strip_prefix("kotlin.") {
                Some(name) => Declarations::of_text(name),
                None => self.value(class_of_function(name).filter(|_| name.ends_with("__toString-impl"))?),
            };
        }
        match name.strip_prefix("kotlin.") {
            Some(name) if !name.contains("Result__") => Declarations::of_library(name),
            _ => self.value(class_of_function(name).filter(|_| !name.contains("__<init>"))?),
        }
    }

    /// The reading of a value class of the program.
    fn value(&self, class: String) -> Option<Reading> {
        Some(Reading::Value { module: self.number, ty: self.type_of_value(&class)? })
    }

    /// The type of the boxes of a value class of the program.
    pub fn type_of_value(&self, class: &str) -> Option<u32> {
        self.values.get(class).copied()
    }

    /// Returns the readings of the values that a lambda captured, by the name of its class; `None` if the name does not
    /// say. A value that is no number has no reading.
    pub fn held_by(&self, class: &str) -> Option<Vec<Option<Reading>>> {
        if !class.contains(BOUND) {
            return None;
        }
        bound::readings(class, &values_of(self.values, self.number))
    }

    /// Returns the reading of a function's result, by the function's name.
    pub fn given_by(&self, function: u32) -> Option<Reading> {
        let name = self.module.function_name(function).filter(|_| !self.optimised)?;
        let Some(name) = name.strip_prefix("kotlin.") else {
            return self.value(class_of_function(name).filter(|_| name.contains("__<init>"))?);
        };
        match name {
            "Int__toChar-impl" | "Char__plus-impl" | "Char__inc-impl" | "Char__dec-impl" => Some(Reading::Character),
            "CharArray.get" | "String.get" | "text.StringBuilder.get" => Some(Reading::Character),
            "BooleanArray.get" => Some(Reading::Truth),
            "UIntArray__get-impl" | "ULongArray__get-impl" => Some(Reading::Unsigned),
            "UByteArray__get-impl" => Some(Reading::UnsignedByte),
            "UShortArray__get-impl" => Some(Reading::UnsignedShort),
            "Char__toInt-impl" => Some(Reading::Signed),
            "<Result__<init>-impl>" => self.value(RESULT.to_owned()),
            "time.toDuration"
            | "time.Duration__plus-impl"
            | "time.Duration__minus-impl"
            | "time.Duration__unaryMinus-impl"
            | "time.<Duration__<get-absoluteValue>-impl>" => Some(Reading::Duration),
            name if name.contains("__<init>") => value_class(name),
            // An array of unsigned numbers is made by a constructor of its own, which is called with one of these.
            name => name.strip_suffix(".<init>").filter(|class| is_signed_array(class)).map(|_| Reading::Signed),
        }
    }

    /// Returns the reading of the value in a box of this type.
    pub fn boxed_in(&self, ty: u32) -> Option<Reading> {
        self.boxed_as(self.module.type_name(ty).filter(|_| !self.optimised)?)
    }

    /// Returns the reading of the value in a box whose runtime type information is in this global.
    fn boxed_with(&self, information: u32) -> Option<Reading> {
        self.boxed_as(self.module.global_name(information)?.strip_suffix(INFORMATION)?)
    }

    /// Returns the reading of the value in a box of the class of this name.
    fn boxed_as(&self, name: &str) -> Option<Reading> {
        let Some(name) = name.strip_prefix("kotlin.") else { return self.value(name.to_owned()) };
        match name {
            "Boolean" => Some(Reading::Truth),
            "Char" => Some(Reading::Character),
            "Byte" | "Short" | "Int" | "Long" => Some(Reading::Signed),
            "UInt" | "ULong" => Some(Reading::Unsigned),
            "UByte" => Some(Reading::UnsignedByte),
            "UShort" => Some(Reading::UnsignedShort),
            "UIntArray" | "ULongArray" | "UByteArray" | "UShortArray" => Some(Reading::Unsigned),
            "time.Duration" => Some(Reading::Duration),
            "Result" => self.value(RESULT.to_owned()),
            _ => None,
        }
    }

    /// Returns the reading that an operator gives the operand on top of the stack.
    pub fn taken(&self, operator: &Operator<'_>) -> Option<Reading> {
        match *operator {
            Operator::If { .. } | Operator::BrIf { .. } | Operator::I32Eqz => Some(Reading::Truth),
            Operator::Call { function_index } => self.taken_by(function_index),
            Operator::StructNew { struct_type_index } => self.boxed_in(struct_type_index),
            _ => None,
        }
    }

    /// Returns the reading of the result that an operator pushes.
    pub fn given(&self, operator: &Operator<'_>) -> Option<Reading> {
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
            I32Extend8S | I32Extend16S => Some(Reading::Signed),
            I32Add | I32Sub | I32Mul | I32DivS | I32RemS | I32Shl | I32ShrS | I32ShrU => Some(Reading::Signed),
            Call { function_index } => self.given_by(function_index),
            StructNew { struct_type_index } if !self.optimised => {
                let class = self.module.type_name(struct_type_index)?.strip_prefix("kotlin.")?;
                is_signed_array(class).then_some(Reading::Signed)
            }
            _ => None,
        }
    }

    /// The evidence for a function's locals.
    fn locals(&self, function: u32) -> HashMap<u32, Evidence> {
        let mut known = HashMap::new();
        if let Some(operators) = self.module.operators(function) {
            pairs(operators, |operator, next| match (operator, next) {
                (Operator::LocalGet { local_index } | Operator::LocalTee { local_index }, next) => {
                    if let Some(reading) = self.taken(next) {
                        Evidence::add(&mut known, *local_index, reading);
                    }
                }
                (given, Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) => {
                    if let Some(reading) = self.given(given) {
                        Evidence::add(&mut known, *local_index, reading);
                    }
                }
                _ => {}
            });
        }
        if let Some(operators) = self.module.operators(function) {
            operands(self.module, operators, |taker, source| {
                if let (Taker::Function(callee), OperandPlace::Local(local)) = (taker, source)
                    && let Some(reading) = self.taken_first_by(callee)
                {
                    Evidence::add(&mut known, local, reading);
                }
            });
        }
        known
    }
}

/// Returns true if a class of the library is an array of numbers with a sign, such as `IntArray`.
pub fn is_signed_array(class: &str) -> bool {
    class.strip_suffix("Array").is_some_and(|element| SIGNED.contains(&element))
}

/// The value class of which a library function is a method, as `UInt__toString-impl` or `<UByte__<get-data>-impl>`:
/// unsigned numbers, arrays of these, and durations.
fn value_class(function: &str) -> Option<Reading> {
    let (package, function) = match function.strip_prefix("time.") {
        Some(function) => ("time", function),
        None => ("", function),
    };
    let (ty, _) = function.trim_start_matches('<').split_once("__")?;
    Some(match (package, ty) {
        ("", "UInt" | "ULong" | "UIntArray" | "ULongArray" | "UByteArray" | "UShortArray") => Reading::Unsigned,
        ("", "UByte") => Reading::UnsignedByte,
        ("", "UShort") => Reading::UnsignedShort,
        ("time", "Duration") => Reading::Duration,
        _ => return None,
    })
}

/// Returns true if objects of a type begin with the fields that all objects have.
fn begins_as_object(module: &Module<'_>, ty: u32) -> bool {
    let named = (0..).zip(HEADER).all(|(index, (name, _))| module.field_name(ty, index) == Some(name));
    // Without names they are known by their shape: three references and a number of 32 bits.
    let nameless = || (0..HEADER.len() as u32).all(|index| module.field_name(ty, index).is_none());
    let width = |index| module.field_width(ty, index);
    let shaped = || [width(0), width(1), width(2), width(3)] == [None, None, None, Some(4)];
    module.field_count(ty).is_some_and(|count| count as usize >= HEADER.len()) && (named || nameless() && shaped())
}

/// The place from which an operand was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OperandPlace {
    Local(u32),
    /// A field of a type.
    Field(u32, u32),
    Global(u32),
    Unknown,
}

/// An operation that takes an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taker {
    /// A function that is called: its first argument.
    Function(u32),
    /// A new object of a type: its field with runtime type information.
    Object(u32),
    /// A new object with the runtime type information in this global: the only field of its class.
    Box(u32),
}

/// The operands of a function at a place in its code, as far as they are known, and the blocks around it.
#[derive(Default)]
struct Stack {
    operands: Vec<Option<OperandPlace>>,
    blocks: Vec<Block>,
}

/// A block that is open.
struct Block {
    /// The number of operands that are below the block's own.
    height: usize,
    takes: usize,
    gives: usize,
}

impl Stack {
    /// The number of operands below those of the innermost block, which the code in it cannot pop.
    fn height(&self) -> usize {
        self.blocks.last().map_or(0, |block| block.height)
    }

    /// The operands on top that an operation takes, if all of them are known to be there.
    fn top(&self, count: usize) -> Option<&[Option<OperandPlace>]> {
        let first = self.operands.len().checked_sub(count).filter(|first| *first >= self.height())?;
        self.operands.get(first..)
    }

    fn pop(&mut self, count: usize) {
        let left = self.operands.len().saturating_sub(count);
        self.operands.truncate(left.max(self.height()));
    }

    /// `None` if there are too many.
    fn push(&mut self, origin: Option<OperandPlace>, count: usize) -> Option<()> {
        let len = self.operands.len() + count;
        self.operands.resize(Some(len).filter(|len| count <= RESULTS && *len <= OPERANDS)?, origin);
        Some(())
    }

    fn begin(&mut self, module: &Module<'_>, ty: BlockType) -> Option<()> {
        let (takes, gives) = block_arity(module, ty)?;
        let height = self.operands.len().saturating_sub(takes).max(self.height());
        self.blocks.push(Block { height, takes, gives });
        (self.blocks.len() <= OPERANDS).then_some(())
    }

    /// Goes on to the other branch of a block, which begins with the same operands.
    fn other_branch(&mut self) -> Option<()> {
        let takes = self.blocks.last()?.takes;
        self.operands.truncate(self.height());
        self.push(None, takes)
    }

    /// Ends a block; `None` at the function's end.
    fn end(&mut self) -> Option<()> {
        let block = self.blocks.pop()?;
        self.operands.truncate(block.height);
        self.push(None, block.gives)
    }
}

/// Calls `each` with every operation that says what an operand is, and the origin of that operand, wherever the code
/// between them leaves it on the stack.
fn operands<'s>(module: &Module<'_>, mut operators: OperatorsReader<'s>, mut each: impl FnMut(Taker, OperandPlace)) {
    let mut stack = Stack::default();
    while let Ok(operator) = operators.read()
        && operand(module, &operator, &mut stack, &mut each).is_some()
    {}
}

/// Follows one operator; `None` at the function's end, and where there is too much to follow.
fn operand(
    module: &Module<'_>,
    operator: &Operator<'_>,
    stack: &mut Stack,
    each: &mut impl FnMut(Taker, OperandPlace),
) -> Option<()> {
    let (takes, source) = match *operator {
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::Try { blockty } => {
            return stack.begin(module, blockty);
        }
        Operator::TryTable { ref try_table } => return stack.begin(module, try_table.ty),
        Operator::If { blockty } => {
            stack.pop(1);
            return stack.begin(module, blockty);
        }
        // The values that a `catch` pushes are not followed.
        Operator::Else | Operator::Catch { .. } | Operator::CatchAll => return stack.other_branch(),
        Operator::End | Operator::Delegate { .. } => return stack.end(),
        Operator::BrIf { .. } | Operator::BrOnNonNull { .. } => {
            stack.pop(1);
            return Some(());
        }
        Operator::LocalGet { local_index } => (0, Some(OperandPlace::Local(local_index))),
        Operator::LocalTee { local_index } => (1, Some(OperandPlace::Local(local_index))),
        Operator::StructGet { struct_type_index, field_index }
        | Operator::StructGetS { struct_type_index, field_index }
        | Operator::StructGetU { struct_type_index, field_index } => {
            (1, Some(OperandPlace::Field(struct_type_index, field_index)))
        }
        Operator::GlobalGet { global_index } => (0, Some(OperandPlace::Global(global_index))),
        Operator::StructNew { struct_type_index } => {
            let count = module.field_count(struct_type_index)? as usize;
            let fields = stack.top(count).unwrap_or_default();
            if RTTI < count {
                let information = fields.get(RTTI).copied().flatten().unwrap_or(OperandPlace::Unknown);
                each(Taker::Object(struct_type_index), information);
                if let (OperandPlace::Global(information), Some(&Some(held))) = (information, fields.get(HEADER.len()))
                    && count == HEADER.len() + 1
                {
                    each(Taker::Box(information), held);
                }
            }
            stack.pop(count);
            return stack.push(None, 1);
        }
        // The operand stays the same object; only more is known of its type.
        Operator::RefAsNonNull
        | Operator::RefCastNonNull { .. }
        | Operator::RefCastNullable { .. }
        | Operator::BrOnNull { .. }
        | Operator::BrOnCast { .. }
        | Operator::BrOnCastFail { .. } => return Some(()),
        ref other => {
            let Some((takes, gives)) = arity(module, other) else {
                // Execution does not go on here.
                stack.pop(usize::MAX);
                return Some(());
            };
            if let Operator::Call { function_index } = *other
                && let Some(&[Some(source), ..]) = stack.top(takes)
            {
                each(Taker::Function(function_index), source);
            }
            stack.pop(takes);
            return stack.push(None, gives);
        }
    };
    stack.pop(takes);
    stack.push(source, 1)
}

/// Evidence for a reading. Evidence for different readings cancels out, except that a value class outweighs the number
/// that it wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence(Reading);

impl Evidence {
    fn add<K: std::hash::Hash + Eq>(known: &mut HashMap<K, Evidence>, key: K, reading: Reading) {
        known.entry(key).or_insert(Evidence(reading)).hear(reading);
    }

    /// Adds evidence.
    pub fn add_to(known: &mut Option<Evidence>, reading: Reading) {
        known.get_or_insert(Evidence(reading)).hear(reading);
    }

    /// The reading that all evidence supports.
    pub fn reading(self) -> Option<Reading> {
        (self.0 != Reading::Unknown).then_some(self.0)
    }

    fn hear(&mut self, reading: Reading) {
        let evidence = self;
        match (evidence.0, reading) {
            (known, reading) if known == reading => {}
            (Reading::Value { .. }, Reading::Value { .. }) => *evidence = Evidence(Reading::Unknown),
            (_, Reading::Value { .. }) => *evidence = Evidence(reading),
            (Reading::Value { .. }, _) => {}
            _ => *evidence = Evidence(Reading::Unknown),
        }
    }
}

/// Calls `each` with each operator and its successor; an operator is also paired with the one after any `local.tee`s
/// that follow it.
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

/// The classes of the objects that code makes of each type, known by the globals with their runtime type information.
#[derive(Default)]
struct Classes {
    first: HashMap<u32, u32>,
    merged: HashSet<u32>,
}

impl Classes {
    /// Notes an object whose class is not known.
    fn unknown(&mut self, ty: u32) {
        self.merged.insert(ty);
    }

    fn made(&mut self, module: &Module<'_>, ty: u32, information: u32) {
        // An optimiser makes subtypes for the objects that single places make.
        let name = |ty: u32| module.type_name(ty).map(unnumbered);
        let alike = |of: &u32| *of == ty || name(*of).is_some() && name(*of) == name(ty);
        let ty = with_superclasses(module, ty).take_while(alike).last().unwrap_or(ty);
        if *self.first.entry(ty).or_insert(information) != information {
            self.merged.insert(ty);
        }
    }
}

/// The Kotlin types of the integer fields in one module's types.
#[derive(Debug, Default)]
pub struct Fields {
    known: HashMap<(u32, u32), Evidence>,
    unsigned: HashMap<(u32, u32), bool>,
    /// True if an optimiser wrote the module.
    optimised: bool,
    /// True if the program has arrays of unsigned numbers. Without their boxes these have the same type as arrays of
    /// numbers with a sign.
    unsigned_arrays: bool,
    /// Types that an optimiser made of those of several classes. What code does with a field of one may be done with
    /// the other class's.
    merged: HashSet<u32>,
    /// Types of value classes, by name.
    values: HashMap<String, u32>,
    /// The types of value classes whose only field may be null.
    nullable: HashSet<u32>,
}

impl Fields {
    /// Analyses all code of a module.
    pub fn from_code(module: &Module<'_>, number: u32) -> Fields {
        let is_of_array = |name: &str| {
            let name = name.strip_prefix("kotlin.").map(|name| name.trim_start_matches('<'));
            name.is_some_and(|name| name.starts_with('U') && name.contains("Array__"))
        };
        let mut fields = Fields {
            optimised: is_optimised(module),
            unsigned_arrays: module.function_names().any(|(_, name)| is_of_array(name)),
            ..Fields::default()
        };
        let values = value_classes(module);
        let declared = Declarations { module, number, values: &values, optimised: fields.optimised };
        // A number of 32 or 64 bits that code branches on is compared with zero.
        let fits = |(ty, field): (u32, u32), reading| {
            reading != Reading::Truth || module.field_width(ty, field).is_none_or(|width| width < 4)
        };
        let mut classes = Classes::default();
        // A box passes its own field to methods of its class, which is no evidence that the field holds a boxed value.
        let is_box = |ty: u32, reading| matches!(reading, Reading::Value { ty: own, .. } if own == ty);
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
                let taken = declared.taken(next).filter(|reading| !is_box(field.0, *reading) && fits(field, *reading));
                if let Some(reading) = taken {
                    Evidence::add(&mut fields.known, field, reading);
                }
            });
            let Some(operators) = module.operators(function) else { continue };
            operands(module, operators, |taker, source| match (taker, source) {
                (Taker::Function(callee), OperandPlace::Field(ty, field)) => {
                    if let Some(reading) = declared.taken_first_by(callee).filter(|reading| !is_box(ty, *reading)) {
                        Evidence::add(&mut fields.known, (ty, field), reading);
                    }
                }
                (Taker::Object(ty), OperandPlace::Global(information)) => classes.made(module, ty, information),
                // Code that an optimiser wrote may make objects of another class there.
                (Taker::Object(ty), _) if fields.optimised => classes.unknown(ty),
                (Taker::Box(information), OperandPlace::Field(ty, field)) if fields.optimised => {
                    if let Some(reading) = declared.boxed_with(information) {
                        Evidence::add(&mut fields.known, (ty, field), reading);
                    }
                }
                _ => {}
            });
            // The methods of a value class, above all its `hashCode`, take the unboxed value and so show what its field
            // is.
            if let Some(class) = module.function_name(function).and_then(class_of_function)
                && !fields.optimised
                && let Some(&ty) = values.get(&class)
            {
                let known = declared.locals(function).remove(&0).map(|evidence| evidence.0);
                for reading in known.into_iter().chain(declared.handled_by(function, &class)) {
                    if !is_box(ty, reading) {
                        Evidence::add(&mut fields.known, (ty, HEADER.len() as u32), reading);
                    }
                }
            }
        }
        for initialiser in module.global_initialisers() {
            operands(module, initialiser, |taker, source| {
                if let (Taker::Object(ty), OperandPlace::Global(information)) = (taker, source) {
                    classes.made(module, ty, information);
                }
            });
        }
        fields.merged = classes.merged;
        fields.nullable = nullable_values(module, &values);
        fields.values = values;
        fields
    }

    /// Returns true if the only field of the value class that is boxed in this type may be null. Values of such a class
    /// that may be null themselves have a box.
    pub fn may_hold_null(&self, ty: u32) -> bool {
        self.nullable.contains(&ty)
    }

    /// The value classes of the module with this number, by their names without the package.
    pub fn values(&self, module: u32) -> Vec<(&str, Reading)> {
        values_of(&self.values, module)
    }

    /// Returns the reading of an unboxed value class, by that of its only field. A number that is not boxed has at
    /// least 32 bits, even if its box stores fewer.
    pub fn within(
        &self,
        module: &Module<'_>,
        ty: u32,
        field: Field,
        moved: impl FnOnce() -> Option<Reading>,
    ) -> Reading {
        let only = HEADER.len() as u32;
        let storage = match (field, module.field_width(ty, only)) {
            (Field::I32(_), Some(1)) => Storage::I8,
            (Field::I32(_), Some(2)) => Storage::I16,
            (Field::I8(_), _) => Storage::I8,
            (Field::I16(_), _) => Storage::I16,
            (Field::I32(_), _) => Storage::I32,
            (Field::I64(_), _) => Storage::I64,
            (Field::Ref(_), _) => Storage::Ref,
            (Field::F32(_) | Field::F64(_) | Field::V128(_), _) => return Reading::Signed,
        };
        self.reading(module, ty, only, storage, moved)
    }

    /// Reads the declarations that the names of the module's functions and types reveal.
    pub fn declarations<'m, 's>(&'m self, module: &'m Module<'s>, number: u32) -> Declarations<'m, 's> {
        Declarations { module, number, values: &self.values, optimised: self.optimised }
    }

    /// Returns the reading of the elements of an array of numbers. An array of unsigned numbers that is not in its box
    /// looks like an array of numbers with a sign.
    pub fn elements(&self) -> Reading {
        if self.optimised || self.unsigned_arrays { Reading::Number } else { Reading::Signed }
    }

    /// Returns the reading of an integer field, or of the elements of an array in it; evidence for an inherited field
    /// counts too. 16 bits that the code reads without a sign are a character. `moved` gives the reading that data flow
    /// shows for a field that code only moves.
    pub fn reading(
        &self,
        module: &Module<'_>,
        ty: u32,
        field: u32,
        storage: Storage,
        moved: impl FnOnce() -> Option<Reading>,
    ) -> Reading {
        let has = |ty: &u32| module.field_count(*ty).is_some_and(|count| field < count);
        let declaring = with_superclasses(module, ty).take_while(has).last();
        // An optimiser takes the runtime type information out of objects of which nobody asks it, and merges their
        // types, too.
        let is_headless = || self.optimised && !begins_as_object(module, ty);
        let is_merged = declaring.is_some_and(|ty| self.merged.contains(&ty)) || is_headless();
        let types = || with_superclasses(module, ty).map(|ty| (ty, field)).filter(|_| !is_merged);
        let mut known = types().filter_map(|field| self.known.get(&field)).map(|evidence| evidence.0);
        let first = known.next().or_else(moved).unwrap_or(Reading::Unknown);
        let known = if known.all(|other| other == first) { first } else { Reading::Unknown };
        match (storage, known) {
            (Storage::I8, known) | (_, known @ Reading::Value { .. }) => known,
            (Storage::I16 | Storage::I32, Reading::UnsignedShort) => known,
            (Storage::I32, Reading::UnsignedByte)
            | (Storage::I32 | Storage::I64 | Storage::Ref, Reading::Unsigned)
            | (Storage::I64, Reading::Duration) => known,
            (Storage::I16, known) => match types().find_map(|field| self.unsigned.get(&field)) {
                Some(true) => Reading::Character,
                Some(false) if known == Reading::Signed => known,
                Some(false) => Reading::Number,
                None => Reading::Unknown,
            },
            (Storage::I32 | Storage::I64 | Storage::Ref, known) if known != Reading::Signed => Reading::Number,
            _ => Reading::Signed,
        }
    }

    /// Returns the readings of a function's locals that hold numbers or unboxed value classes, by the local's index, as
    /// far as its code shows them.
    pub fn locals(&self, module: &Module<'_>, number: u32, function: u32) -> HashMap<u32, Reading> {
        let known = self.declarations(module, number).locals(function);
        known.into_iter().map(|(local, evidence)| (local, evidence.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the reading of field 4 of type 1, if code makes objects of that type with each of these pieces of
    /// runtime type information.
    fn field(informations: &[&str]) -> Reading {
        let new = |information: &&str| {
            format!(
                "(drop (struct.new 1 (ref.null 0) (ref.null 0) (global.get ${information}) (i32.const 0) (i32.const 1)))"
            )
        };
        let text = format!(
            r#"(module
            (type (struct))
            (type (struct (field (ref null 0)) (field (ref null 0)) (field (ref null 0)) (field (mut i32)) (field i8)))
            (global $lamp (ref null 0) (struct.new 0))
            (global $dial (ref null 0) (struct.new 0))
            (func (param $lit (ref 1)) (if (struct.get_s 1 4 (local.get $lit)) (then)))
            (func {}))"#,
            informations.iter().map(new).collect::<String>()
        );
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        Fields::from_code(&module, 0).reading(&module, 1, 4, Storage::I8, || None)
    }

    /// An optimiser makes one type of those of all boxes; the class of a box is in its runtime type information.
    #[test]
    fn a_number_has_the_sign_of_the_boxes_that_code_puts_it_into() {
        let field = |code: &str| {
            let text = format!(
                r#"(module
                (type $info (struct))
                (type $box (struct (field $vtable (ref null 0)) (field $itable (ref null 0)) (field $rtti (ref null 0))
                    (field $_hashCode (mut i32)) (field $value i32)))
                (type $tank (struct (field $vtable (ref null 0)) (field $itable (ref null 0)) (field $rtti (ref null 0))
                    (field $_hashCode (mut i32)) (field $used i32)))
                (global $kotlin.UInt_rtti (ref null 0) (struct.new 0))
                (global $kotlin.Int_rtti (ref null 0) (struct.new 0))
                (func $kotlin.wasm.internal.utoa32 (param i32))
                (func $kotlin.UInt__hashCode-impl (param i32) (result i32) (local.get 0))
                (func (param (ref $tank)) {code}))"#
            );
            let bytes = wat::parse_str(text).unwrap();
            let module = Module::parse(&bytes).unwrap();
            Fields::from_code(&module, 0).reading(&module, 2, 4, Storage::I32, || None)
        };
        let used = "(struct.get $tank 4 (local.get 0))";
        let boxed = |class: &str| {
            format!(
                "(drop (struct.new $box (ref.null 0) (ref.null 0) (global.get $kotlin.{class}_rtti) (i32.const 0) {used}))"
            )
        };
        assert_eq!(field(&boxed("UInt")), Reading::Unsigned);
        assert_eq!(field(&boxed("Int")), Reading::Signed);
        assert_eq!(field(&(boxed("Int") + &boxed("UInt"))), Reading::Number);
        assert_eq!(field(&format!("(call $kotlin.wasm.internal.utoa32 {used})")), Reading::Unsigned);
        // The same code may have been that of another class's function.
        assert_eq!(field(&format!("(drop (call $kotlin.UInt__hashCode-impl {used}))")), Reading::Number);
        assert_eq!(field(""), Reading::Number);
        // Code between the operands may branch.
        for operand in [
            "(block (result i32) (i32.const 0))",
            "(block (result i32) (br 0 (i32.const 0)))",
            "(block (result i32) (drop (br_if 0 (i32.const 1) (i32.const 0))) (i32.const 3))",
            "(if (result i32) (i32.const 1) (then (i32.const 0)) (else (i32.const 2)))",
            "(loop (result i32) (i32.const 0))",
        ] {
            assert_eq!(field(&boxed("UInt").replace("(i32.const 0)", operand)), Reading::Unsigned, "{operand}");
        }
    }

    #[test]
    fn what_code_does_with_one_class_says_nothing_of_another_with_the_same_type() {
        assert_eq!(field(&["lamp"]), Reading::Truth);
        assert_eq!(field(&["lamp", "lamp"]), Reading::Truth);
        assert_eq!(field(&["lamp", "dial"]), Reading::Unknown);
    }
}
