//! Numbers, sums and comparisons in expressions. Numbers have no width: a sum does not wrap as the program's would.

use super::ExpressionError;
use super::eval::{Evaluator, Operand};
use super::tree::{Binary, Node, NodeKind};
use crate::catalog::types::{Kind, PointerKind};
use crate::model;
use crate::values::{Source, Value, is_integral, is_signed, pointer_target};

/// Bits by which a number can be shifted.
const SHIFTED: i128 = 127;

impl Evaluator<'_, '_, '_, '_> {
    /// The value of a part of an expression as an integer.
    pub(super) fn integer(&self, node: &Node) -> Result<i128, ExpressionError> {
        self.number(self.node(node)?, node.column)
    }

    pub(super) fn number(&self, worth: Operand, column: usize) -> Result<i128, ExpressionError> {
        let fail = |message: String| ExpressionError::new(column, message);
        match worth {
            Operand::Number(number) => Ok(number),
            Operand::Truth(truth) => Ok(i128::from(truth)),
            Operand::Register(model::Value::I32(value)) => Ok(i128::from(value as u32)),
            Operand::Register(model::Value::I64(value)) => Ok(i128::from(value as u64)),
            Operand::Register(_) => Err(fail("this register does not hold an integer".into())),
            Operand::Value(value) => {
                let value = self.plain(value);
                let number = match self.frame.units.peeled(value.ty).map(|(_, ty)| match ty.kind {
                    Kind::Base(encoding) => is_integral(encoding),
                    Kind::Enum(_) | Kind::Pointer(..) => true,
                    _ => false,
                }) {
                    Some(true) => value.number(self.frame, is_signed(self.frame, value.ty)),
                    _ => return Err(fail("this is not an integer".into())),
                };
                number.map_err(|missing| fail(format!("its value is not known: {missing}")))
            }
        }
    }

    /// Follows references as often as needed: where a number is wanted, a reference stands for it, in
    /// Rust too.
    fn plain(&self, value: Value) -> Value {
        let mut value = self.referred(value);
        for _ in 0..4 {
            match self.renderer.reference_target(&value) {
                Some(target) => value = target,
                None => break,
            }
        }
        value
    }

    pub(super) fn binary(
        &self,
        column: usize,
        operator: Binary,
        left: &Node,
        right: &Node,
    ) -> Result<Operand, ExpressionError> {
        let fail = |message: &str| ExpressionError::new(column, message);
        // As in the program, the second operand is looked at only where the first leaves it open.
        match operator {
            Binary::Both => return Ok(Operand::Truth(self.condition(left)? && self.condition(right)?)),
            Binary::Either => return Ok(Operand::Truth(self.condition(left)? || self.condition(right)?)),
            _ => {}
        }
        let (first, second) = self.operands(left, right)?;
        if matches!(operator, Binary::Add | Binary::Subtract) {
            match (self.pointer(&first), self.pointer(&second)) {
                (Some(pointer), None) => {
                    let amount = self.number(second, right.column)?;
                    let amount = if operator == Binary::Subtract { amount.checked_neg() } else { Some(amount) };
                    let amount = amount.ok_or_else(|| fail("too large"))?;
                    let element = self.element_of(&pointer, amount).map_err(|message| fail(&message))?;
                    return self.pointer_to(&element).map(Operand::Value).ok_or_else(|| fail("this has no address"));
                }
                (None, Some(pointer)) if operator == Binary::Add => {
                    let amount = self.number(first, left.column)?;
                    let element = self.element_of(&pointer, amount).map_err(|message| fail(&message))?;
                    return self.pointer_to(&element).map(Operand::Value).ok_or_else(|| fail("this has no address"));
                }
                (Some(one), Some(_)) if operator == Binary::Subtract => {
                    let size = pointer_target(self.frame, one.ty)
                        .and_then(|(target, _)| self.frame.units.size_of(target))
                        .filter(|&size| size > 0);
                    let bytes = self.number(first, left.column)? - self.number(second, right.column)?;
                    let size = i128::from(size.ok_or_else(|| fail("what these point to has no size"))?);
                    return match bytes % size {
                        0 => Ok(Operand::Number(bytes / size)),
                        _ => Err(fail("the distance is not a whole number of elements")),
                    };
                }
                _ => {}
            }
        }
        if let (Binary::Equal | Binary::Unequal, Operand::Value(one), Operand::Value(other)) =
            (operator, &first, &second)
            && let Some(same) = self.same_member(one, other).map_err(|why| fail(&why))?
        {
            return Ok(Operand::Truth(same == (operator == Binary::Equal)));
        }
        let (first, second) = match (first, second) {
            (Operand::Value(one), Operand::Value(other)) if operator.compares() => {
                let (one, other) = self.alike(self.referred(one), self.referred(other)).map_err(|why| fail(&why))?;
                (Operand::Value(one), Operand::Value(other))
            }
            both => both,
        };
        let (a, b) = (self.number(first, left.column)?, self.number(second, right.column)?);
        let result = match operator {
            Binary::Add => a.checked_add(b),
            Binary::Subtract => a.checked_sub(b),
            Binary::Multiply => a.checked_mul(b),
            Binary::Divide | Binary::Remainder if b == 0 => return Err(fail("a division by zero")),
            Binary::Divide => a.checked_div(b),
            Binary::Remainder => a.checked_rem(b),
            Binary::BitOr => Some(a | b),
            Binary::BitXor => Some(a ^ b),
            Binary::BitAnd => Some(a & b),
            Binary::ShiftLeft | Binary::ShiftRight if !(0..SHIFTED).contains(&b) => {
                return Err(fail("this is no number of bits to shift by"));
            }
            Binary::ShiftLeft => Some(a << b).filter(|shifted| shifted >> b == a),
            Binary::ShiftRight => Some(a >> b),
            Binary::Both | Binary::Either => return Err(fail("this is no number")),
            Binary::Equal => return Ok(Operand::Truth(a == b)),
            Binary::Unequal => return Ok(Operand::Truth(a != b)),
            Binary::Less => return Ok(Operand::Truth(a < b)),
            Binary::LessOrEqual => return Ok(Operand::Truth(a <= b)),
            Binary::Greater => return Ok(Operand::Truth(a > b)),
            Binary::GreaterOrEqual => return Ok(Operand::Truth(a >= b)),
        };
        result.map(Operand::Number).ok_or_else(|| fail("too large"))
    }

    /// Returns true if a condition holds: a truth value that is true, or a pointer that is not null. A number is an
    /// error, since languages differ about it.
    pub(super) fn condition(&self, node: &Node) -> Result<bool, ExpressionError> {
        let worth = self.node(node)?;
        let is_condition = match &worth {
            Operand::Truth(_) => true,
            Operand::Value(value) => {
                let value = self.plain(value.clone());
                let peeled = self.frame.units.peeled(value.ty);
                peeled.is_some_and(|(_, ty)| matches!(ty.kind, Kind::Pointer(..) | Kind::Base(gimli::DW_ATE_boolean)))
            }
            Operand::Number(_) | Operand::Register(_) => false,
        };
        if !is_condition {
            let message = "this is neither a truth value nor a pointer: compare it, as in `count != 0`";
            return Err(ExpressionError::new(node.column, message));
        }
        Ok(self.number(worth, node.column)? != 0)
    }

    /// The values of two operands, of which one may be the name of an enumerator of the other's type.
    fn operands(&self, left: &Node, right: &Node) -> Result<(Operand, Operand), ExpressionError> {
        match (self.node(left), self.node(right)) {
            (Err(why), Ok(second)) => Ok((self.enumerator(left, &second).ok_or(why)?, second)),
            (Ok(first), Err(why)) => {
                let second = self.enumerator(right, &first).ok_or(why)?;
                Ok((first, second))
            }
            (first, second) => Ok((first?, second?)),
        }
    }

    /// The enumerator of that name, alone or after its enumeration's name, of a value's type.
    fn enumerator(&self, node: &Node, of: &Operand) -> Option<Operand> {
        let (NodeKind::Name(path), Operand::Value(value)) = (&node.kind, of) else { return None };
        let value = self.plain(value.clone());
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Enum(list) = &ty.kind else { return None };
        let (name, scope) = path.split_last()?;
        let its = |scope: &String| self.frame.units.name(die) == Some(scope.as_bytes());
        let (_, number) = list.enumerators.iter().find(|(own, _)| *own == name.as_bytes())?;
        let size = usize::try_from(self.frame.units.size_of(value.ty)?).ok()?;
        let source = Source::bytes(number.to_le_bytes().get(..size)?.to_vec());
        scope.last().is_none_or(its).then_some(Operand::Value(Value { ty: value.ty, source }))
    }

    /// The operand, if it is a pointer or an array to which an integer can be added; a reference to a number is not.
    fn pointer(&self, worth: &Operand) -> Option<Value> {
        let Operand::Value(value) = worth else { return None };
        let value = self.referred(value.clone());
        if self.renderer.reference_target(&value).is_some() {
            return None;
        }
        let pointer = matches!(pointer_target(self.frame, value.ty), Some((_, PointerKind::Pointer)));
        let array = self.frame.units.peeled(value.ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Array(_)));
        (pointer || array).then_some(value)
    }
}
