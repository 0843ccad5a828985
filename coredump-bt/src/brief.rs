//! A dump on one line.

use std::io;

use coredump_core::backtrace::Resolver;
use coredump_core::cli::input::Input;
use coredump_core::model::CoreDump;

use crate::header::program;
use crate::page::{Page, Piece};

/// Prints `FILE: program: reason at function (file:line:column)`.
pub fn render(
    page: &mut Page,
    input: &Input,
    dump: &CoreDump<'_>,
    resolver: &mut Resolver<'_, '_, '_>,
) -> io::Result<()> {
    page.piece(Piece::Faint, &input.name())?;
    page.plain(": ")?;
    page.piece(Piece::Title, program(input, dump))?;
    if let Some(reason) = &dump.reason {
        page.plain(": ")?;
        page.piece(Piece::Here, &reason.kind)?;
    }
    if let Some(top) = resolver.frame(0, 0) {
        let (function, location) = match top.inlines.first() {
            Some(inline) => (&inline.function, &inline.location),
            None => (&top.function, &top.location),
        };
        let index = top.function_index.map_or_else(|| "unknown function".to_owned(), |index| format!("func[{index}]"));
        page.plain(" in ")?;
        page.piece(Piece::Function, function.as_deref().unwrap_or(&index))?;
        if let Some(location) = location {
            page.plain(" at ")?;
            page.location(location)?;
        }
    }
    page.end()
}
