//! Implements `--strings`, which lists strings in memory.

use coredump_core::cli::Exit;
use coredump_core::cli::text::escape;
use coredump_core::error::Result;
use coredump_core::gc::text_of;
use coredump_core::search::{self, Encoding, Text};

use crate::ahead::ahead;
use crate::hits::Hits;
use crate::inspection::Inspection;
use crate::objects;

/// Lists every run of at least `min` printable characters.
pub fn strings(inspection: &Inspection<'_>, min: usize) -> Result<Exit> {
    let mut hits = Hits::new(inspection)?;
    'memories: for (index, memory) in inspection.memories()? {
        for range in inspection.ranges(index, memory)? {
            let text = |text: Text| {
                hits.add(index, text.address, || match text.encoding {
                    Encoding::Utf8 => escape(&text.text).into_owned(),
                    Encoding::Utf16 => format!("u\"{}\"", escape(&text.text)),
                })
            };
            if ahead(memory, range.clone(), || search::strings(memory, range, min, text)).is_break() {
                break 'memories;
            }
        }
    }
    if inspection.args.range.is_empty() && inspection.args.memory.is_none() {
        in_objects(inspection, min, &mut hits);
    }
    hits.finish()
}

/// Lists the arrays that are strings of at least `min` characters.
fn in_objects(inspection: &Inspection<'_>, min: usize, hits: &mut Hits<'_, '_>) {
    let Some((view, objects)) = objects::known(inspection) else { return };
    for object in objects.iter() {
        if let Some(text) = text_of(&object).filter(|text| text.chars().count() >= min)
            && hits.add_in_object(object.id, &view.label_of(&object), 0, || escape(&text).into_owned()).is_break()
        {
            return;
        }
    }
}
