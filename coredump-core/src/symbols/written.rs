//! Debug information for tests, written entry by entry.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::constants::*;
use gimli::{DwAt, DwTag};
use wasm_encoder::Encode;

use super::neighbours::Neighbours;
use super::split::SplitFinder;
use super::{DebugInfo, load};
use crate::files::Files;

/// An entry with its attributes and child entries.
#[derive(Clone)]
pub struct Written {
    tag: DwTag,
    label: &'static str,
    attributes: Vec<(DwAt, WrittenValue)>,
    children: Vec<Written>,
}

/// An attribute's value.
#[derive(Clone)]
pub enum WrittenValue {
    /// A text.
    Text(&'static str),
    /// A number.
    Number(u64),
    /// A number with a sign.
    Signed(i64),
    /// A flag that is present.
    Flag,
    /// A reference to the entry with this label.
    To(&'static str),
    /// An address.
    Address(u32),
    /// An expression.
    Expression(Vec<u8>),
}

/// An entry; other entries refer to it by `label`.
pub fn entry(
    tag: DwTag,
    label: &'static str,
    attributes: impl IntoIterator<Item = (DwAt, WrittenValue)>,
    children: Vec<Written>,
) -> Written {
    Written { tag, label, attributes: attributes.into_iter().collect(), children }
}

/// A base type whose label is its name.
pub fn base(name: &'static str, encoding: gimli::DwAte, size: u64) -> Written {
    let attributes = [
        (DW_AT_name, WrittenValue::Text(name)),
        (DW_AT_encoding, WrittenValue::Number(u64::from(encoding.0))),
        (DW_AT_byte_size, WrittenValue::Number(size)),
    ];
    entry(DW_TAG_base_type, name, attributes, Vec::new())
}

/// One unit of C++ with these entries, and the offset of each label in it.
pub fn debug(version: u16, entries: Vec<Written>) -> (Arc<DebugInfo<'static>>, HashMap<&'static str, usize>) {
    let language = (DW_AT_language, WrittenValue::Number(u64::from(DW_LANG_C_plus_plus_14.0)));
    let Sections { info, abbreviations, labels } =
        sections(version, &entry(DW_TAG_compile_unit, "", [language], entries));
    let (info, abbreviations): (&[u8], &[u8]) = (info.leak(), abbreviations.leak());
    let dwarf = load(|id| match id {
        gimli::SectionId::DebugInfo => Some(info),
        gimli::SectionId::DebugAbbrev => Some(abbreviations),
        _ => None,
    });
    let files = Box::leak(Box::new(Files::default()));
    let debug = DebugInfo::new(dwarf, 1 << 20, SplitFinder::new(Neighbours::new(files, None, None)));
    (Arc::new(debug), labels)
}

/// The sections of one unit.
pub struct Sections {
    /// `.debug_info`
    pub info: Vec<u8>,
    /// `.debug_abbrev`
    pub abbreviations: Vec<u8>,
    /// The offset of each label in the unit.
    pub labels: HashMap<&'static str, usize>,
}

/// One unit with this root.
pub fn sections(version: u16, root: &Written) -> Sections {
    let mut labels = HashMap::new();
    // In the first pass the labels' offsets are not known yet; since all references have the same size, offsets are
    // right in the second.
    let mut writer = Writer::default();
    for _ in 0..2 {
        writer = Writer { labels, version, ..Writer::default() };
        writer.info = match version {
            5.. => [&[0; 4], &version.to_le_bytes()[..], &[DW_UT_compile.0, 4], &[0; 4]].concat(),
            _ => [&[0; 4], &version.to_le_bytes()[..], &[0; 4], &[4]].concat(),
        };
        writer.write(root);
        labels = std::mem::take(&mut writer.found);
    }
    let length = (writer.info.len() - 4) as u32;
    writer.info[..4].copy_from_slice(&length.to_le_bytes());
    writer.abbreviations.push(0);
    Sections { info: writer.info, abbreviations: writer.abbreviations, labels }
}

#[derive(Default)]
struct Writer {
    version: u16,
    info: Vec<u8>,
    abbreviations: Vec<u8>,
    code: u64,
    labels: HashMap<&'static str, usize>,
    found: HashMap<&'static str, usize>,
}

impl Writer {
    fn write(&mut self, written: &Written) {
        self.found.insert(written.label, self.info.len());
        // Every entry has an abbreviation of its own.
        self.code += 1;
        self.code.encode(&mut self.info);
        self.code.encode(&mut self.abbreviations);
        u64::from(written.tag.0).encode(&mut self.abbreviations);
        self.abbreviations.push(u8::from(!written.children.is_empty()));
        for (name, value) in &written.attributes {
            u64::from(name.0).encode(&mut self.abbreviations);
            let form = self.value(value);
            u64::from(form.0).encode(&mut self.abbreviations);
        }
        self.abbreviations.extend([0, 0]);
        if !written.children.is_empty() {
            written.children.iter().for_each(|child| self.write(child));
            self.info.push(0);
        }
    }

    fn value(&mut self, value: &WrittenValue) -> gimli::DwForm {
        match value {
            WrittenValue::Text(text) => {
                self.info.extend(text.bytes().chain([0]));
                DW_FORM_string
            }
            WrittenValue::Number(number) => {
                number.encode(&mut self.info);
                DW_FORM_udata
            }
            WrittenValue::Signed(number) => {
                self.info.extend(number.to_le_bytes());
                DW_FORM_data8
            }
            WrittenValue::Flag => {
                self.info.push(1);
                DW_FORM_flag
            }
            WrittenValue::To(label) => {
                let target = self.labels.get(label).copied().unwrap_or(0) as u32;
                self.info.extend(target.to_le_bytes());
                DW_FORM_ref4
            }
            WrittenValue::Address(address) => {
                self.info.extend(address.to_le_bytes());
                DW_FORM_addr
            }
            WrittenValue::Expression(bytes) => {
                bytes.len().encode(&mut self.info);
                self.info.extend(bytes);
                if self.version < 4 { DW_FORM_block } else { DW_FORM_exprloc }
            }
        }
    }
}
