//! The groups in which objects are counted: their types, and their classes where an optimiser made one type of those of
//! several.

use std::collections::HashMap;

use super::ObjectView;
use crate::lang::kotlin;
use crate::objects::{Id, Object, ObjectKind};

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
    /// The group in which an object is counted: the index of its type, or a greater number for its class, where an
    /// optimiser may have made one type of those of several classes.
    pub fn group_of(&self, object: &Object<'_>) -> u32 {
        let ty = object.type_index;
        if !self.shared_types().get(ty as usize).is_some_and(|shared| *shared) {
            return ty;
        }
        let Some(information) = self.kotlin.information(&self.named, object) else { return ty };
        if let Some(known) = self.groups.lock().known.get(&(ty, information)) {
            return *known;
        }
        let class = self.kotlin.class_of_information(&self.named, information);
        let label = class.map(|class| {
            // The name of the type leaves out the classes around the class, as it does in programs that were not optimised.
            let own = self.named.type_name(ty).map(kotlin::unnumbered);
            let simple = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
            own.filter(|own| simple(own) == class.simple()).unwrap_or(class.name()).to_owned()
        });
        let mut groups = self.groups.lock();
        let group = match label {
            Some(label) if groups.labels.len() < MAX_CLASSES => {
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

    /// The name of a group, as that of a type.
    pub fn group_label(&self, group: u32) -> String {
        let class = (group as usize).checked_sub(self.shared_types().len());
        class.and_then(|class| self.groups.lock().labels.get(class).cloned()).unwrap_or_else(|| self.type_label(group))
    }

    /// The name of the type or class of an object.
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
            let shared =
                types.iter().map(|ty| ty.kind == ObjectKind::Struct && ty.places.iter().any(|(module, _)| of(*module)));
            shared.collect()
        })
    }
}
