//! Names of the types and functions that rustc makes from asynchronous functions.

use crate::catalog::Language;
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::lang::type_name;
use crate::location::frame::FrameContext;

/// The prefix of each kind's type name, and what replaces it in a name for people. Before Rust 1.74 (August 2023) all
/// kinds are called generators.
const COROUTINES: [(&str, &str); 4] = [
    ("{async_fn_env#", ""),
    ("{async_block_env#", "{async block#"),
    ("{async_closure_env#", "{async closure#"),
    ("{async_gen_fn_env#", ""),
];

/// Returns true if this is the name of a type that is the state of an asynchronous function or block.
pub fn is_coroutine(name: &[u8]) -> bool {
    COROUTINES.iter().any(|(start, _)| name.starts_with(start.as_bytes()))
}

/// Returns true if what is in the state from the beginning stays in place: the captures of an `async` block do, but the
/// arguments of a function are moved into variables when it starts.
pub fn uses_in_place(name: &[u8]) -> bool {
    !name.starts_with(b"{async_fn_env#") && !name.starts_with(b"{async_gen_fn_env#")
}

/// Returns true if a function is the body of an asynchronous function or block.
pub fn is_body(name: &[u8]) -> bool {
    name.starts_with(b"{async_") && !is_coroutine(name)
}

/// The type of the state of an asynchronous function whose body this is.
pub fn state_of(frame: &FrameContext<'_, '_>, body: Die) -> Option<Die> {
    let units = &frame.units;
    let name = String::from_utf8_lossy(units.name(body)?).into_owned();
    let (start, rest) = name.split_once('#')?;
    let path = units.path(body);
    let found = units.types_named(body.unit, format!("{start}_env#{rest}").as_bytes());
    found.into_iter().find(|&die| units.path(die) == path)
}

/// The asynchronous function that a type is the state of, as its callers name it: `shop::order`, `Receiver<u8>::recv`,
/// `shop::main::{async block#0}`.
pub fn function(frame: &FrameContext<'_, '_>, die: Die) -> String {
    let units = &frame.units;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // Path segments for the bodies of enclosing functions are left out, since nobody writes them.
    let around = units.path(die).into_iter().filter(|part| !part.starts_with(b"{async_fn#"));
    let mut path: Vec<String> = around.map(text).collect();
    let own = text(units.name(die).unwrap_or_default());
    let known = COROUTINES.iter().find_map(|(start, shown)| Some((own.strip_prefix(start)?, shown)));
    let arguments = match known {
        Some((rest, shown)) => {
            let (number, arguments) = rest.split_once('}').unwrap_or((rest, ""));
            if !shown.is_empty() {
                path.push(format!("{shown}{number}}}"));
            }
            arguments
        }
        None => {
            path.push(own);
            ""
        }
    };
    // An `impl` block is only numbered in the path; the type of `self` in its methods names the type.
    let place = path.iter().position(|part| part.starts_with("{impl#"));
    let arguments = match place.and_then(|place| Some((place, receiver(frame, die)?))) {
        Some((place, receiver)) => {
            path.splice(..=place, [receiver]);
            ""
        }
        None => arguments,
    };
    format!("{}{arguments}", path.join("::"))
}

/// The type of `self`, without references.
fn receiver(frame: &FrameContext<'_, '_>, die: Die) -> Option<String> {
    let units = &frame.units;
    let ty = units.type_at(die)?;
    let Kind::Struct(Struct { variants: Some(variants), .. }) = &ty.kind else { return None };
    let (_, first) = units.peeled(variants.list.first()?.member.as_ref()?.ty)?;
    let Kind::Struct(contents) = &first.kind else { return None };
    let member = contents.members.iter().find(|member| matches!(member.name, Some(b"self" | b"_ref__self")))?;
    let name = type_name(units, member.ty, Language::Rust);
    let name = name.trim_start_matches("core::pin::Pin<");
    let bare = name.trim_start_matches('&').trim_start_matches("mut ");
    let pinned = bare.len() < name.len() && name.len() < type_name(units, member.ty, Language::Rust).len();
    Some(if pinned { bare.strip_suffix('>').unwrap_or(bare) } else { bare }.to_owned())
}
