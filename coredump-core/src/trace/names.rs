//! Finds functions by the names that engines print: as they are in the module, or demangled in the engine's own way.

use std::collections::HashMap;

use crate::binaries::Binary;
use crate::module::ItemKind;
use crate::symbols::demangle;

/// The number of functions of one name that are remembered.
const MAX_SAME: usize = 64;

/// The functions of a module by name.
#[derive(Debug, Default)]
pub(super) struct FunctionsByName {
    functions: HashMap<String, Vec<u32>>,
}

impl FunctionsByName {
    /// Collects the names of the functions of `binary`.
    pub fn from_binary(binary: &Binary) -> FunctionsByName {
        let mut names = FunctionsByName::default();
        for function in 0..binary.module().function_count() {
            let Some(name) = binary.function_name(function) else { continue };
            names.add(name.to_owned(), function);
            names.add(plain(&demangle(name)).into_owned(), function);
        }
        for export in binary.module().exports().filter(|export| export.kind == ItemKind::Function) {
            names.add(export.name.to_owned(), export.index);
        }
        names
    }

    fn add(&mut self, name: String, function: u32) {
        let functions = self.functions.entry(name).or_default();
        if functions.len() < MAX_SAME && !functions.contains(&function) {
            functions.push(function);
        }
    }

    /// The functions that an engine may print under this name.
    pub fn called(&self, printed: &str) -> &[u32] {
        let exact = self.functions.get(printed).or_else(|| self.functions.get(&*plain(printed)));
        exact.map_or(&[], Vec::as_slice)
    }
}

/// Returns true if an engine may print a function under this name, which may be its own or that of an export. `None` if
/// it has no name.
pub(super) fn is_called(binary: &Binary, function: u32, printed: &str) -> Option<bool> {
    let name = binary.function_name(function)?;
    let exported = || {
        let mut exports = binary.module().exports();
        exports.any(|export| export.kind == ItemKind::Function && export.index == function && export.name == printed)
    };
    Some(same(printed, name) || exported())
}

/// Returns true if an engine may print a function with this name as `printed`.
fn same(printed: &str, name: &str) -> bool {
    printed == name || plain(printed) == plain(&demangle(name))
}

/// A demangled name without the parts that only some demanglers print: `std[cbe7e9478c45f7a8]::process::abort`,
/// `trap::baz::h762888613eddaec0`, the turbofish's colons.
fn plain(name: &str) -> std::borrow::Cow<'_, str> {
    let hash = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = match name.rsplit_once("::h") {
        Some((rest, last)) if hash(last) => rest,
        _ => name,
    };
    if !name.contains(['[']) && !name.contains("::<") {
        return name.into();
    }
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find(['[', ':']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = rest[1..].bytes().take_while(u8::is_ascii_hexdigit).count();
        if rest.starts_with('[') && digits > 8 && rest[1 + digits..].starts_with(']') {
            rest = &rest[digits + 2..];
        } else if rest.starts_with("::<") {
            rest = &rest[2..];
        } else {
            plain.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_demangler_prints_does_not_count() {
        assert!(same("std[cbe7e9478c45f7a8]::process::abort", "_RNvNtCshvnX5k7LZ66_3std7process5abort"));
        assert!(same("trap::baz::h762888613eddaec0", "_ZN4trap3baz17h762888613eddaec0E"));
        assert!(same("trap::baz", "_ZN4trap3baz17h762888613eddaec0E"));
        assert!(same("_ZN4trap3baz17h762888613eddaec0E", "_ZN4trap3baz17h762888613eddaec0E"));
        assert!(!same("trap::bar", "_ZN4trap3baz17h762888613eddaec0E"));
        assert_eq!(plain("a[3]::b::<c>::d:e"), "a[3]::b<c>::d:e");
    }
}
