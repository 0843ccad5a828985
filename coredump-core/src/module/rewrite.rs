//! Copies of a module with other custom sections, or one function only.

use sha2::{Digest, Sha256};

use super::{Module, id, sections};

/// Size in bytes of a new build id: as many as a UUID has.
const BUILD_ID: usize = 16;

/// An empty function body with its size: no locals, and the instruction `end`.
const EMPTY_BODY: [u8; 3] = [2, 0, 0x0b];

fn push_leb(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

impl Module<'_> {
    /// The module without the custom sections after its code for whose names `drop` returns true. Code offsets stay the
    /// same, so that traces and dumps of one module fit the other.
    pub fn without_sections(&self, drop: impl Fn(&str) -> bool) -> Vec<u8> {
        let code = self.section(id::CODE).map_or(0, |section| section.contents.end);
        let mut kept = Vec::with_capacity(self.bytes.len());
        let mut start = 0;
        for section in &self.sections {
            let end = section.contents.end;
            let contents = &self.bytes[section.contents.clone()];
            let name = sections::name_bytes(contents, 0).and_then(|(name, _)| str::from_utf8(name).ok());
            let custom = section.id == sections::CUSTOM && section.contents.start >= code;
            if !(custom && name.is_some_and(&drop)) {
                kept.extend_from_slice(&self.bytes[start..end]);
            }
            start = end;
        }
        // Bytes that could not be read as a section are kept.
        kept.extend_from_slice(&self.bytes[start..]);
        kept
    }

    /// A copy of the module from which a printer of the text format prints one function quickly: with its body, no
    /// other instruction, no data, and no custom section but the names. Also returns the number to add to an offset in
    /// that copy's body, to get the offset in this module.
    pub fn with_one_body(&self, function: u32) -> Option<(Vec<u8>, i64)> {
        let body = self.body(function)?;
        let kept = self.bytes.get(body.start as usize..body.end as usize)?;
        let defined = function - self.imported_functions();
        let count = self.bodies().len() as u32;
        let mut code = Vec::new();
        push_leb(&mut code, count);
        code.extend((0..defined).flat_map(|_| EMPTY_BODY));
        push_leb(&mut code, kept.len() as u32);
        let at = code.len();
        code.extend_from_slice(kept);
        code.extend((defined + 1..count).flat_map(|_| EMPTY_BODY));
        let mut bytes = self.bytes[..8].to_vec();
        let mut moved = 0;
        for section in &self.sections {
            let contents = &self.bytes[section.contents.clone()];
            let contents = match section.id {
                id::CODE => &code,
                // A data count section without data is an error to the printer.
                id::DATA | id::DATA_COUNT | id::ELEMENT | id::EXPORT => continue,
                sections::CUSTOM if !contents.starts_with(b"\x04name") => continue,
                _ => contents,
            };
            bytes.push(section.id);
            push_leb(&mut bytes, contents.len() as u32);
            if section.id == id::CODE {
                moved = body.start as i64 - (bytes.len() + at) as i64;
            }
            bytes.extend_from_slice(contents);
        }
        Some((bytes, moved))
    }

    /// The module with a `build_id` section at its end, and the id. The id is a digest of everything but custom
    /// sections, so that stripping does not change it.
    pub fn with_build_id(&self) -> (Vec<u8>, String) {
        let digest = Sha256::digest(self.content_sha256());
        let build_id = &digest[..BUILD_ID];
        let mut section = vec![b"build_id".len() as u8];
        section.extend_from_slice(b"build_id");
        section.push(BUILD_ID as u8);
        section.extend_from_slice(build_id);
        let mut bytes = self.bytes.to_vec();
        bytes.extend_from_slice(&[sections::CUSTOM, section.len() as u8]);
        bytes.extend_from_slice(&section);
        (bytes, super::hex(build_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_body_keeps_its_index_and_its_names() {
        let text = "(module (import \"a\" \"b\" (func $imported)) (memory 1) (data (i32.const 0) \"x\") (func $first i32.const 1 drop) \
                    (func $second i64.const 300 drop) (func $third (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1))))";
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let (one, moved) = module.with_one_body(2).unwrap();
        let one = Module::parse(&one).unwrap();
        let (body, original) = (one.body(2).unwrap(), module.body(2).unwrap());
        assert_eq!(body.start.checked_add_signed(moved), Some(original.start));
        assert_eq!(body.size(), original.size());
        assert_eq!((one.function_count(), one.function_name(2)), (4, Some("second")));
        assert_eq!(one.body(1).unwrap().size(), 2);
        // A module with `memory.init` has a data count section.
        assert!(module.section(id::DATA_COUNT).is_some());
        assert!(one.data_segments().count() == 0 && one.section(id::DATA_COUNT).is_none());
        assert!(module.with_one_body(0).is_none() && module.with_one_body(9).is_none());
    }

    #[test]
    fn a_build_id_is_added_and_debug_sections_are_dropped_without_moving_code() {
        let text = "(module (@custom \"early\" (before first) \"x\") (func (export \"f\")) (@custom \".debug_line\" (after code) \"line\") \
                    (@custom \"name2\" (after code) \"y\"))";
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        assert_eq!(module.build_id(), None);
        let (with, build_id) = module.with_build_id();
        let with = Module::parse(&with).unwrap();
        assert_eq!((with.build_id(), with.defect().is_none()), (Some(build_id.clone()), true));
        assert_eq!(with.body(0), module.body(0));
        let stripped = with.without_sections(|name| name.starts_with(".debug_") || name == "early");
        let stripped = Module::parse(&stripped).unwrap();
        let names: Vec<_> = stripped.custom_sections().map(|(name, _)| name).collect();
        assert_eq!(names, ["early", "name2", "build_id"], "one before the code stays");
        assert_eq!((stripped.build_id(), stripped.body(0)), (Some(build_id), module.body(0)));
        assert_eq!(stripped.with_build_id().1, with.with_build_id().1, "the same for the stripped module");
    }
}
