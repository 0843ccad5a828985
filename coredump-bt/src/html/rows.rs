//! A frame of a report: the calls inlined in it first, then its own function; below each its source and variables.

use std::sync::Arc;

use coredump_core::cli::frame::UNKNOWN;
use coredump_core::runtimes::InterpretedFrame;
use coredump_core::{Call, Frame, Limits, Location, ResolvedFrame, Scope};

use super::markup::Markup;
use super::values::{self, Arguments};
use super::view::View;
use crate::frames::short;

/// The number of lines of source that are shown before and after a place.
const AROUND: u32 = 3;

/// The row of a source function that was active in a frame.
#[derive(Default)]
pub struct FrameRow<'a> {
    /// Its id: thread, frame, and the index of an inlined call.
    pub id: Option<(usize, usize, Option<usize>)>,
    /// The frame's index in its thread.
    pub index: Option<usize>,
    pub name: Option<&'a str>,
    /// Offset in bytes in the function, where no better place is known.
    pub offset: Option<u32>,
    pub arguments: Arguments,
    pub is_inlined: bool,
    /// The language, if it is not the engine's frame.
    pub language: Option<&'static str>,
    pub place: Option<String>,
    /// The state of a future, if the row is no frame of a stack.
    pub state: Option<String>,
    /// True if it belongs to a runtime or a standard library.
    pub is_library: bool,
    /// True if it is open at first.
    pub is_open: bool,
    /// The contents below its line.
    pub body: Markup,
}

impl FrameRow<'_> {
    /// Writes the row, as an element that can be opened if it has contents.
    pub fn write(&self, view: &View<'_>, out: &mut Markup) {
        let opens = !self.body.is_empty();
        out.tag(if opens { "<details" } else { "<div" });
        out.tag(if self.is_library { " class=\"f lib\"" } else { " class=\"f\"" });
        if let Some((thread, frame, inline)) = self.id {
            view.id(out.tag(" id=\""), "t").shown(thread).tag("f").shown(frame);
            if let Some(inline) = inline {
                out.tag("i").shown(inline);
            }
            out.tag("\"");
        }
        out.tag(if opens && self.is_open { " open" } else { "" });
        out.tag(if opens { "><summary>" } else { "><div class=\"head\">" });
        out.tag("<span class=\"no\">");
        match self.index {
            Some(index) => out.tag("#").shown(index),
            None => out.text(self.language.unwrap_or_default()),
        };
        out.tag("</span> <span class=\"what\">");
        match self.name {
            Some(name) => out.within("<code class=\"fn\">", name, "</code>"),
            None => out.within("<span class=\"note\">", UNKNOWN, "</span>"),
        };
        if let Some(offset) = self.offset {
            out.tag("<code>+").shown(format_args!("{offset:#x}")).tag("</code>");
        }
        self.arguments.write(out);
        if let Some(state) = &self.state {
            out.within(" <span class=\"tag\">", state, "</span>");
        }
        if self.is_inlined {
            out.tag(" <span class=\"tag\">inlined</span>");
        }
        out.tag("</span>");
        if let Some(place) = &self.place {
            out.within(" <code class=\"at\">", place, "</code>");
        }
        out.tag(if opens { "</summary>\n" } else { "</div></div>\n" });
        if opens {
            out.tag("<div class=\"in\">").append(&self.body).tag("</div></details>\n");
        }
    }
}

impl View<'_> {
    /// Writes a frame with all that is known of it.
    pub fn frame(&mut self, out: &mut Markup, frame: &Frame) {
        let resolved = frame.resolved();
        let thread = frame.thread().index();
        self.linked.insert((thread, frame.index()));
        let binary = resolved.module.and_then(|module| self.dump.binaries().binary(module));
        self.sources.of_binary(binary.and_then(|binary| binary.path()));
        let limits = self.args.limits();
        let scopes = if self.room == 0 { Vec::new() } else { frame.variables(limits) };
        // Scopes and calls come from the same debug info. If their numbers differ all the same, no values are shown,
        // since they might be another function's.
        let scope = |nth: usize| scopes.get(nth).filter(|_| scopes.len() == resolved.inlines.len() + 1);
        let crashed = self.dump.crash().place.as_ref();
        let is_place = crashed.is_some_and(|place| (place.thread, place.frame) == (thread, frame.index()));
        let named = |function: Option<&Arc<str>>| {
            let same = crashed.is_some_and(|place| function.is_none_or(|name| *name == place.function));
            is_place && same
        };
        let mut opened = false;
        for (nth, call) in resolved.calls().enumerate() {
            let is_open = !opened && if call.inlined { named(call.function.as_ref()) } else { is_place };
            opened |= is_open;
            let row = FrameRow {
                id: Some((thread, frame.index(), call.inlined.then_some(nth))),
                index: Some(frame.index()),
                name: call.function.as_deref(),
                offset: call.offset,
                arguments: scope(nth).map(Arguments::from_scope).unwrap_or_default(),
                is_inlined: call.inlined,
                place: self.place_of(resolved, &call),
                is_library: self.is_library(call.function.as_ref(), call.location),
                is_open,
                body: self.below(frame, call.location, scope(nth), !call.inlined),
                ..FrameRow::default()
            };
            row.write(self, out);
        }
        let program = self.interpreted.clone().filter(|_| frame.thread().is_crashed());
        let Some(program) = program else { return };
        let frames = program.frames().filter(|(placed, _)| *placed == Some(frame.index()));
        frames.for_each(|(_, frame)| self.interpreted(out, program.language, frame));
    }

    /// Returns the place at which a call stood: its line, else that of the frame itself in its module.
    fn place_of(&self, resolved: &ResolvedFrame, call: &Call<'_>) -> Option<String> {
        match (call.location, resolved.module_offset) {
            (Some(location), _) => Some(self.location_text(location)),
            (None, Some(offset)) if !call.inlined => Some(format!("{}+{offset:#x}", self.module_name(resolved))),
            _ => None,
        }
    }

    fn module_name(&self, resolved: &ResolvedFrame) -> &str {
        let slot = resolved.module.and_then(|module| self.dump.binaries().slot(module));
        slot.map_or("?", |slot| short(&slot.name))
    }

    /// The contents below a function's line: source, variables, and for the frame itself the machine state.
    fn below(&mut self, frame: &Frame, location: Option<&Location>, scope: Option<&Scope>, is_own: bool) -> Markup {
        let mut out = Markup::default();
        if self.room == 0 {
            return out;
        }
        if let Some(location) = location {
            let lines = self.sources.excerpt(self.paths, frame, location, AROUND);
            values::source(&mut out, &lines);
        }
        if let Some(scope) = scope {
            values::variables(&mut out, scope, frame.index());
        }
        if is_own {
            values::machine(&mut out, self.dump, frame, self.module_name(frame.resolved()));
        }
        self.room = self.room.saturating_sub(out.len());
        if self.room == 0 {
            self.omitted.push(format!(
                "sources and variables of frames after #{} are not part of this page, to keep it small: \
                 coredump-bt --locals --source --frame N shows them",
                frame.index()
            ));
        }
        out
    }

    /// Writes a frame of a program that an interpreter of that language runs.
    pub fn interpreted(&mut self, out: &mut Markup, language: &str, frame: &InterpretedFrame) {
        let location = frame.location();
        let mut body = Markup::default();
        if self.room > 0 {
            values::interpreted(&mut body, frame);
            self.room = self.room.saturating_sub(body.len());
        }
        let row = FrameRow {
            name: Some(&frame.function),
            language: Some(if language == "javascript" { "js" } else { "py" }),
            arguments: Arguments::from_interpreted(frame),
            place: location.as_ref().map(|location| self.location_text(location)),
            body,
            ..FrameRow::default()
        };
        row.write(self, out);
    }

    /// A frame as text: a line for each source function.
    pub fn frame_lines(&self, frame: &Frame) -> Vec<String> {
        let resolved = frame.resolved();
        let scopes = frame.variables(Limits { depth: 1, elements: 8, text_only: true });
        let scope = |nth: usize| scopes.get(nth).filter(|_| scopes.len() == resolved.inlines.len() + 1);
        let line = |(nth, call): (usize, Call<'_>)| {
            let name = call.function.as_deref().unwrap_or(UNKNOWN);
            let arguments = scope(nth).map(|scope| Arguments::from_scope(scope).text()).unwrap_or_default();
            let inlined = if call.inlined { " [inlined]" } else { "" };
            let place = self.place_of(resolved, &call).map(|place| format!(" at {place}")).unwrap_or_default();
            format!("#{} {name}{arguments}{inlined}{place}", frame.index())
        };
        resolved.calls().enumerate().map(line).collect()
    }

    /// Returns true if a function belongs to a panic's machinery, a standard library or start-up code.
    pub fn is_library(&self, function: Option<&Arc<str>>, location: Option<&Location>) -> bool {
        function.is_some_and(|function| self.dump.is_machinery(function, location))
    }
}
