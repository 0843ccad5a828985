//! Expressions over objects: `basket.orders[1].label`, `map["two"]`, `Cache.sessions.size`. A name is a local of the frame, a member
//! of its `this`, a global, or an object of which a global holds the only instance.

use std::ops::Range;

use super::ObjectView;
use super::locals::{Local, empty, part_of};
use super::meaning::{FieldReading, ObjectForm, Reading};
use crate::expression::{ExpressionError, Node, NodeKind, parse};
use crate::objects::{Field, Link, Object, ObjectKind};
use crate::values::{Limits, Variable};

/// Entries of a map that are compared with a key at a time.
const ENTRIES: u64 = 1024;
/// Parts that are written out.
const MAX_PARTS: usize = 1 << 14;
/// The limits within which keys are compared.
const KEY: Limits = Limits { depth: 4, elements: 1 << 10, text_only: true };
/// Places of values within each other.
const PLACES: usize = 16;
/// Kotlin's name of the companion object that is declared without one.
const COMPANION: &str = "Companion";

/// The reason why a part of an expression has no value.
type Failed = ExpressionError;

impl ObjectView<'_> {
    /// The value of an expression in a frame. None where the dump holds no objects.
    pub fn evaluate(
        &self,
        thread: usize,
        frame: usize,
        text: &str,
        limits: Limits,
    ) -> Option<Result<Variable, ExpressionError>> {
        self.objects()?;
        Some(self.evaluated(thread, frame, text, limits))
    }

    fn evaluated(&self, thread: usize, frame: usize, text: &str, limits: Limits) -> Result<Variable, Failed> {
        let node = parse(text, &|_| false)?;
        let locals = self.local_parts(thread, frame).unwrap_or_default();
        let evaluation = Evaluation { view: self, thread, frame, locals: &locals };
        let name = text.trim().to_owned();
        // A local alone is the variable itself, known or not.
        if let NodeKind::Name(path) = &node.kind
            && let Some(local) = evaluation.local(path)
            && (local.part.is_none() || local.perhaps_unset)
        {
            let scope = self.locals(thread, frame, limits);
            let variables = scope.into_iter().flat_map(|scope| scope.variables);
            let wanted = format!("local {}", local.index);
            if let Some(variable) = variables.into_iter().find(|variable| variable.location == wanted) {
                return Ok(Variable { name, ..variable });
            }
        }
        if let NodeKind::Slice(whole, from, to) = &node.kind {
            let [from, to] = [evaluation.index(from)?, evaluation.index(to)?];
            let part = evaluation.node(whole)?;
            let object = evaluation.object(part);
            let object = object.map_err(|message| ExpressionError::new(node.column, message))?;
            return Ok(self.slice(name, part, &object, from..to, limits));
        }
        let part = evaluation.node(&node)?;
        Ok(self.part(name, part, limits, limits.depth, &mut Vec::new(), &mut MAX_PARTS.clone()))
    }

    /// Some of an object's elements, or of a map's entries.
    fn slice(
        &self,
        name: String,
        part: FieldReading,
        object: &Object<'_>,
        window: Range<u64>,
        limits: Limits,
    ) -> Variable {
        let end = window.end.min(window.start.saturating_add(limits.elements.into()));
        let mut left = MAX_PARTS;
        let parts = self.parts(part, object, window.start..end, limits).into_iter();
        let mut whole = empty(name);
        whole.type_name = self.class_of(object).unwrap_or_else(|| self.type_label(object.type_index));
        whole.children = parts
            .map(|(name, part)| self.part(name, part, limits, limits.depth, &mut vec![object.id], &mut left))
            .collect();
        let texts: Vec<_> = whole.children.iter().map(|part| part.text()).collect();
        whole.value = Some(format!("[{}]", texts.join(", ")));
        whole
    }
}

struct Evaluation<'e, 'd> {
    view: &'e ObjectView<'d>,
    thread: usize,
    frame: usize,
    locals: &'e [Local],
}

impl<'d> Evaluation<'_, 'd> {
    fn node(&self, node: &Node) -> Result<FieldReading, Failed> {
        let fail = |message: String| ExpressionError::new(node.column, message);
        match &node.kind {
            NodeKind::Number(number) => {
                let number = i64::try_from(*number).map_err(|_| fail("too large".to_owned()))?;
                Ok(FieldReading::new(Field::I64(number)))
            }
            NodeKind::Name(path) => self.named(path).map_err(fail),
            NodeKind::Register(name) => self.register(name).ok_or_else(|| fail(format!("no `{name}` here"))),
            NodeKind::Character(char) => {
                let unit = u16::try_from(u32::from(*char)).map_err(|_| fail("not one unit of UTF-16".to_owned()))?;
                Ok(FieldReading::new(Field::I16(unit)).read(Reading::Character))
            }
            NodeKind::Member(inner, path) => {
                let member = self.node(inner).and_then(|whole| self.member(whole, &path.join("::")).map_err(fail));
                // A name that is no member may be an object that is declared in a class, or an entry of an enumeration.
                member.or_else(|error| dotted(node).and_then(|path| self.singleton(&path)).ok_or(error))
            }
            NodeKind::Index(inner, index) => {
                let whole = self.node(inner)?;
                match &index.kind {
                    NodeKind::Text(key) => self.entry(whole, &|part| self.text_of(part).as_deref() == Some(key)),
                    kind => match (self.node(index), constant(kind)) {
                        (Ok(index), _) => self.element(whole, index),
                        // An entry of an enumeration is no variable, but may be a key.
                        (Err(error), Some(name)) => {
                            let found = self.entry(whole, &|part| self.constant_of(part).as_deref() == Some(name));
                            return found.map_err(|_| error);
                        }
                        (Err(error), None) => return Err(error),
                    },
                }
                .map_err(fail)
            }
            NodeKind::Negative(inner) => match self.node(inner)?.field {
                Field::I64(number) => Ok(FieldReading::new(Field::I64(number.wrapping_neg()))),
                Field::I32(number) => Ok(FieldReading::new(Field::I32(number.wrapping_neg()))),
                _ => Err(fail("not an integer".to_owned())),
            },
            _ => Err(fail("of objects, expressions are names, members and elements".to_owned())),
        }
    }

    /// The number of an element.
    fn index(&self, node: &Node) -> Result<u64, Failed> {
        let number = match self.node(node)?.field {
            Field::I64(number) => u64::try_from(number).ok(),
            Field::I32(number) => u64::try_from(number).ok(),
            _ => None,
        };
        number.ok_or_else(|| ExpressionError::new(node.column, "an index is a number from 0 on"))
    }

    fn local(&self, path: &[String]) -> Option<&Local> {
        let [name] = path else { return None };
        // If several locals have one name, the innermost is meant, which was declared last.
        self.locals.iter().rev().find(|local| local.name.as_deref() == Some(name.as_str()))
    }

    fn named(&self, path: &[String]) -> Result<FieldReading, String> {
        if let Some(local) = self.local(path) {
            return match local.part {
                Some(part) if !local.perhaps_unset => Ok(part),
                Some(_) => Err(format!("`{}` may not be set yet", path.join("::"))),
                None => Err(format!("`{}` is not in the dump", path.join("::"))),
            };
        }
        let of_this = || {
            let this = self.local(&["this".to_owned()])?.part?;
            self.member(this, path.last().filter(|_| path.len() == 1)?).ok()
        };
        let of_companion = || {
            let class = self.view.class_of(&self.object(self.local(&["this".to_owned()])?.part?).ok()?)?;
            self.member(self.companion(&class)?, path.last().filter(|_| path.len() == 1)?).ok()
        };
        let delegated = || self.view.delegated(self.global(&format!("{}$delegate", path.join(".")))?);
        let none = || format!("no variable `{}` is in scope here", path.join("::"));
        let found = of_this()
            .or_else(of_companion)
            .or_else(|| self.global(&path.join(".")))
            .or_else(delegated)
            .or_else(|| self.companion(&path.join(".")));
        found.ok_or_else(none)
    }

    /// The companion object of a class, whose name may be its own.
    fn companion(&self, class: &str) -> Option<FieldReading> {
        let of = |name: &str| self.singleton(&class.split('.').chain([name]).collect::<Vec<_>>());
        of(COMPANION).or_else(|| {
            let frame = self.view.dump.threads.get(self.thread)?.frames.get(self.frame)?;
            let module = self.view.binaries.module_of(self.view.dump, frame)?;
            of(&self.view.companion(module, class)?)
        })
    }

    /// The only instance of an object by its class, which may be declared in other classes, or an entry of an enumeration.
    fn singleton(&self, path: &[&str]) -> Option<FieldReading> {
        let (last, outer) = path.split_last()?;
        let holder = format!("{last}_instance");
        // An entry's class is the enumeration, or one of its own.
        let entry = outer.last().map(|class| format!("{class}_{holder}"));
        let mut found = self.globals()?.filter_map(|(name, part)| {
            let is_entry = entry.as_ref().is_some_and(|entry| ends_path(name, entry));
            let object = self.object(part).ok().filter(|_| is_entry || ends_path(name, &holder))?;
            let class = self.view.class_of(&object)?;
            (ends_path(&class, &path.join(".")) || is_entry && ends_path(&class, &outer.join("."))).then_some(part)
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// The globals of the frame's instance that have names, with their values.
    fn globals(&self) -> Option<impl Iterator<Item = (&'d str, FieldReading)>> {
        let (dump, view) = (self.view.dump, self.view);
        let frame = dump.threads.get(self.thread)?.frames.get(self.frame)?;
        let number = view.binaries.module_of(dump, frame)?;
        let module = view.named.module(number)?;
        let instance = dump.instances.get(frame.instance? as usize)?;
        let named = (0u32..).zip(&instance.globals).filter_map(move |(own, global)| {
            let value = &dump.globals.get((*global)? as usize)?.value;
            Some((module.global_name(own)?, own, value))
        });
        Some(
            named.filter_map(move |(name, own, value)| Some((name, part_of(value, view.global_reading(number, own))?))),
        )
    }

    /// A global by its name, by the end of it after a package, or as the holder of an object's only instance.
    fn global(&self, name: &str) -> Option<FieldReading> {
        let holder = format!("{name}_instance");
        let fits = |(found, _): &(&str, FieldReading)| ends_path(found, name) || ends_path(found, &holder);
        let exact = self.globals()?.find(|(found, _)| *found == name || *found == holder);
        let mut found = self.globals()?.filter(fits);
        exact.or_else(|| found.next().filter(|_| found.next().is_none())).map(|(_, part)| part)
    }

    /// `$local0`, `$global1`.
    fn register(&self, name: &str) -> Option<FieldReading> {
        let dump = self.view.dump;
        let frame = dump.threads.get(self.thread)?.frames.get(self.frame)?;
        let name = name.trim_start_matches('$');
        if let Some(index) = name.strip_prefix("local") {
            return part_of(frame.locals.as_deref()?.get(index.parse::<usize>().ok()?)?, Reading::Raw);
        }
        let own: usize = name.strip_prefix("global")?.parse().ok()?;
        let instance = dump.instances.get(frame.instance? as usize)?;
        part_of(&dump.globals.get((*instance.globals.get(own)?)? as usize)?.value, Reading::Raw)
    }

    /// The object that a value is, once the holders around it are taken off.
    fn object(&self, part: FieldReading) -> Result<Object<'d>, String> {
        let mut part = part;
        for _ in 0..PLACES {
            let id = match part.field {
                Field::Ref(Link::Object(id)) => id,
                Field::Ref(Link::Null) => return Err("it is null".to_owned()),
                Field::Ref(Link::Unknown) => return Err("what it refers to is not in the dump".to_owned()),
                _ => return Err("it is no object".to_owned()),
            };
            let object = self.view.get(id).ok_or_else(|| format!("object #{id} is not in the dump"))?;
            match self.view.meaning(&object, 0..0).map(|meaning| meaning.form) {
                Some(ObjectForm::Other(inner)) => part = inner,
                _ => return Ok(object),
            }
        }
        Err("it is a place of a place of a place".to_owned())
    }

    fn member(&self, whole: FieldReading, name: &str) -> Result<FieldReading, String> {
        if let Some((class, field, inner)) = self.view.value_of(whole) {
            return match field == name {
                true => Ok(inner),
                false => Err(format!("`{class}` has no member `{name}`")),
            };
        }
        self.member_of_object(whole, name).or_else(|why| self.own_member(whole, name).ok_or(why))
    }

    /// A field of an object that only holds another value, and is written as that.
    fn own_member(&self, whole: FieldReading, name: &str) -> Option<FieldReading> {
        let Field::Ref(Link::Object(id)) = whole.field else { return None };
        let object = self.view.get(id)?;
        let is_holder = matches!(self.view.meaning(&object, 0..0)?.form, ObjectForm::Other(_));
        last_of(&self.view.members(&object), name).filter(|_| is_holder)
    }

    fn member_of_object(&self, whole: FieldReading, name: &str) -> Result<FieldReading, String> {
        let object = self.object(whole)?;
        let meaning = self.view.meaning(&object, 0..0);
        let members = meaning.as_ref().map(|meaning| meaning.members.clone()).unwrap_or_default();
        if let Some(part) = last_of(&members, name).or_else(|| last_of(&self.view.members(&object), name)) {
            return Ok(part);
        }
        if let Some(delegate) = last_of(&members, &format!("{name}$delegate")) {
            let unknown = || format!("`{name}` is delegated: `{name}$delegate` is what makes its value");
            // A map that is a delegate has the property's name as a key.
            let of_map = || self.entry(delegate, &|key| self.text_of(key).as_deref() == Some(name)).ok();
            return self.view.delegated(delegate).or_else(of_map).ok_or_else(unknown);
        }
        let form = meaning.map(|meaning| meaning.form);
        if let (Some(ObjectForm::Entries { open: "", parts, .. }), "key" | "value") = (&form, name)
            && let Some((key, value)) = parts.first()
        {
            return Ok(if name == "key" { *key } else { *value });
        }
        let len =
            match form {
                Some(
                    ObjectForm::Elements { len, open: "[", .. } | ObjectForm::Entries { len, open: "{" | "[", .. },
                ) if name == "size" => Some(len),
                Some(ObjectForm::Text(text)) if name == "length" => Some(text.len),
                None if object.kind() == ObjectKind::Array && name == "length" => Some(object.len),
                _ => None,
            };
        let len = len.and_then(|len| i64::try_from(len).ok());
        len.map(|len| FieldReading::new(Field::I64(len))).ok_or_else(|| {
            let class = self.view.class_of(&object).unwrap_or_else(|| self.view.type_label(object.type_index));
            format!("`{class}` has no member `{name}`")
        })
    }

    fn element(&self, whole: FieldReading, index: FieldReading) -> Result<FieldReading, String> {
        let object = self.object(whole)?;
        let form = self.view.meaning(&object, 0..0).map(|meaning| meaning.form);
        if let Some(ObjectForm::Entries { .. }) = form {
            // A key has its box, whatever the value has.
            if self.view.value_of(index).is_some() {
                let wanted = self.view.value_text(index, KEY);
                return self.entry(whole, &|part| self.view.value_text(part, KEY) == wanted);
            }
            // Texts and boxes are equal where what they hold is; of other objects it is known only of an object and itself.
            if let Some(text) = self.text_of(index) {
                return self.entry(whole, &|part| self.text_of(part).as_deref() == Some(text.as_str()));
            }
            if let (Field::Ref(link), None) = (index.field, self.plain(index)) {
                let found = self.entry(whole, &|part| part.field == Field::Ref(link));
                return found.map_err(|_| "no key is that very object; whether one equals it is not known".to_owned());
            }
            let wanted = self.plain(index).ok_or("a key is a number, a text or an object")?;
            return self.entry(whole, &|part| self.plain(part).as_deref() == Some(&wanted));
        }
        let number = match index.field {
            Field::I64(number) => Some(number),
            Field::I32(number) => Some(i64::from(number)),
            _ => None,
        };
        let number = number.and_then(|number| u64::try_from(number).ok()).ok_or("an index is a number from 0 on")?;
        let behind = |len: u64| format!("it has {len} elements");
        let window = number..number.saturating_add(1);
        match (form, self.view.meaning_of(whole, &object, window).map(|meaning| meaning.form)) {
            (_, Some(ObjectForm::Elements { parts, len, .. })) => parts.first().copied().ok_or_else(|| behind(len)),
            (_, Some(ObjectForm::Text(text))) => {
                let unit =
                    text.units.first().filter(|_| text.whole && number < text.len).ok_or_else(|| behind(text.len))?;
                Ok(FieldReading::new(Field::I16(*unit)).read(Reading::Character))
            }
            (None, _) => {
                let index = usize::try_from(number).ok();
                let part = index.and_then(|index| Some(self.view.plain_part(&object, index, object.get(index)?)));
                part.ok_or_else(|| behind(object.len))
            }
            _ => Err("it has no elements".to_owned()),
        }
    }

    /// The value of a map's entry whose key is the wanted one.
    fn entry(&self, whole: FieldReading, is_wanted: &dyn Fn(FieldReading) -> bool) -> Result<FieldReading, String> {
        let object = self.object(whole)?;
        let mut start = 0;
        loop {
            let form = self.view.meaning(&object, start..start + ENTRIES).map(|meaning| meaning.form);
            let Some(ObjectForm::Entries { parts, .. }) = form else { return Err("it is no map".to_owned()) };
            if let Some((_, value)) = parts.iter().find(|(key, _)| is_wanted(*key)) {
                return Ok(*value);
            }
            if (parts.len() as u64) < ENTRIES {
                return Err("it has no such key".to_owned());
            }
            start += ENTRIES;
        }
    }

    /// The name of an enumeration's entry that is a key.
    fn constant_of(&self, part: FieldReading) -> Option<String> {
        let meaning = self.view.meaning(&self.object(part).ok()?, 0..0)?;
        let named = meaning.members.iter().any(|(name, _)| name == "ordinal");
        match meaning.form {
            ObjectForm::Plain(name) => named.then_some(name),
            _ => None,
        }
    }

    /// A text that is a key.
    fn text_of(&self, part: FieldReading) -> Option<String> {
        let object = self.object(part).ok()?;
        match self.view.meaning(&object, 0..0)?.form {
            ObjectForm::Text(_) => self.view.string(&object),
            ObjectForm::Plain(name) => Some(name),
            _ => None,
        }
    }

    /// A number that is a key, in its box or without.
    fn plain(&self, part: FieldReading) -> Option<String> {
        if let Some(text) = self.view.part_text(part) {
            return Some(text);
        }
        match self.view.meaning(&self.object(part).ok()?, 0..0)?.form {
            ObjectForm::Plain(text) => Some(text),
            _ => None,
        }
    }
}

/// The member of a name. A superclass's members come first: of several, the class's own hides the others.
fn last_of(members: &[(String, FieldReading)], name: &str) -> Option<FieldReading> {
    members.iter().rev().find(|(own, _)| own == name).map(|(_, part)| *part)
}

/// Returns true if a name is that path, or ends in it after a package or a class.
fn ends_path(name: &str, path: &str) -> bool {
    name.strip_suffix(path).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The names of an expression that is made of nothing else.
fn dotted(node: &Node) -> Option<Vec<&str>> {
    let (mut names, mut node) = (Vec::new(), node);
    loop {
        match &node.kind {
            NodeKind::Member(inner, path) => {
                names.extend(path.iter().rev().map(String::as_str));
                node = inner;
            }
            NodeKind::Name(path) => {
                names.extend(path.iter().rev().map(String::as_str));
                names.reverse();
                return Some(names);
            }
            _ => return None,
        }
    }
}

/// The last part of a name: what an entry of an enumeration is called, with or without its class.
fn constant(kind: &NodeKind) -> Option<&str> {
    match kind {
        NodeKind::Name(path) | NodeKind::Member(_, path) => path.last().map(String::as_str),
        _ => None,
    }
}
