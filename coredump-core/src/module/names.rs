//! The name section (Wasm spec appendix 7.4.1, and the extended-name-section proposal).
//!
//! Names are found by index without reading all of them as text: a map keeps where each name lies.

use super::sections::{leb_u32, name_bytes};

/// The name section, one map a subsection. Damage ends the map it is in.
#[derive(Debug, Default)]
pub(super) struct Names<'s> {
    pub module: Option<&'s str>,
    pub functions: NameMap<'s>,
    pub locals: IndirectNameMap<'s>,
    pub types: NameMap<'s>,
    pub tables: NameMap<'s>,
    pub memories: NameMap<'s>,
    pub globals: NameMap<'s>,
    pub elements: NameMap<'s>,
    pub data: NameMap<'s>,
    pub tags: NameMap<'s>,
}

impl<'s> Names<'s> {
    pub fn parse(section: &'s [u8]) -> Names<'s> {
        let mut names = Names::default();
        let mut position = 0;
        while let Some(&id) = section.get(position) {
            let Some((size, start)) = leb_u32(section, position + 1) else { break };
            let end = start.saturating_add(size as usize).min(section.len());
            let contents = &section[start..end];
            match id {
                0 => names.module = name_bytes(contents, 0).and_then(|(name, _)| str::from_utf8(name).ok()),
                1 => names.functions = NameMap::parse(contents),
                2 => names.locals = IndirectNameMap::parse(contents),
                4 => names.types = NameMap::parse(contents),
                5 => names.tables = NameMap::parse(contents),
                6 => names.memories = NameMap::parse(contents),
                7 => names.globals = NameMap::parse(contents),
                8 => names.elements = NameMap::parse(contents),
                9 => names.data = NameMap::parse(contents),
                11 => names.tags = NameMap::parse(contents),
                _ => {}
            }
            position = end;
        }
        names
    }
}

/// `vec(index name)`: index to position of the name, sorted by index.
#[derive(Debug, Default)]
pub(super) struct NameMap<'s> {
    bytes: &'s [u8],
    entries: Vec<(u32, u32)>,
}

impl<'s> NameMap<'s> {
    fn parse(bytes: &'s [u8]) -> NameMap<'s> {
        let (map, _) = NameMap::parse_at(bytes, 0);
        map
    }

    /// Reads the map at `position`; gives the position behind it, or where it is damaged none.
    fn parse_at(bytes: &'s [u8], position: usize) -> (NameMap<'s>, Option<usize>) {
        let Some((count, mut position)) = leb_u32(bytes, position) else {
            return (NameMap::default(), None);
        };
        let mut entries = Vec::with_capacity((count as usize).min(bytes.len() / 2));
        let mut end = None;
        for read in 0..=count {
            if read == count {
                end = Some(position);
                break;
            }
            let Some((index, name)) = leb_u32(bytes, position) else { break };
            let Some((_, next)) = name_bytes(bytes, name) else { break };
            entries.push((index, name as u32));
            position = next;
        }
        if !entries.is_sorted_by_key(|entry| entry.0) {
            entries.sort_by_key(|entry| entry.0);
        }
        entries.shrink_to_fit();
        (NameMap { bytes, entries }, end)
    }

    /// The name of `index`; none where it is empty or not UTF-8.
    pub fn get(&self, index: u32) -> Option<&'s str> {
        let first = self.entries.partition_point(|entry| entry.0 < index);
        let &(found, position) = self.entries.get(first)?;
        (found == index).then_some(())?;
        self.name_at(position)
    }

    fn name_at(&self, position: u32) -> Option<&'s str> {
        let (name, _) = name_bytes(self.bytes, position as usize)?;
        str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// All names with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'s str)> + '_ {
        self.entries.iter().filter_map(|&(index, position)| Some((index, self.name_at(position)?)))
    }
}

/// `vec(index namemap)`: the maps are read when they are asked for.
#[derive(Debug, Default)]
pub(super) struct IndirectNameMap<'s> {
    bytes: &'s [u8],
    entries: Vec<(u32, u32)>,
}

impl<'s> IndirectNameMap<'s> {
    fn parse(bytes: &'s [u8]) -> IndirectNameMap<'s> {
        let mut entries = Vec::new();
        if let Some((count, mut position)) = leb_u32(bytes, 0) {
            for _ in 0..count {
                let Some((index, map)) = leb_u32(bytes, position) else { break };
                entries.push((index, map as u32));
                let Some(next) = skip_map(bytes, map) else { break };
                position = next;
            }
        }
        entries.sort_by_key(|entry: &(u32, u32)| entry.0);
        IndirectNameMap { bytes, entries }
    }

    /// The name of `inner` within `outer`.
    pub fn get(&self, outer: u32, inner: u32) -> Option<&'s str> {
        let first = self.entries.partition_point(|entry| entry.0 < outer);
        let &(found, position) = self.entries.get(first)?;
        (found == outer).then_some(())?;
        NameMap::parse_at(self.bytes, position as usize).0.get(inner)
    }
}

fn skip_map(bytes: &[u8], position: usize) -> Option<usize> {
    let (count, mut position) = leb_u32(bytes, position)?;
    for _ in 0..count {
        let (_, name) = leb_u32(bytes, position)?;
        position = name_bytes(bytes, name)?.1;
    }
    Some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_index_even_if_unsorted() {
        let map = NameMap::parse(b"\x03\x05\x01e\x01\x02ab\x02\x00");
        assert_eq!((map.get(1), map.get(5), map.get(2), map.get(3)), (Some("ab"), Some("e"), None, None));
        assert_eq!(map.iter().collect::<Vec<_>>(), [(1, "ab"), (5, "e")]);
    }

    #[test]
    fn a_cut_map_keeps_what_came_before() {
        let map = NameMap::parse(b"\x03\x01\x01a\x02\x7fb");
        assert_eq!((map.get(1), map.get(2)), (Some("a"), None));
    }

    #[test]
    fn locals_are_found_by_function_and_index() {
        let map = IndirectNameMap::parse(b"\x02\x00\x01\x00\x01p\x03\x02\x00\x01q\x01\x01r");
        assert_eq!((map.get(0, 0), map.get(3, 0), map.get(3, 1)), (Some("p"), Some("q"), Some("r")));
        assert_eq!((map.get(1, 0), map.get(0, 1)), (None, None));
    }
}
