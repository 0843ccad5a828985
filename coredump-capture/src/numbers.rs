//! The ids of objects. Each object has one, in the order in which they are found.

use std::collections::{HashMap, HashSet, VecDeque};

use coredump_core::objects::{Id, MAX_ID};

/// Objects are at multiples of so many bytes in the engine's heap.
const ALIGNED: u32 = 16;
/// Places of one page of the table.
const PLACES: u32 = 1024;

/// An object that was found, by the engine's number for references to it: its place in the engine's heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// A struct, an array, or an object of the host.
    Any(u32),
    /// An exception.
    Exn(u32),
}

/// The ids of all objects that were found, and the objects that were not taken yet.
///
/// This is a table by place. It takes a quarter of the bytes of a heap that is full of objects, and finds neighbours
/// near each other. A hash table would take more for each object, and its entries would be scattered.
#[derive(Default)]
pub struct Numbers {
    pages: Vec<Option<Box<[Id; PLACES as usize]>>>,
    /// The objects at other places; no known engine has any.
    others: HashMap<u32, Id>,
    count: u32,
    /// The objects that were not taken yet. They are kept by their numbers alone, as there may be as many as an array
    /// has elements.
    left: VecDeque<u32>,
    /// The numbers that belong to exceptions; they are few.
    exceptions: HashSet<u32>,
}

impl Numbers {
    /// Returns the object's id, and gives it one if it has none; `None` if there are too many objects.
    pub fn number(&mut self, found: Number) -> Option<Id> {
        let (Number::Any(raw) | Number::Exn(raw)) = found;
        let next = self.count + 1;
        let id = self.id(raw);
        if *id != 0 {
            return Some(*id);
        }
        if next > MAX_ID {
            return None;
        }
        *id = next;
        self.count = next;
        self.left.push_back(raw);
        if let Number::Exn(raw) = found {
            self.exceptions.insert(raw);
        }
        Some(next)
    }

    /// Takes the first of the objects that were not taken yet, in the order of their ids.
    pub fn take(&mut self) -> Option<Number> {
        let raw = self.left.pop_front()?;
        let is_exception = !self.exceptions.is_empty() && self.exceptions.contains(&raw);
        Some(if is_exception { Number::Exn(raw) } else { Number::Any(raw) })
    }

    /// The id of the object at a place; 0 if the object was not met.
    fn id(&mut self, raw: u32) -> &mut Id {
        if !raw.is_multiple_of(ALIGNED) {
            return self.others.entry(raw).or_default();
        }
        let place = raw / ALIGNED;
        let (page, place) = ((place / PLACES) as usize, (place % PLACES) as usize);
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        &mut self.pages[page].get_or_insert_with(|| Box::new([0; PLACES as usize]))[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_one_id_and_is_given_out_once() {
        let mut numbers = Numbers::default();
        let places = [0x10, 0xffff_fff0, 0x4010, 7, 0x20];
        for (number, &raw) in (1..).zip(&places) {
            assert_eq!(numbers.number(Number::Any(raw)), Some(number));
        }
        assert_eq!(numbers.number(Number::Exn(0x4010)), Some(3));
        assert_eq!(places.map(|_| numbers.take()), places.map(|raw| Some(Number::Any(raw))));
        assert_eq!(numbers.number(Number::Any(7)), Some(4));
        assert_eq!(numbers.take(), None);
        assert_eq!(numbers.number(Number::Exn(0x50)), Some(6));
        assert_eq!(numbers.take(), Some(Number::Exn(0x50)), "what it is does not get lost");
    }
}
