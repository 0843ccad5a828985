//! The name section (Wasm spec appendix 7.4.1, and the extended-name-section proposal).
//!
//! A map keeps the position of each name, so that names are read as text only when they are asked for.

use std::ops::Range;

use super::sections::{leb_u32, name_bytes};

/// The positions of the names in a name section, with a map for each subsection. Damage ends the map that it is in.
/// Since only positions are kept, each query is given the section's bytes again.
#[derive(Debug, Default)]
pub(super) struct NameSection {
    pub module: Option<Range<usize>>,
    pub functions: NameMap,
    pub locals: IndirectNameMap,
    pub types: NameMap,
    pub tables: NameMap,
    pub memories: NameMap,
    pub globals: NameMap,
    pub data: NameMap,
    pub fields: IndirectNameMap,
    pub tags: NameMap,
}

impl NameSection {
    pub fn parse(section: &[u8]) -> NameSection {
        let mut names = NameSection::default();
        let mut position = 0;
        while let Some(&id) = section.get(position) {
            let Some((size, start)) = leb_u32(section, position + 1) else { break };
            let end = start.saturating_add(size as usize).min(section.len());
            let contents = start..end;
            match id {
                0 => names.module = module_name(section, contents),
                1 => names.functions = NameMap::parse(section, contents),
                2 => names.locals = IndirectNameMap::parse(section, contents),
                4 => names.types = NameMap::parse(section, contents),
                5 => names.tables = NameMap::parse(section, contents),
                6 => names.memories = NameMap::parse(section, contents),
                7 => names.globals = NameMap::parse(section, contents),
                9 => names.data = NameMap::parse(section, contents),
                10 => names.fields = IndirectNameMap::parse(section, contents),
                11 => names.tags = NameMap::parse(section, contents),
                _ => {}
            }
            position = end;
        }
        names
    }
}

/// The position of the module's name in the section.
fn module_name(section: &[u8], contents: Range<usize>) -> Option<Range<usize>> {
    let (name, end) = name_bytes(&section[contents.clone()], 0)?;
    let end = contents.start + end;
    Some(end - name.len()..end)
}

/// A name map, `vec(index name)`: the position of each index's name, sorted by index.
#[derive(Debug, Default)]
pub(super) struct NameMap {
    contents: Range<usize>,
    entries: Vec<(u32, u32)>,
}

impl NameMap {
    fn parse(section: &[u8], contents: Range<usize>) -> NameMap {
        let (map, _) = NameMap::parse_at(section, contents, 0);
        map
    }

    /// Reads the map at `position` in the contents; also returns the position after it, or `None` if the map is
    /// damaged.
    fn parse_at(section: &[u8], contents: Range<usize>, position: usize) -> (NameMap, Option<usize>) {
        let bytes = &section[contents.clone()];
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
        (NameMap { contents, entries }, end)
    }

    /// The name of `index`, read from the section that was parsed; `None` where it is empty or not UTF-8.
    pub fn get<'s>(&self, section: &'s [u8], index: u32) -> Option<&'s str> {
        let first = self.entries.partition_point(|entry| entry.0 < index);
        let &(found, position) = self.entries.get(first)?;
        (found == index).then_some(())?;
        self.name_at(section, position)
    }

    fn name_at<'s>(&self, section: &'s [u8], position: u32) -> Option<&'s str> {
        let (name, _) = name_bytes(&section[self.contents.clone()], position as usize)?;
        str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// All names with their indices.
    pub fn iter<'s>(&self, section: &'s [u8]) -> impl Iterator<Item = (u32, &'s str)> {
        self.entries.iter().filter_map(move |&(index, position)| Some((index, self.name_at(section, position)?)))
    }
}

/// An indirect name map, `vec(index namemap)`. Its inner maps are read when they are asked for.
#[derive(Debug, Default)]
pub(super) struct IndirectNameMap {
    contents: Range<usize>,
    entries: Vec<(u32, u32)>,
}

impl IndirectNameMap {
    fn parse(section: &[u8], contents: Range<usize>) -> IndirectNameMap {
        let bytes = &section[contents.clone()];
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
        IndirectNameMap { contents, entries }
    }

    /// The name of `inner` in the map of `outer`, read from the section that was parsed.
    pub fn get<'s>(&self, section: &'s [u8], outer: u32, inner: u32) -> Option<&'s str> {
        let first = self.entries.partition_point(|entry| entry.0 < outer);
        let &(found, position) = self.entries.get(first)?;
        (found == outer).then_some(())?;
        NameMap::parse_at(section, self.contents.clone(), position as usize).0.get(section, inner)
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
        let section = b"--\x03\x05\x01e\x01\x02ab\x02\x00";
        let map = NameMap::parse(section, 2..section.len());
        let get = |index| map.get(section, index);
        assert_eq!((get(1), get(5), get(2), get(3)), (Some("ab"), Some("e"), None, None));
        assert_eq!(map.iter(section).collect::<Vec<_>>(), [(1, "ab"), (5, "e")]);
    }

    #[test]
    fn a_cut_map_keeps_what_came_before() {
        let section = b"\x03\x01\x01a\x02\x7fb";
        let map = NameMap::parse(section, 0..section.len());
        assert_eq!((map.get(section, 1), map.get(section, 2)), (Some("a"), None));
    }

    #[test]
    fn locals_are_found_by_function_and_index() {
        let section = b"-\x02\x00\x01\x00\x01p\x03\x02\x00\x01q\x01\x01r";
        let map = IndirectNameMap::parse(section, 1..section.len());
        let get = |function, local| map.get(section, function, local);
        assert_eq!((get(0, 0), get(3, 0), get(3, 1)), (Some("p"), Some("q"), Some("r")));
        assert_eq!((get(1, 0), get(0, 1)), (None, None));
    }

    #[test]
    fn the_module_has_a_name() {
        let section = b"\x00\x04\x03app";
        let names = NameSection::parse(section);
        assert_eq!(&section[names.module.unwrap()], b"app");
    }
}
