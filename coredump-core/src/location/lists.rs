//! Location lists (DWARF 5, 2.6.2), each read once for all entries of a frame that share it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use gimli::AttributeValue;

use super::trust::Trust;
use crate::catalog::units::{Attr, Bytes, UnitRef};
use crate::limits::{Overlap, Steps};
use crate::location::Missing;

/// Entries of one list.
const ENTRIES: usize = 100_000;

/// A range of addresses and the description that is given for them.
pub(super) type Listed<'s> = (Range<u64>, Bytes<'s>);

/// A description that is believed as far as the trust goes; none where a list gives none.
pub(super) type Given<'s> = Option<(Bytes<'s>, Trust)>;

/// A list, with the answers about it that are the same for all entries that share it.
#[derive(Default)]
pub(super) struct List<'s> {
    /// Its entries with addresses.
    pub all: Vec<Listed<'s>>,
    /// The description for all other addresses.
    pub default: Option<Bytes<'s>>,
    /// The bytes of all descriptions.
    pub bytes: usize,
    /// The descriptions that hold at the frame's code address, one for each sort of object.
    pub given: [OnceCell<Result<Given<'s>, Missing>>; 3],
    /// The description for the beginning of the frame's function.
    pub beginning: OnceCell<Option<Bytes<'s>>>,
    /// The description that is true of all of the function, if parameters of Wasm that nothing writes are in it.
    pub kept: OnceCell<Option<Bytes<'s>>>,
    /// True if all descriptions are constants; computed when it is first needed.
    pub constant: OnceCell<bool>,
    /// True if all descriptions say that a local holds the address; computed when it is first needed.
    pub leads: OnceCell<bool>,
    /// The descriptions that held last before the frame's code address, by the active function that has the variable.
    pub ended: RefCell<HashMap<usize, Given<'s>>>,
}

/// The address of the unit, which stays where it is as long as the frame does, and the list's offset.
type ListKey = (usize, usize);

/// A list, or why there is none.
type ReadList<'s> = Result<Rc<List<'s>>, Missing>;

/// The lists that the entries of one frame refer to.
pub struct Lists<'s> {
    known: RefCell<HashMap<ListKey, ReadList<'s>>>,
    overlap: RefCell<Overlap>,
    steps: Arc<Steps>,
}

impl<'s> List<'s> {
    /// The first entry for a code address.
    pub fn at(&self, pc: u64) -> Option<&Listed<'s>> {
        self.all.iter().find(|(range, _)| range.contains(&pc))
    }
}

impl<'s> Lists<'s> {
    /// Makes a memo that is empty. `steps` limits what is read for all frames.
    pub fn new(steps: Arc<Steps>) -> Self {
        Lists { known: RefCell::default(), overlap: RefCell::default(), steps }
    }

    /// The list that an attribute of an entry in `unit` refers to.
    pub(super) fn list(&self, unit: UnitRef<'_, 's>, list: Attr<'s>) -> ReadList<'s> {
        if matches!(list, AttributeValue::Exprloc(_) | AttributeValue::Block(_)) {
            return Err(Missing::Malformed("location: no list".into()));
        }
        let Some(offset) = unit.attr_locations_offset(list)? else {
            return Err(Missing::Malformed("location: of an unknown form".into()));
        };
        let key = (std::ptr::from_ref(unit.unit) as usize, offset.0);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let mut overlap = self.overlap.borrow_mut();
        let room = if self.steps.are_spent() { 0 } else { overlap.room(offset.0).min(ENTRIES) };
        let mut read = 0;
        let list = read_list(unit, offset, (room, &mut read)).map(Rc::new);
        overlap.spend(read);
        self.steps.spend(read);
        self.known.borrow_mut().insert(key, list.clone());
        list
    }
}

/// Reads a list of at most `room` entries, and counts them in `read`.
fn read_list<'s>(
    unit: UnitRef<'_, 's>,
    offset: gimli::LocationListsOffset<usize>,
    (room, read): (usize, &mut usize),
) -> Result<List<'s>, Missing> {
    let mut entries = unit.locations(offset)?;
    let mut list = List::default();
    // Entries that say nothing of an address count too.
    while let Some(entry) = entries.next_raw()? {
        *read += 1;
        if *read > room {
            return Err(Missing::Malformed("location: lists of too many entries".into()));
        }
        let Some(entry) = entries.convert_raw(entry)? else { continue };
        list.bytes = list.bytes.saturating_add(entry.data.0.len());
        match (entry.range.begin, entry.range.end) {
            (0, u64::MAX) => list.default = Some(entry.data.0),
            (begin, end) => list.all.push((begin..end, entry.data.0)),
        }
    }
    Ok(list)
}
