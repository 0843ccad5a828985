//! Says which imports of components the host offers.

use coredump_core::error::{Error, ErrorKind, Result};

/// Advice for a program with an import that the host does not offer.
pub const STAND_IN: &str = "--unknown-imports-trap runs it, up to the first call of such a function";

/// Packages of WASI whose interfaces the linker has. The linker resolves an import of another version of the same
/// series to them, unless it has an entry of exactly that name.
const OFFERED: [&str; 8] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
    "wasi:tls/",
];

/// Interfaces of these packages that the linker does not have.
const MISSING: [&str; 4] = ["wasi:http/handler", "wasi:http/incoming-handler", "wasi:clocks/timezone", "wasi:tls/"];

/// Returns true if an import is an interface that the host offers in a compatible version.
pub fn is_offered(name: &str) -> bool {
    let series = name
        .rsplit_once('@')
        // A pre-release is compatible with nothing else.
        .is_some_and(|(_, version)| {
            !version.contains('-') && ["0.2.", "0.3."].iter().any(|series| version.starts_with(series))
        });
    let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    series && any(&OFFERED) && !any(&MISSING)
}

/// Refuses a component if the host does not offer one of its imports. This is done before it is compiled, which may
/// take minutes.
///
/// # Errors
///
/// Fails with [`ErrorKind::WrongFile`] then, and names the first such import.
pub fn look_at_imports(names: &[&str]) -> Result<()> {
    match names.iter().find(|name| name.contains(':') && !is_offered(name)) {
        Some(name) => {
            Err(Error::new(ErrorKind::WrongFile, format!("cannot be run: the host does not offer its import {name}"))
                .hint(STAND_IN))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wasi_offers_in_another_version_is_offered() {
        assert!(is_offered("wasi:clocks/monotonic-clock@0.2.6"));
        assert!(is_offered("wasi:cli/run@0.3.0"));
        assert!(!is_offered("wasi:clocks/monotonic-clock@0.1.0"));
        assert!(!is_offered("wasi:keyvalue/store@0.2.0"));
        assert!(!is_offered("wasi:cli/run@0.3.0-rc-2025-09-16"));
        assert!(!is_offered("example:app/host"));
    }
}
