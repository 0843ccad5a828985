//! The contents that can be opened below a frame: lines of source, variables, Wasm locals and operands.

use coredump_core::model::Value;
use coredump_core::runtimes::{InterpretedFrame, InterpretedVariable};
use coredump_core::{Dump, Frame, Scope, Status, Variable, VariableKind};

use super::count::counted;
use super::markup::Markup;
use crate::raw;
use crate::short::short;
use crate::source::Line;
use crate::variables::known_arguments;

/// The number of bytes of the page that the variables of one function may take.
const ROOM: usize = 10 << 10;
/// The number of characters that are shown of a value whose parts are below it.
const LONG: usize = 120;
/// The number of characters that are shown of any other value.
const LONGEST: usize = 2000;
/// The number of characters that are shown of one argument of a Python function.
const ARGUMENT: usize = 64;
/// The number of levels of parts that are shown.
const LEVELS: usize = 24;
/// The number of Wasm locals, and of operands, of one frame that are listed.
const MACHINE: usize = 64;

/// An argument on its function's line.
pub struct Argument {
    pub name: String,
    pub value: String,
    pub is_known: bool,
}

/// The known arguments of a function.
#[derive(Default)]
pub enum Arguments {
    /// There are none, or the function's parameters are not known.
    #[default]
    None,
    /// There are some, and none of their values is known.
    Unknown,
    Known(Vec<Argument>),
}

impl Arguments {
    /// Writes them in parentheses; `(…)` if none of their values is known.
    pub fn write(&self, out: &mut Markup) {
        let arguments = match self {
            Arguments::None => return,
            Arguments::Unknown => {
                out.tag(" <span class=\"args\">(…)</span>");
                return;
            }
            Arguments::Known(arguments) => arguments,
        };
        out.tag(" <span class=\"args\">(");
        for (number, argument) in arguments.iter().enumerate() {
            out.tag(if number > 0 { ", " } else { "" }).within("<b>", &argument.name, "</b>=");
            out.tag(if argument.is_known { "<span>" } else { "<span class=\"no\">" });
            out.text(&argument.value).tag("</span>");
        }
        out.tag(")</span>");
    }

    /// The arguments as text.
    pub fn text(&self) -> String {
        match self {
            Arguments::None => String::new(),
            Arguments::Unknown => " (…)".to_owned(),
            Arguments::Known(arguments) => {
                let each = arguments.iter().map(|argument| format!("{}={}", argument.name, argument.value));
                format!(" ({})", each.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The arguments of a function.
    pub fn from_scope(scope: &Scope) -> Arguments {
        let argument = |(parameter, value): (&Variable, String)| Argument {
            name: parameter.label().into_owned(),
            value,
            is_known: parameter.status == Status::Ok,
        };
        match known_arguments(scope) {
            None => Arguments::Unknown,
            Some(arguments) if arguments.is_empty() => Arguments::None,
            Some(arguments) => Arguments::Known(arguments.into_iter().map(argument).collect()),
        }
    }

    /// The arguments of a function of an interpreted program.
    pub fn from_interpreted(frame: &InterpretedFrame) -> Arguments {
        let argument = |variable: &InterpretedVariable| Argument {
            name: variable.name.clone(),
            value: variable.value.as_deref().map_or("<unreadable>".to_owned(), |value| short(value, ARGUMENT)),
            is_known: variable.value.is_some(),
        };
        Arguments::Known(frame.variables.iter().filter(|variable| variable.is_parameter).map(argument).collect())
    }
}

/// Writes lines of source, with the line at which execution stood marked.
pub fn source(out: &mut Markup, lines: &[Line]) {
    let Some(first) = lines.first() else { return };
    out.tag("<ol class=\"src\" start=\"").shown(first.number).tag("\">");
    for line in lines {
        out.tag(if line.is_here { "<li class=\"here\" aria-current=\"true\">" } else { "<li>" });
        out.text(&line.text).tag("</li>");
    }
    out.tag("</ol>\n");
}

/// Writes the variables of a function, each with its parts to be opened, as far as there is room for them.
pub fn variables(out: &mut Markup, scope: &Scope, frame: usize) {
    all(out, &scope.variables, &format!("coredump-bt --locals --frame {frame}"));
}

/// Writes variables, each with its parts to be opened, as far as there is room for them. `command` shows all of them.
pub fn all(out: &mut Markup, variables: &[Variable], command: &str) {
    if variables.is_empty() {
        return;
    }
    let end = out.len() + ROOM;
    out.tag("<div>");
    let mut cut = false;
    for (number, variable) in variables.iter().enumerate() {
        if out.len() > end + ROOM {
            cut = true;
            let rest = variables.len() - number;
            out.tag("<p class=\"note\">").shown(counted(rest, "more variable")).tag("</p>\n");
            break;
        }
        one(out, variable, 0, end, &mut cut);
    }
    if cut {
        out.tag("<p class=\"note\">Not all of these values' parts are shown here: <code>");
        out.text(command).tag("</code> has them.</p>\n");
    }
    out.tag("</div>\n");
}

fn one(out: &mut Markup, variable: &Variable, level: usize, end: usize, cut: &mut bool) {
    let opens = !variable.children.is_empty() && out.len() < end && level < LEVELS;
    *cut |= !opens && !variable.children.is_empty();
    out.tag(if opens { "<details class=\"v\"><summary>" } else { "<div class=\"v\">" });
    let place = match (level, variable.address) {
        (0, Some(address)) => format!("{}, at {address:#x}", variable.location),
        (0, None) => variable.location.clone(),
        _ => String::new(),
    };
    if place.is_empty() {
        out.tag("<b>");
    } else {
        out.within("<b title=\"", &place, "\">");
    }
    out.text(&variable.label()).tag("</b>");
    if !variable.type_name.is_empty() {
        out.within(": <i>", &variable.type_name, "</i>");
    }
    out.tag(if variable.status == Status::Ok { " = <span>" } else { " = <span class=\"no\">" });
    out.text(&short(&variable.text(), if opens { LONG } else { LONGEST })).tag("</span>");
    if level == 0 && variable.kind == VariableKind::Static {
        out.tag(" <span class=\"tag\">static</span>");
    }
    if variable.hidden {
        out.tag(" <span class=\"tag\">hidden</span>");
    }
    if let Some(note) = variable.note.as_ref().filter(|_| variable.status == Status::Ok) {
        out.within(" <span class=\"note\">", note, "</span>");
    }
    if opens {
        out.tag("</summary>\n");
        for (number, part) in variable.children.iter().enumerate() {
            if out.len() > end {
                *cut = true;
                let rest = variable.children.len() - number;
                out.tag("<p class=\"note\">").shown(counted(rest, "more part")).tag("</p>\n");
                break;
            }
            one(out, part, level + 1, end, cut);
        }
    }
    out.tag(if opens { "</details>\n" } else { "</div>\n" });
}

/// Writes the machine state of a frame: its place in the module, its Wasm locals and operand stack.
pub fn machine(out: &mut Markup, dump: &Dump, frame: &Frame, module: &str) {
    let (recorded, resolved) = (frame.recorded(), frame.resolved());
    let is_known = recorded.locals.is_some() || recorded.stack.is_some();
    if !is_known {
        if let Some(offset) = resolved.module_offset {
            out.tag("<p class=\"note\">Code offset ").shown(format_args!("{offset:#x}"));
            out.within(" in ", module, ", Wasm locals not recorded</p>\n");
        }
        return;
    }
    out.tag("<details class=\"raw\"><summary>Wasm locals and operands");
    if let Some(offset) = resolved.module_offset {
        out.tag(" at ").shown(format_args!("{offset:#x}")).within(" in ", module, "");
    }
    out.tag("</summary>\n");
    let module = dump.binaries().module_of(dump.recorded(), recorded);
    let binary = module.and_then(|module| dump.binaries().binary(module));
    let name = |index: usize| binary?.module().local_name(recorded.function?, u32::try_from(index).ok()?);
    listed(out, dump, "local", recorded.locals.as_deref(), name);
    listed(out, dump, "stack", recorded.stack.as_deref(), |_| None);
    out.tag("</details>\n");
}

fn listed<'n>(
    out: &mut Markup,
    dump: &Dump,
    what: &'static str,
    values: Option<&[Value]>,
    name: impl Fn(usize) -> Option<&'n str>,
) {
    let values = values.unwrap_or_else(|| {
        out.within("<div class=\"v\">", what, ": <span class=\"no\">not recorded</span></div>\n");
        &[]
    });
    for (index, value) in values.iter().enumerate().take(MACHINE) {
        out.within("<div class=\"v\"><b>", what, "[").shown(index).tag("]");
        if let Some(name) = name(index) {
            out.tag(" $").text(name);
        }
        out.within("</b>: <i>", value.type_name().unwrap_or("missing"), "</i> <span>");
        out.text(&short(&raw::shown(dump.objects(), value), LONGEST)).tag("</span></div>\n");
    }
    if let Some(rest) = values.len().checked_sub(MACHINE).filter(|&rest| rest > 0) {
        out.tag("<p class=\"note\">").shown(counted(rest, "more value")).tag(": <code>coredump-bt --raw</code></p>\n");
    }
}

/// Writes the variables of a function of an interpreted program.
pub fn interpreted(out: &mut Markup, frame: &InterpretedFrame) {
    if frame.variables.is_empty() {
        return;
    }
    let end = out.len() + ROOM;
    out.tag("<div>");
    for (number, variable) in frame.variables.iter().enumerate() {
        if out.len() > end {
            let rest = frame.variables.len() - number;
            out.tag("<p class=\"note\">").shown(counted(rest, "more variable")).tag("</p>\n");
            break;
        }
        out.within("<div class=\"v\"><b>", &variable.name, "</b>: <i>").within("", &variable.type_name, "</i> = ");
        match &variable.value {
            Some(value) => out.within("<span>", &short(value, LONGEST), "</span></div>\n"),
            None => out.tag("<span class=\"no\">&lt;unreadable&gt;</span></div>\n"),
        };
    }
    out.tag("</div>\n");
}
