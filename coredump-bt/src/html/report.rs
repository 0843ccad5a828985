//! A report of one dump, as a part of a page.

use super::markup::Markup;
use super::view::View;
use super::{calls, memory, modules, objects, summary, threads};

/// Writes the report.
pub fn write(view: &mut View<'_>) -> Markup {
    // The threads are written first, because the part above them links to their frames and says what was left out.
    let threads = threads::section(view);
    let calls = calls::section(&view.dump.recorded().host_calls);
    let memory = memory::section(view);
    let objects = objects::section(view);
    let modules = modules::section(view);
    let warnings = modules::warnings(view);
    let mut out = Markup::default();
    view.id(out.tag("<article class=\"report\" id=\""), "").tag("\">\n");
    summary::write(view, &mut out);
    let sections = [
        ("threads", "Threads", &threads),
        ("calls", "Last host calls", &calls),
        ("memory", "Memory", &memory),
        ("objects", "Objects", &objects),
        ("modules", "Modules", &modules),
        ("warnings", "Warnings", &warnings),
    ];
    out.tag("<nav aria-label=\"Sections of ").text(view.name).tag("\"><ul>");
    for (id, title, _) in sections.iter().filter(|(_, _, part)| !part.is_empty()) {
        view.id(out.tag("<li><a href=\"#"), id).tag("\">").text(title).tag("</a></li>");
    }
    out.tag("</ul></nav>\n");
    for (id, title, part) in sections.iter().filter(|(_, _, part)| !part.is_empty()) {
        view.id(out.tag("<section class=\"").text(id).tag("\" id=\""), id).tag("\"><h2>").text(title).tag("</h2>\n");
        out.append(part).tag("</section>\n");
    }
    out.tag("</article>\n");
    out
}
