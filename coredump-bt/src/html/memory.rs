//! The memories of a report: their regions, how much of them the dump holds, and what their heaps hold.

use coredump_core::cli::size::bytes;
use coredump_core::heap::{Survey, View as HeapView, inventory};
use coredump_core::memory::{Count, Memory};
use coredump_core::regions::{self, Region, Regions, Use};

use super::count::grouped;
use super::markup::Markup;
use super::view::View;

/// The number of memories that are shown.
const MEMORIES: usize = 16;
/// The number of regions of one memory that are listed; if there are more, neighbours with the same use are merged.
const PARTS: usize = 32;
/// The number of types of blocks that are listed, of those with the most bytes.
const TYPES: usize = 12;
/// The number of places of broken records that are listed.
const DAMAGE: usize = 8;
/// Width of the picture, in its own units.
const WIDTH: f64 = 1000.0;
/// The least width of a region, so that it is visible.
const LEAST: f64 = 8.0;

/// Writes the memories; nothing if there is none.
pub fn section(view: &View<'_>) -> Markup {
    let mut out = Markup::default();
    let memories = &view.dump.recorded().memories;
    for (index, memory) in memories.iter().enumerate().take(MEMORIES) {
        one(view, &mut out, index as u32, memory);
    }
    if let Some(rest) = memories.len().checked_sub(MEMORIES).filter(|&rest| rest > 0) {
        out.tag("<p class=\"note\">")
            .shown(grouped(rest as u64))
            .tag(" more memories: <code>coredump-dump</code></p>\n");
    }
    out
}

fn one(view: &View<'_>, out: &mut Markup, index: u32, memory: &Memory<'_>) {
    let count = Count::in_range(memory, 0..memory.size);
    out.tag("<div class=\"card\"><h3>Memory ")
        .shown(index)
        .tag("</h3>\n<p>")
        .text(&bytes(memory.size))
        .tag(": ")
        .text(&held(count));
    out.tag(".</p>\n");
    if let Some(missing) = &memory.missing {
        out.within("<p class=\"note\">", missing, "</p>\n");
    }
    let regions = view.dump.regions(index);
    let parts = parts(&regions);
    let marks = marks(view, index);
    if memory.size > 0 {
        picture(out, memory, &parts, &marks);
    }
    out.tag("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Parts of memory ").shown(index);
    out.tag("\"><table><thead><tr><th scope=\"col\">Part</th><th scope=\"col\">Addresses</th>");
    out.tag("<th scope=\"col\" class=\"right\">Size</th><th scope=\"col\">In the dump</th></tr></thead><tbody>\n");
    for part in &parts {
        out.tag("<tr><th scope=\"row\"><i class=\"use ").tag(class(part.r#use)).tag("\"></i>").text(part.label());
        for (name, address) in marks.iter().filter(|(_, address)| part.range.contains(address)) {
            out.within(" <span class=\"tag\">", name, " at ").shown(format_args!("{address:#x}")).tag("</span>");
        }
        let (start, end) = (part.range.start, part.range.end);
        out.tag("</th><td><code>").shown(format_args!("{start:#x}")).tag("–").shown(format_args!("{end:#x}"));
        out.within("</code></td><td class=\"right\">", &bytes(end - start), "</td><td>");
        out.text(&held(Count::in_range(memory, part.range.clone()))).tag("</td></tr>\n");
    }
    out.tag("</tbody></table></div>\n");
    for (name, address) in marks.iter().filter(|(_, address)| *address >= memory.size) {
        out.within("<p class=\"bad\">The ", name, " is at <code>").shown(format_args!("{address:#x}"));
        out.tag("</code>, outside of the memory.</p>\n");
    }
    heaps(view, out, index, memory);
    out.tag("</div>\n");
}

/// Describes how much of a range the dump holds.
fn held(count: Count) -> String {
    match count {
        Count { captured: 0, zero: 0, .. } => "not in the dump".to_owned(),
        Count { captured: 0, missing: 0, .. } => "all zero".to_owned(),
        Count { zero: 0, missing: 0, .. } => "all stored".to_owned(),
        Count { captured, zero, missing } => {
            let parts = [(captured, "stored"), (zero, "zero"), (missing, "not in the dump")];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            parts.map(|(count, what)| format!("{} {what}", bytes(*count))).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The regions that are listed.
fn parts(regions: &Regions) -> Vec<Region> {
    let all: Vec<Region> = regions.iter().cloned().collect();
    if all.len() <= PARTS {
        return all;
    }
    let mut parts: Vec<Region> = Vec::new();
    for region in all {
        match parts.last_mut() {
            Some(last) if last.r#use == region.r#use => {
                last.range.end = region.range.end;
                last.name = None;
            }
            _ => parts.push(region),
        }
    }
    let end = parts.last().map_or(0, |last| last.range.end);
    if parts.len() > PARTS {
        parts.truncate(PARTS);
        let start = parts.last().map_or(0, |last| last.range.end);
        parts.push(Region { range: start..end, r#use: Use::Unknown, name: Some("more parts".to_owned()) });
    }
    parts
}

/// The addresses to mark in a memory: those that the crash was about.
fn marks(view: &View<'_>, memory: u32) -> Vec<(&'static str, u64)> {
    let (dump, binaries) = (view.dump.recorded(), view.dump.binaries());
    let mut marks = Vec::new();
    marks.extend(regions::stack_pointer(dump, binaries, memory).map(|address| ("stack pointer", address)));
    let access = view.dump.crash().reason.as_ref().and_then(|reason| reason.memory_access);
    // An access does not say to which memory it was, so it is marked only if there is one memory.
    let address = access.and_then(|access| access.address).filter(|_| dump.memories.len() == 1);
    marks.extend(address.map(|address| ("failed access", address)));
    marks
}

/// Draws the regions in one line, each wide enough to be visible.
fn picture(out: &mut Markup, memory: &Memory<'_>, parts: &[Region], marks: &[(&str, u64)]) {
    let share = |part: &Region| (part.range.end - part.range.start) as f64 / memory.size as f64 * WIDTH;
    let widths: Vec<f64> = parts.iter().map(|part| share(part).max(LEAST)).collect();
    let scale = WIDTH / widths.iter().sum::<f64>();
    out.tag("<svg class=\"map\" viewBox=\"0 0 1000 28\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
    out.tag("The parts of the memory by address, not to scale where they are small\">");
    let mut x = 0.0;
    for (part, width) in parts.iter().zip(&widths) {
        let width = width * scale;
        out.tag("<rect class=\"").tag(class(part.r#use)).tag("\" x=\"").shown(format_args!("{x:.1}"));
        out.tag("\" y=\"4\" height=\"20\" width=\"").shown(format_args!("{:.1}", (width - 1.0).max(1.0)));
        out.tag("\"><title>").text(part.label()).tag("</title></rect>");
        for (_, address) in marks.iter().filter(|(_, address)| part.range.contains(address)) {
            let within = (address - part.range.start) as f64 / (part.range.end - part.range.start) as f64;
            out.tag("<rect class=\"mark\" y=\"0\" height=\"28\" width=\"2.5\" x=\"");
            out.shown(format_args!("{:.1}", x + within * width)).tag("\"/>");
        }
        x += width;
    }
    out.tag("</svg>\n");
}

fn class(r#use: Use) -> &'static str {
    match r#use {
        Use::Data => "u-data",
        Use::Bss => "u-bss",
        Use::Stack => "u-stack",
        Use::FreeStack | Use::BssOrFreeStack => "u-free",
        Use::Heap | Use::BssOrHeap => "u-heap",
        Use::Unknown => "u-unknown",
    }
}

/// Writes what the heaps in a memory hold; nothing if none was recognised.
fn heaps(view: &View<'_>, out: &mut Markup, index: u32, memory: &Memory<'_>) {
    let heaps = view.dump.heap(index);
    if heaps.is_empty() {
        return;
    }
    let heap_view = HeapView::new(memory);
    out.tag("<h3>Heap</h3>\n<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Heap of memory ")
        .shown(index);
    out.tag("\"><table><thead><tr><th scope=\"col\">Allocator</th><th scope=\"col\" class=\"right\">Used blocks</th>");
    out.tag("<th scope=\"col\" class=\"right\">Used</th><th scope=\"col\" class=\"right\">Free blocks</th>");
    out.tag("<th scope=\"col\" class=\"right\">Free</th><th scope=\"col\" class=\"right\">Largest free</th></tr></thead><tbody>\n");
    let mut damage = Vec::new();
    let shapes = regions::shapes(view.dump.recorded(), view.dump.binaries(), index);
    let (surveys, totals) = inventory(&heaps, &heap_view, &shapes);
    for (heap, survey) in heaps.iter().zip(&surveys) {
        out.within("<tr><th scope=\"row\">", heap.kind.name(), "</th>");
        number(out, &survey.blocks_used().map(grouped).unwrap_or_default());
        number(out, &bytes(survey.bytes_used()));
        number(out, &grouped(survey.free.blocks));
        number(out, &bytes(survey.free.bytes));
        number(out, &bytes(survey.largest_free));
        out.tag("</tr>\n");
        if survey.unknown.blocks > 0 {
            let Survey { unknown, .. } = survey;
            damage.push(format!(
                "{} blocks, {}, of which the allocator does not keep whether they are used",
                grouped(unknown.blocks),
                bytes(unknown.bytes)
            ));
        }
        damage.extend(survey.damage.iter().map(|damage| match damage.missing {
            true => format!("the heap's record at {:#x} is not in the dump", damage.address),
            false => format!("the heap is damaged at {damage}"),
        }));
    }
    out.tag("</tbody></table></div>\n");
    for told in damage.iter().take(DAMAGE) {
        out.within("<p class=\"bad\">", told, "</p>\n");
    }
    if let Some(rest) = damage.len().checked_sub(DAMAGE).filter(|&rest| rest > 0) {
        out.tag("<p class=\"note\">").shown(rest).tag(" more: <code>coredump-dump --check</code></p>\n");
    }
    let totals = totals.unwrap_or_default();
    if totals.is_empty() {
        return;
    }
    out.tag("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Types in the heap of memory ").shown(index);
    out.tag(
        "\"><table><thead><tr><th scope=\"col\">Type of used blocks</th><th scope=\"col\" class=\"right\">Blocks</th>",
    );
    out.tag("<th scope=\"col\" class=\"right\">Size</th></tr></thead><tbody>\n");
    for (name, count) in totals.iter().take(TYPES) {
        out.within("<tr><th scope=\"row\"><code>", name, "</code></th>");
        number(out, &grouped(count.blocks));
        number(out, &bytes(count.bytes));
        out.tag("</tr>\n");
    }
    out.tag("</tbody></table></div>\n");
    if let Some(rest) = totals.len().checked_sub(TYPES).filter(|&rest| rest > 0) {
        out.tag("<p class=\"note\">")
            .shown(grouped(rest as u64))
            .tag(" more types: <code>coredump-dump --heap</code></p>\n");
    }
}

fn number(out: &mut Markup, text: &str) {
    out.within("<td class=\"right\">", text, "</td>");
}
