//! The machine that executes location descriptions.

use gimli::{Encoding, Operation};

use super::{Machine, Missing, Piece, Place, parse};
use crate::catalog::units::Bytes;
use crate::model;

/// The most operations that one description may execute, including those of the descriptions that it calls.
const STEPS: u32 = 10_000;
/// Values on the machine's stack.
const STACK: usize = 1_000;
/// Pieces of one description.
const PIECES: usize = 1_000;
/// Descriptions that call each other.
const CALLS: u32 = 8;

/// An entry of the stack of DWARF's machine.
#[derive(Clone, Copy, Debug, PartialEq)]
enum StackEntry {
    Number(gimli::Value),
    Vector([u8; 16]),
}

/// The kind of constant that an operation of a description pushes, if it pushes one.
#[derive(Clone, Copy, PartialEq)]
enum Constant {
    No,
    Unsigned,
    Signed,
}

impl Constant {
    fn from_operation(operation: &Operation<Bytes<'_>>) -> Self {
        match operation {
            Operation::UnsignedConstant { .. } => Constant::Unsigned,
            Operation::SignedConstant { .. } => Constant::Signed,
            _ => Constant::No,
        }
    }
}

/// A description that is being evaluated.
pub struct Evaluation<'m, 's, M> {
    machine: &'m M,
    encoding: Encoding,
    stack: Vec<StackEntry>,
    /// True if the object has more than four bytes. A number of 32 bits that the description computes is widened before
    /// it is such an object.
    wide: bool,
    /// The bits of the widest value that took part, which are those of arithmetic; 0 as long as there are constants
    /// only.
    width: u32,
    steps: u32,
    calls: u32,
    object: Option<u64>,
    pieces: Vec<Piece>,
    /// The place that the next `DW_OP_piece` cuts from, if an operation named one instead of leaving an address on the
    /// stack.
    told: Option<Place>,
    /// True if the value on top of the stack has just come from a Wasm value and cannot be an address: then it is the
    /// object itself.
    register: bool,
    /// True if the value on top of the stack is an i32 that has just come from the frame: it gives 4 bytes of the
    /// object and no more.
    narrow: bool,
    /// True if the value on top of the stack is a constant of the description.
    literal: bool,
    /// The operation before, if it pushed a constant.
    constant: Constant,
    /// True if the value was computed from a Wasm value, in a version of DWARF that writes a value in the same way as
    /// its address: `DW_OP_stack_value` came with DWARF 4.
    doubtful: bool,
    /// True if a base that is known only at run time took part. Addresses count from it, and an address of 0 is a valid
    /// one then.
    based: bool,
    /// True if an address of 0 took part to which no base was added.
    dropped: bool,
    source: std::marker::PhantomData<&'s ()>,
}

impl<'m, 's, M: Machine<'s>> Evaluation<'m, 's, M> {
    pub fn new(machine: &'m M, encoding: Encoding, object: Option<u64>) -> Self {
        Evaluation {
            machine,
            encoding,
            stack: Vec::new(),
            wide: machine.is_wide(),
            width: 0,
            steps: STEPS,
            calls: 0,
            object,
            pieces: Vec::new(),
            told: None,
            register: false,
            narrow: false,
            literal: false,
            constant: Constant::No,
            doubtful: false,
            based: false,
            dropped: false,
            source: std::marker::PhantomData,
        }
    }

    /// Returns the mask of arithmetic. DWARF computes in the size of an address; LLVM means that of the values, and
    /// converts where it widens one.
    fn mask(&self) -> u64 {
        match self.width {
            0 if !self.wide => address_mask(self.encoding),
            1..=32 => u64::from(u32::MAX),
            _ => u64::MAX,
        }
    }

    /// Notes that a value of so many bits takes part.
    fn meet(&mut self, width: u32) {
        self.width = self.width.max(width);
    }

    /// Pushes an address, or a sum with one.
    fn push_place(&mut self, address: u64) -> Result<(), Missing> {
        self.meet(u32::from(self.encoding.address_size) * 8);
        self.push(gimli::Value::Generic(address))
    }

    /// Pushes a number.
    pub fn push(&mut self, value: gimli::Value) -> Result<(), Missing> {
        self.push_slot(StackEntry::Number(value))
    }

    /// Pushes an address fixed at link time. For storage that the linker dropped because nothing used it, it is a
    /// tombstone: one of the highest addresses, from older linkers 0. After a base (`__memory_base`, `__tls_base`) it
    /// is an offset, and 0 is that of the first object.
    fn push_address(&mut self, address: u64) -> Result<(), Missing> {
        let mask = address_mask(self.encoding);
        if address & mask >= mask - 1 {
            return Err(Missing::OptimizedOut);
        }
        let mut address = address;
        if !self.based
            && let Some(base) = self.machine.memory_base()?
        {
            // LLVM 14 leaves out the base of position-independent code, LLVM 19 has it.
            address = address.wrapping_add(base);
            self.based = true;
        }
        self.dropped |= address == 0;
        self.push_place(address)
    }

    /// Fails for an address of 0 to which no base was added: no object is there.
    fn check_kept(&self) -> Result<(), Missing> {
        if self.dropped && !self.based { Err(Missing::OptimizedOut) } else { Ok(()) }
    }

    fn push_slot(&mut self, slot: StackEntry) -> Result<(), Missing> {
        if self.stack.len() >= STACK {
            return Err(Missing::Malformed("location: its stack grows without limit".into()));
        }
        self.stack.push(slot);
        Ok(())
    }

    fn pop_slot(&mut self) -> Result<StackEntry, Missing> {
        self.stack.pop().ok_or_else(|| Missing::Malformed("location: its stack is empty".into()))
    }

    fn pop(&mut self) -> Result<gimli::Value, Missing> {
        match self.pop_slot()? {
            StackEntry::Number(value) => Ok(value),
            StackEntry::Vector(_) => Err(Missing::Malformed("location: arithmetic on a vector".into())),
        }
    }

    fn pop_number(&mut self) -> Result<u64, Missing> {
        let mask = self.mask();
        Ok(self.pop()?.to_u64(mask)?)
    }

    fn pop_address(&mut self) -> Result<u64, Missing> {
        Ok(self.pop_number()? & address_mask(self.encoding))
    }

    fn push_wasm(&mut self, value: model::Value) -> Result<(), Missing> {
        use gimli::Value::{F32, F64, Generic};
        // A 64-bit value in a 32-bit address space is no address; nor are floats and vectors.
        self.register = true;
        self.doubtful = self.encoding.version < 4;
        self.narrow = matches!(value, model::Value::I32(_));
        let slot = match value {
            model::Value::I32(value) => {
                self.register = self.encoding.version < 4;
                self.meet(32);
                StackEntry::Number(Generic(u64::from(value as u32)))
            }
            model::Value::I64(value) => {
                self.register = self.encoding.address_size < 8 || self.encoding.version < 4;
                self.meet(64);
                StackEntry::Number(Generic(value as u64))
            }
            model::Value::F32(bits) => StackEntry::Number(F32(f32::from_bits(bits))),
            model::Value::F64(bits) => StackEntry::Number(F64(f64::from_bits(bits))),
            model::Value::V128(bytes) => StackEntry::Vector(bytes),
            model::Value::Missing => return Err(Missing::not_captured()),
            model::Value::Ref(_) => return Err(Missing::NotCaptured("a reference".into())),
        };
        self.push_slot(slot)
    }

    fn unary(&mut self, with: impl Fn(gimli::Value, u64) -> gimli::Result<gimli::Value>) -> Result<(), Missing> {
        let value = self.pop()?;
        self.push(with(value, self.mask())?)
    }

    fn binary(
        &mut self,
        with: impl Fn(gimli::Value, gimli::Value, u64) -> gimli::Result<gimli::Value>,
    ) -> Result<(), Missing> {
        let (right, left) = (self.pop()?, self.pop()?);
        let mask = self.mask();
        // LLVM computes with constants, which have no type, and numbers that it gave one (`DW_OP_convert`).
        let (left, right) = match (left.value_type(), right.value_type()) {
            (gimli::ValueType::Generic, ty) => (left.convert(ty, mask)?, right),
            (ty, gimli::ValueType::Generic) => (left, right.convert(ty, mask)?),
            _ => (left, right),
        };
        self.push(with(left, right, mask)?)
    }

    /// The place that a finished description, or the one before a `DW_OP_piece`, gives.
    fn finish_place(&mut self) -> Result<Place, Missing> {
        self.check_kept()?;
        if let Some(place) = self.told.take() {
            return Ok(place);
        }
        Ok(match self.pop_slot()? {
            StackEntry::Vector(bytes) => Place::Bytes(bytes.to_vec()),
            StackEntry::Number(value) if self.register => Place::Bytes(self.object_bytes(value)),
            StackEntry::Number(_) if self.doubtful => {
                return Err(Missing::NotCaptured("DWARF 2 and 3 do not tell it from its address".into()));
            }
            // `DW_OP_stack_value` came with DWARF 4. An address would be written as one.
            StackEntry::Number(value) if self.literal && self.encoding.version < 4 => Place::Bytes(bytes_of(value)),
            // LLVM ends a description of a value in a local with `DW_OP_stack_value`; without it the local holds the
            // object's address (`TI_LOCAL_INDIRECT`).
            StackEntry::Number(value) => Place::Memory(value.to_u64(self.mask())? & address_mask(self.encoding)),
        })
    }

    fn object_bytes(&self, value: gimli::Value) -> Vec<u8> {
        let mut bytes = bytes_of(value);
        let unwidened = self.wide && self.width == 32 && matches!(value, gimli::Value::Generic(_));
        if self.narrow || unwidened {
            bytes.truncate(4);
        }
        bytes
    }

    /// The number a description left.
    pub fn into_number(mut self) -> Result<u64, Missing> {
        self.check_kept()?;
        if let Some(Place::Bytes(bytes)) = self.told.take() {
            let mut wide = [0; 8];
            let len = bytes.len().min(8);
            wide[..len].copy_from_slice(&bytes[..len]);
            return Ok(u64::from_le_bytes(wide));
        }
        self.pop_number()
    }

    /// The pieces a description gave.
    pub fn finish(&mut self) -> Result<Vec<Piece>, Missing> {
        if !self.pieces.is_empty() {
            return Ok(std::mem::take(&mut self.pieces));
        }
        if self.stack.is_empty() && self.told.is_none() {
            return Err(Missing::OptimizedOut);
        }
        let place = self.finish_place()?;
        Ok(vec![Piece { bits: None, first_bit: 0, place }])
    }

    /// Executes a description.
    pub fn run(&mut self, expression: Bytes<'s>) -> Result<(), Missing> {
        let start = expression;
        let mut rest = expression;
        while !gimli::Reader::is_empty(&rest) {
            self.steps =
                self.steps.checked_sub(1).ok_or_else(|| Missing::Malformed("location: it runs without end".into()))?;
            if let Some((bits, behind)) = sign_extension(&rest, self.encoding) {
                self.extend(bits)?;
                rest = behind;
                continue;
            }
            let operation = parse(&mut rest, self.encoding)?;
            let jump = match operation {
                Operation::Skip { target } => Some(target),
                Operation::Bra { target } => (self.pop_number()? != 0).then_some(target),
                // An operation that cannot be evaluated makes a piece of the value unknown, not the whole.
                _ => match self.step(operation) {
                    Ok(()) => None,
                    Err(missing) => {
                        let piece = self.skip_to_piece(&mut rest)?;
                        let Some((bits, first_bit)) = piece else { return Err(missing) };
                        self.stack.clear();
                        self.add_piece(bits, first_bit, Place::Missing(missing))?;
                        None
                    }
                },
            };
            if let Some(target) = jump {
                let at = start.len() as i64 - rest.len() as i64 + i64::from(target);
                let at = usize::try_from(at).ok().filter(|&at| at <= start.len());
                let at = at.ok_or_else(|| Missing::Malformed("location: a jump out of it".into()))?;
                rest = start;
                gimli::Reader::skip(&mut rest, at)?;
            }
        }
        Ok(())
    }

    /// Reads on after an operation that failed, up to the end of its piece.
    fn skip_to_piece(&mut self, rest: &mut Bytes<'s>) -> Result<Option<(u64, u64)>, Missing> {
        while !gimli::Reader::is_empty(rest) {
            if let Operation::Piece { size_in_bits, bit_offset } = parse(rest, self.encoding)? {
                return Ok(Some((size_in_bits, bit_offset.unwrap_or(0))));
            }
        }
        Ok(None)
    }

    fn add_piece(&mut self, bits: u64, first_bit: u64, place: Place) -> Result<(), Missing> {
        if self.pieces.len() >= PIECES {
            return Err(Missing::Malformed("location: too many pieces".into()));
        }
        self.pieces.push(Piece { bits: Some(bits), first_bit, place });
        self.register = false;
        self.doubtful = false;
        self.width = 0;
        (self.based, self.dropped) = (false, false);
        self.told = None;
        Ok(())
    }

    /// Compares two numbers. LLVM writes comparisons with and without sign alike; one with a constant has a sign if the
    /// constant has (`getSalvageOpsForIcmpOp`).
    fn compare(
        &mut self,
        constant: Constant,
        with: impl Fn(gimli::Value, gimli::Value, u64) -> gimli::Result<gimli::Value>,
    ) -> Result<(), Missing> {
        use gimli::Value::Generic;
        let mask = self.mask();
        let (right, left) = (self.pop()?, self.pop()?);
        let result = match (left, right) {
            (Generic(one), Generic(other)) => {
                let signed = with(left, right, mask)?;
                let unsigned = with(gimli::Value::U64(one & mask), gimli::Value::U64(other & mask), mask)?;
                match constant {
                    Constant::Unsigned => unsigned,
                    Constant::Signed => signed,
                    Constant::No if signed == unsigned => signed,
                    Constant::No => {
                        return Err(Missing::NotCaptured("whether the numbers have signs is not said".into()));
                    }
                }
            }
            _ => with(left, right, mask)?,
        };
        self.push(result)
    }

    /// Sign-extends the lowest bits of the value on top.
    fn extend(&mut self, bits: u32) -> Result<(), Missing> {
        (self.register, self.narrow, self.literal) = (false, false, false);
        let value = self.pop_number()?;
        self.push(gimli::Value::Generic(sign_extended(value, u64::MAX >> (64 - bits)) as u64))?;
        self.widened();
        Ok(())
    }

    /// Notes that the value on top was widened to the object's size.
    fn widened(&mut self) {
        if self.wide {
            self.meet(64);
        }
    }

    fn step(&mut self, operation: Operation<Bytes<'s>>) -> Result<(), Missing> {
        use gimli::Value;
        // The result of any other operation is no plain Wasm value any more.
        if !matches!(operation, Operation::Piece { .. } | Operation::StackValue | Operation::Nop) {
            self.register = false;
            self.narrow = false;
            let placed = matches!(
                operation,
                Operation::Deref { .. }
                    | Operation::Address { .. }
                    | Operation::AddressIndex { .. }
                    | Operation::FrameOffset { .. }
            );
            self.doubtful &= !placed;
            self.literal = matches!(operation, Operation::UnsignedConstant { .. } | Operation::SignedConstant { .. });
        }
        let constant = std::mem::replace(&mut self.constant, Constant::from_operation(&operation));
        match operation {
            Operation::Drop => drop(self.pop_slot()?),
            Operation::Pick { index } => {
                let at = self.stack.len().checked_sub(usize::from(index) + 1);
                let at = at.ok_or_else(|| Missing::Malformed("location: its stack is too short".into()))?;
                self.push_slot(self.stack[at])?;
            }
            Operation::Swap => {
                let (top, second) = (self.pop_slot()?, self.pop_slot()?);
                self.push_slot(top)?;
                self.push_slot(second)?;
            }
            Operation::Rot => {
                let (one, two, three) = (self.pop_slot()?, self.pop_slot()?, self.pop_slot()?);
                self.push_slot(one)?;
                self.push_slot(three)?;
                self.push_slot(two)?;
            }
            Operation::Abs => self.unary(Value::abs)?,
            Operation::Neg => self.unary(Value::neg)?,
            Operation::Not => self.unary(Value::not)?,
            Operation::And => {
                // This widens a number without a sign.
                self.binary(Value::and)?;
                self.widened();
            }
            Operation::Or => self.binary(Value::or)?,
            Operation::Xor => self.binary(Value::xor)?,
            Operation::Plus => self.binary(Value::add)?,
            Operation::Minus => self.binary(Value::sub)?,
            Operation::Mul => self.binary(Value::mul)?,
            Operation::Div => self.binary(Value::div)?,
            // DWARF's operation is unsigned; LLVM writes it for `%` of numbers with signs, and nothing for others.
            Operation::Mod => self.binary(|left, right, mask| match (left, right) {
                (Value::Generic(left), Value::Generic(right)) => {
                    let signed = |value| sign_extended(value, mask);
                    let rest = signed(left).checked_rem(signed(right)).ok_or(gimli::Error::DivisionByZero)?;
                    Ok(Value::Generic(rest as u64))
                }
                (left, right) => left.rem(right, mask),
            })?,
            Operation::Shl => self.binary(Value::shl)?,
            Operation::Shr => self.binary(Value::shr)?,
            Operation::Shra => self.binary(Value::shra)?,
            Operation::Eq => self.binary(Value::eq)?,
            Operation::Ne => self.binary(Value::ne)?,
            Operation::Lt => self.compare(constant, Value::lt)?,
            Operation::Le => self.compare(constant, Value::le)?,
            Operation::Gt => self.compare(constant, Value::gt)?,
            Operation::Ge => self.compare(constant, Value::ge)?,
            Operation::PlusConstant { value } => {
                // LLVM means its frame register, and leaves out its name where it became no local (an optimised frame
                // with an alignment greater than the stack's).
                if self.stack.is_empty() && self.told.is_none() {
                    let base = self.machine.unnamed_base()?;
                    self.push_place(base)?;
                }
                let left = self.pop()?;
                let right = Value::from_u64(left.value_type(), value)?;
                self.push(left.add(right, self.mask())?)?;
            }
            Operation::UnsignedConstant { value } => self.push(Value::Generic(value))?,
            Operation::SignedConstant { value } => self.push(Value::Generic(value as u64))?,
            Operation::Address { address } => self.push_address(address)?,
            Operation::AddressIndex { index } => {
                let address = self.machine.indexed_address(index)?;
                self.push_address(address)?;
            }
            Operation::ConstantIndex { index } => {
                let constant = self.machine.indexed_address(index)?;
                self.push(Value::Generic(constant))?;
            }
            Operation::FrameOffset { offset } => {
                let base = self.machine.frame_base()?;
                self.push_place(base.wrapping_add(offset as u64))?;
            }
            Operation::PushObjectAddress => {
                let object = self.object.ok_or_else(|| Missing::Malformed("location: of no object".into()))?;
                self.push_place(object)?;
            }
            Operation::TLS => {
                let offset = self.pop_number()?;
                self.based = true;
                self.push_place(self.machine.tls_base()?.wrapping_add(offset))?;
            }
            Operation::Deref { base_type, size, space: false } => {
                self.check_kept()?;
                let address = self.pop_address()?;
                let size = u64::from(size);
                if size == 0 || size > 8 {
                    return Err(Missing::Malformed(format!("location: a read of {size} bytes")));
                }
                let value = self.machine.read(address, size)?;
                // The width is that of the bytes that were read, not that of the address.
                let width = if size > 4 { 64 } else { 32 };
                self.width = if self.stack.is_empty() { width } else { self.width.max(width) };
                if base_type.0 == 0 {
                    self.push(Value::Generic(value))?;
                } else {
                    let ty = self.machine.base_type(base_type)?;
                    self.push(Value::parse(ty, gimli::EndianSlice::new(&value.to_le_bytes(), gimli::LittleEndian))?)?;
                }
            }
            Operation::TypedLiteral { base_type, value } => {
                let ty = self.machine.base_type(base_type)?;
                self.push(Value::parse(ty, value)?)?;
            }
            Operation::Convert { base_type } => {
                let ty = self.value_type(base_type)?;
                let value = self.pop()?;
                self.push(value.convert(ty, self.mask())?)?;
            }
            Operation::Reinterpret { base_type } => {
                let ty = self.value_type(base_type)?;
                let value = self.pop()?;
                self.push(value.reinterpret(ty, self.mask())?)?;
            }
            Operation::WasmLocal { index } => self.push_wasm(self.machine.local(index)?)?,
            Operation::WasmGlobal { index } => {
                let value = self.machine.global(index)?;
                self.based |= index != u32::MAX || !matches!(value, model::Value::I32(0) | model::Value::I64(0));
                self.push_wasm(value)?;
            }
            Operation::WasmStack { index } => self.push_wasm(self.machine.operand(index)?)?,
            Operation::EntryValue { expression } => {
                let mut inner = expression;
                match parse(&mut inner, self.encoding)? {
                    Operation::WasmLocal { index } if gimli::Reader::is_empty(&inner) => {
                        let value = self.machine.entry_local(index)?;
                        self.push_wasm(value)?;
                    }
                    _ => return Err(Missing::NotCaptured("a value at the function's entry".into())),
                }
            }
            Operation::Call { offset } => {
                self.calls += 1;
                if self.calls > CALLS {
                    return Err(Missing::Malformed("location: its calls do not end".into()));
                }
                if let Some(expression) = self.machine.called(offset)? {
                    self.run(expression)?;
                }
                self.calls -= 1;
            }
            Operation::ImplicitValue { data } => self.told = Some(Place::Bytes(data.slice().to_vec())),
            Operation::StackValue => {
                self.check_kept()?;
                let slot = self.pop_slot()?;
                self.told = Some(Place::Bytes(match slot {
                    StackEntry::Number(value) => self.object_bytes(value),
                    StackEntry::Vector(bytes) => bytes.to_vec(),
                }));
            }
            Operation::ImplicitPointer { value, byte_offset } => {
                self.told = Some(Place::ImplicitPointer { entry: value.0, offset: byte_offset });
            }
            Operation::Piece { size_in_bits, bit_offset } => {
                let place = if self.stack.is_empty() && self.told.is_none() {
                    Place::Missing(Missing::OptimizedOut)
                } else {
                    match self.finish_place()? {
                        // LLVM cuts a constant at the wrong end where a piece begins within it.
                        Place::Bytes(bytes) if self.literal && !fits(&bytes, size_in_bits) => {
                            Place::Missing(Missing::Malformed("a constant that does not fit its piece".into()))
                        }
                        place => place,
                    }
                };
                self.add_piece(size_in_bits, bit_offset.unwrap_or(0), place)?;
            }
            Operation::Nop | Operation::Uninitialized => {}
            Operation::CallFrameCFA => return Err(Missing::NotCaptured("a call frame".into())),
            other => return Err(Missing::Malformed(format!("location: {} has no meaning here", name_of(&other)))),
        }
        Ok(())
    }

    fn value_type(&self, entry: gimli::UnitOffset<usize>) -> Result<gimli::ValueType, Missing> {
        if entry.0 == 0 { Ok(gimli::ValueType::Generic) } else { self.machine.base_type(entry) }
    }
}

/// Sign-extends a number of as many bits as the mask has.
fn sign_extended(value: u64, mask: u64) -> i64 {
    let free = mask.leading_zeros();
    ((value << free) as i64) >> free
}

/// Recognises LLVM's way up to DWARF 4 to sign-extend a number (`DwarfExpression::emitLegacySExt`). Returns its number
/// of bits, and the operations after it.
fn sign_extension<'s>(rest: &Bytes<'s>, encoding: Encoding) -> Option<(u32, Bytes<'s>)> {
    use Operation as O;
    let mut rest = *rest;
    let mut next = || parse(&mut rest, encoding).ok();
    let (O::Pick { index: 0 }, O::UnsignedConstant { value: last }) = (next()?, next()?) else { return None };
    let (O::Shr, O::UnsignedConstant { value: 0 }, O::Not, O::Mul) = (next()?, next()?, next()?, next()?) else {
        return None;
    };
    let (O::UnsignedConstant { value: bits }, O::Shl, O::Or) = (next()?, next()?, next()?) else { return None };
    let bits = u32::try_from(bits).ok().filter(|&bits| (1..=64).contains(&bits) && u64::from(bits) == last + 1)?;
    Some((bits, rest))
}

/// Returns true if a number of up to 8 bytes, little-endian, fits into its lowest `bits` bits, as a number with or
/// without a sign.
fn fits(bytes: &[u8], bits: u64) -> bool {
    let mut wide = [0; 8];
    let len = bytes.len().min(8);
    wide[..len].copy_from_slice(&bytes[..len]);
    let number = i64::from_le_bytes(wide);
    match u32::try_from(bits) {
        Ok(bits @ 1..=63) => (number as u64) >> bits == 0 || number >> (bits - 1) == -1,
        _ => true,
    }
}

fn name_of(operation: &Operation<Bytes<'_>>) -> String {
    let debug = format!("{operation:?}");
    debug.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

fn address_mask(encoding: Encoding) -> u64 {
    if encoding.address_size >= 8 { u64::MAX } else { u64::from(u32::MAX) }
}

/// A number's bytes, least significant first; as many as its type has, 8 for one without.
fn bytes_of(value: gimli::Value) -> Vec<u8> {
    use gimli::Value;
    match value {
        Value::Generic(value) | Value::U64(value) => value.to_le_bytes().to_vec(),
        Value::I8(value) => value.to_le_bytes().to_vec(),
        Value::U8(value) => value.to_le_bytes().to_vec(),
        Value::I16(value) => value.to_le_bytes().to_vec(),
        Value::U16(value) => value.to_le_bytes().to_vec(),
        Value::I32(value) => value.to_le_bytes().to_vec(),
        Value::U32(value) => value.to_le_bytes().to_vec(),
        Value::I64(value) => value.to_le_bytes().to_vec(),
        Value::F32(value) => value.to_bits().to_le_bytes().to_vec(),
        Value::F64(value) => value.to_bits().to_le_bytes().to_vec(),
    }
}
