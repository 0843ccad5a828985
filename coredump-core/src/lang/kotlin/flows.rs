//! Data flow: what is known of a value's Kotlin type is also known of every local, result, field and global that the
//! value is moved to or from. Kotlin's types are static, so a move of a number never changes its type; where a value
//! class or a number becomes another, a function of the class is called. References are not followed, since they are
//! moved to supertypes as well, but for those to arrays of numbers with a sign: their only supertype is that of all objects, and
//! an array of unsigned numbers without its box is such a reference. A call by reference is known by the field that holds the reference, in a vtable or a
//! lambda: its parameters and result are those of all functions that are stored there. The nearest evidence counts, and
//! where the nearest pieces disagree, nothing is known.

use std::collections::HashMap;

use wasmparser::{BlockType, Operator, OperatorsReader, ValType};

use super::Reading;
use super::kinds::{Declarations, Evidence, is_optimised, is_signed_array};
use super::layout::{HEADER, with_superclasses};
use super::values::class_of_function;
use crate::module::{Module, ValueType, referred_to};
use crate::unwind::arity;

/// Stands for the function index in code outside of functions, such as initialisers of globals.
const NO_FUNCTION: u32 = u32::MAX;
/// The most moves between slots that are kept for one module.
const MAX_MOVES: usize = 1 << 23;
/// The most locals that are analysed, of all functions of a module together.
const MAX_LOCALS: usize = 1 << 24;
/// The most types of arrays that are followed: the library has four.
const ARRAYS: usize = 8;
/// The most fields that are remembered in which a function stores one of its parameters.
const KEPT: usize = 16;
/// The most operands on a function's stack, and the most open blocks. The rest of a function that has more is not read.
const MAX_DEPTH: usize = 1 << 16;
/// The most operands that are followed in one module: a call of two bytes may pop and push a thousand.
const MAX_OPERANDS: usize = 1 << 26;

/// A slot: something in a module that holds values of one static type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueHolder {
    /// A parameter or local of a function.
    Local(u32, u32),
    /// The result of a function.
    Result(u32),
    /// A field of a type.
    Field(u32, u32),
    /// A global.
    Global(u32),
    /// The result of a block of a function's code.
    Block(u32, u32),
    /// A parameter of the functions that a field of a type refers to: type, field, parameter.
    Taken(u32, u32, u32),
    /// The result of the functions that a field of a type refers to: type, field.
    Given(u32, u32),
}

/// The readings of a module's slots that hold numbers or unboxed value classes, as far as its code shows them.
#[derive(Debug, Default)]
pub struct Flows(HashMap<ValueHolder, Reading>);

impl Flows {
    /// Analyses all code of a module. Nothing is known of a module without names of locals: tools that drop these also
    /// merge functions with the same code, whatever their types are.
    pub fn from_code(module: &Module<'_>, declared: &Declarations<'_, '_>) -> Flows {
        let functions = module.imported_functions()..module.function_count();
        if is_optimised(module) {
            return Flows::default();
        }
        let mut graph = SlotGraph {
            module,
            declared,
            arrays: arrays_of_numbers(module),
            ids: HashMap::new(),
            known: Vec::new(),
            moves: Vec::new(),
            callees: HashMap::new(),
            handed: Vec::new(),
            kept: HashMap::new(),
            operands_left: MAX_OPERANDS,
        };
        graph.captured();
        for initialiser in module.global_initialisers() {
            let walk = OperandWalk::new(&mut graph, NO_FUNCTION, Vec::new());
            walk.through(initialiser, None);
        }
        let mut left = MAX_LOCALS;
        for function in functions {
            let Some(locals) = module.local_types(function) else { continue };
            // A module can declare millions of locals in a few bytes.
            left = left.saturating_sub(locals.len());
            if left == 0 {
                break;
            }
            OperandWalk::new(&mut graph, function, locals).run();
        }
        graph.join();
        graph.spread()
    }

    /// Returns the way to read the values of a slot, if that is known.
    pub fn reading_of(&self, module: &Module<'_>, slot: ValueHolder) -> Option<Reading> {
        self.0.get(&inherited(module, slot)).copied()
    }
}

/// The slot of an inherited field, or of the functions that it refers to, in the class that declares the field.
fn inherited(module: &Module<'_>, slot: ValueHolder) -> ValueHolder {
    let declaring = |ty: u32, field: u32| {
        let has = |ty: &u32| module.field_count(*ty).is_some_and(|count| field < count);
        with_superclasses(module, ty).take_while(has).last().unwrap_or(ty)
    };
    match slot {
        ValueHolder::Field(ty, field) => ValueHolder::Field(declaring(ty, field), field),
        ValueHolder::Taken(ty, field, index) => ValueHolder::Taken(declaring(ty, field), field, index),
        ValueHolder::Given(ty, field) => ValueHolder::Given(declaring(ty, field), field),
        slot => slot,
    }
}

/// The types of arrays of numbers with a sign.
fn arrays_of_numbers(module: &Module<'_>) -> Vec<u32> {
    let is_array = |ty: &u32| {
        let name = module.type_name(*ty).and_then(|name| name.strip_prefix("kotlin."));
        name.is_some_and(is_signed_array)
    };
    (0..module.type_kinds().len() as u32).filter(is_array).take(ARRAYS).collect()
}

/// The origin of an operand.
#[derive(Clone, Copy, Debug)]
enum OperandOrigin {
    ValueHolder(u32),
    Known(Reading),
    /// A reference to this function.
    Function(u32),
    /// A reference in a field.
    Member(u32, u32),
    /// A reference in a local.
    Reference(u32),
    Unknown,
}

/// The types of a function's parameters and result, as far as its name says them.
#[derive(Clone, Copy)]
struct Callee {
    first: Option<Reading>,
    gives: Option<Reading>,
}

/// A function, and the index of one of its parameters.
type Parameter = (u32, u32);
/// A type, and the index of one of its fields.
type Member = (u32, u32);

/// The graph of slots and the moves between them, with the evidence for each slot.
struct SlotGraph<'m, 's> {
    module: &'m Module<'s>,
    declared: &'m Declarations<'m, 's>,
    /// The types of arrays of numbers with a sign, without which no reference is followed.
    arrays: Vec<u32>,
    ids: HashMap<ValueHolder, u32>,
    /// The evidence for each slot, by the slot's number.
    known: Vec<Option<Evidence>>,
    moves: Vec<(u32, u32)>,
    callees: HashMap<u32, Callee>,
    /// A function that is called, the index of a parameter, and the function that is passed in it.
    handed: Vec<(u32, u32, u32)>,
    /// The fields in which a function stores each of its parameters; `None` for a parameter that is assigned to.
    kept: HashMap<Parameter, Option<Vec<Member>>>,
    /// The number of operands that may still be taken from stacks.
    operands_left: usize,
}

impl SlotGraph<'_, '_> {
    fn id(&mut self, slot: ValueHolder) -> u32 {
        let next = self.known.len() as u32;
        let id = *self.ids.entry(inherited(self.module, slot)).or_insert(next);
        if id == next {
            self.known.push(None);
        }
        id
    }

    /// Returns the reading of the value in a box of this type: a number whose type is known, or a value class.
    fn boxed_in(&self, ty: u32) -> Option<Reading> {
        self.declared.boxed_in(ty).or_else(|| match self.module.type_name(ty)? {
            "kotlin.Long" | "kotlin.Float" | "kotlin.Double" => Some(Reading::Signed),
            _ => None,
        })
    }

    /// Adds evidence of how to read the slot that `source` names, if it names one.
    fn add_evidence(&mut self, source: OperandOrigin, reading: Reading) {
        if let OperandOrigin::ValueHolder(id) = source
            && let Some(known) = self.known.get_mut(id as usize)
        {
            Evidence::add_to(known, reading);
        }
    }

    fn flow(&mut self, source: OperandOrigin, target: u32) {
        match source {
            OperandOrigin::ValueHolder(id) if id != target && self.moves.len() < MAX_MOVES => {
                self.moves.push((id, target))
            }
            OperandOrigin::Known(reading) => self.add_evidence(OperandOrigin::ValueHolder(target), reading),
            _ => {}
        }
    }

    /// Adds what the class names of lambdas say of the captured values.
    fn captured(&mut self) {
        let module = self.module;
        for ty in 0..module.type_kinds().len() as u32 {
            let Some(readings) = module.type_name(ty).and_then(|name| self.declared.held_by(name)) else { continue };
            let Some(count) = module.field_count(ty).map(|count| count as usize) else { continue };
            for (field, reading) in (0..count).rev().zip(readings.into_iter().rev()) {
                if let Some(reading) = reading.filter(|_| module.field_width(ty, field as u32).is_some()) {
                    let id = self.id(ValueHolder::Field(ty, field as u32));
                    self.add_evidence(OperandOrigin::ValueHolder(id), reading);
                }
            }
        }
    }

    /// Connects each function that is passed as an argument with the fields in which the callee stores it.
    fn join(&mut self) {
        let mut handed = std::mem::take(&mut self.handed);
        handed.sort_unstable();
        handed.dedup();
        let kept = std::mem::take(&mut self.kept);
        for (callee, index, function) in handed {
            for (ty, field) in kept.get(&(callee, index)).into_iter().flatten().flatten() {
                self.called_through(function, *ty, *field);
            }
        }
    }

    /// Notes that a call through a field may call this function. `None` if too much was followed.
    fn called_through(&mut self, function: u32, ty: u32, field: u32) -> Option<()> {
        let module = self.module;
        let Some(signature) = module.signature(function) else { return Some(()) };
        let callee = self.callee(function);
        self.operands_left = self.operands_left.checked_sub(signature.params.len() + 1)?;
        for (index, _) in signature.params.iter().enumerate().filter(|(_, ty)| **ty != ValueType::Ref) {
            let taken = self.id(ValueHolder::Taken(ty, field, index as u32));
            match callee.first.filter(|_| index == 0) {
                Some(reading) => self.add_evidence(OperandOrigin::ValueHolder(taken), reading),
                None => {
                    let parameter = self.id(ValueHolder::Local(function, index as u32));
                    self.flow(OperandOrigin::ValueHolder(taken), parameter);
                }
            }
        }
        if let [result] = signature.results[..]
            && result != ValueType::Ref
        {
            let given = self.id(ValueHolder::Given(ty, field));
            let source = match callee.gives {
                Some(reading) => OperandOrigin::Known(reading),
                None => OperandOrigin::ValueHolder(self.id(ValueHolder::Result(function))),
            };
            self.flow(source, given);
        }
        Some(())
    }

    fn callee(&mut self, function: u32) -> Callee {
        if let Some(known) = self.callees.get(&function) {
            return *known;
        }
        let first = self.declared.taken_by(function).or_else(|| self.declared.taken_first_by(function));
        let callee = Callee { first, gives: self.declared.given_by(function) };
        self.callees.insert(function, callee);
        callee
    }

    /// Spreads the evidence along the moves, in either direction, the nearest first.
    fn spread(self) -> Flows {
        let mut starts = vec![0usize; self.known.len() + 1];
        let ends = || self.moves.iter().flat_map(|&(from, to)| [(from, to), (to, from)]);
        ends().for_each(|(from, _)| starts[from as usize + 1] += 1);
        (1..starts.len()).for_each(|at| starts[at] += starts[at - 1]);
        let mut places = starts.clone();
        let mut neighbours = vec![0u32; self.moves.len() * 2];
        for (from, to) in ends() {
            neighbours[places[from as usize]] = to;
            places[from as usize] += 1;
        }
        let mut known = self.known;
        let mut nearest: Vec<u32> = (0..known.len() as u32).filter(|id| known[*id as usize].is_some()).collect();
        while !nearest.is_empty() {
            let mut reached: HashMap<u32, Option<Evidence>> = HashMap::new();
            for id in nearest {
                let id = id as usize;
                let Some(reading) = known[id].and_then(Evidence::reading) else { continue };
                for next in
                    neighbours[starts[id]..starts[id + 1]].iter().filter(|next| known[**next as usize].is_none())
                {
                    Evidence::add_to(reached.entry(*next).or_default(), reading);
                }
            }
            reached.iter().for_each(|(id, evidence)| known[*id as usize] = *evidence);
            nearest = reached.into_keys().collect();
        }
        let between = |slot: &ValueHolder| {
            matches!(slot, ValueHolder::Block(..) | ValueHolder::Taken(..) | ValueHolder::Given(..))
        };
        let readings = self.ids.into_iter().filter(|(slot, _)| !between(slot));
        Flows(readings.filter_map(|(slot, id)| Some((slot, known[id as usize]?.reading()?))).collect())
    }
}

/// A block of code that is open.
struct OpenBlock {
    /// The number of operands below it.
    height: usize,
    /// The slot of its result: the outer `None` if it has no result, the inner if the result is no number.
    result: Option<Option<u32>>,
    is_loop: bool,
    /// `dead` is true if the code here is unreachable, `dead_around` if the code around the block is.
    dead: bool,
    dead_around: bool,
}

/// Walks a function's code and tracks the operand stack.
struct OperandWalk<'g, 'm, 's> {
    graph: &'g mut SlotGraph<'m, 's>,
    function: u32,
    /// True if the function is a method of a value class, whose first parameter is the unboxed value.
    of_value: bool,
    /// The types of its locals.
    locals: Vec<ValueType>,
    /// The types of the objects that its locals refer to.
    references: Vec<Option<u32>>,
    stack: Vec<OperandOrigin>,
    blocks: Vec<OpenBlock>,
    /// The number of blocks so far.
    count: u32,
}

impl<'g, 'm, 's> OperandWalk<'g, 'm, 's> {
    fn new(graph: &'g mut SlotGraph<'m, 's>, function: u32, locals: Vec<ValueType>) -> OperandWalk<'g, 'm, 's> {
        let of_value = graph.module.function_name(function).and_then(class_of_function).is_some();
        let references = match graph.arrays.is_empty() {
            true => Vec::new(),
            false => graph.module.local_references(function).unwrap_or_default(),
        };
        OperandWalk { graph, function, of_value, locals, references, stack: Vec::new(), blocks: Vec::new(), count: 0 }
    }

    fn run(mut self) -> Option<()> {
        let module = self.graph.module;
        let results = &module.signature(self.function)?.results;
        let end = ValueHolder::Result(self.function);
        let result = (results.len() == 1).then(|| self.is_followed(end).then(|| self.graph.id(end)));
        let name = module.function_name(self.function).unwrap_or_default();
        // The elements of Kotlin's arrays lie in arrays of Wasm, whose types do not show what they are.
        let element = match name {
            "kotlin.BooleanArray.set" => Some(Reading::Truth),
            "kotlin.CharArray.set" => Some(Reading::Character),
            _ => None,
        };
        if let Some(reading) = element {
            let value = self.graph.id(ValueHolder::Local(self.function, 2));
            self.graph.add_evidence(OperandOrigin::ValueHolder(value), reading);
        }
        self.value_class(name);
        let operators = module.operators(self.function)?;
        self.through(operators, result)
    }

    /// Walks the code to its end. `result` is the slot of its result, as in `OpenBlock::result`.
    fn through(mut self, mut operators: OperatorsReader<'_>, result: Option<Option<u32>>) -> Option<()> {
        self.blocks.push(OpenBlock { height: 0, result, is_loop: false, dead: false, dead_around: false });
        while !operators.eof() {
            self.step(&operators.read().ok()?)?;
        }
        Some(())
    }

    /// Notes that a value class's constructor and getter move its only field.
    fn value_class(&mut self, name: &str) -> Option<()> {
        let is_made = name.contains("__<init>");
        if !is_made && !name.contains("__<get-") {
            return None;
        }
        let ty = self.graph.declared.type_of_value(&class_of_function(name)?)?;
        let only = self.graph.id(ValueHolder::Field(ty, HEADER.len() as u32));
        let inner = if is_made { ValueHolder::Local(self.function, 0) } else { ValueHolder::Result(self.function) };
        if self.is_followed(inner) {
            let inner = self.graph.id(inner);
            self.graph.flow(OperandOrigin::ValueHolder(inner), only);
        }
        Some(())
    }

    /// Pops an operand; `None` if the block has none, so that the code is not valid, or if too many were popped.
    fn pop(&mut self) -> Option<OperandOrigin> {
        self.graph.operands_left = self.graph.operands_left.checked_sub(1)?;
        let height = self.blocks.last()?.height;
        if self.stack.len() > height { self.stack.pop() } else { None }
    }

    /// Returns true if a slot holds numbers, or references to arrays of them. The types of globals and blocks are not
    /// looked up, since a slot to which such a value is moved, or from which one comes, holds such values too.
    fn is_followed(&self, slot: ValueHolder) -> bool {
        let module = self.graph.module;
        let is_array = |ty: Option<u32>| ty.is_some_and(|ty| self.graph.arrays.contains(&ty));
        let (ty, refers_to) = match slot {
            ValueHolder::Field(ty, field) => {
                return module.field_width(ty, field).is_some() || is_array(module.field_reference(ty, field));
            }
            ValueHolder::Global(_) | ValueHolder::Block(..) | ValueHolder::Taken(..) | ValueHolder::Given(..) => {
                return true;
            }
            ValueHolder::Local(function, index) if function == self.function => {
                let index = index as usize;
                (self.locals.get(index).copied(), self.references.get(index).copied().flatten())
            }
            ValueHolder::Local(function, index) => {
                let index = index as usize;
                let ty = module.signature(function).and_then(|signature| signature.params.get(index).copied());
                (ty, module.parameter_reference(function, index))
            }
            ValueHolder::Result(function) => match module.signature(function) {
                Some(signature) => {
                    let refers_to = module.parameter_reference(function, signature.params.len());
                    (signature.results.first().copied(), refers_to)
                }
                None => return false,
            },
        };
        ty.is_some_and(|ty| ty != ValueType::Ref) || is_array(refers_to)
    }

    fn is_parameter(&self, local: u32) -> bool {
        let signature = self.graph.module.signature(self.function);
        signature.is_some_and(|signature| (local as usize) < signature.params.len())
    }

    /// Notes that a local of the function is assigned to.
    fn set(&mut self, source: OperandOrigin, local: u32) {
        let slot = ValueHolder::Local(self.function, local);
        if self.is_followed(slot) {
            self.moved(source, slot);
        } else if self.is_parameter(local) {
            self.graph.kept.insert((self.function, local), None);
        }
    }

    fn push_slot(&mut self, slot: ValueHolder) {
        let source = match slot {
            _ if self.is_followed(slot) => OperandOrigin::ValueHolder(self.graph.id(slot)),
            ValueHolder::Field(ty, field) => OperandOrigin::Member(ty, field),
            ValueHolder::Local(_, local) => OperandOrigin::Reference(local),
            _ => OperandOrigin::Unknown,
        };
        self.stack.push(source);
    }

    fn moved(&mut self, source: OperandOrigin, slot: ValueHolder) {
        if self.is_followed(slot) {
            let id = self.graph.id(slot);
            self.graph.flow(source, id);
        }
    }

    fn begin(&mut self, ty: BlockType, is_loop: bool) -> Option<()> {
        let result = match ty {
            BlockType::Empty => None,
            BlockType::Type(ty @ ValType::Ref(_))
                if referred_to(ty).is_none_or(|ty| !self.graph.arrays.contains(&ty)) =>
            {
                Some(None)
            }
            BlockType::Type(_) => {
                self.count = self.count.checked_add(1)?;
                Some(Some(self.graph.id(ValueHolder::Block(self.function, self.count))))
            }
            BlockType::FuncType(_) => return None,
        };
        let dead_around = self.blocks.last()?.dead;
        self.blocks.push(OpenBlock { height: self.stack.len(), result, is_loop, dead: dead_around, dead_around });
        Some(())
    }

    /// Notes that a branch moves the operand on top of the stack to the result of the block `levels` levels out.
    fn branch(&mut self, levels: u32) {
        let target = self.blocks.len().checked_sub(levels as usize + 1).and_then(|at| self.blocks.get(at));
        if let Some(result) = target.filter(|block| !block.is_loop).and_then(|block| block.result?)
            && let Some(&top) = self.stack.last()
        {
            self.graph.flow(top, result);
        }
    }

    fn stop(&mut self) {
        if let Some(block) = self.blocks.last_mut() {
            block.dead = true;
            self.stack.truncate(block.height);
        }
    }

    fn step(&mut self, operator: &Operator<'_>) -> Option<()> {
        let dead = self.blocks.last()?.dead;
        if self.stack.len().max(self.blocks.len()) > MAX_DEPTH {
            return None;
        }
        match *operator {
            Operator::Block { blockty } => self.begin(blockty, false)?,
            Operator::Loop { blockty } => self.begin(blockty, true)?,
            Operator::TryTable { ref try_table } => self.begin(try_table.ty, false)?,
            Operator::Try { blockty } => self.begin(blockty, false)?,
            Operator::If { blockty } => {
                let condition = self.pop()?;
                self.graph.add_evidence(condition, Reading::Truth);
                self.begin(blockty, false)?;
            }
            Operator::Else => {
                if !dead {
                    self.branch(0);
                }
                let block = self.blocks.last_mut()?;
                block.dead = block.dead_around;
                self.stack.truncate(block.height);
            }
            // The exception that is caught is pushed, and is not tracked.
            Operator::Catch { .. } | Operator::CatchAll => self.stop(),
            Operator::End | Operator::Delegate { .. } => {
                if !dead {
                    self.branch(0);
                }
                let block = self.blocks.pop()?;
                self.stack.truncate(block.height);
                self.stack.extend(
                    block.result.map(|result| result.map_or(OperandOrigin::Unknown, OperandOrigin::ValueHolder)),
                );
                if self.blocks.is_empty() {
                    return None;
                }
            }
            _ if dead => {}
            // In a method of a value class, the value and the number that it wraps are the same parameter, so nothing
            // is known of it.
            Operator::LocalGet { local_index: 0 } if self.of_value => self.stack.push(OperandOrigin::Unknown),
            Operator::LocalGet { local_index } => self.push_slot(ValueHolder::Local(self.function, local_index)),
            Operator::LocalSet { local_index } => {
                let source = self.pop()?;
                self.set(source, local_index);
            }
            Operator::LocalTee { local_index } => {
                let source = self.pop()?;
                self.set(source, local_index);
                self.push_slot(ValueHolder::Local(self.function, local_index));
            }
            Operator::GlobalGet { global_index } => self.push_slot(ValueHolder::Global(global_index)),
            Operator::GlobalSet { global_index } => {
                let source = self.pop()?;
                self.moved(source, ValueHolder::Global(global_index));
            }
            Operator::StructGet { struct_type_index, field_index }
            | Operator::StructGetS { struct_type_index, field_index }
            | Operator::StructGetU { struct_type_index, field_index } => {
                self.pop()?;
                match self.graph.boxed_in(struct_type_index) {
                    Some(reading) if field_index as usize == HEADER.len() => {
                        self.stack.push(OperandOrigin::Known(reading))
                    }
                    _ => self.push_slot(ValueHolder::Field(struct_type_index, field_index)),
                }
            }
            Operator::StructSet { struct_type_index, field_index } => {
                let source = self.pop()?;
                self.pop()?;
                self.stored(source, struct_type_index, field_index);
            }
            Operator::StructNew { struct_type_index } => {
                for field in (0..self.graph.module.field_count(struct_type_index)?).rev() {
                    let source = self.pop()?;
                    self.stored(source, struct_type_index, field);
                }
                let given = self.graph.declared.given(operator);
                self.stack.push(given.map_or(OperandOrigin::Unknown, OperandOrigin::Known));
            }
            Operator::Call { function_index } => {
                let callee = self.graph.callee(function_index);
                let signature = self.graph.module.signature(function_index)?;
                for index in (0..signature.params.len() as u32).rev() {
                    let source = self.pop()?;
                    if let Some(reading) = callee.first.filter(|_| index == 0) {
                        self.graph.add_evidence(source, reading);
                    } else if let OperandOrigin::Function(function) = source {
                        if self.graph.handed.len() < MAX_MOVES {
                            self.graph.handed.push((function_index, index, function));
                        }
                    } else {
                        self.moved(source, ValueHolder::Local(function_index, index));
                    }
                }
                match (callee.gives, signature.results.len()) {
                    (_, 0) => {}
                    (Some(reading), 1) => self.stack.push(OperandOrigin::Known(reading)),
                    (None, 1) => self.push_slot(ValueHolder::Result(function_index)),
                    (_, count) => self.stack.extend(std::iter::repeat_n(OperandOrigin::Unknown, count)),
                }
            }
            Operator::CallRef { type_index } => {
                let called = self.pop()?;
                let signature = self.graph.module.signature_of_type(type_index)?;
                let is_number = |ty: &ValueType| *ty != ValueType::Ref;
                for (index, ty) in signature.params.iter().enumerate().rev() {
                    let source = self.pop()?;
                    if let OperandOrigin::Member(of, field) = called
                        && is_number(ty)
                    {
                        let taken = self.graph.id(ValueHolder::Taken(of, field, index as u32));
                        self.graph.flow(source, taken);
                    }
                }
                match (called, &signature.results[..]) {
                    (OperandOrigin::Member(of, field), [result]) if is_number(result) => {
                        self.push_slot(ValueHolder::Given(of, field));
                    }
                    (_, results) => self.stack.extend(std::iter::repeat_n(OperandOrigin::Unknown, results.len())),
                }
            }
            Operator::RefFunc { function_index } => self.stack.push(OperandOrigin::Function(function_index)),
            Operator::Return => {
                self.branch(u32::try_from(self.blocks.len()).ok()?.checked_sub(1)?);
                self.stop();
            }
            Operator::Br { relative_depth } => {
                self.branch(relative_depth);
                self.stop();
            }
            Operator::BrIf { relative_depth } => {
                let condition = self.pop()?;
                self.graph.add_evidence(condition, Reading::Truth);
                self.branch(relative_depth);
            }
            Operator::BrOnNull { .. } | Operator::BrOnCast { .. } | Operator::BrOnCastFail { .. } => {}
            Operator::BrOnNonNull { .. } => {
                self.pop()?;
            }
            Operator::BrTable { .. }
            | Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Rethrow { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => self.stop(),
            // The operand stays the same; only more is known of its Wasm type.
            Operator::RefAsNonNull | Operator::RefCastNonNull { .. } | Operator::RefCastNullable { .. } => {}
            // Both operands and the result have the same type: all are booleans or all numbers.
            Operator::I32And | Operator::I32Or | Operator::I32Xor => {
                self.count = self.count.checked_add(1)?;
                let result = self.graph.id(ValueHolder::Block(self.function, self.count));
                for _ in 0..2 {
                    let source = self.pop()?;
                    self.graph.flow(source, result);
                }
                self.stack.push(OperandOrigin::ValueHolder(result));
            }
            Operator::I32Eq | Operator::I32Ne => {
                if let (one, OperandOrigin::ValueHolder(other)) = (self.pop()?, self.pop()?) {
                    self.graph.flow(one, other);
                }
                self.stack.push(OperandOrigin::Known(Reading::Truth));
            }
            ref other => {
                let (takes, gives) = arity(self.graph.module, other)?;
                let taken = self.graph.declared.taken(other);
                let both = compared(other);
                for index in 0..takes {
                    let source = self.pop()?;
                    if let Some(reading) = both.or(taken.filter(|_| index == 0)) {
                        self.graph.add_evidence(source, reading);
                    }
                }
                let given = self.graph.declared.given(other).or_else(|| arithmetic(other));
                let given = given.map_or(OperandOrigin::Unknown, OperandOrigin::Known);
                self.stack.extend(std::iter::repeat_n(given, gives));
            }
        }
        Some(())
    }

    /// Notes that a value is stored in a field. A value that is stored in a box has the type that the box is of.
    fn stored(&mut self, source: OperandOrigin, ty: u32, field: u32) {
        match (self.graph.boxed_in(ty), source) {
            (_, OperandOrigin::Function(function)) => {
                self.graph.called_through(function, ty, field);
            }
            (_, OperandOrigin::Reference(local)) => self.kept(local, ty, field),
            (Some(reading), _) if field as usize == HEADER.len() => self.graph.add_evidence(source, reading),
            (None | Some(_), _) => self.moved(source, ValueHolder::Field(ty, field)),
        }
    }

    /// Notes that the function stores a reference that it was given in a field.
    fn kept(&mut self, local: u32, ty: u32, field: u32) {
        if self.is_parameter(local) {
            let kept = self.graph.kept.entry((self.function, local)).or_insert_with(|| Some(Vec::new()));
            if let Some(kept) = kept.as_mut().filter(|kept| kept.len() < KEPT && !kept.contains(&(ty, field))) {
                kept.push((ty, field));
            }
        }
    }
}

/// Returns the reading of both operands of an operator that compares or divides numbers of 64 bits with a sign.
/// Unsigned numbers are compared and divided by functions of their class instead.
fn compared(operator: &Operator<'_>) -> Option<Reading> {
    use Operator::*;
    matches!(operator, I64LtS | I64GtS | I64LeS | I64GeS | I64DivS | I64RemS).then_some(Reading::Signed)
}

/// Returns the reading of an arithmetic operator's result, if its operands are numbers and not of a value class.
fn arithmetic(operator: &Operator<'_>) -> Option<Reading> {
    use Operator::*;
    let computes = matches!(
        operator,
        I64Add
            | I64Sub
            | I64Mul
            | I64DivS
            | I64RemS
            | I64Shl
            | I64ShrS
            | I64ExtendI32S
            | F32Add
            | F32Sub
            | F32Mul
            | F32Div
            | F32Neg
            | F32Abs
            | F32Sqrt
            | F32ConvertI32S
            | F32ConvertI64S
            | F32DemoteF64
            | F64Add
            | F64Sub
            | F64Mul
            | F64Div
            | F64Neg
            | F64Abs
            | F64Sqrt
            | F64ConvertI32S
            | F64ConvertI64S
            | F64PromoteF32
    );
    computes.then_some(Reading::Signed)
}

#[cfg(test)]
mod tests {
    use super::super::kinds::Fields;
    use super::*;

    /// The reading of parameter 0 of function 0.
    fn parameter(text: &str) -> Option<Reading> {
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let fields = Fields::from_code(&module, 0);
        Flows::from_code(&module, &fields.declarations(&module, 0)).reading_of(&module, ValueHolder::Local(0, 0))
    }

    #[test]
    fn a_parameter_is_what_it_is_handed_on_as() {
        let text = r#"(module
            (func (param $flag i32) (call $next (local.get $flag)))
            (func $next (param $on i32) (if (local.get $on) (then))))"#;
        assert_eq!(parameter(text), Some(Reading::Truth));
    }

    #[test]
    fn a_call_by_reference_hands_on_to_what_is_put_there() {
        let calls = |put: &str| {
            parameter(&format!(
                r#"(module
                (type $takes (func (param i32)))
                (type $methods (sub (struct (field (ref $takes)))))
                (type $own (sub $methods (struct (field (ref $takes)) (field (ref null $takes)))))
                (func (param $flag i32) (param $methods (ref $methods))
                    (call_ref $takes (local.get $flag) (struct.get $methods 0 (local.get $methods))))
                (func $shows (param $on i32) (if (local.get $on) (then)))
                (func $keeps (param $held (ref $takes)) (result (ref $own))
                    (struct.new $own (local.get $held) (ref.null $takes)))
                (func $blank (param $none i32))
                (elem declare func $shows $blank)
                {put})"#
            ))
        };
        assert_eq!(calls(""), None);
        assert_eq!(calls("(global (ref $methods) (struct.new $methods (ref.func $shows)))"), Some(Reading::Truth));
        let own = "(struct.new $own (ref.func $shows) (ref.null $takes))";
        assert_eq!(calls(&format!("(global (ref $own) {own})")), Some(Reading::Truth), "the superclass has the field");
        let other = "(struct.new $own (ref.func $blank) (ref.func $shows))";
        assert_eq!(calls(&format!("(global (ref $own) {other})")), None, "another field");
        assert_eq!(calls("(func (drop (call $keeps (ref.func $shows))))"), Some(Reading::Truth));
    }

    /// Without its box, an array of unsigned numbers is one of those with a sign.
    #[test]
    fn an_array_of_numbers_has_the_sign_of_what_is_put_there() {
        let array = "(struct.new $kotlin.IntArray (ref.null $words))";
        let unsigned = format!("(call $kotlin.<UIntArray__<init>-impl> {array})");
        let given = |argument: &str| {
            parameter(&format!(
                r#"(module
                (type $words (array (mut i32)))
                (type $kotlin.IntArray (struct (field $storage (ref null $words))))
                (func (param $cells (ref null $kotlin.IntArray)))
                (func $kotlin.<UIntArray__<init>-impl> (param $storage (ref null $kotlin.IntArray))
                    (result (ref null $kotlin.IntArray)) (local.get $storage))
                (func $made (param $local (ref null $kotlin.IntArray)) (param $flag i32)
                    (call 0 {argument})))"#
            ))
        };
        assert_eq!(given("(ref.null $kotlin.IntArray)"), None);
        assert_eq!(given(array), Some(Reading::Signed));
        assert_eq!(given(&unsigned), Some(Reading::Unsigned));
        assert_eq!(given(&format!("(local.tee $local {unsigned})")), Some(Reading::Unsigned));
        let either =
            format!("(if (result (ref null $kotlin.IntArray)) (local.get $flag) (then {array}) (else {unsigned}))");
        assert_eq!(given(&either), None);
    }

    /// Such code may pop thousands of operands with each instruction, none of which is there.
    #[test]
    fn code_that_takes_operands_which_are_not_there_tells_nothing_from_there_on() {
        let text = r#"(module
            (type $wide (struct (field i32) (field i32) (field i32)))
            (func (param $flag i32) (drop (struct.new $wide (i32.const 1))) (if (local.get $flag) (then))))"#;
        assert_eq!(parameter(text), None);
    }
}
