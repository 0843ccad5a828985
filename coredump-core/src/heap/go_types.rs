//! The types of Go's objects, as its runtime describes them (1.21 to 1.27).
//!
//! The collector needs to know where pointers are, and interfaces which type they hold, so the program has a
//! description of each type. Types are found at two places that name their own: since 1.22 an object with pointers of
//! more than 512 bytes has the address of its type's description in front of it, and an interface is a pointer with a
//! description, or with a table that leads to one. From these all pointers are followed by the descriptions. An object
//! of which the type's own bytes fill only the first part of the room has no type: the pointer then led to a first
//! element or member of something larger.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use super::view::View;
use crate::variables::{Members, Shape, Shapes};

/// Offsets in the module data: where descriptions begin, and where they end; since 1.27 a length is between these.
const TYPES: u64 = 296;
const ENDS: [u64; 2] = [304, 312];
/// Offsets in a description.
const SIZE: u64 = 0;
const HASH: u64 = 16;
const FLAGS: u64 = 20;
const KIND: u64 = 23;
const NAME: u64 = 40;
const REST: u64 = 48;
/// The name is that of a pointer to the type.
const EXTRA_STAR: u8 = 2;
/// Kinds (package reflect).
const ARRAY: u8 = 17;
const CHANNEL: u8 = 18;
const FUNCTION: u8 = 19;
const INTERFACE: u8 = 20;
const MAP: u8 = 21;
const POINTER: u8 = 22;
const SLICE: u8 = 23;
const STRING: u8 = 24;
const STRUCTURE: u8 = 25;
const UNSAFE_POINTER: u8 = 26;
/// The bits of a kind.
const KINDS: u8 = 31;
/// Bytes of a field's description.
const FIELD: u64 = 24;
/// Objects that say their type are larger than this, and no larger than that: the span of a larger one says it.
const SAYS: (u64, u64) = (512, 32768);
/// The offsets in the record of a span, in bytes, at which it may say the type of its only object.
const LARGE: Range<u64> = 112..160;
/// Bytes of the address in front of an object.
const HEADER: u64 = 8;
/// Small objects without pointers share room of so many bytes.
const TINY: u64 = 16;
/// Bytes of a name.
const LONGEST: u64 = 512;
/// Types in types.
const LEVELS: u32 = 32;
/// Pointers in one type that are followed.
const MAX_POINTERS: usize = 4096;
/// Types and their names that are told apart.
const MAX_TYPES: usize = u16::MAX as usize - 1;
/// Pointers in objects and parts of types that are looked at.
const LOOKED_AT: u64 = 1 << 24;

/// The room of an object that is in use.
#[derive(Clone, Copy, Debug)]
pub struct ObjectRoom {
    /// The address at which it begins.
    pub start: u64,
    /// The address at which it ends.
    pub end: u64,
    /// Bytes of the next smaller room that an allocator has.
    pub smaller: u64,
    /// True if it may hold pointers.
    pub scanned: bool,
    /// True if objects that are large enough say their type, as since 1.22.
    pub typed: bool,
    /// The address of its span's record.
    pub record: u64,
}

impl ObjectRoom {
    fn size(&self) -> u64 {
        self.end - self.start
    }

    /// Returns true if the address of a type's description is in front of the object.
    fn has_header(&self) -> bool {
        self.typed && self.scanned && self.size() > SAYS.0 && self.size() <= SAYS.1
    }

    /// The object's address.
    fn object(&self) -> u64 {
        if self.has_header() { self.start + HEADER } else { self.start }
    }
}

/// A type. Names are indices.
#[derive(Debug)]
struct GoType {
    size: u64,
    hash: u32,
    kind: u8,
    name: usize,
    /// The name of an array of such values that a slice is of.
    array: usize,
    pointers: Rc<[(u64, Leads)]>,
    /// The fields: where each begins, its name and type.
    members: Vec<(u64, String)>,
}

/// The target of a pointer. Types are the addresses of their descriptions.
#[derive(Clone, Copy, Debug)]
enum Leads {
    /// One value of this type.
    To(u64),
    /// An array; behind the pointer are length and capacity.
    Slice(u64),
    /// Text; behind the pointer is its length.
    Text,
    /// The type is in the word in front.
    Interface,
    /// The head of a map of this type, which has such groups of entries.
    Map(u64, u64),
    /// A channel of this type, which has such elements.
    Channel(u64, u64),
}

/// Finds types.
pub struct GoTypeReader<'v, R> {
    view: &'v View<'v>,
    /// The range of addresses in which descriptions lie.
    descriptions: Range<u64>,
    /// The room that an address lies in.
    room: R,
    types: HashMap<u64, Option<GoType>>,
    names: Vec<String>,
    indices: HashMap<String, usize>,
    /// By the beginning of an object's room the bytes that its type covers, and its name: none if two contradict each
    /// other.
    known: HashMap<u64, (u64, Option<usize>)>,
    seen: HashSet<(u64, u64)>,
    /// Values whose pointers are to be followed: address, type, number.
    waiting: Vec<(u64, u64, u64)>,
    left: Cell<u64>,
}

impl<'v, R: Fn(u64) -> Option<ObjectRoom>> GoTypeReader<'v, R> {
    /// For the program whose module data is at `data`.
    pub fn new(view: &'v View<'v>, data: u64, room: R) -> Option<Self> {
        let bound = |offset: u64| view.u64(data.checked_add(offset)?).filter(|&at| at <= view.memory().size);
        let start = bound(TYPES)?;
        let descriptions = start..ENDS.into_iter().filter_map(bound).find(|&end| end > start)?;
        Some(GoTypeReader {
            view,
            descriptions,
            room,
            types: HashMap::new(),
            names: Vec::new(),
            indices: HashMap::new(),
            known: HashMap::new(),
            seen: HashSet::new(),
            waiting: Vec::new(),
            left: Cell::new(LOOKED_AT),
        })
    }

    /// Looks whether an object says its type.
    pub fn says(&mut self, room: &ObjectRoom) {
        let view = self.view;
        let description = if room.has_header() {
            view.u64(room.start)
        } else if room.typed && room.scanned && room.size() > SAYS.1 {
            LARGE
                .step_by(8)
                .find_map(|offset| view.u64(room.record.checked_add(offset)?).filter(|&at| self.get(at).is_some()))
        } else {
            None
        };
        let Some((at, known)) = description.and_then(|at| Some((at, self.get(at)?))) else { return };
        let Some(count) = (room.end - room.object()).checked_div(known.size) else { return };
        // The program gave the allocator this type, so it is certain.
        let name = if count > 1 { known.array } else { known.name };
        self.known.insert(room.start, (u64::MAX, Some(name)));
        self.wait(room.object(), at, count);
        self.follow();
    }

    /// Looks for interfaces in an object of which nothing says the type.
    pub fn holds(&mut self, room: &ObjectRoom) {
        if room.scanned && !self.known.contains_key(&room.start) {
            self.interfaces(room.object()..room.end);
        }
    }

    /// Looks for interfaces among words.
    pub fn interfaces(&mut self, range: Range<u64>) {
        let mut at = range.start.next_multiple_of(8);
        while at.saturating_add(16) <= range.end {
            self.interface(at, range.end);
            at += 8;
        }
        self.follow();
    }

    /// Returns the types that were found, and the rooms that hold them.
    pub fn shapes(self) -> Shapes {
        let shape = |name: String| {
            // Strings and byte slices are shown as text.
            let size = matches!(name.as_str(), "string" | "[]uint8").then_some(1);
            Shape { name, size, single: true, ..Shape::default() }
        };
        let covered = self.known.iter().map(|(at, (covered, _))| (*at, *covered)).collect();
        let known = self.known.into_iter().filter_map(|(at, (_, name))| Some((at, name?)));
        let mut all: Vec<Shape> = self.names.into_iter().map(shape).collect();
        // Types of one name may differ, as those in functions do: then none is named by it.
        let mut members: HashMap<usize, Option<Members>> = HashMap::new();
        for GoType { size, name, array, members: list, .. } in self.types.into_values().flatten() {
            for (name, array) in [(name, false), (array, true)] {
                let own = Members { size, array, list: list.clone() };
                let known = members.entry(name).or_insert_with(|| Some(own.clone()));
                if known.as_ref() != Some(&own) {
                    *known = None;
                }
            }
        }
        for (name, members) in members {
            all[name].members = members.unwrap_or_default();
        }
        Shapes { all, known: known.collect(), covered, ..Shapes::default() }
    }

    /// Counts a step of the search. Returns false if no more may be made.
    fn spend(&self) -> bool {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    fn wait(&mut self, at: u64, description: u64, count: u64) {
        let has_pointers = self.get(description).is_some_and(|known| !known.pointers.is_empty());
        if has_pointers && count > 0 && self.seen.insert((at, description)) {
            self.waiting.push((at, description, count));
        }
    }

    fn follow(&mut self) {
        while let Some((at, description, count)) = self.waiting.pop() {
            let Some(known) = self.get(description) else { continue };
            let (size, pointers) = (known.size, Rc::clone(&known.pointers));
            for element in 0..count {
                for &(offset, leads) in pointers.iter() {
                    if !self.spend() {
                        return;
                    }
                    // All of it lies in a room.
                    self.pointer(at + element * size + offset, leads);
                }
            }
        }
    }

    /// Follows the pointer at `at`.
    fn pointer(&mut self, at: u64, leads: Leads) {
        let view = self.view;
        let word = |index: u64| view.u64(at.checked_add(8 * index)?);
        let Some(value) = word(0).filter(|&value| value != 0) else { return };
        match leads {
            Leads::To(description) => self.values(value, description, 1, false),
            Leads::Slice(description) => {
                if let Some((_, capacity)) = word(1).zip(word(2)).filter(|(len, capacity)| len <= capacity) {
                    self.values(value, description, capacity, true);
                }
            }
            Leads::Text => {
                if let Some(len) = word(1) {
                    let name = self.index("string".to_owned());
                    self.note(value, len, name);
                }
            }
            Leads::Interface => self.interface(at, u64::MAX),
            Leads::Map(description, group) => {
                if self.whole(value, description).is_none() {
                    return;
                }
                // A small map has one group of entries, and no directory.
                let field = |offset: u64| view.u64(value.checked_add(offset)?);
                if let (Some(entries), Some(0)) = (field(16), field(24)) {
                    self.values(entries, group, 1, false);
                }
            }
            Leads::Channel(description, element) => {
                let Some(room) = self.whole(value, description) else { return };
                // Elements without pointers lie behind the head.
                if let (Some(count), Some(buffer)) = (word_at(view, value, 8), word_at(view, value, 16))
                    && !(room.start..room.end).contains(&buffer)
                {
                    self.values(buffer, element, count, true);
                }
            }
        }
    }

    /// The room of an object of a type whose size its description does not give, if a pointer leads to its beginning.
    fn whole(&mut self, at: u64, description: u64) -> Option<ObjectRoom> {
        let name = self.get(description)?.name;
        let room = (self.room)(at).filter(|room| room.object() == at)?;
        self.note(at, room.end - at, name);
        Some(room)
    }

    /// Values of one type that a pointer leads to: one, or an `array`.
    fn values(&mut self, at: u64, description: u64, count: u64, array: bool) {
        let Some(known) = self.get(description) else { return };
        let (size, name) = (known.size, if array { known.array } else { known.name });
        let Some(room) = (self.room)(at) else { return };
        let extent = size.checked_mul(count).filter(|&extent| extent > 0 && extent <= room.end - at);
        if let Some(extent) = extent {
            self.note(at, extent, name);
            self.wait(at, description, count);
        }
    }

    /// Notes the type of the object at `at`, if what is said to be there needs all of its room.
    fn note(&mut self, at: u64, extent: u64, name: usize) {
        let Some(room) = (self.room)(at).filter(|room| room.object() == at && extent <= room.end - at) else { return };
        let shared = !room.scanned && room.size() == TINY && extent < TINY;
        if extent + (at - room.start) <= room.smaller || shared {
            return;
        }
        let GoTypeReader { known, names, .. } = self;
        let is_array_of =
            |array: usize, element: usize| names[array].strip_prefix("[]") == Some(names[element].as_str());
        match known.get_mut(&room.start) {
            Some((covered, _)) if *covered > extent => {}
            Some((covered, other)) if *covered == extent => match *other {
                // An array of one, and a pointer to its element.
                Some(known) if is_array_of(name, known) => *other = Some(name),
                Some(known) if name != known && !is_array_of(known, name) => *other = None,
                _ => {}
            },
            _ => _ = known.insert(room.start, (extent, Some(name))),
        }
    }

    /// Reads the interface at this address, if there is one. The readable bytes end at `end`.
    fn interface(&mut self, at: u64, end: u64) {
        let view = self.view;
        let Some((word, value)) = view.u64(at).zip(word_at(view, at, 8)) else { return };
        if word == 0 || value == 0 || (self.room)(value).is_none() {
            return;
        }
        let own = self.get(word).is_some();
        let description = if own { Some(word) } else { self.table(word) };
        let Some(description) = description else { return };
        let Some(known) = self.get(description) else { return };
        // A `reflect.Value` is a description and a pointer as well, and then the kind: its pointer may lead to the
        // pointer.
        let kind = known.kind;
        if own && at.saturating_add(24) <= end && word_at(view, at, 16).is_some_and(|flags| flags as u8 & KINDS == kind)
        {
            return;
        }
        match kind {
            // The pointer is the value.
            POINTER | MAP | CHANNEL => {
                if let Some(&(_, leads)) = known.pointers.first() {
                    self.pointer(at + 8, leads);
                }
            }
            FUNCTION | UNSAFE_POINTER => {}
            // A structure or an array of one pointer may be the pointer itself.
            STRUCTURE | ARRAY if known.size == 8 && !known.pointers.is_empty() => {}
            _ => self.values(value, description, 1, false),
        }
    }

    /// The type for which a table of an interface's methods is.
    fn table(&mut self, at: u64) -> Option<u64> {
        if !at.is_multiple_of(8) {
            return None;
        }
        let (interface, description) = (self.view.u64(at)?, word_at(self.view, at, 8)?);
        let hash = self.view.u32(at.checked_add(16)?)?;
        let own = |at: u64| self.descriptions.contains(&at);
        if !own(interface) || !own(description) || self.get(interface)?.kind != INTERFACE {
            return None;
        }
        (self.get(description)?.hash == hash).then_some(description)
    }

    /// The type whose description is at this address.
    fn get(&mut self, at: u64) -> Option<&GoType> {
        if !self.descriptions.contains(&at) {
            return None;
        }
        if !self.types.contains_key(&at) && self.types.len() < MAX_TYPES {
            let known = self.describe(at);
            self.types.insert(at, known);
        }
        self.types.get(&at)?.as_ref()
    }

    fn describe(&mut self, at: u64) -> Option<GoType> {
        let kind = self.kind(at)?;
        let (size, hash) = (word_at(self.view, at, SIZE)?, self.view.u32(at + HASH)?);
        let name = self.name(at)?;
        let mut pointers = Vec::new();
        self.pointers(at, 0, LEVELS, &mut pointers)?;
        pointers.retain(|(offset, _)| offset.checked_add(8).is_some_and(|end| end <= size));
        let array = self.index(format!("[]{name}"));
        // A slice or a text itself is not what it leads to, which has its name.
        let name = self.index(if matches!(kind, SLICE | STRING) { format!("{name} header") } else { name });
        let members = if kind == STRUCTURE { self.members(at).unwrap_or_default() } else { Vec::new() };
        Some(GoType { size, hash, kind, name, array, pointers: pointers.into(), members })
    }

    /// The fields of the structure that is described at `at`.
    fn members(&self, at: u64) -> Option<Vec<(u64, String)>> {
        let field = |offset: u64| word_at(self.view, at, REST + offset);
        let (fields, count) = (field(8)?, field(16)?);
        let mut all = Vec::new();
        for index in 0..count.min(MAX_POINTERS as u64) {
            let at = fields.checked_add(index * FIELD)?;
            let part = |offset: u64| word_at(self.view, at, offset);
            self.spend().then_some(())?;
            all.push((part(16)?, format!("{} ({})", self.text(part(0)?)?, self.name(part(8)?)?)));
        }
        Some(all)
    }

    /// The index of a name.
    fn index(&mut self, name: String) -> usize {
        let GoTypeReader { names, indices, .. } = self;
        *indices.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            names.len() - 1
        })
    }

    /// The kind of the type whose description is there; `None` if none is.
    fn kind(&self, at: u64) -> Option<u8> {
        if !at.is_multiple_of(8) || !self.descriptions.contains(&at) || self.descriptions.end - at < REST {
            return None;
        }
        let kind = self.view.u8(at + KIND)? & KINDS;
        let (size, with_pointers) = (word_at(self.view, at, SIZE)?, word_at(self.view, at, SIZE + 8)?);
        let sound = (1..=UNSAFE_POINTER).contains(&kind) && with_pointers <= size && size <= self.view.memory().size;
        sound.then_some(kind)
    }

    /// The name of a type.
    fn name(&self, at: u64) -> Option<String> {
        self.kind(at)?;
        let flags = self.view.u8(at + FLAGS)?;
        let name = self.text(self.descriptions.start.checked_add(u64::from(self.view.u32(at + NAME)?))?)?;
        if flags & EXTRA_STAR == 0 { Some(name) } else { name.strip_prefix('*').map(str::to_owned) }
    }

    /// A name of a type or a field: behind a byte of flags its length, in bytes of seven bits, and its characters.
    fn text(&self, start: u64) -> Option<String> {
        let (mut len, mut shift, mut next) = (0, 0, start.checked_add(1)?);
        loop {
            let byte = self.view.u8(next)?;
            len |= u64::from(byte & 0x7f) << shift;
            (shift, next) = (shift + 7, next + 1);
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 14 {
                return None;
            }
        }
        if len == 0 || len > LONGEST || next.checked_add(len)? > self.descriptions.end {
            return None;
        }
        let bytes: Option<Vec<u8>> = (next..next + len).map(|at| self.view.u8(at)).collect();
        String::from_utf8(bytes?).ok()
    }

    /// Adds the pointers in a value of the type that is described at `at`, which begins at `offset` of a larger one.
    fn pointers(&self, at: u64, offset: u64, levels: u32, all: &mut Vec<(u64, Leads)>) -> Option<()> {
        let levels = levels.checked_sub(1).filter(|_| self.spend())?;
        let field = |offset: u64| word_at(self.view, at, REST + offset);
        let described = |offset: u64| field(offset).filter(|&at| self.kind(at).is_some());
        let leads = match self.kind(at)? {
            POINTER => Leads::To(described(0)?),
            SLICE => Leads::Slice(described(0)?),
            STRING => Leads::Text,
            INTERFACE => Leads::Interface,
            MAP => Leads::Map(at, described(16)?),
            CHANNEL => Leads::Channel(at, described(0)?),
            ARRAY => {
                let (element, count) = (described(0)?, field(16)?);
                let size = word_at(self.view, element, SIZE)?;
                for index in 0..count {
                    let before = all.len();
                    self.pointers(element, offset.checked_add(index.checked_mul(size)?)?, levels, all)?;
                    if all.len() == before || all.len() >= MAX_POINTERS {
                        break;
                    }
                }
                return Some(());
            }
            STRUCTURE => {
                let (fields, count) = (field(8)?, field(16)?);
                for index in 0..count.min(MAX_POINTERS as u64) {
                    let at = fields.checked_add(index * FIELD)?;
                    let (inner, place) = (word_at(self.view, at, 8)?, word_at(self.view, at, 16)?);
                    self.pointers(inner, offset.checked_add(place)?, levels, all)?;
                }
                return Some(());
            }
            _ => return Some(()),
        };
        if all.len() < MAX_POINTERS {
            all.push((offset, leads));
        }
        Some(())
    }
}

fn word_at(view: &View<'_>, at: u64, offset: u64) -> Option<u64> {
    view.u64(at.checked_add(offset)?)
}
