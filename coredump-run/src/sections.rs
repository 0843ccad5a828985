//! Reads the sections of a component without those of its modules, which are nearly all of its bytes, but do not decide
//! how it is run.

use wasmparser::{Chunk, Parser, Payload};

/// The sections of a component and of nested components. A module is returned as one section, without its contents. The
/// iterator ends where the component is malformed.
pub fn outside_modules(bytes: &[u8]) -> impl Iterator<Item = Payload<'_>> {
    let (mut parser, mut outer, mut rest) = (Parser::new(0), Vec::new(), Some(bytes));
    std::iter::from_fn(move || {
        let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(rest?, true) else { return None };
        rest = rest?.get(consumed..);
        match &payload {
            Payload::ModuleSection { unchecked_range, .. } => rest = rest?.get(unchecked_range.len()..),
            Payload::ComponentSection { parser: inner, .. } => {
                outer.push(std::mem::replace(&mut parser, inner.clone()))
            }
            Payload::End(_) => match outer.pop() {
                Some(next) => parser = next,
                None => rest = None,
            },
            _ => {}
        }
        Some(payload)
    })
}
