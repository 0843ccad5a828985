//! The objects of a garbage-collected program: how many there are of each type, and which retain the most.

use std::collections::BTreeMap;

use coredump_core::Limits;
use coredump_core::cli::size::bytes;
use coredump_core::gc::Graph;
use coredump_core::objects::Id;

use super::count::grouped;
use super::markup::Markup;
use super::view::View;
use crate::short::short;

/// The number of types that are listed, and that of objects.
const LISTED: usize = 12;
/// The most objects for which retained sizes are computed: for more it would take too long.
const MOST: u32 = 2_000_000;
/// The limits on an object on its line, and the longest line.
const LINE: Limits = Limits { depth: 2, elements: 8, text_only: true };
const LONGEST: usize = 300;

/// Writes the section; nothing if the dump holds no objects.
pub fn section(view: &View<'_>) -> Markup {
    let mut out = Markup::default();
    let objects = view.dump.objects();
    let Some(all) = objects.objects().filter(|all| all.count() > 0) else { return out };
    let mut groups: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for object in all.iter() {
        let (count, size) = groups.entry(objects.group_of(&object)).or_default();
        (*count, *size) = (*count + 1, size.saturating_add(object.size()));
    }
    // Types of several modules may have one name.
    let mut types: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (group, (more, bytes)) in groups {
        let (count, size) = types.entry(objects.group_label(group)).or_default();
        (*count, *size) = (*count + more, size.saturating_add(bytes));
    }
    let total = types.values().fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
    let mut types: Vec<(String, (u64, u64))> = types.into_iter().collect();
    types.sort_by_key(|(_, (_, size))| std::cmp::Reverse(*size));
    out.tag("<div class=\"card\"><p>").text(&grouped(all.count().into())).tag(" objects that the engine collects, ");
    out.text(&bytes(total)).tag(".</p>\n");
    table(&mut out, "Types of objects", &["Type", "Objects", "Size"]);
    for (name, (count, size)) in types.iter().take(LISTED) {
        out.within("<tr><th scope=\"row\"><code>", name, "</code></th>");
        number(&mut out, &grouped(*count));
        number(&mut out, &bytes(*size));
        out.tag("</tr>\n");
    }
    out.tag("</tbody></table></div>\n");
    if let Some(rest) = types.len().checked_sub(LISTED).filter(|&rest| rest > 0) {
        out.tag("<p class=\"note\">").shown(grouped(rest as u64));
        out.tag(" more types: <code>coredump-dump --heap</code></p>\n");
    }
    if all.count() <= MOST {
        let dominators = Graph::new(all, &objects.roots()).dominators(all, || objects.release());
        let mut kept: Vec<(u64, Id)> = all.iter().map(|object| (dominators.retained(object.id), object.id)).collect();
        kept.sort_by_key(|(retained, id)| (std::cmp::Reverse(*retained), *id));
        table(&mut out, "Objects that keep the most", &["Object", "Keeps", "Id"]);
        for (retained, id) in kept.into_iter().take(LISTED) {
            let text = objects.get(id).map(|object| objects.object_text(&object, LINE)).unwrap_or_default();
            out.within("<tr><th scope=\"row\"><code>", &short(&text, LONGEST), "</code></th>");
            number(&mut out, &bytes(retained));
            number(&mut out, &format!("#{id}"));
            out.tag("</tr>\n");
        }
        out.tag("</tbody></table></div>\n");
    }
    out.tag("</div>\n");
    out
}

fn table(out: &mut Markup, title: &str, columns: &[&str]) {
    out.within("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"", title, "\"><table><thead><tr>");
    for (nth, column) in columns.iter().enumerate() {
        out.tag(if nth == 0 { "<th scope=\"col\">" } else { "<th scope=\"col\" class=\"right\">" });
        out.text(column).tag("</th>");
    }
    out.tag("</tr></thead><tbody>\n");
}

fn number(out: &mut Markup, text: &str) {
    out.within("<td class=\"right\">", text, "</td>");
}
