//! The modules of a report with the binaries that were found for them, and the report's warnings.

use coredump_core::Slot;

use super::count::grouped;
use super::markup::Markup;
use super::view::View;
use crate::frames::short;
use crate::notes::{composed, without_locals};

/// The number of modules that are listed.
const MODULES: usize = 100;
/// The number of refused files of one module that are listed.
const REFUSED: usize = 8;
/// The number of warnings that are listed.
const WARNINGS: usize = 200;

/// Writes the modules; nothing if there is none.
pub fn section(view: &View<'_>) -> Markup {
    let mut out = Markup::default();
    let slots = view.dump.binaries().slots();
    if slots.is_empty() {
        return out;
    }
    let (recorded, binaries) = (view.dump.recorded(), view.dump.binaries());
    let composed = composed(recorded, binaries);
    out.tag("<div class=\"card\"><ul>\n");
    for (index, slot) in slots.iter().enumerate().take(MODULES) {
        let record = recorded.modules.get(index);
        let is_adapter = record.is_some_and(|record| composed.contains(&record.path));
        out.within("<li><b>", short(&slot.name), "</b> ");
        one(&mut out, slot, is_adapter);
        if let Some(id) = record.and_then(|record| record.build_id.as_deref()) {
            out.within(" <span class=\"note\">Build id <code>", id, "</code></span>");
        }
        for refused in slot.refused.iter().take(REFUSED) {
            out.tag("<p class=\"note\">Not used: ");
            match &refused.path {
                Some(path) => out.tag("<code>").shown(path.display()).tag("</code>"),
                None => out.tag("the module embedded in the dump"),
            };
            out.tag(": ").text(&refused.reason).tag("</p>");
        }
        out.tag("</li>\n");
    }
    out.tag("</ul>\n");
    if let Some(rest) = slots.len().checked_sub(MODULES).filter(|&rest| rest > 0) {
        out.tag("<p class=\"note\">").shown(grouped(rest as u64)).tag(" more modules</p>\n");
    }
    out.tag("</div>\n");
    out
}

fn one(out: &mut Markup, slot: &Slot, is_adapter: bool) {
    match &slot.found {
        Some(found) => {
            out.within("<code>", &found.binary.describe(), "</code> <span class=\"tag");
            out.tag(if found.verification.is_verified() { " good\">" } else { "\">" });
            out.text(found.verification.describe()).tag("</span> ").text(found.binary.symbols_origin());
        }
        None if is_adapter => {
            out.tag("<span class=\"note\">an adapter that the engine made between components: it has no names and no lines</span>");
        }
        None => {
            out.tag("<span class=\"tag bad\">no binary found</span> so no names and no lines");
        }
    }
}

/// Writes the warnings about the dump, its binaries and sources, and what the report leaves out.
pub fn warnings(view: &View<'_>) -> Markup {
    let (recorded, binaries) = (view.dump.recorded(), view.dump.binaries());
    let mut told: Vec<String> = Vec::new();
    if let Some(incomplete) = &recorded.incomplete {
        told.push(format!(
            "The dump is damaged or was cut off: {}",
            with_offset(&incomplete.message, incomplete.offset)
        ));
    }
    told.extend(recorded.warnings.iter().map(|warning| with_offset(&warning.message, warning.offset)));
    told.extend(view.dump.objects().warnings().iter().map(|warning| with_offset(&warning.message, warning.offset)));
    told.extend(binaries.warnings.iter().cloned());
    for slot in binaries.slots() {
        let problems = slot.found.iter().flat_map(|found| found.binary.symbols_problems());
        told.extend(problems.map(|problem| format!("module {}: {problem}", short(&slot.name))));
    }
    let frames = || recorded.threads.iter().flat_map(|thread| &thread.frames);
    let has_dwarf =
        || binaries.slots().iter().filter_map(|slot| slot.found.as_ref()).any(|found| found.binary.has_dwarf());
    if recorded.trace_line.is_none()
        && frames().next().is_some()
        && frames().all(|frame| frame.locals.is_none())
        && has_dwarf()
    {
        told.push(without_locals(recorded));
    }
    told.extend(view.sources.notes.iter().cloned());
    if view.args.source {
        told.extend(view.sources.missing.iter().cloned());
    }
    told.extend(view.omitted.iter().cloned());
    let mut out = Markup::default();
    if told.is_empty() {
        return out;
    }
    out.tag("<div class=\"card\"><ul>\n");
    for warning in told.iter().take(WARNINGS) {
        out.within("<li>", warning, "</li>\n");
    }
    out.tag("</ul>\n");
    if let Some(rest) = told.len().checked_sub(WARNINGS).filter(|&rest| rest > 0) {
        out.tag("<p class=\"note\">").shown(rest).tag(" more warnings</p>\n");
    }
    out.tag("</div>\n");
    out
}

/// Adds the byte offset to a message, if there is one.
fn with_offset(message: &str, offset: Option<u64>) -> String {
    match offset {
        Some(offset) => format!("{message} (offset {offset:#x})"),
        None => message.to_owned(),
    }
}
