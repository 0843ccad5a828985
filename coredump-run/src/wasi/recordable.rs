//! Decides which programs can be recorded.

use coredump_core::module::{self, Import, ItemKind, Module};
use wasmparser::{CanonicalFunction, CanonicalOption, Payload};

use super::p1;
use super::p2::INTERFACES;
use crate::offered::is_offered;
use crate::sections;

/// Returns the reason why a program cannot be recorded; `None` if it can.
pub fn obstacle(binary: &[u8], unknown_imports_trap: bool) -> Option<&'static str> {
    let Ok(module) = Module::parse(binary) else { return of_component(binary, unknown_imports_trap) };
    if module.memories().iter().any(|memory| memory.shared) {
        return Some("it has a shared memory");
    }
    let foreign = |import: &Import<'_>| import.kind != ItemKind::Function || !p1::MODULES.contains(&import.module);
    if !unknown_imports_trap && module.imports().any(|import| foreign(&import)) {
        return Some("it imports more than WASI 0.1");
    }
    None
}

fn of_component(binary: &[u8], unknown_imports_trap: bool) -> Option<&'static str> {
    let modules = module::nested(binary).unwrap_or_default();
    let shared = |bytes: &&[u8]| {
        let module = Module::parse(bytes).ok();
        module.is_some_and(|module| module.memories().iter().any(|memory| memory.shared))
    };
    if modules.iter().any(shared) {
        return Some("it has a shared memory");
    }
    let mut depth = 0usize;
    // The compiler reports the error of a malformed component.
    for payload in sections::outside_modules(binary) {
        match payload {
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports.into_iter().map_while(Result::ok) {
                    match known(import.name.name) {
                        Recordable::Yes => {}
                        Recordable::Later => return Some("it imports WASI 0.3"),
                        // An import that the host does not offer ends the program when it is called, but one that is
                        // offered returns.
                        Recordable::No if unknown_imports_trap && !is_offered(import.name.name) => {}
                        Recordable::No => return Some("it imports more than WASI 0.2 for command lines"),
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                let mut exports = exports.into_iter().map_while(Result::ok);
                let later = exports.any(|export| known(export.name.name) == Recordable::Later);
                if depth == 0 && later {
                    return Some("it exports WASI 0.3");
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                let mut functions = functions.into_iter().map_while(Result::ok);
                if functions.any(|function| is_concurrent(&function)) {
                    return Some("it has tasks that run side by side");
                }
            }
            _ => {}
        }
    }
    None
}

/// The kinds of imports: those whose answers are recorded, and others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recordable {
    Yes,
    No,
    /// The import is of WASI 0.3.
    Later,
}

fn known(import: &str) -> Recordable {
    let Some((interface, version)) = import.rsplit_once('@') else {
        // An import that is no interface of another package (a type, say) has no functions.
        return if import.contains(':') { Recordable::No } else { Recordable::Yes };
    };
    match version {
        _ if !interface.starts_with("wasi:") => Recordable::No,
        version if version.starts_with("0.3.") => Recordable::Later,
        version if version.starts_with("0.2.") && !version.contains('-') && INTERFACES.contains(&interface) => {
            Recordable::Yes
        }
        _ => Recordable::No,
    }
}

/// Returns true if a function of the canonical ABI lets others run before it is done.
fn is_concurrent(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options.iter().any(|option| matches!(option, CanonicalOption::Async))
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => false,
        _ => true,
    }
}
