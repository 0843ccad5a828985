//! The groups in which objects are counted, and their names: their types, and their classes where those of several have
//! one type.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::ObjectView;
use super::named::clean;
use crate::lang::kotlin;
use crate::objects::{Id, Object, ObjectKind, ObjectType};

/// Classes that are told apart, so that a damaged dump cannot ask for more.
const MAX_CLASSES: usize = 1 << 16;

/// The classes of objects whose types say less than they know themselves.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By type, and by what the objects refer to as their class's description.
    known: HashMap<(u32, Id), u32>,
    /// The group of each class.
    numbers: HashMap<String, u32>,
    /// The classes, by their groups after those of the types.
    labels: Vec<String>,
}

impl ObjectView<'_> {
    /// The group in which an object is counted: the index of its type, or a greater number for its class, where one
    /// type may be that of several classes.
    pub fn group_of(&self, object: &Object<'_>) -> u32 {
        let ty = object.type_index;
        let is_shared = self.shared_types().get(ty as usize).is_some_and(|shared| *shared);
        let information = is_shared.then(|| self.kotlin.information(&self.named, object)).flatten();
        let Some(information) = information else {
            self.learn_class(object);
            return ty;
        };
        if let Some(known) = self.groups.lock().known.get(&(ty, information)) {
            return *known;
        }
        let class = self.kotlin.class_of_information(&self.named, information);
        let mut groups = self.groups.lock();
        let group = match class {
            Some(class) if groups.labels.len() < MAX_CLASSES => {
                let label = clean(class.name());
                let next = (self.shared_types().len() + groups.labels.len()) as u32;
                let group = *groups.numbers.entry(label.clone()).or_insert(next);
                if group == next {
                    groups.labels.push(label);
                }
                group
            }
            _ => ty,
        };
        if groups.known.len() < MAX_CLASSES {
            groups.known.insert((ty, information), group);
        }
        group
    }

    /// Finds the class of the objects of a type that has only one, from the first of them.
    fn learn_class(&self, object: &Object<'_>) {
        if let Some(class) = self.type_classes().get(object.type_index as usize) {
            class.get_or_init(|| self.class_of(object).map(|class| clean(&class)));
        }
    }

    /// By type: the class of its objects, once it is known.
    fn type_classes(&self) -> &[OnceLock<Option<String>>] {
        self.type_classes.get_or_init(|| {
            let types = self.objects().map_or(0, |objects| objects.types().len());
            (0..types).map(|_| OnceLock::new()).collect()
        })
    }

    /// The name of a group that an object was found to be in: its class or, without one, its type. `None` if it has no
    /// name.
    fn group_name(&self, group: u32) -> Option<String> {
        if let Some(class) = (group as usize).checked_sub(self.shared_types().len()) {
            return self.groups.lock().labels.get(class).cloned();
        }
        let class = self.type_classes().get(group as usize).and_then(|class| class.get()?.clone());
        class.or_else(|| self.type_name(group).map(str::to_owned))
    }

    /// The name of a group, and of one without a name the kind of its type.
    pub fn group_label(&self, group: u32) -> String {
        self.group_name(group).unwrap_or_else(|| self.type_label(group))
    }

    /// The name of an object's class or, without one, of its type. `None` if neither has a name.
    pub fn name_of(&self, object: &Object<'_>) -> Option<String> {
        self.group_name(self.group_of(object))
    }

    /// The name of the class or type of an object, and of one without a name the kind of its type.
    pub fn label_of(&self, object: &Object<'_>) -> String {
        self.group_label(self.group_of(object))
    }

    /// By type: true if its objects may be of several classes.
    fn shared_types(&self) -> &[bool] {
        self.shared_types.get_or_init(|| {
            let types = self.objects().map_or(&[][..], |objects| objects.types());
            let mut optimised: HashMap<u32, bool> = HashMap::new();
            let is_optimised = |module: u32| {
                let is_optimised = self.named.module(module).is_some_and(kotlin::is_optimised);
                is_optimised && self.kotlin.is_program(&self.named, module)
            };
            let mut of = |module: u32| *optimised.entry(module).or_insert_with(|| is_optimised(module));
            // Types of several classes that are equal are one, also without an optimiser.
            let mut is_shared =
                |ty: &ObjectType| ty.places.len() > 1 || ty.places.iter().any(|(module, _)| of(*module));
            types.iter().map(|ty| ty.kind == ObjectKind::Struct && is_shared(ty)).collect()
        })
    }
}
