//! The last host calls, like the end of a system call trace, with failed ones marked.

use coredump_core::cli::shorten;
use coredump_core::model::HostCall;

use super::count::counted;
use super::markup::Markup;

/// The number of last calls on the page, and of those that are visible at first.
const CALLS: usize = 64;
const OPEN: usize = 12;
/// The number of bytes of one call's arguments that are shown.
const LONGEST: usize = 1000;

/// Writes the calls, oldest first; nothing if there is none.
pub fn section(calls: &[HostCall]) -> Markup {
    let mut out = Markup::default();
    if calls.is_empty() {
        return out;
    }
    let first = calls.len().saturating_sub(CALLS);
    let (older, last) = calls[first..].split_at((calls.len() - first).saturating_sub(OPEN));
    out.tag("<div class=\"card\">");
    if !older.is_empty() {
        out.tag("<details class=\"piece\"><summary>").text(&counted(older.len(), "earlier call")).tag("</summary>\n");
        table(&mut out, "Earlier host calls", older);
        out.tag("</details>\n");
    }
    table(&mut out, "Host calls", last);
    if first > 0 {
        out.tag("<p class=\"note\">").text(&counted(first, "call")).tag(" before these are not shown</p>");
    }
    out.tag("</div>\n");
    out
}

fn table(out: &mut Markup, title: &str, calls: &[HostCall]) {
    out.within("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"", title, "\">");
    out.tag("<table><thead><tr><th scope=\"col\" class=\"right\">Since start</th><th scope=\"col\">Call</th>");
    out.tag("<th scope=\"col\">Result</th></tr></thead><tbody>\n");
    for call in calls {
        out.tag("<tr><td class=\"right\">");
        if let Some(time) = call.since_start_ms {
            out.shown(time).tag(" ms");
        }
        out.within("</td><th scope=\"row\"><code>", &call.name, "(");
        out.text(&shorten(&call.args.join(", "), LONGEST)).tag(")</code></th>");
        out.tag(if call.failed { "<td class=\"bad\">" } else { "<td>" });
        match &call.result {
            Some(result) => out.text(&shorten(result, LONGEST)),
            None => out.tag("<span class=\"note\">did not return</span>"),
        };
        out.tag("</td></tr>\n");
    }
    out.tag("</tbody></table></div>");
}
