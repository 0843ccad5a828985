//! Demangles names. Only mangled names are touched: a C function `a` is no "signed char".

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Longest mangled name that is demangled, and longest result: both schemes can expand exponentially.
const MAX_LENGTH: usize = 64 * 1024;

/// Demangles names of Rust (legacy `_ZN…17h…E` and v0 `_R…`), Itanium C++ (`_Z…`), MoonBit and Kotlin; any other name
/// stays as it is.
///
/// Rust's disambiguating hashes are left out.
pub fn demangle(name: &str) -> Cow<'_, str> {
    if name.starts_with("_M0") && name.len() <= MAX_LENGTH {
        return super::moonbit::demangle(name).map_or(Cow::Borrowed(name), Cow::Owned);
    }
    if let Some(function) = super::kotlin::demangle(name).filter(|_| name.len() <= MAX_LENGTH) {
        return Cow::Owned(function);
    }
    if !(name.starts_with("_Z") || name.starts_with("_R") || name.starts_with("__Z")) || name.len() > MAX_LENGTH {
        return Cow::Borrowed(name);
    }
    let mut text = Bounded(String::new());
    if is_rust(name)
        && let Ok(symbol) = rustc_demangle::try_demangle(name)
    {
        if write!(text, "{symbol:#}").is_ok() {
            return Cow::Owned(text.0);
        }
    } else if name.starts_with("_Z")
        && let Ok(symbol) = cpp_demangle::Symbol::new(name)
        && symbol.structured_demangle(&mut text, &cpp_demangle::DemangleOptions::default()).is_ok()
    {
        return Cow::Owned(special(text.0));
    }
    Cow::Borrowed(name)
}

/// Writes C++'s special names (vtables, thunks, type information) as debuggers and c++filt do.
fn special(name: String) -> String {
    let class = |prefix| name.strip_prefix(prefix).and_then(|class: &str| class.strip_suffix(")}"));
    match (class("{vtable("), class("{vtt(")) {
        (Some(class), _) => format!("vtable for {class}"),
        (_, Some(class)) => format!("VTT for {class}"),
        (None, None) => thunk(&name).unwrap_or(name),
    }
}

/// A thunk, which adjusts `this` and calls the overrider: rewrites `{virtual override thunk({offset(-8)},
/// Cat::eat())}`.
fn thunk(name: &str) -> Option<String> {
    let moved = name.strip_prefix("{virtual override thunk(")?.strip_suffix(")}")?;
    let (this, rest) = moved.split_once("}, ")?;
    // The name of a thunk that adjusts the result as well has that offset before the function.
    let result = rest.strip_prefix("{offset(").or_else(|| rest.strip_prefix("{virtual offset("));
    let (kind, function) = match result {
        Some(result) => ("covariant return thunk", result.split_once("}, ")?.1),
        None if this.starts_with("{virtual offset(") => ("virtual thunk", rest),
        None => ("non-virtual thunk", rest),
    };
    Some(format!("{kind} to {function}"))
}

/// v0 names begin `_R`; legacy ones end in a hash of 16 hex digits: `17h…E`.
fn is_rust(name: &str) -> bool {
    if name.starts_with("_R") {
        return true;
    }
    let legacy = name.match_indices("17h").any(|(at, _)| {
        let hash = name.as_bytes().get(at + 3..at + 20);
        hash.is_some_and(|hash| hash[16] == b'E' && hash[..16].iter().all(u8::is_ascii_hexdigit))
    });
    legacy && name.contains("_ZN")
}

/// A string that cannot grow beyond the limit.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_LENGTH {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn each_language_is_demangled_by_its_own_scheme() {
        assert_eq!(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_Z3foov"), "foo()");
        assert_eq!(demangle("_ZTV5Horse"), "vtable for Horse");
        assert_eq!(demangle("_ZTTN3zoo4CageIiEE"), "VTT for zoo::Cage<int>");
        assert_eq!(demangle("_ZTS5Horse"), "typeinfo name for Horse");
        // These are the names as c++filt writes them.
        assert_eq!(demangle("_ZThn16_N1BD1Ev"), "non-virtual thunk to B::~B()");
        assert_eq!(demangle("_ZTv0_n24_N1B1hEc"), "virtual thunk to B::h(char)");
        assert_eq!(demangle("_ZTcv0_n24_v0_n24_N1n1EIiE1fEi"), "covariant return thunk to n::E<int>::f(int)");
        assert_eq!(demangle("_ZTchn16_h16_N1B1fEi"), "covariant return thunk to B::f(int)");
    }

    #[test]
    fn plain_names_stay() {
        for name in ["a", "b", "main", "i", "_Z", "_R", "__main_void", "runtime.main", "_Zwhat", "_ZN", ""] {
            assert_eq!(demangle(name), name);
        }
    }

    #[test]
    fn expansion_is_bounded() {
        // Each level doubles the one before: 2^64 times `a`.
        let mut bomb = String::from("_Z1fI1aE");
        for level in 0..64 {
            bomb.push_str(&format!("S{level}_"));
        }
        assert!(demangle(&bomb).len() <= super::MAX_LENGTH);
        assert!(demangle(&format!("_Z{}", "P".repeat(60_000))).len() <= super::MAX_LENGTH);
    }
}
