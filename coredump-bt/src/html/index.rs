//! The list of several reports: grouped by signature, with counts and dates.

use std::collections::HashMap;
use std::time::SystemTime;

use coredump_core::Dump;
use coredump_core::cli::frame::location_text;
use coredump_core::cli::input::Input;
use coredump_core::cli::path_map::PathMap;

use super::count::{counted, moment};
use super::markup::Markup;

/// A report in the list.
pub struct Entry {
    /// The dump's name.
    pub name: String,
    program: String,
    /// The reason why it ended, in one line.
    reason: Option<String>,
    place: Option<String>,
    signature: Option<String>,
    /// The time at which it ended; with `true`, only the time at which its file was written is known.
    time: Option<(SystemTime, bool)>,
    is_trace: bool,
    pub link: Link,
}

/// The page and the place on it that hold a report.
#[derive(Default)]
pub enum Link {
    /// The report is left out, because there is no room for it.
    #[default]
    None,
    /// Further down in the page.
    Part(usize),
    /// In a file beside the page, whose name needs no escaping.
    File(String),
}

impl Entry {
    /// The entry for a dump.
    pub fn new(dump: &Dump, paths: &PathMap, program: &str, name: String, time: Option<(SystemTime, bool)>) -> Entry {
        let crash = dump.crash();
        let summary = crash.reason.as_ref().map(|reason| reason.summary());
        let at = crash.place.as_ref().map(|found| match &found.location {
            Some(location) => format!("{} at {}", found.function, location_text(location, paths)),
            None => found.function.to_string(),
        });
        Entry {
            name,
            program: program.to_owned(),
            reason: summary.map(|summary| summary.trim().lines().next().unwrap_or_default().to_owned()),
            place: at,
            signature: crash.signature.clone(),
            time,
            is_trace: dump.recorded().trace_line.is_some(),
            link: Link::None,
        }
    }

    /// The title of the report's page.
    pub fn title(&self) -> String {
        format!("{} · {}", self.reason.as_deref().unwrap_or("no reason known"), self.program)
    }
}

/// Returns the time at which a program ended, as its dump records it, with `false`; else the time at which the dump's
/// file was last written to, with `true`.
pub fn time(dump: &Dump, input: &Input) -> Option<(SystemTime, bool)> {
    let recorded = dump.recorded().process.time.as_deref();
    let recorded = recorded.and_then(|time| humantime::parse_rfc3339(time).ok());
    let written = || std::fs::metadata(input.path()?).ok()?.modified().ok();
    recorded.map(|time| (time, false)).or_else(|| Some((written()?, true)))
}

/// Writes the list, and returns the page's title.
pub fn write(out: &mut Markup, entries: &[Entry], failures: &[String]) -> String {
    let groups = groups(entries);
    let what =
        if entries.iter().all(|entry| entry.is_trace) && !entries.is_empty() { "stack trace" } else { "core dump" };
    let title = format!("{}, {}", counted(entries.len(), what), counted(groups.len(), "signature"));
    out.within("<header class=\"list\"><h1>", &title, "</h1></header>\n");
    for group in &groups {
        write_group(out, group, what);
    }
    if !failures.is_empty() {
        out.tag("<section><h2>Not read</h2><ul>\n");
        for failure in failures {
            out.within("<li>", failure, "</li>\n");
        }
        out.tag("</ul></section>\n");
    }
    title
}

/// The entries grouped by signature: the largest group first, of equal ones the most recent; in a group the most recent
/// entry first.
fn groups(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    let mut by_signature: HashMap<Option<&str>, Vec<&Entry>> = HashMap::new();
    for entry in entries {
        by_signature.entry(entry.signature.as_deref()).or_default().push(entry);
    }
    let mut groups: Vec<Vec<&Entry>> = by_signature.into_values().collect();
    for group in &mut groups {
        group.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.name.cmp(&b.name)));
    }
    let key = |group: &Vec<&Entry>| (group.len(), group[0].time, group[0].signature.clone());
    groups.sort_by_key(|group| std::cmp::Reverse(key(group)));
    groups
}

fn write_group(out: &mut Markup, group: &[&Entry], what: &str) {
    let last = group[0];
    out.tag("<section class=\"group\"><h2>");
    match &last.signature {
        Some(signature) => out.within("<code>", signature, "</code>"),
        None => out.tag("No signature"),
    };
    out.tag("</h2>\n<p>").text(&counted(group.len(), what));
    let times: Vec<_> = group.iter().filter_map(|entry| date(entry.time?.0)).collect();
    if let (Some(newest), Some(oldest)) = (times.first(), times.last()) {
        out.tag(", ").text(oldest);
        if oldest != newest {
            out.tag(" to ").text(newest);
        }
    }
    out.tag("</p>\n<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Reports of ");
    out.text(last.signature.as_deref().unwrap_or("no signature"));
    out.tag(
        "\"><table><thead><tr><th scope=\"col\">Report</th><th scope=\"col\">Ended</th><th scope=\"col\">Program</th>",
    );
    out.tag("<th scope=\"col\">Reason</th><th scope=\"col\">Where</th></tr></thead><tbody>\n");
    for entry in group {
        out.tag("<tr><th scope=\"row\">");
        match &entry.link {
            Link::Part(number) => out.tag("<a href=\"#r").shown(number).tag("\">").text(&entry.name).tag("</a>"),
            Link::File(file) => out.tag("<a href=\"").text(file).tag("\">").text(&entry.name).tag("</a>"),
            Link::None => {
                out.text(&entry.name).tag(" <span class=\"note\">no room for its report in one page: -o FOLDER</span>")
            }
        };
        out.tag("</th><td>");
        if let Some((time, by_file)) = entry.time.and_then(|(time, by_file)| Some((moment(time)?, by_file))) {
            out.text(&time).tag(if by_file { " <span class=\"note\">by its file</span>" } else { "" });
        }
        out.within("</td><td>", &entry.program, "</td><td>").text(entry.reason.as_deref().unwrap_or("not known"));
        out.within("</td><td>", entry.place.as_deref().unwrap_or_default(), "</td></tr>\n");
    }
    out.tag("</tbody></table></div></section>\n");
}

fn date(time: SystemTime) -> Option<String> {
    moment(time)?.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(name: &str, signature: Option<&str>, day: u64) -> Entry {
        Entry {
            name: name.into(),
            program: "app".into(),
            reason: None,
            place: None,
            signature: signature.map(str::to_owned),
            time: Some((SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86400), false)),
            is_trace: false,
            link: Link::None,
        }
    }

    #[test]
    fn the_most_frequent_crash_comes_first_and_in_it_the_last() {
        let entries = [
            entry("a", Some("x"), 1),
            entry("b", Some("y"), 2),
            entry("c", Some("y"), 9),
            entry("d", None, 3),
            entry("e", Some("z"), 5),
        ];
        let names: Vec<Vec<_>> =
            groups(&entries).iter().map(|group| group.iter().map(|entry| &*entry.name).collect()).collect();
        assert_eq!(names, [vec!["c", "b"], vec!["e"], vec!["d"], vec!["a"]]);
        let mut out = Markup::default();
        assert_eq!(write(&mut out, &entries, &[]), "5 core dumps, 4 signatures");
        assert!(out.as_str().contains("<p>2 core dumps, 1970-01-03 to 1970-01-10</p>"), "{}", out.as_str());
    }
}
