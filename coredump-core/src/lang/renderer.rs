//! Values as text and as trees, within bounds.
//!
//! A tree is bounded in depth, in the elements of each level, in nodes and in text, so that hostile debug information
//! and memory cost no more than honest ones.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use gimli::constants::*;

use super::{Lang, names, table};
use crate::catalog::Language;
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::limits::{MAX_NAME, shorten};
use crate::location::Missing;
use crate::location::frame::FrameContext;
use crate::scope::VariableKind;
use crate::values::{DescribedArray, Limits, Source, Status, Value, Variable, When, variable_value};

/// The most nodes of all trees of one rendering.
const NODES: u32 = 50_000;
/// The number of nodes that are kept for each of several values.
const RESERVED: u32 = 64;
/// Longest text of one value, in bytes.
pub(super) const LONGEST: usize = 4_000;
/// The most members of one structure that are shown, whatever the limit of elements.
pub(super) const MEMBERS: usize = 1_000;

/// Renders values of one frame.
pub struct Renderer<'r, 'f, 's> {
    /// The frame.
    pub frame: &'r FrameContext<'f, 's>,
    /// The limits on how much is written out.
    pub limits: Limits,
    /// The language whose values they are.
    pub lang: &'static dyn Lang,
    nodes: Cell<u32>,
    /// The objects that are being rendered, by address and type, so that a cycle of pointers ends.
    open: RefCell<Vec<(u64, Die)>>,
    /// The memo of [`Renderer::type_name`].
    names: RefCell<HashMap<Option<Die>, String>>,
}

/// Elements that lie one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Contiguous {
    /// The type of the elements.
    pub element: Option<Die>,
    /// The address of the first element.
    pub address: u64,
    /// The number of them.
    pub len: u64,
}

/// A rendered value: its text, and its parts.
pub struct Shown {
    /// One line, or why there is none.
    pub text: Result<String, Missing>,
    /// The parts.
    pub children: Vec<Variable>,
}

impl Shown {
    pub fn text(text: impl Into<String>) -> Shown {
        Shown { text: Ok(text.into()), children: Vec::new() }
    }

    fn missing(missing: Missing) -> Shown {
        Shown { text: Err(missing), children: Vec::new() }
    }
}

impl From<Missing> for Shown {
    fn from(missing: Missing) -> Shown {
        Shown::missing(missing)
    }
}

impl<'r, 'f, 's> Renderer<'r, 'f, 's> {
    /// A renderer for values of `frame`, in the notation of `language`.
    pub fn new(frame: &'r FrameContext<'f, 's>, limits: Limits, language: Language) -> Self {
        // More elements than nodes are never shown, so more are not looked for.
        let limits =
            Limits { depth: limits.depth.min(Limits::DEEPEST), elements: limits.elements.min(NODES), ..limits };
        Renderer {
            frame,
            limits,
            lang: table(language),
            nodes: Cell::new(NODES),
            open: RefCell::default(),
            names: RefCell::default(),
        }
    }

    /// Returns true if nodes are left for more values.
    pub(super) fn has_room(&self) -> bool {
        self.nodes.get() > 0
    }

    /// Renders one of several values, with nodes set aside for each of the `others` to come, so that a deep value does
    /// not hide those after it.
    pub fn leaving<T>(&self, others: usize, render: impl FnOnce() -> T) -> T {
        let left = self.nodes.get();
        let reserved = u32::try_from(others).unwrap_or(u32::MAX).saturating_mul(RESERVED).min(left / 2);
        self.nodes.set(left - reserved);
        let rendered = render();
        self.nodes.set(self.nodes.get() + reserved);
        rendered
    }

    /// The variable that the entry at `die` describes; `None` for a declaration, and for an entry without a name.
    pub fn described(&self, die: Die, kind: VariableKind) -> Option<Variable> {
        let frame = self.frame;
        let name = frame.units.name(die).filter(|name| !name.is_empty())?;
        let entry = frame.units.entry(die)?;
        // Variables that the compiler made are left out: the length of an array, the end of a range in a loop. clang's
        // begin with two underscores, flang's with a dot.
        let made = entry.has_attr(DW_AT_artificial) && (name.starts_with(b"__") || name.starts_with(b"."));
        if made || entry.has_attr(DW_AT_declaration) {
            return None;
        }
        let (value, described) = variable_value(frame, die);
        let mut variable = self.variable(shorten(&String::from_utf8_lossy(name), MAX_NAME), &value);
        variable.kind = kind;
        variable.location = described;
        Some(variable)
    }

    /// A value as a variable of that name.
    pub fn variable(&self, name: impl Into<String>, value: &Value) -> Variable {
        self.part(name, value, self.limits.depth)
    }

    /// A part of a value, of which `depth` more levels are shown.
    pub(super) fn part(&self, name: impl Into<String>, value: &Value, depth: u32) -> Variable {
        let shown = match self.nodes.get().checked_sub(1) {
            Some(left) => {
                self.nodes.set(left);
                self.show(value, depth)
            }
            None => Shown::text("..."),
        };
        let mut variable = Variable {
            name: name.into(),
            type_name: match self.limits.text_only {
                true => String::new(),
                false => self.type_name(value.ty),
            },
            kind: VariableKind::Local,
            location: String::new(),
            address: value.source.address(),
            status: Status::Ok,
            value: None,
            at: When::Now,
            note: None,
            hidden: false,
            children: shown.children,
        };
        match shown.text {
            Ok(text) => variable.value = Some(text),
            Err(missing) => (variable.status, variable.note) = explain(missing),
        }
        variable
    }

    /// Renders a value.
    pub(super) fn show(&self, value: &Value, depth: u32) -> Shown {
        if let Source::Missing(missing) = &value.source {
            return missing.clone().into();
        }
        match self.lang.is_null(self, value) {
            Some(Ok(true)) => return Shown::text(self.lang.notation().null),
            Some(Err(missing)) => return missing.into(),
            Some(Ok(false)) | None => {}
        }
        let Some((die, ty)) = self.frame.units.peeled(value.ty) else {
            return match value.ty {
                None => Shown::text("void"),
                Some(_) => Shown::text("..."),
            };
        };
        let declared = value.ty;
        let value = &value.with_type(Some(die));
        match &ty.kind {
            Kind::Base(encoding) => self.scalar(value, declared, &ty, *encoding),
            Kind::Enum(list) => self.enumerator(value, list),
            Kind::Pointer(kind, target) => self.pointer(value, &ty, *kind, *target, depth),
            Kind::MemberPointer(target, _) => self.member_pointer(value, *target),
            Kind::Array(array) if array.described => match self.frame.described(value, array) {
                Ok(DescribedArray::Array(value)) => self.show(&value, depth),
                Ok(DescribedArray::Nothing(why)) => Shown::text(format!("<{why}>")),
                Err(missing) => missing.into(),
            },
            Kind::Array(array) => self.array(value, array, &array.dimensions, depth),
            Kind::Struct(contents) => {
                let object = value.source.address().map(|address| (address, die));
                if let Some(object) = object {
                    if self.open.borrow().contains(&object) {
                        return Shown::text("{...}");
                    }
                    self.open.borrow_mut().push(object);
                }
                let shown = self.structure(value, die, contents, depth);
                if object.is_some() {
                    self.open.borrow_mut().pop();
                }
                shown
            }
            Kind::Function(..) => match value.source.address() {
                Some(index) => Shown::text(self.function_pointer(index)),
                None => Shown::text("{...}"),
            },
            Kind::Unspecified | Kind::Typedef(_) | Kind::Qualified(..) => self.unspecified(value),
        }
    }

    fn structure(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Shown {
        if !contents.declared {
            return self.contents(value, die, contents, depth);
        }
        // The type is only declared in this unit: another may define it.
        match self.frame.units.completed(die) {
            Some((die, ty)) => match &ty.kind {
                Kind::Struct(contents) => self.contents(&value.with_type(Some(die)), die, contents, depth),
                _ => Shown::text("<incomplete type>"),
            },
            None => Shown::text("<incomplete type>"),
        }
    }

    /// A type's name in the language of the frame.
    pub fn type_name(&self, ty: Option<Die>) -> String {
        if let Some(known) = self.names.borrow().get(&ty) {
            return known.clone();
        }
        let name = names::written(&self.frame.units, ty, self.lang, &self.frame.steps);
        self.names.borrow_mut().insert(ty, name.clone());
        name
    }

    /// A decltype(nullptr), or a type that is only a name.
    fn unspecified(&self, value: &Value) -> Shown {
        let name = self.type_name(value.ty);
        if name.ends_with("nullptr_t") || name.contains("decltype(nullptr)") {
            return Shown::text("nullptr");
        }
        Shown::text("<unknown type>")
    }
}

/// A missing value's status, and the reason in words.
pub fn explain(missing: Missing) -> (Status, Option<String>) {
    match missing {
        Missing::OptimizedOut => (Status::OptimizedOut, None),
        Missing::NotCaptured(why) => (Status::NotCaptured, (!why.is_empty()).then_some(why)),
        Missing::Unreadable(address) => (Status::Unreadable, Some(format!("{address:#x}"))),
        Missing::Malformed(why) => (Status::Unreadable, Some(why)),
    }
}

/// Cuts a text that grew too long.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}
