//! Source maps (ECMA-426): what AssemblyScript, Dart and Kotlin emit instead of DWARF. A WebAssembly file counts as one
//! line, so a map's column is a byte offset in the file, and only the mappings of line 0 mean anything.
//!
//! The map is decoded here and not by a library, because libraries trust it: a long root that is put before each of a
//! million sources, or offsets that overflow. This decoder keeps at most eight times the size of the map.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base64::Engine;
use serde::Deserialize;

use super::url::unescaped;
use super::{Location, SourceFrame};
use crate::limits::{MAX_NAME, shorten};
use crate::module::Body;

/// Size in bytes of the largest map that is decoded.
const MAX_SIZE: usize = 256 << 20;

/// A decoded source map: mappings by column.
pub struct LineMap {
    mappings: Vec<Mapping>,
    sources: Vec<Sources>,
}

/// The source of the code from one column on.
#[derive(Clone, Copy)]
struct Mapping {
    column: u32,
    /// Index into the sources of all sections; `NOWHERE` for code without a source.
    source: u32,
    line: u32,
    source_column: u32,
}

/// The sources of one section.
struct Sources {
    /// Index of the first.
    first: u32,
    root: Box<str>,
    names: Vec<Option<Box<str>>>,
}

/// The source index of code without a source.
const NOWHERE: u32 = u32::MAX;

/// The JSON: a map, or an index map of several.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    version: Option<u32>,
    #[serde(borrow)]
    source_root: Option<Cow<'a, str>>,
    sources: Option<Vec<Option<Box<str>>>>,
    #[serde(borrow)]
    mappings: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sections: Option<Vec<Section<'a>>>,
    /// Sources that are not the program's own (ECMA-426), under its old name too: Kotlin writes both.
    ignore_list: Option<Vec<u32>>,
    #[serde(rename = "x_google_ignoreList")]
    old_ignore_list: Option<Vec<u32>>,
}

#[derive(Deserialize)]
struct Section<'a> {
    offset: Offset,
    #[serde(borrow)]
    map: Option<Box<Json<'a>>>,
}

#[derive(Deserialize)]
struct Offset {
    line: u32,
    column: u32,
}

impl LineMap {
    /// Decodes a map. Fails with what is wrong, for a person.
    pub fn parse(json: &[u8]) -> Result<LineMap, String> {
        if json.len() > MAX_SIZE {
            return Err("the source map is larger than 256 MiB".to_owned());
        }
        let json: Json<'_> = serde_json::from_slice(unguarded(json)).map_err(|error| error.to_string())?;
        let mut map = LineMap { mappings: Vec::new(), sources: Vec::new() };
        map.add(json, 0)?;
        // Sound maps are sorted already, and a stable sort finds that out in one pass.
        map.mappings.sort_by_key(|mapping| mapping.column);
        map.mappings.shrink_to_fit();
        Ok(map)
    }

    /// Adds a map whose first column is `column` of the whole.
    fn add(&mut self, json: Json<'_>, column: u32) -> Result<(), String> {
        if let Some(version) = json.version.filter(|&version| version != 3) {
            return Err(format!("version {version} of the format, not 3"));
        }
        for section in json.sections.into_iter().flatten().filter(|section| section.offset.line == 0) {
            let start = column.checked_add(section.offset.column).ok_or("a section begins beyond any file")?;
            // The mappings of the previous section end here.
            self.mappings.push(Mapping { column: start, source: NOWHERE, line: 0, source_column: 0 });
            // A section may refer to another map by a URL: in this map its code has no source.
            if let Some(map) = section.map {
                self.add(*map, start)?;
            }
        }
        let first = self.sources.last().map_or(0, |sources| sources.first + sources.names.len() as u32);
        let names = json.sources.unwrap_or_default();
        let count = names.len();
        if u32::try_from(count).is_ok_and(|count| first.checked_add(count).is_none()) {
            return Err("too many sources".to_owned());
        }
        if let Some(mappings) = &json.mappings {
            // After the first `;` come mappings of other lines, which a WebAssembly file does not have.
            let line = mappings.split(';').next().unwrap_or_default();
            self.mappings.reserve(line.len() / 8);
            let before = self.mappings.len();
            Decoder { text: line.as_bytes(), column, first, count }.decode(&mut self.mappings)?;
            let ignored = json.ignore_list.or(json.old_ignore_list).unwrap_or_default();
            let ignored = ignored.into_iter().filter_map(|index| first.checked_add(index)).collect();
            forget_stand_ins(&mut self.mappings[before..], ignored);
        }
        if count > 0 {
            self.sources.push(Sources { first, root: json.source_root.unwrap_or_default().into(), names });
        }
        Ok(())
    }

    /// The source location of the instruction at file offset `offset` in a function. A mapping that begins before the
    /// function belongs to another one.
    pub fn lookup(&self, offset: u64, body: Body) -> Option<SourceFrame> {
        let behind = self.mappings.partition_point(|mapping| u64::from(mapping.column) <= offset);
        let mapping = self.mappings.get(behind.checked_sub(1)?)?;
        if u64::from(mapping.column) < body.start {
            return None;
        }
        let file = self.source(mapping.source)?;
        let line = mapping.line.checked_add(1)?;
        let column = mapping.source_column.checked_add(1);
        Some(SourceFrame { name: None, location: Some(Location { file: file.as_str().into(), line, column }) })
    }

    /// A source's path or URL after its section's root.
    fn source(&self, index: u32) -> Option<String> {
        let section = self.sources.partition_point(|sources| sources.first <= index).checked_sub(1)?;
        let Sources { first, root, names } = self.sources.get(section)?;
        let name = names.get((index - first) as usize)?.as_deref()?;
        Some(behind_root(root, name))
    }
}

/// The path or URL of a source, which a section's root may stand before.
fn behind_root(root: &str, name: &str) -> String {
    let absolute = name.starts_with('/') || name.contains("://");
    if absolute || root.is_empty() {
        return shorten(name, MAX_NAME).into_owned();
    }
    let root = shorten(root.strip_suffix('/').unwrap_or(root), MAX_NAME);
    shorten(&format!("{root}/{}", shorten(name, MAX_NAME)), MAX_NAME).into_owned()
}

/// The contents of a `data:` URL (RFC 2397).
pub fn of_data_url(url: &str) -> Result<Vec<u8>, String> {
    let (kind, data) = url.strip_prefix("data:").and_then(|rest| rest.split_once(',')).ok_or("no data in its URL")?;
    match kind.ends_with(";base64") {
        true => base64::engine::general_purpose::STANDARD.decode(data).map_err(|error| error.to_string()),
        false => Ok(unescaped(data)),
    }
}

/// The parts of a map that hold the texts of its sources.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Texts<'a> {
    #[serde(borrow)]
    source_root: Option<Cow<'a, str>>,
    #[serde(default)]
    sources: Vec<Option<Box<str>>>,
    #[serde(default)]
    sources_content: Vec<Option<Box<str>>>,
    #[serde(borrow, default)]
    sections: Vec<TextSection<'a>>,
}

#[derive(Deserialize)]
struct TextSection<'a> {
    #[serde(borrow)]
    map: Option<Box<Texts<'a>>>,
}

/// The source texts that a map holds, by their paths as locations name them. A path with two different texts is left
/// out, since nothing says which of them is meant.
pub fn texts(json: &[u8]) -> HashMap<String, Arc<str>> {
    fn add(map: Texts<'_>, found: &mut HashMap<String, Option<Arc<str>>>) {
        let root = map.source_root.unwrap_or_default();
        for (name, text) in map.sources.into_iter().zip(map.sources_content) {
            let (Some(name), Some(text)) = (name, text) else { continue };
            let text = Arc::from(text);
            let known = found.entry(behind_root(&root, &name)).or_insert_with(|| Some(Arc::clone(&text)));
            *known = known.take().filter(|known| *known == text);
        }
        map.sections.into_iter().filter_map(|section| section.map).for_each(|map| add(*map, found));
    }
    let mut found = HashMap::new();
    if let Ok(map) = serde_json::from_slice(unguarded(json)) {
        add(map, &mut found);
    }
    found.into_iter().filter_map(|(path, text)| Some((path, text?))).collect()
}

/// Removes the source of code that is mapped to a mere stand-in: a source that is on the ignore list and whose code is
/// all mapped to its very beginning. Kotlin maps generated code to line 1 of a `NATIVE_IMPLEMENTATIONS.kt` that does
/// not exist.
fn forget_stand_ins(mappings: &mut [Mapping], mut ignored: HashSet<u32>) {
    for mapping in mappings.iter().filter(|mapping| (mapping.line, mapping.source_column) != (0, 0)) {
        ignored.remove(&mapping.source);
    }
    for mapping in mappings.iter_mut().filter(|mapping| ignored.contains(&mapping.source)) {
        mapping.source = NOWHERE;
    }
}

/// Decodes the mappings of one line, which are differences in base 64 VLQ.
struct Decoder<'t> {
    text: &'t [u8],
    column: u32,
    /// Index of this section's first source in the whole map, and how many sources the section has.
    first: u32,
    count: usize,
}

impl Decoder<'_> {
    fn decode(mut self, mappings: &mut Vec<Mapping>) -> Result<(), String> {
        let mut column = i64::from(self.column);
        let (mut source, mut line, mut source_column) = (0i64, 0i64, 0i64);
        while let Some(&byte) = self.text.first() {
            if byte == b',' {
                self.text = &self.text[1..];
                continue;
            }
            column += self.number()?;
            let mut mapping = Mapping { column: small(column)?, source: NOWHERE, line: 0, source_column: 0 };
            if !self.at_end() {
                source += self.number()?;
                line += self.number()?;
                source_column += self.number()?;
                let index = usize::try_from(source).ok().filter(|&index| index < self.count);
                let index = index.ok_or_else(|| format!("a mapping names source {source} of {}", self.count))?;
                mapping.source = self.first.saturating_add(index as u32);
                mapping.line = small(line)?;
                mapping.source_column = small(source_column)?;
                // The fifth field names the symbol at the original position, which is not the function.
                if !self.at_end() {
                    self.number()?;
                }
            }
            if !self.at_end() {
                return Err("a mapping has neither one, four nor five numbers".to_owned());
            }
            mappings.push(mapping);
        }
        Ok(())
    }

    fn at_end(&self) -> bool {
        matches!(self.text.first(), None | Some(b','))
    }

    /// A number in base 64 VLQ: five bits a digit, lowest first; the lowest bit of all is the sign.
    fn number(&mut self) -> Result<i64, String> {
        let mut value = 0i64;
        for shift in (0..=30).step_by(5) {
            let Some((&digit, rest)) = self.text.split_first() else { break };
            let bits = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => break,
            };
            self.text = rest;
            value |= i64::from(bits & 31) << shift;
            if bits & 32 == 0 {
                return Ok(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            }
        }
        Err("a number in its mappings is damaged".to_owned())
    }
}

/// A column or line, for which the format allows 31 bits.
fn small(number: i64) -> Result<u32, String> {
    u32::try_from(number).map_err(|_| format!("a column or line is {number}"))
}

/// The map without a first line `)]}'`, which keeps it from being run as a script.
fn unguarded(json: &[u8]) -> &[u8] {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    match json {
        [b')' | b']' | b'}', ..] => {
            let end = json.iter().position(|&byte| byte == b'\n').unwrap_or(json.len());
            &json[end..]
        }
        _ => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Offsets 10 -> a.ts:1:1, 20 -> a.ts:3:5 (each field is a difference, base 64 VLQ), 30 -> nothing.
    const MAP: &str = r#"{"version":3,"sources":["a.ts"],"names":[],"mappings":"UAAA,UAEI,U"}"#;

    /// `file:line:column` of an offset in a function that begins at `start`.
    fn at(map: &LineMap, offset: u64, start: u64) -> Option<String> {
        let location = map.lookup(offset, Body { start, end: 1000 })?.location?;
        Some(format!("{}:{}:{}", location.file, location.line, location.column.unwrap_or(0)))
    }

    #[test]
    fn texts_have_the_paths_of_their_sources() {
        let map = r#"{"version":3,"sections":[
            {"offset":{"line":0,"column":0},"map":{"sourceRoot":"src/","sources":["a.ts",null,"b.ts"],"sourcesContent":["A","?",null]}},
            {"offset":{"line":0,"column":9},"map":{"sources":["src/a.ts","c.ts","c.ts"],"sourcesContent":["A","C","other"]}}]}"#;
        let found = texts(map.as_bytes());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("src/a.ts".to_owned(), "A".into())], "c.ts is two things");
        assert!(texts(b"{").is_empty() && texts(b"").is_empty());
    }

    #[test]
    fn a_column_is_a_byte_offset() {
        let map = LineMap::parse(MAP.as_bytes()).unwrap();
        assert_eq!(at(&map, 10, 8).as_deref(), Some("a.ts:1:1"));
        assert_eq!(at(&map, 19, 8).as_deref(), Some("a.ts:1:1"));
        assert_eq!(at(&map, 25, 8).as_deref(), Some("a.ts:3:5"));
        assert_eq!(at(&map, 9, 8), None, "before the first mapping");
        assert_eq!(at(&map, 35, 8), None, "a mapping to no source");
        assert_eq!(at(&map, 19, 15), None, "the mapping is another function's");
    }

    #[test]
    fn an_index_map_is_its_sections() {
        // The section at 100 holds another index map; that at line 1 is no part of a WebAssembly file.
        let inner = format!(r#"{{"version":3,"sections":[{{"offset":{{"line":0,"column":5}},"map":{MAP}}}]}}"#);
        let index = format!(
            r#"{{"version":3,"sections":[{{"offset":{{"line":0,"column":0}},"map":{MAP}}},
                {{"offset":{{"line":0,"column":100}},"map":{inner}}},
                {{"offset":{{"line":0,"column":200}},"url":"other.map"}},
                {{"offset":{{"line":1,"column":0}},"map":{MAP}}}]}}"#
        );
        let map = LineMap::parse(index.as_bytes()).unwrap();
        assert_eq!(at(&map, 15, 8).as_deref(), Some("a.ts:1:1"));
        assert_eq!(at(&map, 99, 8), None);
        assert_eq!(at(&map, 104, 8), None, "before the first mapping of its section");
        assert_eq!(at(&map, 115, 8).as_deref(), Some("a.ts:1:1"));
        assert_eq!(at(&map, 126, 8).as_deref(), Some("a.ts:3:5"));
        assert_eq!(at(&map, 210, 8), None, "a section that is elsewhere");
    }

    #[test]
    fn a_source_that_only_stands_in_for_one_is_nowhere() {
        // Offsets 10 -> made:1:1, 20 -> a.kt:3:5, 30 -> made:1:1.
        let map = |rest: &str| {
            let text = format!(r#"{{"version":3,"sources":["made","a.kt"],"mappings":"UAAA,UCEI,UDFJ"{rest}}}"#);
            let map = LineMap::parse(text.as_bytes()).unwrap();
            [10, 20, 30].map(|offset| at(&map, offset, 8))
        };
        let own = Some("a.kt:3:5".to_owned());
        assert_eq!(map(r#","ignoreList":[0]"#), [None, own.clone(), None]);
        assert_eq!(map(r#","x_google_ignoreList":[0]"#), [None, own.clone(), None]);
        // The source of a library is on the ignore list for stepping, but has lines.
        assert_eq!(map(r#","ignoreList":[1]"#)[1], own);
        assert_eq!(map("")[0].as_deref(), Some("made:1:1"));
    }

    #[test]
    fn roots_and_missing_sources() {
        let map = |root: &str, sources: &str| {
            let text = format!(r#"{{"version":3,"sourceRoot":"{root}","sources":{sources},"mappings":"UAAA"}}"#);
            at(&LineMap::parse(text.as_bytes()).unwrap(), 12, 8)
        };
        assert_eq!(map("lib/", r#"["a.kt"]"#).as_deref(), Some("lib/a.kt:1:1"));
        assert_eq!(map("lib", r#"["/x/a.kt"]"#).as_deref(), Some("/x/a.kt:1:1"));
        assert_eq!(map("lib", r#"["https://x/a.kt"]"#).as_deref(), Some("https://x/a.kt:1:1"));
        assert_eq!(map("", r#"["../a.kt"]"#).as_deref(), Some("../a.kt:1:1"));
        assert_eq!(map("lib", "[null]"), None);
    }

    #[test]
    fn data_urls_are_encoded_either_way() {
        let base64 = base64::engine::general_purpose::STANDARD.encode(MAP);
        let percent: String = MAP.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for url in [
            format!("data:application/json;base64,{base64}"),
            format!("data:application/json;charset=utf-8;base64,{base64}"),
            format!("data:application/json,{percent}"),
            format!("data:,{MAP}"),
        ] {
            assert_eq!(
                at(&LineMap::parse(&of_data_url(&url).unwrap()).unwrap(), 10, 8).as_deref(),
                Some("a.ts:1:1"),
                "{url}"
            );
        }
    }

    #[test]
    fn a_guard_against_scripts_is_passed_over() {
        assert!(LineMap::parse(format!(")]}}'\n{MAP}").as_bytes()).is_ok());
    }

    #[test]
    fn damage_is_an_error() {
        let mappings = |text: &str| format!(r#"{{"version":3,"sources":["a"],"mappings":"{text}"}}"#);
        for json in [
            "{".to_owned(),
            ")]}'".to_owned(),
            r#"{"version":4,"mappings":""}"#.to_owned(),
            r#"{"sections":[{"offset":{"line":0,"column":4294967295},"map":{"mappings":"C"}}]}"#.to_owned(),
            mappings("AC"),
            mappings("ACAA"),
            mappings("D"),
            mappings("A!"),
            mappings("ggggggggE"),
            mappings("g"),
            mappings("AAAAAA"),
            "[".repeat(100_000),
        ] {
            assert!(LineMap::parse(json.as_bytes()).is_err(), "{json:.60}");
        }
        assert!(of_data_url("data:application/json;base64,!!").is_err());
        assert!(of_data_url("data:").is_err());
    }

    #[test]
    fn a_long_root_is_put_before_one_source_at_a_time() {
        let sources = vec!["\"\""; 100_000].join(",");
        let text = format!(
            r#"{{"version":3,"sourceRoot":"{}","sources":[{sources}],"mappings":"UAAA"}}"#,
            "r".repeat(1 << 20)
        );
        let place = at(&LineMap::parse(text.as_bytes()).unwrap(), 12, 8).unwrap();
        assert!(place.len() < 2 * MAX_NAME, "{}", place.len());
    }
}
