//! Numbers, sums and comparisons in expressions. Numbers have no width: a sum does not wrap as the program's would.

use super::ExpressionError;
use super::eval::{Evaluator, Worth};
use super::tree::{Binary, Node};
use crate::catalog::types::{Kind, PointerKind};
use crate::model;
use crate::values::{Value, is_integral, is_signed, pointer_target};

impl Evaluator<'_, '_, '_, '_> {
    /// The value of a part of an expression as an integer.
    pub(super) fn integer(&self, node: &Node) -> Result<i128, ExpressionError> {
        self.number(self.node(node)?, node.column)
    }

    pub(super) fn number(&self, worth: Worth, column: usize) -> Result<i128, ExpressionError> {
        let fail = |message: String| ExpressionError::new(column, message);
        match worth {
            Worth::Number(number) => Ok(number),
            Worth::Truth(truth) => Ok(i128::from(truth)),
            Worth::Register(model::Value::I32(value)) => Ok(i128::from(value as u32)),
            Worth::Register(model::Value::I64(value)) => Ok(i128::from(value as u64)),
            Worth::Register(_) => Err(fail("this register does not hold an integer".into())),
            Worth::Value(value) => {
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
    ) -> Result<Worth, ExpressionError> {
        let fail = |message: &str| ExpressionError::new(column, message);
        let (first, second) = (self.node(left)?, self.node(right)?);
        if matches!(operator, Binary::Add | Binary::Subtract) {
            match (self.pointer(&first), self.pointer(&second)) {
                (Some(pointer), None) => {
                    let amount = self.number(second, right.column)?;
                    let amount = if operator == Binary::Subtract { amount.checked_neg() } else { Some(amount) };
                    let amount = amount.ok_or_else(|| fail("too large"))?;
                    let element = self.element_of(&pointer, amount).map_err(|message| fail(&message))?;
                    return self.pointer_to(&element).map(Worth::Value).ok_or_else(|| fail("this has no address"));
                }
                (None, Some(pointer)) if operator == Binary::Add => {
                    let amount = self.number(first, left.column)?;
                    let element = self.element_of(&pointer, amount).map_err(|message| fail(&message))?;
                    return self.pointer_to(&element).map(Worth::Value).ok_or_else(|| fail("this has no address"));
                }
                (Some(one), Some(_)) if operator == Binary::Subtract => {
                    let size = pointer_target(self.frame, one.ty)
                        .and_then(|(target, _)| self.frame.units.size_of(target))
                        .filter(|&size| size > 0);
                    let bytes = self.number(first, left.column)? - self.number(second, right.column)?;
                    let size = i128::from(size.ok_or_else(|| fail("what these point to has no size"))?);
                    return match bytes % size {
                        0 => Ok(Worth::Number(bytes / size)),
                        _ => Err(fail("the distance is not a whole number of elements")),
                    };
                }
                _ => {}
            }
        }
        if let (Binary::Equal | Binary::Unequal, Worth::Value(one), Worth::Value(other)) = (operator, &first, &second)
            && let Some(same) = self.same_member(one, other).map_err(|why| fail(&why))?
        {
            return Ok(Worth::Truth(same == (operator == Binary::Equal)));
        }
        let (first, second) = match (first, second) {
            (Worth::Value(one), Worth::Value(other)) if operator.compares() => {
                let (one, other) = self.alike(self.referred(one), self.referred(other)).map_err(|why| fail(&why))?;
                (Worth::Value(one), Worth::Value(other))
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
            Binary::Equal => return Ok(Worth::Truth(a == b)),
            Binary::Unequal => return Ok(Worth::Truth(a != b)),
            Binary::Less => return Ok(Worth::Truth(a < b)),
            Binary::LessOrEqual => return Ok(Worth::Truth(a <= b)),
            Binary::Greater => return Ok(Worth::Truth(a > b)),
            Binary::GreaterOrEqual => return Ok(Worth::Truth(a >= b)),
        };
        result.map(Worth::Number).ok_or_else(|| fail("too large"))
    }

    /// The operand, if it is a pointer or an array to which an integer can be added; a reference to a number is not.
    fn pointer(&self, worth: &Worth) -> Option<Value> {
        let Worth::Value(value) = worth else { return None };
        let value = self.referred(value.clone());
        if self.renderer.reference_target(&value).is_some() {
            return None;
        }
        let pointer = matches!(pointer_target(self.frame, value.ty), Some((_, PointerKind::Pointer)));
        let array = self.frame.units.peeled(value.ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Array(_)));
        (pointer || array).then_some(value)
    }
}
