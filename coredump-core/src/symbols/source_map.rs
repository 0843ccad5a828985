//! Source maps (ECMA-426): what AssemblyScript, Dart and Kotlin emit instead of DWARF. A WebAssembly file counts as one
//! line, so a map's column is a byte offset in the file.

use sourcemap::{DecodedMap, SourceMap};

use super::{Location, SourceFrame};
use crate::module::Body;

/// A map that is decoded at most: the decoder holds all of it.
const MAX_SIZE: usize = 256 << 20;

/// A decoded source map.
pub struct LineMap(SourceMap);

impl LineMap {
    /// Decodes a map. Fails with the decoder's words.
    pub fn parse(json: &[u8]) -> Result<LineMap, String> {
        if json.len() > MAX_SIZE {
            return Err("the source map is larger than 256 MiB".to_owned());
        }
        match sourcemap::decode_slice(json) {
            Ok(DecodedMap::Regular(map)) => Ok(LineMap(map)),
            Ok(DecodedMap::Index(index)) => index.flatten().map(LineMap).map_err(|error| error.to_string()),
            Ok(DecodedMap::Hermes(_)) => Err("a Hermes map, not one of WebAssembly".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Decodes the contents of a `data:` URL.
    pub fn parse_data_url(url: &str) -> Result<LineMap, String> {
        match sourcemap::decode_data_url(url).map_err(|error| error.to_string())? {
            DecodedMap::Regular(map) => Ok(LineMap(map)),
            DecodedMap::Index(index) => index.flatten().map(LineMap).map_err(|error| error.to_string()),
            DecodedMap::Hermes(_) => Err("a Hermes map, not one of WebAssembly".to_owned()),
        }
    }

    /// Where the instruction at `offset` of a function stands in the source. A mapping that begins before the function
    /// belongs to another one.
    pub fn lookup(&self, offset: u64, body: Body) -> Option<SourceFrame> {
        let token = self.0.lookup_token(0, u32::try_from(offset).ok()?)?;
        if token.get_dst_line() != 0 || u64::from(token.get_dst_col()) < body.start {
            return None;
        }
        let file = token.get_source()?.into();
        let line = token.get_src_line().checked_add(1)?;
        let column = token.get_src_col().checked_add(1);
        Some(SourceFrame { name: None, location: Some(Location { file, line, column }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Offsets 10 -> a.ts:1:1, 20 -> a.ts:3:5 (each field is a difference, base 64 VLQ), 30 -> nothing.
    const MAP: &str = r#"{"version":3,"sources":["a.ts"],"names":[],"mappings":"UAAA,UAEI,U"}"#;

    #[test]
    fn a_column_is_a_byte_offset() {
        let map = LineMap::parse(MAP.as_bytes()).unwrap();
        let at = |offset, start| {
            let frame = map.lookup(offset, Body { start, end: 100 })?;
            frame.location.map(|location| (location.line, location.column))
        };
        assert_eq!(at(10, 8), Some((1, Some(1))));
        assert_eq!(at(19, 8), Some((1, Some(1))));
        assert_eq!(at(25, 8), Some((3, Some(5))));
        assert_eq!(at(9, 8), None, "before the first mapping");
        assert_eq!(at(35, 8), None, "a mapping to no source");
        assert_eq!(at(19, 15), None, "the mapping is another function's");
    }

    #[test]
    fn damage_is_an_error() {
        assert!(LineMap::parse(b"{").is_err());
        assert!(LineMap::parse_data_url("data:application/json;base64,!!").is_err());
    }
}
