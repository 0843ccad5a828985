//! The value of an expression in a frame.

use super::ExpressionError;
use super::lookup;
use super::parser::parse;
use super::tree::{Conversion, Node, NodeKind};
use crate::catalog::types::{Kind, PointerKind};
use crate::catalog::units::{Die, Language};
use crate::lang::{Renderer, nearest_double};
use crate::location::frame::FrameContext;
use crate::model;
use crate::scope::VariableKind;
use crate::values::{
    Source, Status, Value, Variable, When, is_integral, is_signed, pointer_target, value_at_entry, variable_value,
};

/// The most pointers and arrays that may be nested in the type of a cast.
const NESTED: u32 = 32;

/// The value of a part of an expression.
pub(super) enum Operand {
    /// A value of the program.
    Value(Value),
    /// A number without a type.
    Number(i128),
    /// The result of a comparison.
    Truth(bool),
    /// The value of a Wasm local, global or operand, or of the stack pointer.
    Register(model::Value),
}

/// Evaluates `text` in the renderer's frame.
pub fn evaluate(renderer: &Renderer<'_, '_, '_>, text: &str) -> Result<Variable, ExpressionError> {
    let frame = renderer.frame;
    let node = parse(text, &|name| lookup::type_named(frame, name).is_some())?;
    let other = Evaluator { renderer, frame }.language(&node);
    let other = other.map(|language| Renderer::new(frame, renderer.limits, language));
    let renderer = other.as_ref().unwrap_or(renderer);
    // A name alone gives the variable itself, with its location.
    let die = match &node.kind {
        NodeKind::Name(path) => (Evaluator { renderer, frame }).named(path).and_then(|named| match named {
            NameMeaning::Variable(die, kind) => Some((die, kind)),
            NameMeaning::Member(_) => None,
        }),
        NodeKind::FileName(file, name) => lookup::file_static(frame, file, name).map(|die| (die, VariableKind::Static)),
        _ => None,
    };
    if let Some((die, kind)) = die
        && let Some(mut variable) = renderer.described(die, kind)
    {
        variable.name = text.trim().to_owned();
        return Ok(variable);
    }
    if let NodeKind::AtEntry(name) = &node.kind {
        let (value, location) =
            (Evaluator { renderer, frame }).at_entry(name).map_err(|why| ExpressionError::new(node.column, why))?;
        let kind = VariableKind::Parameter;
        return Ok(Variable { kind, location, at: When::Entry, ..renderer.variable(name.as_str(), &value) });
    }
    let mut variable = match (Evaluator { renderer, frame }).node(&node)? {
        Operand::Value(value) => object(renderer, &value),
        Operand::Number(number) => plain("integer", number.to_string()),
        Operand::Truth(truth) => plain("bool", truth.to_string()),
        Operand::Register(value) => register(&value),
    };
    variable.name = text.trim().to_owned();
    if node.is_of_entry() {
        variable.at = When::Entry;
    }
    Ok(variable)
}

/// A value as a variable; an object is shown as its dynamic class.
fn object(renderer: &Renderer<'_, '_, '_>, value: &Value) -> Variable {
    let Some(whole) = renderer.lang.dynamic_object(renderer, value) else { return renderer.variable("", value) };
    let mut variable = renderer.variable("", &whole);
    variable.value = variable.value.map(|text| format!("({}) {text}", renderer.type_name(whole.ty)));
    variable
}

fn plain(type_name: &str, value: String) -> Variable {
    Variable {
        name: String::new(),
        type_name: type_name.to_owned(),
        kind: VariableKind::Local,
        location: String::new(),
        address: None,
        status: Status::Ok,
        value: Some(value),
        at: When::Now,
        note: None,
        hidden: false,
        children: Vec::new(),
    }
}

fn register(value: &model::Value) -> Variable {
    let text = match value {
        model::Value::I32(value) => format!("{value} ({value:#x})"),
        model::Value::I64(value) => format!("{value} ({value:#x})"),
        model::Value::F32(bits) => format!("{:?}", f32::from_bits(*bits)),
        model::Value::F64(bits) => format!("{:?}", f64::from_bits(*bits)),
        model::Value::V128(bytes) => format!("{:#034x}", u128::from_le_bytes(*bytes)),
        model::Value::Ref(_) => "a reference".into(),
        model::Value::Missing => "missing".into(),
    };
    plain(value.type_name().unwrap_or("unknown"), text)
}

pub(super) struct Evaluator<'e, 'r, 'f, 's> {
    pub(super) renderer: &'e Renderer<'r, 'f, 's>,
    pub(super) frame: &'e FrameContext<'f, 's>,
}

impl<'s> Evaluator<'_, '_, '_, 's> {
    pub(super) fn node(&self, node: &Node) -> Result<Operand, ExpressionError> {
        let fail = |message: String| ExpressionError::new(node.column, message);
        let frame = self.frame;
        Ok(match &node.kind {
            NodeKind::Character(char) => Operand::Number(u32::from(*char).into()),
            NodeKind::Number(number) => Operand::Number(i128::try_from(*number).map_err(|_| fail("too large".into()))?),
            NodeKind::Name(path) => Operand::Value(match self.named(path) {
                Some(NameMeaning::Variable(die, _)) => variable_value(frame, die).0,
                Some(NameMeaning::Member(member)) => member,
                None => return Err(fail(format!("no variable `{}` is in scope here", path.join("::")))),
            }),
            NodeKind::AtEntry(name) => Operand::Value(self.at_entry(name).map_err(fail)?.0),
            NodeKind::FileName(file, name) => match lookup::file_static(frame, file, name) {
                Some(die) => Operand::Value(variable_value(frame, die).0),
                None => match object_and_class(node.column, file, name) {
                    Some(member) => self.node(&member)?,
                    None => return Err(fail(format!("no static `{name}` in a file `{file}`"))),
                },
            },
            NodeKind::Register(name) => Operand::Register(self.register(name).map_err(fail)?),
            NodeKind::Dereference(inner) => Operand::Value(self.dereference(inner)?),
            NodeKind::Address(inner) => Operand::Value(self.address_of(inner)?),
            NodeKind::Negative(inner) => {
                let number = self.integer(inner)?;
                Operand::Number(number.checked_neg().ok_or_else(|| fail("too large".into()))?)
            }
            NodeKind::Not(inner) => Operand::Truth(!self.condition(inner)?),
            NodeKind::SizeOf(inner) => {
                let size = self.frame.units.size_of(self.value(inner)?.ty);
                Operand::Number(size.ok_or_else(|| fail("its size is not known".into()))?.into())
            }
            NodeKind::SizeOfType(name) => {
                let ty = lookup::type_named(frame, name).ok_or_else(|| fail(format!("no type `{name}`")))?;
                let size = ty.and_then(|ty| self.frame.units.size_of(Some(ty)));
                Operand::Number(size.ok_or_else(|| fail(format!("`{name}` has no size")))?.into())
            }
            NodeKind::Cast(how, name, inner) => Operand::Value(self.cast(node.column, *how, name, inner)?),
            NodeKind::Member(inner, path) => Operand::Value(self.member(node.column, inner, path)?),
            NodeKind::Index(inner, index) => Operand::Value(self.element(inner, index)?),
            NodeKind::Slice(inner, from, to) => Operand::Value(self.slice(inner, from, to)?),
            NodeKind::Payload(inner) => Operand::Value(self.payload(inner)?),
            NodeKind::Through(object, pointer) => Operand::Value(self.through(object, pointer)?),
            NodeKind::Text(_) => return Err(fail("a text is the key of a map's element only".into())),
            NodeKind::Binary(operator, left, right) => self.binary(node.column, *operator, left, right)?,
        })
    }

    pub(super) fn value(&self, node: &Node) -> Result<Value, ExpressionError> {
        match self.node(node)? {
            Operand::Value(value) => Ok(self.referred(value)),
            Operand::Number(_) | Operand::Truth(_) | Operand::Register(_) => {
                Err(ExpressionError::new(node.column, "a number has no type: cast it, as in `(int *)0x400`"))
            }
        }
    }

    /// Returns what a C++ reference refers to, and any other value as it is.
    pub(super) fn referred(&self, value: Value) -> Value {
        match pointer_target(self.frame, value.ty) {
            Some((target, kind)) if kind != PointerKind::Pointer => match value.pointer(self.frame) {
                Ok(address) => Value::in_memory(target, address),
                Err(missing) => Value::missing(target, missing),
            },
            _ => value,
        }
    }

    /// The value of a parameter on entry to its function, and where that was found, in words.
    fn at_entry(&self, name: &str) -> Result<(Value, String), String> {
        match lookup::local(self.frame, name) {
            Some((die, VariableKind::Parameter)) => Ok(value_at_entry(self.frame, die)),
            Some(_) => Err(format!("`{name}` is not a parameter: it has no value at its function's entry")),
            None => Err(format!("no parameter `{name}` is in scope here")),
        }
    }

    fn register(&self, name: &str) -> Result<model::Value, String> {
        let frame = self.frame;
        let numbered = |prefix: &str| name.strip_prefix(prefix).and_then(|number| number.parse::<u32>().ok());
        let found = if name == "sp" {
            match frame.recovered.stack_pointer {
                Some(pointer) => Ok(frame.pointer_value(pointer)),
                None => return Err(format!("the stack pointer is not known: {}", frame.recovered.why_not())),
            }
        } else if let Some(index) = numbered("local") {
            frame.local(index)
        } else if let Some(index) = numbered("global") {
            frame.global(index)
        } else if let Some(index) = numbered("stack") {
            frame.operand(index)
        } else {
            return Err(format!("no register `${name}`: there are $sp, $local0, $global0, $stack0 and so on"));
        };
        found.map_err(|missing| format!("${name} is {missing}"))
    }

    fn dereference(&self, inner: &Node) -> Result<Value, ExpressionError> {
        let fail = |message: String| ExpressionError::new(inner.column, message);
        let value = self.value(inner)?;
        match self.frame.units.peeled(value.ty).as_ref().map(|(_, ty)| &ty.kind) {
            Some(Kind::Pointer(_, None)) => Err(fail("a `void *` points to no type: cast it".into())),
            Some(Kind::Pointer(_, target)) => Ok(self.pointee(&value, *target)),
            Some(Kind::Array(_)) => self.element_of(&value, 0).map_err(fail),
            _ => self
                .renderer
                .pointee(&value)
                .ok_or_else(|| fail(format!("`{}` is not a pointer", self.renderer.type_name(value.ty)))),
        }
    }

    pub(super) fn pointee(&self, value: &Value, target: Option<Die>) -> Value {
        match value.pointer(self.frame) {
            Ok(address) => Value::in_memory(target, address),
            Err(missing) => Value::missing(target, missing),
        }
    }

    fn address_of(&self, inner: &Node) -> Result<Value, ExpressionError> {
        let fail = |message| ExpressionError::new(inner.column, message);
        if let NodeKind::Name(path) = &inner.kind
            && self.named(path).is_none()
            && let Some(pointer) = self.pointer_to_member(inner).map_err(fail)?
        {
            return Ok(pointer);
        }
        let value = self.value(inner)?;
        self.pointer_to(&value).ok_or_else(|| ExpressionError::new(inner.column, "this has no address"))
    }

    /// A pointer to a value in memory.
    pub(super) fn pointer_to(&self, value: &Value) -> Option<Value> {
        let address = value.source.address()?;
        let size = u64::from(self.frame.address_size());
        let ty = Some(self.frame.units.pointer_to(value.ty, size));
        Some(Value { ty, source: Source::bytes(address.to_le_bytes()[..size as usize].to_vec()) })
    }

    /// Returns the payload of an optional of Rust or Zig.
    fn payload(&self, inner: &Node) -> Result<Value, ExpressionError> {
        let value = self.value(inner)?;
        match self.renderer.lang.payload(self.renderer, &value) {
            Some(Ok(payload)) => Ok(payload),
            Some(Err(why)) => Err(ExpressionError::new(inner.column, why)),
            None => {
                let ty = self.renderer.type_name(value.ty);
                Err(ExpressionError::new(inner.column, format!("`{ty}` is not an optional")))
            }
        }
    }

    /// Converts a number to a floating-point type; `None` if one of the types is not numeric, or both are the same
    /// float.
    fn as_float(&self, column: usize, value: &Value, ty: Option<Die>) -> Result<Option<Value>, ExpressionError> {
        let size = self.frame.units.size_of(ty);
        let (Some(gimli::DW_ATE_float), Some(from)) = (self.encoding(ty), self.encoding(value.ty)) else {
            return Ok(None);
        };
        if from == gimli::DW_ATE_float && self.frame.units.size_of(value.ty) == size {
            return Ok(None);
        }
        let bytes = match size {
            Some(4 | 8) if is_integral(from) => {
                let number = self.number(Operand::Value(value.clone()), column)?;
                if size == Some(4) {
                    (number as f32).to_le_bytes().to_vec()
                } else {
                    (number as f64).to_le_bytes().to_vec()
                }
            }
            Some(4 | 8) if from == gimli::DW_ATE_float => match (self.double(column, value)?, size) {
                (Some((number, _)), Some(8)) => number.to_le_bytes().to_vec(),
                // Rounded twice, it might be another number.
                (Some((number, true)), _) => (number as f32).to_le_bytes().to_vec(),
                _ => return Err(not_computed(column)),
            },
            _ => return Err(not_computed(column)),
        };
        Ok(Some(Value { ty, source: Source::bytes(bytes) }))
    }

    /// Returns the encoding of a type of numbers (DWARF 5, 7.8); `None` of another type.
    fn encoding(&self, ty: Option<Die>) -> Option<gimli::DwAte> {
        match self.frame.units.peeled(ty)?.1.kind {
            Kind::Base(encoding) => Some(encoding),
            _ => None,
        }
    }

    /// The double nearest to a floating-point value, and whether it is the same number.
    fn double(&self, column: usize, value: &Value) -> Result<Option<(f64, bool)>, ExpressionError> {
        let Some(size) = self.frame.units.size_of(value.ty).filter(|&size| size <= 16) else { return Ok(None) };
        let unknown = |missing| ExpressionError::new(column, format!("its value is not known: {missing}"));
        Ok(nearest_double(value.unsigned(self.frame, size).map_err(unknown)?, size))
    }

    /// Converts a floating-point value to an integer, as C does: towards zero. `None` if the types are others. A number
    /// that does not fit is an error: C leaves open what it becomes.
    fn truncated(&self, column: usize, value: &Value, ty: Option<Die>) -> Result<Option<i128>, ExpressionError> {
        let integer = self.encoding(ty).is_some_and(|to| is_integral(to) && to != gimli::DW_ATE_boolean);
        if !integer || self.encoding(value.ty) != Some(gimli::DW_ATE_float) {
            return Ok(None);
        }
        let Some((number, true)) = self.double(column, value)? else { return Err(not_computed(column)) };
        let size = self.frame.units.size_of(ty).filter(|size| (1..=8).contains(size));
        let bits = size.ok_or_else(|| not_computed(column))? * 8;
        let range = match is_signed(self.frame, ty) {
            true => -(1i128 << (bits - 1))..1 << (bits - 1),
            false => 0..1 << bits,
        };
        // Rust's `as` makes the type's largest or smallest number of one that is too large, and 0 of NaN. In C both are
        // undefined. Here both are errors.
        let whole = Some(number as i128).filter(|whole| !number.is_nan() && range.contains(whole));
        whole.map(Some).ok_or_else(|| ExpressionError::new(column, "the number does not fit into that type"))
    }

    fn cast(&self, column: usize, how: Conversion, name: &str, inner: &Node) -> Result<Value, ExpressionError> {
        let fail = |message: String| ExpressionError::new(column, message);
        let ty = lookup::type_named(self.frame, name).ok_or_else(|| fail(format!("no type `{name}`")))?;
        let worth = self.node(inner)?;
        // A reference to a class is the object that it refers to.
        if let (Operand::Value(value), Some(referred)) = (&worth, name.trim_end().strip_suffix('&')) {
            let referred = referred.trim_end_matches('&');
            let ty = lookup::type_named(self.frame, referred).ok_or_else(|| fail(format!("no type `{name}`")))?;
            return self.as_object(&self.referred(value.clone()), how, ty).map_err(fail);
        }
        let value = match &worth {
            Operand::Value(value) => Some(self.referred(value.clone())),
            _ => None,
        };
        let kind = self.frame.units.peeled(ty);
        let scalar = match kind.as_ref().map(|(_, ty)| &ty.kind) {
            Some(Kind::Base(encoding)) => *encoding != gimli::DW_ATE_float,
            Some(Kind::Enum(_) | Kind::Pointer(..)) => true,
            _ => false,
        };
        if let Some((_, Kind::MemberPointer(..))) = kind.as_ref().map(|(die, ty)| (die, &ty.kind)) {
            let value = value.ok_or_else(|| fail(format!("a number cannot become `{name}`")))?;
            return self.moved_member(&value, ty, how).map_err(fail);
        }
        // An array decays to its address; a value that is no number is reinterpreted as it lies in memory.
        if let Some(value) = &value {
            let array = self.frame.units.peeled(value.ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Array(_)));
            let pointer = kind.as_ref().is_some_and(|(_, ty)| matches!(ty.kind, Kind::Pointer(..)));
            if array && pointer {
                let address = self.pointer_to(value).ok_or_else(|| fail("this has no address".into()))?;
                return Ok(address.with_type(ty));
            }
            if let Some(converted) = self.as_float(column, value, ty)? {
                return Ok(converted);
            }
            if !scalar {
                return self.as_object(value, how, ty).map_err(fail);
            }
            if let Some(moved) = self.moved_pointer(value, ty, how).map_err(fail)? {
                return Ok(moved);
            }
        }
        let whole = value.as_ref().map(|value| self.truncated(column, value, ty)).transpose()?.flatten();
        let number = whole.map_or_else(|| self.number(worth, inner.column), Ok)?;
        let size = self.frame.units.size_of(ty).filter(|&size| scalar && size <= 16);
        let size = size.ok_or_else(|| fail(format!("a number cannot become `{name}`")))?;
        Ok(Value { ty, source: Source::bytes(number.to_le_bytes()[..size as usize].to_vec()) })
    }

    /// An object as another class: its subobject of that class, or the enclosing object; else the same bytes.
    fn as_object(&self, object: &Value, how: Conversion, ty: Option<Die>) -> Result<Value, String> {
        let moved = match (how, ty, object.source.address()) {
            (Conversion::Usual | Conversion::Dynamic, Some(ty), Some(_)) => self.moved(object, ty)?,
            _ => None,
        };
        Ok(moved.map_or_else(|| object.with_type(ty), |moved| moved.with_type(ty)))
    }

    /// Returns the value to which a pointer, a smart pointer or an iterator points.
    pub(super) fn followed(&self, value: &Value) -> Option<Value> {
        match pointer_target(self.frame, value.ty) {
            Some((target, _)) => Some(self.pointee(value, target)),
            None => self.renderer.pointee(value),
        }
    }

    /// The language of the unit that describes the variable or type with which an expression begins: a program in
    /// several languages has statics and types of each. `None` where the expression begins with neither.
    fn language(&self, node: &Node) -> Option<Language> {
        let units = &self.frame.units;
        match &node.kind {
            NodeKind::Name(path) => match self.named(path)? {
                NameMeaning::Variable(die, _) => Some(units.language(die.unit)),
                NameMeaning::Member(_) => None,
            },
            NodeKind::AtEntry(name) => lookup::local(self.frame, name).map(|(die, _)| units.language(die.unit)),
            NodeKind::FileName(file, name) => {
                lookup::file_static(self.frame, file, name).map(|die| units.language(die.unit))
            }
            NodeKind::Cast(_, name, _) => {
                let mut ty = lookup::type_named(self.frame, name)?;
                // Pointer and array types that only the expression names are in no unit.
                for _ in 0..NESTED {
                    ty = match units.type_at(ty?)?.kind {
                        Kind::Pointer(_, target) => target,
                        Kind::Array(ref array) => array.element,
                        _ => break,
                    };
                }
                ty.filter(|ty| ty.unit < units.len()).map(|ty| units.language(ty.unit))
            }
            NodeKind::Dereference(inner)
            | NodeKind::Address(inner)
            | NodeKind::Negative(inner)
            | NodeKind::Not(inner)
            | NodeKind::SizeOf(inner)
            | NodeKind::Payload(inner)
            | NodeKind::Member(inner, _)
            | NodeKind::Index(inner, _)
            | NodeKind::Slice(inner, ..)
            | NodeKind::Through(inner, _) => self.language(inner),
            NodeKind::Binary(_, left, right) => self.language(left).or_else(|| self.language(right)),
            NodeKind::Number(_)
            | NodeKind::Register(_)
            | NodeKind::Text(_)
            | NodeKind::Character(_)
            | NodeKind::SizeOfType(_) => None,
        }
    }

    /// Looks up a name: a variable of the function, a member of the object whose method it is, another variable.
    fn named(&self, path: &[String]) -> Option<NameMeaning> {
        if let [name] = path {
            if let Some((die, kind)) = lookup::local(self.frame, name) {
                return Some(NameMeaning::Variable(die, kind));
            }
            if let Some(member) = self.member_of_this(name) {
                return Some(NameMeaning::Member(member));
            }
        }
        lookup::outer(self.frame, path).map(|die| NameMeaning::Variable(die, VariableKind::Static))
    }

    /// In a method, a member of its object; in a lambda, a captured variable, or a member of a captured `this`.
    fn member_of_this(&self, name: &str) -> Option<Value> {
        let (this, _) = lookup::local(self.frame, "this")?;
        let object = self.behind(&variable_value(self.frame, this).0)?;
        let member = |object: &Value, name| self.find_member(object, name).ok().flatten();
        member(&object, name).or_else(|| {
            let captured = self.behind(&member(&object, "this")?)?;
            member(&captured, name)
        })
    }

    fn behind(&self, pointer: &Value) -> Option<Value> {
        let (target, _) = pointer_target(self.frame, pointer.ty)?;
        Some(self.pointee(pointer, target))
    }
}

fn not_computed(column: usize) -> ExpressionError {
    ExpressionError::new(column, "this conversion between numbers is not computed")
}

/// `object.Class::member` of C++, which looks like a variable of a file called `object.Class`.
fn object_and_class(column: usize, file: &str, name: &str) -> Option<Node> {
    let mut parts: Vec<&str> = file.split('.').collect();
    let is_word = |part: &&str| !part.is_empty() && part.chars().all(|char| char.is_alphanumeric() || char == '_');
    let class = parts.pop().filter(|_| !parts.is_empty())?;
    if !is_word(&class) || !parts.iter().all(is_word) {
        return None;
    }
    let mut object = Node { column, kind: NodeKind::Name(vec![parts[0].to_owned()]) };
    for part in &parts[1..] {
        object = Node { column, kind: NodeKind::Member(Box::new(object), vec![(*part).to_owned()]) };
    }
    Some(Node { column, kind: NodeKind::Member(Box::new(object), vec![class.to_owned(), name.to_owned()]) })
}

/// The meaning of a name in an expression.
enum NameMeaning {
    Variable(Die, VariableKind),
    Member(Value),
}
