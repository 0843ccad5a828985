//! The locals of a frame whose debug information says nothing of variables: by the names of the name section.

use super::View;
use crate::model::{Frame, Reference, Value};
use crate::objects::{Field, Id, Kind, Link, Object};
use crate::variables::{Limits, Scope, Status, Variable, VariableKind, When};

/// Parts of the variables of one frame that are listed.
const MAX_PARTS: usize = 1 << 14;

impl View<'_> {
    /// The locals of a frame that have names, and those that refer to objects; parameters first. None where the dump holds no
    /// objects or no locals.
    pub fn locals(&self, frame: &Frame, limits: Limits) -> Option<Scope> {
        self.objects()?;
        let locals = frame.locals.as_deref()?;
        let function = frame.function?;
        let found = self.binaries.module_of(self.dump, frame).and_then(|module| self.binaries.found(module));
        let module = found.filter(|found| found.verification.is_verified()).map(|found| found.binary.module());
        let parameters = module.and_then(|module| module.signature(function)).map_or(0, |ty| ty.params.len());
        let mut left = MAX_PARTS;
        let variables = locals.iter().enumerate().filter_map(|(index, value)| {
            let name = module.and_then(|module| module.local_name(function, u32::try_from(index).ok()?));
            let refers = matches!(value, Value::Ref(_));
            if name.is_none() && !refers {
                return None;
            }
            let name = name.map_or_else(|| format!("local[{index}]"), super::clean);
            let mut variable = self.variable(name, value, limits, &mut left);
            variable.location = format!("local {index}");
            variable.kind = if index < parameters { VariableKind::Parameter } else { VariableKind::Local };
            Some(variable)
        });
        let variables: Vec<Variable> = variables.collect();
        (!variables.is_empty()).then_some(Scope { function: None, inlined: false, variables })
    }

    fn variable(&self, name: String, value: &Value, limits: Limits, left: &mut usize) -> Variable {
        let field = match *value {
            Value::Missing => {
                let missing = Variable { status: Status::NotCaptured, value: None, ..empty(name) };
                return missing;
            }
            Value::I32(value) => Field::I32(value),
            Value::I64(value) => Field::I64(value),
            Value::F32(bits) => Field::F32(bits),
            Value::F64(bits) => Field::F64(bits),
            Value::V128(bytes) => Field::V128(bytes),
            Value::Ref(Reference { ref target, .. }) => Field::Ref(View::link(target)),
        };
        let ty = value.type_name().unwrap_or_default();
        self.part(name, field, ty, limits, limits.depth, &mut Vec::new(), left)
    }

    /// A value with its parts. `open` are the objects that it is in.
    #[allow(clippy::too_many_arguments)]
    fn part(
        &self,
        name: String,
        field: Field,
        ty: &str,
        limits: Limits,
        depth: u32,
        open: &mut Vec<Id>,
        left: &mut usize,
    ) -> Variable {
        *left = left.saturating_sub(1);
        let mut variable = empty(name);
        variable.type_name = ty.to_owned();
        variable.value = Some(self.field_text(field, Limits { depth, ..limits }));
        let Field::Ref(Link::Object(id)) = field else { return variable };
        let Some(object) = self.get(id) else {
            variable.status = Status::NotCaptured;
            variable.value = None;
            variable.note = Some(format!("object #{id} is not in the dump"));
            return variable;
        };
        variable.type_name = self.type_label(object.type_index);
        if let Some(deeper) = depth.checked_sub(1)
            && !open.contains(&id)
            && !limits.text_only
        {
            open.push(id);
            for (index, field) in object.fields().enumerate().take(limits.elements as usize) {
                if *left == 0 {
                    break;
                }
                let ty = object.storage(index).map_or("", |storage| storage.name());
                let name = self.part_name(&object, index);
                variable.children.push(self.part(name, field, ty, limits, deeper, open, left));
            }
            open.pop();
        }
        variable
    }

    /// The name of a field, or `[3]` of an element and of a field without one.
    fn part_name(&self, object: &Object<'_>, index: usize) -> String {
        match object.kind() {
            Kind::Struct => self.field_name(object.type_index, index).map(str::to_owned),
            _ => None,
        }
        .unwrap_or_else(|| format!("[{index}]"))
    }
}

fn empty(name: String) -> Variable {
    Variable {
        name,
        type_name: String::new(),
        kind: VariableKind::Local,
        location: String::new(),
        address: None,
        status: Status::Ok,
        value: None,
        at: When::Now,
        note: None,
        hidden: false,
        children: Vec::new(),
    }
}
