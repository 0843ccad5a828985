//! Which imports of components the host offers, and which of them it does not.

use coredump_core::error::{Error, ErrorKind, Result};

/// What to try where an import is not offered.
pub const STAND_IN: &str = "--unknown-imports-trap runs it, up to the first call of such a function";

/// Packages of WASI whose interfaces the linker has, in a version that is compatible with any of the same series: an import
/// of another one of it finds them, unless something of its very name is in the way.
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

/// Interfaces of those packages that it does not have.
const MISSING: [&str; 4] = ["wasi:http/handler", "wasi:http/incoming-handler", "wasi:clocks/timezone", "wasi:tls/"];

/// Whether an import is an interface that WASI offers in a compatible version.
pub fn is_offered(name: &str) -> bool {
    let series = name
        .rsplit_once('@')
        // A draft of a version is compatible with nothing.
        .is_some_and(|(_, version)| {
            !version.contains('-') && ["0.2.", "0.3."].iter().any(|series| version.starts_with(series))
        });
    let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    series && any(&OFFERED) && !any(&MISSING)
}

/// Refuses a component before it is compiled, which may take minutes, if it imports what nobody offers.
///
/// # Errors
///
/// [`ErrorKind::WrongFile`], with the first such import.
pub fn look_at_imports(names: &[&str]) -> Result<()> {
    match names.iter().find(|name| name.contains(':') && !is_offered(name)) {
        Some(name) => {
            Err(Error::new(ErrorKind::WrongFile, format!("cannot be run: nobody offers its import {name}"))
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
