//! `--strings`: text in memory.

use std::ops::ControlFlow;

use coredump_core::cli::Exit;
use coredump_core::cli::text::escape;
use coredump_core::error::Result;
use coredump_core::search;

use crate::hits::Hits;
use crate::session::Session;

/// Lists every run of at least `min` printable characters.
pub fn strings(session: &Session<'_>, min: usize) -> Result<Exit> {
    let mut out = session.output()?;
    let mut hits = Hits::new(session);
    for (index, memory) in session.memories()? {
        for range in session.ranges(index, memory)? {
            let mut failure = None;
            let flow = search::strings(memory, range, min, |text| {
                let preview = || match text.encoding {
                    search::Encoding::Utf8 => escape(&text.text).into_owned(),
                    search::Encoding::Utf16 => format!("u\"{}\"", escape(&text.text)),
                };
                hits.add(&mut out, index, text.address, preview).unwrap_or_else(|error| {
                    failure = Some(error);
                    ControlFlow::Break(())
                })
            });
            if let Some(error) = failure {
                return Err(out.failed(error));
            }
            if flow.is_break() {
                return hits.finish(out);
            }
        }
    }
    hits.finish(out)
}
